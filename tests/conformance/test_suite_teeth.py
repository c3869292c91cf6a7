"""Each case of the broker suite fails for a broker that breaks its rule: bugs planted in the example's adapter.

The example's venue has every fault and ability that there is but levels, so that no other case is skipped for want of
one. Bugs for the cases about levels are planted in the adapter of MetaTrader 5.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from unittest import SkipTest

import pytest
from acme_broker.broker import AcmeBroker
from acme_broker.counterpart import AcmeCounterpart, AcmeSuite
from msgspec.structs import replace

from ordergate.application.ports.brokers import (
    Answer,
    Change,
    LoginRefused,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.domain.operations import Operation
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.reports import AnyReport, End, Ended, Executed, Outcome, Replaced
from ordergate.domain.orders.states import ExecutionKind
from ordergate.domain.recon.statement import Statement
from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Ability, Fault
from tests.conformance.skips import NO_LEVELS, run_or_skip

SPOT = Operation.SPOT_TRADE
CASES = sorted(name for name in dir(BrokerConformance) if name.startswith("test_"))
NOT_DECLARED = {"test_a_gtd_order_works_only_towards_a_time_to_come", *NO_LEVELS}


def test_the_counterpart_has_everything() -> None:
    assert AcmeCounterpart.faults == frozenset(Fault)
    assert AcmeCounterpart.abilities == frozenset(Ability) - {Ability.LEVELS}


@pytest.mark.parametrize("case", CASES)
def test_the_adapter_without_bugs(case: str) -> None:
    run_or_skip(
        case, getattr(AcmeSuite(), case), {**dict.fromkeys(NOT_DECLARED, "no gtd orders"), **NO_LEVELS}
    )


# --- planted bugs


class _Filter:
    def __init__(self, broker: "_Reports", sink: Sink) -> None:
        self.broker, self.sink, self.quote = broker, sink, sink.quote

    def report(self, report: AnyReport) -> None:
        for changed in self.broker.change(report):
            self.sink.report(changed)


class _Reports(AcmeBroker):
    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        raise NotImplementedError

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        await super().connect(_Filter(self, sink), cursor)


class SaysAnotherBroker(_Reports):
    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        return [replace(report, broker="other")]


class LosesEnds(_Reports):
    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        return [] if isinstance(report, Ended) else [report]


class LosesFillsAfterTheEnd(_Reports):
    ended = False

    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        self.ended = self.ended or isinstance(report, Ended)
        return [] if self.ended and isinstance(report, Executed) else [report]


class NumbersItsTellings(_Reports):
    count = 0

    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        self.count += 1
        return [replace(report, exec_id=f"x{self.count}")] if isinstance(report, Executed) else [report]


class TellsTotals(_Reports):
    total = Decimal(0)

    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        if not isinstance(report, Executed):
            return [report]
        self.total += report.quantity
        return [replace(report, quantity=self.total)]


class TellsEverythingAsATrade(_Reports):
    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        if not isinstance(report, Executed):
            return [report]
        return [replace(report, execution_kind=ExecutionKind.TRADE, refers_to=None)]


class CursorRunsAhead(_Reports):
    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        return [replace(report, cursor=str(max((self._seen, *self._ahead))))]


class TakesSilenceForRefusal(AcmeBroker):
    async def _request(self, do: str, **fields: Any) -> Answer:
        answer = await super()._request(do, **fields)
        return replace(answer, outcome=Outcome.REJECTED) if answer.outcome is Outcome.UNKNOWN else answer


class RetriesUnderANewId(AcmeBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        if answer.outcome is Outcome.UNKNOWN:
            await super().submit(replace(send, client_id=f"{send.client_id}-again"))
        return answer


class ForgetsClientIds(AcmeBroker):
    count = 0

    async def submit(self, send: Send) -> Answer:
        self.count += 1
        return await super().submit(replace(send, client_id=f"{send.client_id}-{self.count}"))


class RaisesWhatIsRefused(AcmeBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        if answer.outcome is Outcome.REJECTED:
            raise ValueError(answer.reason)
        return answer


class TakesRefusalForYes(AcmeBroker):
    async def _request(self, do: str, **fields: Any) -> Answer:
        answer = await super()._request(do, **fields)
        refused = answer.outcome in (Outcome.REJECTED, Outcome.NOT_SENT)
        return replace(answer, outcome=Outcome.ACCEPTED) if refused else answer


class TakesTooManyForRefused(AcmeBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        return replace(answer, outcome=Outcome.REJECTED) if answer.outcome is Outcome.NOT_SENT else answer


class Rounds(AcmeBroker):
    step = Decimal("0.25")

    async def submit(self, send: Send) -> Answer:
        limit = send.limit_price
        if limit is not None and limit.is_finite():
            send = replace(send, limit_price=limit - limit % self.step, quantity=round(send.quantity))
        return await super().submit(send)


class MakesUpCancels(AcmeBroker):
    async def cancel(self, withdraw: Withdraw) -> Answer:
        answer = await super().cancel(withdraw)
        if self._sink is not None:
            self._sink.report(Ended(broker=self.name, client_id=withdraw.order, end=End.CANCELED))
        return answer


class CancelsByReplacingWithNothing(AcmeBroker):
    async def cancel(self, withdraw: Withdraw) -> Answer:
        return Answer(outcome=Outcome.ACCEPTED)


class LookupWithoutExecutions(AcmeBroker):
    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        lookup = await super().lookup(client_id)
        return replace(lookup, reports=tuple(r for r in lookup.reports if not isinstance(r, Executed)))


class TakesFailureForAbsence(AcmeBroker):
    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        lookup = await super().lookup(client_id)
        return lookup if lookup.presence is Presence.FOUND else Lookup(presence=Presence.ABSENT)


class FindsWhatIsNotThere(AcmeBroker):
    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        lookup = await super().lookup(client_id)
        unproven = lookup.presence is Presence.UNPROVEN
        return Lookup(presence=Presence.FOUND) if unproven else lookup


class ForgetsWhenItEnds(AcmeBroker):
    async def connect(self, sink: Sink, cursor: str | None) -> None:
        self.known: set[str] = set()
        await super().connect(sink, cursor)

    async def submit(self, send: Send) -> Answer:
        self.known.add(send.client_id)
        return await super().submit(send)

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        known = client_id in self.known
        return await super().lookup(client_id) if known else Lookup(presence=Presence.ABSENT)


class HalfIsAll(AcmeBroker):
    async def open_orders(self) -> OpenOrders:
        return replace(await super().open_orders(), complete=True)

    async def statement(self, since: Any) -> Statement:
        return replace(await super().statement(since), complete=True)


class TellsWhatThisSessionDid(AcmeBroker):
    async def connect(self, sink: Sink, cursor: str | None) -> None:
        await super().connect(sink, cursor)
        self.before = (await super().statement(self._clock.now())).positions or {}

    async def statement(self, since: Any) -> Statement:
        told = await super().statement(since)
        return replace(told, positions={n: q - self.before[n] for n, q in (told.positions or {}).items()})


class TellsNoPositions(AcmeBroker):
    async def statement(self, since: Any) -> Statement:
        return replace(await super().statement(since), positions={})


class ReadsShortLines(AcmeBroker):
    async def _dial(self) -> Any:
        line, reading = await super()._dial()
        line._reader._limit = 2**16  # as asyncio has it
        return line, reading


class DialsOnce(AcmeBroker):
    async def _keep(self) -> None:
        await self._hold()


class KnocksForEver(AcmeBroker):
    async def _greet(self, line: Any) -> dict[str, Any]:
        try:
            return await super()._greet(line)
        except LoginRefused as error:
            raise OSError(str(error)) from error


class TidiesUp(AcmeBroker):
    async def connect(self, sink: Sink, cursor: str | None) -> None:
        await super().connect(sink, cursor)
        for number, theirs in enumerate((await self.open_orders()).client_ids):
            await self.cancel(Withdraw(client_id=f"tidy.{number}", order=theirs, broker_order_id=None))


class ReplacesOnlyThePrice(AcmeBroker):
    async def replace(self, change: Change) -> Answer:
        return await super().replace(replace(change, quantity=None))


class MakesUpReplaces(AcmeBroker):
    async def replace(self, change: Change) -> Answer:
        answer = await super().replace(change)
        if self._sink is not None and answer.outcome is Outcome.REJECTED:
            told = Replaced(broker=self.name, client_id=change.client_id, quantity=change.quantity)
            self._sink.report(told)
        return answer


class SendsTheRestAgain(AcmeBroker):
    """A cancel that finds a part filled sends what is left anew."""

    async def cancel(self, withdraw: Withdraw) -> Answer:
        answer = await super().cancel(withdraw)
        rest = {"symbol": "ACME", "side": "buy", "quantity": "30", "limit": "50.05", "tif": "gtc"}
        await self._request("order", client_id=f"{withdraw.client_id}-rest", **rest)
        return answer


class MovesByQuantityAlone(_Reports):
    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        return [replace(report, deltas=None)] if isinstance(report, Executed) else [report]


class FeeAmongTheDeltas(_Reports):
    def change(self, report: AnyReport) -> Iterable[AnyReport]:
        if not isinstance(report, Executed) or not report.deltas:
            return [report]
        fee = Delta("acme:BaseToken:USD", Decimal("-0.1"), "fee")
        return [replace(report, deltas=(*report.deltas, fee))]


class DoesWhatItIsAsked(AcmeBroker):
    async def submit(self, send: Send) -> Answer:
        other = send.operation not in self.capabilities.operations
        return await super().submit(replace(send, symbol="ACME", operation=SPOT) if other else send)


BUGS: list[tuple[type[AcmeBroker], str]] = [
    (SaysAnotherBroker, "an_order_fills"),
    (
        LosesEnds,
        "an_order_works_until_it_is_canceled a_session_tells_what_came_after_its_cursor the_end_of_a_day",
    ),
    (LosesFillsAfterTheEnd, "a_late_fill_after_a_cancel"),
    (NumbersItsTellings, "reports_that_are_repeated_or_out_of_order a_statement_says_what_was_traded"),
    (TellsTotals, "partial_fills_add_up"),
    (
        TellsEverythingAsATrade,
        "an_execution_that_is_taken_back an_execution_that_is_corrected a_reorganisation",
    ),
    (CursorRunsAhead, "a_session_resumes_from_any_cursor"),
    (TakesSilenceForRefusal, "an_unanswered_submit_is_unknown_and_found unanswered_cancel_is_unknown"),
    (
        TakesSilenceForRefusal,
        "an_answer_that_is_cut_off an_answer_that_is_garbled an_answer_that_comes_too_late",
    ),
    (TakesSilenceForRefusal, "a_server_that_fails_after_it_took_the_order a_refusal_of_what_was_done"),
    (RetriesUnderANewId, "an_unanswered_submit_is_unknown_and_found a_new_process_after_a_lost_answer"),
    (ForgetsClientIds, "a_second_submit_has_no_effect a_new_process_after_a_lost_answer"),
    (RaisesWhatIsRefused, "what_the_venue_does_not_take_is_an_answer a_refused_order"),
    (TakesRefusalForYes, "a_clock_that_is_wrong a_cancel_of_an_unknown_order a_cancel_of_a_finished_order"),
    (TakesTooManyForRefused, "too_many_requests"),
    (Rounds, "terms_off_the_steps steps_that_change"),
    (MakesUpCancels, "a_cancel_of_a_finished_order a_fill_that_meets_a_cancel"),
    (CancelsByReplacingWithNothing, "an_order_works_until_it_is_canceled a_cancel_after_a_partial_fill"),
    (SendsTheRestAgain, "a_cancel_after_a_partial_fill"),
    (LookupWithoutExecutions, "a_lookup_finds_what_arrived"),
    (
        TakesFailureForAbsence,
        "a_lookup_of_what_never_arrived a_query_that_fails nothing_is_claimed_without_a_session too_many_requests",
    ),
    (FindsWhatIsNotThere, "a_new_process_before_anything_was_sent"),
    (ForgetsWhenItEnds, "a_new_process_finds_what_the_old_one_sent a_new_process_after_a_lost_answer"),
    (HalfIsAll, "an_incomplete_snapshot_says_so half_a_statement_says_so no_statement_without_a_session"),
    (TellsWhatThisSessionDid, "a_statement_outlives_the_session"),
    (TellsNoPositions, "a_statement_says_what_was_traded"),
    (ReadsShortLines, "a_large_statement"),
    (DialsOnce, "a_stream_that_breaks_off"),
    (KnocksForEver, "a_login_that_is_refused"),
    (TidiesUp, "an_order_of_somebody_else"),
    (ReplacesOnlyThePrice, "a_replace"),
    (MakesUpReplaces, "a_fill_that_meets_a_replace"),
    (TakesSilenceForRefusal, "whatever_happens"),
    (RetriesUnderANewId, "whatever_happens"),
    (NumbersItsTellings, "whatever_happens"),
    (MovesByQuantityAlone, "operations an_operation_is_done_once an_operation_that_is_done_again"),
    (FeeAmongTheDeltas, "operations"),
    (DoesWhatItIsAsked, "an_operation_that_is_not_declared"),
    (ForgetsClientIds, "an_operation_is_done_once an_operation_whose_answer_is_lost"),
    (TakesSilenceForRefusal, "an_operation_whose_answer_is_lost"),
    (RetriesUnderANewId, "an_operation_whose_answer_is_lost a_new_process_after_a_lost_operation"),
    (RaisesWhatIsRefused, "operations_that_are_refused"),
    (TellsEverythingAsATrade, "an_operation_that_is_done_again"),
]
PLANTED = [(bug, f"test_{case}") for bug, cases in BUGS for case in cases.split()]


@pytest.mark.parametrize(
    ("bug", "case"), PLANTED, ids=[f"{bug.__name__}-{case[5:]}" for bug, case in PLANTED]
)
def test_a_planted_bug_is_noticed(bug: type[AcmeBroker], case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AcmeCounterpart, "patience_s", 0.5)
    suite = type("Suite", (AcmeSuite,), {"make": staticmethod(bug)})()
    try:
        getattr(suite, case)()
    except SkipTest:
        pytest.fail(f"{case} was skipped")
    except Exception:
        return
    pytest.fail(f"{case} did not notice")


def test_each_case_has_a_bug_that_it_notices() -> None:
    assert {case for _, case in PLANTED} | NOT_DECLARED == set(CASES)
