"""Where ClickHouse's answers are not the book's, that is found."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ordergate.adapters.clickhouse import Answer
from ordergate.cli.demo_clickhouse_views import Book, compare_rate, compare_recent, compare_slippage
from ordergate.config import Config
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce

NOW = datetime(2026, 3, 2, 21, tzinfo=UTC)
AT = datetime(2026, 3, 2, 20, tzinfo=UTC)
RECENT: list[Any] = [
    "ord-1", None, "EURUSD", "market", "FILLED", None, Decimal("1.0850600000"), Decimal("0.6000"),
    AT.replace(tzinfo=None), None,
]  # fmt: skip


def book(*, state: State = State.FILLED) -> Book:
    order = Order(
        order_id="ord-1",
        fund_id="fx",
        symbol="EURUSD",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        broker="paper",
        state=state,
        created_at=AT,
        updated_at=AT,
        arrival_bid=Decimal("1.0849"),
        arrival_ask=Decimal("1.0851"),
    )
    fill = Fill(
        order_id="ord-1",
        fill_id="ord-1-f1",
        exec_id="x1",
        fund_id="fx",
        symbol="EURUSD",
        side=Side.BUY,
        broker="paper",
        quantity=Decimal(1),
        price=Decimal("1.08506"),
        time=AT,
        booked_at=AT,
    )
    instrument = Config().catalogue("EURUSD")
    assert instrument is not None
    return Book([order], {"ord-1": [fill]}, {"EURUSD": instrument})


def answer(*rows: Any) -> Answer:
    return Answer((), (), rows)


def test_recent_orders() -> None:
    assert compare_recent(answer(RECENT), book(), NOW)["agrees"]
    assert not compare_recent(answer(), book(), NOW)["agrees"]
    assert not compare_recent(answer(RECENT, RECENT), book(), NOW)["agrees"]
    for place, other in (
        (0, "ord-2"),
        (4, "REJECTED"),
        (6, Decimal("1.08507")),
        (7, Decimal("0.7")),
        (8, NOW.replace(tzinfo=None)),
    ):
        wrong = [*RECENT]
        wrong[place] = other
        assert not compare_recent(answer(wrong), book(), NOW)["agrees"], place


def test_the_fill_rate() -> None:
    assert compare_rate(answer([1, 0, 0, 100.0]), book(), NOW)["agrees"]
    assert compare_rate(answer([0, 1, 0, 0.0]), book(state=State.REJECTED), NOW)["agrees"]
    assert compare_rate(answer([0, 0, 0, float("nan")]), Book([], {}, {}), NOW)["agrees"]
    for wrong in ([2, 0, 0, 100.0], [1, 0, 1, 100.0], [1, 0, 0, 50.0], [1, 0, 0, float("nan")]):
        assert not compare_rate(answer(wrong), book(), NOW)["agrees"], wrong


@pytest.mark.parametrize(
    ("row", "agrees"),
    [
        (["EURUSD", 0.6, float("nan"), Decimal("0.6")], True),
        (["EURUSD", 0.7, float("nan"), Decimal("0.6")], False),
        (["EURUSD", 0.6, 0.1, Decimal("0.6")], False),
        (["GBPUSD", 0.6, float("nan"), Decimal("0.6")], False),
    ],
)
def test_slippage(row: list[Any], agrees: bool) -> None:
    assert compare_slippage(answer(row), book(), NOW)["agrees"] is agrees
    assert not compare_slippage(answer(), book(), NOW)["agrees"]
