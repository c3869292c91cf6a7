"""Leases in PostgreSQL: one holder at a time, each under an epoch of its own."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.services.postgres import name_of

from ordergate.adapters.journals.postgres.leases import PostgresLeases
from ordergate.application.ports.leases import LEASE_S, SEND_S
from ordergate.domain.errors import StoreError

NAME = "broker:paper"


@pytest.fixture
def url(ready):
    return ready


@pytest.fixture
def later(postgres, url):
    """Lets the leases age."""

    def age(seconds):
        postgres.sql(
            f"UPDATE leases SET renewed_at = renewed_at - interval '{seconds} seconds'", name_of(url)
        )

    return age


@asynccontextmanager
async def nodes(url, *names):
    made = [PostgresLeases(url, name, f"host of {name}") for name in names]
    try:
        yield made
    finally:
        for node in made:
            await node.close()


def talk(url, main, *names):
    async def run():
        async with nodes(url, *names) as made:
            await main(*made)

    asyncio.run(run())


def test_it_is_held_from_before_it_was_asked_for(url):
    async def main(a):
        before = asyncio.get_running_loop().time()
        lease = await a.take(NAME)
        assert (lease.name, lease.epoch) == (NAME, 1)
        assert before <= lease.until - LEASE_S <= asyncio.get_running_loop().time()
        renewed = await a.renew([lease])
        assert [(one.name, one.epoch) for one in renewed] == [(NAME, 1)]
        assert renewed[0].until > lease.until

    talk(url, main, "a")


def test_another_node_gets_it_only_once_it_has_run_out_and_what_was_sent_has_left(url, later):
    async def main(a, b):
        old = await a.take(NAME)
        await asyncio.to_thread(later, LEASE_S + SEND_S - 0.7)
        assert await b.take(NAME) is None
        await asyncio.to_thread(later, 0.8)
        assert (await b.take(NAME)).epoch == 2
        assert await a.renew([old]) == []
        await a.give_back([old])
        assert await a.take(NAME) is None

    talk(url, main, "a", "b")


def test_one_that_is_given_back_can_be_taken_at_once(url):
    async def main(a, b):
        lease = await a.take(NAME)
        await a.give_back([lease])
        assert (await a.all())[0].node is None
        assert (await b.take(NAME)).epoch == 2
        assert await a.renew([lease]) == []

    talk(url, main, "a", "b")


def test_one_whose_answer_was_lost_can_be_taken_again_under_a_new_epoch(url):
    async def main(a):
        first = await a.take(NAME)
        assert (await a.take(NAME)).epoch == 2
        assert await a.renew([first]) == []

    talk(url, main, "a")


def test_of_many_at_once_one_wins(url, later):
    async def main(*all_):
        for round_ in range(1, 6):
            taken = await asyncio.gather(*(node.take(NAME) for node in all_))
            assert [lease.epoch for lease in taken if lease is not None] == [round_]
            await asyncio.to_thread(later, 60)

    talk(url, main, *"abcdefgh")


def test_renewing_some_says_which_are_still_ours(url, later):
    async def main(a, b):
        first, second = await a.take("one"), await a.take("two")
        await a.give_back([first])
        await b.take("one")
        assert [lease.name for lease in await a.renew([first, second])] == ["two"]
        assert await a.renew([]) == []

    talk(url, main, "a", "b")


def test_everybody_sees_who_has_what(url, later):
    async def main(a, b):
        await b.take("two")
        await asyncio.to_thread(later, LEASE_S + 0.1)
        await a.take("one")
        found = await b.all()
        assert [(held.name, held.epoch, held.node, held.detail) for held in found] == [
            ("one", 1, "a", "host of a"),
            ("two", 1, None, "host of b"),
        ]
        assert all(held.renewed_at.tzinfo is not None for held in found)

    talk(url, main, "a", "b")


def test_a_connection_that_broke_is_a_store_error_once(postgres, url):
    async def main(a):
        lease = await a.take(NAME)
        await asyncio.to_thread(
            postgres.sql,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            f"WHERE datname = '{name_of(url)}' AND pid <> pg_backend_pid()",
        )
        try:
            renewed = await a.renew([lease])
        except StoreError:
            renewed = await a.renew([lease])
        assert len(renewed) == 1

    talk(url, main, "a")


def test_a_lock_that_the_journals_writer_waits_for_holds_no_renewal_up(postgres, url):
    from ordergate.adapters.journals.postgres.journal import PostgresJournal

    async def main(a):
        one, two = PostgresJournal(url), PostgresJournal(url)
        lease = await a.take(NAME)
        await one.lock()
        waiting = asyncio.ensure_future(two.lock())
        await asyncio.sleep(0.1)
        assert await asyncio.wait_for(a.renew([lease]), 30)
        await one.release()
        await waiting
        await one.close()
        await two.close()

    talk(url, main, "a")


def test_nobody_to_ask_is_a_store_error(tmp_path):
    async def main(a):
        for call in (a.take(NAME), a.all()):
            with pytest.raises(StoreError, match="cannot be reached"):
                await call

    talk(f"postgresql://oms@/none?host={tmp_path}", main, "a")


def test_a_node_that_says_goodbye_leaves_nothing_but_what_successors_need(url):
    async def main(a, b):
        await b.take("node:b")
        held = [await a.take(NAME), await a.take("node:a")]
        await a.give_back(held)
        assert [(one.name, one.node, one.epoch) for one in await b.all()] == [
            (NAME, None, 1),
            ("node:b", "b", 1),
        ]

    talk(url, main, "a", "b")
