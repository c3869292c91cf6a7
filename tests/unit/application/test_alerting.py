"""Which entries are worth an alert, and what it says."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from ordergate.application.alerting import Alert, AlertKind, alert_of
from ordergate.application.entry import Entry
from ordergate.application.naming import LogName
from ordergate.application.ports.brokers import Answer
from ordergate.bootstrap import Gate
from ordergate.domain.breaks import Break, BreakKind
from ordergate.domain.contingencies.events import CloseCut, ProtectionFailed
from ordergate.domain.events import AnyEvent
from ordergate.domain.orders import events as e
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import Delay, Phase, Remedy, State
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.events import TradingHalted
from ordergate.domain.risk.kill_switch import Halt, Mode
from ordergate.domain.risk.limits import Level
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.unit.application.gates import START, buy
from tests.unit.application.test_watching import NONE, configured, run

LOG = LogName("oms.example/journal", "01234567")


def told(event: AnyEvent) -> Alert | None:
    entry = Entry(index=7, time=START, actor="a", principal="p", source="s", event=event)
    return alert_of(entry, LOG)


def rejected(code: str) -> e.OrderRejected:
    return e.OrderRejected(
        order_id="o", path=(State.REJECTED,), times=(START,), code=code, reason="no such account"
    )


def not_canceled(count: int) -> e.OrderOverdue:
    return e.OrderOverdue(
        order_id="o", why=Delay.NOT_CANCELED, since=START, remedy=Remedy.CANCEL, count=count
    )


HALT = Halt(level=Level.FUND, name="f", mode=Mode.HALT, reason="too much lost", by="ann", since=START)
BREAK = Break(
    break_id="b",
    kind=BreakKind.LATE_FILL,
    broker="paper",
    detail="after the end",
    raised_at=START,
    order_id="o",
)
CASES: list[tuple[Any, AlertKind, str]] = [
    (rejected("REJECTED_BY_BROKER"), AlertKind.ORDER_REJECTED, "the broker rejected the order: no such account"),
    (e.RequestDoubted(order_id="o", number=1, phase=Phase.UNKNOWN, reason="it hung up"),
     AlertKind.UNKNOWN_REQUEST, "request 1 has an unknown outcome (it hung up): it is being looked up"),
    (e.RequestDoubted(order_id="o", number=2, phase=Phase.PARKED),
     AlertKind.UNKNOWN_REQUEST, "request 2 has an unknown outcome (no clear answer): it is left to a person"),
    (e.BreakRaised(item=BREAK), AlertKind.BREAK, "late_fill at paper: after the end"),
    (TradingHalted(halt=HALT), AlertKind.HALT, "fund f: halt by ann: too much lost"),
    (e.SlippageExceeded(order_id="o", fill_id="o-f1", price=Decimal(101), benchmark=Decimal(100),
                        bps=Decimal(100), most_bps=Decimal(50)),
     AlertKind.SLIPPAGE, "fill o-f1 at 101 slipped by 100 of at most 50 bps"),
    (e.OrderOverdue(order_id="o", why=Delay.UNFILLED, since=START, remedy=Remedy.CANCEL),
     AlertKind.STALE_ORDER, "unfilled since 2026-03-02T15:00:00Z: cancel"),
    (not_canceled(2), AlertKind.STALE_ORDER,
     "it works under a halt, and its broker refuses to cancel it: it is asked again, ever less often"),
    (ProtectionFailed(order_id="o", fund_id="f", symbol="AAPL", quantity=Decimal(60), stop_price=Decimal(95),
                      code="RISK_HALTED", reason="fund f is halted"),
     AlertKind.UNPROTECTED, "60 AAPL of fund f have no stop at 95: RISK_HALTED: fund f is halted"),
    (CloseCut(order_id="o", fund_id="f", symbol="AAPL", quantity=Decimal(60), keep=Decimal(0),
              code="RISK_SHORTING", reason="no shorts"),
     AlertKind.CLOSE_CUT,
     "it could open 60 AAPL of fund f after a stop has traded: it is canceled: RISK_SHORTING: no shorts"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "kind", "detail"), CASES, ids=[case[1] + case[2][:9] for case in CASES])
def test_what_is_told(event: Any, kind: AlertKind, detail: str) -> None:
    order_id = None if kind is AlertKind.HALT else "o"
    assert told(event) == Alert(
        id=7,
        log="oms.example/journal",
        journal="01234567",
        kind=kind,
        time=START,
        order_id=order_id,
        detail=detail,
    )


def test_every_kind_has_a_case() -> None:
    assert {kind for _event, kind, _detail in CASES} == set(AlertKind)


@pytest.mark.parametrize("event", [
    rejected("RISK_ORDER_QTY"),  # who asked has been told
    e.OrderOverdue(order_id="o", why=Delay.TIME_OVER, since=START, remedy=Remedy.CANCEL),  # as it should be
    not_canceled(1),  # it may just have been filled
    not_canceled(3),  # it was told
    e.OrderConfirmed(order_id="o"),
])  # fmt: skip
def test_what_is_not(event: Any) -> None:
    assert told(event) is None


def test_the_log_has_every_alert_at_once() -> None:
    """RSK-16: within 5 s; the log at the commit."""

    async def happens(gate: Gate, broker: ScriptedBroker) -> None:
        broker.answers.extend(
            [Answer(outcome=Outcome.REJECTED, reason="no"), Answer(outcome=Outcome.UNKNOWN, reason="?")]
        )
        with capture_logs() as logs:
            for key in ("a", "b"):
                await gate.execute(buy(key))
                await gate.quiet()
            await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason="enough"))
        kinds = [line["kind"] for line in logs if line["event"] == "alert"]
        assert kinds == [AlertKind.ORDER_REJECTED, AlertKind.UNKNOWN_REQUEST, AlertKind.HALT]
        assert gate.clock.now() - START < timedelta(seconds=5)

    run(configured(NONE), happens)
