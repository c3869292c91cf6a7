"""How a terminal is, when its folder is only looked at."""

import asyncio
from decimal import Decimal
from typing import Final

from ordergate.adapters.brokers.mt4.account import instant
from ordergate.adapters.brokers.mt4.files import Disk, NotBegun, Overdue
from ordergate.adapters.brokers.mt4.folder import Folder, Look
from ordergate.adapters.brokers.mt4.session import Catalogue
from ordergate.adapters.brokers.mt4.settings import Mt4Settings
from ordergate.adapters.brokers.mt4.terms import disagreements
from ordergate.adapters.brokers.mt4.wire import Account, Symbol, Unreadable
from ordergate.application.ports.brokers import Health
from ordergate.application.ports.clock import Clock

_BEATS_S: Final = 3.0
"""The expert's heart beats each second."""
_EVERY_S: Final = 0.05


async def health_of(broker: str, settings: Mt4Settings, clock: Clock, catalogue: Catalogue) -> Health:
    """Looks, and writes nothing; raises nothing for the folder's sake."""
    disk, folder = Disk(f"{broker}-check"), Folder(settings.folder)
    try:
        first = await disk.do(lambda: folder.look(()), _BEATS_S)
        beat = await _beat(disk, folder, first)
        symbols = await disk.do(folder.symbols, _BEATS_S)
    except (Unreadable, NotBegun, Overdue) as error:
        return Health(reached=False, problems=(f"the folder {settings.folder} cannot be read: {error}",))
    finally:
        disk.close()
    if first.account is None:
        why = first.why or "there is no state/account.json"
        right = "put the expert on a chart, and write its folder into folder"
        return Health(reached=False, problems=(f"{settings.folder}: {why}: {right}",))
    if beat is None or beat.account is None:
        still = f"the expert has written nothing for {_BEATS_S:.0f} s"
        stood = f"{still}: is the terminal running, and the expert on a chart?"
        return Health(reached=False, problems=(stood,))
    account = beat.account
    orders = beat.orders
    return Health(
        reached=True,
        login=account.connected,
        clock_ahead_s=Decimal(round((instant(account.gmt) - clock.now()).total_seconds())),
        may_trade=account.ready and account.trade_allowed,
        open_orders=None if orders is None else sum(not row.is_open for row in orders.rows),
        statement=orders is not None and orders.complete,
        problems=(*_problems(account), *_of_symbols(settings, catalogue, symbols)),
        notes=_notes(account),
    )


async def _beat(disk: Disk, folder: Folder, first: Look) -> Look | None:
    """A look at which the heartbeat has moved; None where it stands still. Raises NotBegun and Overdue."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _BEATS_S
    while first.account is not None and loop.time() < until:
        found = await disk.do(lambda: folder.look((), first.place), _BEATS_S)
        if found.account is not None and found.account.place > first.account.place:
            return found
        await asyncio.sleep(_EVERY_S)
    return None


def _problems(account: Account) -> list[str]:
    found = []
    if not account.connected:
        found.append("the terminal has no connection to its server")
    elif not account.ready:
        found.append(f"the expert is not ready: {account.why}")
    if not account.trade_allowed:
        found.append("the terminal lets no program trade: switch on automated trading there")
    if account.missing:
        found.append(
            f"{account.missing} tickets are neither open nor in the terminal's history: set it to All History"
        )
    return found


def _of_symbols(settings: Mt4Settings, catalogue: Catalogue, symbols: object) -> list[str]:
    there = symbols if isinstance(symbols, dict) else {}
    found = []
    for ours, theirs in settings.symbols.items():
        symbol: Symbol | None = there.get(theirs)
        instrument = catalogue(ours)
        if instrument is None:
            found.append(f"symbols.{ours}: there is no such instrument: configure it")
        elif symbol is None:
            others = f", but of {', '.join(sorted(there))}: write one of those, or" if there else ":"
            found.append(
                f"symbols.{ours}: the terminal does not tell of {theirs}{others} show it in its Market Watch"
            )
        else:
            found += disagreements(instrument, symbol)
    return found


def _notes(account: Account) -> tuple[str, ...]:
    kind = "demo" if account.demo else "real"
    return (
        f"account {account.account} at {account.server} of {account.company}: {kind}, {account.currency}",
    )
