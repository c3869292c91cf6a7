"""Quotes set by hand, at whichever node."""

import asyncio
import time
from typing import Any

import pytest
from paperkit import START, Bench, Sink, hold_writes

from ordergate.adapters.brokers.paper.postgres import board
from ordergate.adapters.brokers.paper.postgres.board import Board
from ordergate.domain.errors import Invalid, StoreError
from ordergate.domain.market import Quote


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def owner_and_other(shared: Any) -> tuple[Bench, Bench]:
    owner, other = await Bench(path=shared.place).open(), Bench(path=shared.place)
    await other.broker.watch(other.sink)
    return owner, other


def test_a_quote_set_at_any_node_trades_and_every_node_sees_it(shared: Any) -> None:
    async def main() -> None:
        owner, other = await owner_and_other(shared)
        await owner.do("A: buy 150 limit 10.02")
        quote = other.a_quote("quote 10.00/10.02 100x100", pinned=True)
        await other.broker.put_quote(quote)
        assert shared.rows("SELECT symbol, ask_left FROM quotes WHERE pinned") == [("ACME", "0")], (
            "matched by then"
        )
        assert shared.rows("SELECT * FROM handed") == []
        news: list[str] = []
        await until(lambda: news.extend(owner.news()) or news)
        assert news == ["A 100 @ 10.02"]
        assert owner.sink.quotes == other.sink.quotes == [quote]

    shared.run(main())


def test_a_quote_is_told_of_at_once(shared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "LOOK_S", 60.0)

    async def main() -> None:
        owner, other = await owner_and_other(shared)
        await asyncio.sleep(0.1)  # until both listen
        await other.broker.put_quote(other.a_quote("quote 10.00/10.02", pinned=True))
        mine = owner.a_quote("quote 11.00/11.02", pinned=True)
        await owner.broker.put_quote(mine)
        await until(lambda: mine in other.sink.quotes)

    shared.run(main())


def test_a_quote_arrives_where_nobody_is_told(shared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "LOOK_S", 0.1)
    monkeypatch.setattr(Board, "_told", lambda *_: None)

    async def main() -> None:
        owner, other = await owner_and_other(shared)
        quote = other.a_quote("quote 10.00/10.02", pinned=True)
        await other.broker.put_quote(quote)
        assert owner.sink.quotes == [quote]
        await until(lambda: other.sink.quotes == [quote])

    shared.run(main())


def test_a_quote_counts_once_however_often_it_is_seen(shared: Any) -> None:
    """Else its size would be there again."""

    async def main() -> None:
        owner, other = await owner_and_other(shared)
        await owner.do("A: buy 250 limit 10.02")
        reached, go_on = hold_writes(owner)
        put = asyncio.create_task(
            other.broker.put_quote(other.a_quote("quote 10.00/10.02 100x100", pinned=True))
        )
        await reached.wait()
        for _ in range(3):
            await owner.broker._board.looked()
        assert not put.done(), "it is not on disk"
        go_on.set()
        await put
        await owner.do("B: buy 10 limit 9.00")
        assert shared.rows("SELECT number, quantity FROM executions") == [("1", "100")]

    shared.run(main())


def test_the_last_of_two_quotes_stands(shared: Any) -> None:
    async def main() -> None:
        owner, other = await owner_and_other(shared)
        third = Bench(path=shared.place)
        first, second = (other.a_quote(f"quote 10.00/10.0{n}", pinned=True) for n in (2, 3))
        await other.broker.put_quote(first)
        await third.broker.put_quote(second)
        assert owner.sink.quotes == [first, second]
        assert shared.rows("SELECT ask FROM quotes") == [("10.03",)]

    shared.run(main())


def test_a_quote_that_nobody_takes_stands(shared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "TAKEN_S", 0.3)

    async def main() -> None:
        node, later = Bench(path=shared.place), Bench(path=shared.place)
        await node.broker.watch(node.sink)
        quote = node.a_quote("quote 10.00/10.02", pinned=True)
        with pytest.raises(
            StoreError, match="no node has the session of paper venue 'paper' now: the quote of ACME"
        ):
            await node.broker.put_quote(quote)
        assert node.sink.quotes == [], "it does not count yet"
        await later.open()
        assert later.sink.quotes == [quote]
        assert await later.do("A: buy 10") == ["A 10 @ 10.02 done"]
        await until(lambda: node.sink.quotes == [quote])

    shared.run(main())


