"""Two users' own documents, as they are written, where the broker is MetaTrader 5: signals, fills, slippage, levels,
positions, margin, failures. On netting and on hedging accounts, in this process and through the worker process.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordergate.domain.errors import Conflict
from ordergate.domain.orders.events import SlippageExceeded
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import Phase, RequestKind, State
from ordergate.domain.routing import Route
from ordergate.sdk import default_gate
from ordergate.sdk import trading as t
from ordergate.sdk.oms import OrderService
from ordergate.sdk.oms.updates import entries_after
from ordergate.sdk.paper import PaperMarket
from ordergate.sdk.signals import FillTracker, OrderManager, PositionReconciler
from ordergate.testing.metatrader5 import Fault
from ordergate.testing.metatrader5 import constants as mt5
from tests.services.mt5 import HEDGING, NETTING
from tests.services.mt5_gate import FUND, Terminal, configured, ended, on_gate, orders, terminal_at, until
from tests.unit.sdk.test_signals import SIGNAL, SUBSCRIPTIONS, compiled, example, heard, subscribed
from tests.unit.sdk.test_trading import CHECK, flow, signal

D = Decimal
MODES = {"netting": NETTING, "hedging": HEDGING}


@pytest.fixture(params=["netting", "hedging", pytest.param("worker", marks=pytest.mark.slow)])
def terminal(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Terminal]:
    where = "worker" if request.param == "worker" else "here"
    with terminal_at(where, MODES.get(request.param, HEDGING), monkeypatch, tmp_path) as made:
        yield made


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """A terminal in this process, on a gate that is configured otherwise."""

    def make(mode: int = NETTING, *routes: Route, **fund: Any) -> Any:
        return terminal_at("here", mode, monkeypatch, tmp_path, configured(*routes, **fund))

    return make


def held(symbol: str = "EURUSD") -> Decimal:
    """In the fund."""
    rows = asyncio.run(OrderService().get_positions(FUND, symbol))
    return rows[0].quantity if rows else D(0)


def at_terminal(terminal: Terminal) -> list[tuple[str, int, float]]:
    """Symbol, 0 for bought and 1 for sold, and lots of each position."""
    return [(row["symbol"], row["type"], row["volume"]) for row in terminal.positions]


def requests(terminal: Terminal) -> list[dict[str, Any]]:
    """Those that were orders."""
    return [one for one in terminal.sent if one.get("magic")]


# -- A signal and its order ------------------------------------------------------------------------------------------


def test_example_2_creates_and_submits_an_order_once(terminal: Terminal) -> None:
    main = compiled(example(2), {"logger": logging.getLogger("example")})

    async def run() -> None:
        assert (await main())["order"].state is State.CREATED
        assert await main() is None  # it says that there is one, and stops

    asyncio.run(run())
    (order,) = ended()
    assert (order.signal_id, order.broker, order.filled_quantity) == ("sig_12345", "mt5", D("0.01"))
    assert order.average_price == D("1.0812")
    (sent,) = requests(terminal)
    assert (sent["symbol"], sent["volume"], sent["sl"], sent["tp"]) == ("EURUSD.r", 0.01, 1.08, 1.085)
    (position,) = terminal.positions
    assert (position["magic"], position["sl"], position["tp"]) == (sent["magic"], 1.08, 1.085)
    assert order.broker_order_id == str(terminal.look()["history"][0]["ticket"])
    assert held() == D("0.01")


def test_example_3_hears_books_and_measures_every_fill_once(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts: list[str] = []

    async def send_alert(text: str) -> None:
        alerts.append(text)

    main = compiled(example(3), {"send_alert": send_alert, "subscribe_fills": subscribed(monkeypatch)})

    async def run() -> None:
        manager = OrderManager()
        await main()
        for number, ask in enumerate(("1.0812", "1.0820")):
            await asyncio.to_thread(terminal.price, "1.0810", ask)
            await manager.submit_order(await manager.create_order(SIGNAL | {"signal_id": f"s{number}"}))
            await heard(number + 1)
        await SUBSCRIPTIONS[0].close()

    asyncio.run(run())
    deals = terminal.look()["deals"]
    fills = on_gate(lambda gate: gate.queries.fills())
    assert [(fill.exec_id, fill.quantity) for fill in fills] == [(str(d["ticket"]), D("0.01")) for d in deals]
    assert alerts == ["High slippage: 7.5 pips"]
    assert held() == D("0.02")
    assert sum(D(str(row["volume"])) for row in terminal.positions) == D("0.02")


def test_slippage_is_in_pips_by_digits(at: Callable[..., Any]) -> None:
    """A pip is ten points of a price with 3 or 5 digits, and both count the same."""

    async def measured(symbol: str, expected: str, price: str, side: str) -> Decimal:
        return await FillTracker().calculate_slippage(expected, price, side, symbol)

    with at(slippage_alert_pips=D(5)) as terminal:
        manager, expected = OrderManager(), {"EURUSD": "1.08125", "USDJPY": "149.95"}
        asks = {"EURUSD": ("1.08200", D("7.5")), "USDJPY": ("150.003", D("5.3"))}
        terminal.price("1.0810", "1.08200")
        for symbol, price in expected.items():  # what the market is by what else there is to see
            asyncio.run(PaperMarket().set_quote(symbol, price, price))
        tables = on_gate(lambda gate: gate.brokers["mt5"].instruments())
        for symbol, (ask, pips) in asks.items():
            pip = on_gate(lambda gate, symbol=symbol: instrument(gate, symbol)).pip_size
            assert f'pip_size = "{pip}"' in tables[symbol]
            changed = {"signal_id": symbol, "symbol": symbol, "entry_price": expected[symbol]}
            levels = {"stop_loss": None, "take_profit": None}
            order = asyncio.run(manager.create_order(SIGNAL | changed | levels))
            asyncio.run(manager.submit_order(order))
            filled = ended(1 + list(asks).index(symbol))[-1]
            assert filled.average_price == D(ask)
            assert asyncio.run(measured(symbol, expected[symbol], ask, "buy")) == pips
        said = [event.pips for event in events() if isinstance(event, SlippageExceeded)]
        assert said == [D("7.5"), D("5.3")]


async def instrument(gate: Any, symbol: str) -> Any:
    return gate.runner.engine.view.instrument(symbol)


def events() -> list[Any]:
    """All that were journaled."""

    async def read(gate: Any) -> list[Any]:
        return [entry.event for entry in (await entries_after(gate, 0))[0]]

    return list(on_gate(read))


# -- Stop loss and take profit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "ask", "price"),
    [("1.0798", "1.0800", "1.0798"), ("1.0851", "1.0853", "1.0850")],
    ids=["stop loss", "take profit"],
)
def test_what_the_terminal_closes_at_a_level_is_booked(
    terminal: Terminal, bid: str, ask: str, price: str
) -> None:
    asyncio.run(compiled(example(2), {"logger": logging.getLogger("example")})())
    (entry,) = ended()
    terminal.price(bid, ask)
    entry, closing = ended(2)
    assert terminal.positions == []
    assert (closing.parent_order_id, closing.side, closing.filled_quantity) == (
        entry.order_id,
        "sell",
        D("0.01"),
    )
    assert held() == 0
    deal = terminal.look()["deals"][-1]
    assert closing.average_price == D(str(deal["price"]))
    assert abs(closing.average_price - D(price)) <= D("0.0001")
    assert len(requests(terminal)) == 1, "the server alone has closed it"
    status = t.GateBroker().get_order_status(entry.order_id)
    assert status.state is t.OrderState.CLOSED
    assert t.GateBroker().close_order(entry.order_id)  # there is nothing to close
    assert len(orders()) == 2


# -- Positions -------------------------------------------------------------------------------------------------------


def test_example_5_compares_and_corrects(terminal: Terminal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = {"auto_correct_discrepancies": False}
    main = compiled(example(5), {"logger": logging.getLogger("example"), "config": config})
    asyncio.run(PaperMarket().set_quote("EURUSD", 1.0810, 1.0812))

    def reconciled() -> str:
        async def run() -> None:
            await (await main())["reconcile_positions"]()

        asyncio.run(run())
        return [record.getMessage() for record in caplog.records if record.name == "example"][-1]

    asyncio.run(OrderManager().submit_order(asyncio.run(OrderManager().create_order(SIGNAL))))
    ended()
    assert reconciled() == "Positions reconciled successfully"
    assert asyncio.run(PositionReconciler().get_mt5_positions()) == {"EURUSD": D("0.01")}
    by_hand(terminal, mt5.ORDER_TYPE_BUY, "0.03")
    assert reconciled().startswith(
        "Position discrepancies found: [PositionDiscrepancy(symbol='EURUSD', ours=Decimal('0.01'), "
        "theirs=Decimal('0.04'))]"
    )
    assert held() == D("0.01"), "nothing is booked where that is not wanted"
    config["auto_correct_discrepancies"] = True
    reconciled()
    assert held() == D("0.04")
    assert reconciled() == "Positions reconciled successfully"
    assert len(requests(terminal)) == 1, "a correction is booked, never traded"


def by_hand(terminal: Terminal, kind: int, volume: str) -> None:
    """Somebody trades in the terminal's own window."""
    terminal.trade(
        action=mt5.TRADE_ACTION_DEAL,
        symbol="EURUSD.r",
        type=kind,
        volume=D(volume),
        type_filling=mt5.ORDER_FILLING_FOK,
    )


