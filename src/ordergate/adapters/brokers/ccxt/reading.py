"""Orders and trades as ccxt tells them, in our words. What cannot be read raises, and is never half read."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.brokers.ccxt.known import Known, ours
from ordergate.adapters.brokers.ccxt.steps import contract_size, number
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.reports import Acknowledged, AnyReport, Confirmed, End, Ended, Executed
from ordergate.domain.orders.states import Side
from ordergate.domain.positions.ledger import PERP, perpetual_name, position_key

ENDS: Final = {"canceled": End.CANCELED, "expired": End.EXPIRED, "rejected": End.REJECTED}
"""By ccxt's status; `open` and `canceling` work. `closed` is filled, or canceled where it is not all filled, as
ccxt says of an order of Bybit's that was canceled after a part."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_RAW: Final = 4_000


class Unreadable(Exception):
    """What the exchange, or ccxt, says of an order or a trade is not what it can be."""


class Place(Struct, frozen=True):
    """An order at the exchange: ids are unique only within a symbol."""

    symbol: str
    id: str

    @property
    def name(self) -> str:
        """As `broker_order_id`."""
        return f"{self.symbol}#{self.id}"


class Found(Struct, frozen=True, kw_only=True):
    """An order as the exchange has it; `client_id` is ours, None where the order is not.

    Attributes:
        quantity, filled: in the instrument's unit.
        time, updated: in ms, of its creation and of its last change; 0 where that is not told.
    """

    place: Place
    client_id: str | None
    status: str
    quantity: Decimal
    filled: Decimal
    time: int
    updated: int

    @property
    def works(self) -> bool:
        """Whether it may still trade."""
        return self.status != "closed" and self.status not in ENDS


class Told(Struct, frozen=True, kw_only=True):
    """One execution, and the order that it is of.

    Attributes:
        deltas: without the broker's name, which `executed` sets before them.
    """

    place: Place
    exec_id: str
    time: int
    quantity: Decimal
    price: Decimal
    side: Side
    fee: Decimal
    fee_currency: str | None
    deltas: tuple[Delta, ...] | None
    raw: str


def place_of(broker_order_id: str | None) -> Place | None:
    """What `Place.name` was made of; None where it is none."""
    symbol, mark, id_ = (broker_order_id or "").rpartition("#")
    return Place(symbol, id_) if mark and symbol and id_ else None


def order_in(said: dict[str, Any], market: dict[str, Any], known: Known) -> Found:
    """An order of ccxt's. Raises Unreadable, but not for what somebody else's order is like."""
    size, client_id = contract_size(market), ours(said.get("clientOrderId"), known)
    status = said.get("status")
    if not isinstance(status, str):
        raise Unreadable(f"an order without a status: {_shown(said)}")
    read = _number if client_id is not None else _number_or_zero
    return Found(
        place=Place(market["symbol"], _text(said, "id")),
        client_id=client_id,
        status=status,
        quantity=plain(read(said, "amount") * size),
        filled=plain(read(said, "filled") * size),
        time=int(said.get("timestamp") or 0),
        updated=int(said.get("lastUpdateTimestamp") or said.get("lastTradeTimestamp") or 0),
    )


def trade_in(said: dict[str, Any], market: dict[str, Any]) -> Told:
    """A trade of ccxt's. Raises Unreadable."""
    symbol = market["symbol"]
    fee, currency = _fee(said)
    side = said.get("side")
    if side not in ("buy", "sell"):
        raise Unreadable(f"a trade without a side: {_shown(said)}")
    info = said.get("info")
    quantity = plain(_number(said, "amount") * contract_size(market))
    return Told(
        place=Place(symbol, _text(said, "order")),
        exec_id=f"{symbol}#{_text(said, 'id')}",
        time=int(_number(said, "timestamp")),
        quantity=quantity,
        price=_number(said, "price"),
        side=Side(side),
        fee=fee,
        fee_currency=currency,
        deltas=_deltas(info, market, quantity * Side(side).sign),
        raw=json.dumps(info, default=str)[:_LONGEST_RAW],
    )


