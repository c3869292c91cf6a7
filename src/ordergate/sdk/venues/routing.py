"""Orders to venues: each goes to the interface of its kind, and a handshake comes back, whatever happens."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from math import inf
from typing import Any, Final

import structlog

from ordergate.adapters.ids import TimeIds
from ordergate.bootstrap import Gate
from ordergate.domain.errors import Code, Invalid, OutcomeUnknown, Refused, quoted
from ordergate.domain.operations import Operation
from ordergate.domain.orders import order as engine
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.sdk.line import Line, WrongLoop
from ordergate.sdk.venues import placing
from ordergate.sdk.venues.codes import ErrorCode
from ordergate.sdk.venues.compensating import is_whole, undone_by
from ordergate.sdk.venues.handshakes import BUNDLE, ExecutionHandshake, ExecutionHandshakeStatus
from ordergate.sdk.venues.interfaces import CEXInterface, OnChainInterface, WalletInterface
from ordergate.sdk.venues.made import made_by
from ordergate.sdk.venues.models import Order
from ordergate.sdk.venues.names import ON_CHAIN, TRADES, OrderOperation, canonical
from ordergate.sdk.venues.registry import NoVenue, Place, place_of, target_of
from ordergate.sdk.venues.wanted import KEY, bundle_of, command_of, key_of_bundle, key_of_order

EXECUTION_TIMEOUT_S: Final = 30.0
_SLACK_S: Final = 15.0
_SHARED: Final = ("broker", "state", "reason_code", "reason", KEY)
_within: Final[ContextVar[float]] = ContextVar("within", default=inf)
"""For how long the orders of the present batch are waited for; work on the gate's loop takes it along."""
_log = structlog.get_logger("ordergate.sdk.venues")


