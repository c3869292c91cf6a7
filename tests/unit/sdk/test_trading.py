"""Signals to orders, against the paper venue and against classes that users write."""

import asyncio
import threading
import time
from decimal import Decimal
from uuid import UUID

import pytest

from ordergate.application.queries import Queries
from ordergate.bootstrap import MEMORY, open_gate
from ordergate.config import Config
from ordergate.domain.errors import Conflict, Invalid, NotFound
from ordergate.domain.orders.states import State
from ordergate.sdk import default_gate
from ordergate.sdk import trading as t
from ordergate.sdk.line import Line, WrongLoop
from ordergate.sdk.oms import Order as OrderRecord
from ordergate.sdk.oms import OrderService
from ordergate.sdk.paper import PaperMarket

FLOW = """
async def handle_signal(signal: SignalModel):
    validate(signal)
    order = create_order_from_signal(signal)
    result = broker_interface.place_order(order)

    if result.success:
        track_order(result.order_id)
    else:
        log_failure(signal.id, result.error)
"""
CHECK = """
if not broker_interface.has_sufficient_margin(order.volume, order.symbol):
    raise RiskPolicyViolation("Insufficient margin")
"""
SIGNAL = UUID("6f1c8f9e-7f0a-4b6e-9d57-0a2f5b1c2d3e")


def signal(number: int = 0, **changes) -> t.SignalModel:
    given = {
        "id": UUID(int=SIGNAL.int + number), "symbol": "EURUSD", "direction": "BUY", "volume": 0.1,
        "entry_price": 1.0852, "stop_loss": 1.08, "take_profit": 1.09, "strategy_id": "10023", "confidence": 0.8,
    }  # fmt: skip
    return t.SignalModel(**(given | changes))


class MyBroker(t.BrokerInterface):
    """Fills at once, at 1.085; knows the margin of a lot."""

    def __init__(self, *, margin: bool = True, error: str | None = None) -> None:
        self.margin, self.error = margin, error
        self.orders: list[t.OrderModel] = []
        self.threads: set[int] = set()

    def has_sufficient_margin(self, volume: float, symbol: str) -> bool:
        self.threads.add(threading.get_ident())
        assert volume * 1.5  # a float, as the interface says
        return self.margin

    def place_order(self, order: t.OrderModel) -> t.OrderResult:
        self.threads.add(threading.get_ident())
        if self.error:
            return t.OrderResult(success=False, error=self.error)
        self.orders.append(order)
        return t.OrderResult(success=True, order_id=f"T{len(self.orders)}")

    def get_order_status(self, order_id: str) -> t.OrderStatus:
        self.threads.add(threading.get_ident())
        return t.OrderStatus(state=t.OrderState.FILLED, average_price=1.085)

    def close_order(self, order_id: str) -> bool:
        raise AssertionError("a filled order must not be closed behind our back")


@pytest.fixture
def market() -> None:
    asyncio.run(PaperMarket().set_quote("EURUSD", 1.0850, 1.0852))


def all_orders() -> list:
    return Line(None).wait(lambda gate: gate.queries.orders(), 20)


def until(service: t.TradeExecutionService, order_id: str, state: t.OrderState) -> t.OrderStatus:
    deadline = time.monotonic() + 20
    while (status := service.broker_interface.get_order_status(order_id)).state is not state:
        assert time.monotonic() < deadline, status
        time.sleep(0.01)
    return status


def flow(broker: t.BrokerInterface):
    """The handler as its document has it, with its names defined; and what it tracked and logged."""
    tracked, failed = [], []
    names = vars(t) | {
        "broker_interface": broker,
        "track_order": lambda order_id: (t.track_order(order_id), tracked.append(order_id)),
        "log_failure": lambda number, error: (t.log_failure(number, error), failed.append((number, error))),
    }
    exec(FLOW, names)
    return names["handle_signal"], tracked, failed


def test_every_state_has_a_word() -> None:
    assert {t.state_of(state) for state in State} == set(t.OrderState)
    assert t.state_of(State.PARTIALLY_FILLED) is t.OrderState.SUBMITTED
    assert t.state_of(State.EXPIRED) is t.OrderState.FAILED


