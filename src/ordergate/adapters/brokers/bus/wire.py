"""What goes to a connector and comes from it, in our own words: JSON, decimals as text, times as RFC 3339.

The fields of an order that stand first are those that MT5 connectors know: `order_id`, `symbol`, `order_type` (buy or
sell), `volume`, `price`, `sl`, `tp`, and the `comment` that ties what happens at the terminal to the order.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from ordergate.application.ports.brokers import Capabilities, Change, Presence, Send, Withdraw
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.money import ZERO
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.states import ExecutionKind, OrderType, Side, TimeInForce

PROTOCOL: Final = "ordergate.v1"


class OrderOut(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order to place.

    Attributes:
        order_type: buy or sell: which way it trades; `kind` says how its price is found.
        volume: in the instrument's unit.
        price: its limit or stop price; of a market order the signal's entry price, if anything.
        client_id: ours of this request; a connector that knows it already places nothing, and says `duplicate`.
        valid_until: after which the connector does nothing about it, and says `rejected`.
    """

    order_id: str
    symbol: str
    order_type: str
    volume: Decimal
    comment: str
    client_id: str
    kind: OrderType
    side: Side
    tif: TimeInForce
    valid_until: datetime
    price: Decimal | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    expires_at: datetime | None = None
    strategy_id: str | None = None
    signal_id: str | None = None


