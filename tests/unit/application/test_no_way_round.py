"""RSK-22: whatever anybody asks and whatever a broker says, nothing leaves past the gate.

Under a halt of the firm every command and every report there is comes in at random, about orders in every state that
they can have been in before: no submit and no replace leaves. Without the halt, what leaves is what the gate let
through.
"""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final, get_args

import pytest
from msgspec.structs import replace

from ordergate.application.decide import halting
from ordergate.application.engine import Command
from ordergate.application.view import SignalRouting
from ordergate.domain.algos.commands import WorkParent
from ordergate.domain.algos.terms import SplitTerms
from ordergate.domain.breaks import BreakKind
from ordergate.domain.configuration import ChangeConfiguration
from ordergate.domain.errors import Refused
from ordergate.domain.logins import NoteRefusedLogin
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import events as e
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import (
    Delay,
    OrderType,
    Phase,
    Protection,
    Remedy,
    RequestKind,
    Side,
    State,
)
from ordergate.domain.recon import commands as n
from ordergate.domain.recon.difference import Difference
from ordergate.domain.risk import commands as k
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import ConfiguredLimits, Level, Limits
from ordergate.domain.routing import RerouteOrder, Route
from ordergate.domain.signals import CreateFromSignal, Signal, SubmitSignal
from ordergate.testing.playbook import BROKER
from tests.unit.domain.risk.limited import FUND, NAMES, Limited

LIMITS: Final = Limits(nav_usd=Decimal(1_000_000), gates=("desk",), max_order_qty=Decimal(500))
SECOND: Final = "second"
SPLIT: Final = SplitTerms(above=Decimal(30_000), horizon_minutes=4)
MOVES: Final = {"ExpectFund", "LeaveFund", "TakePart", "TakeKeys", "OpenFund"}


def left(events: list[Any]) -> list[Any]:
    """What lets bytes of a submit or replace leave."""
    found = []
    for event in events:
        if isinstance(event, (e.OrderEntered, e.OrderJudged, e.OrderSent)) and State.SUBMITTED in event.path:
            found.append(event)
        if isinstance(event, e.OrderSent | e.RequestOpened):
            request = event.request
            if request.kind is not RequestKind.CANCEL and request.phase is Phase.SENT:
                found.append(event)
    return found


_ABOUT_ORDERS = (
    c.SubmitOrder, c.CreateOrder, c.SubmitCreated, c.ReplaceOrder, c.Release, k.AnswerGate, WorkParent,
)  # fmt: skip
"""Half of all commands, so that many orders are on their way."""


