"""From an approved signal to an order that is created first and submitted later."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ordergate.application.decide.context import OrderResult
from ordergate.application.decide.signaling import SignalResult
from ordergate.application.entry import Origin
from ordergate.bootstrap import Gate
from ordergate.config.signals import DedupeBy
from ordergate.domain.errors import Code, Defect, Invalid
from ordergate.domain.identifiers import parse_key
from ordergate.domain.money import exact
from ordergate.domain.orders.commands import SubmitCreated
from ordergate.domain.signals import CreateFromSignal, parse_signal
from ordergate.sdk.line import Line
from ordergate.sdk.oms.records import Order

_ORIGIN: Final = Origin(source="sdk")


class OrderManager:
    """Makes orders of signals, once each.

    Args:
        gate: a running gate, as `open_gate` gives it; None takes the process's own.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self._line = Line(gate)

    async def order_exists(self, signal_id: str, fund_id: str | None = None) -> bool:
        """Whether a signal has made an order, within the window of signals or, without one, its fund's.

        Where signals are told apart by their `idempotency_key`, it is whether one of that id ever has.

        Args:
            fund_id: None is the fund of signals.

        Raises:
            Invalid: the id can be none.
        """
        key = parse_key(signal_id, "#/signal_id")

        async def work(gate: Gate) -> bool:
            fund = fund_id or gate.config.signals.fund
            if gate.config.signals.dedupe_by is DedupeBy.IDEMPOTENCY_KEY:
                made = await gate.queries.orders(signal_id=key)
                return any(order.fund_id == fund for order in made)
            rows = await gate.journal.get("keys", [(fund, "signal_id", key)])
            return any(row.expires_at is None or row.expires_at > gate.clock.now() for row in rows)

        return await self._line.read(work)

    async def create_order(self, signal: Mapping[str, Any], order_type: str | None = None) -> Order:
        """Makes an order of an approved signal and does not send it: it is CREATED, and nothing is reserved for it.

        The same signal again gives the order that it made, as it is by then.

        Args:
            signal: as `POST /v1/signals` takes it; a float is taken as it is written.
            order_type: market, limit, stop or stop_limit, at the signal's entry price; None takes the configured one.

        Raises:
            Invalid: the signal is not approved, too late or wrong; it is journalled why, where it could be read.
            Conflict: the signal has made an order with other content.
        """
        if not isinstance(signal, Mapping):
            raise Invalid(Code.WRONG_TYPE, f"expected a mapping, got {type(signal).__name__}", "#/signal")
        body = {name: _number(name, value) for name, value in signal.items()}
        command = CreateFromSignal(parse_signal(body), order_type)
        raw = msgspec.json.encode(body, enc_hook=str).decode()
        result: SignalResult = await self._line.command(lambda gate: gate.execute(command, _ORIGIN, raw))
        if result.refusal is not None:
            raise result.refusal
        if result.order is None:
            raise Defect("a signal led to neither an order nor a refusal")
        return Order.of(result.order)

    async def submit_order(self, order: Order | str) -> Order:
        """Lets the risk gate judge a created order, and sends it; one that was submitted already is left as it is.

        An order that the gate refuses is no error: it is REJECTED, with `reason_code` and `rejected_reason`. One whose
        signal's time is over by now is CANCELED.

        Args:
            order: as `create_order` gave it, or its id.

        Raises:
            NotFound: there is no such order.
            Invalid: its fund or broker is not there any more, or that is no order.
            OutcomeUnknown: the gate failed meanwhile; asking again finds out.
        """
        if not isinstance(order, (Order, str)):
            detail = f"expected an order or its id, got {type(order).__name__}"
            raise Invalid(Code.WRONG_TYPE, detail, "#/order")
        order_id = order if isinstance(order, str) else order.order_id
        if order_id is None:
            raise Invalid(Code.MISSING, "is missing: create the order first", "#/order_id")
        command = SubmitCreated(order_id)
        result: OrderResult = await self._line.command(lambda gate: gate.execute(command, _ORIGIN))
        return Order.of(result.order)


def _number(name: str, value: Any) -> Any:
    return exact(value, f"#/{name}") if isinstance(value, float) else value
