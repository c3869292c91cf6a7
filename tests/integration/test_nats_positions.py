"""Positions in a bucket of a real server: they agree with the journal, never go back, and come again when lost."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import jsonschema_rs
import pytest
from structlog.testing import capture_logs

from ordergate.adapters.nats import Connection, NatsError
from ordergate.adapters.nats.buckets import values_in
from ordergate.adapters.outlets.nats import BucketTerms, NatsPositions, schema
from ordergate.adapters.outlets.nats.positions import key_of
from ordergate.api.market import market_of
from ordergate.application.entry import decode
from ordergate.application.queries import MOST_LOTS
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, FundSection
from ordergate.config.nats import NatsSection
from ordergate.domain.market import Quote
from ordergate.domain.orders.states import Side
from tests.services.nats import Nats
from tests.services.nats_reader import caught_up, connected
from tests.unit.application.gates import buy

BUCKET = "HELD"
FUND = "paper-momentum"
MARK = "ordergate.v1.positions.ordergate=2Elocal=2Fjournal"
UNLIMITED = {FUND: FundSection(unlimited=True)}


@asynccontextmanager
async def gate_to(url: str | None, path: Path) -> AsyncIterator[Gate]:
    section = NatsSection() if url is None else NatsSection(servers=(url,), positions_bucket=BUCKET)
    async with open_gate(Config(nats=section, funds=UNLIMITED), f"sqlite:///{path / 'orders.db'}") as gate:
        now = gate.clock.now()
        for symbol, bid in (("AAPL", 100), ("BTC/USDT", 64_000)):
            await gate.set_quote(
                "paper", Quote(symbol=symbol, time=now, bid=Decimal(bid), ask=Decimal(bid + 1))
            )
        yield gate


async def bucket_of(url: str) -> dict[str, dict]:
    client = await connected(url)
    try:
        found = await values_in(client.jetstream(), BUCKET)
        return {key: json.loads(value) for key, value in found.items()}
    finally:
        await client.close()


async def check_bucket(gate: Gate, url: str) -> dict[str, dict]:
    """The bucket has what the journal has, as its schema says."""
    await caught_up(gate, "nats-positions")
    found = await bucket_of(url)
    head = (await gate.journal.head()).size - 1
    mark = found.pop(MARK)
    assert mark == {"log": gate.config.audit.origin, "journal": await begins(gate), "index": head}
    rows = await gate.journal.select("positions")
    assert set(found) == {key_of(row.fund_id, row.symbol) for row in rows}
    document = schema.document()
    valid = jsonschema_rs.validator_for({"$ref": "#/$defs/PositionValue", "$defs": document["$defs"]})
    for row in rows:
        value = found[key_of(row.fund_id, row.symbol)]
        valid.validate(value)
        assert Decimal(value["quantity"]) == row.quantity
        lots = [
            lot
            for lot in await gate.journal.select("lots", {"fund_id": row.fund_id, "symbol": row.symbol})
            if lot.remaining
        ]
        left = [Decimal(lot["open_qty"]) - Decimal(lot["close_qty"]) for lot in value["tax_lots"]]
        assert left == [lot.remaining for lot in lots[:MOST_LOTS]]
        assert value["more_lots"] == (len(lots) > MOST_LOTS)
        assert [value[name] for name in ("symbol", "log", "journal")] == [
            row.symbol,
            mark["log"],
            mark["journal"],
        ]
        assert value["index"] <= head
    return found


async def trade(gate: Gate, first: int, count: int, **changes) -> None:
    await asyncio.gather(*(gate.execute(buy(f"key-{n}", **changes)) for n in range(first, first + count)))
    await gate.quiet()


def run(work, within_s: float = 90) -> None:
    asyncio.run(asyncio.wait_for(work, within_s))


def test_positions_stand_with_their_lots_and_index(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 0, 3)
            await trade(gate, 10, 1, symbol="BTC/USDT", quantity=Decimal("0.5"))
            found = await check_bucket(gate, nats.url)
            apple = found[f"mts.v1.oms.positions.{FUND}.AAPL"]
            assert (apple["quantity"], apple["avg_price"], apple["market_value_usd"]) == (
                "300",
                "101",
                "30000",
            )
            assert (apple["last_price"], apple["unrealized_pl_usd"]) == ("100", "-300")
            assert found[f"mts.v1.oms.positions.{FUND}.BTC=2FUSDT"]["symbol"] == "BTC/USDT"
            await trade(gate, 20, 1, side=Side.SELL, quantity=Decimal(300))
            apple = (await check_bucket(gate, nats.url))[f"mts.v1.oms.positions.{FUND}.AAPL"]
            assert (apple["quantity"], apple["avg_price"], apple["tax_lots"]) == ("0", None, [])
            assert apple["realized_pl_usd"] == "-300"

    run(main())


@pytest.mark.parametrize("lost", ["bucket", "server", "mark", "emptied"])
def test_a_bucket_that_was_lost_is_filled_again(nats: Nats, tmp_path: Path, lost: str) -> None:
    async def main() -> None:
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 0, 3)
            await trade(gate, 10, 1, symbol="BTC/USDT", quantity=Decimal("0.5"))
            await check_bucket(gate, nats.url)
            if lost == "server":
                nats.kill()
                (tmp_path / "nats" / "store").rename(tmp_path / "gone")
                nats.start()
            else:
                client = await connected(nats.url)
                stream = client.jetstream()
                if lost == "bucket":
                    await stream.delete_key_value(BUCKET)
                elif lost == "mark":
                    await (await stream.key_value(BUCKET)).delete(MARK)
                else:
                    await stream.purge_stream(f"KV_{BUCKET}")
                await client.close()
            await trade(gate, 20, 1)
            assert len(await check_bucket(gate, nats.url)) == 2

    run(main())


def test_a_key_that_was_deleted_is_written_over_its_deletion(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 0, 1)
            await check_bucket(gate, nats.url)
            client = await connected(nats.url)
            await (await client.jetstream().key_value(BUCKET)).delete(f"mts.v1.oms.positions.{FUND}.AAPL")
            await client.close()
            await trade(gate, 10, 1)
            await check_bucket(gate, nats.url)

    run(main())


def test_killed_and_started_again_under_load(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with gate_to(nats.url, tmp_path) as gate:
            for turn in range(3):
                load = asyncio.ensure_future(trade(gate, 100 * turn, 50))
                await asyncio.sleep(0.05)  # somewhere in the middle of it
                nats.kill()
                await load
                nats.start()
            await check_bucket(gate, nats.url)

    run(main())


def test_an_owner_of_yesterday_puts_nothing_old_over_what_is_new(nats: Nats, tmp_path: Path) -> None:
    """It has read the journal, stands still while its successor writes, and goes on."""

    async def main() -> None:
        async with gate_to(None, tmp_path) as gate:
            connections = Connection((nats.url,)), Connection((nats.url,))
            old, new = (
                NatsPositions(one, BucketTerms(name=BUCKET), gate.journal, "l", lambda: market_of(gate))
                for one in connections
            )
            await trade(gate, 0, 1)
            entries = await _entries(gate)
            await old.deliver(entries)
            read, go = asyncio.Event(), asyncio.Event()
            values = old._values

            async def and_stands_still(keys):
                found = await values(keys)
                read.set()
                await go.wait()
                return found

            old._values = and_stands_still
            late = asyncio.ensure_future(old.deliver(entries))
            await read.wait()
            await trade(gate, 10, 1)
            await new.deliver(await _entries(gate))
            there = await bucket_of(nats.url)
            go.set()
            with pytest.raises(NatsError, match="did not take positions"):
                await late
            assert await bucket_of(nats.url) == there
            old._values = values
            await old.deliver(entries)  # by what the journal says now
            assert (await bucket_of(nats.url))[key_of(FUND, "AAPL")]["quantity"] == "200"
            for one in connections:
                await one.close()

    run(main())


def test_what_stands_further_on_is_left_alone_and_another_journal_gives_way(
    nats: Nats, tmp_path: Path
) -> None:
    async def main() -> None:
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 0, 1)
            await check_bucket(gate, nats.url)
            index, journal = (await gate.journal.head()).size + 1_000, await begins(gate)
        client = await connected(nats.url)
        bucket = await client.jetstream().key_value(BUCKET)
        ahead = {"log": "ordergate.local/journal", "journal": journal, "index": index, "quantity": "7"}
        await bucket.put(key_of(FUND, "AAPL"), json.dumps(ahead).encode())
        other = {"log": "another", "journal": journal, "index": 10_000, "quantity": "7"}
        await bucket.put(key_of(FUND, "BTC/USDT"), json.dumps(other).encode())
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 10, 1)
            await trade(gate, 20, 1, symbol="BTC/USDT", quantity=Decimal("0.5"))
            await caught_up(gate, "nats-positions")
            found = await bucket_of(nats.url)
            assert found[key_of(FUND, "AAPL")] == ahead
            await trade(gate, 30, 1)  # what was left alone once is so again
            await caught_up(gate, "nats-positions")
            assert (await bucket_of(nats.url))[key_of(FUND, "AAPL")] == ahead
            assert found[key_of(FUND, "BTC/USDT")]["quantity"] == "0.5"
        await client.close()

    run(main())


@pytest.mark.slow
def test_a_bucket_that_is_ahead_of_an_older_database_is_left_alone_until_it_is_deleted(
    nats: Nats, tmp_path: Path
) -> None:
    async def main() -> None:
        older = tmp_path / "older"
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 0, 1)
            await check_bucket(gate, nats.url)
        shutil.copytree(tmp_path, older, ignore=shutil.ignore_patterns("nats", "older"))
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 10, 30)
            await check_bucket(gate, nats.url)
        there = await bucket_of(nats.url)
        with capture_logs() as logs:
            async with gate_to(nats.url, older) as gate:
                await trade(gate, 50, 1)
                while not (
                    said := [one for one in logs if "is ahead of the journal" in one.get("error", "")]
                ):
                    await asyncio.sleep(0.02)
                assert f"it is at entry {there[MARK]['index']} of {there[MARK]['log']}" in said[0]["error"]
                assert await bucket_of(nats.url) == there, "neither values nor the mark go back"
                client = await connected(nats.url)
                await client.jetstream().delete_key_value(BUCKET)
                await client.close()
                await trade(gate, 60, 1)
                await check_bucket(gate, nats.url)

    run(main())


def test_a_journal_that_has_come_as_far_as_the_bucket_writes_all_of_it(nats: Nats, tmp_path: Path) -> None:
    """Else a position that has not changed since would stand as the lost entries left it."""

    async def main() -> None:
        async with gate_to(None, tmp_path) as gate:
            await trade(gate, 0, 1)
            await trade(gate, 1, 1, symbol="BTC/USDT", quantity=Decimal("0.5"))
            connection = Connection((nats.url,))
            outlet = NatsPositions(
                connection, BucketTerms(name=BUCKET), gate.journal, "l", lambda: market_of(gate)
            )
            await outlet.deliver(await _entries(gate))
            bucket, mark = await (await connection.stream()).key_value(BUCKET), "ordergate.v1.positions.l"
            index = (await gate.journal.head()).size + 3
            lost = {"log": "l", "journal": await begins(gate), "index": index}
            await bucket.put(mark, json.dumps(lost).encode())
            await bucket.put(key_of(FUND, "BTC/USDT"), json.dumps(lost | {"quantity": "7"}).encode())
            again = NatsPositions(
                connection, BucketTerms(name=BUCKET), gate.journal, "l", lambda: market_of(gate)
            )
            with pytest.raises(NatsError, match="is ahead of the journal"):
                await again.deliver(await _entries(gate))
            await trade(gate, 10, 5)
            await again.deliver((await _entries(gate))[-1:])
            found = await bucket_of(nats.url)
            assert found[key_of(FUND, "BTC/USDT")]["quantity"] == "0.5"
            assert found[mark]["index"] == (await gate.journal.head()).size - 1
            await connection.close()

    run(main())


def test_another_journal_of_the_same_origin_fills_the_bucket_and_says_so(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        for folder in (tmp_path / "first", tmp_path / "second"):
            folder.mkdir()
        async with gate_to(nats.url, tmp_path / "first") as gate:
            await trade(gate, 0, 30)
            await check_bucket(gate, nats.url)
            other = await begins(gate)
        with capture_logs() as logs:
            async with gate_to(nats.url, tmp_path / "second") as gate:
                await trade(gate, 0, 1)
                found = await check_bucket(gate, nats.url)
                assert found[key_of(FUND, "AAPL")]["quantity"] == "100"
        said = [one for one in logs if one["event"].startswith("the positions here are of another journal")]
        assert [(one["log_level"], one["other"]) for one in said] == [("error", other)]

    run(main())


async def begins(gate: Gate) -> str:
    """The beginning of the first entry's hash."""
    (first,) = await gate.journal.lines(0, 1)
    return first.hash.hex()[:8]


async def _entries(gate: Gate) -> list:
    size = (await gate.journal.head()).size
    return [decode(line.data, index) for index, line in enumerate(await gate.journal.lines(0, size))]
