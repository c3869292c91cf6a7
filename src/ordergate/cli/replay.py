"""Replaying a market: quotes and signals in the order of their times, on a simulated clock.

The clock moves only when nothing else is left to do, so what a quote causes is journalled before the next one
comes, and the same input gives the same journal.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from ordergate.adapters.clock import VirtualClock
from ordergate.application.entry import Origin
from ordergate.bootstrap import Gate
from ordergate.domain.market import Quote
from ordergate.domain.signals import Signal, SubmitSignal

Progress = Callable[[int, int], None]
TimedSignal = tuple[datetime, Signal]
_TAIL_S = 5.0
_REPORT_EVERY = 1_000


async def replay(
    gate: Gate,
    clock: VirtualClock,
    quotes: Iterable[Quote],
    signals: Sequence[TimedSignal],
    progress: Progress,
    total: int,
) -> None:
    """Feeds every paper venue of the gate; a signal comes after the quotes of its own time."""
    waiting = iter(signals)
    signal = next(waiting, None)
    for count, quote in enumerate(quotes, 1):
        while signal is not None and signal[0] < quote.time:
            await _submit(gate, clock, signal)
            signal = next(waiting, None)
        await clock.sleep_until(quote.time)
        gate.feed(quote)
        if count % _REPORT_EVERY == 0:
            progress(count, total)
    while signal is not None:
        await _submit(gate, clock, signal)
        signal = next(waiting, None)
    await clock.sleep(_TAIL_S)
    progress(total, total)


async def _submit(gate: Gate, clock: VirtualClock, signal: TimedSignal) -> None:
    at, wish = signal
    await clock.sleep_until(at)
    origin = Origin(actor=wish.strategy_id or "signals", source="replay")
    await gate.execute(SubmitSignal(wish), origin, wish.raw)
