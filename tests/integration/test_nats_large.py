"""Messages as large as the server takes them: their dead letters go without the body, and hold nothing up."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.domain.orders.states import State
from tests.integration.test_bus_broker import DESK, becomes, buy, raw_fill, run, trading
from tests.integration.test_nats_signals import config_for, orders, signal, taking
from tests.services.mail import Mail, mail
from tests.services.nats import Nats

LARGEST = 1_048_576
"""Of a server as it is."""


async def only_letter(post: Mail, large: bytes) -> dict[str, str]:
    ((_subject, headers, data),) = await post.dead(1)
    assert not data
    assert headers["Ordergate-Code"] == "body_too_large"
    assert headers["Ordergate-Too-Large"] == str(len(large))
    assert headers["Ordergate-SHA-256"] == hashlib.sha256(large).hexdigest()
    return headers


@pytest.mark.parametrize("headers", [None, {"X-Sender": "y" * 500}])
def test_a_report_as_large_as_can_be_holds_up_no_fill(nats: Nats, tmp_path: Path, headers: Any) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path, replace(DESK, statements=False), size=0) as (
            gate,
            connector,
            post,
        ):
            order = await buy(gate)
            await becomes(gate, order.order_id, State.SUBMITTED)
            large = b"x" * (LARGEST - (0 if headers is None else 600))
            await post.send("broker.fill.x", large, headers)
            fill = raw_fill(connector.orders[0], order_id=order.order_id)
            await post.send("broker.fill.AAPL", fill)
            await becomes(gate, order.order_id, State.FILLED)
            told = await only_letter(post, large)
            assert told["Ordergate-Message"] == "ORDERGATE_BROKER_desk/1"

    run(main())


def test_a_signal_as_large_as_can_be_holds_up_no_signal(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            large = b"x" * LARGEST
            await post.send("signals.approved.A", large)
            await post.send("signals.approved.EURUSD", signal())
            await orders(gate, 1)
            told = await only_letter(post, large)
            assert told["Ordergate-Message"] == "ORDERGATE_SIGNALS/1"

    run(main())


def test_a_stream_of_dead_letters_that_takes_small_ones_alone(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with mail(nats.url) as post:
            await post.stream.add_stream(
                name="ORDERGATE_DEAD", subjects=["ordergate.v1.dead.>"], max_msg_size=2_000
            )
            async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}"):
                large = b"x" * 70_000
                await post.send("signals.approved.A", large)
                await only_letter(post, large)

    run(main())


def test_a_subject_as_long_as_can_be_has_a_letter(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            subject = f"signals.approved.{'x' * 3_900}"
            await post.send(subject, b"nothing")
            await post.send("signals.approved.EURUSD", signal())
            await orders(gate, 1)
            ((_subject, headers, data),) = await post.dead(1)
            assert (headers["Ordergate-Subject"], data) == (subject, b"nothing")

    run(main())


def test_a_stream_made_anew_has_letters_of_its_own(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with mail(nats.url) as post:
            for count in (1, 2):
                await post.stream.add_stream(name="ORDERGATE_SIGNALS", subjects=["signals.approved.>"])
                async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}"):
                    await post.send("signals.approved.A", b"nothing")
                    letters = await post.dead(count)
                    assert {h["Ordergate-Message"] for _s, h, _d in letters} == {"ORDERGATE_SIGNALS/1"}
                await post.stream.delete_stream("ORDERGATE_SIGNALS")

    run(main())
