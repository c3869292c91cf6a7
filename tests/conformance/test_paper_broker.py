"""The paper venue passes the broker suite, and brokers with planted bugs do not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import Faults, PaperBroker, PaperSettings
from ordergate.adapters.clock import SystemClock, VirtualClock, run_virtual
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.application.ports.clock import Clock
from ordergate.domain.instruments import Instrument, built_in
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import AnyReport, End, Ended, Executed, Outcome
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.domain.recon.statement import Statement
from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault
from tests.conformance.operations_at_paper import REFUSED, SAMPLES
from tests.conformance.skips import NO_LEVELS, NO_LOGIN, NOT_OF_A_CHAIN, TOLD_FOR_GOOD, run_or_skip

ONE = Decimal(1)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
FAULTS: dict[Fault, dict[str, Decimal]] = {
    Fault.DROP_ANSWERS: {"drop_answer": ONE},
    Fault.DUPLICATE_REPORTS: {"duplicate_report": ONE},
    Fault.REORDER_REPORTS: {"reorder_report": Decimal("0.5")},
    Fault.HOLD_REPORTS: {"reorder_report": ONE},
    Fault.INCOMPLETE_SNAPSHOT: {"incomplete_snapshot": ONE},
    Fault.SLOW_ANSWERS: {"late_answer": ONE},
    Fault.REFUSE_ORDERS: {"reject": ONE},
}


class PaperCounterpart(Counterpart):
    symbol = "ACME"
    lot = Decimal(10)
    price = Decimal("50.00")
    tick = Decimal("0.01")
    faults = frozenset(FAULTS)  # it is in this process: nothing on the way can be cut, garbled, or too much
    operations = SAMPLES
    refused_operations = REFUSED
    off_steps = {  # noqa: RUF012
        "a price off the tick": {"limit_price": Decimal("49.505")},
        "a quantity off the step": {"quantity": Decimal("10.5")},
    }

    def __init__(
        self, path: Path | str | None, make: Callable[..., PaperBroker], settings: PaperSettings
    ) -> None:
        start = datetime(2026, 1, 14, 15, tzinfo=UTC)
        self.clock: Clock = SystemClock() if isinstance(path, str) else VirtualClock(start)
        self.path, self.make, self.settings = path, make, settings
        self.steps = Decimal("0.01")
        self.abilities = frozenset({Ability.FOREIGN_ORDERS, Ability.INSTRUMENT_CHANGES})
        if isinstance(self.clock, VirtualClock):
            self.abilities |= {Ability.DAY_ROLLS}
        self.broker: PaperBroker = self.another()

    def another(self) -> PaperBroker:
        broker = self.make("paper", self.settings, self.path, self.clock, self.instrument)
        broker.set_quote(Quote("ETH/USDT", self.clock.now(), Decimal(2_000), Decimal(2_001)))
        return broker

    def instrument(self, symbol: str) -> Instrument | None:
        found = built_in(symbol)
        return None if found is None else replace(found, tick=self.steps)

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        self.broker.set_quote(Quote(self.symbol, self.clock.now(), bid, ask, size, size))

    async def settle(self) -> None:
        if not isinstance(self.path, str):
            await self.clock.sleep(1)
            return
        await self.clock.sleep(0.06)  # what is held back for want of another report
        await self.broker.open_orders()  # travels behind everything under way

    async def reopen(self) -> None:
        await self.broker.close()
        if self.path is not None:
            self.broker = self.another()

    def inject(self, *faults: Fault) -> None:
        chances = {name: chance for fault in faults for name, chance in FAULTS[fault].items()}
        self.broker.inject(Faults(**chances, seed=5))

    async def place_foreign(self) -> Callable[[], Awaitable[bool]]:
        """Theirs come to the same account; here by the same way, as nobody of ours names them."""
        theirs = Send(
            client_id="theirs",
            symbol=self.symbol,
            side=Side.BUY,
            quantity=self.lot,
            order_type=OrderType.LIMIT,
            tif=TimeInForce.GTC,
            limit_price=Decimal("1.00"),
        )
        await self.broker.submit(theirs)

        async def works() -> bool:
            return "theirs" in (await self.broker.open_orders()).client_ids

        return works

    async def change_steps(self) -> Decimal:
        self.steps = Decimal("0.25")
        return self.steps

    async def roll_day(self) -> None:
        await self.clock.sleep(86_400)


class PaperSuite(BrokerConformance):
    """For a broker class; without a path in memory."""

    def __init__(
        self, make: Callable[..., PaperBroker], path: Path | str | None, latency_ms: int = 0
    ) -> None:
        self.make, self.path, self.settings = make, path, PaperSettings(latency_ms=latency_ms)

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        run_virtual(main)

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        counterpart = PaperCounterpart(self.path, self.make, self.settings)
        try:
            yield counterpart
        finally:
            await counterpart.broker.close()


SKIPPED = {
    "test_an_operation_that_is_not_declared": "declares every operation",
    "test_an_operation_that_is_done_again": "no reorganisations",
    **NOT_OF_A_CHAIN,
    **NO_LEVELS,
    **NO_LOGIN,
    **TOLD_FOR_GOOD,
    # The venue is in this process, behind no wire and no clock of its own.
    "test_a_clock_that_is_wrong": "clock_skew",
    "test_a_query_that_fails": "fail_queries",
    "test_a_refusal_of_what_was_done": "client_errors",
    "test_a_server_that_fails_after_it_took_the_order": "server_errors",
    "test_a_stream_that_breaks_off": "break_stream",
    "test_an_answer_that_is_cut_off": "cut_answers",
    "test_an_answer_that_is_garbled": "garbled_answers",
    "test_too_many_requests": "rate_limit",
}
CASES = sorted(name for name in dir(BrokerConformance) if name.startswith("test_"))


class SharedSuite(PaperSuite):
    """In PostgreSQL, and so in real time."""

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        asyncio.run(main)


@pytest.mark.parametrize("case", CASES)
class TestPaperBroker:
    def test_in_memory(self, case: str) -> None:
        run_or_skip(case, getattr(PaperSuite(PaperBroker, None), case), SKIPPED)

    def test_in_a_file(self, case: str, tmp_path: Path) -> None:
        run_or_skip(case, getattr(PaperSuite(PaperBroker, tmp_path / "venue.db"), case), SKIPPED)

    def test_with_latency(self, case: str, tmp_path: Path) -> None:
        run_or_skip(
            case, getattr(PaperSuite(PaperBroker, tmp_path / "venue.db", latency_ms=20), case), SKIPPED
        )

    @pytest.mark.slow
    def test_in_postgres(self, case: str, venues: str) -> None:
        skips = {**SKIPPED, "test_the_end_of_a_day": "day_rolls"}  # nobody waits for it in real time
        run_or_skip(case, getattr(SharedSuite(PaperBroker, venues), case), skips)


class TestAsPytestCollectsIt(BrokerConformance):
    """The way in which an adapter's author uses the suite."""

    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "venue.db"

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        run_virtual(main)

    def venue(self) -> Any:
        return PaperSuite(PaperBroker, self.path).venue()