class Fuzz:
    """A book, and dice that ask it for anything."""

    def __init__(self, seed: int) -> None:
        self.dice, self.book = Random(seed), Limited(Limits(nav_usd=LIMITS.nav_usd))
        self.book.engine.view.brokers |= {SECOND}
        self.book.step(
            c.Configure((replace(FUND, split=SPLIT, routes=(Route(brokers=(BROKER, SECOND)),)),), ())
        )
        self.book.engine.view.sessions[SECOND] = self.book.step(c.OpenSession(SECOND, "fuzz")).answer
        self.book.engine.view.signals = SignalRouting(fund="fund", protect=Protection.STOP)
        self.asked: Counter[str] = Counter()
        self._keys = 0

    def order_id(self) -> str:
        return self.dice.choice(sorted(self.book.engine.state.orders.rows) or ["none"])

    def refused_id(self) -> str:
        """Mostly of an order for which an override can be asked, or was."""
        asked, orders = self.book.engine.state.overrides.rows, self.book.engine.state.orders.rows.values()
        refused = [order.order_id for order in orders if order.state is State.REJECTED]
        return self.dice.choice(sorted({*asked, *refused, self.order_id()}))

    def created_id(self) -> str:
        """Mostly of an order that was created and not sent."""
        orders = self.book.engine.state.orders.rows.values()
        created = [order.order_id for order in orders if order.state is State.CREATED]
        return self.dice.choice([*created, self.order_id()])

    def work(self) -> WorkParent:
        """The timer of an order, mostly of a parent, some time later."""
        self.book.now += timedelta(seconds=self.dice.choice((0, 60)))
        self.book.quote("AAPL", 100)
        orders = self.book.engine.state.orders.rows.values()
        parents = [order.order_id for order in orders if order.algo is not None]
        return WorkParent(self.dice.choice([*parents, self.order_id()]))

    def command(self) -> Any:
        """Any command but those that move funds between shards, which know no orders."""
        dice, self._keys = self.dice, self._keys + 1
        quantity = Decimal(dice.choice((1, 10, 400, 501)))
        scope = {"level": dice.choice(list(Level)[:3]), "reason": "fuzz"}
        scope["name"] = NAMES[scope["level"]]
        signal = Signal(
            signal_id=f"s-{self._keys}",
            symbol="AAPL",
            action=dice.choice(("buy", "sell")),
            quantity=quantity,
            fund_id="fund",
            stop_loss=Decimal(100),
        )
        makes = {
            c.SubmitOrder: lambda: c.SubmitOrder(
                fund_id="fund", symbol="AAPL", side=dice.choice(list(Side)), quantity=quantity,
                order_type=OrderType.MARKET, key_kind="idempotency_key", key=f"f-{self._keys}",
                retry_of=dice.choice((None, "ord-1")), strategy_id="trend",
            ),
            c.CreateOrder: lambda: c.CreateOrder(
                fund_id="fund", symbol="AAPL", side=dice.choice(list(Side)), quantity=quantity,
                order_type=OrderType.MARKET, key_kind="idempotency_key", key=f"c-{self._keys}", strategy_id="trend",
            ),
            c.SubmitCreated: lambda: c.SubmitCreated(self.created_id()),
            SubmitSignal: lambda: SubmitSignal(signal),
            CreateFromSignal: lambda: CreateFromSignal(signal),
            c.CancelOrder: lambda: c.CancelOrder(order_id=self.order_id()),
            c.ReplaceOrder: lambda: c.ReplaceOrder(order_id=self.order_id(), quantity=quantity),
            c.AdoptOrder: lambda: c.AdoptOrder(
                order_id=f"ad-{self._keys}", fund_id="fund", symbol="AAPL", side=Side.BUY, quantity=quantity,
                order_type=OrderType.MARKET, broker=BROKER, broker_order_id=f"AD{self._keys}",
            ),
            c.Release: lambda: c.Release(order_id=self.order_id(), number=dice.randint(1, 4)),
            c.Configure: lambda: c.Configure((), ()),
            c.OpenSession: lambda: c.OpenSession(BROKER, "fuzz"),
            n.Reconcile: lambda: n.Reconcile(
                broker=BROKER, found=dice.choice(((), (self.difference(quantity),))), covers=frozenset(BreakKind),
            ),
            n.AssignBreak: lambda: n.AssignBreak(break_id=self.break_id(), owner="ann"),
            n.ResolveBreak: lambda: n.ResolveBreak(break_id=self.break_id(), why="fuzz"),
            n.AdjustBreak: lambda: n.AdjustBreak(break_id=self.break_id(), why="fuzz", price=Decimal(100)),
            k.ConfigureLimits: lambda: k.ConfigureLimits(()),
            ChangeConfiguration: lambda: ChangeConfiguration(
                source="fuzz", revision=str(self._keys), digest=str(dice.random()), changes=(),
                limits=(ConfiguredLimits(level=Level.FUND, name="fund", limits=Limits(max_order_qty=quantity)),),
            ),
            k.SetLimits: lambda: k.SetLimits(limits=Limits(max_order_qty=quantity), **scope),
            k.ThrowSwitch: lambda: k.ThrowSwitch(mode=dice.choice(list(Mode)), **scope),
            k.LiftHalt: lambda: k.LiftHalt(**scope),
            k.EnableStrategy: lambda: k.EnableStrategy(strategy_id="trend", reason="fuzz"),
            k.Heartbeat: lambda: k.Heartbeat(strategy_id="trend"),
            k.AnswerGate: lambda: k.AnswerGate(
                order_id=self.order_id(), gate="desk", approved=dice.random() < 0.8, number=dice.randint(1, 3)
            ),
            k.ValueFunds: k.ValueFunds,
            k.AskOverride: lambda: k.AskOverride(order_id=self.refused_id(), reason="fuzz"),
            k.GrantOverride: lambda: k.GrantOverride(order_id=self.refused_id()),
            k.TurnDownOverride: lambda: k.TurnDownOverride(order_id=self.refused_id()),
            c.ExpireOrder: lambda: c.ExpireOrder(
                order_id=self.order_id(), over_at=self.book.now + timedelta(hours=dice.choice((-1, 1, 1, 1, 1)))
            ),
            c.AttendOrder: lambda: self.attend(dice, quantity),
            NoteRefusedLogin: lambda: NoteRefusedLogin(broker=BROKER, reason="fuzz"),
            RerouteOrder: lambda: RerouteOrder(order_id=self.order_id(), reason="fuzz"),
            WorkParent: self.work,
        }  # fmt: skip
        assert {*makes} == {kind for kind in get_args(Command) if kind.__name__ not in MOVES}
        overrides = [makes[k.AskOverride], makes[k.GrantOverride]] * 2  # of which few come to anything
        about_orders = [make for kind, make in makes.items() if kind in _ABOUT_ORDERS]
        return dice.choice(about_orders if dice.random() < 0.5 else [*makes.values(), *overrides])()

    def attend(self, dice: Random, quantity: Decimal) -> c.AttendOrder:
        """What the workers may do about an order."""
        order = self.book.engine.state.orders.get(self.order_id())
        return c.AttendOrder(
            order_id="none" if order is None else order.order_id,
            version=1 if order is None else order.version,
            why=dice.choice(list(Delay)),
            remedy=dice.choice(list(Remedy)),
            since=self.book.now,
            limit_price=quantity,
        )

    def break_id(self) -> str:
        return self.dice.choice(sorted(self.book.engine.state.breaks.rows) or ["none"])

    def difference(self, quantity: Decimal) -> Difference:
        return Difference(
            kind=BreakKind.POSITION,
            key="position/AAPL",
            detail="fuzz",
            symbol="AAPL",
            ours=quantity,
            theirs=Decimal(1),
        )

    def report(self) -> Any:
        """Anything that a broker can say of one of our requests."""
        dice = self.dice
        order = self.book.engine.state.orders.get(self.order_id())
        number = dice.randint(1, max(order.request_count, 1)) if order is not None else 1
        about = {
            "broker": order.broker if order is not None else BROKER,
            "client_id": f"{order.order_id if order else 'none'}.{number}",
        }
        return dice.choice(
            [
                r.Answered(outcome=dice.choice(list(r.Outcome)), **about),
                r.LookedUp(finding=dice.choice(list(r.Finding)), final=dice.random() < 0.2, **about),
                r.Acknowledged(**about),
                r.Working(**about),
                r.Ended(end=dice.choice(list(r.End)), **about),
                r.Replaced(quantity=Decimal(10), **about),
                r.RequestRefused(**about),
                r.Executed(
                    exec_id=f"x{self._keys}-{dice.random()}", time=self.book.now, quantity=Decimal(1),
                    price=Decimal(100), **about,
                ),
                r.Executed(
                    broker=about["broker"], broker_order_id=f"T{dice.randint(1, 9)}", closes=about["client_id"],
                    exec_id=f"t{dice.randint(1, 99)}", time=self.book.now, quantity=Decimal(1), price=Decimal(100),
                ),
            ]
        )  # fmt: skip

    def one(self, *, lifts: bool) -> list[Any]:
        """Something comes in; what followed."""
        self.book.now += timedelta(milliseconds=self.dice.randint(0, 300))
        self.book.quote("AAPL", 100)
        if self.dice.random() < 0.15:
            up = self.book.engine.view.sessions
            if BROKER in up:
                del up[BROKER]
            else:
                self.book.open_session()
        given = self.report() if self.dice.random() < 0.5 else self.command()
        if isinstance(given, k.LiftHalt) and not lifts:
            return []
        self.asked[type(given).__name__] += 1
        try:
            self.book.by(self.dice.choice(("alice", "bob", "local")), given)
        except Refused:
            return []
        if isinstance(given, c.OpenSession):
            self.book.engine.view.sessions[BROKER] = self.book.answer
        return list(self.book.events)


