"""What a terminal takes of an order, and as what it is handed over."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.mt4 import Mt4Settings
from ordergate.adapters.brokers.mt4 import requests as r
from ordergate.adapters.brokers.mt4.outcomes import answer, is_not_done, outcome
from ordergate.adapters.brokers.mt4.plans import Step
from ordergate.adapters.brokers.mt4.terms import (
    is_marketable,
    lots_of,
    wrong_change,
    wrong_order,
    wrong_terms,
)
from ordergate.adapters.brokers.mt4.wire import Result, Row, Symbol, Tick
from ordergate.application.ports.brokers import Change, Send
from ordergate.domain.instruments import built_in
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

D = Decimal
SETTINGS = Mt4Settings(folder="/x", symbols={"EURUSD": "EU"})
SYMBOL = Symbol(
    symbol="EU",
    digits=5,
    point=D("0.00001"),
    lot_size=D(100_000),
    lot_min=D("0.01"),
    lot_max=D(50),
    lot_step=D("0.01"),
    stop_level=0,
    tick_size=D("0.00001"),
    margin=D(1_000),
    trade_allowed=True,
    currency_base="EUR",
    currency_profit="USD",
    execution="instant",
)
TICK = Tick(symbol="EU", bid=D("1.10000"), ask=D("1.10002"), time=1)
BUY = Send(
    client_id="a.1",
    symbol="EURUSD",
    side=Side.BUY,
    quantity=D("0.5"),
    order_type=OrderType.LIMIT,
    tif=TimeInForce.GTC,
    limit_price=D("1.09"),
)
EURUSD = built_in("EURUSD")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"symbol": "GBPUSD"}, "brokers.b.symbols has EURUSD"),
        ({"order_type": OrderType.STOP_LIMIT}, "MetaTrader 4 has no stop_limit orders"),
        ({"tif": TimeInForce.DAY}, "MetaTrader 4 has no day orders"),
        ({"tif": TimeInForce.GTD}, "expires_at: is missing"),
        (
            {"order_type": OrderType.STOP, "stop_price": D(1), "tif": TimeInForce.FOK},
            "a stop order cannot be fok",
        ),
        ({"quantity": D("NaN")}, "quantity: NaN is no number above zero"),
        ({"limit_price": None}, "limit_price: is missing"),
        ({"order_type": OrderType.STOP}, "stop_price: is missing"),
        ({"stop_loss": D(0)}, "stop_loss: 0 is no number above zero"),
    ],
)
def test_what_is_no_order_for_here(change: dict[str, Any], said: str | None) -> None:
    wrong = wrong_order(replace(BUY, **change), SETTINGS, "b")
    assert wrong is None if said is None else said in (wrong or "")


@pytest.mark.parametrize(
    ("change", "of_symbol", "said"),
    [
        ({}, {}, None),
        ({"quantity": D("0.001")}, {}, "is 0.001 lots of EU, below the minimum of 0.01"),
        ({"quantity": D(51)}, {}, "above the maximum of 50"),
        ({"quantity": D("0.015")}, {}, "no multiple of 0.01"),
        (
            {"limit_price": D("1.090005")},
            {},
            "limit_price: 1.090005 is no multiple of 0.00001, the tick of EU",
        ),
        ({"take_profit": D("1.200005")}, {}, "take_profit: 1.200005 is no multiple"),
        ({}, {"lot_size": D(1_000)}, "contract_size is 100000, and a lot of EU is 1000: write 1000"),
        ({}, {"tick_size": D("0.000015")}, "tick is 0.00001, and EU moves by 0.000015 (5 digits)"),
        ({}, {"currency_profit": "EUR"}, "currency is USD, and EU is priced in EUR"),
        ({}, {"trade_allowed": False}, "EU is not traded in this account"),
    ],
)
def test_what_the_symbol_does_not_take(
    change: dict[str, Any], of_symbol: dict[str, Any], said: str | None
) -> None:
    wrong = wrong_terms(replace(BUY, **change), EURUSD, replace(SYMBOL, **of_symbol), "EU")
    if said is None or wrong is None:
        assert wrong == said
    else:
        assert said in wrong


def test_a_symbol_or_an_instrument_that_is_not_there() -> None:
    assert "show it in its Market Watch" in (wrong_terms(BUY, EURUSD, None, "EU") or "")
    assert "there is no instrument" in (wrong_terms(BUY, None, SYMBOL, "EU") or "")


def test_lots_are_reckoned_by_contract_sizes() -> None:
    assert EURUSD is not None
    assert lots_of(D("0.5"), EURUSD, replace(SYMBOL, lot_size=D(10_000))) == 5


@pytest.mark.parametrize(
    ("side", "limit", "right"),
    [
        (Side.BUY, "1.10002", True),
        (Side.BUY, "1.10001", False),
        (Side.SHORT, "1.10000", True),
        (Side.SHORT, "1.10001", False),
    ],
)
def test_what_would_trade_at_once(side: Side, limit: str, right: bool) -> None:
    assert is_marketable(replace(BUY, side=side, limit_price=D(limit)), TICK) is right


def test_without_a_quote_nothing_would() -> None:
    assert not is_marketable(BUY, None)
    assert not is_marketable(replace(BUY, limit_price=D(9)), replace(TICK, ask=D(0)))


def test_a_limit_through_the_market_has_its_limit_as_the_worst_price() -> None:
    keys = r.bounded_of(replace(BUY, limit_price=D("1.10007")), D("0.5"), SYMBOL, TICK)
    assert keys == {"symbol": "EU", "type": "buy", "lots": "0.5", "slippage": 5, "worst": "1.10007"}


def test_orders_that_work() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    send = replace(BUY, stop_loss=D("1.08"), take_profit=D("1.2"), expires_at=at)
    assert r.pending_of(send, "EU", D("0.5")) == {
        "symbol": "EU",
        "type": "buylimit",
        "lots": "0.5",
        "price": "1.09",
        "expiry": int(at.timestamp()),
        "sl": "1.08",
        "tp": "1.2",
    }
    stop = replace(BUY, order_type=OrderType.STOP, side=Side.SHORT, limit_price=None, stop_price=D("1.05"))
    assert r.pending_of(stop, "EU", D(1))["type"] == "sellstop"


def row(ticket: int, lots: str, at: int, kind: str = "buy") -> Row:
    zero = D(0)
    return Row(
        ticket=ticket, id="", ref="x.1", symbol="EU", type=kind, lots=D(lots), price=D(1), open_time=at, sl=zero,
        tp=zero, expiry=0, magic=1, comment="", commission=zero, swap=zero, profit=zero,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("side", "lots", "steps"),
    [
        (Side.SELL, "0.2", [(3, "0.2")]),
        (Side.SELL, "0.4", [(3, "0.3"), (2, "0.1")]),
        (Side.SELL, "1", [(3, "0.3"), (2, "0.2"), (0, "0.5")]),
        (Side.COVER, "1", [(4, "0.7"), (0, "0.3")]),
        (Side.BUY, "1", [(0, "1")]),
        (Side.SHORT, "1", [(0, "1")]),
    ],
)
def test_the_oldest_is_closed_first_and_the_rest_opens(
    side: Side, lots: str, steps: list[tuple[int, str]]
) -> None:
    held = [row(2, "0.2", 20), row(3, "0.3", 10), row(4, "0.7", 5, "sell"), row(5, "9", 1, "buylimit")]
    right = tuple(Step(ticket=ticket, lots=D(of)) for ticket, of in steps)
    assert r.steps_of(replace(BUY, side=side), D(lots), held) == right


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"limit_price": D("1.08")}, None),
        ({"limit_price": D("1.080005")}, "no multiple"),
        ({"stop_price": D("1.08")}, "stop_price: the order has none"),
        ({}, "limit_price: is missing"),
        ({"limit_price": D(-1)}, "no number above zero"),
    ],
)
def test_what_can_be_changed(change: dict[str, Any], said: str | None) -> None:
    asked = Change(client_id="a.2", order="a.1", broker_order_id=None, **change)
    wrong = wrong_change(asked, row(5, "0.5", 1, "buylimit"), None, SYMBOL)
    assert wrong is None if said is None else said in (wrong or "")


def test_a_quantity_cannot() -> None:
    asked = Change(client_id="a.2", order="a.1", broker_order_id=None, limit_price=D("1.08"))
    assert wrong_change(asked, row(5, "0.5", 1, "buylimit"), D("0.5"), SYMBOL) is None
    assert "cancel the order" in (wrong_change(asked, row(5, "0.5", 1, "buylimit"), D("0.6"), SYMBOL) or "")


RESULT = Result(
    id="", ref="", gen=1, seq=1, op="open", state="done", why="", code=0, text="", gmt=1, ticket=5
)


@pytest.mark.parametrize(
    ("state", "why", "code", "right"),
    [
        ("done", "", 0, Outcome.ACCEPTED),
        ("rejected", "", 134, Outcome.REJECTED),
        ("rejected", "", 128, Outcome.UNKNOWN),  # whatever an expert makes of it
        ("rejected", "", 9_999, Outcome.UNKNOWN),
        ("not_sent", "invalid", 0, Outcome.REJECTED),
        ("not_sent", "expired", 0, Outcome.NOT_SENT),
        ("not_sent", "fenced", 0, Outcome.NOT_SENT),
        ("not_sent", "disabled", 0, Outcome.NOT_SENT),
        ("not_sent", "sealed", 0, Outcome.NOT_SENT),
        ("not_sent", "local", 4_109, Outcome.NOT_SENT),
        ("not_sent", "local", 4_106, Outcome.REJECTED),
        ("not_sent", "local", 146, Outcome.NOT_SENT),  # the expert says that the terminal did not send
        ("not_sent", "disk", 0, Outcome.UNKNOWN),  # it is not in the journal: a copy of it may still be done
        ("unknown", "", 2, Outcome.UNKNOWN),
        ("unknown", "forgotten", 0, Outcome.UNKNOWN),
        ("something new", "", 0, Outcome.UNKNOWN),
    ],
)
def test_what_a_result_proves(state: str, why: str, code: int, right: Outcome) -> None:
    result = replace(RESULT, state=state, why=why, code=code)
    assert outcome(result) is right
    assert answer(result, "5").broker_order_id == ("5" if right is Outcome.ACCEPTED else None)
    assert is_not_done(result) == (right in (Outcome.REJECTED, Outcome.NOT_SENT))


def test_no_result_proves_nothing() -> None:
    assert answer(None).outcome is Outcome.UNKNOWN
    assert not is_not_done(None)
