"""Cancels while the exchange answers no question: they go out where it is known which order they are of."""

import pytest

pytest.importorskip("ccxt")

from ordergate.adapters.brokers.ccxt import CcxtSettings
from ordergate.application.ports.brokers import Withdraw
from ordergate.domain.orders.reports import End, Outcome
from ordergate.testing.exchange import Fault
from tests.integration.test_ccxt_faults import Desk, at_desk, order
from tests.services.exchange import PERP, SPOT, until


@pytest.mark.parametrize("settings", [SPOT, PERP], ids=["spot", "perp"])
@pytest.mark.parametrize("named", [True, False])
def test_a_cancel_of_an_order_that_was_seen_is_sent(settings: CcxtSettings, named: bool) -> None:
    async def case(desk: Desk) -> None:
        placed = await desk.broker.submit(order("ord-1.1", "49000", desk.symbol))
        desk.exchange.faults.inject(Fault.BLIND)
        name = placed.broker_order_id if named else None
        answer = await desk.broker.cancel(
            Withdraw(client_id="ord-1.2", order="ord-1.1", broker_order_id=name)
        )
        assert answer.outcome is Outcome.ACCEPTED, answer
        assert desk.exchange.orders[0].status == "CANCELED"
        await until(lambda: [end.end for end in desk.sink.ends] == [End.CANCELED], "the end", 30)

    at_desk(case, settings)


@pytest.mark.parametrize("name", [None, "GONE/USDT#7"])
def test_a_cancel_of_an_order_of_which_nobody_knows_where_it_is_waits(name: str | None) -> None:
    async def case(desk: Desk) -> None:
        desk.exchange.faults.inject(Fault.BLIND)
        answer = await desk.broker.cancel(
            Withdraw(client_id="ord-1.2", order="ord-1.1", broker_order_id=name)
        )
        assert answer.outcome is Outcome.NOT_SENT
        assert not any(method == "DELETE" for method, _path, _given in desk.exchange.requests)

    at_desk(case)