def halted(seed: int) -> Fuzz:
    """Orders in all sorts of states, then gates for new ones, then a halt of the firm."""
    fuzz = Fuzz(seed)
    for _ in range(60):
        fuzz.one(lifts=True)
    for halt in [halt for halt in fuzz.book.engine.state.halts.rows.values() if halt.holds]:
        fuzz.book.by("zoe", k.LiftHalt(level=halt.level, name=halt.name, reason="anew"))
    fuzz.book.limits(LIMITS)
    for _ in range(60):
        fuzz.one(lifts=True)
    fuzz.book.by("carol", k.ThrowSwitch(level=Level.FIRM, name="", reason="drill"))
    return fuzz


@pytest.mark.parametrize("seed", range(40))
def test_under_a_halt_nothing_leaves(seed: int) -> None:
    fuzz = halted(seed)
    for _ in range(150):
        assert left(fuzz.one(lifts=False)) == []


@pytest.mark.slow
def test_the_fuzz_asks_everything_and_would_find_a_way() -> None:
    asked: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    granted = rerouted = 0
    for seed in range(80):
        fuzz = Fuzz(seed)
        for _ in range(300):
            events = fuzz.one(lifts=True)
            ways.update(type(event).__name__ for event in left(events))
            rerouted += sum(isinstance(event, OrderRerouted) for event in events)
        asked += fuzz.asked
        granted += sum(bool(row.approved) for row in fuzz.book.engine.state.overrides.rows.values())
    assert len(asked) == 40, asked
    assert rerouted, "and so is another broker"
    assert granted, "an override that is granted is a way, too"
    assert {*ways} == {"OrderEntered", "OrderJudged", "OrderSent", "RequestOpened"}


