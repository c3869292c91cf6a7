"""Writers that share a journal on PostgreSQL: their turns, and what they find out when a connection breaks."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from ordergate.adapters.journals.postgres.connecting import connect
from ordergate.adapters.journals.postgres.journal import PostgresJournal
from ordergate.adapters.journals.postgres.setting_up import upgrade
from ordergate.application.ports.journal import Head
from ordergate.domain.errors import Defect, OutcomeUnknown, StoreError
from ordergate.testing.conformance.rows import rows_of, same_key
from tests.services.batches import batch_at, said, write
from tests.services.postgres import name_of, postgres_server
from tests.services.proxy import proxy_of, through

ROOT = Path(__file__).parents[2]
SOON_S = 45.0
"""For what takes a moment, also on a machine that is busy with other things."""


@pytest.fixture
def url(ready):
    return ready


@pytest.fixture
def nobody_is_ended(monkeypatch):
    """However long he holds others up: who waits, waits for longer than a test does."""
    monkeypatch.setattr("ordergate.adapters.journals.postgres.waiting.PATIENCE_S", 10 * SOON_S)


@asynccontextmanager
async def journals(*urls):
    opened = [PostgresJournal(url) for url in urls]
    try:
        yield opened
    finally:
        for journal in opened:
            await journal.close()


class TestTurns:
    def test_writers_alternate_with_contiguous_indexes(self, url):
        async def main():
            async with journals(url, url, url) as opened:

                async def some(journal, who):
                    return [await write(journal, who, count=1 + turn % 3) for turn in range(30)]

                firsts = await asyncio.gather(*(some(j, w) for j, w in zip(opened, "abc", strict=True)))
                lines = said(await opened[0].lines(0, 1_000))
                assert len(lines) == (await opened[0].head()).size == 3 * (10 * (1 + 2 + 3))
                assert [int(line.split()[1]) for line in lines] == list(range(len(lines)))
                for who, found in zip("abc", firsts, strict=True):
                    assert found == sorted(found)
                    assert all(lines[first] == f"{who} {first}" for first in found)

        asyncio.run(main())

    def test_a_writer_waits_for_the_turn_before_and_sees_what_it_wrote(self, url):
        async def main():
            async with journals(url, url) as (one, two):
                await write(one)
                turn = await one.lock()
                waiting = asyncio.ensure_future(two.lock())
                await asyncio.sleep(0.2)
                assert not waiting.done()
                await one.commit(batch_at((await turn.head()).size, 2))
                assert await (await waiting).head() == Head(3, "a 3")
                assert said(await (await waiting_turn(waiting)).lines(0, 9)) == ["a 0", "a 1", "a 2"]
                await two.release()

        async def waiting_turn(waiting):
            return waiting.result()

        asyncio.run(main())

    def test_a_turn_that_is_released_writes_nothing_and_lets_the_next_in(self, url, nobody_is_ended):
        async def main():
            async with journals(url, url) as (one, two):
                await one.lock()
                await one.release()
                await one.release()
                assert await asyncio.wait_for(write(two), SOON_S) == 0

        asyncio.run(main())

    def test_two_turns_at_once_are_a_defect(self, url):
        async def main():
            async with journals(url) as (one,):
                await one.lock()
                with pytest.raises(Defect, match="twice"):
                    await one.lock()

        asyncio.run(main())

    def test_reading_goes_on_while_another_writes(self, url, nobody_is_ended):
        async def main():
            async with journals(url, url) as (one, two):
                await write(one)
                await one.lock()
                assert (await asyncio.wait_for(two.head(), SOON_S)).size == 1
                assert (await asyncio.wait_for(one.head(), SOON_S)).size == 1

        asyncio.run(main())

    def test_a_row_that_is_not_there_is_a_defect_and_nothing_is_written(self, url):
        async def main():
            first, second, *_ = rows_of("funds")
            async with journals(url) as (one,):
                missing = batch_at(
                    0, rows={"funds": [same_key("funds", first, second)]}, before={"funds": [first]}
                )
                with pytest.raises(Defect, match="1 rows of funds were to be written, 0 were"):
                    await one.commit(missing)
                assert await one.head() == Head()
                assert await write(one) == 0

        asyncio.run(main())

    def test_a_cursor_is_moved_by_the_latest_epoch_alone(self, postgres, url):
        postgres.sql(
            "INSERT INTO leases VALUES ('outlet:nats', 3, 'me', '', now()), ('nats', 9, 'me', '', now())",
            name_of(url),
        )

        async def main():
            async with journals(url) as (one,):
                await one.move_cursor("nats", 5, 3)
                await one.move_cursor("nats", 6, 4)
                with pytest.raises(StoreError, match="by another node: epoch 2 is over"):
                    await one.move_cursor("nats", 7, 2)
                assert await one.cursor("nats") == 6
                await one.move_cursor("nats", 1)
                assert await one.cursor("nats") == 1

        asyncio.run(main())


HOLDER = """
import asyncio, sys
from ordergate.adapters.journals.postgres.journal import PostgresJournal
async def main():
    journal = PostgresJournal(sys.argv[1])
    await journal.lock()
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    from tests.services.batches import batch_at
    try:
        await journal.commit(batch_at(0, who="late"))
    except Exception as error:
        print(type(error).__name__, flush=True)
