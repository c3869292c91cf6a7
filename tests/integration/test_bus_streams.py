"""The stream of a broker's reports, where it does not keep what the broker's table says."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ordergate.application.ports.brokers import Change
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import State
from tests.integration.test_bus_broker import (
    DESK,
    becomes,
    buy,
    config,
    open_gate,
    raw_fill,
    run,
    trading,
)
from tests.services.mail import mail, until
from tests.services.nats import Nats

QUIET = replace(DESK, statements=False)


def test_a_stream_of_ours_gets_the_subjects_that_are_new(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path / 'o.db'}"
        async with open_gate(config(nats, replace(QUIET, subjects=("mt5.fills.EURUSD",))), url):
            pass
        async with trading(nats, tmp_path, QUIET, size=0) as (gate, connector, post):
            order = await buy(gate)
            await becomes(gate, order.order_id, State.SUBMITTED)
            fill = raw_fill(connector.orders[0], order_id=order.order_id)
            await post.send("mt5.fills.AAPL", fill)
            await becomes(gate, order.order_id, State.FILLED)
            (info,) = await post.stream.streams_info()
            assert sorted(info.config.subjects) == [
                "broker.error.*",
                "broker.fill.*",
                "mt5.fills.*",
                "mts.v1.brokers.desk.fills.raw",
                "ordergate.v1.brokers.desk.reports",
            ]

    run(main())


@pytest.mark.slow
def test_no_order_goes_where_its_fills_would_not_be_heard_of(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with mail(nats.url) as post:
            await post.stream.add_stream(name="DESK", subjects=["ordergate.v1.brokers.desk.reports"])
            with capture_logs() as logs:
                async with trading(nats, tmp_path, replace(DESK, stream="DESK")) as (gate, connector, _post):
                    order = await buy(gate)

                    async def told() -> Any:
                        return [
                            log for log in logs if log["event"] == "reports cannot be followed: orders wait"
                        ]

                    (said,) = await until(told)
                    assert "DESK keeps ordergate.v1.brokers.desk.reports and not" in said["error"]

                    async def waits() -> bool:
                        return (await gate.queries.order(order.order_id)).state is State.ACCEPTED

                    await until(waits)
                    change = Change(order="x.1", client_id="x.2", broker_order_id=None)
                    answer = await gate.brokers["desk"].replace(change)
                    assert answer.outcome is Outcome.NOT_SENT
                    assert "reports cannot be followed: stream DESK keeps" in str(answer.reason)
                    assert "submit" not in {verb for verb, _body in connector.asked}
                    info = await post.stream.stream_info("DESK")
                    wider = [
                        "ordergate.v1.brokers.desk.reports",
                        "mts.v1.brokers.desk.fills.raw",
                        *DESK.subjects,
                    ]
                    await post.stream.update_stream(info.config.evolve(subjects=wider))
                    await becomes(gate, order.order_id, State.CLOSED)

    run(main())


def test_a_cancel_that_was_taken_and_then_refused_can_be_asked_for_again(nats: Nats, tmp_path: Path) -> None:
    """The refusal names the ticket, and so the order alone; before, a replace has given it another name."""

    async def main() -> None:
        async with trading(nats, tmp_path, QUIET) as (gate, connector, post):
            order = await buy(gate, limit="1.00")
            await becomes(gate, order.order_id, State.SUBMITTED)
            await gate.execute(ReplaceOrder(order_id=order.order_id, limit_price=Decimal("1.01")))
            await becomes(gate, order.order_id, State.SUBMITTED)
            cancel = connector.cancel

            async def taken(_body: dict[str, Any]) -> dict[str, Any]:
                return {"outcome": "accepted"}

            connector.cancel = taken  # type: ignore[method-assign]
            await gate.execute(CancelOrder(order_id=order.order_id))

            async def asked() -> bool:
                return "cancel" in {verb for verb, _body in connector.asked}

            await until(asked)
            assert (await gate.queries.order(order.order_id)).requests
            connector.cancel = cancel  # type: ignore[method-assign]
            refusal = {
                "ticket": connector.orders[0].name,
                "request": "cancel",
                "reason": "the market is closed",
            }
            await post.send("broker.error.AAPL", refusal)
            await becomes(gate, order.order_id, State.SUBMITTED)
            await gate.execute(CancelOrder(order_id=order.order_id))
            await becomes(gate, order.order_id, State.CANCELED)

    run(main())


def test_a_restart_tells_no_dead_letter_again(nats: Nats, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'o.db'}"

    async def main() -> None:
        async with mail(nats.url) as post:
            await post.stream.add_stream(
                name="ORDERGATE_DEAD", subjects=["ordergate.v1.dead.>"], duplicate_window=0.1
            )
            for more in (1, 2, 3):
                async with open_gate(config(nats, QUIET), url):
                    for number in range(2):
                        await post.send("broker.fill.AAPL", f"nothing {more} {number}".encode())
                        await post.send("broker.error.AAPL", b"nothing")
                    letters = await post.dead(4 * more)
            places = [headers["Ordergate-Message"] for _subject, headers, _data in letters]
            assert places == [f"ORDERGATE_BROKER_desk/{number}" for number in range(1, 13)]
            await post.stream.delete_stream("ORDERGATE_BROKER_desk")  # a new one has letters of its own
            async with open_gate(config(nats, QUIET), url):
                await post.send("broker.fill.AAPL", b"nothing 1 0")
                *_, (_subject, headers, _data) = await post.dead(13)
                assert headers["Ordergate-Message"] == "ORDERGATE_BROKER_desk/1"

    run(main())