# --- planted bugs: the suite must notice each of them


class ForgetsClientIds(PaperBroker):
    count = 0

    async def submit(self, send: Send) -> Answer:
        self.count += 1
        return await super().submit(replace(send, client_id=f"{send.client_id}-{self.count}"))


class ForgetsWhenRestarted(PaperBroker):
    async def connect(self, sink: Sink, cursor: str | None) -> None:
        self.known: set[str] = set()
        await super().connect(sink, cursor)

    async def submit(self, send: Send) -> Answer:
        self.known.add(send.client_id)
        return await super().submit(send)

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        known = client_id in self.known
        return await super().lookup(client_id) if known else Lookup(presence=Presence.ABSENT)


class _Filter:
    """A sink that lets a bug change the reports."""

    def __init__(self, sink: Sink, change: Callable[[AnyReport], list[AnyReport]]) -> None:
        self.sink, self.change, self.quote = sink, change, sink.quote

    def report(self, report: AnyReport) -> None:
        for changed in self.change(report):
            self.sink.report(changed)


class _ChangesReports(PaperBroker):
    def change(self, report: AnyReport) -> list[AnyReport]:
        raise NotImplementedError

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        await super().connect(_Filter(sink, self.change), cursor)


class CursorRunsAhead(_ChangesReports):
    def change(self, report: AnyReport) -> list[AnyReport]:
        assert self._session is not None
        return [replace(report, cursor=str(self._session.venue.register.last_sequence))]


