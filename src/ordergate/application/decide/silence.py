"""The dead-man switch: a strategy that gives no sign of life for too long is halted.

A sign of life is an order of the strategy, let through or refused by the gate, or a heartbeat. It begins with the
first one; a limit that is set arms nothing.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from ordergate.application.decide.context import Context, Decision
from ordergate.application.decide.halting import throw
from ordergate.domain.book import Book, Strategy
from ordergate.domain.errors import Code, Conflict, quoted
from ordergate.domain.risk.commands import Heartbeat, ThrowSwitch
from ordergate.domain.risk.events import StrategySeen
from ordergate.domain.risk.kill_switch import Halt, Mode, Trigger
from ordergate.domain.risk.limits import Level, LimitSet
from ordergate.domain.times import format_time

_PARTS: Final = 10
"""A heartbeat within the first so-manieth part of the time that a strategy may be silent tells nothing new."""


class Armed(Struct, frozen=True, gc=False):
    """A strategy that is halted at `until` unless it gives a sign of life; it may be silent for `most_s` seconds."""

    strategy_id: str
    seen_at: datetime
    most_s: int

    @property
    def until(self) -> datetime:
        """When it has been silent for too long."""
        return self.seen_at + timedelta(seconds=self.most_s)


def heartbeat(ctx: Context, command: Heartbeat) -> Decision[Strategy]:
    """Takes a sign of life; one that comes shortly after the last is taken and not written.

    Raises:
        Conflict: the strategy's limits do not say how long it may be silent.
    """
    strategy_id, state = command.strategy_id, ctx.state
    limits = state.limits.get((Level.STRATEGY, strategy_id))
    most_s = None if limits is None else _most_s(limits, ctx.now())
    if most_s is None:
        detail = (
            f"strategy {quoted(strategy_id)} may be silent for ever: set max_silence_s of its limits first"
        )
        raise Conflict(Code.NOT_WATCHED, detail, "#/strategy_id")
    known = state.strategies.get(strategy_id)
    since = None if known is None else known.seen_at
    if (
        since is None
        or _was_stopped(state.halts.get((Level.STRATEGY, strategy_id)), since)
        or (ctx.now() - since) * _PARTS >= timedelta(seconds=most_s)
    ):
        yield StrategySeen(strategy_id=strategy_id)
    return state.strategies.rows[strategy_id]


def _most_s(limits: LimitSet, now: datetime) -> int | None:
    """As it counts now; where a change has taken it away for a while, as it will once that is over."""
    present = limits.at(now).max_silence_s
    return present if present is not None or limits.reverts_to is None else limits.reverts_to.max_silence_s


def armed(state: Book, now: datetime) -> Iterator[Armed]:
    """The strategies that their silence would halt: seen once, not halted, and not stopped since."""
    for row in state.strategies.rows.values():
        if row.seen_at is None:
            continue
        scope = Level.STRATEGY, row.strategy_id
        limits, halt = state.limits.get(scope), state.halts.get(scope)
        most_s = None if limits is None else limits.at(now).max_silence_s
        if most_s is not None and not (_is_halted(halt) or _was_stopped(halt, row.seen_at)):
            yield Armed(row.strategy_id, row.seen_at, most_s)


def _is_halted(halt: Halt | None) -> bool:
    return halt is not None and halt.holds and halt.mode is Mode.HALT


def _was_stopped(halt: Halt | None, since: datetime) -> bool:
    """Whether a halt was thrown or lifted since then: whoever lifts it knows of the silence before."""
    return halt is not None and (halt.lifted_at or halt.since) >= since


def is_silent(state: Book, now: datetime) -> bool:
    """Whether a strategy has been silent for too long."""
    return any(now >= one.until for one in armed(state, now))


def halt_the_silent(ctx: Context) -> Decision[None]:
    """Halts the strategies that have been silent for too long, each once for each silence."""
    now = ctx.now()
    for one in [one for one in armed(ctx.state, now) if now >= one.until]:
        reason = f"no sign of life since {format_time(one.seen_at)}: max_silence_s is {one.most_s}"
        yield from throw(
            ctx,
            ThrowSwitch(level=Level.STRATEGY, name=one.strategy_id, reason=reason, trigger=Trigger.SILENCE),
        )
