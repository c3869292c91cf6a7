"""What happens to orders, published to a real server that is killed, paused, away, small, or set by somebody else."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ordergate.adapters.outlets.nats import Dialect
from ordergate.application.entry import Origin
from ordergate.application.ports.leases import PRESENCE
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, FundSection
from ordergate.config.nats import NatsSection
from ordergate.domain.market import Quote
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.limits import Level
from tests.services.nats import Nats
from tests.services.nats_reader import EVERYTHING, STREAM, caught_up, check_view, connected, expected, read
from tests.services.server import ROOT
from tests.unit.application.gates import buy

PAGE = (ROOT / "docs" / "howto" / "nats-out.md").read_text()


def configured(url: str, **changes) -> Config:
    section = {"servers": (url,), "dialects": EVERYTHING} | changes
    return Config(nats=NatsSection(**section), funds={"paper-momentum": FundSection(unlimited=True)})


@asynccontextmanager
async def gate_to(url: str, path: Path | str, **changes) -> AsyncIterator[Gate]:
    database = path if isinstance(path, str) else f"sqlite:///{path / 'orders.db'}"
    async with open_gate(configured(url, **changes), database) as gate:
        now = gate.clock.now()
        await gate.set_quote("paper", Quote(symbol="AAPL", time=now, bid=Decimal(100), ask=Decimal(101)))
        yield gate


async def trade(gate: Gate, first: int, count: int) -> None:
    """Orders that are filled at once, ten at a time."""
    for start in range(first, first + count, 10):
        await asyncio.gather(*(gate.execute(buy(f"key-{n}")) for n in range(start, start + 10)))


async def named(gate: Gate) -> str:
    """Origin, and the beginning of the first entry's hash."""
    (first,) = await gate.journal.lines(0, 1)
    return f"{gate.config.audit.origin}/{first.hash.hex()[:8]}"


def run(work, within_s: float = 120) -> None:
    asyncio.run(asyncio.wait_for(work, within_s))


def test_all_that_the_journal_says_comes_in_every_dialect(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 0, 30)
            await gate.quiet()
            await caught_up(gate)
            assert await check_view(gate, nats.url) == len(await expected(gate))
            message = (await read(nats.url))[-1]
            told = f"{message.headers['Ordergate-Log']}/{message.headers['Ordergate-Journal']}"
            assert told == await named(gate)
            assert message.headers["Ordergate-Time"].endswith("Z")
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 30, 10)
            await gate.quiet()
            await caught_up(gate)
            assert await check_view(gate, nats.url) == len(await expected(gate))

    run(main())


def test_a_server_that_comes_late_gets_everything(nats: Nats, tmp_path: Path) -> None:
    nats.kill()

    async def main() -> None:
        began = time.monotonic()
        async with gate_to(nats.url, tmp_path, positions_bucket="P", alerts=True) as gate:
            await trade(gate, 0, 20)
            assert await gate.journal.cursor("nats") == 0
            assert time.monotonic() - began < 30, "nobody waits for it"
            nats.start()
            await caught_up(gate)
            await caught_up(gate, "nats-positions")
            await check_view(gate, nats.url)

    run(main())


def test_a_server_that_is_never_there_holds_up_no_end(nats: Nats, tmp_path: Path) -> None:
    nats.kill()

    async def main() -> float:
        async with gate_to(nats.url, tmp_path, positions_bucket="P") as gate:
            await trade(gate, 0, 10)
            return time.monotonic()

    began = asyncio.run(main())
    assert time.monotonic() - began < 20
    nats.start()