class Desk:
    """Makes orders at a gate, and waits for what becomes of them.

    Args:
        gate: a running gate on another thread's loop; None takes the process's own.
        fund_id: whose orders they are; None takes the fund of signals.
        brokers: by venue, the broker behind it where that has another name.
        timeout_s: how long an order is waited for; then it is pending.

    Raises:
        Invalid: two brokers are said to be behind one venue.
    """

    def __init__(
        self,
        gate: Gate | None = None,
        *,
        fund_id: str | None = None,
        brokers: Mapping[str, str] | None = None,
        timeout_s: float = EXECUTION_TIMEOUT_S,
    ) -> None:
        self.line, self._fund_id, self._brokers = Line(gate), fund_id, _by_venue(brokers or {})
        self._timeout_s, self._new_key = timeout_s, TimeIds().order_id

    def fund_of(self, gate: Gate) -> str:
        """The fund whose orders they are."""
        return self._fund_id or gate.config.signals.fund

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Meanwhile nothing is waited for longer than that in this thread, either."""
        before = _within.set(min(_within.get(), seconds))
        try:
            yield
        finally:
            _within.reset(before)

    @property
    def _patience_s(self) -> float:
        return min(self._timeout_s, _within.get())

    def broker_of(self, order: Order) -> str | None:
        """The broker that an order goes to; None where there is none. A venue that is simulated begins.

        Raises:
            WrongLoop: this thread runs the gate.
            StoreError: the gate is closed.
        """

        async def work(gate: Gate) -> str | None:
            try:
                return (await place_of(gate, _where(order), self._brokers)).broker
            except (NoVenue, Refused):
                return None

        return self.line.wait(work, _SLACK_S)

    def execute(self, order: Order) -> ExecutionHandshake:
        """Makes an order and waits for its end.

        Raises:
            WrongLoop: this thread runs the gate.
        """
        key = key_of_order(order, self._new_key)
        try:
            return self.line.wait(lambda gate: self._execute(gate, order, key), self._patience_s + _SLACK_S)
        except OutcomeUnknown as unknown:
            return _pending(order, {KEY: key, "reason": str(unknown)})

    def bundle(self, orders: Sequence[Order]) -> list[ExecutionHandshake] | None:
        """Makes one order of several operations on a chain; None where they cannot be one, and nothing was done.

        The first handshake has what was moved and paid, all of them how it ended.

        Raises:
            WrongLoop: this thread runs the gate.
        """
        if len(orders) < 2 or not all(order.is_defi_operation() for order in orders):
            return None
        key = key_of_order(orders[0], self._new_key)
        try:
            return self.line.wait(lambda gate: self._bundle(gate, orders, key), self._patience_s + _SLACK_S)
        except OutcomeUnknown as unknown:
            return [_pending(order, {KEY: key, "reason": str(unknown)}) for order in orders]
        except WrongLoop:
            raise
        except Exception as error:  # what comes after the order was made is no exception
            return [failed(order, ErrorCode.ROUTING, str(error) or repr(error)) for order in orders]

    async def _execute(self, gate: Gate, order: Order, key: str) -> ExecutionHandshake:
        try:
            place = await place_of(gate, _where(order), self._brokers)
            target = None
            if order.is_wallet_transfer():
                target = target_of(gate, place, order.target_venue or "", self._brokers)
        except (NoVenue, Refused) as error:
            return failed(order, ErrorCode.NO_VENUE, str(error))
        try:
            command = command_of(order, place, self.fund_of(gate), key, gate.in_force.catalogue, target)
        except Refused as refused:
            return _refused(order, place, refused)
        if place.simulated:
            placing.feed(gate, place.broker, command.symbol if order.is_cex_trade() else None)
            if _lacks_price(gate, order, command.symbol):
                try:
                    known = await made_by(gate, command.fund_id, key)
                except Exception as error:  # it may have been made
                    return _not_known(order, place, {"broker": place.broker, KEY: key}, error)
                if known is None:
                    detail = f"nobody has quoted {command.symbol}: set a quote, or feed some"
                    return failed(order, ErrorCode.NO_PRICE, detail, simulated=True)
        return await self._make(gate, order, place, command, key)

    async def _bundle(self, gate: Gate, orders: Sequence[Order], key: str) -> list[ExecutionHandshake] | None:
        first = orders[0]
        try:
            places = [await place_of(gate, order.venue, self._brokers) for order in orders]
        except (NoVenue, Refused) as error:
            return [failed(order, ErrorCode.NO_VENUE, str(error)) for order in orders]
        place = places[0]
        knows = Operation.BUNDLE in gate.brokers[place.broker].capabilities.operations
        if not knows or any(one.broker != place.broker for one in places):
            return None
        try:
            command = bundle_of(orders, places, self.fund_of(gate), key_of_bundle(key))
        except Refused as refused:
            return [_refused(order, place, refused) for order in orders]
        if place.simulated:
            placing.feed(gate, place.broker)
        done = await self._make(gate, first, place, command, key)
        return [_in_bundle(done), *(_of_bundle(order, done) for order in orders[1:])]

    async def _make(
        self, gate: Gate, order: Order, place: Place, command: SubmitOrder, key: str
    ) -> ExecutionHandshake:
        """From here on, whatever is not proven leaves the order pending."""
        metadata: dict[str, Any] = {"broker": place.broker, KEY: key}
        try:
            result = await gate.execute(command, placing.ORIGIN)
            made = result.order
        except Refused as refused:
            return _refused(order, place, refused)
        except Exception as error:
            return _not_known(order, place, metadata, error)
        metadata["order_id"] = made.order_id
        try:
            made = await placing.ended(gate, made.order_id, self._patience_s)
            undoing = await undone_by(gate, made) if result.replayed else None
            done = await placing.handshake_of(gate, order, place, made, undoing)
        except Exception as error:
            return _not_known(order, place, metadata, error)
        told = done.model_copy(update={"venue_metadata": {KEY: key, **done.venue_metadata}})
        return told if undoing is None else _undone(told, undoing)


def _by_venue(brokers: Mapping[str, str]) -> dict[str, str]:
    """The same, by each venue's one name."""
    known: dict[str, str] = {}
    for venue, broker in brokers.items():
        other = known.setdefault(canonical(venue), broker)
        if other != broker:
            detail = f"{quoted(other)} and {quoted(broker)} cannot both be behind {quoted(canonical(venue))}"
            raise Invalid(Code.BAD_VALUE, detail, "#/brokers")
    return known


def _undone(done: ExecutionHandshake, undoing: engine.Order) -> ExecutionHandshake:
    """Of an order that its group has undone already: it is not executed a second time, nor is it as if it were."""
    status = ExecutionHandshakeStatus.ROLLED_BACK if is_whole(undoing) else ExecutionHandshakeStatus.PENDING
    return done.model_copy(update={"status": status})


def _in_bundle(done: ExecutionHandshake) -> ExecutionHandshake:
    metadata = {**done.venue_metadata, BUNDLE: done.venue_metadata.get("order_id")}
    return done.model_copy(update={"venue_metadata": metadata})


def _of_bundle(order: Order, done: ExecutionHandshake) -> ExecutionHandshake:
    """The handshake of an order that was done as a part of another's bundle."""
    known = {name: done.venue_metadata[name] for name in _SHARED if name in done.venue_metadata}
    return done.model_copy(
        update={
            "order": order,
            "executed_amount": order.amount if done.was_successful() else 0.0,
            "executed_price": None,
            "position_deltas": {},
            "fee_amount": 0.0,
            "operation_id": order.operation_id,
            "venue_metadata": {**known, BUNDLE: done.venue_metadata.get("order_id")},
        }
    )