@pytest.mark.usefixtures("market")
def test_the_flow_as_written_places_one_order_a_signal() -> None:
    handle_signal, tracked, failed = flow(t.GateBroker())
    for _ in range(3):
        asyncio.run(handle_signal(signal()))
    (order,) = all_orders()
    assert tracked == [order.order_id] * 3
    assert failed == []
    assert (order.quantity, order.signal_id) == (Decimal("0.1"), str(SIGNAL))
    assert (order.entry_price, order.stop_loss) == (Decimal("1.0852"), Decimal("1.08"))


def test_the_flow_as_written_logs_what_is_refused() -> None:
    handle_signal, tracked, failed = flow(t.GateBroker())
    asyncio.run(handle_signal(signal(symbol="NOSUCH")))
    assert tracked == []
    assert failed[0][0] == SIGNAL
    assert "neither built in nor configured" in failed[0][1]


def test_the_flow_as_written_against_a_class_of_ones_own() -> None:
    handle_signal, tracked, failed = flow(MyBroker())
    asyncio.run(handle_signal(signal()))
    assert (tracked, failed) == (["T1"], [])


@pytest.mark.parametrize("margin", [True, False])
def test_the_check_as_written(margin: bool) -> None:
    names = vars(t) | {
        "broker_interface": MyBroker(margin=margin),
        "order": t.create_order_from_signal(signal()),
    }
    if margin:
        exec(CHECK, names)
    else:
        with pytest.raises(t.RiskPolicyViolation, match="Insufficient margin"):
            exec(CHECK, names)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"direction": "HOLD"}, "direction"),
        ({"volume": None}, "volume"),
        ({"volume": 0}, "volume"),
        ({"symbol": ""}, "symbol"),
        ({"symbol": "\ud800"}, "symbol"),
        ({"strategy_id": "a b"}, "strategy_id"),
        ({"stop_loss": -5}, "stop_loss"),
        ({"take_profit": 0}, "take_profit"),
    ],
)
def test_a_signal_that_can_be_no_order_is_refused(wrong: dict, field: str) -> None:
    with pytest.raises(Invalid, match=field):
        t.validate(signal(**wrong))
    with pytest.raises(Invalid, match=field):
        asyncio.run(t.TradeExecutionService().handle_signal(signal(**wrong)))
    with pytest.raises(ValueError, match="number"):
        signal(volume=float("nan"))


@pytest.mark.parametrize("volume", [0.1, Decimal("0.1"), "0.1"])
@pytest.mark.usefixtures("market")
def test_floats_and_decimals_are_the_same_order(volume: object) -> None:
    service = t.TradeExecutionService()
    first = asyncio.run(service.handle_signal(signal(volume=0.1)))
    assert asyncio.run(service.handle_signal(signal(volume=volume))).order_id == first.order_id
    assert first.success
    assert not first.pending


def test_the_same_signal_with_other_content_fails_and_makes_nothing() -> None:
    service = t.TradeExecutionService()
    asyncio.run(service.handle_signal(signal()))
    again = asyncio.run(service.handle_signal(signal(volume=0.2)))
    assert not again.success
    assert "other content" in again.error
    assert len(all_orders()) == 1


def test_a_class_of_ones_own_behind_the_service() -> None:
    broker = MyBroker()
    service = t.TradeExecutionService(broker=broker)
    results = [asyncio.run(service.handle_signal(signal(order_manager="m-1"))) for _ in range(3)]
    assert len({result.order_id for result in results}) == 1
    assert len(broker.orders) == 1
    (given,) = broker.orders
    assert isinstance(given, t.OrderModel)
    assert (given.volume, type(given.volume), given.signal_id) == (0.1, float, SIGNAL)
    assert given.order_manager == "m-1"
    assert (given.stop_loss, given.client_id) == (1.08, f"{results[0].order_id}.1")
    status = until(service, results[0].order_id, t.OrderState.CLOSED)
    assert (status.filled_volume, status.average_price) == (Decimal("0.1"), Decimal("1.085"))
    assert len(broker.threads) == 1
    assert threading.get_ident() not in broker.threads
    (position,) = asyncio.run(OrderService().get_positions("paper-momentum"))
    assert position.quantity == Decimal("0.1")