def executed(told: Told, broker: str, client_id: str | None, cursor: str | None = None) -> Executed:
    """The report of a trade."""
    return Executed(
        broker=broker,
        client_id=client_id,
        broker_order_id=told.place.name,
        cursor=cursor,
        raw=told.raw,
        exec_id=told.exec_id,
        time=instant(told.time),
        quantity=told.quantity,
        price=told.price,
        fee=told.fee,
        fee_currency=told.fee_currency,
        symbol=told.place.symbol,
        side=told.side,
        deltas=None
        if told.deltas is None
        else tuple(Delta(f"{broker}{one.position_key}", one.amount, one.source) for one in told.deltas),
    )


def standing(found: Found, broker: str, cursor: str | None = None) -> AnyReport:
    """The report of how an order stands, its executions aside: there, complete, or at its end."""
    client_id, name = found.client_id, found.place.name
    whole = found.filled >= found.quantity
    if found.status == "closed" and whole:
        return Confirmed(broker=broker, client_id=client_id, broker_order_id=name, cursor=cursor)
    end = End.CANCELED if found.status == "closed" else ENDS.get(found.status)
    if end is None:
        return Acknowledged(broker=broker, client_id=client_id, broker_order_id=name, cursor=cursor)
    return Ended(
        broker=broker,
        client_id=client_id,
        broker_order_id=name,
        cursor=cursor,
        end=end,
        reason=f"{found.status} at the exchange",
    )


def instant(ms: int) -> datetime:
    """The exchange's milliseconds."""
    return _EPOCH + timedelta(milliseconds=ms)


def ms_of(at: datetime) -> int:
    """The exchange's milliseconds of an instant."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _deltas(info: Any, market: dict[str, Any], moved: Decimal) -> tuple[Delta, ...] | None:
    """Of a perpetual whose exchange tells what a trade made: the position, and that; else None."""
    if not market.get("contract") or not isinstance(info, dict):
        return None
    realized = number(info.get("realizedPnl", info.get("rp")))
    if realized is None:
        return None
    position = Delta(position_key("", perpetual_name(market["symbol"]), PERP), moved, "trade")
    return (position, Delta(position_key("", str(market.get("settle"))), realized, "trade"))


def _fee(said: dict[str, Any]) -> tuple[Decimal, str | None]:
    """What was paid and in what; a rebate is negative."""
    given = said.get("fees") or [said.get("fee") or {}]
    paid: dict[str, Decimal] = {}
    for one in given:
        cost, currency = number(one.get("cost")), one.get("currency")
        if cost is None or not cost:
            continue
        if not isinstance(currency, str):
            raise Unreadable(f"a fee without a currency: {_shown(said)}")
        paid[currency] = paid.get(currency, ZERO) + cost
    if len(paid) > 1:
        raise Unreadable(f"a trade with fees in {len(paid)} currencies: {_shown(said)}")
    return next(((cost, currency) for currency, cost in paid.items()), (ZERO, None))


def _number(said: dict[str, Any], name: str) -> Decimal:
    found = number(said.get(name))
    if found is None:
        raise Unreadable(f"{name} is {said.get(name)!r}, no number: {_shown(said)}")
    return found


def _number_or_zero(said: dict[str, Any], name: str) -> Decimal:
    """Of an order of others: one that spends so much money, or closes a position, has no quantity."""
    return number(said.get(name)) or ZERO


def _text(said: dict[str, Any], name: str) -> str:
    found = said.get(name)
    if not isinstance(found, str) or not found:
        raise Unreadable(f"{name} is {found!r}, no text: {_shown(said)}")
    return found


def _shown(said: dict[str, Any]) -> str:
    return str(said.get("info"))[:200]
