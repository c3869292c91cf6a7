"""What was booked of positions without being traded: it is no fill, so a position is its fills and these."""

from typing import Any, Final

from ordergate.application.entry import decode
from ordergate.application.ports.journal import JournalReader
from ordergate.domain.breaks import Resolution
from ordergate.domain.money import text
from ordergate.domain.recon.events import PositionAdjusted
from ordergate.domain.times import format_time

_AT_ONCE: Final = 1_000
_KIND: Final = b'"PositionAdjusted/1"'


async def adjustments(
    reader: JournalReader, fund_id: str | None = None, symbol: str | None = None
) -> list[dict[str, Any]]:
    """The adjustments of positions of a fund and a symbol (None: any), oldest first.

    The journal is read from the first break on that ended with one; where none did, not at all.
    """
    ended = [item for item in await reader.select("breaks") if item.resolution is Resolution.ADJUSTED]
    indices = [int(item.break_id.removeprefix("brk-")) for item in ended]
    found: list[dict[str, Any]] = []
    first = min(indices, default=None)
    while first is not None:
        lines = await reader.lines(first, _AT_ONCE)
        for index, line in enumerate(lines, first):
            event = decode(line.data, index).event if _KIND in line.data else None
            if isinstance(event, PositionAdjusted) and _is_wanted(event, fund_id, symbol):
                found.append(_show(event))
        first = first + len(lines) if lines else None
    return found


def _is_wanted(event: PositionAdjusted, fund_id: str | None, symbol: str | None) -> bool:
    trade = event.trade
    return trade is not None and fund_id in (None, event.fund_id) and symbol in (None, trade.symbol)


def _show(event: PositionAdjusted) -> dict[str, Any]:
    trade = event.trade
    if trade is None:
        raise ValueError("an adjustment of money is none of a position")
    return {
        "fund_id": event.fund_id,
        "symbol": trade.symbol,
        "lot_id": trade.fill_id,
        "break_id": event.break_id,
        "booked_at": format_time(trade.booked_at),
        "side": str(trade.side),
        "quantity": text(trade.quantity),
        "price": text(trade.price),
        "by": event.by,
        "why": event.why,
    }
