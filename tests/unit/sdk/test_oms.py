"""The order service, in the words of those who write strategies against it."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError

from ordergate.bootstrap import MEMORY, open_gate
from ordergate.config import Config
from ordergate.domain.errors import Conflict, Invalid, NotFound
from ordergate.domain.orders.states import State
from ordergate.sdk import default_gate
from ordergate.sdk.oms import Fill, FundConfig, Limits, Order, OrderService
from ordergate.sdk.paper import PaperMarket

IDEMPOTENCY = """
order = Order(idempotency_key=f"strat-{strategy_id}-{asof}-{symbol}-{side}", ...)
# Safe to call repeatedly — only one order is created
result = await oms.submit(order)
"""  # as its users' document has it


def buy(key: str = "k-1", **changes) -> Order:
    given = {
        "idempotency_key": key, "symbol": "AAPL", "side": "buy", "quantity": "100", "fund_id": "paper-momentum",
        "order_type": "limit", "limit_price": "181",
    }  # fmt: skip
    return Order(**(given | changes))


def run_text(text: str, names: dict) -> dict:
    body = "\n".join(f"    {line}" for line in text.strip().splitlines())
    exec(f"async def main():\n{body}\n    return dict(locals())", names)
    return names["main"]


def test_the_idempotency_example_makes_one_order_however_often_it_runs() -> None:
    assert "..." in IDEMPOTENCY
    names = {
        "Order": Order, "oms": OrderService(), "strategy_id": "v7", "asof": "2026-05-23", "symbol": "AAPL",
        "side": "buy",
        "others": {"symbol": "AAPL", "side": "buy", "quantity": 100, "fund_id": "paper-momentum"},
    }  # fmt: skip
    example = run_text(IDEMPOTENCY.replace("...", "**others"), names)

    async def main() -> list[Order]:
        return [(await example())["result"] for _ in range(5)]

    results = asyncio.run(main())
    assert len({result.order_id for result in results}) == 1
    assert results[0].idempotency_key == "strat-v7-2026-05-23-AAPL-buy"
    gate = default_gate.get()
    orders = asyncio.run_coroutine_threadsafe(gate.queries.orders(), gate.loop).result()
    assert len(orders) == 1


def test_the_same_key_with_other_content_is_a_conflict() -> None:
    async def main() -> None:
        oms = OrderService()
        await oms.submit(buy())
        with pytest.raises(Conflict, match="other content"):
            await oms.submit(buy(quantity=200))

    asyncio.run(main())


def test_an_order_is_filled_and_stands_in_the_positions() -> None:
    async def main() -> None:
        oms = OrderService()
        await PaperMarket().set_quote("AAPL", 180.4, 180.5)
        order = await oms.submit(buy(quantity=100.0))
        assert isinstance(order.state, State)
        async with asyncio.timeout(30):
            while (order := await oms.get_order(order.order_id)).state is not State.CLOSED:
                await asyncio.sleep(0.01)
        assert (order.filled_quantity, order.average_price) == (100, Decimal("180.5"))
        (position,) = await oms.get_positions("paper-momentum")
        assert (position.quantity, position.avg_price) == (100, Decimal("180.5"))
        assert (position.last_price, position.market_value_usd) == (Decimal("180.4"), 18040)
        assert (position.unrealized_pl_usd, position.realized_pl_ytd_usd) == (-10, 0)
        (lot,) = position.tax_lots
        assert (lot.open_qty, lot.open_price, lot.close_date) == (100, Decimal("180.5"), None)
        assert type(position).model_validate_json(position.model_dump_json()) == position
        assert type(order).model_validate_json(order.model_dump_json()) == order

    asyncio.run(main())


def test_what_is_not_priced_in_dollars_is_shown_in_dollars() -> None:
    async def main() -> None:
        oms = OrderService()
        market = PaperMarket()
        await market.set_quote("USDJPY", "150.001", "150.002")
        order = await oms.submit(buy(symbol="USDJPY", quantity=0.1, order_type="market", limit_price=None))
        assert order.average_price is None
        async with asyncio.timeout(30):
            while not (held := await oms.get_positions("paper-momentum", "USDJPY")):
                await asyncio.sleep(0.01)
        assert held[0].quantity == Decimal("0.1")
        rate = held[0].usd_rate
        assert rate is not None
        assert (rate.source, rate.rate) == ("1 / USDJPY", Decimal("0.006666600000666660000067"))
        # 0.1 lots are 10,000 dollars, at a bid that is below the mid, and bought 0.001 yen higher
        assert (held[0].market_value_usd, held[0].unrealized_pl_usd, held[0].realized_pl_usd) == (
            Decimal("9999.966667"), Decimal("-0.066666"), 0,
        )  # fmt: skip

    asyncio.run(main())


def test_a_cancel_is_asked_for_and_comes() -> None:
    async def main() -> None:
        oms = OrderService()
        order = await oms.submit(buy(order_type="limit", limit_price=1, tif="gtc"))
        await oms.cancel(order.order_id, "no longer wanted")
        async with asyncio.timeout(30):
            while (await oms.get_order(order.order_id)).state is not State.CANCELED:
                await asyncio.sleep(0.01)
        with pytest.raises(Conflict):
            await oms.cancel(order.order_id)
        with pytest.raises(NotFound):
            await oms.cancel("nobodys")

    asyncio.run(main())


@pytest.mark.parametrize("quantity", [float("nan"), float("inf"), -float("inf"), "NaN", True, 1e300])
def test_what_is_no_number_is_refused(quantity: object) -> None:
    with pytest.raises(ValidationError):
        buy(quantity=quantity)


def test_floats_are_taken_by_their_shortest_text() -> None:
    assert buy(quantity=0.1 + 0.2).quantity == Decimal("0.30000000000000004")
    assert buy(quantity=0.1).quantity == Decimal("0.1")


def test_records_are_frozen_and_take_no_other_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        buy().quantity = 5
    with pytest.raises(ValidationError, match="Extra inputs"):
        buy(quantiti=5)


def test_a_stream_goes_on_where_it_was_cut_off() -> None:
    async def take(oms: OrderService, after: int | None, count: int) -> list:
        async with aclosing(oms.stream_updates("paper-momentum", after)) as updates, asyncio.timeout(30):
            return [await anext(updates) for _ in range(count)]

    async def main() -> None:
        oms = OrderService(funds=[FundConfig(fund_id="other", unlimited=True)])
        await oms.submit(buy("zero", fund_id="other"))
        first = await oms.submit(buy("one", order_type="limit", limit_price=1, tif="gtc"))
        seen = await take(oms, -1, 1)
        assert (seen[0].kind, seen[0].order.order_id) == ("OrderEntered/1", first.order_id)
        assert seen[0].path[-1] is State.SUBMITTED
        await oms.cancel(first.order_id)
        async with asyncio.timeout(30):
            while (await oms.get_order(first.order_id)).state is not State.CANCELED:
                await asyncio.sleep(0.01)
        rest = await take(oms, seen[0].index, 3)
        assert [update.kind for update in rest] == [
            "OrderAcknowledged/1",
            "RequestOpened/1",
            "OrderCanceled/1",
        ]
        everything = await take(oms, -1, 4)
        assert [update.index for update in everything] == [update.index for update in [*seen, *rest]]

    asyncio.run(main())


def test_a_stream_without_a_place_begins_now() -> None:
    async def main() -> None:
        oms = OrderService()
        await oms.submit(buy("before"))
        updates = oms.stream_updates("paper-momentum")
        coming = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0.1)
        order = await oms.submit(buy("after"))
        async with asyncio.timeout(30):
            while (update := await coming).order.order_id != order.order_id:
                coming = asyncio.ensure_future(anext(updates))
        assert update.order.idempotency_key == "after"
        await updates.aclose()

    asyncio.run(main())


def fill(order: Order, **changes) -> Fill:
    given = {
        "fill_id": "raw-1", "order_id": order.order_id, "fund_id": "paper-momentum", "symbol": "AAPL", "qty": "40",
        "price": 180.45, "time": datetime(2026, 5, 23, 14, 30, tzinfo=UTC),
    }  # fmt: skip
    return Fill(**(given | changes))


def test_a_fill_from_elsewhere_is_booked_once() -> None:
    async def main() -> None:
        oms = OrderService()
        order = await oms.submit(buy(order_type="limit", limit_price=181, tif="gtc"))
        for _ in range(3):
            position = await oms.apply_fill(fill(order))
        assert position.quantity == 40
        known = await oms.get_order(order.order_id)
        assert (known.state, known.filled_quantity) == (State.PARTIALLY_FILLED, 40)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"order_id": "nobodys"}, NotFound),
        ({"fund_id": "other"}, Invalid),
        ({"symbol": "MSFT"}, Invalid),
        ({"side": "sell"}, Invalid),
        ({"broker": "elsewhere"}, Invalid),
        ({"qty": 0}, Invalid),
        ({"time": datetime.fromisoformat("2026-05-23T14:30")}, Invalid),
    ],
)
def test_what_cannot_be_a_fill_of_the_order_changes_nothing(changes: dict, error: type[Exception]) -> None:
    async def main() -> None:
        oms = OrderService()
        order = await oms.submit(buy(order_type="limit", limit_price=181, tif="gtc"))
        with pytest.raises(error):
            await oms.apply_fill(fill(order, **changes))
        assert (await oms.get_order(order.order_id)).filled_quantity == 0
        assert await oms.get_positions("paper-momentum") == []

    asyncio.run(main())


def test_a_fill_id_that_is_booked_with_other_numbers_is_a_conflict() -> None:
    async def main() -> None:
        oms = OrderService()
        order = await oms.submit(buy(order_type="limit", limit_price=181, tif="gtc"))
        await oms.apply_fill(fill(order))
        with pytest.raises(Conflict, match="booked with 40"):
            await oms.apply_fill(fill(order, qty=50))

    asyncio.run(main())


def test_funds_are_made_known_before_the_first_order() -> None:
    async def main() -> None:
        mine = FundConfig(fund_id="mine", strategies=["s1"], target_nav_usd=1e6, risk_envelope=Limits())
        oms = OrderService(funds=[mine])
        assert (await oms.submit(buy(fund_id="mine", strategy_id="s1"))).state is State.SUBMITTED
        refused = await oms.submit(buy("k-2", fund_id="mine", strategy_id="s2"))
        assert refused.state is State.REJECTED
        assert refused.rejected_reason

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong", [{"active": False}, {"tax_lot_method": "magic"}, {"asset_classes": ["tulips"]}], ids=str
)
def test_a_fund_that_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(Invalid):
        OrderService(funds=[FundConfig(fund_id="mine", unlimited=True, **wrong)])


def test_a_fund_at_no_broker_is_refused() -> None:
    with pytest.raises(Invalid, match="there are paper"):
        asyncio.run(
            OrderService(funds=[FundConfig(fund_id="mine", broker="gone", unlimited=True)]).submit(
                buy(fund_id="mine")
            )
        )


def test_a_gate_of_ones_own_on_the_same_loop() -> None:
    async def main() -> None:
        async with open_gate(Config(), MEMORY) as gate:
            oms = OrderService(gate=gate)
            order = await oms.submit(buy())
            assert (await gate.queries.order(order.order_id)).idempotency_key == "k-1"
        assert default_gate._current is None

    asyncio.run(main())


@pytest.mark.parametrize("reason", [5, "\ud800", "x" * 1_001])
def test_a_reason_that_the_journal_cannot_keep_is_refused(reason: object) -> None:
    async def main() -> None:
        async with open_gate(Config(), MEMORY) as gate:
            oms = OrderService(gate)
            gate.runner.engine.view.sessions.clear()  # it is not sent, so its cancel ends it at once
            order = await oms.submit(buy())
            with pytest.raises(Invalid, match="reason"):
                await oms.cancel(order.order_id, reason)

    asyncio.run(main())


def test_why_an_order_was_canceled_stands_in_the_journal() -> None:
    async def main() -> None:
        async with open_gate(Config(), MEMORY) as gate:
            oms = OrderService(gate)
            order = await oms.submit(buy())
            await gate.quiet()
            await oms.cancel(order.order_id, "the signal is off")
            lines = await gate.journal.lines(0, 100)
            assert any(b"the signal is off" in line.data for line in lines)

    asyncio.run(main())


@pytest.mark.parametrize("symbol", [None, "\ud800", "no such thing"])
def test_a_quote_of_nothing_leaves_the_venue_as_it_was(symbol: object) -> None:
    async def main() -> None:
        async with open_gate(Config(), MEMORY) as gate:
            with pytest.raises((Invalid, NotFound), match="symbol"):
                await PaperMarket(gate).set_quote(symbol, 1, 2)
            assert (await OrderService(gate).submit(buy())).state is State.SUBMITTED

    asyncio.run(main())


def test_an_order_that_the_gate_refuses_is_rejected_with_its_code() -> None:
    async def main() -> None:
        oms = OrderService()
        refused = await oms.submit(buy(order_type="market", limit_price=None))
        assert (refused.state, refused.reason_code) == (State.REJECTED, "RISK_NO_PRICE")
        assert "nobody has quoted it" in refused.rejected_reason
        assert (await oms.submit(buy(order_type="market", limit_price=None))).order_id == refused.order_id

    asyncio.run(main())


def test_a_fund_without_limits_is_refused() -> None:
    with pytest.raises(Invalid, match=r"risk_envelope=Limits\(.*unlimited=True"):
        OrderService(funds=[FundConfig(fund_id="mine")])


def test_a_fund_has_the_limits_of_its_envelope() -> None:
    async def main() -> None:
        envelope = Limits(max_order_notional_usd=Decimal(18_100), max_gross_exposure_pct=Decimal(1))
        mine = FundConfig(fund_id="mine", target_nav_usd=20_000, risk_envelope=envelope)
        oms = OrderService(funds=[mine])
        assert (await oms.submit(buy("k-1", fund_id="mine"))).state is State.SUBMITTED
        over = await oms.submit(buy("k-2", fund_id="mine", quantity=101))
        assert over.reason_code == "RISK_ORDER_NOTIONAL"
        both = await oms.submit(buy("k-3", fund_id="mine", quantity=20))
        assert both.reason_code == "RISK_MARGIN"
        with pytest.raises(Invalid, match="what is the fund worth"):
            OrderService(funds=[FundConfig(fund_id="mine", risk_envelope=envelope)])

    asyncio.run(main())


def test_an_envelope_from_a_mapping_has_the_defaults_of_the_rest() -> None:
    made = FundConfig(
        fund_id="mine", target_nav_usd=1e6, risk_envelope={"max_position_pct": 0.1, "enable_shorting": None}
    )
    assert made.risk_envelope.max_position_pct == Decimal("0.1")
    assert (made.risk_envelope.enable_shorting, made.risk_envelope.daily_loss_halt_pct) == (
        None,
        Decimal("0.03"),
    )
    assert FundConfig.model_validate_json(made.model_dump_json()) == made
    with pytest.raises(ValidationError, match="no such limit"):
        FundConfig(fund_id="mine", risk_envelope={"max_position": 1})
    with pytest.raises(ValidationError, match="Limits"):
        FundConfig(fund_id="mine", risk_envelope=5)