def test_positions_that_cannot_be_told_are_not_flat(at: Callable[..., Any]) -> None:
    with at() as terminal:
        assert asyncio.run(PositionReconciler().get_mt5_positions()) == {}
        terminal.inject(Fault.FAIL, -1, calls=["positions_get"])
        with pytest.raises(Conflict, match="did not tell all of its positions"):
            asyncio.run(PositionReconciler().get_mt5_positions())


# -- The other document's flow ---------------------------------------------------------------------------------------


def test_the_flow_as_written_places_one_order_a_signal(terminal: Terminal) -> None:
    handle_signal, tracked, failed = flow(t.GateBroker())
    for _ in range(3):
        asyncio.run(handle_signal(signal()))
    (order,) = ended()
    assert (tracked, failed) == ([order.order_id] * 3, [])
    (sent,) = requests(terminal)
    assert (sent["volume"], sent["sl"], sent["tp"]) == (0.1, 1.08, 1.09)
    assert order.broker_order_id
    status = t.GateBroker().get_order_status(order.order_id)
    assert (status.state, status.filled_volume) == (t.OrderState.CLOSED, D("0.1"))
    assert t.GateBroker().close_order(order.order_id)
    ended(2)
    assert terminal.positions == []
    assert t.GateBroker().get_order_status(order.order_id).state is t.OrderState.CLOSED