def _not_known(order: Order, place: Place, metadata: dict[str, Any], error: Exception) -> ExecutionHandshake:
    """The order may be there, whatever kept us from reading on."""
    _log.warning("what became of an order is not known", error=repr(error), **metadata)
    metadata["reason"] = str(error) or repr(error)
    return _pending(order, metadata, simulated=place.simulated)


def _pending(order: Order, metadata: dict[str, Any], *, simulated: bool = False) -> ExecutionHandshake:
    return ExecutionHandshake.create_pending_trade(order, venue_metadata=metadata, simulated=simulated)


def check_order(order: object) -> None:
    """Raises TypeError unless it is an order for a venue."""
    if not isinstance(order, Order):
        raise TypeError(f"{quoted(order)} is no ordergate.sdk.venues.Order")


def _refused(order: Order, place: Place, refused: Refused) -> ExecutionHandshake:
    metadata = {"broker": place.broker, "reason_code": str(refused.code)}
    return failed(order, ErrorCode.CONTENT, str(refused), metadata, simulated=place.simulated)


def _where(order: Order) -> str:
    """The venue that an order goes to: a transfer, to where it starts."""
    return order.source_venue or order.venue if order.is_wallet_transfer() else order.venue


def _lacks_price(gate: Gate, order: Order, symbol: str) -> bool:
    """Whether it is to be executed now, and nobody has said at which price."""
    return order.is_cex_trade() and order.order_type == "market" and symbol not in gate.quotes


def failed(
    order: Order,
    code: ErrorCode,
    message: str,
    metadata: dict[str, Any] | None = None,
    *,
    simulated: bool = False,
) -> ExecutionHandshake:
    """A handshake of what was not done."""
    return ExecutionHandshake.create_failed_trade(order, str(code), message, metadata, simulated=simulated)


class VenueInterfaceManager:
    """Routes orders to venues.

    Args:
        gate, fund_id, brokers, timeout_s: as for `Desk`.

    Attributes:
        desk: makes the orders.
        cex, onchain, wallet: the interfaces of trades, of operations on chains, and of transfers.
    """

    def __init__(
        self,
        gate: Gate | None = None,
        *,
        fund_id: str | None = None,
        brokers: Mapping[str, str] | None = None,
        timeout_s: float = EXECUTION_TIMEOUT_S,
    ) -> None:
        self.desk = Desk(gate, fund_id=fund_id, brokers=brokers, timeout_s=timeout_s)
        self.cex = CEXInterface(self.desk)
        self.onchain = OnChainInterface(self.desk)
        self.wallet = WalletInterface(self.desk)

    def route_to_venue(self, timestamp: datetime, order: Order) -> ExecutionHandshake:
        """Has an order done at its venue, and waits for its end. What failed is no exception: it says so, with a code.

        Args:
            timestamp: the moment of the strategy, such as a `pandas.Timestamp`.

        Raises:
            WrongLoop: this thread runs the gate.
            TypeError: it is no such order.
        """
        check_order(order)
        try:
            return self._route(timestamp, order)
        except WrongLoop:  # a mistake of the program, which no order can help
            raise
        except Exception as error:  # whatever it is: the caller goes by the handshake
            _log.warning("an order could not be routed", venue=order.venue, error=repr(error))
            return failed(order, ErrorCode.ROUTING, str(error) or repr(error))

    def _route(self, timestamp: datetime, order: Order) -> ExecutionHandshake:
        operation = order.operation
        if operation in TRADES:
            return self._route_to_cex(timestamp, order)
        if operation in ON_CHAIN:
            return self._route_to_onchain(timestamp, order)
        if operation == OrderOperation.TRANSFER:
            return self._route_to_transfer(timestamp, order)
        known = ", ".join(OrderOperation)
        return failed(order, ErrorCode.OPERATION, f"{quoted(operation)} is none of {known}")

    def _route_to_cex(self, timestamp: datetime, order: Order) -> ExecutionHandshake:
        return self.cex.execute(order, timestamp)

    def _route_to_onchain(self, timestamp: datetime, order: Order) -> ExecutionHandshake:
        return self.onchain.execute(order, timestamp)

    def _route_to_transfer(self, timestamp: datetime, order: Order) -> ExecutionHandshake:
        return self.wallet.execute_transfer(order, timestamp)
