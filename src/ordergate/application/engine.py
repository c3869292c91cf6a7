"""The engine: one input, and what it changes. Pure and synchronous.

`step` runs a decision, folds each event as it comes, and gives the entries to write. A step that raises leaves
nothing behind.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import getcontext, localcontext, setcontext
from functools import cache
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ordergate.application.decide import (
    adopting,
    attending,
    changing,
    configuring,
    creating,
    expiring,
    halting,
    limiting,
    logins,
    moving,
    overriding,
    reconciling,
    reporting,
    rerouting,
    setup,
    signaling,
    silence,
    submitting,
    working,
)
from ordergate.application.decide.context import Context, Decision, raise_break
from ordergate.application.decide.protecting import protected
from ordergate.application.decide.working import followed
from ordergate.application.decide.wrong import report_key
from ordergate.application.entry import Encoded, Entry, Origin, encode
from ordergate.application.view import View
from ordergate.domain import moving as m
from ordergate.domain.algos.commands import AlgoCommand, WorkParent
from ordergate.domain.book import Book
from ordergate.domain.breaks import BreakKind
from ordergate.domain.configuration import ChangeConfiguration, ConfigurationCommand
from ordergate.domain.errors import ClockError
from ordergate.domain.fold import advance_cursor, evolve
from ordergate.domain.logins import NoteRefusedLogin
from ordergate.domain.market import Quote, mid
from ordergate.domain.money import EXACT
from ordergate.domain.orders import commands as c
from ordergate.domain.orders.events import InstrumentDefined, OrderAdopted, OrderEntered, OrderEvent
from ordergate.domain.orders.reports import AnyReport, Confirmed, Report
from ordergate.domain.orders.states import State
from ordergate.domain.recon import commands as n
from ordergate.domain.risk import commands as k
from ordergate.domain.routing import RerouteOrder
from ordergate.domain.signals import CreateFromSignal, SubmitSignal
from ordergate.domain.times import MICROSECOND, format_time

Command = (
    c.OrderCommand | AlgoCommand | SubmitSignal | CreateFromSignal | k.RiskCommand | m.MoveCommand
    | n.ReconCommand | ConfigurationCommand | RerouteOrder | NoteRefusedLogin
)  # fmt: skip
Input = Command | AnyReport

_MICROSECONDS: Final = tuple(number * MICROSECOND for number in range(len(State)))
LARGEST_STEP_BACK: Final = timedelta(seconds=10)
_LONGEST_DETAIL: Final = 1_000


class Step(Struct, frozen=True):
    """What an input led to: the answer for the caller, and entries, also as they are written."""

    answer: Any
    entries: list[Entry]
    encoded: list[Encoded]


class Engine:
    """State and the way from input to entries.

    Args:
        state: loaded, or empty.
        view: what decisions may look at beside it.
        size: length of the journal.
        last: time of the journal's last instant; None for an empty one.
    """

    def __init__(self, state: Book, view: View, size: int = 0, last: datetime | None = None) -> None:
        self.state, self.view, self.size, self.last = state, view, size, last
        self._now = last or datetime.min.replace(tzinfo=UTC)
        self._context = Context(
            state=state, view=view, now=self._present, ticks=self._ticks, index=self._next_index
        )

    def step(self, given: Input, now: datetime, origin: Origin, raw: str | None = None) -> Step:
        """Decides and folds.

        Raises:
            Refused: a command cannot be done; nothing has changed.
            ClockError: `now` is more than ten seconds before the journal's last instant.
        """
        mark, size, last = self.state.mark(), self.size, self.last
        outside = getcontext()
        setcontext(EXACT)
        try:
            return self._step(given, self._begin(now), origin, raw)
        except BaseException:
            self.state.undo(mark)
            self.size, self.last = size, last
            raise
        finally:
            setcontext(outside)

    def take_quote(self, quote: Quote) -> None:
        """A quote: seen by decisions from now on, and what funds hold is worth so much."""
        self.view.quotes[quote.symbol] = quote
        if quote.bid > 0:
            self.state.exposures.mark(quote.symbol, mid(quote.bid, quote.ask))

    def is_due(self, now: datetime) -> bool:
        """Whether time has brought something that `ValueFunds` would do."""
        with localcontext(EXACT):
            return limiting.is_due(replace(self._context, now=lambda: now))

    def preview(self, command: Command, now: datetime, origin: Origin) -> Any:
        """The answer that `step` would give; leaves nothing behind.

        Raises:
            Refused, ClockError: as `step`.
        """
        mark, size, last = self.state.mark(), self.size, self.last
        try:
            return self.step(command, now, origin).answer
        finally:
            self.state.undo(mark)
            self.size, self.last = size, last

    def quarantine(self, report: AnyReport, now: datetime, error: Exception) -> Step:
        """Journals a report that no decision could be made on, whole, for a person to book or drop."""
        detail = _writable(f"{type(report).__name__} could not be handled: {type(error).__name__}: {error}")
        order = reporting.find_order(self._context, report)
        order_id = None if order is None else order.order_id
        decision = raise_break(
            self._context,
            BreakKind.QUARANTINED,
            report.broker,
            detail[:_LONGEST_DETAIL],
            order_id,
            key=report_key(BreakKind.QUARANTINED, report, order_id),
        )
        cursor = None if report.cursor is None else _writable(report.cursor)
        said = Confirmed(broker=report.broker, cursor=cursor)
        with localcontext(EXACT):
            return self._run(
                decision, said, self._begin(now), broker_origin(report.broker), _writable(repr(report))
            )

    def _begin(self, now: datetime) -> datetime:
        if self.last is not None and now < self.last - LARGEST_STEP_BACK:
            present, last = format_time(now), format_time(self.last)
            raise ClockError(f"the clock says {present}, the journal has come to {last}: set the clock right")
        self._now = now
        return now

    def _present(self) -> datetime:
        return self._now

    def _next_index(self) -> int:
        return self.size

    def _tick(self) -> datetime:
        now = self._now
        self.last = now if self.last is None or now > self.last else self.last + MICROSECOND
        return self.last

    def _ticks(self, count: int) -> tuple[datetime, ...]:
        if not count:
            return ()
        first = self._tick()
        times = (first, *[first + behind for behind in _MICROSECONDS[:count]][1:])
        self.last = times[-1]
        return times

    def _step(self, given: Input, now: datetime, origin: Origin, raw: str | None) -> Step:
        if isinstance(given, Report):
            decision = self._whole(reporting.report(self._context, given))
            raw = given.raw if given.raw is None or given.raw.isascii() else _writable(given.raw)
            return self._run(decision, given, now, broker_origin(given.broker), raw)
        self._context.by = origin.principal
        decision = self._whole(_COMMANDS[type(given)](self._context, given))
        return self._run(decision, None, now, origin, raw)

    def _whole(self, decision: Decision[Any]) -> Decision[Any]:
        """With what follows from it in the same step: for stops and closes, and for parents and children."""
        return followed(self._context, protected(self._context, decision))

    def _run(
        self, decision: Decision[Any], said: AnyReport | None, now: datetime, origin: Origin, raw: str | None
    ) -> Step:
        entries: list[Entry] = []
        encoded: list[Encoded] = []
        last = self.last
        try:
            while True:
                event = next(decision)
                about = type(event) is not InstrumentDefined  # which the payload only led to
                entry = self._entry(event, said, origin, raw if about else None)
                entries.append(entry)
                encoded.append(encode(entry))
                raw = None if about else raw
        except StopIteration as stop:
            answer = stop.value
        if not entries:
            self.last = last
        elif said is not None and said.cursor is not None:
            advance_cursor(self.state, said.broker, said.cursor)
        return Step(answer, entries, encoded)

    def _entry(self, event: Any, said: AnyReport | None, origin: Origin, raw: str | None) -> Entry:
        at = event.times[0] if isinstance(event, OrderEvent) and event.times else self._tick()
        evolve(self.state, event, self.size, at)
        cursor = None if said is None else said.cursor
        entry = Entry(
            index=self.size,
            time=at,
            event=event,
            actor=_actor(event, origin),
            principal=origin.principal,
            source=origin.source,
            request=origin.request,
            broker=None if said is None or cursor is None else said.broker,
            cursor=cursor,
            raw=raw,
        )
        self.size += 1
        return entry


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()


@cache
def broker_origin(broker: str) -> Origin:
    """Of what a broker said."""
    return Origin(actor=broker, principal=broker, source="broker")


def _actor(event: Any, origin: Origin) -> str:
    if isinstance(event, _NEW) and event.order.actor is not None:
        return event.order.actor
    return origin.actor


_NEW: Final = (OrderEntered, OrderAdopted)
_COMMANDS: Final[Mapping[type, Callable[[Context, Any], Decision[Any]]]] = {
    c.SubmitOrder: submitting.submit,
    c.CreateOrder: creating.create,
    c.SubmitCreated: creating.submit_created,
    SubmitSignal: signaling.submit_signal,
    CreateFromSignal: signaling.create_from_signal,
    c.AdoptOrder: adopting.adopt,
    c.CancelOrder: changing.cancel,
    c.ReplaceOrder: changing.amend,
    c.Release: changing.release,
    c.ExpireOrder: expiring.expire,
    RerouteOrder: rerouting.reroute,
    NoteRefusedLogin: logins.note_refused,
    c.AttendOrder: attending.attend,
    WorkParent: working.work,
    c.Configure: setup.configure,
    ChangeConfiguration: configuring.change_configuration,
    c.OpenSession: setup.open_session,
    k.ConfigureLimits: limiting.configure_limits,
    k.SetLimits: limiting.set_limits,
    k.ThrowSwitch: halting.throw_switch,
    k.LiftHalt: halting.lift,
    k.EnableStrategy: limiting.enable_strategy,
    k.Heartbeat: silence.heartbeat,
    k.AnswerGate: changing.answer_gate,
    k.AskOverride: overriding.ask,
    k.GrantOverride: overriding.grant,
    k.TurnDownOverride: overriding.turn_down,
    k.ValueFunds: limiting.value_funds,
    m.ExpectFund: moving.expect,
    m.LeaveFund: moving.leave,
    m.TakePart: moving.take_part,
    m.TakeKeys: moving.take_keys,
    m.OpenFund: moving.open_fund,
    n.Reconcile: reconciling.reconcile,
    n.AssignBreak: reconciling.assign,
    n.ResolveBreak: reconciling.resolve,
    n.AdjustBreak: reconciling.adjust,
}