asyncio.run(main())
"""


def started(script, *arguments):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


class TestBlocked:
    @pytest.mark.slow
    def test_a_paused_holder_is_freed_and_writes_nothing_when_it_wakes(self, url):
        async def main():
            async with journals(url, url) as opened:
                return await asyncio.gather(*(write(j, w) for j, w in zip(opened, "ab", strict=True)))

        process = started(HOLDER, url)
        try:
            assert process.stdout.readline() == "held\n"
            process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            assert sorted(asyncio.run(main())) == [0, 1]
            assert 1.5 < time.monotonic() - began < SOON_S
            process.send_signal(signal.SIGCONT)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "StoreError\n"
        finally:
            process.kill()
            process.communicate()

    @pytest.mark.slow
    def test_one_who_waits_behind_another_paused_one_is_freed_too(self, postgres, url, monkeypatch):
        """The first in the queue waits for the holder, and both are paused: the second looks to the chain's end."""
        monkeypatch.setattr("ordergate.adapters.journals.postgres.waiting.LOOK_S", 0.1)
        monkeypatch.setattr("ordergate.adapters.journals.postgres.waiting.PATIENCE_S", 0.3)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

        async def main():
            async with journals(url) as (one,):
                return await asyncio.wait_for(write(one), SOON_S)

        processes = [started(HOLDER, url)]
        try:
            assert processes[0].stdout.readline() == "held\n"
            processes[0].send_signal(signal.SIGSTOP)
            processes.append(started(HOLDER, url))
            while postgres.sql(waiting) != "1":
                time.sleep(0.02)
            processes[1].send_signal(signal.SIGSTOP)
            assert asyncio.run(main()) == 0
        finally:
            for process in processes:
                process.kill()
                process.communicate()

    @pytest.mark.slow
    def test_many_short_turns_end_nobody(self, url, monkeypatch):
        """Each is far shorter than the patience of who waits, all of them together are longer."""
        monkeypatch.setattr("ordergate.adapters.journals.postgres.waiting.LOOK_S", 0.02)
        monkeypatch.setattr("ordergate.adapters.journals.postgres.waiting.PATIENCE_S", 1.0)

        async def main():
            async with journals(*[url] * 16) as opened:

                async def some(journal):
                    until = asyncio.get_running_loop().time() + 1.5
                    while asyncio.get_running_loop().time() < until:
                        turn = await journal.lock()
                        await asyncio.sleep(0.1)
                        await journal.commit(batch_at((await turn.head()).size))

                await asyncio.gather(*map(some, opened))

        asyncio.run(main())

    def test_one_who_must_not_end_the_holder_says_who_it_is(self, postgres, url, monkeypatch):
        monkeypatch.setattr("ordergate.adapters.journals.postgres.waiting.PATIENCE_S", 0.2)
        name = name_of(url)
        postgres.sql(
            "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'guest') "
            "THEN CREATE ROLE guest LOGIN; END IF; END $$"
        )
        postgres.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest", name)

        async def main():
            async with journals(url, postgres.url(name, "guest")) as (one, guest):
                await one.lock()
                with pytest.raises(StoreError, match=r"may not do that|must be"):
                    await guest.lock()
                await one.release()
                assert await write(guest) == 0

        asyncio.run(main())


