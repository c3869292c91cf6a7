"""From what somebody set out to do, through the orders that it emitted, to the question who emitted them."""

import asyncio
import datetime as dt
import uuid
from collections.abc import Iterator

import pytest

from ordergate.sdk import default_gate
from ordergate.sdk.oms import Order, OrderService
from ordergate.sdk.paper import PaperMarket
from ordergate.sdk.records import OrderManager, Orders, feed_from, manager_of, target_of
from ordergate.sdk.signals import OrderManager as SignalDesk
from ordergate.sdk.trading import SignalModel, TradeExecutionService

EXAMPLE = """
import datetime as dt

from ordergate.sdk.records import OrderManager

manager = OrderManager.create_batch(
    unique_identifier="rebalance-2026-05-26",
    target_account_uid="00000000-0000-0000-0000-000000000000",
    target_time=dt.datetime.now(dt.UTC),
    status="created",
)
"""  # as its users' document has it, but for where it is imported from


@pytest.fixture(autouse=True)
def _own_gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(default_gate.DB_VARIABLE, raising=False)
    yield
    default_gate.close()


def wish(**more: object) -> Order:
    return Order(
        **{
            "idempotency_key": "k",
            "fund_id": "paper-momentum",
            "symbol": "AAPL",
            "side": "buy",
            "quantity": 1,
        }
        | more
    )


def test_the_example_runs_as_written_and_again() -> None:
    names: dict = {}
    exec(EXAMPLE, names)
    first = names["manager"]
    exec(EXAMPLE, names)
    assert names["manager"].uid == first.uid
    assert OrderManager.filter(status="created") == [names["manager"]]
    assert names["manager"].target_time > first.target_time


def test_an_order_leads_back_to_its_manager() -> None:
    at = dt.datetime(2026, 5, 26, tzinfo=dt.UTC)
    manager = OrderManager.create_batch(
        unique_identifier="rebalance, 26 May", target_account_uid=uuid.UUID(int=0), target_time=at
    )

    async def main() -> tuple[Order, Order]:
        await PaperMarket().set_quote("AAPL", 180.40, 180.50)
        named = await OrderService().submit(wish(order_manager=manager.unique_identifier))
        return named, await OrderService().submit(wish(idempotency_key="k-2"))

    named, without = asyncio.run(main())
    assert (named.order_manager, without.order_manager) == (manager.unique_identifier, None)
    feed_from()
    assert manager_of(named.order_id) == manager
    assert manager_of(without.order_id) is None
    account, asset = target_of(named.order_id)
    assert (account.unique_identifier, asset.unique_identifier) == ("paper", "AAPL")
    found = Orders().frame(order_manager_identifier=manager.unique_identifier)
    assert [index[1] for index in found.index] == [named.order_id]


def test_signals_name_it_and_what_closes_their_order_does_too() -> None:
    signal = SignalModel(
        id=uuid.UUID(int=7),
        symbol="EURUSD",
        direction="BUY",
        volume=0.1,
        strategy_id="s",
        order_manager="m-1",
    )

    async def main() -> list[str | None]:
        await PaperMarket().set_quote("EURUSD", 1.0850, 1.0852)
        service = TradeExecutionService()
        made = await service.handle_signal(signal)
        assert await service.close_order(made.order_id)
        said = {
            "signal_id": "s-2",
            "symbol": "EURUSD",
            "signal_type": "buy",
            "position_size": 1,
            "order_manager": "m-2",
        }
        await SignalDesk().create_order(said)
        orders = await default_gate.get().queries.orders()
        return [order.order_manager for order in orders]

    assert asyncio.run(main()) == ["m-1", "m-1", "m-2"]