@pytest.mark.slow
@pytest.mark.parametrize("hole", ["stopped", "kill_switch"])
def test_a_hole_is_found(hole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ordergate.application.decide import changing, resending
    from ordergate.domain.risk import checks

    if hole == "stopped":
        for module in (halting, changing, resending):
            monkeypatch.setattr(module, "stopped", lambda _ctx, _order: None, raising=False)
        monkeypatch.setattr(halting, "_stops", lambda *_given: False)
    else:
        passing = tuple(check for check in checks.CHECKS if check.__name__ != "kill_switch")
        monkeypatch.setattr(checks, "CHECKS", passing)
    found = 0
    for seed in range(40):
        fuzz = halted(seed)
        found += sum(bool(left(fuzz.one(lifts=False))) for _ in range(150))
    assert found


def test_what_left_without_a_halt_had_passed_the_gate() -> None:
    """Every submit that leaves belongs to an order that was entered or submitted later, with a decision that let it through."""
    for seed in range(20):
        fuzz, decided = Fuzz(seed), {}
        fuzz.book.limits(LIMITS)
        for _ in range(300):
            for event in fuzz.one(lifts=True):
                if isinstance(event, e.OrderEntered | e.OrderJudged):
                    decided[event.order_id] = event.decision
                if left([event]) and not event.order_id.startswith("ad-"):
                    order = fuzz.book.engine.state.orders.get(event.order_id)
                    assert decided[event.order_id].code is None
                    assert order is None or not order.awaits
