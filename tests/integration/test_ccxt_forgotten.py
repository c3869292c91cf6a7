"""Ends of orders that an exchange forgets at once: perpetuals of over three days, without a fill."""

from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

pytest.importorskip("ccxt")

from ordergate.application.ports.brokers import Withdraw
from ordergate.domain.orders.reports import End, Outcome
from ordergate.testing.exchange import Exchange, Fault
from tests.integration.test_ccxt_faults import Desk, at_desk, order
from tests.services.exchange import PERP, SPOT, until


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    find = Exchange.find

    def found(self: Exchange, *asked: Any) -> Any:
        order = find(self, *asked)
        return None if order is not None and order.status == "CANCELED" and not order.filled else order

    monkeypatch.setattr(Exchange, "find", found)


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("settings", [SPOT, PERP], ids=["spot", "perp"])
def test_the_answer_to_a_cancel_is_the_order_s_end(settings: Any) -> None:
    async def case(desk: Desk) -> None:
        await desk.broker.submit(order("ord-1.1", "49000", desk.symbol))
        await until(lambda: bool(desk.sink.reports), "its acknowledgment", 30)
        desk.exchange.faults.inject(Fault.MUTE)
        cancel = Withdraw(client_id="ord-1.2", order="ord-1.1", broker_order_id=None)
        assert (await desk.broker.cancel(cancel)).outcome is Outcome.ACCEPTED
        assert [(end.client_id, end.end) for end in desk.sink.ends] == [("ord-1.1", End.CANCELED)]

    at_desk(case, settings)


@pytest.mark.usefixtures("forgetful")
def test_an_order_that_is_listed_no_more_is_logged_once() -> None:
    async def case(desk: Desk) -> None:
        await desk.broker.submit(order("ord-1.1", "49000", desk.symbol))
        await until(lambda: bool(desk.sink.reports), "its acknowledgment", 30)
        session = desk.broker.session
        assert session is not None
        assert session.following is not None
        desk.exchange.faults.inject(Fault.MUTE)
        named = {"symbol": "BTCUSDT", "origClientOrderId": "ord-1.1"}
        desk.exchange.orders[0].status = "CANCELED"
        assert desk.exchange.find(desk.exchange.key, desk.perp, named, "origClientOrderId") is None
        with capture_logs() as logs:
            for _ in range(2):
                await session.following.look(deep=False)
        assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
            "an order that worked is listed no more: look at the account"
        ]
        assert desk.sink.ends == []

    at_desk(case, replace(PERP, poll_ms=30_000))
