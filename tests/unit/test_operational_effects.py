"""What each operational setting of a hub changes of what a gate does; in simulated time, but for one's own class."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.clock import SystemClock, VirtualClock, run_virtual
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.api.nats.link import Message
from ordergate.api.nats.signals import Signals
from ordergate.api.nats.signatures import Verifier
from ordergate.application.naming import LogName
from ordergate.application.telling import Teller
from ordergate.bootstrap import MEMORY, Gate, assemble, open_gate
from ordergate.bootstrap.nats import renderers_of
from ordergate.config import Config
from ordergate.config.operational import overlay, settings_of
from ordergate.config.sources import Snapshot, whole
from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, State
from ordergate.domain.recon.statement import Statement
from ordergate.domain.signals import SubmitSignal, parse_signal
from ordergate.protocols.tlog import Signer
from tests.unit.application.accounts import LyingBroker
from tests.unit.application.gates import START, buy
from tests.unit.application.guards import entries
from tests.unit.sdk.hubs import operational

D = Decimal
HOUR = 3_600.0
SIGNAL = {
    "signal_id": "s-1", "symbol": "EURUSD", "signal_type": "buy", "position_size": D("0.5"), "entry_price": D("1.08"),
}  # fmt: skip
LIMIT = {"order_type": OrderType.LIMIT, "limit_price": D(181)}
STOP = {"order_type": OrderType.STOP, "stop_price": D(185)}
STOP_LIMIT = {"order_type": OrderType.STOP_LIMIT, "stop_price": D(185), "limit_price": D(186)}


def config(file: dict[str, Any] | None = None, /, **keys: Any) -> Config:
    """What a file and a hub say together."""
    said = Snapshot(revision="1", values=overlay(settings_of(operational(**keys))))
    return whole({"file": Snapshot(revision="1", values=file or {}), "hub": said})


def run(
    how: Config, test: Callable[[Gate, LyingBroker], Awaitable[Any]], settings: PaperSettings | None = None
) -> Any:
    async def main() -> Any:
        clock = VirtualClock(START)
        broker = LyingBroker("paper", settings or PaperSettings(), None, clock, built_in)
        signer = Signer(how.audit.origin, bytes(32))
        async with assemble(how, MemoryJournal(), signer, clock, TimeIds(), [broker]) as gate:
            quote(gate)
            return await test(gate, broker)

    return run_virtual(main())


def quote(gate: Gate, ask: str = "1.0801", size: int | None = None) -> None:
    """EURUSD at 1.0800 to that, AAPL at 180 to 181."""
    sizes = () if size is None else (D(size), D(size))
    for symbol, bid, offered in (("EURUSD", "1.0800", ask), ("AAPL", "180", "181")):
        gate.venue("paper").set_quote(Quote(symbol, gate.clock.now(), D(bid), D(offered), *sizes))


async def signaled(gate: Gate, **changes: Any) -> Any:
    """What a signal came to, with a fresh market."""
    quote(gate)
    return await gate.execute(SubmitSignal(parse_signal(SIGNAL | changes)))


async def entered(gate: Gate, key: str, **terms: Any) -> Order:
    made = await gate.execute(buy(key, **terms))
    await gate.quiet()
    return await gate.queries.order(made.order.order_id)


# -- order_defaults ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["market", "limit", "stop"])
def test_default_order_type_is_what_signals_become(kind: str) -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> str:
        return (await signaled(gate)).order.order_type

    assert run(config(order_defaults__default_order_type=kind), test) == kind


@pytest.mark.parametrize(
    ("keys", "refused"),
    [
        ({}, []),
        ({"order_defaults__enable_limit_orders": False}, ["limit", "stop_limit"]),
        ({"order_defaults__enable_stop_orders": False}, ["stop", "stop_limit"]),
        (
            {"order_defaults__enable_limit_orders": False, "order_defaults__enable_stop_orders": False},
            ["limit", "stop", "stop_limit"],
        ),
    ],
)
def test_orders_of_a_kind_that_is_switched_off_are_refused(keys: dict[str, Any], refused: list[str]) -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> list[str]:
        kinds = {"market": {}, "limit": LIMIT, "stop": STOP, "stop_limit": STOP_LIMIT}
        orders = [await entered(gate, name, **terms) for name, terms in kinds.items()]
        rejected = [order for order in orders if order.state is State.REJECTED]
        assert {order.reason_code for order in rejected} <= {RiskCode.ORDER_TYPE}
        return [order.order_type for order in rejected]

    assert run(config(**keys), test) == refused


def test_a_signal_whose_stop_could_not_follow_is_refused_where_stops_are_switched_off() -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> list[Any]:
        bare = await signaled(gate)
        guarded = await signaled(gate, signal_id="s-2", stop_loss=D("1.07"))
        return [bare.order.reason_code, guarded.order.reason_code]

    how = config({"signals": {"protect": "stop"}}, order_defaults__enable_stop_orders=False)
    assert run(how, test) == [None, RiskCode.ORDER_TYPE]


def test_max_slippage_pips_stands_on_the_orders_of_signals_and_binds_them() -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> None:
        first = (await signaled(gate)).order
        assert (first.max_slippage_pips, first.state) == (D(2), State.SUBMITTED)
        quote(gate, ask="1.0805")  # five pips wide: the market costs 2.5
        dear = (await gate.execute(SubmitSignal(parse_signal(SIGNAL | {"signal_id": "s-2"})))).order
        assert (dear.state, dear.reason_code) == (State.REJECTED, RiskCode.SLIPPAGE)
        shares = await signaled(gate, signal_id="s-3", symbol="AAPL", position_size=D(10), entry_price=D(180))
        assert (shares.order.max_slippage_pips, shares.order.state) == (None, State.SUBMITTED)
        assert (await entered(gate, "k")).max_slippage_pips is None

    run(config(order_defaults__max_slippage_pips=2), test)


@pytest.mark.parametrize("kind", ["stop", "stop_limit"])
def test_orders_with_a_stop_price_cannot_bear_it(kind: str) -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> Any:
        return (await signaled(gate, entry_price=D("1.09"))).order.max_slippage_pips

    assert run(config(order_defaults__default_order_type=kind), test) is None


# -- idempotency -------------------------------------------------------------------------------------------------------


async def again_after(gate: Gate, seconds: float, **changes: Any) -> bool:
    """Whether the same signal, so much later, is the order that it was."""
    await gate.clock.sleep(seconds)
    return bool((await signaled(gate, **changes)).replayed)


@pytest.mark.parametrize(
    ("keys", "known_s"),
    [
        ({"idempotency__check_window_hours": 1}, HOUR),
        ({}, 24 * HOUR),
        (
            {"idempotency__enabled": False},
            360.0,
        ),  # as long as the same message may come again: max_age_s and a minute
        ({"idempotency__enabled": False, "idempotency__check_window_hours": 1}, 360.0),
        ({"idempotency__check_window_hours": 0.05}, 360.0),
    ],
)
def test_a_signal_is_one_order_within_the_window(keys: dict[str, Any], known_s: float) -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> None:
        assert not (await signaled(gate)).replayed
        assert await again_after(gate, known_s - 1)
        assert not await again_after(gate, 2)

    run(config(**keys), test)


def test_a_window_of_the_hub_stands_in_place_of_the_funds_and_only_for_signals() -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> None:
        await signaled(gate)
        first = await entered(gate, "k-1")
        assert await again_after(gate, HOUR)
        quote(gate)
        assert (await entered(gate, "k-1")).order_id != first.order_id

    run(config({"funds": {"paper-momentum": {"dedupe_window": "30m"}}}), test)


def test_dedupe_by_says_what_makes_a_signal_the_same() -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> list[Any]:
        first = await signaled(gate, idempotency_key="k")
        same_id = await signaled(gate, idempotency_key="other")
        no_key = [await signaled(gate, signal_id="s-9") for _ in range(2)]
        return [first.order.idempotency_key, same_id.replayed, no_key[1].replayed]

    assert run(config(), test) == [None, True, True]
    assert run(config(idempotency__dedupe_by="idempotency_key"), test) == ["k", False, True]


def test_the_window_is_also_of_the_keys_of_signals() -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> list[bool]:
        await signaled(gate, idempotency_key="k")
        return [await again_after(gate, seconds, idempotency_key="k") for seconds in (HOUR - 1, 2)]

    how = config(idempotency__dedupe_by="idempotency_key", idempotency__check_window_hours=1)
    assert run(how, test) == [True, False]


def test_settings_that_change_make_no_other_order_of_a_signal_that_came_before() -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> None:
        first = await signaled(gate)
        later = config(order_defaults__default_order_type="limit", order_defaults__max_slippage_pips=7)
        gate.runner.engine.view.signals = later.signal_routing()
        again = await signaled(gate)
        assert (again.replayed, again.order.order_id, again.order.order_type) == (
            True,
            first.order.order_id,
            "market",
        )
        other = (await signaled(gate, signal_id="s-2")).order
        assert (other.order_type, other.max_slippage_pips) == ("limit", 7)

    run(config(), test)


# -- fill_tracking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tracked", "told"), [(True, True), (False, False)])
def test_track_partial_fills_is_what_is_published_of_them(tracked: bool, told: bool) -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> None:
        quote(gate, size=40)
        order = await entered(gate, "k-1")
        assert (order.state, order.filled_quantity) == (State.PARTIALLY_FILLED, 40)
        quote(gate, size=60)
        await gate.quiet()
        assert (await gate.queries.order(order.order_id)).filled_quantity == 100
        (render,) = renderers_of(gate)
        letters = [
            letter
            for one in await Teller(gate.journal).tell(await entries(gate))
            for letter in render(one, LogName("oms.example/journal", "01234567"))
        ]
        subjects = [letter.subject for letter in letters]
        assert ("orders.partially_filled.AAPL" in subjects) is told
        assert "orders.filled.AAPL" in subjects
        assert len({letter.id for letter in letters}) == len(letters)

    file = {"nats": {"servers": ["nats://127.0.0.1:4222"], "dialects": ["orders"]}}
    run(config(file, fill_tracking__track_partial_fills=tracked), test)


class Own:
    """A class of somebody's own: an order that never fills; counts how often it is looked at."""

    looked = 0

    def place_order(self, _order: Any) -> Any:
        return SimpleNamespace(success=True, order_id="B1", error=None)

    def get_order_status(self, _order_id: str) -> Any:
        Own.looked += 1
        return SimpleNamespace(state="SUBMITTED", filled_volume=None, average_price=None)

    def close_order(self, _order_id: str) -> bool:
        return True