@pytest.mark.slow
def test_killed_and_started_again_under_load(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with gate_to(nats.url, tmp_path) as gate:
            await trade(gate, 0, 20)
            await caught_up(gate)
            for turn in range(1, 4):
                load = asyncio.ensure_future(trade(gate, 200 * turn, 100))
                await asyncio.sleep(0.1)  # somewhere in the middle of it
                nats.kill()
                await load
                nats.start()
            await gate.quiet()
            await caught_up(gate, within_s=90)
            await check_view(gate, nats.url)

    run(main(), 180)


def test_one_that_stands_still_holds_up_neither_orders_nor_the_end(nats: Nats, tmp_path: Path) -> None:
    async def main() -> float:
        async with gate_to(nats.url, tmp_path, positions_bucket="P", alerts=True) as gate:
            await trade(gate, 0, 10)
            await caught_up(gate)
            nats.pause()
            await trade(gate, 10, 100)
            await gate.quiet()
            assert await gate.journal.cursor("nats") < (await gate.journal.head()).size
            return time.monotonic()

    began = asyncio.run(main())
    assert time.monotonic() - began < 30, "the end is bounded"
    nats.resume()

    async def after() -> None:
        async with gate_to(nats.url, tmp_path) as gate:
            await caught_up(gate)
            await check_view(gate, nats.url)

    run(after())


def test_streams_of_others_stay_as_they_are(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        client = await connected(nats.url)
        stream = client.jetstream()
        await stream.add_stream(name="THEIRS", subjects=["orders.filled.>"], max_msgs=1_000)
        await stream.add_stream(name=STREAM, subjects=["ORDER_UPDATE"], max_age=3_600)
        async with gate_to(nats.url, tmp_path, dialects=(Dialect.ORDERS, Dialect.UPDATES)) as gate:
            await trade(gate, 0, 10)
            await gate.quiet()
            await caught_up(gate)
            theirs, ours = await stream.stream_info("THEIRS"), await stream.stream_info(STREAM)
            assert (theirs.config.subjects, theirs.config.max_msgs) == (["orders.filled.>"], 1_000)
            assert theirs.state.messages == 10, "filled, and not closed again"
            assert ours.config.max_age == 3_600
            assert "orders.filled.*" not in ours.config.subjects
            assert {"ORDER_UPDATE", "orders.pending.*"} <= set(ours.config.subjects)
            ids = {m.headers["Nats-Msg-Id"] for s in ("THEIRS", STREAM) for m in await read(nats.url, s)}
            assert ids == {one.id for one in await expected(gate, (Dialect.ORDERS, Dialect.UPDATES))}
        await client.close()

    run(main())


def test_another_journal_of_the_same_origin_loses_nothing_and_is_told_of(nats: Nats, tmp_path: Path) -> None:
    """Such as a database that is begun anew within the duplicate window, or two on one server."""

    async def main() -> None:
        ids: list[set[str]] = []
        for folder in (tmp_path / "first", tmp_path / "second"):
            folder.mkdir()
            with capture_logs() as logs:
                async with gate_to(nats.url, folder, alerts=True) as gate:
                    await trade(gate, 0, 10)
                    await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason="enough"))
                    await gate.quiet()
                    await caught_up(gate)
                    await caught_up(gate, "nats-alerts")
                    ids.append({letter.id for letter in await expected(gate)})
                    journal = (await named(gate)).rpartition("/")[2]
            said = [one for one in logs if one["event"].startswith("another journal of this origin")]
            assert bool(said) == (len(ids) == 2), "the second says so, at once"
        assert {(one["log_level"], one["journal"]) for one in said} == {("error", journal)}
        came = await read(nats.url)
        assert ids[0].isdisjoint(ids[1])
        assert len([m for m in came if m.headers["Nats-Msg-Id"].endswith("/alert")]) == 2
        assert ids[0] | ids[1] <= {message.headers["Nats-Msg-Id"] for message in came}
        with capture_logs() as logs:
            async with gate_to(nats.url, tmp_path / "second", alerts=True) as gate:
                await trade(gate, 10, 10)
                await caught_up(gate)
        assert not [one for one in logs if one["event"].startswith("another journal")], "it was the last here"

    run(main())


