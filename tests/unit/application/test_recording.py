"""Rows of what a journal says, wherever reading begins and however it is cut."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ordergate.application.entry import Entry, decode
from ordergate.application.naming import LogName
from ordergate.application.recording import STATUSES, Recorder, Rows, order_row, trade_row
from ordergate.domain.orders import events as e
from ordergate.domain.orders.states import ExecutionKind, State
from tests.journals.older import busy

NAME = LogName("test.example/journal", "0123abcd")
CORRECTIONS = (e.FillCorrected, e.FillBusted)


async def _entries(journal: Any) -> list[Entry]:
    size = (await journal.head()).size
    return [decode(line.data, index) for index, line in enumerate(await journal.lines(0, size))]


def merged(pieces: Iterable[Rows]) -> tuple[dict, list, dict]:
    """What is left where each piece writes over the one before."""
    orders, events, trades = {}, [], {}
    for piece in pieces:
        orders |= {row.order_identifier: row for row in piece.orders}
        events += piece.events
        trades |= {row.trade_identifier: row for row in piece.trades}
    return orders, events, trades


@pytest.mark.parametrize("size", [1, 17])
def test_pieces_are_as_the_whole(size: int) -> None:
    async def run() -> None:
        journal = await busy()
        entries = await _entries(journal)
        whole = merged([await Recorder(journal, NAME).record(entries)])
        recorder = Recorder(journal, NAME)
        cut = [entries[first : first + size] for first in range(0, len(entries), size)]
        assert merged([await recorder.record(piece) for piece in cut]) == whole

    asyncio.run(run())


def test_whoever_begins_at_a_correction_says_the_same() -> None:
    async def run() -> None:
        journal = await busy(500)
        entries = await _entries(journal)
        recorder, found = Recorder(journal, NAME), 0
        for entry in entries:
            rows = await recorder.record([entry])
            if isinstance(entry.event, CORRECTIONS):
                found += 1
                assert await Recorder(journal, NAME).record([entry]) == rows
                assert rows.trades
        assert found > 10

    asyncio.run(run())


def test_memory_that_has_grown_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple:
        journal = await busy()
        entries = await _entries(journal)
        return merged([await Recorder(journal, NAME).record(entries)])

    whole = asyncio.run(run())
    monkeypatch.setattr("ordergate.application.recording._MOST", 2)
    assert asyncio.run(run()) == whole


def test_what_is_recorded_again_comes_to_the_same() -> None:
    async def run() -> None:
        journal = await busy()
        entries = await _entries(journal)
        recorder = Recorder(journal, NAME)
        for end in range(40, len(entries), 40):
            await recorder.record(entries[end - 40 : end])
            again = await recorder.record(entries[end - 20 : end])
            assert again == await Recorder(journal, NAME).record(entries[end - 20 : end])
        assert (await recorder.record([])) == Rows([], [], [])

    asyncio.run(run())


def test_a_bust_takes_its_trade_back_and_counts_for_nothing_itself() -> None:
    async def run() -> None:
        journal = await busy()
        entries = await _entries(journal)
        _, _, trades = merged([await Recorder(journal, NAME).record(entries)])
        rows = {row.venue_metadata["exec_id"] + row.order_identifier: row for row in trades.values()}
        busts = [row for row in trades.values() if row.venue_metadata.get("kind") == ExecutionKind.BUST]
        assert busts
        for bust in busts:
            assert (bust.quantity, bust.commission, bust.settlement_cost) == (0, 0, 0)
            about = rows.get(bust.venue_metadata["refers_to"] + bust.order_identifier)
            if about is not None and not about.venue_metadata.get("counts", True):
                assert (about.quantity, about.settlement_cost) == (0, 0)
                assert about.venue_metadata["quantity"] != "0"

    asyncio.run(run())


def test_nothing_that_postgresql_cannot_hold_is_in_a_document() -> None:
    async def run() -> None:
        journal = await busy()
        entries = [
            Entry(**{name: getattr(entry, name) for name in Entry.__struct_fields__} | {"raw": "a\0b"})
            for entry in await _entries(journal)
        ]
        rows = await Recorder(journal, NAME).record(entries)
        raws = {
            row.event_metadata["raw"]
            for row in rows.events
            if "raw_sha256" not in row.event_metadata and "raw" in row.event_metadata
        }
        assert raws == {"a\\u0000b"}

    asyncio.run(run())


def test_every_state_has_a_word() -> None:
    assert set(STATUSES) == set(State)


def test_no_text_of_a_row_has_what_postgresql_cannot_hold() -> None:
    async def run() -> None:
        journal = await busy()
        order = replace(
            (await journal.select("orders"))[0], broker_order_id="7\0", client_id="c\0", thesis="a\0b"
        )
        fill = replace((await journal.select("fills"))[0], fill_id="f\0", fee_currency="U\0", refers_to="e\0")
        (instrument,) = await journal.get("instruments", [(fill.symbol,)])
        for row in (order_row(order, "log", 1), trade_row(fill, instrument, "log", 1)):
            written = msgspec.json.encode(row).replace(rb"\\u0000", b"")
            assert rb"\u0000" not in written

    asyncio.run(run())
