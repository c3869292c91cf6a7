"""Bugs planted into the adapter of MetaTrader 4: a case of the suite, or a test of ours, fails for each."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.mt4 import (
    book,
    desk,
    finding,
    folder,
    outcomes,
    requests,
    session,
    submitting,
    tailing,
)
from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.domain.money import plain
from ordergate.domain.orders.reports import Executed, Outcome
from tests.conformance.test_mt4_broker import Mt4Suite
from tests.integration import test_mt4_hedging, test_mt4_sessions

Plant = Callable[[pytest.MonkeyPatch], None]


def silence_is_absence(patch: pytest.MonkeyPatch) -> None:
    async def settled(here: Any, there: Any, client_id: str) -> Any:
        return Lookup(presence=Presence.ABSENT)

    patch.setattr(finding, "_settled", settled)


def silence_is_refusal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcomes, "SILENT", replace(outcomes.SILENT, outcome=Outcome.REJECTED))


def any_code_is_refusal(patch: pytest.MonkeyPatch) -> None:
    real = outcomes.outcome

    def outcome(result: Any) -> Outcome:
        found = real(result)
        return Outcome.REJECTED if found is Outcome.UNKNOWN else found

    patch.setattr(outcomes, "outcome", outcome)


def every_submit_is_another_attempt(patch: pytest.MonkeyPatch) -> None:
    real, count = desk.Desk._last_attempt, iter(range(1, 10_000))
    patch.setattr(desk.Desk, "_last_attempt", lambda self, ref: real(self, ref) - 1 + next(count))


def lots_are_cut(patch: pytest.MonkeyPatch) -> None:
    real = submitting.lots_of

    def lots_of(*given: Any) -> Any:
        return round(real(*given), 2)

    patch.setattr(submitting, "lots_of", lots_of)
    patch.setattr(submitting, "wrong_terms", lambda *_: None)


def executions_are_named_by_their_telling(patch: pytest.MonkeyPatch) -> None:
    real, count = book.Book._add, iter(range(10_000))

    def add(self: Any, known: Any, ref: str, said: Executed, lots: Any) -> Any:
        return real(self, known, ref, replace(said, exec_id=f"{said.exec_id}-{next(count)}"), lots)

    patch.setattr(book.Book, "_add", add)


def old_snapshots_are_believed(patch: pytest.MonkeyPatch) -> None:
    real = session.Session.look

    async def look(self: Any) -> Any:
        found = await real(self)
        found.orders = self.last = found.orders or getattr(self, "last", None)
        return found

    patch.setattr(session.Session, "look", look)


def limits_have_no_end(patch: pytest.MonkeyPatch) -> None:
    real = requests.bounded_of

    def bounded(send: Any, lots: Any, *given: Any) -> Any:
        return {**real(send, lots, *given), "lots": f"{plain(lots * 2):f}"}

    patch.setattr(requests, "bounded_of", bounded)


def the_last_event_is_never_read(patch: pytest.MonkeyPatch) -> None:
    def read(*given: Any) -> tailing.Tail:
        found = tailing.read_on(*given)
        return found._replace(lines=[line for line in found.lines if line["kind"] != "deleted"])

    patch.setattr(folder, "read_on", read)


def everything_is_ours(patch: pytest.MonkeyPatch) -> None:
    real = book.Book.ref_of
    patch.setattr(book.Book, "ref_of", lambda self, row: real(self, row) or "stranger.1")


BUGS: dict[str, tuple[Plant, str | Callable[[], None]]] = {
    "silence is absence": (
        silence_is_absence,
        test_mt4_sessions.test_an_order_of_which_nobody_knows_is_not_proven_absent,
    ),
    "silence is refusal": (silence_is_refusal, "test_an_unanswered_submit_is_unknown_and_found"),
    "any code is refusal": (any_code_is_refusal, "test_a_refusal_of_what_was_done"),
    "every submit is another": (every_submit_is_another_attempt, "test_a_second_submit_has_no_effect"),
    "lots are cut": (lots_are_cut, "test_terms_off_the_steps"),
    "executions named anew": (
        executions_are_named_by_their_telling,
        "test_a_session_resumes_from_any_cursor",
    ),
    "old snapshots": (old_snapshots_are_believed, "test_an_incomplete_snapshot_says_so"),
    "twice the lots": (limits_have_no_end, "test_an_order_fills"),
    "an event is missed": (the_last_event_is_never_read, "test_an_order_works_until_it_is_canceled"),
    "everything is ours": (everything_is_ours, test_mt4_hedging.test_positions_of_others_are_left_alone),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, case = BUGS[bug]
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        (getattr(Mt4Suite(), case) if isinstance(case, str) else case)()
