"""The bus adapter passes the broker suite over a real NATS server, and adapters with planted bugs do not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from unittest import SkipTest

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.bus import BusBroker, BusSettings
from ordergate.adapters.brokers.bus.reading import Came
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.nats import Connection
from ordergate.adapters.nats.letters import DeadLetters
from ordergate.application.ports.brokers import (
    Answer,
    Deduplication,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.domain.orders.reports import AnyReport, End, Ended, Executed, Outcome
from ordergate.domain.orders.states import OrderType, TimeInForce
from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Counterpart, Fault
from tests.services.connector import Connector
from tests.services.nats import Nats, NoNats

ALL = BusSettings(
    deadline_ms=400,
    grace_ms=0,
    order_types=(OrderType.MARKET, OrderType.LIMIT),
    tifs=(TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD),
    deduplication=Deduplication.FOREVER,
    proves_absence=True,
    replaces=True,
    lists=True,
    statements=True,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    try:
        found = Nats(tmp_path_factory.mktemp("nats"))
    except NoNats as missing:
        pytest.skip(str(missing))
    yield found
    found.kill()


class BusCounterpart(Counterpart):
    symbol = "ACME"
    lot = Decimal(10)
    price = Decimal("50.00")
    tick = Decimal("0.01")
    faults = frozenset(Fault)

    def __init__(self, url: str, name: str, make: Callable[..., BusBroker], settings: BusSettings) -> None:
        self.url, self.name, self.make, self.settings = url, name, make, settings
        self.connector = Connector(name)
        self.broker: BusBroker = self.another()

    def another(self) -> BusBroker:
        connection = Connection((self.url,), buffers=False)
        letters = DeadLetters(connection, self.name)
        return self.make(self.name, self.settings, connection, letters, SystemClock())

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        await self.connector.set_market(bid, ask, size)

    async def settle(self) -> None:
        await self.connector.let_go()
        info = await self.connector.client.jetstream().stream_info(f"ORDERGATE_BROKER_{self.name}")
        async with asyncio.timeout(10):
            while self.broker._sink is not None and self.broker.reports.sequence < info.state.last_seq:
                await asyncio.sleep(0.001)

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = self.another()

    def inject(self, *faults: Fault) -> None:
        c = self.connector
        c.silent = {"submit", "cancel", "replace"} if Fault.DROP_ANSWERS in faults else set()
        c.twice = Fault.DUPLICATE_REPORTS in faults
        c.reorder = Fault.REORDER_REPORTS in faults
        c.hold = Fault.HOLD_REPORTS in faults
        c.half = Fault.INCOMPLETE_SNAPSHOT in faults


class BusSuite(BrokerConformance):
    def __init__(
        self, url: str, make: Callable[..., BusBroker] = BusBroker, settings: BusSettings = ALL
    ) -> None:
        self.url, self.make, self.settings = url, make, settings
        self.count = 0

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        BusSuite.number = getattr(BusSuite, "number", 0) + 1
        counterpart = BusCounterpart(self.url, f"b{BusSuite.number}", self.make, self.settings)
        await counterpart.connector.start(self.url)
        try:
            yield counterpart
        finally:
            await counterpart.broker.close()
            await counterpart.connector.close()


CASES = sorted(name for name in dir(BrokerConformance) if name.startswith("test_"))


@pytest.mark.parametrize("case", CASES)
def test_a_broker_behind_nats(case: str, server: Nats) -> None:
    getattr(BusSuite(server.url), case)()


LESS = replace(
    ALL,
    grace_ms=5_000,
    deduplication=Deduplication.NONE,
    proves_absence=False,
    replaces=False,
    lists=False,
    statements=False,
)
SKIPPED = {
    "test_a_replace",
    "test_a_second_submit_has_no_effect",
    "test_a_statement_outlives_the_session",
    "test_a_statement_says_what_was_traded",
    "test_half_a_statement_says_so",
    "test_no_statement_without_a_session",
    # Without a list the suite looks for a lost order by a name that it does not have; this one knows client ids.
    "test_an_unanswered_submit_is_unknown_and_found",
    "test_an_incomplete_snapshot_says_so",
}


@pytest.mark.parametrize("case", [case for case in CASES if case not in SKIPPED])
def test_a_connector_that_can_less(case: str, server: Nats) -> None:
    getattr(BusSuite(server.url, settings=LESS), case)()


# --- planted bugs: the suite must notice each of them


class _Filter:
    def __init__(self, sink: Sink, change: Callable[[AnyReport], list[AnyReport]]) -> None:
        self.sink, self.change, self.quote = sink, change, sink.quote

    def report(self, report: AnyReport) -> None:
        for changed in self.change(report):
            self.sink.report(changed)


class _ChangesReports(BusBroker):
    def change(self, report: AnyReport) -> list[AnyReport]:
        raise NotImplementedError

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        await super().connect(_Filter(sink, self.change), cursor)  # type: ignore[arg-type]


class LosesFillsAfterTheEnd(_ChangesReports):
    ended = False

    def change(self, report: AnyReport) -> list[AnyReport]:
        self.ended = self.ended or isinstance(report, Ended)
        return [] if self.ended and isinstance(report, Executed) else [report]


class NumbersItsTellings(_ChangesReports):
    count = 0

    def change(self, report: AnyReport) -> list[AnyReport]:
        self.count += 1
        return [replace(report, exec_id=f"x{self.count}")] if isinstance(report, Executed) else [report]


class CursorRunsAhead(BusBroker):
    async def _take(self, came: Came) -> None:
        info = await (await self._connection.stream()).stream_info(f"ORDERGATE_BROKER_{self._name}")
        last = await (await self._connection.stream()).get_msg(info.config.name, info.state.last_seq)
        from ordergate.adapters.brokers.bus.following import cursor_of

        await super()._take(replace(came, cursor=cursor_of(info.state.last_seq, last.time)))


class TakesSilenceForRejection(BusBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        return replace(answer, outcome=Outcome.REJECTED) if answer.outcome is Outcome.UNKNOWN else answer


class RetriesUnderANewId(BusBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        if answer.outcome is Outcome.UNKNOWN:
            await super().submit(replace(send, client_id=f"{send.client_id}-again"))
        return answer


class TakesFailureForAbsence(BusBroker):
    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        lookup = await super().lookup(client_id)
        failed = lookup.presence is Presence.UNAVAILABLE
        return Lookup(presence=Presence.ABSENT) if failed else lookup


class HalfASnapshotAsAWholeOne(BusBroker):
    async def open_orders(self) -> OpenOrders:
        return replace(await super().open_orders(), complete=True)


class MakesUpCancels(BusBroker):
    async def cancel(self, withdraw: Withdraw) -> Answer:
        answer = await super().cancel(withdraw)
        if self._sink is not None:
            self._sink.report(Ended(broker=self.name, client_id=withdraw.order, end=End.CANCELED))
        return answer


class TakesEverything(BusBroker):
    def _wrong(self, send: Send) -> str | None:
        return None


BUGS = [
    (LosesFillsAfterTheEnd, "test_a_late_fill_after_a_cancel"),
    (NumbersItsTellings, "test_a_lookup_finds_what_arrived"),
    (CursorRunsAhead, "test_a_session_resumes_from_any_cursor"),
    (TakesSilenceForRejection, "test_an_unanswered_submit_is_unknown_and_found"),
    (RetriesUnderANewId, "test_an_unanswered_submit_is_unknown_and_found"),
    (TakesFailureForAbsence, "test_nothing_is_claimed_without_a_session"),
    (HalfASnapshotAsAWholeOne, "test_an_incomplete_snapshot_says_so"),
    (MakesUpCancels, "test_a_cancel_of_a_finished_order"),
    (TakesEverything, "test_what_the_venue_does_not_take_is_an_answer"),
]


@pytest.mark.parametrize(("bug", "case"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
def test_a_planted_bug_is_noticed(bug: type[BusBroker], case: str, server: Nats, tmp_path: Path) -> None:
    try:
        getattr(BusSuite(server.url, bug), case)()
    except SkipTest:
        pytest.fail(f"{case} was skipped")
    except Exception:
        return
    pytest.fail(f"{case} did not notice")
