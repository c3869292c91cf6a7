"""The commands of docs/howto/exchanges.md, against a real server whose exchange is the fake one."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("ccxt")

from ordergate.config import load
from ordergate.testing.exchange import Exchange, serving
from tests.services.exchange import KEY, SECRET

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto" / "exchanges.md").read_text()
(TOML,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
CHECK, START, *BLOCKS = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)


def test_its_settings_load(tmp_path: Path) -> None:
    file = tmp_path / "ordergate.toml"
    file.write_text(TOML)
    config = load(file)
    assert set(config.brokers) == {"binance", "binance-perps"}
    perpetual = config.catalogue("BTC/USDT:USDT")
    assert perpetual is not None
    assert perpetual.perpetual


@contextmanager
def exchange() -> Iterator[tuple[Exchange, str]]:
    """The fake exchange, on a loop of its own."""
    found, loop, over = Exchange(), asyncio.new_event_loop(), asyncio.Event()
    told: list[str] = []
    up = threading.Event()

    async def serve() -> None:
        async with serving(found) as served:
            told.append(served.url)
            up.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert up.wait(60)
        yield found, told[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's examples use curl")
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    assert START == "ordergate serve --config ordergate.toml --db sqlite:///orders.db\n"
    (tmp_path / "ordergate.toml").write_text(TOML)
    with exchange() as (found, url):
        for perp in (False, True):
            found.set_market(Decimal(50000), Decimal("50000.1"), Decimal(10), perp=perp)
        found.accounts[found.key].withdraws = True
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "BINANCE_KEY": KEY,
            "BINANCE_SECRET": SECRET,
        }
        ordergate = [sys.executable, "-m", "tests.services.exchange_program", url, "ordergate"]
        checked = subprocess.run(
            [*ordergate, *CHECK.splitlines()[1].split()[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=environment,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert re.search(r"warn .*(withdraw|take money out)", checked.stdout), checked.stdout
        process = subprocess.Popen(
            [*ordergate, *START.split()[1:], "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ordergate serves http://"), line
            said = [run(block, line.split()[2], tmp_path) for block in BLOCKS[:1]]
            until = time.monotonic() + 20
            while '"state":"CLOSED"' not in said[-1]:
                assert time.monotonic() < until, said
                time.sleep(0.1)
                said.append(run(BLOCKS[1], line.split()[2], tmp_path))
            assert '"broker_order_id":"BTC/USDT#1001"' in said[-1]
            assert '"quantity":"0.01"' in said[-1]
            assert len(found.orders) == 1
        finally:
            process.terminate()
            process.communicate(timeout=60)


def run(block: str, url: str, folder: Path) -> str:
    script = "set -eu\n" + block.replace("http://127.0.0.1:8012", url)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    assert '"status":4' not in done.stdout, done.stdout
    return done.stdout
