"""A gate that answers over gRPC: `ordergate.gates.v1.RiskEngine`, in whatever language it is written.

It is on this machine or in a network that is trusted: what is asked is neither encrypted nor signed. One that cannot
be reached is waited for as long as an answer may take.
"""

from typing import Any, Final

import grpc

from ordergate.adapters.gates import Connected
from ordergate.application.ports.gates import GateQuestion, Terms, Verdict
from ordergate.domain.errors import OrdergateError, quoted
from ordergate.domain.money import text
from ordergate.gates.v1 import gates_pb2 as pb
from ordergate.gates.v1.gates_pb2_grpc import RiskEngineStub

_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", 65_536),
)


class NoAnswer(OrdergateError):
    """The gate has not said whether the order may go on."""


class GrpcGate(Connected):
    """One gate.

    Args:
        name: as limits name it.
        target: host and port.
        timeout_s: how long an answer may take.
    """

    def __init__(self, name: str, target: str, timeout_s: float) -> None:
        self._name, self._target, self.timeout_s = name, target, timeout_s
        self._channel: Any = None

    @property
    def name(self) -> str:
        """As limits name it."""
        return self._name

    async def check(self, question: GateQuestion) -> Verdict:
        """Asks it.

        Raises:
            NoAnswer: it cannot be reached, failed, or has answered about another order.
        """
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._target, options=_OPTIONS)
        ask = RiskEngineStub(self._channel).CheckOrder
        try:
            said = await ask(_asked(question), timeout=self.timeout_s, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise NoAnswer(f"{self._target} answered {error.code().name}: {error.details()}") from None
        if said.order_id not in ("", question.order_id):
            raise NoAnswer(f"{self._target} answered about {quoted(said.order_id)}, not {question.order_id}")
        return Verdict(said.approved, _reason(said))

    async def close(self) -> None:
        """Lets go of it."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


def _reason(said: pb.RiskDecision) -> str | None:
    """Its words, with the code and the gate that it names."""
    named = " ".join(filter(None, (said.rejection_code, said.rejecting_gate and f"({said.rejecting_gate})")))
    return ": ".join(filter(None, (named, said.reason))) or None


def _asked(question: GateQuestion) -> pb.Order:
    terms = {name: value for name, value in _terms(question.terms).items() if value is not None}
    reference = question.reference_price
    return pb.Order(
        order_id=question.order_id,
        number=question.number,
        fund_id=question.fund_id,
        symbol=question.symbol,
        side=question.side,
        order_type=question.order_type,
        broker=question.broker,
        strategy_id=question.strategy_id,
        replaces=None if question.replaces is None else pb.Terms(**_terms(question.replaces)),
        reference_price=None if reference is None else text(reference),
        **terms,
    )


def _terms(terms: Terms) -> dict[str, Any]:
    prices = {"limit_price": terms.limit_price, "stop_price": terms.stop_price}
    shown = {name: None if price is None else text(price) for name, price in prices.items()}
    return {"quantity": text(terms.quantity), **shown}
