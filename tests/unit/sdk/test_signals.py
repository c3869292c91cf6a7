"""Signals to orders in two steps, and fills told by others, in the words of their users' own document."""

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.bootstrap import MEMORY, Gate, open_gate
from ordergate.config import Config
from ordergate.config.signals import DedupeBy, Signals
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound
from ordergate.domain.orders.commands import AdoptOrder
from ordergate.domain.orders.states import OrderType, Side, State
from ordergate.domain.recon.statement import Statement
from ordergate.sdk import default_gate, signals
from ordergate.sdk.oms import OrderService
from ordergate.sdk.paper import PaperMarket
from ordergate.sdk.signals import FillTracker, OrderManager, PositionReconciler, subscribe_fills
from ordergate.sdk.signals.positions import PositionDiscrepancy
from tests.unit.application.accounts import account, bought
from tests.unit.application.guards import entries

SEEDS = Path(__file__).parents[4] / "shared" / "seeds"
SIGNAL = {
    "signal_id": "sig_12345", "symbol": "EURUSD", "signal_type": "buy", "entry_price": 1.08125, "stop_loss": 1.08000,
    "take_profit": 1.08500, "position_size": 0.01,
}  # fmt: skip
AT = datetime(2026, 5, 23, 14, 30, tzinfo=UTC)