class LosesFillsAfterTheEnd(_ChangesReports):
    ended = False

    def change(self, report: AnyReport) -> list[AnyReport]:
        self.ended = self.ended or isinstance(report, Ended)
        return [] if self.ended and isinstance(report, Executed) else [report]


class NewIdForEveryTelling(_ChangesReports):
    count = 0

    def change(self, report: AnyReport) -> list[AnyReport]:
        self.count += 1
        return [replace(report, exec_id=f"x{self.count}")] if isinstance(report, Executed) else [report]


class TellsCumulativeQuantities(_ChangesReports):
    total = Decimal(0)

    def change(self, report: AnyReport) -> list[AnyReport]:
        if not isinstance(report, Executed):
            return [report]
        self.total += report.quantity
        return [replace(report, quantity=self.total)]


class EmptySnapshotAsComplete(PaperBroker):
    async def open_orders(self) -> OpenOrders:
        snapshot = await super().open_orders()
        return OpenOrders(as_of=snapshot.as_of, complete=True, client_ids=snapshot.client_ids)


class HalfAStatementAsAWholeOne(PaperBroker):
    async def statement(self, since: datetime) -> Statement:
        return replace(await super().statement(since), complete=True)


class TellsWhatThisSessionDid(PaperBroker):
    async def connect(self, sink: Sink, cursor: str | None) -> None:
        await super().connect(sink, cursor)
        self.before = (await super().statement(EVER)).positions or {}

    async def statement(self, since: datetime) -> Statement:
        told = await super().statement(since)
        held = {name: q - self.before.get(name, 0) for name, q in (told.positions or {}).items()}
        return replace(told, positions=held)


class TellsOrdersForPositions(PaperBroker):
    async def statement(self, since: datetime) -> Statement:
        told = await super().statement(since)
        assert self._session is not None
        asked = sum(order.leaves for order in self._session.venue.register.working.values())
        return replace(told, positions={name: q + asked for name, q in (told.positions or {}).items()})


