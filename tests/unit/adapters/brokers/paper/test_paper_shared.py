"""A venue in PostgreSQL: who has it, what a node that lost it can still do, and what a batch costs."""

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from paperkit import START, Bench, Sink, hold_writes
from tests.services.postgres import name_of

from ordergate.adapters.brokers.paper import PaperBroker, PaperSettings
from ordergate.adapters.brokers.paper.postgres.store import PostgresStore
from ordergate.adapters.brokers.paper.rows import Batch
from ordergate.adapters.brokers.paper.session import Session
from ordergate.application.ports.brokers import Answer, Presence
from ordergate.domain.errors import StoreBusy, StoreError
from ordergate.domain.instruments import built_in
from ordergate.domain.orders.reports import Executed

BUY = ["buy", "10", "limit", "10.02"]


async def two(shared: Any) -> tuple[Bench, Bench]:
    """Two nodes; the first has the venue and its market."""
    older = await Bench(path=shared.place).open()
    await older.do("quote 10.00/10.02")
    return older, Bench(path=shared.place)


async def buy(bench: Bench, client_id: str) -> Answer:
    return await bench.broker.submit(bench.a_send(client_id, client_id.partition(".")[0], BUY))


@asynccontextmanager
async def raw(shared: Any) -> Any:
    connection = await asyncpg.connect(shared.place, server_settings={"search_path": "paper_paper"})
    try:
        yield connection
    finally:
        connection.terminate()


