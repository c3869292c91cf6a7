"""The MetaTrader 5 adapter passes the broker suite, and adapters with planted bugs do not.

Netting and hedging on the simulated terminal in simulated time; through an agent, its worker and real connections in
real time.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from unittest import SkipTest

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.mt5 import Mt5Broker, sending
from ordergate.adapters.brokers.mt5.commands import Commands
from ordergate.adapters.brokers.mt5.finding import Finder
from ordergate.adapters.brokers.mt5.link import Link
from ordergate.adapters.brokers.mt5.looking import Looking
from ordergate.adapters.brokers.mt5.sending import Sender
from ordergate.adapters.brokers.mt5.telling import Telling
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Answer, Lookup, OpenOrders, Presence, Send
from ordergate.domain.orders.reports import Executed, Outcome
from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Counterpart
from tests.conformance.skips import NOT_OF_A_CHAIN, OF_A_TERMINAL, TOLD_FOR_GOOD, TRADES_ALONE, run_or_skip
from tests.services.mt5 import HEDGING, NETTING, counterpart
from tests.services.mt5_through_agent import counterpart_through_agent

CASES = sorted(name for name in dir(BrokerConformance) if name.startswith("test_"))
SKIPS = {**TRADES_ALONE, **NOT_OF_A_CHAIN, **TOLD_FOR_GOOD, **OF_A_TERMINAL}


class Simulated(BrokerConformance):
    """In simulated time."""

    __test__ = False
    mode = NETTING
    kind: type[Mt5Broker] = Mt5Broker

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        run_virtual(main)

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        async with counterpart(self.mode, self.kind) as found:
            yield found


class Netting(Simulated):
    pass


class Hedging(Simulated):
    mode = HEDGING


class ThroughAgent(BrokerConformance):
    __test__ = False
    seeds = (1,)

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        async with counterpart_through_agent() as found:
            yield found


@pytest.mark.parametrize("account", [Netting, Hedging])
@pytest.mark.parametrize("case", CASES)
def test_in_simulated_time(case: str, account: type[Simulated]) -> None:
    run_or_skip(case, getattr(account(), case), SKIPS)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_through_an_agent(case: str) -> None:
    run_or_skip(case, getattr(ThroughAgent(), case), SKIPS)


@pytest.mark.parametrize(
    "case",
    [
        "test_partial_fills_add_up",
        "test_an_unanswered_submit_is_unknown_and_found",
        "test_a_new_process_finds_what_the_old_one_sent",
        "test_a_login_that_is_refused",
    ],
)
def test_a_few_through_an_agent(case: str) -> None:
    run_or_skip(case, getattr(ThroughAgent(), case), SKIPS)


# --- planted bugs


def unknown_is_rejected(patch: pytest.MonkeyPatch) -> None:
    submit = Mt5Broker.submit

    async def wrong(self: Mt5Broker, send: Send) -> Answer:
        answer = await submit(self, send)
        return replace(answer, outcome=Outcome.REJECTED) if answer.outcome is Outcome.UNKNOWN else answer

    patch.setattr(Mt5Broker, "submit", wrong)


def not_seen_is_absent(patch: pytest.MonkeyPatch) -> None:
    lookup = Mt5Broker.lookup

    async def wrong(self: Mt5Broker, client_id: str, broker_order_id: str | None = None) -> Lookup:
        found = await lookup(self, client_id, broker_order_id)
        return Lookup(presence=Presence.ABSENT) if found.presence is Presence.UNAVAILABLE else found

    patch.setattr(Mt5Broker, "lookup", wrong)


def failures_are_empty_lists(patch: pytest.MonkeyPatch) -> None:
    snapshot = Mt5Broker.open_orders

    async def wrong(self: Mt5Broker) -> OpenOrders:
        return replace(await snapshot(self), complete=True)

    patch.setattr(Mt5Broker, "open_orders", wrong)


def sends_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sender, "_known", lambda self, client_id: None)


def journal_is_not_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Commands,
        "take",
        lambda self, records, at: setattr(self, "position", max(r.position for r in records)),
    )
    patch.setattr(Commands, "owner", lambda self, magic, comment: self._magics.get(magic))


def lists_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: Link) -> Any:
        return await self.rows("orders_get")

    patch.setattr(Link, "working", wrong)


def others_are_ours(patch: pytest.MonkeyPatch) -> None:
    owner = Commands.owner
    patch.setattr(Commands, "owner", lambda self, magic, comment: owner(self, magic, comment) or "mine.1")


def quantities_are_rounded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        sending, "volume_in", lambda send, symbol, instrument: round(send.quantity, 2) or Decimal("0.01")
    )


def deals_are_told_once_for_all(patch: pytest.MonkeyPatch) -> None:
    """A cursor that is read from where it stands, without an overlap, in whole minutes to come."""
    since = Looking._since_s
    patch.setattr(Looking, "_since_s", lambda self: since(self) + 3_600 + 60)


def ends_are_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Telling, "stand", lambda self, kept: None)


def absent_without_a_seal(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: Finder, client_id: str, broker_order_id: str | None) -> Lookup:
        return Lookup(presence=Presence.ABSENT)

    patch.setattr(Finder, "lookup", wrong)


def closings_are_nobodys(patch: pytest.MonkeyPatch) -> None:
    was = Telling.closed
    patch.setattr(Telling, "closed", lambda self, row, said: was(self, row, None))


def closings_are_told_as_the_entrys_own(patch: pytest.MonkeyPatch) -> None:
    was = Telling.closed

    def wrong(self: Telling, row: Any, said: Executed | None) -> None:
        was(self, row, None if said is None else replace(said, client_id=said.closes, closes=None))

    patch.setattr(Telling, "closed", wrong)


def closings_close_whatever_came_first(patch: pytest.MonkeyPatch) -> None:
    was, first = Telling.closed, list[str | None]()

    def wrong(self: Telling, row: Any, said: Executed | None) -> None:
        if said is not None:
            first.append(said.closes)
        was(self, row, None if said is None else replace(said, closes=first[0]))

    patch.setattr(Telling, "closed", wrong)


def closings_never_end(patch: pytest.MonkeyPatch) -> None:
    was = Telling.closed

    def wrong(self: Telling, row: Any, said: Executed | None) -> None:
        was(self, row, None if said is None else replace(said, completes=False))

    patch.setattr(Telling, "closed", wrong)


def closings_are_numbered_by_session(patch: pytest.MonkeyPatch) -> None:
    was, count = Telling.closed, itertools.count()

    def wrong(self: Telling, row: Any, said: Executed | None) -> None:
        was(self, row, None if said is None else replace(said, exec_id=f"c{next(count)}"))

    patch.setattr(Telling, "closed", wrong)


BUGS: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    unknown_is_rejected: "test_an_answer_that_is_cut_off",
    not_seen_is_absent: "test_a_query_that_fails",
    failures_are_empty_lists: "test_a_query_that_fails",
    sends_again: "test_a_second_submit_has_no_effect",
    journal_is_not_read: "test_a_new_process_finds_what_the_old_one_sent",
    lists_are_not_counted: "test_an_incomplete_snapshot_says_so",
    others_are_ours: "test_an_order_of_somebody_else",
    quantities_are_rounded: "test_terms_off_the_steps",
    deals_are_told_once_for_all: "test_a_session_resumes_from_any_cursor",
    ends_are_not_told: "test_an_order_works_until_it_is_canceled",
    absent_without_a_seal: "test_a_lookup_finds_what_arrived",
    closings_are_nobodys: "test_what_the_venue_closes_at_a_stop_loss",
    closings_are_told_as_the_entrys_own: "test_what_the_venue_closes_at_a_stop_loss",
    closings_close_whatever_came_first: "test_what_the_venue_closes_at_a_take_profit",
    closings_never_end: "test_what_the_venue_closes_at_a_stop_loss",
    closings_are_numbered_by_session: "test_what_the_venue_closes_while_nobody_listens",
}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(
    bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = BUGS[bug]
    getattr(Netting(), case)()
    bug(monkeypatch)
    monkeypatch.setattr("tests.services.mt5.PATIENCE_S", 2.0)
    try:
        getattr(Netting(), case)()
    except AssertionError:
        return
    except SkipTest as why:
        pytest.fail(f"{case} was skipped: {why}")
    pytest.fail(f"{case} found nothing")