def test_a_signal_to_sell_opens_a_short_position(terminal: Terminal) -> None:
    handle_signal, tracked, failed = flow(t.GateBroker())
    levels = {"stop_loss": 1.09, "take_profit": 1.07}
    asyncio.run(handle_signal(signal(direction="SELL", **levels)))
    (order,) = ended()
    assert (tracked, failed) == ([order.order_id], [])
    assert at_terminal(terminal) == [("EURUSD.r", 1, 0.1)]
    assert held() == D("-0.1")


def test_every_state_of_an_order_is_told(terminal: Terminal) -> None:
    """The feedback of the document: each change of an order is an update, from the first to the end."""
    handle_signal, tracked, _failed = flow(t.GateBroker())
    asyncio.run(handle_signal(signal()))
    (order,) = ended()
    mine = [type(event).__name__ for event in events() if getattr(event, "order_id", None) == order.order_id]
    assert tracked == [order.order_id]
    assert (mine[0], mine[-1]) == ("OrderEntered", "OrderClosed")
    assert sorted(mine[1:-1]) == ["OrderAcknowledged", "OrderConfirmed", "OrderFilled"]


def test_the_check_as_written_is_the_terminals_own_calculation(terminal: Terminal) -> None:
    names = vars(t) | {"broker_interface": t.GateBroker(), "order": t.create_order_from_signal(signal())}
    exec(CHECK, names)
    # A tenth of a lot at 1.0812 and a leverage of 100 takes 108.12.
    terminal.set(balance="108.11")
    with pytest.raises(t.RiskPolicyViolation, match="Insufficient margin"):
        exec(CHECK, names)
    terminal.set(balance="108.13")
    exec(CHECK, names)
    assert (orders(), requests(terminal)) == ([], [])


def test_want_of_margin_is_a_violation_and_is_not_tried_again(terminal: Terminal) -> None:
    terminal.set(balance="100")
    for _ in range(2):
        with pytest.raises(t.RiskPolicyViolation, match="margin"):
            asyncio.run(t.TradeExecutionService().handle_signal(signal()))
    (order,) = orders()
    assert (order.state, requests(terminal)) == (State.REJECTED, [])


def test_the_accounts_leverage_counts(terminal: Terminal) -> None:
    """A thousand dollars carry what is worth ten thousand."""
    terminal.set(balance="1000")
    assert asyncio.run(t.TradeExecutionService().handle_signal(signal())).success
    assert ended()[0].filled_quantity == D("0.1")
    with pytest.raises(t.RiskPolicyViolation, match="Insufficient margin"):
        asyncio.run(t.TradeExecutionService().handle_signal(signal(1, volume=2)))
    assert len(requests(terminal)) == 1