def example(number: int) -> str:
    """The code of an example as its users' document has it, but for the import."""
    found = sorted(SEEDS.glob("001*.txt"))
    if not found:
        pytest.skip("the users' document is not here")
    text = found[0].read_text(encoding="utf-8")
    block = re.search(rf"### Example {number}:.*?```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    assert "from execution_service import" in block[1]
    return block[1].replace("from execution_service import", "from ordergate.sdk.signals import")


def compiled(code: str, names: dict):
    body = "\n".join(f"    {line}" for line in code.strip().splitlines())
    exec(f"async def main():\n{body}\n    return dict(locals())", names)
    return names["main"]


async def filled_quantity(gate: Gate) -> list[str]:
    return [str(fill.quantity) for fill in await gate.queries.fills()]


def test_example_2_creates_and_submits_an_order_once() -> None:
    logger = logging.getLogger("example")
    main = compiled(example(2), {"logger": logger})

    async def run() -> None:
        await PaperMarket().set_quote("EURUSD", 1.0810, 1.0812)
        names = await main()
        assert names["order"].state is State.CREATED
        order = await OrderService().get_order(names["order"].order_id)
        assert (order.signal_id, order.quantity) == ("sig_12345", Decimal("0.01"))
        assert order.state in (State.SUBMITTED, State.CLOSED)
        assert await main() is None  # it says that there is one, and stops

    asyncio.run(run())


def test_example_3_hears_books_and_measures_every_fill_once(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts: list[str] = []

    async def send_alert(text: str) -> None:
        alerts.append(text)

    main = compiled(example(3), {"send_alert": send_alert, "subscribe_fills": subscribed(monkeypatch)})

    async def run() -> None:
        market, orders = PaperMarket(), OrderManager()
        await market.set_quote("EURUSD", 1.0810, 1.0812)
        await main()
        for number, ask in enumerate((1.0812, 1.0820)):
            await market.set_quote("EURUSD", 1.0810, ask)
            order = await orders.create_order(SIGNAL | {"signal_id": f"s{number}"}, "market")
            await orders.submit_order(order)
        await heard(2)
        await SUBSCRIPTIONS[0].close()
        gate = default_gate.get()
        work = asyncio.run_coroutine_threadsafe(filled_quantity(gate), gate.loop)
        assert await asyncio.wrap_future(work) == ["0.01", "0.01"]
        (position,) = await OrderService().get_positions("paper-momentum", "EURUSD")
        assert position.quantity == Decimal("0.02")
        assert alerts == ["High slippage: 7.5 pips"]

    asyncio.run(run())


def test_example_5_compares_with_the_broker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    names = {"logger": logging.getLogger("example"), "config": {"auto_correct_discrepancies": False}}
    main = compiled(example(5), names)
    positions: dict[str, Decimal] = {}

    async def statement(_broker: object, _since: datetime) -> Statement:
        return Statement(as_of=AT, complete=True, positions=positions)

    async def run() -> None:
        await PaperMarket().set_quote("EURUSD", 1.0810, 1.0812)
        monkeypatch.setattr(type(default_gate.get().brokers["paper"]), "statement", statement, raising=False)
        reconcile_positions = (await main())["reconcile_positions"]
        await reconcile_positions()
        positions["EURUSD"] = Decimal("0.01")
        await reconcile_positions()

    asyncio.run(run())
    said = [record.getMessage() for record in caplog.records if record.name == "example"]
    assert said[0] == "Positions reconciled successfully"
    assert said[1].startswith(
        "Position discrepancies found: [PositionDiscrepancy(symbol='EURUSD', ours=Decimal('0')"
    )


SUBSCRIPTIONS: list[signals.FillSubscription] = []
HEARD: list[dict] = []


def subscribed(monkeypatch: pytest.MonkeyPatch):
    """`subscribe_fills`, whose subscriptions are kept so that a test can end them."""
    SUBSCRIPTIONS.clear()
    HEARD.clear()

    async def subscribe(pattern, callback):
        async def told(event: dict) -> None:
            await callback(event)
            HEARD.append(event)

        SUBSCRIPTIONS.append(await subscribe_fills(pattern, told))

    return subscribe


async def heard(count: int) -> None:
    async with asyncio.timeout(30):
        while len(HEARD) < count:
            await asyncio.sleep(0.01)


# -- Orders ----------------------------------------------------------------------------------------------------------


async def gated(work, config: Config | None = None, url: str = MEMORY) -> None:
    async with open_gate(config or Config(), url) as gate:
        await PaperMarket(gate).set_quote("EURUSD", 1.0810, 1.0812)
        await PaperMarket(gate).set_quote("AAPL", 180.3, 180.4)
        await work(gate)


def run(work, **more) -> None:
    asyncio.run(gated(work, **more))


def test_the_same_signal_is_the_same_order_before_and_after_it_is_sent() -> None:
    async def work(gate: Gate) -> None:
        orders = OrderManager(gate)
        assert not await orders.order_exists(signal_id="sig_12345")
        first = await orders.create_order(signal=SIGNAL, order_type="market")
        again = await orders.create_order(signal=SIGNAL, order_type="market")
        assert first == again
        assert first.state is State.CREATED
        assert await orders.order_exists(signal_id="sig_12345")
        assert not await orders.order_exists("sig_12345", fund_id="other")
        sent = await orders.submit_order(first)
        assert sent.state is State.SUBMITTED
        await gate.quiet()
        filled = await orders.submit_order(first.order_id)
        assert (filled.state, filled.filled_quantity) == (State.CLOSED, Decimal("0.01"))
        assert (await orders.create_order(SIGNAL, "market")).state is State.CLOSED
        assert len(await gate.queries.orders()) == 1
        with pytest.raises(Conflict, match="other content"):
            await orders.create_order(SIGNAL | {"position_size": 0.02}, "market")

    run(work)


def test_an_order_exists_by_its_signal_whatever_makes_signals_the_same() -> None:
    async def work(gate: Gate) -> None:
        orders = OrderManager(gate)
        for number in (1, 2):
            await orders.create_order(SIGNAL | {"idempotency_key": f"k-{number}"})
        assert await orders.order_exists("sig_12345")
        assert not await orders.order_exists("sig_12345", fund_id="other")
        assert not await orders.order_exists("sig_1")
        assert len(await gate.queries.orders()) == 2

    run(work, config=Config(signals=Signals(dedupe_by=DedupeBy.IDEMPOTENCY_KEY)))


def test_two_who_create_at_once_make_one_order() -> None:
    async def work(gate: Gate) -> None:
        made = await asyncio.gather(*(OrderManager(gate).create_order(SIGNAL) for _ in range(10)))
        sent = await asyncio.gather(*(OrderManager(gate).submit_order(order) for order in made))
        assert len({order.order_id for order in (*made, *sent)}) == 1
        await gate.quiet()
        assert await filled_quantity(gate) == ["0.01"]

    run(work)


def test_what_was_created_waits_for_the_next_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    made = []

    async def first(gate: Gate) -> None:
        made.append(await OrderManager(gate).create_order(SIGNAL))

    async def second(gate: Gate) -> None:
        assert await gate.queries.order(made[0].order_id)
        assert (await OrderManager(gate).create_order(SIGNAL)).state is State.CREATED
        await OrderManager(gate).submit_order(made[0])
        await gate.quiet()
        assert await filled_quantity(gate) == ["0.01"]

    run(first, url=url)
    run(second, url=url)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"approved": False}, Code.SIGNAL_NOT_APPROVED),
        ({"risk_approval_status": "rejected"}, Code.SIGNAL_NOT_APPROVED),
        ({"expires_at": "2020-01-01T00:00:00Z"}, Code.SIGNAL_EXPIRED),
        ({"signal_type": "hold"}, Code.SIGNAL_NO_ORDER),
        ({"symbol": "NOSUCH1"}, Code.UNKNOWN_SYMBOL),
        ({"position_size": None}, Code.MISSING),
        ({"position_size": 0.0}, Code.NOT_POSITIVE),
        ({"position_size": float("nan")}, Code.BAD_NUMBER),
        ({"surprise": 1}, Code.UNKNOWN_FIELD),
    ],
)
def test_a_signal_that_can_be_no_order_is_refused_and_says_why(change: dict, code: Code) -> None:
    async def work(gate: Gate) -> None:
        orders = OrderManager(gate)
        with pytest.raises(Invalid) as refused:
            await orders.create_order(SIGNAL | change)
        assert refused.value.code is code
        assert not await orders.order_exists("sig_12345")
        read = code not in (Code.NOT_POSITIVE, Code.BAD_NUMBER, Code.UNKNOWN_FIELD)
        assert [row["code"] for row in await gate.queries.refusals()] == ([code] if read else [])

    run(work)


