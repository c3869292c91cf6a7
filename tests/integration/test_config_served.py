"""A service whose configuration is rewritten while orders flow: none is refused or lost, and one whole file is in force."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ordergate.cli.app import app
from tests.services.commands import CliRunner
from tests.services.server import Served, finish, serving_in, start_in

GOOD = """
[limits.funds.paper-momentum]
nav_usd = 100_000_000
max_order_qty = {cap}
price_collar_pct = "none"
duplicate_window_s = "none"
max_orders_per_s = "none"
max_messages_per_s = "none"
[signals]
order_type = "{kind}"
[rates]
"USDT/USD" = 0.{cap}
"""
# The long one has no beginning that could stand alone: what is written in place may be read halfway.
BAD = (
    b"", b"[limits.funds", b"\x00\x01\xff\xfe" * 100, b"x" * 2_000_000, b"[limits.firm]\nmax_order_qty = -1\n",
    b"[nosuch]\n", b"[signals]\nfund = 'nobody'\n",
)  # fmt: skip


def written(number: int) -> str:
    """The cap, the rate and the type of signals' orders belong together."""
    return GOOD.format(cap=1000 + number, kind="market" if number % 2 else "limit")


def is_whole(shown: dict[str, Any]) -> bool:
    in_force = shown["in_force"]
    cap = int(in_force["limits"]["funds"]["paper-momentum"]["max_order_qty"])
    rate, kind = in_force["rates"]["USDT/USD"], in_force["signals"]["order_type"]
    return rate == f"0.{cap}" and kind == ("market" if cap % 2 else "limit")


def until(true: Callable[[], bool], within_s: float = 30) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


class Trader(threading.Thread):
    """Sends one order after the other until it is told to stop."""

    def __init__(self, served: Served, name: str) -> None:
        super().__init__(daemon=True)
        self._served, self._name = served, name
        self.stop, self.taken, self.wrong = threading.Event(), list[str](), list[str]()

    def run(self) -> None:
        with self._served.client() as client:
            for number in range(1_000_000):
                if self.stop.is_set():
                    return
                order = {
                    "idempotency_key": f"{self._name}-{number}", "symbol": "AAPL", "side": "buy", "quantity": "1",
                    "order_type": "limit", "limit_price": "100.00", "tif": "gtc", "fund_id": "paper-momentum",
                }  # fmt: skip
                try:
                    answer = client.post("/v1/orders", json=order)
                except httpx2.HTTPError as error:
                    self.wrong.append(repr(error))
                    return
                if answer.status_code not in (200, 202) or answer.json()["state"] == "REJECTED":
                    self.wrong.append(answer.text)
                    return
                self.taken.append(answer.json()["order_id"])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    config, database = tmp_path / "o.toml", tmp_path / "orders.db"
    config.write_text(written(0))
    with serving_in(tmp_path, database, "--db", f"sqlite:///{database}", "--config", str(config)) as found:
        with found.client() as client:
            client.put("/v1/paper/quotes/AAPL", json={"bid": "180.40", "ask": "180.50"})
        yield found


@pytest.mark.slow
def test_orders_flow_while_the_file_is_rewritten_a_hundred_times(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "o.toml"
    traders = [Trader(served, name) for name in "ab"]
    for trader in traders:
        trader.start()
    with served.client() as client:
        for number in range(1, 101):
            if number % 3 == 0:
                path.write_bytes(BAD[number // 3 % len(BAD)])
            elif number % 3 == 1:
                path.write_text(written(number))
            else:
                path.with_suffix(".new").write_text(written(number))
                path.with_suffix(".new").replace(path)
            if number % 10 == 0:
                path.unlink()
            if number % 5 == 0:
                client.post("/v1/config/reload")
            shown = client.get("/v1/config").json()
            assert is_whole(shown), [
                shown["pending"],
                shown["last_reload"],
                client.get("/v1/kill-switch").json(),
            ]
        path.write_text(written(200))
        until(lambda: client.get("/v1/config").json()["in_force"]["rates"]["USDT/USD"] == "0.1200")
        for trader in traders:
            trader.stop.set()
            trader.join(20)
        shown = client.get("/v1/config").json()
        assert is_whole(shown)
        assert shown["last_reload"]["outcome"] in ("applied", "unchanged")
        assert [trader.wrong for trader in traders] == [[], []]
        taken = {order_id for trader in traders for order_id in trader.taken}
        assert len(taken) > 50
        for order_id in taken:
            assert client.get(f"/v1/orders/{order_id}").json()["state"] == "SUBMITTED"
    assert served.process.poll() is None


def test_a_signal_and_commands_reload_and_say_how_it_stands(served: Served, tmp_path: Path) -> None:
    path, at = tmp_path / "o.toml", ["--db", f"sqlite:///{served.database}"]

    def command(*words: str) -> Any:
        return CliRunner().invoke(app, [*words, *at])

    def shown() -> dict[str, Any]:
        return json.loads(command("config", "status", "--json").output)

    assert shown()["last_reload"] is None
    path.write_text(written(3))
    done = command("config", "reload", "--as", "ann")
    assert done.exit_code == 0, done.output
    assert "limits.funds.paper-momentum.max_order_qty" in done.output
    before = shown()
    assert before["in_force"]["signals"]["order_type"] == "market"
    if hasattr(signal, "SIGHUP"):
        served.process.send_signal(signal.SIGHUP)
        until(lambda: shown()["sources"][0]["read_at"] > before["sources"][0]["read_at"])
    path.write_text("[server]\nport = 1\n" + written(3))
    assert "server.port" in command("config", "reload").output
    path.write_text("[limits.firm]\nmax_order_qty = -1\n")
    done = command("config", "reload")
    assert done.exit_code == 5
    assert "limits.firm.max_order_qty" in done.output
    assert "limits.firm.max_order_qty" in command("config", "status").output


def test_no_service_no_status(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["config", "status", "--db", f"sqlite:///{tmp_path / 'orders.db'}"])
    assert done.exit_code == 1
    assert "no service has" in done.output


@pytest.mark.slow
def test_a_service_that_is_killed_while_it_reloads_starts_with_the_file_and_a_whole_journal(
    tmp_path: Path,
) -> None:
    path, database = tmp_path / "o.toml", tmp_path / "orders.db"
    path.write_text(written(0))
    for turn in range(3):
        served = start_in(tmp_path, database, "--db", f"sqlite:///{database}", "--config", str(path))
        try:
            with served.client() as client:
                assert is_whole(client.get("/v1/config").json())
                asked = threading.Thread(target=_reload, args=(served,), daemon=True)
                path.write_text(written(turn * 10 + 7))
                asked.start()
                time.sleep(0.002 * turn)
                os.kill(served.process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
                asked.join(10)
        finally:
            finish(served.process)
    done = CliRunner().invoke(app, ["audit", "verify", "--db", f"sqlite:///{database}"])
    assert done.exit_code == 0, done.output
    with (
        serving_in(tmp_path, database, "--db", f"sqlite:///{database}", "--config", str(path)) as served,
        served.client() as client,
    ):
        assert is_whole(client.get("/v1/config").json())
        limits = client.get("/v1/risk/limits/fund/paper-momentum").json()
        assert limits["limits"]["max_order_qty"] == "1027"


def _reload(served: Served) -> None:
    try:
        with served.client() as client:
            client.post("/v1/config/reload")
    except httpx2.HTTPError:
        pass
