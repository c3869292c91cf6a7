"""The connection: whatever the server does, a call ends in time, says what was wrong, and the next one is fresh."""

import asyncio
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from ordergate.adapters.clickhouse import ClickHouseError, Connection
from ordergate.config.clickhouse import ClickHouseSection
from tests.services.canaries import Canaries, told
from tests.services.clickhouse import ClickHouse, NoClickHouse
from tests.services.secrets import secrets
from tests.services.server import ROOT


def to(clickhouse: ClickHouse, **section: object) -> Connection:
    at = {"url": clickhouse.url, "database": clickhouse.database} | section
    return Connection(ClickHouseSection(**at).target(secrets()))


def test_what_it_gives(clickhouse: ClickHouse) -> None:
    async def main() -> None:
        connection = to(clickhouse)
        await connection.command(
            "CREATE TABLE t (a Nullable(Decimal(38, 18))) ENGINE MergeTree ORDER BY tuple()"
        )
        await connection.insert("t", b'{"a": "1.000000000000000001"}\n{"a": null}\n')
        found = await connection.query("SELECT a FROM t ORDER BY a NULLS LAST LIMIT {n:UInt8}", {"n": 5})
        assert (found.columns, found.types) == (("a",), ("Nullable(Decimal(38, 18))",))
        assert [tuple(row) for row in found.rows] == [(Decimal("1.000000000000000001"),), (None,)]
        await connection.close()
        assert (await connection.query("SELECT 1")).rows[0][0] == 1  # whoever asks again is connected again
        await connection.close()

    asyncio.run(main())


def test_a_row_that_cannot_be_is_refused_with_all_beside_it(clickhouse: ClickHouse) -> None:
    async def main() -> None:
        connection = to(clickhouse)
        await connection.command("CREATE TABLE t (a UInt8) ENGINE MergeTree ORDER BY a")
        for rows in (b'{"a": 1}\n{"a": "x"}\n', b'{"a": 1}\n{"b": 1}\n', b"rubbish"):
            with pytest.raises(ClickHouseError):
                await connection.insert("t", rows)
        assert clickhouse.ask("SELECT count() FROM t") == [["0"]]

    asyncio.run(main())


@pytest.mark.parametrize("mode", ["rubbish", "page", "deaf", "lost", "slow-5"])
def test_a_server_that_misbehaves(clickhouse: ClickHouse, mode: str) -> None:
    async def main() -> None:
        connection = to(clickhouse, timeout_s=1)
        await connection.command("CREATE TABLE t (a UInt8) ENGINE MergeTree ORDER BY a")
        clickhouse.mode(mode)
        began = time.monotonic()
        with pytest.raises(ClickHouseError, match=r"127\.0\.0\.1") as failed:
            await connection.query("SELECT 1")
        assert time.monotonic() - began < 5
        assert len(str(failed.value)) < 600
        with pytest.raises(ClickHouseError):
            await connection.insert("t", b'{"a": 1}')
        clickhouse.mode("well")
        assert (await connection.query("SELECT 1")).rows[0][0] == 1

    asyncio.run(main())


def test_an_answer_that_is_not_clickhouses_is_no_success(clickhouse: ClickHouse) -> None:
    async def main() -> None:
        connection = to(clickhouse)
        await connection.command("CREATE TABLE t (a UInt8) ENGINE MergeTree ORDER BY a")
        for word in ("swallow-t", "rubbish"):
            for change in (
                lambda: connection.insert("t", b'{"a": 1}'),
                lambda: connection.command("DELETE FROM t WHERE a = 1"),
                lambda: connection.command("CREATE TABLE IF NOT EXISTS t (a UInt8) ENGINE Memory"),
            ):
                await connection.query("SELECT 1")  # it is connected by now
                clickhouse.mode(word)
                with pytest.raises(ClickHouseError, match=r"127\.0\.0\.1.*not ClickHouse's"):
                    await change()
                clickhouse.mode("well")
        assert (await connection.query("SELECT * FROM t")).rows == []
        await connection.insert("t", b'{"a": 1}')
        assert clickhouse.ask("SELECT * FROM t") == [["1"]]
        assert (await connection.query("SELECT * FROM t LIMIT 0")).columns == ("a",)
        await connection.close()

    asyncio.run(main())