def test_what_is_rejected_is_tried_once_more_as_a_linked_order(terminal: Terminal) -> None:
    terminal.inject(Fault.REJECT, mt5.TRADE_RETCODE_REJECT, times=1)
    handle_signal, tracked, failed = flow(t.GateBroker())
    asyncio.run(handle_signal(signal()))
    first, second = ended(2)
    assert (first.state, second.retry_of, second.state) == (State.REJECTED, first.order_id, State.CLOSED)
    assert (tracked, failed) == ([second.order_id], [])
    assert len(at_terminal(terminal)) == 1


def test_what_is_rejected_twice_has_failed(terminal: Terminal) -> None:
    terminal.inject(Fault.REJECT, mt5.TRADE_RETCODE_REJECT)
    handle_signal, tracked, failed = flow(t.GateBroker())
    for _ in range(3):
        asyncio.run(handle_signal(signal()))
    assert [order.state for order in ended(2)] == [State.REJECTED] * 2
    assert tracked == []
    assert [number for number, _why in failed] == [signal().id] * 3
    assert "10006" in failed[0][1]
    assert terminal.positions == []


def test_a_timeout_leaves_the_order_unknown_until_it_is_found(terminal: Terminal) -> None:
    """The answer is lost, and so is the look at what became of it: nothing is said, nothing is sent again."""
    looks = ["orders_get", "history_orders_get", "history_deals_get", "positions_get", "history_deals_total"]
    terminal.inject(Fault.HANG, times=1)
    terminal.inject(Fault.HISTORY_LAG, 60)
    result = t.GateBroker(deadline_s=0.2).place_order(t.create_order_from_signal(signal()))
    terminal.inject(Fault.FAIL, -1, calls=looks)
    assert (result.success, result.pending, result.error) == (True, True, None)
    until(lambda: submit_of(orders()[0]).phase is Phase.UNKNOWN, "the end of the call")
    (order,) = orders()
    assert (order.state, order.filled_quantity) == (State.SUBMITTED, 0)
    terminal.clear()
    (order,) = ended()
    assert (order.state, order.filled_quantity) == (State.CLOSED, D("0.1"))
    assert len(requests(terminal)) == len(at_terminal(terminal)) == 1


def submit_of(order: Order) -> Any:
    """The request that is under way."""
    request = order.open_request(RequestKind.SUBMIT)
    assert request is not None, order
    return request


@pytest.mark.slow  # a broker counts as down once it has been so for a while
def test_a_timeout_sends_what_comes_next_to_the_other_broker(at: Callable[..., Any]) -> None:
    """What was given to the terminal stays with it; what was not yet goes where it can be traded."""
    with at(NETTING, Route(brokers=("mt5", "paper"))) as terminal:
        asyncio.run(PaperMarket().set_quote("EURUSD", 1.0810, 1.0812))
        terminal.inject(Fault.HANG, times=1)
        terminal.inject(Fault.HISTORY_LAG, 60)
        result = t.GateBroker(deadline_s=0.3).place_order(t.create_order_from_signal(signal()))
        assert result.pending
        terminal.inject(Fault.FAIL, -1, calls=["terminal_info", "orders_get"])
        until(lambda: not on_gate(_is_up), "the word that the terminal is away")
        t.GateBroker().place_order(t.create_order_from_signal(signal(1)))
        terminal.clear()
        first, second = ended(2)
        assert (first.broker, second.broker) == ("mt5", "paper")
        assert (first.filled_quantity, second.filled_quantity) == (D("0.1"), D("0.1"))
        assert len(requests(terminal)) == 1


async def _is_up(gate: Any) -> bool:
    return not gate.runner.engine.view.is_down("mt5")


def test_the_service_is_the_same_flow(terminal: Terminal) -> None:
    service = t.TradeExecutionService()
    made = [asyncio.run(service.handle_signal(signal())) for _ in range(2)]
    assert len({result.order_id for result in made}) == 1
    (order,) = ended()
    assert asyncio.run(service.close_order(order.order_id))
    closed: list[Order] = ended(2)
    assert [order.filled_quantity for order in closed] == [D("0.1")] * 2
    assert (terminal.positions, held()) == ([], 0)
    assert default_gate.get().brokers["mt5"].connected
