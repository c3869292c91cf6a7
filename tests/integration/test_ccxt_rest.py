"""An exchange that asks to be left alone is: nothing at all leaves until it wants to be asked again."""

import asyncio

import pytest
from msgspec.structs import replace

pytest.importorskip("ccxt")

from ordergate.adapters.brokers.ccxt.library import _wanted_s
from ordergate.adapters.clock import SystemClock
from ordergate.application.ports.brokers import Presence, Withdraw
from ordergate.domain.orders.reports import Outcome
from ordergate.testing.exchange import Fault
from tests.integration.test_ccxt_faults import Desk, at_desk, order
from tests.services.exchange import SPOT, until

CANCEL = Withdraw(client_id="ord-1.2", order="ord-1.1", broker_order_id=None)


@pytest.mark.parametrize("fault", [Fault.CROWDED, Fault.BANNED])
def test_nothing_is_asked_meanwhile(fault: Fault) -> None:
    async def case(desk: Desk) -> None:
        broker, session = desk.broker, desk.broker.session
        assert session is not None
        assert (await broker.submit(order("ord-1.1", "49000"))).outcome is Outcome.ACCEPTED
        refused = await desk.submit(fault, order("ord-2.1", "48000"))
        assert (refused.outcome, refused.retry_after_s) == (Outcome.NOT_SENT, 1.0)
        session.link.exchange.rest.want(1.5)
        asked = len(desk.exchange.requests)
        assert (await broker.lookup("ord-2.1")).presence is Presence.UNAVAILABLE
        assert not (await broker.open_orders()).complete
        assert not (await broker.statement(SystemClock().now())).complete
        assert (await broker.submit(order("ord-3.1", "48000"))).outcome is Outcome.NOT_SENT
        canceled = await broker.cancel(CANCEL)
        assert canceled.outcome is Outcome.NOT_SENT
        assert canceled.retry_after_s is not None
        await asyncio.sleep(0.3)  # some polls go by
        if session.link.exchange.rest.left_s > 0.2:  # else this machine is too slow to tell
            assert len(desk.exchange.requests) == asked
        await until(lambda: not session.link.exchange.rest.left_s and session.there.is_set(), "its end", 30)
        assert (await broker.cancel(CANCEL)).outcome is Outcome.ACCEPTED

    at_desk(case, replace(SPOT, poll_ms=100))


@pytest.mark.parametrize(
    ("status", "headers", "body", "seconds"),
    [
        (400, {"Retry-After": "7"}, "", None),
        (429, {"Retry-After": "7"}, "", 7.0),
        (429, {}, "", 1.0),
        (418, {}, "IP banned until 1790000090000. Please use the stream", 90.0),
        (418, {}, "IP banned until 1780000000000.", 1.0),
    ],
)
def test_for_how_long_it_wants_to_be_left_alone(
    status: int, headers: dict[str, str], body: str, seconds: float | None
) -> None:
    assert _wanted_s(status, headers, body, 1_790_000_000_000) == seconds