def test_a_server_that_stands_still_keeps_neither_loop_nor_end(own_clickhouse: ClickHouse) -> None:
    async def main() -> None:
        connection = to(own_clickhouse, timeout_s=1)
        await connection.query("SELECT 1")
        own_clickhouse.pause()
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        counting = asyncio.ensure_future(count())
        with pytest.raises(ClickHouseError):
            await connection.query("SELECT 1")
        assert turns > 20
        await connection.close()
        connection = to(own_clickhouse, timeout_s=20)
        asking = asyncio.ensure_future(connection.query("SELECT 1"))
        await asyncio.sleep(0.05)
        asking.cancel()
        began = time.monotonic()
        await asyncio.gather(asking, return_exceptions=True)
        await connection.close()
        assert time.monotonic() - began < 10
        counting.cancel()
        own_clickhouse.resume()
        assert (await connection.query("SELECT 1")).rows[0][0] == 1
        await connection.close()

    asyncio.run(main())


def test_who_is_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        server = ClickHouse(tmp_path / "clickhouse", "og", "S3cret")
    except NoClickHouse as missing:
        pytest.skip(str(missing))
    canaries = Canaries()

    async def main() -> None:
        monkeypatch.setenv("OG_CH", "S3cret")
        connection = to(server, username="og", password_env="OG_CH")
        assert (await connection.query("SELECT 1")).rows[0][0] == 1
        monkeypatch.setenv("OG_CH", canaries.plain("a wrong password"))
        for refused in (to(server, username="og", password_env="OG_CH"), to(server)):
            with pytest.raises(ClickHouseError, match="uthentication failed") as error:
                await refused.query("SELECT 1")
            assert error.value.code == 516
            assert canaries.found_in({"raised": told(error.value, variables=True)}) == []
        await rotated()

    async def rotated() -> None:
        file, held = tmp_path / "password", secrets()
        file.write_text("wr0ng")
        file.chmod(0o600)
        section = ClickHouseSection(url=server.url, username="og", password_file=str(file))
        connection = Connection(section.target(held))
        with pytest.raises(ClickHouseError, match="uthentication failed"):
            await connection.query("SELECT 1")
        file.write_text("S3cret")
        await held.refresh()
        assert (await connection.query("SELECT 1")).rows[0][0] == 1
        await connection.close()

    try:
        asyncio.run(main())
    finally:
        server.kill()


def test_a_server_that_is_not_there_is_said_once() -> None:
    code = (
        "import asyncio\nfrom ordergate.adapters.clickhouse import ClickHouseError, Connection, Target\n"
        "nobody = Connection(Target(interface='http', host='127.0.0.1', port=1))\n"
        "try: asyncio.run(nobody.query('SELECT 1'))\n"
        "except ClickHouseError as error: print(error)"
    )
    done = python(code)
    said = "database default at http://127.0.0.1:1 cannot be reached: Connection refused\n"
    assert (done.stdout, done.stderr) == (said, "")


def python(code: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_engine_in_this_process(tmp_path: Path) -> None:
    pytest.importorskip("chdb")

    async def main() -> None:
        target = ClickHouseSection(url=f"chdb://{tmp_path / 'engine'}").target(secrets())
        one, two = Connection(target), Connection(target)
        await one.command("CREATE TABLE t (a String) ENGINE MergeTree ORDER BY a")
        await one.insert("t", b'{"a": "x"}')
        assert (await two.query("SELECT a FROM t")).rows[0][0] == "x"
        with pytest.raises(ClickHouseError, match="chdb://"):
            await one.query("SELECT * FROM nowhere")
        assert (await one.query("SELECT count() FROM t")).rows[0][0] == 1  # in another thread
        code = (
            "import asyncio\nfrom ordergate.adapters.clickhouse import Connection, Target\n"
            f"there = Target(interface='chdb', path={target.path!r})\n"
            "asyncio.run(Connection(there).query('SELECT 1'))"
        )
        other = await asyncio.to_thread(python, code)
        assert "cannot be opened: another process has it, or it cannot be written" in other.stderr
        await one.close()
        await two.close()

    asyncio.run(main())
