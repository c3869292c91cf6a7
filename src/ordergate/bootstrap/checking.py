"""A configured broker asked how it is: read-only, without its session, whoever has that."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, cast

from msgspec import Struct

from ordergate.application.ports.brokers import CheckableBroker, DescribingBroker, Health, LoginRefused
from ordergate.bootstrap.brokers import Opening, make_broker
from ordergate.config import ConfigError, PaperBroker, SyncBroker
from ordergate.domain.errors import StoreError

_NOT_ASKED: Final = {
    PaperBroker: "a simulated venue: there is nothing to reach, and its session is not touched",
    SyncBroker: "a class of your own: its session is not touched, only its settings were looked at",
}
_CLOCK_S: Final = 1
"""From which on a difference of clocks is worth a word."""


class State(StrEnum):
    """How a part of it is; UNKNOWN is what the venue does not say."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"


class Finding(Struct, frozen=True):
    """One part, and what there is to say of it."""

    what: str
    state: State
    detail: str


async def check_broker(opening: Opening, name: str) -> list[Finding]:
    """Asks a configured broker.

    Raises:
        ConfigError: it cannot be as it is configured.
        SecretError: a secret of its cannot be had.
    """
    why = _NOT_ASKED.get(type(opening.in_force.config.brokers[name]))
    if why is not None:
        return [Finding("connection", State.UNKNOWN, why)]
    broker = make_broker(opening, name)
    if not hasattr(broker, "check"):
        return [Finding("connection", State.UNKNOWN, "the adapter cannot be asked without its session")]
    try:
        return list(findings(await cast(CheckableBroker, broker).check()))
    finally:
        await broker.close()


async def instruments_of(opening: Opening, name: str) -> dict[str, str]:
    """The tables that describe a broker's symbols in the configuration, by our names, as TOML.

    Raises:
        ConfigError: it cannot be as it is configured, or its venue describes no symbols.
        SecretError: a secret of its cannot be had.
        StoreError: the venue cannot be asked now, or refuses who we are.
    """
    broker = make_broker(opening, name)
    if not hasattr(broker, "instruments"):
        raise ConfigError(f"brokers.{name}: its adapter describes no symbols: write their tables by hand")
    try:
        return await cast(DescribingBroker, broker).instruments()
    except LoginRefused as refused:
        raise StoreError(str(refused)) from refused
    finally:
        await broker.close()


def findings(health: Health) -> Iterator[Finding]:
    """What to think of what a venue says."""
    if health.reached or health.problems:
        reached = "reached" if health.reached else "cannot be reached"
        yield Finding("connection", State.OK if health.reached else State.BAD, reached)
    else:
        yield Finding("connection", State.UNKNOWN, "was not asked")
    if health.reached:
        yield from _of_a_venue(health)
    for problem in health.problems:
        yield Finding("problem", State.BAD, problem)
    for note in health.notes:
        yield Finding("note", State.OK, note)


def _of_a_venue(health: Health) -> Iterator[Finding]:
    if health.login is not None:
        yield Finding(
            "login", State.OK if health.login else State.BAD, "taken" if health.login else "refused"
        )
    yield _clock(health)
    yield from _permissions(health)
    known = health.open_orders is not None
    detail = f"{health.open_orders} work there" if known else "cannot be read"
    yield Finding("open orders", State.OK if known else State.UNKNOWN, detail)
    if health.statement is not None:
        read = "can be read" if health.statement else "cannot be read: nothing is compared"
        yield Finding("account", State.OK if health.statement else State.WARN, read)


def _clock(health: Health) -> Finding:
    ahead, most = health.clock_ahead_s, health.clock_most_s
    if ahead is None:
        return Finding("clock", State.UNKNOWN, "the venue does not say")
    way = "ahead of" if ahead >= 0 else "behind"
    detail = f"theirs is {abs(ahead)} s {way} ours" + (f"; it takes at most {most} s" if most else "")
    if most is not None and abs(ahead) > most:
        return Finding("clock", State.BAD, f"{detail}: set this machine's clock")
    near = abs(ahead) > (most / 2 if most is not None else _CLOCK_S)
    return Finding("clock", State.WARN if near else State.OK, detail)


def _permissions(health: Health) -> Iterator[Finding]:
    named = "" if not health.permissions else f" ({', '.join(health.permissions)})"
    if health.may_trade is None:
        yield Finding("permissions", State.UNKNOWN, f"the venue does not say whether we may trade{named}")
    elif health.may_trade:
        yield Finding("permissions", State.OK, f"may trade{named}")
    else:
        yield Finding("permissions", State.BAD, f"may not trade{named}: give it a key that may")
    if health.may_withdraw:
        detail = "the key may take money out of the account: use one that may only trade"
        yield Finding("withdrawals", State.WARN, detail)