class ChangeOut(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cancel, or a replace where it has terms. `order` is the client id last accepted."""

    order_id: str
    order: str
    client_id: str
    valid_until: datetime
    broker_order_id: str | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class LookupOut(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question for an order by the client id of any of its requests, or by the broker's own id."""

    order_id: str | None = None
    client_id: str | None = None
    broker_order_id: str | None = None


class StatementOut(Struct, frozen=True, kw_only=True):
    """A question for the account."""

    since: datetime


class HelloOut(Struct, frozen=True, kw_only=True):
    """The first words of a session."""

    protocol: str = PROTOCOL


class HelloIn(Struct, frozen=True, kw_only=True):
    """What a connector can do; what it does not name it cannot."""

    protocol: str
    order_types: frozenset[str] = frozenset()
    tifs: frozenset[str] = frozenset()
    deduplication: str = "none"
    proves_absence: bool = False
    replaces: bool = False
    lists: bool = False
    statements: bool = False


class AnswerIn(Struct, frozen=True, kw_only=True):
    """How a request ended: accepted, rejected or duplicate; a connector that does not know does not answer."""

    outcome: r.Outcome
    broker_order_id: str | None = None
    reason: str | None = None


class Said(Struct, frozen=True, kw_only=True, tag_field="report"):
    """Common to all reports. `client_id` is the order's, of a request's report that request's."""

    client_id: str | None = None
    broker_order_id: str | None = None


class Acknowledged(Said, frozen=True, kw_only=True, tag="acknowledged"):
    """The order is at the broker."""


class Confirmed(Said, frozen=True, kw_only=True, tag="confirmed"):
    """The broker's own record has the order complete."""


class Executed(Said, frozen=True, kw_only=True, tag="executed"):
    """A trade, a correction or a bust; `completes` where the broker's own record has the order complete with it.

    Where the broker by itself closed what an order had opened (at its stop loss, its take profit, or for want of
    margin), `closes` is that order's client id. Then `broker_order_id` is the closing's own, `side` is told, no
    `client_id` is, and `order_type` is stop, limit or market.
    """

    exec_id: str
    time: datetime
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    fee: Decimal = ZERO
    fee_currency: str | None = None
    execution_kind: ExecutionKind = ExecutionKind.TRADE
    refers_to: str | None = None
    symbol: str | None = None
    side: Side | None = None
    completes: bool = False
    closes: str | None = None
    order_type: OrderType | None = None


class Ended(Said, frozen=True, kw_only=True, tag="ended"):
    """The order is at its end."""

    end: r.End
    reason: str | None = None


class Replaced(Said, frozen=True, kw_only=True, tag="replaced"):
    """A replace was done, with these terms."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    completes: bool = False


class RequestRefused(Said, frozen=True, kw_only=True, tag="request_refused"):
    """A cancel or replace was refused after it had been taken."""

    reason: str | None = None


class Restated(Said, frozen=True, kw_only=True, tag="restated"):
    """The broker changed the order unasked."""

    reason: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


AnySaid = Acknowledged | Confirmed | Executed | Ended | Replaced | RequestRefused | Restated


class LookupIn(Struct, frozen=True, kw_only=True):
    """What a lookup found; `reports` say everything about an order that was found."""

    presence: Presence
    reports: tuple[AnySaid, ...] = ()
    reason: str | None = None


class OpenIn(Struct, frozen=True, kw_only=True):
    """The client ids of the orders that work."""

    complete: bool
    client_ids: frozenset[str] = frozenset()


class StatementIn(Struct, frozen=True, kw_only=True):
    """The account, all of one moment."""

    complete: bool
    positions: dict[str, Decimal] | None = None
    balances: dict[str, Decimal] | None = None
    paid_in: dict[str, Decimal] | None = None
    working: frozenset[str] | None = None
    executions: tuple[Executed, ...] | None = None
    executions_since: datetime | None = None


AS_TEXT: Final = msgspec.json.Encoder(decimal_format="string").encode
AS_NUMBERS: Final = msgspec.json.Encoder(decimal_format="number").encode
REPORT: Final = msgspec.json.Decoder(AnySaid)


def order_out(send: Send, valid_until: datetime) -> OrderOut:
    """An order, as a connector gets it."""
    order_id = order_id_of(send.client_id)
    return OrderOut(
        order_id=order_id,
        symbol=send.symbol,
        order_type="buy" if send.side.sign > 0 else "sell",
        volume=send.quantity,
        comment=f"order_id:{order_id}",
        client_id=send.client_id,
        kind=send.order_type,
        side=send.side,
        tif=send.tif,
        valid_until=valid_until,
        price=send.limit_price or send.stop_price or send.entry_price,
        sl=send.stop_loss,
        tp=send.take_profit,
        limit_price=send.limit_price,
        stop_price=send.stop_price,
        expires_at=send.expires_at,
        strategy_id=send.strategy_id,
        signal_id=send.signal_id,
    )


def change_out(change: Change | Withdraw, valid_until: datetime) -> ChangeOut:
    """A cancel or a replace, as a connector gets it."""
    return ChangeOut(order_id=order_id_of(change.order), valid_until=valid_until, **asdict(change))


def lacking(can: Capabilities, said: HelloIn) -> str | None:
    """What is configured and the connector does not say that it can; None where it can all of it."""
    if said.protocol != PROTOCOL:
        return f"speaks {said.protocol[:64]!r}, not {PROTOCOL}"
    more: list[str] = [*sorted(can.order_types - said.order_types), *sorted(can.tifs - said.tifs)]
    flags = ("proves_absence", "replaces", "lists", "statements")
    more += [name for name in flags if getattr(can, name) and not getattr(said, name)]
    if _STRENGTH.get(said.deduplication, 0) < _STRENGTH[can.deduplication]:
        more.append(f"deduplication {can.deduplication}")
    return f"does not say that it can: {', '.join(more)}" if more else None


_STRENGTH: Final = {"none": 0, "while_open": 1, "forever": 2}
_REPORTS: Final[dict[type, type[r.Report]]] = {
    Acknowledged: r.Acknowledged,
    Confirmed: r.Confirmed,
    Executed: r.Executed,
    Ended: r.Ended,
    Replaced: r.Replaced,
    RequestRefused: r.RequestRefused,
    Restated: r.Restated,
}


def report_of(said: AnySaid, broker: str, cursor: str | None = None, raw: str | None = None) -> r.AnyReport:
    """The report, in the words of the order machine."""
    kind = _REPORTS[type(said)]
    return kind(broker=broker, cursor=cursor, raw=raw, **asdict(said))  # type: ignore[return-value]