class Recording(SystemClock):
    """Keeps for how long somebody slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await super().sleep(seconds)


@pytest.mark.parametrize(("own", "every_s"), [({}, 0.025), ({"poll_ms": 5}, 0.005)])
def test_update_interval_seconds_is_how_often_a_class_is_looked_at(
    own: dict[str, Any], every_s: float
) -> None:
    clock, Own.looked = Recording(), 0
    file = {
        "brokers": {"paper": {"adapter": "sync", "class": f"{__name__}:Own", **own}},
        "funds": {"paper-momentum": {"unlimited": True}},
    }

    async def main() -> None:
        async with open_gate(
            config(file, fill_tracking__update_interval_seconds=0.025), MEMORY, clock=clock
        ) as gate:
            await gate.execute(buy())
            async with asyncio.timeout(20):
                while Own.looked < 3:
                    await asyncio.sleep(0.002)
        assert clock.slept.count(every_s) >= 3

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fund", "keys", "alerts"),
    [
        ({}, {"fill_tracking__slippage_alert_threshold_pips": 4}, 1),
        ({}, {"fill_tracking__slippage_alert_threshold_pips": 5}, 0),
        ({}, {}, 0),
        ({"slippage_alert_pips": "2"}, {}, 1),
        ({"slippage_alert_bps": "100"}, {"fill_tracking__slippage_alert_threshold_pips": 4}, 0),
    ],
)
def test_slippage_alert_threshold_pips_is_when_a_fill_is_told_of(
    fund: dict[str, Any], keys: dict[str, Any], alerts: int
) -> None:
    async def test(gate: Gate, _broker: LyingBroker) -> None:
        quote(gate, ask="1.0810")  # ten pips wide: a fill is five from the middle
        order = await entered(gate, "k-1", symbol="EURUSD", quantity=D(1))
        assert order.filled_quantity == 1
        assert len(await entries(gate, "SlippageExceeded")) == alerts

    file = {"funds": {"paper-momentum": {"unlimited": True, **fund}}}
    run(config(file, **keys), test)


# -- position_reconciliation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "times"),
    [
        ({}, 12),
        ({"position_reconciliation__reconcile_interval_minutes": 20}, 3),
        ({"position_reconciliation__reconcile_interval_minutes": 0.5}, 120),
        ({"position_reconciliation__enabled": False}, 0),
    ],
)
def test_accounts_are_compared_as_often_as_is_said(keys: dict[str, Any], times: int) -> None:
    async def test(gate: Gate, broker: LyingBroker) -> None:
        await gate.clock.sleep(1)
        first = broker.asked
        assert first >= 1  # the session's own
        await gate.clock.sleep(HOUR)
        assert abs(broker.asked - first - times) <= times // 50
        await gate.compare("paper")
        assert broker.asked > first + times - 1 - times // 50

    run(config(**keys), test)


@pytest.mark.parametrize(
    ("policy", "correct", "adjusted", "halted"),
    [
        ("alert", True, 1, False),
        ("alert", False, 0, False),
        ("correct", False, 0, False),
        ("correct", True, 1, False),
        ("halt", True, 0, True),
        ("halt", False, 0, True),
    ],
)
def test_auto_correct_discrepancies_books_what_differs(
    policy: str, correct: bool, adjusted: int, halted: bool
) -> None:
    async def test(gate: Gate, broker: LyingBroker) -> None:
        def more(told: Statement) -> Statement:
            return replace(told, positions={**(told.positions or {}), "AAPL": D(7)})

        broker.edits.append(more)
        await gate.clock.sleep(HOUR)
        assert len(await entries(gate, "PositionAdjusted")) == adjusted
        assert len(await entries(gate, "BreakRaised")) == 1
        assert any(halt.holds for halt in gate.runner.engine.state.halts.rows.values()) is halted

    file = {"reconciliation": {"policy": policy}}
    run(config(file, position_reconciliation__auto_correct_discrepancies=correct), test)


def test_what_a_broker_says_of_its_own_account_stands() -> None:
    async def test(gate: Gate, broker: LyingBroker) -> None:
        broker.edits.append(lambda told: replace(told, positions={"AAPL": D(7)}))
        await gate.clock.sleep(1)
        first = broker.asked
        await gate.clock.sleep(HOUR)
        assert broker.asked - first >= 59
        assert await entries(gate, "PositionAdjusted") == []

    file = {"reconciliation": {"brokers": {"paper": {"policy": "alert", "every_s": 60}}}}
    run(config(file, position_reconciliation__auto_correct_discrepancies=True), test)


# -- A message that comes again ----------------------------------------------------------------------------------------


def test_a_message_that_is_delivered_again_after_the_window_makes_no_second_order() -> None:
    """The order was made, the acknowledgement was lost, and the service stood still for longer than signals are known."""

    async def test(gate: Gate, _broker: LyingBroker) -> None:
        quote(gate)
        door = Signals(gate, Verifier(), gate.config.nats.inputs.max_age_s)
        data = json.dumps({name: str(value) for name, value in SIGNAL.items()}).encode()
        message = Message(
            subject="signals.approved.EURUSD", data=data, headers=None, came_from="S/1", at=gate.clock.now()
        )
        assert await door.take(message) == "done"
        for pause_s in (HOUR, 24 * HOUR):
            await gate.clock.sleep(pause_s)
            quote(gate)
            assert await door.take(replace(message, deliveries=2)) == "replayed"
        assert len(await gate.queries.orders()) == 1

    run(config(idempotency__enabled=False), test)
