"""The journal as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ordergate.api.sieve import Sieve
from ordergate.domain.orders.reports import End, Ended
from tests.unit.api.rooms import Room, held, problem


class Reader:
    """Reads a stream as fast as it is told to."""

    def __init__(self, at: Room, query: str = "", headers: dict[str, str] | None = None) -> None:
        self.sent: asyncio.Queue[bytes] = asyncio.Queue(1)
        self.left = asyncio.Event()
        self.status: int | None = None
        given = [(n.lower().encode(), v.encode()) for n, v in (headers or {}).items()]
        scope = {
            "type": "http", "method": "GET", "path": "/v1/events",
            "query_string": query.encode(), "headers": given,
        }  # fmt: skip
        self.task = asyncio.create_task(at.app(scope, self._receive, self._send))
        self._text = b""

    async def _receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        if message.get("body"):
            await self.sent.put(message["body"])

    async def block(self) -> bytes:
        """The next event or comment."""
        while b"\n\n" not in self._text:
            self._text += await asyncio.wait_for(self.sent.get(), 30)
        block, _, self._text = self._text.partition(b"\n\n")
        return block

    async def event(self) -> tuple[int, str, bytes]:
        """The next event: id, kind, data."""
        fields = dict(line.split(b": ", 1) for line in (await self.block()).split(b"\n"))
        return int(fields[b"id"]), fields[b"event"].decode(), fields[b"data"]


@asynccontextmanager
async def reading(at: Room, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    reader = Reader(at, query, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        assert await reader.block() == b": open"
        yield reader
    finally:
        reader.left.set()
        await asyncio.wait_for(reader.task, 30)


async def indices(at: Room, wanted: Any = lambda _line: True) -> list[int]:
    return [i for i, line in enumerate(await at.gate.journal.lines(0, 1_000)) if wanted(line)]


def test_every_entry_from_the_first_as_it_is_stored() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.quote()
        lines = await at.gate.journal.lines(0, 100)
        async with reading(at, "after=-1") as reader:
            for index, line in enumerate(lines):
                assert await reader.event() == (index, line.kind.partition("/")[0], line.data)
            await at.submit(order_id="ord-2", idempotency_key="k-2")
            index, kind, _data = await reader.event()
            assert (index, kind) == (len(lines), "OrderEntered")

    held(talk)


def test_a_stream_goes_on_with_the_next() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.quote()
        last = at.gate.runner.engine.size - 1
        async with reading(at, Last_Event_ID=str(last - 2)) as reader:
            assert [(await reader.event())[0] for _ in range(2)] == [last - 1, last]
        async with reading(at, "after=0", Last_Event_ID=str(last - 1)) as reader:  # a browser that comes back
            assert (await reader.event())[0] == last

    held(talk)


def test_without_a_place_it_begins_now() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.gate.quiet()
        size = at.gate.runner.engine.size
        async with reading(at) as reader:
            await at.submit(order_id="ord-2", idempotency_key="k-2")
            assert (await reader.event())[0] == size

    held(talk)


@pytest.mark.parametrize("given", ["x", "", "-2", "1.5", "9" * 19, "٣"])
def test_places_that_are_none(given: str) -> None:
    async def talk(at: Room) -> None:
        answer = await at.client.get("/v1/events", params={"after": given})
        assert problem(answer, 400, "bad_parameter")["errors"][0]["parameter"] == "after"
        if given.isascii():
            answer = await at.client.get("/v1/events", headers={"Last-Event-ID": given})
            assert problem(answer, 400, "bad_parameter")["errors"][0]["parameter"] == "Last-Event-ID"

    held(talk)


def test_by_order_and_kind() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.submit(order_id="ord-2", idempotency_key="k-2")
        await at.quote()
        mine = await indices(at, lambda line: line.order_id == "ord-2")
        async with reading(at, "after=-1&order=ord-2") as reader:
            assert [(await reader.event())[0] for _ in mine] == mine
        filled = await indices(
            at, lambda line: line.kind == "OrderFilled/1" or line.kind == "FundConfigured/1"
        )
        async with reading(at, "after=-1&kind=OrderFilled&kind=FundConfigured") as reader:
            assert [(await reader.event())[0] for _ in filled] == filled
            await at.submit(order_id="ord-3", idempotency_key="k-3", order_type="market", limit_price=...)
            assert (await reader.event())[1] == "OrderFilled"
        async with reading(at, "after=-1&order=ord-2&kind=OrderFilled") as reader:
            assert (await reader.event())[0] in mine

    held(talk)


def test_by_fund() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.submit(
            fund_id="fx-only", symbol="EURUSD", order_id="ord-fx", quantity="0.1", limit_price="1.1"
        )
        signal = {"signal_id": "s", "symbol": "X", "direction": "hold", "fund_id": "fx-only"}
        await at.client.post("/v1/signals", json=signal)
        await at.gate.quiet()
        at.gate.runner.report(Ended(broker="paper", client_id="ord-fx.1", end=End.CANCELED))
        at.gate.runner.report(
            Ended(broker="paper", client_id="ord-fx.1", end=End.EXPIRED)
        )  # a break of that order
        await at.gate.runner.settled()
        lines = await at.gate.journal.lines(0, 100)
        wanted = [
            i for i, line in enumerate(lines)
            if line.order_id == "ord-fx"
            or (line.kind in ("FundConfigured/1", "SignalRefused/1") and b'"fx-only"' in line.data)
        ]  # fmt: skip
        kinds = {lines[i].kind for i in wanted}
        assert {"FundConfigured/1", "SignalRefused/1", "OrderEntered/1", "BreakRaised/1"} <= kinds
        async with reading(at, "after=-1&fund=fx-only") as reader:
            assert [(await reader.event())[0] for _ in wanted] == wanted

    held(talk)


def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordergate.api.rest.stream.KEEP_ALIVE_S", 0.01)

    async def talk(at: Room) -> None:
        async with reading(at) as reader:
            assert await reader.block() == b": alive"
            assert await reader.block() == b": alive"

    held(talk)


@pytest.mark.slow
def test_a_slow_reader_holds_nothing_back_and_misses_nothing() -> None:
    async def talk(at: Room) -> None:
        async with reading(at, "after=-1") as slow:
            for number in range(300):
                assert (
                    await at.submit(order_id=..., quantity="1", idempotency_key=f"k-{number}")
                ).status_code == 202
            await at.gate.quiet()
            waiting = at.door._waiting
            assert len(waiting) == 1
            size = at.gate.runner.engine.size
            assert size > 600
            assert [(await slow.event())[0] for _ in range(size)] == list(range(size))

    held(talk)


def test_who_has_gone_is_forgotten_and_a_closing_door_ends_the_rest() -> None:
    async def talk(at: Room) -> None:
        async with reading(at):
            assert at.door.metrics.streams._value.get() == 1
        assert at.door.metrics.streams._value.get() == 0
        assert not at.door._waiting
        async with reading(at) as reader:
            at.door.close()
            await asyncio.wait_for(asyncio.shield(reader.task), 30)
            assert reader.status == 200

    held(talk)


def test_an_order_with_many_entries_is_read_in_pages() -> None:
    async def talk(at: Room) -> None:
        for number in range(9):
            await at.submit(order_id=f"ord-{number % 3}", idempotency_key=f"k-{number % 3}")
            await at.quote(bid="1", ask=str(1_000 - number))
            await at.client.patch(
                f"/v1/orders/ord-{number % 3}",
                json={"limit_price": str(100 + number)},
                headers={"If-Match": "*"},
            )
            await at.gate.quiet()
        journal = at.gate.journal
        size, all_of_it = (await journal.head()).size, await journal.indices("ord-1")
        sieve = Sieve(journal, fund=None, order="ord-1", kinds=frozenset())
        found, first, pages = [], 0, 0
        while first < size:
            first, lines = await sieve.page(first, min(first + 2, size), size)
            assert len(lines) <= 2
            found += [index for index, _line in lines]
            pages += 1
        assert found == list(all_of_it)
        assert pages > 2

    held(talk)
