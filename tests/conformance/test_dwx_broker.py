"""The DWX files pass the broker suite as far as echo-only goes, and adapters with planted bugs do not."""

import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.dwx import account, following, giving, lookups, outcomes, terms
from ordergate.adapters.brokers.dwx.broker import DwxBroker
from ordergate.adapters.brokers.dwx.link import Link
from ordergate.adapters.brokers.dwx.notebook import Notebook
from ordergate.adapters.brokers.dwx.reading import Account, Orders, Unreadable
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.domain.orders.reports import Executed, Outcome
from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Counterpart
from tests.conformance.skips import (
    NO_LOGIN,
    NO_REPLACES,
    NOT_OF_A_CHAIN,
    TOLD_FOR_GOOD,
    TRADES_ALONE,
    run_or_skip,
)
from tests.services.dwx import DwxCounterpart, terminal


class DwxSuite(BrokerConformance):
    def __init__(self, make: Callable[..., DwxBroker], folder: Path) -> None:
        self.make, self.folder = make, folder

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        self.folder = self.folder / "next"  # a case may want several venues
        self.folder.mkdir()
        async with terminal(self.folder) as there:
            counterpart = DwxCounterpart(there, self.make)
            try:
                yield counterpart
            finally:
                await counterpart.broker.close()

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        run_virtual(main)

    def test_partial_fills_add_up(self) -> None:
        raise SkipTest("MetaTrader 4 opens an order whole")

    def test_a_cancel_after_a_partial_fill(self) -> None:
        raise SkipTest("MetaTrader 4 opens an order whole")

    def test_a_large_statement(self) -> None:
        raise SkipTest("MetaTrader 4 opens an order whole")


CASES = sorted(name for name in dir(BrokerConformance) if name.startswith("test_"))
SKIPPED = {
    "test_partial_fills_add_up": "opens an order whole",
    "test_a_cancel_after_a_partial_fill": "opens an order whole",
    "test_a_large_statement": "opens an order whole",
    "test_a_second_submit_has_no_effect": "no deduplication",
    "test_a_late_fill_after_a_cancel": "hold_reports",
    "test_reports_that_are_repeated_or_out_of_order": "repeat nor reorder",
    "test_a_gtd_order_works_only_towards_a_time_to_come": "no gtd orders",
    "test_a_clock_that_is_wrong": "clock_skew",
    "test_too_many_requests": "rate_limit",  # files have no such thing
    "test_the_end_of_a_day": "no day_rolls",
    **NO_REPLACES,
    **TRADES_ALONE,
    **NOT_OF_A_CHAIN,
    **NO_LOGIN,
    **TOLD_FOR_GOOD,
}


@pytest.mark.parametrize("case", CASES)
def test_the_older_files(case: str, tmp_path: Path) -> None:
    run_or_skip(case, getattr(DwxSuite(DwxBroker, tmp_path), case), SKIPPED)


# --- planted bugs: the suite must notice each of them


def takes_silence_for_rejection(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(giving._OUTCOMES, (None, True), Outcome.REJECTED)


def believes_every_error(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(outcomes.TYPES, "OPEN_ORDER", outcomes.Means.REFUSED)
    patch.setitem(outcomes.TYPES, "CLOSE_ORDER_TICKET", outcomes.Means.REFUSED)


def takes_a_timeout_for_a_refusal(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(outcomes.WORDS, "trade timeout", "128")


def closes_what_it_cancels(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(giving, "_NEVER", Decimal(0))


def what_is_not_seen_is_absent(patch: pytest.MonkeyPatch) -> None:
    was = lookups.Lookups.find

    async def find(found: lookups.Lookups, client_id: str) -> Lookup:
        lookup = await was(found, client_id)
        return replace(lookup, presence=Presence.ABSENT) if lookup.presence is Presence.UNPROVEN else lookup

    patch.setattr(lookups.Lookups, "find", find)


def believes_what_was_written_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Link, "fresh", Link.look)


def half_a_file_is_an_empty_one(patch: pytest.MonkeyPatch) -> None:
    was = Link._look

    async def look(link: Link) -> Any:
        try:
            return await was(link)
        except Unreadable:
            nobody = Account(number=1, currency="USD", free_margin=Decimal(0))
            return (int(link._clock.now().timestamp() * 1000), 0, 0), Orders(account=nobody, rows={})

    patch.setattr(Link, "_look", look)


def knows_orders_by_their_symbol(patch: pytest.MonkeyPatch) -> None:
    def first(known: Any, rows: Any) -> Any:
        return next(((ticket, row) for ticket, row in rows.items() if row.symbol == known.theirs), None)

    for module in (following, account, lookups, giving):
        patch.setattr(module, "find", first)


def never_asks_for_the_past(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(following.Following, "past", lambda *_: None)


def tells_what_it_does_not_keep(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Notebook, "tell", lambda _book, _name, _key, report: report)


def numbers_its_tellings(patch: pytest.MonkeyPatch) -> None:
    count = itertools.count()

    def say(broker: DwxBroker, report: Any) -> None:
        if broker._sink is not None:
            changed = {"exec_id": f"x{next(count)}"} if isinstance(report, Executed) else {}
            broker._sink.report(replace(report, **changed))

    patch.setattr(DwxBroker, "_say", say)


def cuts_lots(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(terms, "_check_steps", lambda *_: None)
    patch.setattr(terms, "_lots", lambda send, unit: round(send.quantity / unit, 2))


BUGS = [
    (takes_silence_for_rejection, "test_an_unanswered_submit_is_unknown_and_found"),
    (believes_every_error, "test_a_refusal_of_what_was_done"),
    (takes_a_timeout_for_a_refusal, "test_a_server_that_fails_after_it_took_the_order"),
    (closes_what_it_cancels, "test_a_fill_that_meets_a_cancel"),
    (what_is_not_seen_is_absent, "test_a_lookup_of_what_never_arrived"),
    (believes_what_was_written_before, "test_unanswered_cancel_is_unknown"),
    (half_a_file_is_an_empty_one, "test_an_incomplete_snapshot_says_so"),
    (half_a_file_is_an_empty_one, "test_half_a_statement_says_so"),
    (knows_orders_by_their_symbol, "test_an_order_of_somebody_else"),
    (never_asks_for_the_past, "test_unanswered_cancel_is_unknown"),
    (tells_what_it_does_not_keep, "test_a_lookup_finds_what_arrived"),
    (numbers_its_tellings, "test_a_new_process_finds_what_the_old_one_sent"),
    (cuts_lots, "test_terms_off_the_steps"),
]


@pytest.mark.parametrize(("bug", "case"), BUGS, ids=[f"{bug.__name__}-{case}" for bug, case in BUGS])
def test_a_planted_bug_is_noticed(
    bug: Callable[[pytest.MonkeyPatch], None], case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)
    with pytest.raises(Exception):  # noqa: B017, PT011  (whatever the suite or the bug says)
        getattr(DwxSuite(DwxBroker, tmp_path), case)()