def test_the_owner_has_it_on_disk_when_it_is_put(shared: Any) -> None:
    async def main() -> None:
        owner, other = await owner_and_other(shared)
        await owner.do("A: buy 100 limit 10.02")
        quote = owner.a_quote("quote 10.00/10.02 60x60", pinned=True)
        await owner.broker.put_quote(quote)
        assert owner.news() == ["A 60 @ 10.02"]
        assert shared.rows("SELECT ask_size, ask_left FROM quotes") == [("60", "0")]
        await until(lambda: other.sink.quotes == [quote])
        with pytest.raises(StoreError, match="put it"):
            owner.broker.set_quote(quote)
        with pytest.raises(Invalid, match="above zero"):
            await owner.broker.put_quote(Quote("ACME", START, quote.bid, -quote.ask, pinned=True))

    shared.run(main())


def test_what_stands_is_told_first_and_told_to_a_session_by_itself(shared: Any) -> None:
    async def main() -> None:
        owner, _ = await owner_and_other(shared)
        quote = owner.a_quote("quote 10.00/10.02", pinned=True)
        await owner.broker.put_quote(quote)
        late = Bench(path=shared.place)
        await late.broker.watch(late.sink)
        assert late.sink.quotes == [quote], "when watch returns"
        again = Sink()
        await late.broker.watch(again)
        assert again.quotes == [quote]
        await owner.broker.watch(owner.sink)
        assert owner.sink.quotes == [quote], "its session has told it"

    shared.run(main())


def test_a_node_that_gave_its_session_up_goes_on_to_see_the_market(shared: Any) -> None:
    async def main() -> None:
        older, newer = await owner_and_other(shared)
        await older.broker.watch(older.sink)
        await older.broker.close()
        await newer.open()
        quote = newer.a_quote("quote 10.00/10.02", pinned=True)
        await newer.broker.put_quote(quote)
        await until(lambda: quote in older.sink.quotes)
        await older.broker.unwatch()
        await newer.broker.close()
        assert newer.sink.quotes == [quote]

    shared.run(main())


def test_a_node_that_does_not_know_yet_that_it_lost_the_venue_hands_over(shared: Any) -> None:
    async def main() -> None:
        older, newer = await Bench(path=shared.place).open(), await Bench(path=shared.place).open()
        quote = older.a_quote("quote 10.00/10.02", pinned=True)
        await older.broker.put_quote(quote)
        assert newer.sink.quotes == [quote]
        assert await newer.do("A: buy 10") == ["A 10 @ 10.02 done"]
        assert (older.broker.taken_over, newer.broker.taken_over) == (True, False)

    shared.run(main())


def test_quotes_of_a_stream_stay_at_their_node(shared: Any) -> None:
    async def main() -> None:
        owner, other = await owner_and_other(shared)
        await other.broker.put_quote(other.a_quote("quote 9.00/9.02"))
        assert await owner.do("A: buy 10") == ["A rests"]
        assert shared.rows("SELECT * FROM handed") == []

    shared.run(main())


def test_the_board_comes_back_after_its_connection_broke(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "_AGAIN_S", 0.05)
    monkeypatch.setattr(board, "LOOK_S", 0.1)

    async def main() -> None:
        owner, other = await owner_and_other(shared)
        await asyncio.sleep(0.1)
        shared.server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ordergate paper venue'"
            " AND query LIKE '%quotes WHERE pinned'"
        )
        await asyncio.sleep(0.3)
        began = time.monotonic()
        quote = other.a_quote("quote 10.00/10.02", pinned=True)
        await other.broker.put_quote(quote)
        assert time.monotonic() - began < board.TAKEN_S
        assert quote in owner.sink.quotes

    shared.run(main())
