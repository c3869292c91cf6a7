"""A ticket as the events tell it, and as they are read back."""

from decimal import Decimal
from typing import Any

from msgspec import Struct

from ordergate.testing.metatrader4.account import BALANCE, TYPES, ZERO, Ticket
from ordergate.testing.metatrader4.lines import number


class Held(Struct, kw_only=True):
    """A ticket as it was told. `left`: lots that go on under a ticket not seen yet."""

    row: Ticket
    id: str
    ref: str = ""
    open: bool = True
    commission_open: Decimal = ZERO
    left: Decimal = ZERO


def told_row(row: Ticket, id_: str, ref: str) -> dict[str, Any]:
    """The keys of a row."""
    return {
        "ticket": row.ticket,
        "id": id_,
        "ref": ref,
        "symbol": row.symbol,
        "type": TYPES[row.type],
        "lots": number(row.lots),
        "price": number(row.price),
        "open_time": row.open_time,
        "sl": number(row.sl),
        "tp": number(row.tp),
        "expiry": row.expiry,
        "magic": row.magic,
        "comment": row.comment,
        "commission": number(row.commission),
        "swap": number(row.swap),
        "profit": number(row.profit),
    }


def row_in(line: dict[str, Any]) -> Ticket:
    """The row that a line told."""
    return Ticket(
        ticket=line["ticket"],
        type=TYPES.index(line["type"]),
        symbol=line["symbol"],
        lots=Decimal(line["lots"]),
        price=Decimal(line["price"]),
        open_time=line["open_time"],
        sl=Decimal(line["sl"]),
        tp=Decimal(line["tp"]),
        expiry=line["expiry"],
        magic=line["magic"],
        comment=line["comment"],
        commission=Decimal(line["commission"]),
        close_time=line.get("close_time", 0),
    )


def reason_of(row: Ticket, by: str) -> str:
    """Why a position ended: `command` where one of ours did it."""
    if by:
        return "command"
    comment = row.comment.lower()
    if comment.startswith("so:"):
        return "so"
    return next((mark for mark in ("sl", "tp") if f"[{mark}]" in comment), "other")


def still(held: Held) -> dict[str, Any]:
    """The keys of a `still`."""
    if held.row.type == BALANCE:
        row = Ticket(ticket=held.row.ticket, type=BALANCE, symbol="", lots=ZERO, price=ZERO, open_time=0)
        row.close_time = held.row.close_time
    else:
        row = held.row
    return {
        **told_row(row, held.id, held.ref),
        "open": held.open,
        "close_time": row.close_time,
        "commission_open": number(held.commission_open),
        "left": number(held.left),
    }
