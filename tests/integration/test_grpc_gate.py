"""A risk engine behind gRPC as one of a fund's gates: what it says counts, and its silence is no."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest

from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, ConfigError, load
from ordergate.config.limits import LimitSections
from ordergate.config.risk import GateSection
from ordergate.domain.orders.commands import ReplaceOrder, SubmitOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce
from ordergate.domain.risk.limits import Limits
from ordergate.gates.v1 import gates_pb2 as pb

Says = Callable[[pb.Order], pb.RiskDecision]


class RiskEngine:
    """Somebody's own, on a port that it keeps."""

    def __init__(self, says: Says) -> None:
        self.says, self.asked = says, list[pb.Order]()
        self.port = 0
        self.start()

    def start(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        handler = grpc.unary_unary_rpc_method_handler(
            self._check,
            request_deserializer=pb.Order.FromString,
            response_serializer=pb.RiskDecision.SerializeToString,
        )
        service = "ordergate.gates.v1.RiskEngine"
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, {"CheckOrder": handler})]
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0).wait()

    def _check(self, order: pb.Order, _context: Any) -> pb.RiskDecision:
        self.asked.append(order)
        return self.says(order)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"


def agrees(order: pb.Order) -> pb.RiskDecision:
    return pb.RiskDecision(order_id=order.order_id, approved=True)


@pytest.fixture
def engine():
    made = RiskEngine(agrees)
    yield made
    made.stop()


def held(target: str, talk: Callable[[Gate], Any], *, timeout_s: int = 5, advisory: bool = False) -> None:
    limits = Limits(nav_usd=Decimal(1_000_000), gates=("engine",))
    config = Config(
        gates={"engine": GateSection(grpc=target, timeout_s=timeout_s, advisory=advisory)},
        limits=LimitSections(funds={"paper-momentum": limits}),
    )

    async def main() -> None:
        async with asyncio.timeout(60), open_gate(config, "sqlite://") as gate:
            await talk(gate)

    asyncio.run(main())


async def submit(gate: Gate, **changes: Any) -> Order:
    values: dict[str, Any] = {
        "key_kind": "idempotency_key", "key": "one", "fund_id": "paper-momentum", "symbol": "AAPL",
        "side": Side.BUY, "quantity": Decimal(10), "order_type": OrderType.LIMIT, "limit_price": Decimal("180.5"),
        "tif": TimeInForce.GTC, "strategy_id": "momentum",
    }  # fmt: skip
    result = await gate.execute(SubmitOrder(**values | changes))
    return result.order


async def judged(gate: Gate, order_id: str) -> Order:
    while (order := await gate.queries.order(order_id)).awaits:
        await asyncio.sleep(0.01)
    return order


def test_what_it_is_asked_and_that_its_yes_counts(engine: RiskEngine) -> None:
    async def talk(gate: Gate) -> None:
        order = await submit(gate)
        assert order.state is State.PENDING_RISK
        assert (await judged(gate, order.order_id)).state is State.SUBMITTED
        asked = engine.asked[0]
        assert (asked.order_id, asked.number, asked.fund_id) == (order.order_id, 1, "paper-momentum")
        assert (asked.symbol, asked.side, asked.order_type) == ("AAPL", "buy", "limit")
        assert (asked.quantity, asked.limit_price, asked.broker) == ("10", "180.5", "paper")
        assert (asked.strategy_id, asked.reference_price) == ("momentum", "180.5")
        assert not asked.HasField("replaces")
        await gate.answered(order.order_id, 10)
        await gate.execute(ReplaceOrder(order_id=order.order_id, quantity=Decimal(20)))
        await judged(gate, order.order_id)
        change = engine.asked[1]
        assert (change.quantity, change.replaces.quantity, change.number) == ("20", "10", 2)

    held(engine.target, talk)


def test_its_no_is_told_with_its_words(engine: RiskEngine) -> None:
    engine.says = lambda order: pb.RiskDecision(
        order_id=order.order_id,
        rejecting_gate="position_risk",
        rejection_code="MAX_POS",
        reason="too much of it",
    )

    async def talk(gate: Gate) -> None:
        order = await judged(gate, (await submit(gate)).order_id)
        assert (order.state, order.reason_code) == (State.REJECTED, "RISK_GATE")
        assert "MAX_POS (position_risk): too much of it" in (order.reason or "")

    held(engine.target, talk)


@pytest.mark.parametrize("advisory", [False, True])
def test_its_silence_is_no_unless_it_only_advises(engine: RiskEngine, advisory: bool) -> None:
    def sleeps(order: pb.Order) -> pb.RiskDecision:
        time.sleep(1.5)
        return agrees(order)

    engine.says = sleeps

    async def talk(gate: Gate) -> None:
        order = await judged(gate, (await submit(gate)).order_id)
        assert order.state is (State.SUBMITTED if advisory else State.REJECTED)

    held(engine.target, talk, timeout_s=1, advisory=advisory)


def raises(_order: pb.Order) -> pb.RiskDecision:
    raise ValueError("broken")


@pytest.mark.parametrize("says", [raises, lambda _order: pb.RiskDecision(order_id="other", approved=True)])
def test_what_is_no_answer(engine: RiskEngine, says: Says) -> None:
    engine.says = says

    async def talk(gate: Gate) -> None:
        order = await judged(gate, (await submit(gate)).order_id)
        assert (order.state, order.reason_code) == (State.REJECTED, "RISK_GATE")

    held(engine.target, talk)


@pytest.mark.slow
def test_one_that_is_away_is_waited_for_as_long_as_an_answer_may_take(engine: RiskEngine) -> None:
    """It restarts while an order waits, and again when it has answered before."""
    engine.stop()

    async def talk(gate: Gate) -> None:
        for key in ("first", "second"):
            order = await submit(gate, key=key)
            await asyncio.sleep(0.3)
            assert (await gate.queries.order(order.order_id)).awaits
            await asyncio.to_thread(engine.start)
            assert (await judged(gate, order.order_id)).state is State.SUBMITTED
            await asyncio.to_thread(engine.stop)
        gone = await judged(gate, (await submit(gate, key="third")).order_id)
        assert (gone.state, gone.reason_code) == (State.REJECTED, "RISK_GATE")

    held(engine.target, talk, timeout_s=3)


@pytest.mark.parametrize(
    "section",
    ['grpc = "nowhere"', 'grpc = "127.0.0.1:0"', 'grpc = "http://h:1"', 'grpc = "h:1"\nclass = "a:B"'],
)
def test_places_that_cannot_be(tmp_path: Path, section: str) -> None:
    (tmp_path / "ordergate.toml").write_text(f"[gates.engine]\n{section}\n")
    with pytest.raises(ConfigError, match=r"gates\.engine"):
        load(tmp_path / "ordergate.toml")