class RaisesOnSubmit(PaperBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        if answer.outcome is Outcome.UNKNOWN:
            raise TimeoutError("no answer")
        return answer


class RaisesOnBadValues(PaperBroker):
    async def submit(self, send: Send) -> Answer:
        if send.quantity <= 0:
            raise ValueError("quantity")
        return await super().submit(send)


class TakesSilenceForRejection(PaperBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        return replace(answer, outcome=Outcome.REJECTED) if answer.outcome is Outcome.UNKNOWN else answer


class RetriesUnderANewId(PaperBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        if answer.outcome is Outcome.UNKNOWN:
            await super().submit(replace(send, client_id=f"{send.client_id}-again"))
        return answer


class TakesFailureForAbsence(PaperBroker):
    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        lookup = await super().lookup(client_id)
        failed = lookup.presence is Presence.UNAVAILABLE
        return Lookup(presence=Presence.ABSENT) if failed else lookup


class LookupWithoutExecutions(PaperBroker):
    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        lookup = await super().lookup(client_id)
        return replace(lookup, reports=tuple(r for r in lookup.reports if not isinstance(r, Executed)))


class MakesUpCancels(PaperBroker):
    async def connect(self, sink: Sink, cursor: str | None) -> None:
        self.sink = sink
        await super().connect(sink, cursor)

    async def cancel(self, withdraw: Withdraw) -> Answer:
        await super().cancel(withdraw)
        self.sink.report(Ended(broker="paper", client_id=withdraw.order, end=End.CANCELED))
        return Answer(outcome=Outcome.ACCEPTED)


class ReplacesOnlyThePrice(PaperBroker):
    async def replace(self, change: Change) -> Answer:
        return await super().replace(replace(change, quantity=None))


class ChangesPricesOnly(PaperBroker):
    """No bug: such a venue."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, changes_quantity=False)

    async def replace(self, change: Change) -> Answer:
        if change.quantity is not None:
            return Answer(outcome=Outcome.REJECTED, reason="only the prices of an order can be changed")
        return await super().replace(change)


class ChangesQuantitiesAllTheSame(ChangesPricesOnly):
    async def replace(self, change: Change) -> Answer:
        return await PaperBroker.replace(self, change)


class RefusesAndDoesIt(ChangesPricesOnly):
    async def replace(self, change: Change) -> Answer:
        await PaperBroker.replace(self, change)
        return await super().replace(change)


class ChangesNothing(ChangesPricesOnly):
    async def replace(self, change: Change) -> Answer:
        answer = await super().replace(replace(change, quantity=Decimal(1)))
        return answer if change.quantity is not None else Answer(outcome=Outcome.ACCEPTED)


BUGS = [
    (ForgetsClientIds, "test_a_second_submit_has_no_effect"),
    (ForgetsWhenRestarted, "test_a_new_process_finds_what_the_old_one_sent"),
    (CursorRunsAhead, "test_a_session_resumes_from_any_cursor"),
    (LosesFillsAfterTheEnd, "test_a_late_fill_after_a_cancel"),
    (NewIdForEveryTelling, "test_reports_that_are_repeated_or_out_of_order"),
    (TellsCumulativeQuantities, "test_partial_fills_add_up"),
    (EmptySnapshotAsComplete, "test_an_incomplete_snapshot_says_so"),
    (HalfAStatementAsAWholeOne, "test_half_a_statement_says_so"),
    (TellsWhatThisSessionDid, "test_a_statement_outlives_the_session"),
    (TellsOrdersForPositions, "test_a_statement_says_what_was_traded"),
    (RaisesOnSubmit, "test_an_unanswered_submit_is_unknown_and_found"),
    (RaisesOnBadValues, "test_what_the_venue_does_not_take_is_an_answer"),
    (TakesSilenceForRejection, "test_an_unanswered_submit_is_unknown_and_found"),
    (RetriesUnderANewId, "test_an_unanswered_submit_is_unknown_and_found"),
    (TakesFailureForAbsence, "test_nothing_is_claimed_without_a_session"),
    (LookupWithoutExecutions, "test_a_lookup_finds_what_arrived"),
    (MakesUpCancels, "test_a_cancel_of_a_finished_order"),
    (ReplacesOnlyThePrice, "test_a_replace"),
    (ChangesQuantitiesAllTheSame, "test_a_replace"),
    (RefusesAndDoesIt, "test_a_replace"),
    (ChangesNothing, "test_a_replace"),
]


@pytest.mark.parametrize("case", ["test_a_replace", "test_a_fill_that_meets_a_replace"])
def test_a_venue_that_changes_prices_only_is_asked_for_no_more(case: str) -> None:
    getattr(PaperSuite(ChangesPricesOnly, None), case)()


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "case"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
def test_a_planted_bug_is_noticed(bug: type[PaperBroker], case: str, tmp_path: Path) -> None:
    failed = [name for name in CASES if _fails(bug, name, tmp_path / f"{name}.db")]
    assert case in failed


def _fails(bug: type[PaperBroker], case: str, path: Path) -> bool:
    try:
        getattr(PaperSuite(bug, path), case)()
    except SkipTest:
        return False
    except Exception:
        return True
    return False


def test_what_a_counterpart_lacks_is_skipped_with_the_reason() -> None:
    suite = PaperSuite(PaperBroker, None)

    class Poor(PaperCounterpart):
        faults = frozenset()

    @asynccontextmanager
    async def venue() -> AsyncIterator[Counterpart]:
        yield Poor(None, PaperBroker, PaperSettings())

    suite.venue = venue  # type: ignore[method-assign]
    with pytest.raises(SkipTest, match="cannot inject drop_answers"):
        suite.test_an_unanswered_submit_is_unknown_and_found()
    suite.test_an_order_fills()


def test_the_suite_needs_a_venue() -> None:
    with pytest.raises(NotImplementedError, match="must give a counterpart"):
        asyncio.run(_open(BrokerConformance()))


async def _open(suite: BrokerConformance) -> None:
    async with suite.venue():
        pass