class TestCut:
    """The connection breaks around COMMIT; whoever locks next is told the truth."""

    @pytest.mark.parametrize("left", [False, True], ids=["server hears of it", "server does not"])
    @pytest.mark.parametrize(("when", "size"), [("before", 1), ("after", 2)])
    def test_during_a_commit(self, postgres, url, when, size, left):
        async def main():
            async with proxy_of(postgres.folder) as proxy, journals(through(proxy, url)) as (one,):
                await write(one)
                await one.lock()
                proxy.cut, proxy.leave_server = when, left
                with pytest.raises(OutcomeUnknown, match="while a batch was committed"):
                    await one.commit(batch_at(1))
                turn = await one.lock()
                assert (await turn.head()).size == size
                assert said(await turn.lines(1, 1)) == ["a 1"][: size - 1]
                await one.commit(batch_at(size))
                assert proxy.commits == 3

        asyncio.run(main())

    def test_before_a_commit_nothing_is_written(self, postgres, url):
        async def main():
            async with journals(url) as (one,):
                await write(one)
                for phase in ("locked", "idle"):
                    if phase == "locked":
                        await one.lock()
                    postgres.sql(f"SELECT pg_terminate_backend({process_of(one)})")
                    if phase == "locked":
                        with pytest.raises(StoreError):
                            await one.commit(batch_at(1))
                    assert await write(one) == (1 if phase == "locked" else 2)

        asyncio.run(main())

    def test_a_transaction_that_has_failed_is_not_taken_for_committed(self, url):
        async def main():
            async with journals(url) as (one,):
                await one.lock()
                with pytest.raises(StoreError):
                    await one._writer.fetch("SELECT 1 / 0 FROM no_such_table")
                with pytest.raises(StoreError):
                    await one._writer.commit()

        asyncio.run(main())


def process_of(journal):
    return journal._writer.connection.get_server_pid()


@pytest.fixture(scope="module")
def server(postgres):
    with postgres_server(fsync=True) as own:
        yield own


class TestStopped:
    """A server that is stopped as a crash does, with fsync on, and comes back."""

    @pytest.fixture
    def url(self, server):
        made = server.database()
        asyncio.run(upgrade(made, "it"))
        return made

    @pytest.mark.slow
    @pytest.mark.parametrize("phase", ["idle", "locked", "never connected"])
    def test_it_is_a_store_error_until_it_is_back(self, server, url, phase):
        async def main():
            async with journals(url) as (one,):
                await write(one)
                if phase == "locked":
                    await one.lock()
                if phase == "never connected":
                    await one.close()
                    one = PostgresJournal(url)
                await asyncio.to_thread(server.stop)
                began = time.monotonic()
                for call in (lambda: one.commit(batch_at(1)), lambda: one.lines(0, 1), one.lock):
                    with pytest.raises(StoreError):
                        await call()
                assert time.monotonic() - began < 8  # three times CONNECT_S is what must not pass
                await asyncio.to_thread(server.start)
                assert said(await one.lines(0, 9)) == ["a 0"]
                assert await write(one) == 1
                await one.close()

        asyncio.run(main())

    @pytest.mark.slow
    def test_under_load_what_was_answered_is_there_and_what_was_refused_is_not(self, server, url):
        async def main():
            answered, refused, unknown = [], [], []

            async def some(journal, number):
                turn = 0
                while not ended.is_set():
                    turn += 1
                    who = f"{number}.{turn}"
                    try:
                        await write(journal, who, count=20)
                    except StoreError:
                        refused.append(who)
                        await asyncio.sleep(0.02)
                    except OutcomeUnknown:
                        unknown.append(who)
                    else:
                        answered.append(who)

            ended = asyncio.Event()
            async with journals(url, url) as opened:
                writers = [asyncio.ensure_future(some(j, n)) for n, j in enumerate(opened)]
                for _ in range(3):
                    await asyncio.sleep(0.3)
                    await asyncio.to_thread(server.stop)
                    await asyncio.to_thread(server.start)
                await asyncio.sleep(0.3)
                ended.set()
                await asyncio.gather(*writers)
                there = {line.split()[0] for line in said(await opened[0].lines(0, 10**6))}
            assert len(answered) > 10
            assert refused
            assert set(answered) <= there
            assert not set(refused) & there
            assert there <= {*answered, *unknown}

        asyncio.run(main())


LOOK_S = "ordergate.adapters.journals.postgres.news._LOOK_S"