def test_a_stream_that_was_deleted_is_made_again(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        client = await connected(nats.url)
        async with gate_to(nats.url, tmp_path, dialects=(Dialect.EVENTS,)) as gate:
            await caught_up(gate)
            before = (await gate.journal.head()).size
            await client.jetstream().delete_stream(STREAM)
            await trade(gate, 0, 10)
            await gate.quiet()
            await caught_up(gate)
            indices = {int(m.headers["Ordergate-Index"]) for m in await read(nats.url)}
            assert indices == set(range(before, (await gate.journal.head()).size))
        await client.close()

    run(main())


def test_what_is_too_large_for_the_server_stops_nothing(tmp_path: Path) -> None:
    nats = Nats(tmp_path / "small", top=["max_payload: 4096"])

    async def main() -> None:
        async with gate_to(nats.url, tmp_path, dialects=(Dialect.EVENTS,)) as gate:
            await gate.execute(buy("large"), Origin(source="test"), "x" * 8_000)
            await trade(gate, 0, 10)
            await caught_up(gate)
            found = {int(m.headers["Ordergate-Index"]): m for m in await read(nats.url)}
            assert set(found) == set(range((await gate.journal.head()).size))
            without = [index for index, message in found.items() if not message.data]
            assert len(without) == 1
            assert int(found[without[0]].headers["Ordergate-Too-Large"]) > 8_000

    try:
        run(main())
    finally:
        nats.kill()


def test_alerts_come_from_when_they_are_switched_on(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with gate_to(nats.url, tmp_path, dialects=()) as gate:
            await gate.execute(ThrowSwitch(level=Level.FUND, name="paper-momentum", reason="before"))
        async with gate_to(nats.url, tmp_path, dialects=(), alerts=True) as gate:
            await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason="enough"))
            index = (await gate.journal.head()).size - 1
            await caught_up(gate, "nats-alerts")
            (message,) = await read(nats.url)
            body = json.loads(message.data)
            assert message.subject == "ordergate.v1.alerts.halt"
            assert (body["id"], body["kind"], body["log"]) == (index, "halt", gate.config.audit.origin)
            assert message.headers["Nats-Msg-Id"] == f"{await named(gate)}/{index}/alert"

    run(main())


@pytest.mark.slow
def test_of_two_nodes_one_publishes_and_the_other_goes_on(
    nats: Nats, database: str, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def owner(gate: Gate) -> str | None:
        return next((held.node for held in await gate.leases.all() if held.name == "outlet:nats"), None)

    async def main() -> None:
        async with gate_to(nats.url, database) as second_to_end:
            first = asyncio.Event()
            ended = asyncio.Event()

            async def other() -> None:
                async with gate_to(nats.url, database) as gate:
                    await trade(gate, 0, 20)
                    assert await owner(gate) == second_to_end.leases.node
                    nodes = [held for held in await gate.leases.all() if held.name.startswith(PRESENCE)]
                    assert len(nodes) == 2
                    first.set()
                    await ended.wait()
                    await trade(gate, 100, 20)
                    await caught_up(gate)
                    assert await owner(gate) == gate.leases.node
                    await check_view(gate, nats.url)

            beside = asyncio.ensure_future(other())
            await asyncio.wait(
                {beside, asyncio.ensure_future(first.wait())}, return_when=asyncio.FIRST_COMPLETED
            )
            await trade(second_to_end, 50, 20)
        ended.set()
        await beside

    run(main())


def test_the_code_of_the_page_runs(nats: Nats, tmp_path: Path) -> None:
    (code,) = [part.split("```")[0] for part in PAGE.split("```py\n")[1:]]

    async def main() -> None:
        changes = {"dialects": (Dialect.MTS, Dialect.EVENTS), "positions_bucket": "ORDERGATE_POSITIONS"}
        async with gate_to(nats.url, tmp_path, alerts=True, **changes) as gate:
            await trade(gate, 0, 10)
            await gate.quiet()
            await caught_up(gate)
            await caught_up(gate, "nats-positions")

    run(main())
    program = f"import asyncio\nasync def main():\n    {code.replace(chr(10), chr(10) + '    ')}\n    print(sorted(states.values()), held['quantity'])\nasyncio.run(main())\n"
    script = tmp_path / "reader.py"
    script.write_text(program.replace("nats://127.0.0.1:4222", nats.url))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, env=os.environ, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{['CLOSED'] * 10} 1000"
