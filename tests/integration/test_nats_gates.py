"""External gates over a real NATS server: what they say counts, and silence is no answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.gates.nats import verdict_of
from ordergate.adapters.nats import NatsError
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config
from ordergate.config.limits import LimitSections
from ordergate.config.nats import NatsSection
from ordergate.config.risk import GateSection
from ordergate.domain.orders.commands import ReplaceOrder, SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State
from ordergate.domain.risk.limits import PAPER
from tests.services.mail import Mail, mail, until
from tests.services.nats import Nats

Answering = Callable[[dict[str, Any]], Any]


def config(nats: Nats, **more: Any) -> Config:
    return Config(
        nats=NatsSection(servers=(nats.url,)),
        gates={"desk": GateSection(subject="risk.check", timeout_s=2, **more)},
        limits=LimitSections(funds={"paper-momentum": replace(PAPER, gates=("desk",))}),
    )


async def desk(post: Mail, answer: Answering) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    async def given(message: Any) -> None:
        asked.append(json.loads(message.data))
        said = answer(asked[-1])
        if said is not None:
            await message.respond(said if isinstance(said, bytes) else json.dumps(said).encode())

    await post.client.subscribe("risk.check", cb=given)
    await post.client.flush()
    return asked


async def ask(gate: Gate, key: str) -> Any:
    order = SubmitOrder(
        fund_id="paper-momentum",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(100),
        key_kind="idempotency_key",
        key=key,
    )
    return (await gate.execute(order)).order


async def ended(gate: Gate, order_id: str, within_s: float = 60) -> Any:
    async def there() -> Any:
        order = await gate.queries.order(order_id)
        return order if order.state is not State.PENDING_RISK else None

    return await until(there, within_s)


def run(main: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


def test_the_risk_service_s_word_counts(nats: Nats, tmp_path: Path) -> None:
    def answer(question: dict[str, Any]) -> Any:
        if question["order_id"] == first:
            return {"approved": True, "position_size": 10, "checks": {"position_limit": "pass"}}
        return {"approved": False, "reason": "too much of it"}

    first = ""

    async def main() -> None:
        nonlocal first
        async with open_gate(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            asked = await desk(post, answer)
            order = await ask(gate, "k1")
            first = order.order_id
            passed = await ended(gate, order.order_id)
            assert passed.state in (State.ACCEPTED, State.SUBMITTED, State.REJECTED)
            second = await ended(gate, (await ask(gate, "k2")).order_id)
            assert (second.state, second.reason_code) == (State.REJECTED, "RISK_GATE")
            assert "too much of it" in second.reason
            question = asked[-1]
            assert question["terms"] == {"quantity": "10", "limit_price": "100", "stop_price": None}
            assert (question["symbol"], question["side"], question["fund_id"]) == (
                "AAPL",
                "buy",
                "paper-momentum",
            )

    run(main())


def test_a_replace_is_asked_about_too(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with open_gate(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            asked = await desk(
                post, lambda question: {"approved": question["replaces"] is None, "reason": "no"}
            )
            order = await ended(gate, (await ask(gate, "k1")).order_id)
            await gate.quiet()
            await gate.execute(ReplaceOrder(order_id=order.order_id, quantity=Decimal(20)))

            async def refused() -> bool:
                now = await gate.queries.order(order.order_id)
                return len(asked) == 2 and not now.awaits

            await until(refused)
            assert (await gate.queries.order(order.order_id)).quantity == 10
            assert asked[1]["replaces"]["quantity"] == "10"

    run(main())


@pytest.mark.parametrize("said", [None, b"yes", b"{}", b'{"approved": "true"}', b"[true]"])
def test_what_is_no_verdict_refuses(nats: Nats, tmp_path: Path, said: bytes | None) -> None:
    async def main() -> None:
        async with open_gate(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await desk(post, lambda _question: said)
            order = await ended(gate, (await ask(gate, "k1")).order_id)
            assert (order.state, order.reason_code) == (State.REJECTED, "RISK_GATE")

    run(main())


@pytest.mark.slow
def test_nobody_there_and_no_server_refuse_and_advice_may_be_silent(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with open_gate(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate:
            order = await ended(gate, (await ask(gate, "k1")).order_id)
            assert (order.state, order.reason_code) == (State.REJECTED, "RISK_GATE")
            assert "no answer on risk.check" in order.reason
            nats.kill()
            order = await ended(gate, (await ask(gate, "k2")).order_id)
            assert order.state is State.REJECTED
        async with open_gate(config(nats, advisory=True), f"sqlite:///{tmp_path / 'o.db'}") as gate:
            order = await ended(gate, (await ask(gate, "k3")).order_id)
            assert order.state is not State.REJECTED

    run(main())


def test_what_a_verdict_is() -> None:
    assert verdict_of(b'{"approved": false, "reason": 7}').reason == "7"
    assert verdict_of(b'{"approved": true}').reason is None
    for data in (b"\xff", b"[" * 100_000):
        with pytest.raises(NatsError, match="is not JSON"):
            verdict_of(data)
