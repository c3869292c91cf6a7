"""Margin as the broker behind the gate calculates it, and its refusals for lack of it."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.application.ports.brokers import Answer
from ordergate.bootstrap import Gate
from ordergate.bootstrap.margin import has_margin
from ordergate.domain.orders.commands import Configure
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import State
from ordergate.domain.routing import Route
from ordergate.sdk import trading as t
from ordergate.sdk.line import Line
from ordergate.sdk.paper import PaperMarket

Says = Callable[[str, Decimal], Any]


def on(work: Callable[[Gate], Any]) -> Any:
    """Runs something on the loop of the process's gate."""

    async def do(gate: Gate) -> Any:
        return work(gate)

    return Line(None).wait(do, 20)


def calculating(says: Any) -> list[tuple[str, Decimal]]:
    """The gate's broker has a calculation of its own; what it is asked."""
    asked: list[tuple[str, Decimal]] = []

    async def has_margin(symbol: str, quantity: Decimal) -> Any:
        asked.append((symbol, quantity))
        if says == "never":
            await asyncio.sleep(60)
        if isinstance(says, Exception):
            raise says
        return says

    on(lambda gate: setattr(gate.brokers["paper"], "has_margin", has_margin))
    return asked


@pytest.mark.parametrize(("says", "enough"), [
    (True, True), (False, False), (None, True), (OSError("down"), True),
], ids=str)  # fmt: skip
def test_the_broker_is_asked_and_only_a_clear_no_is_one(says: Any, enough: bool) -> None:
    asked = calculating(says)
    assert t.GateBroker().has_sufficient_margin(0.1, "EURUSD") is enough
    assert t.GateBroker(broker="paper").has_sufficient_margin(Decimal("0.1"), "EURUSD") is enough
    assert asked == [("EURUSD", Decimal("0.1"))] * 2


def test_one_that_does_not_answer_in_time_has_not_said_no() -> None:
    asked = calculating("never")
    assert t.GateBroker(deadline_s=0.05).has_sufficient_margin(1, "EURUSD")
    assert asked


@pytest.mark.parametrize(("volume", "symbol"), [(1, "NOSUCH"), ("much", "EURUSD")])
def test_what_cannot_be_an_order_is_not_asked_for(volume: Any, symbol: str) -> None:
    asked = calculating(False)
    assert t.GateBroker().has_sufficient_margin(volume, symbol)
    assert t.GateBroker(broker="nobody").has_sufficient_margin(1, "EURUSD")
    assert asked == []


def test_where_the_adapter_has_none_it_is_true_as_the_order_will_tell() -> None:
    assert t.GateBroker().has_sufficient_margin(1, "EURUSD")


def test_the_broker_is_the_one_that_the_order_would_get() -> None:
    calculating(False)

    async def other(gate: Gate) -> bool:
        fund = gate.runner.engine.state.funds.rows[gate.config.signals.fund]
        rule = Route(brokers=("elsewhere",), symbols=("AAPL",))
        await gate.execute(Configure((replace(fund, routes=(rule,)),), ()))
        return await has_margin(gate, fund.fund_id, None, 1, "AAPL", 1)

    assert Line(None).wait(other, 20)
    assert not t.GateBroker().has_sufficient_margin(1, "EURUSD")


def test_the_text_of_a_broker_s_refusal_is_a_violation_and_is_not_tried_again() -> None:
    asyncio.run(PaperMarket().set_quote("EURUSD", 1.0850, 1.0852))
    sent: list[str] = []

    async def submit(send: Any) -> Answer:
        sent.append(send.client_id)
        return Answer(
            outcome=Outcome.REJECTED, reason="Insufficient margin: 21.70 USD are free, 108.52 needed"
        )

    on(lambda gate: setattr(gate.brokers["paper"], "submit", submit))
    order = t.OrderModel(symbol="EURUSD", direction="BUY", volume=1, client_id="m-1")
    with pytest.raises(t.RiskPolicyViolation, match=r"Insufficient margin: 21\.70 USD") as caught:
        t.GateBroker().place_order(order)
    assert len(sent) == 1
    rejected = Line(None).wait(lambda gate: gate.queries.order(caught.value.order_id), 20)
    assert rejected.state is State.REJECTED