def test_what_is_no_signal_or_order_is_refused() -> None:
    async def work(gate: Gate) -> None:
        orders = OrderManager(gate)
        with pytest.raises(Invalid, match="signal: expected a mapping, got list"):
            await orders.create_order([])
        with pytest.raises(Invalid, match="'iceberg' is none of market"):
            await orders.create_order(SIGNAL, "iceberg")
        with pytest.raises(Invalid, match="order_type: '' is none of market"):
            await orders.create_order(SIGNAL, "")
        for wrong in (None, 7, {}):
            with pytest.raises(Invalid, match="order: expected an order or its id, got"):
                await orders.submit_order(wrong)
        with pytest.raises(NotFound, match="there is no order 'none'"):
            await orders.submit_order("none")
        created = await orders.create_order(SIGNAL)
        with pytest.raises(Invalid, match="create the order first"):
            await orders.submit_order(created.model_copy(update={"order_id": None}))

    run(work)


def test_what_is_no_fill_no_discrepancy_and_no_alert_is_refused() -> None:
    async def work(gate: Gate) -> None:
        with pytest.raises(Invalid, match="fill_event: expected a mapping, got NoneType"):
            await FillTracker(gate).update_position(None)
        with pytest.raises(
            Invalid, match="discrepancies: expected what compare_positions gave, got NoneType"
        ):
            await PositionReconciler(gate).correct_positions(None)
        with pytest.raises(Invalid, match="discrepancies/0: expected a PositionDiscrepancy, got int"):
            await PositionReconciler(gate).correct_positions([1])
        for wrong, says in (("", "is empty"), (" ", "is empty"), (None, "expected text, got NoneType")):
            with pytest.raises(Invalid, match=f"text: {says}"):
                await signals.send_alert(wrong)

    run(work)


def test_the_gate_judges_when_it_is_submitted() -> None:
    async def work(gate: Gate) -> None:
        huge = await OrderManager(gate).create_order(SIGNAL | {"position_size": 5_000_000})
        assert huge.state is State.CREATED
        refused = await OrderManager(gate).submit_order(huge)
        assert refused.state is State.REJECTED
        assert refused.reason_code.startswith("RISK_")
        assert refused.rejected_reason

    run(work)


def test_the_journal_keeps_the_signal_as_it_came() -> None:
    async def work(gate: Gate) -> None:
        order = await OrderManager(gate).create_order(SIGNAL | {"metadata": {"at": AT, "score": 0.5}})
        entries = await gate.journal.lines(0, 100)
        (entry,) = [
            e for line in entries if (e := msgspec.json.decode(line.data))["event"].get("key") == "sig_12345"
        ]
        assert entry["event"]["order_id"] == order.order_id
        assert msgspec.json.decode(entry["raw"])["entry_price"] == "1.08125"

    run(work)


# -- Fills -----------------------------------------------------------------------------------------------------------


