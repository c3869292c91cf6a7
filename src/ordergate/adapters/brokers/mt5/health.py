"""How an account is, when it is only asked: reached, login, clock, what may be done, and whether symbols agree."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from ordergate.adapters.brokers.mt5.agent.port import Refused, Terminal, Unreachable
from ordergate.adapters.brokers.mt5.link import Failed, Link
from ordergate.adapters.brokers.mt5.settings import Mt5Settings
from ordergate.adapters.brokers.mt5.symbols import (
    Symbol,
    Unreadable,
    disagreements,
    finer,
    section_of,
    whole,
)
from ordergate.application.ports.brokers import Health, LoginRefused
from ordergate.application.ports.clock import Clock
from ordergate.domain.errors import StoreError
from ordergate.domain.instruments import Instrument

_MODES: Final = {0: "netting", 1: "exchange (netting)", 2: "hedging"}
_NO_ANSWER = (Failed, Unreachable, Unreadable, ValueError)
_NOT_FOUND: Final = -4
_NAMES: Final = 10
Make = Callable[[bool], Terminal]


async def health_of(
    broker: str,
    settings: Mt5Settings,
    make: Make,
    catalogue: Callable[[str], Instrument | None],
    clock: Clock,
) -> Health:
    """Asks, read-only, beside whoever has the session; raises nothing for the terminal's or the network's sake."""
    health, link = Health(reached=False), None
    try:
        link = Link(make(True), settings.deadline_ms / 1000)
        hello = await link.open()
        health = Health(reached=True)
        if hello.login != settings.login:
            raise Refused(f"the terminal is logged in to {hello.login}, not to {settings.login}")
        ahead_s = Decimal(round((hello.now - clock.now().timestamp()) * 1000)) / 1000
        health = replace(health, login=True, clock_ahead_s=ahead_s)
        return await _of_account(link, settings, catalogue, health)
    except Refused as refused:
        where = f"brokers.{broker}"
        said = f"{where}: {refused}: check login, server, password and key of {where}"
        return _with(replace(health, reached=link is not None, login=False), said)
    except _NO_ANSWER as error:
        return _with(health, _unasked(settings, error))
    finally:
        if link is not None:
            await link.close()


def _unasked(settings: Mt5Settings, error: Exception) -> str:
    """That the terminal could not be asked, and what to look after."""
    right = ""
    if isinstance(error, Unreachable):
        right = (
            ": on Windows, is the terminal installed, and the package: pip install 'ordergate[mt5]'? Elsewhere write "
            "agent, where one runs beside the terminal"
        )
        if settings.agent is not None:
            right = ": is the agent running there, and beside it the terminal, and does a firewall let us through?"
    return f"the terminal could not be asked: {error}{right}"


async def _of_account(
    link: Link, settings: Mt5Settings, catalogue: Callable[[str], Instrument | None], health: Health
) -> Health:
    terminal, account = await link.row("terminal_info"), await link.row("account_info")
    mode = whole(account, "margin_mode")
    problems = list[str]()
    if not terminal.get("connected"):
        problems.append("the terminal has no connection to the broker: look at its corner at the lower right")
    if not terminal.get("trade_allowed"):
        problems.append("automated trading is off in the terminal: press its button Algo Trading")
    if terminal.get("tradeapi_disabled"):
        problems.append("automated trading through Python is off: Tools, Options, Expert Advisors")
    if not account.get("trade_allowed") or not account.get("trade_expert"):
        problems.append("the broker does not let programs trade in this account")
    where = f"{account.get('server')}, {account.get('company')}, build {terminal.get('build')}"
    for ours, theirs in settings.symbols.items():
        problems += await _of_symbol(link, ours, theirs, catalogue(ours))
    return replace(
        health,
        may_trade=bool(terminal.get("trade_allowed")) and bool(account.get("trade_allowed")),
        open_orders=len(await link.working()),
        statement=True,
        problems=(*health.problems, *problems),
        notes=(f"{where}: {_MODES.get(mode, mode)}, in {account.get('currency')}",),
    )


async def _of_symbol(link: Link, ours: str, theirs: str, instrument: Instrument | None) -> list[str]:
    try:
        symbol: Symbol = await link.symbol(theirs)
    except Failed as failed:
        return [f"symbols.{ours}: {await _no_symbol(link, ours, theirs, failed)}"]
    if instrument is None:
        return [f"there is no instrument {ours}: write the table that `ordergate brokers instruments` prints"]
    return [*disagreements(symbol, instrument), *finer(symbol, instrument)]


async def _no_symbol(link: Link, ours: str, theirs: str, failed: Failed) -> str:
    """That the terminal knows none such, and what it has that may be meant."""
    if failed.code != _NOT_FOUND:
        return str(failed)
    try:
        rows = await link.rows("symbols_get", group=f"*{_letters(ours)}*")
    except (*_NO_ANSWER, Refused):
        rows = []
    known = ", ".join(str(row.get("name")) for row in rows[:_NAMES])
    right = f"it has {known}" if known else "look into its Market Watch"
    return f"the terminal has no {theirs}: write its own name of it: {right}"


def _letters(symbol: str) -> str:
    """What names of a symbol have in common: EUR/USD is EURUSD somewhere else."""
    return "".join(one for one in symbol if one.isalnum())


def _with(health: Health, problem: str) -> Health:
    return replace(health, problems=(*health.problems, problem))


async def tables_of(broker: str, settings: Mt5Settings, make: Make) -> dict[str, str]:
    """The table of the configuration for each symbol, by our name.

    Raises:
        LoginRefused: the terminal, or its agent, does not know who we are.
        StoreError: it cannot be asked now.
    """
    link = None
    try:
        link = Link(make(True), settings.deadline_ms / 1000)
        hello = await link.open()
        if hello.login != settings.login:
            raise Refused(f"the terminal is logged in to {hello.login}, not to {settings.login}")
        return {ours: await _table(link, broker, ours, theirs) for ours, theirs in settings.symbols.items()}
    except Refused as refused:
        raise LoginRefused(f"brokers.{broker}: {refused}") from refused
    except _NO_ANSWER as error:
        raise StoreError(f"brokers.{broker}: {_unasked(settings, error)}") from error
    finally:
        if link is not None:
            await link.close()


async def _table(link: Link, broker: str, ours: str, theirs: str) -> str:
    try:
        return section_of(ours, await link.symbol(theirs))
    except Failed as failed:
        said = await _no_symbol(link, ours, theirs, failed)
        raise StoreError(f"brokers.{broker}.symbols.{ours}: {said}") from failed