def test_margin_is_asked_before_the_order_leaves_whatever_the_door() -> None:
    broker = MyBroker(margin=False)
    service = t.TradeExecutionService(broker=broker)
    for _ in range(2):
        with pytest.raises(t.RiskPolicyViolation, match="Insufficient margin"):
            asyncio.run(service.handle_signal(signal()))
    with pytest.raises(t.RiskPolicyViolation):
        service.broker_interface.place_order(t.create_order_from_signal(signal(1)))
    assert broker.orders == []
    assert [order.state for order in all_orders()] == [State.REJECTED] * 2


def test_what_the_risk_gate_refuses_is_a_violation_with_its_code() -> None:
    service = t.TradeExecutionService()
    for _ in range(2):
        with pytest.raises(t.RiskPolicyViolation, match="no reference price") as refused:
            asyncio.run(service.handle_signal(signal(entry_price=None)))
        (order,) = all_orders()
        assert (refused.value.code, refused.value.order_id) == ("RISK_NO_PRICE", order.order_id)
    with pytest.raises(t.RiskPolicyViolation, match="max_order_notional_usd") as refused:
        service.broker_interface.place_order(t.create_order_from_signal(signal(1, volume=300)))
    assert refused.value.code == "RISK_ORDER_NOTIONAL"
    assert {order.state for order in all_orders()} == {State.REJECTED}


def test_a_rejection_is_a_failure_with_its_reason() -> None:
    result = asyncio.run(
        t.TradeExecutionService(broker=MyBroker(error="market closed")).handle_signal(signal())
    )
    assert (result.success, result.error, result.state) == (False, "market closed", t.OrderState.REJECTED)


def test_the_deadline_returns_pending_and_the_answer_comes_later() -> None:
    release = threading.Event()

    class Slow(MyBroker):
        def place_order(self, order: t.OrderModel) -> t.OrderResult:
            release.wait(10)
            return super().place_order(order)

    service = t.TradeExecutionService(broker=Slow(), deadline_s=0.1)
    try:
        result = service.broker_interface.place_order(t.create_order_from_signal(signal()))
        assert (result.success, result.pending, result.error) == (True, True, None)
        assert result.state is t.OrderState.SUBMITTED
    finally:
        release.set()
    until(service, result.order_id, t.OrderState.CLOSED)


@pytest.mark.usefixtures("market")
def test_close_order_closes_what_is_filled_once() -> None:
    service = t.TradeExecutionService()
    made = asyncio.run(service.handle_signal(signal()))
    until(service, made.order_id, t.OrderState.CLOSED)
    assert service.broker_interface.close_order(made.order_id)
    assert asyncio.run(service.close_order(made.order_id))
    orders = all_orders()
    assert [(order.side, order.quantity) for order in orders] == [
        ("buy", Decimal("0.1")),
        ("sell", Decimal("0.1")),
    ]
    (position,) = asyncio.run(OrderService().get_positions("paper-momentum"))
    assert position.quantity == 0


def test_close_order_cancels_what_works() -> None:
    service = t.TradeExecutionService()
    made = asyncio.run(service.handle_signal(signal()))  # no market: it rests
    assert service.broker_interface.get_order_status(made.order_id).state is t.OrderState.SUBMITTED
    assert asyncio.run(service.close_order(made.order_id))
    assert service.broker_interface.get_order_status(made.order_id).state is t.OrderState.FAILED
    assert asyncio.run(service.close_order(made.order_id))
    (order,) = all_orders()
    assert order.state is State.CANCELED


def test_close_order_of_a_part_cancels_the_rest_and_closes_the_part() -> None:
    asyncio.run(PaperMarket().set_quote("EURUSD", 1.085, 1.0852, 1, 0.04))
    service = t.TradeExecutionService()
    made = asyncio.run(service.handle_signal(signal()))
    assert service.broker_interface.close_order(made.order_id)
    status = until(service, made.order_id, t.OrderState.CLOSED)
    assert status.filled_volume == Decimal("0.04")
    first, second = all_orders()
    assert (first.state, second.side, second.quantity) == (State.CANCELED, "sell", Decimal("0.04"))