async def working(gate: Gate, name: str = "s1", symbol: str = "EURUSD", entry: float = 1.05) -> str:
    """An order that works at the venue, far from the market."""
    signal = SIGNAL | {
        "signal_id": name,
        "entry_price": entry,
        "symbol": symbol,
        "position_size": 1,
        "stop_loss": None,
    }
    signal["take_profit"] = None
    orders = OrderManager(gate)
    order = await orders.submit_order(await orders.create_order(signal, "limit"))
    await gate.quiet()
    return order.order_id


def test_a_fill_told_by_others_is_booked_once_whoever_tells_it_and_how_often() -> None:
    async def work(gate: Gate) -> None:
        tracker, order_id = FillTracker(gate), await working(gate)
        event = {"order_id": order_id, "fill_price": 1.05, "fill_quantity": 0.25, "timestamp": AT}
        for _ in range(2):
            position = await tracker.process_fill(order_id, 1.05, 0.25, AT)
            assert position.quantity == Decimal("0.25")
            assert (await tracker.update_position(event)).quantity == Decimal("0.25")
            assert (await tracker.update_position(event | {"exec_id": "deal-7"})).quantity == Decimal("0.25")
        assert await filled_quantity(gate) == ["0.25"]
        order = await gate.queries.order(order_id)
        assert (order.state, order.filled_quantity) == (State.PARTIALLY_FILLED, Decimal("0.25"))

    run(work)


def test_an_event_with_an_id_and_the_fill_without_are_one_whichever_is_first() -> None:
    async def work(gate: Gate) -> None:
        tracker, order_id = FillTracker(gate), await working(gate)
        event = {
            "order_id": order_id,
            "fill_price": "1.05",
            "fill_quantity": "0.5",
            "timestamp": AT.isoformat(),
        }
        told = [
            tracker.update_position(event | {"exec_id": "d1"}),
            tracker.process_fill(order_id, 1.05, 0.5, AT),
        ]
        await asyncio.gather(*told, *(tracker.update_position(event) for _ in range(3)))
        assert await filled_quantity(gate) == ["0.5"]

    run(work)


def test_fills_that_are_alike_need_their_ids() -> None:
    async def work(gate: Gate) -> None:
        tracker, order_id = FillTracker(gate), await working(gate)
        for exec_id in ("d1", "d2", "d1"):
            await tracker.process_fill(order_id, 1.05, 0.25, AT, exec_id=exec_id)
        assert await filled_quantity(gate) == ["0.25", "0.25"]
        await tracker.process_fill(order_id, 1.05, 0.25, AT)  # one of those
        await tracker.process_fill(order_id, 1.05, 0.25, AT + timedelta(seconds=1))
        assert await filled_quantity(gate) == ["0.25", "0.25", "0.25"]
        with pytest.raises(Conflict, match="'d1' is booked with 0"):
            await tracker.process_fill(order_id, 1.05, 0.1, AT, exec_id="d1")

    run(work)


def test_a_fill_of_an_order_that_was_telephoned_is_known_when_it_is_booked() -> None:
    async def work(gate: Gate) -> None:
        adopted = AdoptOrder(
            order_id="phone-1", fund_id="paper-momentum", symbol="EURUSD", side=Side.BUY, quantity=Decimal(1),
            order_type=OrderType.MARKET, broker="paper", broker_order_id="P1",
        )  # fmt: skip
        await gate.execute(adopted)
        with pytest.raises(Conflict, match="was not sent"):
            await FillTracker(gate).process_fill("phone-1", 1.05, 1, AT)

    run(work)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"order_id": "none"}, "there is no order 'none'"),
        ({"fill_quantity": -1}, "fill_quantity: -1 must be above zero"),
        ({"fill_price": 0}, "fill_price: 0 must be above zero"),
        ({"fill_price": None}, "fill_price: is missing"),
        ({"timestamp": "yesterday"}, "fill_time: 'yesterday' is not a time"),
        ({"timestamp": datetime(2026, 1, 1)}, "has no offset"),  # noqa: DTZ001
    ],
)
def test_what_can_be_no_fill_changes_nothing(change: dict, says: str) -> None:
    async def work(gate: Gate) -> None:
        event = {"order_id": await working(gate), "fill_price": 1.05, "fill_quantity": 1, "timestamp": AT}
        with pytest.raises((Invalid, NotFound), match=re.escape(says)):
            await FillTracker(gate).update_position(event | change)
        assert await filled_quantity(gate) == []

    run(work)


def test_a_created_order_cannot_be_filled() -> None:
    async def work(gate: Gate) -> None:
        order = await OrderManager(gate).create_order(SIGNAL)
        with pytest.raises(Conflict, match="is CREATED: it was not sent"):
            await FillTracker(gate).process_fill(order.order_id, 1.08, 0.01, AT)

    run(work)