async def listeners(postgres, url, count, but=frozenset()):
    """Waits for so many connections that listen and have looked at the log once, others than those."""
    looked = f"datname = '{name_of(url)}' AND state = 'idle' AND query = 'SELECT size FROM head WHERE id = 1'"
    async with asyncio.timeout(SOON_S):
        while True:
            said = await asyncio.to_thread(postgres.sql, f"SELECT pid FROM pg_stat_activity WHERE {looked}")
            if len(found := set(said.split()) - but) >= count:
                return found
            await asyncio.sleep(0.02)


class TestNews:
    def test_others_hear_of_a_commit_and_the_writer_does_not(self, postgres, url, monkeypatch):
        """Who only listens hears of it without looking; the writer looks, and finds nothing new."""
        monkeypatch.setattr(LOOK_S, 10 * SOON_S)

        async def main():
            async with journals(url, url) as (one, two):
                heard = {one: asyncio.Event(), two: asyncio.Event()}
                for journal, event in heard.items():
                    journal.watch(event.set)
                await listeners(postgres, url, 2)
                monkeypatch.setattr(LOOK_S, 0.1)
                await write(one)
                await asyncio.wait_for(heard[two].wait(), SOON_S)
                await asyncio.sleep(0.3)
                assert not heard[one].is_set()

        asyncio.run(main())

    def test_what_is_not_told_is_found_by_looking(self, postgres, url, monkeypatch):
        async def main():
            async with journals(url, url) as (one, two):
                monkeypatch.setattr(one._news, "written", lambda size: None)
                heard = asyncio.Event()
                two.watch(heard.set)
                await listeners(postgres, url, 1)
                await write(one)
                await asyncio.wait_for(heard.wait(), SOON_S)

        asyncio.run(main())

    def test_a_listener_that_was_cut_off_listens_again(self, postgres, url, monkeypatch):
        monkeypatch.setattr(LOOK_S, 10 * SOON_S)

        async def main():
            async with journals(url, url) as (one, two):
                heard = asyncio.Event()
                two.watch(heard.set)
                before = await listeners(postgres, url, 1)
                everybody = f"datname = '{name_of(url)}' AND pid <> pg_backend_pid()"
                postgres.sql(
                    f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {everybody}"
                )
                await listeners(postgres, url, 1, but=before)
                assert not heard.is_set()
                await write(one)
                await asyncio.wait_for(heard.wait(), SOON_S)

        asyncio.run(main())


def test_dumps_are_those_of_sqlite(url):
    from ordergate.adapters.journals.database import open_journal
    from ordergate.testing.conformance.rows import TABLES

    async def main():
        async with journals(url) as (one,):
            other = open_journal("sqlite://")
            batch = batch_at(0, rows={table: rows_of(table) for table in TABLES})
            await one.commit(batch)
            await other.commit(batch)
            for table in TABLES:
                ours = [row async for row in one.dump(table)]
                assert ours == [row async for row in other.dump(table)], table
                assert len(ours) == len(rows_of(table))
            await other.close()

    asyncio.run(main())


def test_a_dump_of_many_pages_has_every_row_once(url):
    async def main():
        template = rows_of("orders")[1]
        rows = [replace(template, order_id=f"ord-{number:05}") for number in range(2_500)]
        async with journals(url) as (one,):
            await one.commit(batch_at(0, rows={"orders": rows}))
            dumped = [row async for row in one.dump("orders")]
            assert [row.split(b"'")[1].decode() for row in dumped] == [row.order_id for row in rows]

    asyncio.run(main())


def test_a_row_is_written_with_what_changed_alone_in_few_statements(url):
    async def main():
        first = rows_of("orders")[0]
        async with journals(url) as (one,):
            await one.commit(batch_at(0, rows={"orders": [first]}))
            row, texts = first, set()
            for number in range(1, 30):
                changed = replace(row, version=number, reason=f"reason {number % 3}")
                texts.add(
                    one._writing.statement(
                        batch_at(number, rows={"orders": [changed]}, before={"orders": [row]})
                    ).sql
                )
                await one.commit(batch_at(number, rows={"orders": [changed]}, before={"orders": [row]}))
                row = changed
            assert await one.select("orders") == [row]
            assert len(texts) == 2  # before the reason has changed for the first time, and after
            assert not any("limit_price" in text for text in texts)
            connection = await connect(url)
            assert await connection.fetchval("SELECT count(*) FROM journal") == 30
            await connection.close()

    asyncio.run(main())