def test_a_node_that_lost_the_venue_gets_nothing_through(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[PostgresStore] = []
    resume = PostgresStore.resume
    monkeypatch.setattr(PostgresStore, "resume", lambda store: (resumed.append(store), resume(store))[1])

    async def main() -> None:
        older, newer = await two(shared)
        assert (await buy(older, "A.1")).outcome == "accepted"
        await newer.open()
        first, second = await buy(older, "B.1"), await buy(older, "C.1")
        assert first.outcome == "unknown"
        assert (second.outcome, second.reason) == (
            "not_sent",
            "another node has opened the paper venue 'paper'",
        )
        assert (await older.broker.lookup("B.1")).presence is Presence.UNAVAILABLE
        assert not (await older.broker.open_orders()).complete
        assert (await newer.broker.lookup("A.1")).presence is Presence.FOUND
        assert (await newer.broker.lookup("B.1")).presence is Presence.ABSENT
        assert (await buy(newer, "B.1")).outcome == "accepted", (
            "and the older one did not take the venue back"
        )
        assert not resumed, "nor tried to"

    shared.run(main())


@pytest.mark.parametrize("question", ["lookup", "open_orders"])
def test_a_node_that_lost_the_venue_does_not_claim_to_know(shared: Any, question: str) -> None:
    async def main() -> None:
        older, newer = await two(shared)
        await newer.open()
        await newer.do("A: buy 10 limit 9.00")
        if question == "lookup":
            assert (await older.broker.lookup("A.1")).presence is Presence.UNAVAILABLE
        else:
            assert not (await older.broker.open_orders()).complete

    shared.run(main())


def test_a_write_that_was_paused_before_it_left_does_nothing_when_it_wakes(shared: Any) -> None:
    async def main() -> None:
        older, newer = await two(shared)
        reached, go_on = hold_writes(older)
        submit = asyncio.create_task(buy(older, "A.1"))
        await reached.wait()
        await newer.open()
        go_on.set()
        assert (await submit).outcome == "unknown"
        assert older.news() == []
        assert shared.rows("SELECT client_id FROM requests") == []
        await newer.do("quote 10.00/10.02")
        assert (await buy(newer, "A.1")).outcome == "accepted"
        assert (await buy(older, "A.1")).outcome == "not_sent"
        assert shared.rows("SELECT client_id, fills FROM orders") == [("A.1", "1")]

    shared.run(main())


def test_a_fenced_write_leaves_no_quote_and_takes_none(shared: Any) -> None:
    async def main() -> None:
        older, newer = await two(shared)
        async with raw(shared) as connection:
            await connection.execute(
                "INSERT INTO handed (symbol, time, bid, ask) VALUES ('AAPL', now(), 1, 2)"
            )
        reached, go_on = hold_writes(older)
        board = older.broker._board
        assert board is not None
        await board.looked()
        await reached.wait()
        store = PostgresStore("paper", shared.place)
        await store.open()
        go_on.set()
        while older.broker._session is None or older.broker._session.ended is None:
            await asyncio.sleep(0.01)
        store.close()
        assert shared.rows("SELECT symbol FROM handed") == [("AAPL",)]
        assert shared.rows("SELECT symbol FROM quotes WHERE pinned") == []
        await newer.open()
        assert [quote.symbol for quote in newer.sink.quotes] == ["AAPL"]
        await newer.do("quote 10.00/10.02")  # behind it, so that it is on disk
        assert shared.rows("SELECT symbol FROM quotes WHERE pinned") == [("AAPL",)]
        assert shared.rows("SELECT symbol FROM handed") == []

    shared.run(main())


@pytest.mark.parametrize("paused", [False, True], ids=["goes on", "is gone"])
def test_an_opening_waits_for_the_transaction_under_way(shared: Any, paused: bool) -> None:
    """Whatever became of it, the newer node sees it as it is, and nothing is executed twice."""

    async def main() -> None:
        older, newer = await two(shared)
        async with raw(shared) as connection:
            await connection.execute(
                "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;"
                " CREATE TRIGGER slowly BEFORE INSERT ON requests FOR EACH ROW EXECUTE FUNCTION slowly();"
                " SELECT pg_advisory_lock(1)"
            )
            submit = asyncio.create_task(buy(older, "A.1"))
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
            if paused:
                older.broker._store.close()
            opening = asyncio.create_task(newer.open())
            await asyncio.sleep(0.3)
            assert not opening.done(), "it does not look before that transaction has ended"
            await connection.execute("SELECT pg_advisory_unlock(1)")
            await opening
        answer = await submit
        assert answer.outcome == ("unknown" if paused else "accepted")
        await newer.do("quote 10.00/10.02")
        assert (await buy(newer, "A.1")).outcome == "duplicate"
        executions = [report for report in newer.sink.reports if isinstance(report, Executed)]
        assert [report.client_id for report in executions] == ["A.1"], "told again, once"
        assert shared.rows("SELECT order_number, number FROM executions") == [("1", "1")]

    shared.run(main())


@pytest.mark.slow
def test_who_holds_the_row_and_does_not_go_on_is_ended(shared: Any) -> None:
    async def main() -> None:
        older, newer = await two(shared)
        async with raw(shared) as connection:
            await connection.execute("BEGIN")
            await connection.execute("SELECT FROM meta FOR SHARE")
            async with asyncio.timeout(30):
                await newer.open()
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await connection.execute("COMMIT")
        assert (await buy(newer, "A.1")).outcome == "accepted"
        assert (await buy(older, "B.1")).outcome == "unknown"

    shared.run(main())


async def cut(shared: Any, bench: Bench) -> None:
    """Ends the connection of a node's session."""
    store = bench.broker._store
    assert isinstance(store, PostgresStore)
    async with raw(shared) as connection:
        assert await connection.fetchval(
            "SELECT pg_terminate_backend($1, 5000)", store._connection.get_server_pid()
        )


def test_a_session_that_broke_off_begins_anew(shared: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await bench.do("quote 10.00/10.02")
        await cut(shared, bench)
        assert (await buy(bench, "A.1")).outcome == "unknown"
        assert (await bench.broker.lookup("A.1")).presence is Presence.ABSENT
        assert (await buy(bench, "A.1")).outcome == "accepted"
        assert bench.news() == ["A 10 @ 10.02 done"], "the market of the stream is still there"

    shared.run(main())


def test_a_session_that_broke_off_does_not_take_the_venue_back(shared: Any) -> None:
    async def main() -> None:
        older, newer = await two(shared)
        await cut(shared, older)
        assert (await buy(older, "A.1")).outcome == "unknown"
        await newer.open()
        for _ in range(2):
            assert (await buy(older, "A.1")).outcome == "not_sent"
            assert (await older.broker.lookup("A.1")).presence is Presence.UNAVAILABLE
        assert (await buy(newer, "A.1")).outcome == "accepted"
        await older.open("0")
        assert (await buy(older, "A.1")).outcome == "duplicate", "told to, it does"
        assert (await buy(newer, "B.1")).outcome == "unknown"

    shared.run(main())


def test_one_session_goes_on_where_two_are_begun_at_once(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken one begins anew while its owner connects: both would write in the same epoch."""
    made: list[Session] = []
    construct = Session.__init__
    monkeypatch.setattr(
        Session, "__init__", lambda self, *values: (construct(self, *values), made.append(self))[0]
    )

    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await cut(shared, bench)
        assert (await buy(bench, "A.1")).outcome == "unknown"
        asked = [asyncio.create_task(buy(bench, "A.1")), asyncio.create_task(bench.broker.lookup("A.1"))]
        await asyncio.sleep(0)
        await asyncio.gather(bench.open("0"), bench.open("0"), *asked)
        assert [session.ended for session in made].count(None) == 1
        assert made[-1].ended is None
        assert (await buy(bench, "B.1")).outcome == "accepted"

    shared.run(main())


def test_an_opening_whose_answer_was_lost_is_its_own(shared: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await cut(shared, bench)
        async with raw(shared) as connection:
            await connection.execute("UPDATE meta SET epoch = epoch + 1")  # the holder is the same
        assert (await buy(bench, "A.1")).outcome == "unknown"
        assert (await buy(bench, "A.1")).outcome == "accepted"

    shared.run(main())


def test_a_hundred_requests_at_once_cost_two_statements(shared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = PostgresStore._ask

    async def count(self: PostgresStore, failing: str, sql: str, *values: Any) -> Any:
        asked.append("write" if sql is self._writing else "read")
        return await ask(self, failing, sql, *values)

    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await bench.do("quote 10.00/10.02")
        monkeypatch.setattr(PostgresStore, "_ask", count)
        answers = await asyncio.gather(*(buy(bench, f"O{n}.1") for n in range(100)))
        assert {answer.outcome for answer in answers} == {"accepted"}
        assert asked == ["read", "write"]
        asked.clear()
        repeated = await asyncio.gather(*(buy(bench, f"O{n}.1") for n in range(100)))
        assert {answer.outcome for answer in repeated} == {"duplicate"}
        assert asked == ["read"], "there is nothing to write"

    shared.run(main())


def test_what_comes_while_a_transaction_is_written_waits_and_takes_the_next(shared: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await bench.do("quote 10.00/10.02")
        reached, go_on = hold_writes(bench)
        first = asyncio.create_task(buy(bench, "A.1"))
        await reached.wait()
        cancel = asyncio.create_task(bench._carry_out("A: cancel"))
        again = asyncio.create_task(buy(bench, "A.1"))
        other = asyncio.create_task(buy(bench, "B.1"))
        bench.broker.set_quote(bench.a_quote("quote 9.00/9.01"))
        await asyncio.sleep(0.05)
        assert bench.news() == [], "nothing is told before it is on disk"
        assert not any(task.done() for task in (first, cancel, again, other))
        go_on.set()
        outcomes = [answer.outcome for answer in await asyncio.gather(first, cancel, again, other) if answer]
        assert outcomes == ["accepted", "rejected", "duplicate", "accepted"]
        assert bench.news() == ["A 10 @ 10.02 done", "B 10 @ 9.01 done"]

    shared.run(main())


def test_a_batch_is_what_it_was_when_it_was_handed_over(shared: Any) -> None:
    """An order changes in memory while its row is on its way; the change belongs to the next batch."""

    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await bench.do("A: buy 10 limit 9.00")
        assert bench.broker._session is not None
        order = bench.broker._session.venue.register.working[1]
        order.reason = "then"
        under_way = bench.broker._store.write(Batch(orders={1: order}))
        assert under_way is not None
        order.reason = "later"
        await under_way
        assert shared.rows("SELECT reason FROM orders") == [("then",)]

    shared.run(main())


def test_what_ended_before_the_opening_is_told(shared: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await bench.do("A: buy 10 limit 9.00 day")
        later = Bench(path=shared.place, start=START + timedelta(days=1))
        await later.open("1")
        assert later.news() == ["A expired"]
        assert shared.rows("SELECT kind FROM reports ORDER BY sequence") == [("Acknowledged",), ("Ended",)]

    shared.run(main())


def test_orders_end_in_time(shared: Any) -> None:
    async def main() -> None:
        end = datetime(2026, 1, 14, 21, tzinfo=UTC)  # 16:00 in New York
        bench = await Bench(path=shared.place, start=end - timedelta(seconds=1.5)).open()
        assert await bench.do("A: buy 10 limit 9.00 day") == ["A rests"]
        async with asyncio.timeout(30):
            while not (news := bench.news()):
                await asyncio.sleep(0.01)
        assert news == ["A expired"]

    shared.run(main())


def test_a_request_takes_its_time_to_the_venue(shared: Any) -> None:
    async def main() -> None:
        bench = await Bench(PaperSettings(latency_ms=500), path=shared.place).open()
        submit = asyncio.create_task(bench.do("A: buy 10 limit 10.02"))
        await asyncio.sleep(0.05)
        bench.broker.set_quote(bench.a_quote("quote 10.00/10.02"))
        await asyncio.sleep(0)
        assert shared.rows("SELECT * FROM requests") == []
        assert await submit == ["A 10 @ 10.02 done"]

    shared.run(main())


def test_a_step_of_the_store_keeps_nobody_busy(shared: Any) -> None:
    """A request that is due while the store is busy is looked at when that is free, not again and again."""

    async def main() -> None:
        bench = await Bench(PaperSettings(latency_ms=10), path=shared.place).open()
        reached, go_on = hold_writes(bench)
        first = asyncio.create_task(buy(bench, "A.1"))
        await reached.wait()
        second = asyncio.create_task(buy(bench, "B.1"))
        began = time.process_time()
        await asyncio.sleep(1)
        assert time.process_time() - began < 0.7  # one who looks again and again needs all of it
        go_on.set()
        assert [answer.outcome for answer in await asyncio.gather(first, second)] == ["accepted"] * 2

    shared.run(main())


def test_closing_finishes_what_is_being_written(shared: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        submits = [asyncio.create_task(buy(bench, f"O{n}.1")) for n in range(3)]
        await asyncio.sleep(0)
        await bench.broker.close()
        answers = await asyncio.gather(*submits)
        assert {answer.outcome for answer in answers} == {"accepted"}
        assert len(shared.rows("SELECT client_id FROM requests")) == 3

    shared.run(main())


def test_numbers_and_times_are_kept_as_such(shared: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await bench.do("A: buy 100000000000000000 limit 10.02")
        await bench.reopen("0")
        assert bench.news() == ["A rests"]
        assert await bench.do("quote 10.00/10.01 0x99999999999999990") == ["A 99999999999999990 @ 10.01"]

    shared.run(main())
    kinds = dict(
        shared.rows(
            "SELECT DISTINCT table_name || '.' || column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'paper_paper'"
        )
    )
    assert kinds["orders.limit_price"] == kinds["executions.fee"] == "numeric"
    assert kinds["orders.entered"] == kinds["quotes.time"] == "timestamp with time zone"
    assert kinds["reports.sequence"] == "bigint"
    assert shared.rows("SELECT quantity, limit_price FROM orders") == [("100000000000000000", "10.02")]


def test_a_commit_on_a_server_waits_for_the_disk(shared: Any) -> None:
    """Whatever the role or the database are set to for others."""

    async def main() -> None:
        name = name_of(shared.place)
        shared.rows(f"ALTER DATABASE {name} SET synchronous_commit = off")
        shared.rows(f"ALTER DATABASE {name} SET default_transaction_isolation = serializable")
        try:
            bench = await Bench(path=shared.place).open()
            store = bench.broker._store
            assert isinstance(store, PostgresStore)
            assert await store._connection.fetchval("SHOW synchronous_commit") == "on"
            assert await store._connection.fetchval("SHOW transaction_isolation") == "read committed"
        finally:
            shared.rows(f"ALTER DATABASE {name} RESET ALL")

    shared.run(main())


def test_several_nodes_may_make_the_schema_at_once(shared: Any) -> None:
    async def main() -> None:
        brokers = [Bench(path=shared.place).broker for _ in range(5)]
        await asyncio.gather(*(broker.watch(Sink()) for broker in brokers))

    shared.run(main())
    assert shared.rows("SELECT name, epoch FROM meta") == [("paper", "0")]


def test_schemas_of_others_are_refused(shared: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=shared.place).open()
        await bench.broker.close()
        shared.rows("UPDATE meta SET version = 9")
        with pytest.raises(StoreError, match=r"no paper venue's of version 2 \(it says 9\)"):
            await bench.another().connect(Sink(), None)
        shared.rows("CREATE SCHEMA paper_mine; SELECT 1")
        with pytest.raises(StoreError, match="schema paper_mine cannot be used"):
            await bench.another(name="mine").connect(Sink(), None)

    shared.run(main())


@pytest.mark.parametrize("name", ["of fund 7", 'a"b; --', "ä" * 28])
def test_a_venue_may_have_any_name_that_fits(shared: Any, name: str) -> None:
    async def main() -> None:
        bench = Bench(path=shared.place)
        bench.broker = bench.another(name=name)
        await bench.open()
        assert await bench.do("A: buy 10 limit 10.02") == ["A rests"]
        await bench.broker.put_quote(bench.a_quote("quote 10.00/10.02", pinned=True))
        assert bench.news() == ["A 10 @ 10.02 done"]

    shared.run(main())


def test_a_name_that_postgres_would_cut_off_is_refused() -> None:
    with pytest.raises(StoreError, match="at most 57 bytes"):
        PaperBroker("ä" * 29, PaperSettings(), "postgresql://nowhere", Bench().clock, built_in)


def test_without_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ordergate.adapters.brokers.paper.postgres", None)
    with pytest.raises(StoreError, match=r"pip install 'ordergate\[postgres\]'"):
        PaperBroker("paper", PaperSettings(), "postgresql://nowhere", Bench().clock, built_in)


def test_no_server(tmp_path: Any) -> None:
    async def main() -> None:
        bench = Bench(path=f"postgresql://oms@/none?host={tmp_path}")
        with pytest.raises(StoreError, match="cannot be reached"):
            await bench.open()
        with pytest.raises(StoreError, match="cannot be reached"):
            await bench.broker.watch(Sink())
        with pytest.raises(StoreError, match="cannot be reached"):
            await bench.broker.put_quote(bench.a_quote("quote 10.00/10.02", pinned=True))
        assert (await buy(bench, "A.1")).outcome == "not_sent"
        await bench.broker.close()

    asyncio.run(main())


def test_what_was_not_fetched_is_no_answer(shared: Any) -> None:
    """Neither absence nor presence: the store says that its caller is wrong."""

    async def main() -> None:
        store = PostgresStore("paper", shared.place)
        await store.open()
        for ask in (lambda: store.request("A.1"), lambda: store.order(1)):
            with pytest.raises(StoreError, match="before it was fetched"):
                ask()
        other = PostgresStore("paper", shared.place)
        await other.open()
        with pytest.raises(StoreBusy, match="another node"):
            await store.fetch([])
        store.close()
        with pytest.raises(StoreError, match="is closed"):
            await store.reports_after(0)
        other.close()

    shared.run(main())