@pytest.mark.parametrize(
    ("given", "pips"),
    [
        ((1.0812, 1.0815, "buy"), "3"),
        ((1.0812, 1.0815, "SELL"), "-3"),
        ((1.0812, 1.0809, "short"), "3"),
        (("1.0812", Decimal("1.08115"), "cover"), "-0.5"),
        ((150.10, 150.13, "buy", "USDJPY"), "3"),
        ((1.0812, 1.0815, "buy", "EURUSD"), "3"),
    ],
)
def test_slippage_is_in_pips_and_adverse_above_zero(given: tuple, pips: str) -> None:
    async def work(gate: Gate) -> None:
        assert await FillTracker(gate).calculate_slippage(*given) == Decimal(pips)

    run(work)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((None, 1, "buy"), "expected_price: None is not a decimal"),
        ((1, 0, "buy"), "fill_price: 0 must be above zero"),
        ((1, 1, "hold"), "order_side: 'hold' is none of buy"),
        ((1, 1, "buy", "AAPL"), "symbol: 'AAPL' is not counted in pips"),
        ((1, 1, "buy", "NOSUCH1"), "symbol: 'NOSUCH1' is neither built in nor configured"),
    ],
)
def test_what_cannot_be_measured_is_said(given: tuple, says: str) -> None:
    async def work(gate: Gate) -> None:
        with pytest.raises((Invalid, NotFound), match=re.escape(says)):
            await FillTracker(gate).calculate_slippage(*given)

    run(work)


# -- Following -------------------------------------------------------------------------------------------------------


def test_fills_are_told_in_order_from_now_on_and_a_bad_callback_stops_nothing(caplog) -> None:
    async def work(gate: Gate) -> None:
        told: list[dict] = []

        async def callback(event: dict) -> None:
            told.append(event)
            if len(told) == 1:
                raise ValueError("oops")

        before = await working(gate, "s0")
        await FillTracker(gate).process_fill(before, 1.05, 0.25, AT, exec_id="d0")
        mine = await subscribe_fills("paper.fills.EURUSD", callback, gate=gate)
        other = await working(gate, "s1", "AAPL", 150.0)
        await FillTracker(gate).process_fill(other, 150, 1, AT, exec_id="d1")
        await FillTracker(gate).process_fill(before, 1.0501, 0.25, AT, exec_id="d2")
        await FillTracker(gate).process_fill(before, 1.05, 0.5, AT, exec_id="d3")
        async with asyncio.timeout(30):
            while len(told) < 2:
                await asyncio.sleep(0.01)
        await mine.close()
        assert [event["exec_id"] for event in told] == ["d2", "d3"]
        assert told[0] == {
            "order_id": before, "exec_id": "d2", "fill_price": Decimal("1.0501"), "fill_quantity": Decimal("0.25"),
            "timestamp": AT, "expected_price": Decimal("1.05"), "side": "buy", "symbol": "EURUSD", "signal_id": "s0",
            "broker": "paper",
        }  # fmt: skip

    run(work)


def test_a_subscription_that_is_closed_hears_nothing_and_can_close_itself() -> None:
    async def work(gate: Gate) -> None:
        told: list[dict] = []

        async def once(event: dict) -> None:
            told.append(event)
            await mine.close()

        order_id = await working(gate)
        mine = await subscribe_fills("*.fills.*", once, gate=gate)
        for number in range(3):
            await FillTracker(gate).process_fill(order_id, 1.05, 0.1, AT, exec_id=f"d{number}")
        async with asyncio.timeout(30):
            while not mine._task.done():
                await asyncio.sleep(0.01)
        assert len(told) == 1

    run(work)


def test_mt5_is_the_broker_of_signals_unless_one_is_called_that() -> None:
    async def begun(gate: Gate, pattern: str):
        subscription = await subscribe_fills(pattern, lambda _event: asyncio.sleep(0), gate=gate)
        wanted = subscription._wanted
        await subscription.close()
        return wanted.broker, wanted.symbol

    async def work(gate: Gate) -> None:
        assert await begun(gate, "mt5.fills.*") == ("paper", None)
        assert await begun(gate, "paper.fills.BRK.B") == ("paper", "BRK.B")
        assert await begun(gate, "*.fills.>") == (None, None)
        for pattern in ("mt5.orders.*", "paper.fills", "", "paper..AAPL", "paper.fills."):
            with pytest.raises(Invalid, match="is no pattern of fills: write BROKER"):
                await begun(gate, pattern)
        with pytest.raises(Invalid, match="'mt4' is no broker; there are paper"):
            await begun(gate, "mt4.fills.*")
        gate.brokers["mt5"] = gate.brokers["paper"]
        assert await begun(gate, "mt5.fills.*") == ("mt5", None)
        del gate.brokers["mt5"]

    run(work)


