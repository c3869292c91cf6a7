"""What the service `Oms` can do: each method takes a call, and answers with a document as REST shows it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

from google.protobuf.message import Message
from msgspec import Struct

from ordergate.api import risk
from ordergate.api.door import Door
from ordergate.api.feed import Feed, index_of
from ordergate.api.gate import Shard
from ordergate.api.grpc.calls import Call
from ordergate.api.lists import page_of
from ordergate.api.orders import TERMS, is_refused, refused, refused_change, submit_of, terms_of
from ordergate.api.problems import Detail, DoorCode, Failure, failure, problem
from ordergate.api.shards import SHARD, shard_of
from ordergate.api.sieve import Sieve
from ordergate.application.decide.context import OrderResult
from ordergate.application.entry import decode, kind_of
from ordergate.application.queries import show_order
from ordergate.application.telling import Teller, Told
from ordergate.domain.identifiers import parse_order_id
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, parse_reason
from ordergate.domain.orders.order import Order
from ordergate.domain.risk.limits import Level
from ordergate.domain.times import format_time
from ordergate.oms.v1 import oms_pb2 as pb

HEARTBEAT_S: Final = 15
_LONGEST_HEARTBEAT_S: Final = 3_600
MOST_STREAMS: Final = 100
_NO_VERSION: Final = "say which version you have seen: version, or any_version"


class Method(Struct, frozen=True):
    """A method that answers once.

    Attributes:
        about_orders: whether its errors say what became of the order.
    """

    name: str
    request: type[Message]
    answer: type[Message]
    handler: Callable[[Door, Call], Awaitable[dict[str, Any]]]
    about_orders: bool = False


def _shown(order: Order) -> dict[str, Any]:
    if is_refused(order):
        raise Failure(refused(order, stored=True))
    return show_order(order)


def _order_id(call: Call) -> str:
    """The order that a call names. Raises Invalid."""
    return parse_order_id(call.text("order_id"), "#/order_id")


async def submit(door: Door, call: Call) -> dict[str, Any]:
    """Submit."""
    result: OrderResult = await door.gate.execute(submit_of(call.body), call.origin(), call.raw())
    call.replayed = result.replayed
    return _shown(result.order)


async def cancel(door: Door, call: Call) -> dict[str, Any]:
    """Cancel."""
    reason = parse_reason(call.body.get("reason"), "#/reason")
    command = CancelOrder(order_id=_order_id(call), reason=reason)
    result: OrderResult = await door.gate.execute(command, call.origin(), call.raw())
    return _shown(result.order)


async def replace(door: Door, call: Call) -> dict[str, Any]:
    """Replace."""
    order_id, version = _order_id(call), call.body.get("version")
    if (version is None) is not bool(call.body.get("any_version")):
        error = Detail(code=DoorCode.IF_MATCH_MISSING, detail=_NO_VERSION, pointer="#/version")
        raise Failure(problem(428, DoorCode.IF_MATCH_MISSING, _NO_VERSION, errors=(error,)))
    terms = terms_of({name: call.body[name] for name in TERMS if name in call.body})
    command = ReplaceOrder(order_id=order_id, version=version, **terms)
    result: OrderResult = await door.gate.execute(command, call.origin(), call.raw())
    told = refused_change(result)
    if told is not None:
        raise Failure(told)
    return _shown(result.order)


async def get_order(door: Door, call: Call) -> dict[str, Any]:
    """GetOrder."""
    return show_order(await door.gate.queries.order(_order_id(call)))


async def list_orders(door: Door, call: Call) -> dict[str, Any]:
    """ListOrders."""
    return await page_of(door, "orders", call.texts())


async def get_positions(door: Door, call: Call) -> dict[str, Any]:
    """GetPositions."""
    return await page_of(door, "positions", call.texts())


async def check_risk(door: Door, call: Call) -> dict[str, Any]:
    """CheckRisk."""
    return await risk.check_order(door.gate, risk.parse_check(dict(call.body)), call.origin())


METHODS: Final = (
    Method("Submit", pb.Order, pb.Order, submit, about_orders=True),
    Method("Cancel", pb.CancelRequest, pb.Order, cancel, about_orders=True),
    Method("Replace", pb.ReplaceRequest, pb.Order, replace, about_orders=True),
    Method("GetOrder", pb.OrderId, pb.Order, get_order),
    Method("ListOrders", pb.OrdersRequest, pb.OrderList, list_orders),
    Method("GetPositions", pb.PositionsRequest, pb.PositionList, get_positions),
    Method("CheckRisk", pb.Order, pb.Verdict, check_risk),
)


class Updates:
    """The method StreamUpdates: how many streams there are, and each of them."""

    name: Final = "StreamUpdates"
    request: Final = pb.UpdatesRequest

    def __init__(self, door: Door) -> None:
        self._door, self._open = door, 0

    async def stream(self, call: Call) -> AsyncGenerator[bytes, None]:
        """Updates as they are sent.

        Raises:
            Failure: a field cannot be, there are too many streams, or the service closes.
            StoreError: the journal cannot be read.
        """
        if self._open >= MOST_STREAMS:
            detail = f"{MOST_STREAMS} streams are open: close one, or try again later"
            raise failure(503, DoorCode.TOO_MANY_STREAMS, detail)
        self._open += 1
        try:
            async with aclosing(self._updates(call)) as updates:
                async for update in updates:
                    yield update.SerializeToString()
        finally:
            self._open -= 1
        raise failure(503, DoorCode.NOT_READY, "the service is closing: resume behind the last index")

    async def _updates(self, call: Call) -> AsyncGenerator[pb.OrderUpdate, None]:
        fund, every_s = call.body.get("fund_id"), _heartbeat_of(call.body.get("heartbeat_s", HEARTBEAT_S))
        journal = self._shard_of(fund, call.body.get(SHARD)).journal
        first = _first(call.body.get("after"), (await journal.head()).size)
        teller, clock = Teller(journal), self._door.gate.clock
        with self._door.listening() as news:
            feed = Feed(self._door, journal, Sieve(journal, fund=fund, of_orders=True), news, every_s)
            yield pb.OrderUpdate(index=first - 1, time=format_time(clock.now()))
            async with aclosing(feed.pages(first)) as pages:
                async for behind, found in pages:
                    entries = [decode(line.data, index) for index, line in found]
                    for told, (_index, line) in zip(await teller.tell(entries), found, strict=True):
                        yield _update(told, line.data)
                    if not found:
                        yield pb.OrderUpdate(index=behind - 1, time=format_time(clock.now()))

    def _shard_of(self, fund: str | None, named: str | None) -> Shard:
        """The shard of that name, else the one that has the fund."""
        if named is None and fund is not None:
            found = risk.shards_of(self._door.gate, (Level.FUND, fund))
            if len(found) == 1:
                return next(iter(found.values()))
        return shard_of(self._door, named)


def _first(after: int | None, size: int) -> int:
    """The index to begin at, in a journal of that size; an index that it has not is of another. Raises Failure."""
    if after is None:
        return size
    first = index_of(str(after), "after") + 1
    if first > size:
        last = f"ends with {size - 1}" if size else "is empty"
        detail = (
            f"{after} is no index of this journal, which {last}: begin with -1, and compare what you have"
        )
        raise failure(400, DoorCode.BAD_PARAMETER, detail, parameter="after")
    return first


def _heartbeat_of(given: int) -> int:
    if not 1 <= given <= _LONGEST_HEARTBEAT_S:
        detail = f"{given} is not a number of seconds from 1 to {_LONGEST_HEARTBEAT_S}"
        raise failure(400, DoorCode.BAD_PARAMETER, detail, parameter="heartbeat_s")
    return given


def _update(told: Told, data: bytes) -> pb.OrderUpdate:
    entry, order = told.entry, told.order
    return pb.OrderUpdate(
        index=entry.index,
        time=format_time(entry.time),
        event=kind_of(entry.event).partition("/")[0],
        order=None if order is None else show_order(order),
        previous_state=told.before,
        actor=entry.actor,
        entry=data,
    )
