"""The bus adapter passes the broker suite over a real NATS server, and adapters with planted bugs do not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from unittest import SkipTest

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.bus import BusBroker, BusSettings
from ordergate.adapters.brokers.bus.following import cursor_of
from ordergate.adapters.brokers.bus.reading import Came
from ordergate.adapters.brokers.bus.settings import Way
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.nats import Connection
from ordergate.adapters.nats.connection import _let_go
from ordergate.adapters.nats.letters import DeadLetters
from ordergate.application.ports.brokers import (
    Answer,
    Deduplication,
    Health,
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
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault, Recorder
from ordergate.testing.conformance.talk import Talk
from tests.conformance.skips import (
    NO_LOGIN,
    NO_REPLACES,
    NOT_OF_A_CHAIN,
    TRADES_ALONE,
    run_or_skip,
)
from tests.services.connector import Connector
from tests.services.nats import Nats, NoNats

ALL = BusSettings(
    deadline_ms=800,
    grace_ms=60_000,
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
    faults = frozenset(Fault) - {
        Fault.CUT_ANSWERS,
        Fault.RATE_LIMIT,
        Fault.REFUSE_LOGIN,
    }  # a message is whole, and there is no such answer
    abilities = frozenset(Ability) - {Ability.REORGANISATIONS}
    off_steps = {  # noqa: RUF012
        "a price off the tick": {"limit_price": Decimal("49.505")},
        "a quantity off the step": {"quantity": Decimal("10.5")},
    }

    def __init__(self, url: str, name: str, make: Callable[..., BusBroker], settings: BusSettings) -> None:
        self.url, self.name, self.make, self.settings = url, name, make, settings
        self.connector = Connector(name)
        self.connector.tick, self.connector.step = self.tick, self.lot / 10
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
        async with asyncio.timeout(30):
            while self.broker._sink is not None and self.broker.reports.sequence < info.state.last_seq:
                await asyncio.sleep(0.001)

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = self.another()

    def inject(self, *faults: Fault) -> None:
        c = self.connector
        changes, queries = {"submit", "cancel", "replace"}, {"lookup", "open", "statement"}
        c.silent = (
            changes if Fault.DROP_ANSWERS in faults else queries if Fault.FAIL_QUERIES in faults else set()
        )
        c.twice = Fault.DUPLICATE_REPORTS in faults
        c.reorder = Fault.REORDER_REPORTS in faults
        c.hold = Fault.HOLD_REPORTS in faults
        c.half = Fault.INCOMPLETE_SNAPSHOT in faults
        c.refuses = "no margin" if Fault.REFUSE_ORDERS in faults else None
        c.ahead = timedelta(hours=1 if Fault.CLOCK_SKEW in faults else 0)
        c.before_answer = self.too_late if Fault.SLOW_ANSWERS in faults else None
        c.spoil = next((SPOILT[fault] for fault in faults if fault in SPOILT), None)
        client = self.broker._connection._client
        if Fault.BREAK_STREAM in faults and client is not None:
            _let_go(client)

    async def too_late(self, verb: str) -> None:
        if verb in ("submit", "cancel", "replace"):
            await asyncio.sleep(self.settings.deadline_ms / 1000 + 0.1)

    async def place_foreign(self) -> Callable[[], Awaitable[bool]]:
        body = {
            "client_id": "theirs",
            "symbol": self.symbol,
            "order_type": "buy",
            "kind": "limit",
            "volume": "10",
        }
        body |= {"limit_price": "1.00", "tif": "gtc", "valid_until": "2199-01-01T00:00:00Z"}
        await self.connector.submit(body)

        async def works() -> bool:
            return bool(self.connector.known["theirs"].leaves)

        return works

    async def bust(self, exec_id: str) -> None:
        await self.connector.say_otherwise(exec_id, Decimal(0), Decimal(0))

    async def correct(self, exec_id: str, quantity: Decimal, price: Decimal) -> None:
        await self.connector.say_otherwise(exec_id, quantity, price)

    async def change_steps(self) -> Decimal:
        self.connector.tick = Decimal("0.25")
        return self.connector.tick

    async def roll_day(self) -> None:
        await self.connector.end_day()


SPOILT: dict[Fault, Callable[[bytes], bytes]] = {
    Fault.GARBLED_ANSWERS: lambda raw: raw[:-3],
    Fault.SERVER_ERRORS: lambda _raw: b'{"error": "internal"}',
    Fault.CLIENT_ERRORS: lambda _raw: b'{"outcome": "not_sent", "reason": "bad request"}',
}


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


SKIPPED = {
    "test_an_answer_that_is_cut_off": "cut_answers",  # a message comes whole or not at all
    "test_too_many_requests": "rate_limit",  # a connector has no words for it
    **TRADES_ALONE,
    **NOT_OF_A_CHAIN,
    **NO_LOGIN,
}


@pytest.mark.parametrize("case", CASES)
def test_a_broker_behind_nats(case: str, server: Nats) -> None:
    run_or_skip(case, getattr(BusSuite(server.url), case), SKIPPED)


LESS = replace(
    ALL,
    grace_ms=5_000,
    deduplication=Deduplication.NONE,
    proves_absence=False,
    replaces=False,
    lists=False,
    statements=False,
)
SKIPPED_FOR_LESS = {
    **SKIPPED,
    **NO_REPLACES,
    "test_a_second_submit_has_no_effect": "no deduplication",
    "test_a_large_statement": "nothing of the account",
    "test_a_statement_outlives_the_session": "nothing of the account",
    "test_a_statement_says_what_was_traded": "nothing of the account",
    "test_half_a_statement_says_so": "nothing of the account",
    "test_no_statement_without_a_session": "nothing of the account",
    "test_an_incomplete_snapshot_says_so": "no list of open orders",
}


@pytest.mark.parametrize("case", CASES)
def test_a_connector_that_can_less(case: str, server: Nats) -> None:
    run_or_skip(case, getattr(BusSuite(server.url, settings=LESS), case), SKIPPED_FOR_LESS)


def asked(server: Nats, settings: BusSettings, **said: object) -> Health:
    """What `check` says of a connector, to a process that has no session."""

    async def main() -> Health:
        async with BusSuite(server.url, settings=settings).venue() as venue:
            assert isinstance(venue, BusCounterpart)
            venue.connector.can |= said
            await venue.broker.connect(Recorder(), None)
            await venue.broker.submit(Talk(venue).order("rest.1", ticks=-50))
            another = venue.another()
            try:
                if said.get("away"):
                    await venue.connector.close()
                return await another.check()
            finally:
                await another.close()
                assert venue.broker._sink is not None  # its session goes on

    return asyncio.run(main())


def test_a_connector_says_how_it_is(server: Nats) -> None:
    assert asked(server, ALL) == Health(reached=True, open_orders=1)
    assert asked(server, LESS) == Health(reached=True)
    less = asked(server, ALL, replaces=False)
    assert less.problems == ("the connector does not say that it can: replaces: configure what it says",)
    away = asked(server, replace(ALL, deadline_ms=200), away=True)
    assert (away.reached, away.problems[0][:22]) == (False, "the connector is away:")
    published = asked(server, BusSettings(sends=Way.PUBLISH))
    assert (published.reached, published.problems) == (False, ())


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
        stream, name = await self._connection.stream(), f"ORDERGATE_BROKER_{self._name}"
        with suppress(TimeoutError):  # the last one of all
            async with asyncio.timeout(0.2):
                while (await stream.stream_info(name)).state.last_seq <= self.reports.sequence + 1:
                    await asyncio.sleep(0.001)
        last = await stream.get_last_msg(name, ">")
        await super()._take(replace(came, cursor=cursor_of(last.seq, last.time)))


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