def test_what_is_expected_is_the_signals_price_else_the_market_else_the_limit() -> None:
    from ordergate.sdk.signals.following import _expected

    order = SimpleNamespace(
        entry_price=None, arrival_bid=Decimal(1), arrival_ask=Decimal(2), limit_price=Decimal(3)
    )
    assert _expected(order) == Decimal("1.5")
    order.arrival_bid = None
    assert _expected(order) == Decimal(3)
    order.entry_price = Decimal(4)
    assert _expected(order) == Decimal(4)


def test_an_alert_is_said_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(signals.send_alert("High slippage: 7 pips"))
    said = capsys.readouterr()
    assert "High slippage: 7 pips" in said.out + said.err


# -- Positions -------------------------------------------------------------------------------------------------------


def test_positions_are_compared_symbol_by_symbol() -> None:
    async def work(gate: Gate) -> None:
        reconciler = PositionReconciler(gate)
        assert await reconciler.get_db_positions() == {}
        order_id = await working(gate)
        await FillTracker(gate).process_fill(order_id, 1.05, 0.25, AT)
        ours = await reconciler.get_db_positions()
        assert ours == {"EURUSD": Decimal("0.25")}
        assert await reconciler.compare_positions(ours, {"EURUSD": Decimal("0.250")}) == []
        found = await reconciler.compare_positions(ours, {"EURUSD": Decimal("0.2"), "AAPL": Decimal(-3)})
        assert [(row.symbol, row.ours, row.theirs) for row in found] == [
            ("AAPL", 0, -3), ("EURUSD", Decimal("0.25"), Decimal("0.2")),
        ]  # fmt: skip

    run(work)


def test_the_fund_s_broker_is_asked_and_never_read_as_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(gate: Gate) -> None:
        reconciler, broker = PositionReconciler(gate), gate.brokers["paper"]
        told = Statement(as_of=AT, complete=True, positions={"EURUSD": Decimal(1), "AAPL": Decimal(0)})

        async def statement(_since: datetime) -> Statement:
            return told

        monkeypatch.setattr(broker, "statement", statement, raising=False)
        assert await reconciler.get_mt5_positions() == {"EURUSD": Decimal(1)}
        assert await reconciler.get_broker_positions() == {"EURUSD": Decimal(1)}
        for half in (
            Statement(as_of=AT, complete=False, positions={}),
            Statement(as_of=AT, complete=True, positions=None),
        ):
            told = half
            with pytest.raises(Conflict, match="did not tell all of its positions now"):
                await reconciler.get_broker_positions()

    run(work)


def test_what_the_account_has_more_is_taken_over_once_and_names_its_break() -> None:
    async def main() -> None:
        async with account() as (gate, broker):
            await bought(gate, "one")
            broker.edits.append(lambda told: replace(told, positions={**told.positions, "AAPL": Decimal(93)}))
            reconciler = PositionReconciler(gate)
            found = await reconciler.compare_positions(
                await reconciler.get_db_positions(), await reconciler.get_mt5_positions()
            )
            assert [(one.symbol, one.ours, one.theirs) for one in found] == [("AAPL", 100, 93)]
            with pytest.raises(Conflict, match="may still come right by themselves"):
                await reconciler.correct_positions(found)
            await gate.clock.sleep(60)
            wrong = [PositionDiscrepancy(symbol="AAPL", ours=Decimal(100), theirs=Decimal(92))]
            assert await reconciler.correct_positions(wrong) == []
            assert await reconciler.correct_positions(found) == found
            assert await reconciler.get_db_positions() == {"AAPL": Decimal(93)}
            assert await reconciler.correct_positions(found) == []
            (adjusted,) = await entries(gate, "PositionAdjusted")
            (item,) = await gate.journal.select("breaks")
            assert (adjusted.event.break_id, adjusted.principal) == (item.break_id, "signals")
            assert (await gate.compare("paper")).breaks == ()

    run_virtual(main())
