"""A class of somebody's own passes the broker suite behind the adapter, and broken wrappers do not."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.sync import SyncSettings
from ordergate.adapters.brokers.sync.broker import SyncBroker
from ordergate.adapters.clock import SystemClock
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.domain.orders.reports import AnyReport, End, Ended, Executed, Outcome
from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault
from tests.conformance.homemade import HomemadeBroker
from tests.conformance.skips import (
    NO_LEVELS,
    NO_LOGIN,
    NO_REPLACES,
    NOT_OF_A_CHAIN,
    TOLD_FOR_GOOD,
    TRADES_ALONE,
    run_or_skip,
)

SETTINGS = SyncSettings(poll_ms=1, deadline_ms=5_000, grace_ms=5_000)


FAILS: dict[Fault, BaseException] = {
    Fault.DROP_ANSWERS: TimeoutError("no answer in time"),
    Fault.CUT_ANSWERS: ConnectionResetError("the line went dead"),
    Fault.SERVER_ERRORS: RuntimeError("503 service unavailable"),
    Fault.CLIENT_ERRORS: ValueError("418 not as you asked"),
}
"""What a class raises after it has done what it was asked."""


class HomemadeCounterpart(Counterpart):
    symbol = "ACME"
    lot = Decimal(10)
    price = Decimal("50.00")
    tick = Decimal("0.25")  # a float to the last bit, as is every average of such prices here
    faults = frozenset(FAILS) | {
        Fault.GARBLED_ANSWERS, Fault.SLOW_ANSWERS, Fault.REFUSE_ORDERS, Fault.FAIL_QUERIES, Fault.BREAK_STREAM,
    }  # fmt: skip
    abilities = frozenset({Ability.FOREIGN_ORDERS})

    patience_s = 10.0

    def __init__(self, make: Callable[..., SyncBroker], folder: Path) -> None:
        self.make, self.folder = make, folder
        self.user = HomemadeBroker(folder / "home.json")
        self.broker: SyncBroker = self.another()

    def another(self) -> SyncBroker:
        return self.make("home", SETTINGS, self.folder / "notebook.db", SystemClock(), self.user)

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        self.user.home.set_market(float(bid), float(ask), float(size))

    async def settle(self) -> None:
        """Everything that is open has been looked at twice, so what the first look saw is told."""
        if self.user.hang is not None:  # the class answers nothing now
            return
        seen = dict(self.user.polls)
        async with asyncio.timeout(self.patience_s):
            while any(
                self.user.polls.get(known.broker_order_id, 0) < seen.get(known.broker_order_id, 0) + 2
                for known in self.broker._open.values()
            ):
                await asyncio.sleep(0.001)

    async def reopen(self) -> None:
        await self.broker.close()
        self.user = HomemadeBroker(self.folder / "home.json")
        self.broker = self.another()

    def inject(self, *faults: Fault) -> None:
        user = self.user
        user.fails_after_doing = next((FAILS[fault] for fault in faults if fault in FAILS), None)
        user.says_nothing = Fault.GARBLED_ANSWERS in faults
        user.refuses = "no margin" if Fault.REFUSE_ORDERS in faults else None
        user.queries_fail = bool({Fault.FAIL_QUERIES, Fault.BREAK_STREAM} & set(faults))
        if user.hang is not None:
            user.hang.set()
        user.hang = threading.Event() if Fault.SLOW_ANSWERS in faults else None
        self.broker._deadline_s = 0.05 if user.hang is not None else SETTINGS.deadline_ms / 1000

    async def place_foreign(self) -> Callable[[], Awaitable[bool]]:
        ticket = SimpleNamespace(symbol=self.symbol, volume=10.0, limit_price=1.0)
        theirs = HomemadeBroker.place_order(self.user, ticket).order_id

        async def works() -> bool:
            return bool(self.user.home.orders[theirs]["state"] == "SUBMITTED")

        return works


class SyncSuite(BrokerConformance):
    def __init__(self, make: Callable[..., SyncBroker], folder: Path) -> None:
        self.make, self.folder = make, folder

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        counterpart = HomemadeCounterpart(self.make, self.folder)
        try:
            yield counterpart
        finally:
            await counterpart.broker.close()


CASES = sorted(name for name in dir(BrokerConformance) if name.startswith("test_"))
SKIPPED = {
    "test_a_second_submit_has_no_effect": "no deduplication",
    "test_a_late_fill_after_a_cancel": "hold_reports",
    "test_an_incomplete_snapshot_says_so": "incomplete_snapshot",
    "test_reports_that_are_repeated_or_out_of_order": "repeat nor reorder",
    "test_a_gtd_order_works_only_towards_a_time_to_come": "no gtd orders",
    "test_half_a_statement_says_so": "incomplete_snapshot",
    "test_a_clock_that_is_wrong": "clock_skew",
    "test_too_many_requests": "rate_limit",  # a class has no words for it
    "test_terms_off_the_steps": "no terms off its steps",
    "test_steps_that_change": "no instrument_changes",
    "test_the_end_of_a_day": "no day_rolls",
    **NO_REPLACES,
    **TRADES_ALONE,
    **NOT_OF_A_CHAIN,
    **NO_LEVELS,
    **NO_LOGIN,
    **TOLD_FOR_GOOD,
}


@pytest.mark.parametrize("case", CASES)
def test_a_class_of_ones_own(case: str, tmp_path: Path) -> None:
    run_or_skip(case, getattr(SyncSuite(SyncBroker, tmp_path), case), SKIPPED)


# --- planted bugs: the suite must notice each of them


class _Filter:
    def __init__(self, sink: Sink, change: Callable[[AnyReport], list[AnyReport]]) -> None:
        self.sink, self.change, self.quote = sink, change, sink.quote

    def report(self, report: AnyReport) -> None:
        for changed in self.change(report):
            self.sink.report(changed)


class _ChangesReports(SyncBroker):
    def change(self, report: AnyReport) -> list[AnyReport]:
        raise NotImplementedError

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        await super().connect(_Filter(sink, self.change), cursor)


class TellsTotals(_ChangesReports):
    total = Decimal(0)

    def change(self, report: AnyReport) -> list[AnyReport]:
        if not isinstance(report, Executed):
            return [report]
        self.total += report.quantity
        return [replace(report, quantity=self.total)]


class NumbersItsTellings(_ChangesReports):
    count = 0

    def change(self, report: AnyReport) -> list[AnyReport]:
        self.count += 1
        return [replace(report, exec_id=f"x{self.count}")] if isinstance(report, Executed) else [report]


class LosesEnds(_ChangesReports):
    def change(self, report: AnyReport) -> list[AnyReport]:
        return [] if isinstance(report, Ended) else [report]


class TakesSilenceForRejection(SyncBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        return replace(answer, outcome=Outcome.REJECTED) if answer.outcome is Outcome.UNKNOWN else answer


class Raises(SyncBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        if answer.outcome is Outcome.UNKNOWN:
            raise ConnectionError(answer.reason)
        return answer


class AnEmptyListIsAllThereIs(SyncBroker):
    async def open_orders(self) -> OpenOrders:
        return OpenOrders(as_of=self._clock.now(), complete=True)


class WhatHasNoNameIsAbsent(SyncBroker):
    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        lookup = await super().lookup(client_id, broker_order_id)
        return replace(lookup, presence=Presence.ABSENT) if lookup.presence is Presence.UNPROVEN else lookup


class MakesUpCancels(SyncBroker):
    async def cancel(self, withdraw: Withdraw) -> Answer:
        answer = await super().cancel(withdraw)
        if self._sink is not None:
            self._sink.report(Ended(broker="home", client_id=withdraw.order, end=End.CANCELED))
        return answer


class LooksOnlyOnce(SyncBroker):
    async def _poll(self) -> None:
        for known in list(self._open.values()):
            self._tell(known, await self._stand(known))


class ForgetsWhenRestarted(SyncBroker):
    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        return Lookup(presence=Presence.UNAVAILABLE)


class PretendsToList(SyncBroker):
    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, lists=True)


class TakesEverything(SyncBroker):
    def _wrong(self, send: Send) -> str | None:
        return None


BUGS = [
    (TellsTotals, "test_partial_fills_add_up"),
    (NumbersItsTellings, "test_a_lookup_finds_what_arrived"),
    (LosesEnds, "test_an_order_works_until_it_is_canceled"),
    (TakesSilenceForRejection, "test_an_unanswered_submit_is_unknown_and_found"),
    (Raises, "test_an_unanswered_submit_is_unknown_and_found"),
    (AnEmptyListIsAllThereIs, "test_an_order_works_until_it_is_canceled"),
    (WhatHasNoNameIsAbsent, "test_a_lookup_of_what_never_arrived"),
    (MakesUpCancels, "test_a_cancel_of_a_finished_order"),
    (LooksOnlyOnce, "test_partial_fills_add_up"),
    (ForgetsWhenRestarted, "test_a_new_process_finds_what_the_old_one_sent"),
    (PretendsToList, "test_an_order_works_until_it_is_canceled"),
    (TakesEverything, "test_what_the_venue_does_not_take_is_an_answer"),
]


@pytest.mark.parametrize(("bug", "case"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
def test_a_planted_bug_is_noticed(
    bug: type[SyncBroker], case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HomemadeCounterpart, "patience_s", 0.5)
    with pytest.raises(Exception):  # noqa: B017, PT011  (whatever the suite or the bug says)
        getattr(SyncSuite(bug, tmp_path), case)()