def test_what_nobody_knows_is_not_found() -> None:
    broker = t.GateBroker()
    with pytest.raises(NotFound):
        broker.get_order_status("nobodys")
    with pytest.raises(NotFound):
        broker.close_order("nobodys")


def test_a_synchronous_face_on_the_gates_own_loop_raises() -> None:
    async def main() -> None:
        async with open_gate(Config(), MEMORY) as gate:
            service = t.TradeExecutionService(gate)
            with pytest.raises(WrongLoop):
                service.broker_interface.place_order(t.create_order_from_signal(signal()))
            assert (await service.handle_signal(signal())).success
            assert len(await Queries(gate.journal).orders()) == 1

    asyncio.run(main())
    assert default_gate._current is None


def test_one_name_is_one_broker() -> None:
    asyncio.run(t.TradeExecutionService(broker=MyBroker()).handle_signal(signal()))
    with pytest.raises(Conflict, match="another name"):
        asyncio.run(t.TradeExecutionService(broker=MyBroker()).handle_signal(signal(1)))


class Picky(MyBroker):
    """Rejects its first orders."""

    def __init__(self, rejects: int, reason: str = "off quotes") -> None:
        super().__init__()
        self.rejects, self.reason, self.asked = rejects, reason, 0

    def place_order(self, order: t.OrderModel) -> t.OrderResult:
        self.asked += 1
        if self.asked <= self.rejects:
            return t.OrderResult(success=False, error=self.reason)
        return super().place_order(order)


class TestASecondAttempt:
    def test_what_is_rejected_is_tried_once_more_as_a_linked_order(self, market) -> None:
        broker = Picky(1)
        service = t.TradeExecutionService(broker=broker)
        result = asyncio.run(service.handle_signal(signal()))
        first, second = sorted(all_orders(), key=lambda order: order.created_at)
        assert (first.state, first.retry_of) == (State.REJECTED, None)
        assert (second.retry_of, result.order_id, result.success) == (first.order_id, second.order_id, True)
        assert broker.asked == 2

    def test_and_no_more_than_once_however_often_the_signal_comes(self, market) -> None:
        broker = Picky(9)
        service = t.TradeExecutionService(broker=broker)
        for _ in range(3):
            result = asyncio.run(service.handle_signal(signal()))
            assert (result.success, result.error) == (False, "off quotes")
        assert broker.asked == 2
        assert [order.state for order in all_orders()] == [State.REJECTED] * 2

    def test_where_that_is_not_wanted_the_first_word_stands(self, market) -> None:
        broker = Picky(1)
        result = asyncio.run(t.TradeExecutionService(broker=broker, retry=False).handle_signal(signal()))
        assert (result.success, broker.asked, len(all_orders())) == (False, 1, 1)

    def test_want_of_margin_is_not_tried_again(self, market) -> None:
        broker = MyBroker(margin=False)
        with pytest.raises(t.RiskPolicyViolation):
            asyncio.run(t.TradeExecutionService(broker=broker).handle_signal(signal()))
        assert len(all_orders()) == 1

    def test_an_order_of_another_door_is_left_rejected(self, market) -> None:
        async def main() -> None:
            broker = Picky(1)
            service = t.TradeExecutionService(broker=broker)
            await service.handle_signal(signal())  # attaches the broker
            broker.asked = 0
            order = OrderRecord(
                idempotency_key="k", fund_id="paper-momentum", symbol="EURUSD", side="buy", quantity="0.1",
                broker="Picky",
            )  # fmt: skip
            made = await OrderService().submit(order)
            async with asyncio.timeout(30):
                while (await OrderService().get_order(made.order_id)).state is not State.REJECTED:
                    await asyncio.sleep(0.01)

        asyncio.run(main())
        assert len(all_orders()) == 3, "two of the signal, one of the other door"
