"""The simulated terminal in its own process, and the package module in another: killed, hung, cut and started again."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ordergate.testing.metatrader5 import Fault, TerminalProcess

CALLER = """
import json, sys
import ordergate.testing.metatrader5.package as mt5
for line in sys.stdin:
    name, args, kwargs = json.loads(line)
    value = getattr(mt5, name)(*args, **kwargs)
    print(json.dumps([value, mt5.last_error()]), flush=True)
"""
REQUEST = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 1, "magic": 7}


class Caller:
    """A process that imports the package and calls it as it is told."""

    def __init__(self, terminal: TerminalProcess) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CALLER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **terminal.environment},
        )

    def begin(self, name: str, *args: Any, **kwargs: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([name, args, kwargs]) + "\n")
        self.process.stdin.flush()

    def end(self) -> tuple[Any, list[Any]]:
        assert self.process.stdout is not None
        value, error = json.loads(self.process.stdout.readline())
        return value, error

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        self.begin(name, *args, **kwargs)
        return self.end()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[TerminalProcess]:
    with TerminalProcess(tmp_path / "account.json") as started:
        started.control.quote("EURUSD", "1.10000", "1.10010")
        yield started


@pytest.fixture
def call(terminal: TerminalProcess) -> Iterator[Caller]:
    started = Caller(terminal)
    assert started("initialize") == (True, [1, "Success"])
    assert started("symbol_select", "EURUSD")[0] is True
    yield started
    started.kill()


def until(holds: Callable[[], Any]) -> None:
    limit = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.slow
def test_the_account_outlives_the_terminal_and_the_market_watch_does_not(
    terminal: TerminalProcess, call: Caller
) -> None:
    sent, _ = call("order_send", REQUEST)
    terminal.control.inject(Fault.CLIENT_OFF)
    terminal.kill()
    assert call("positions_total") == (None, [-10002, "IPC recv failed"])
    assert call("positions_total") == (None, [-10004, "No IPC connection"])
    assert call("initialize") == (False, [-10003, "IPC initialize failed, MetaTrader 5 x64 not found"])
    terminal.start()
    assert call("initialize")[0] is True
    assert call("positions_get")[0][0][0] == sent[2]
    assert terminal.control.watched() == []
    assert call("order_send", REQUEST)[0][0] == 10021
    assert call("symbol_select", "EURUSD")[0] is True
    assert call("order_send", REQUEST)[0][0] == 10009
    assert len(terminal.control.look()["deals"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
def test_it_dies_in_the_middle_of_a_request(
    terminal: TerminalProcess, call: Caller, when: str, done: int
) -> None:
    terminal.control.inject(Fault.DIE, when=when)
    assert call("order_send", REQUEST) == (None, [-10002, "IPC recv failed"])
    terminal.wait()
    terminal.start()
    seen = terminal.control.look()
    assert len(seen["positions"]) == len(seen["sent"]) == len(seen["deals"]) == done


@pytest.mark.slow
def test_a_terminal_that_stands_still_is_waited_for_for_ever(terminal: TerminalProcess, call: Caller) -> None:
    terminal.stop()
    call.begin("order_send", REQUEST)
    with pytest.raises(subprocess.TimeoutExpired):
        call.process.wait(0.3)
    terminal.resume()
    assert call.end()[0][0] == 10009


@pytest.mark.slow
def test_initialize_has_a_deadline_for_the_login_and_none_for_the_pipe(
    terminal: TerminalProcess, call: Caller
) -> None:
    terminal.control.inject(Fault.DISCONNECTED)
    assert call("initialize", timeout=200) == (False, [-10005, "IPC timeout"])
    terminal.control.clear()
    terminal.stop()
    call.begin("initialize", timeout=100)
    with pytest.raises(subprocess.TimeoutExpired):
        call.process.wait(0.4)
    terminal.resume()
    assert call.end()[0] is True


@pytest.mark.parametrize(
    ("fault", "heard"),
    [(Fault.CUT, [-10002, "IPC recv failed"]), (Fault.GARBLED, [-10000, "IPC call failed"])],
)
def test_what_the_pipe_does_to_an_answer(
    terminal: TerminalProcess, call: Caller, fault: Fault, heard: list[Any]
) -> None:
    terminal.control.inject(fault, times=1)
    assert call("order_send", REQUEST) == (None, heard)
    assert len(terminal.control.look()["deals"]) == 1
    assert call("positions_total")[0] == (None if fault is Fault.CUT else 1)


@pytest.mark.slow
def test_a_caller_that_is_killed_leaves_a_slow_request_behind(
    terminal: TerminalProcess, call: Caller
) -> None:
    terminal.control.inject(Fault.SLOW, 0.3, times=1, when="before")
    call.begin("order_send", REQUEST)
    until(lambda: Fault.SLOW not in terminal.control.faults())
    call.kill()
    assert terminal.control.look()["sent"] == []
    until(lambda: terminal.control.look()["sent"])
    assert len(terminal.control.look()["positions"]) == 1


def test_what_a_test_asks_wrongly_it_hears(terminal: TerminalProcess) -> None:
    for wrong in (
        lambda: terminal.control.quote("GBPUSD", 1, 2),
        lambda: terminal.control.quote("EURUSD", "x", 2),
        lambda: terminal.control.set(sent=[]),
        lambda: terminal.control.inject("nonsense"),
        lambda: terminal.control.trade(action=1, symbol="EURUSD", volume=0.001),
        lambda: terminal.control.symbol("EURUSD", digitz=3),
    ):
        with pytest.raises(ValueError, match=r"\w+: "):
            wrong()
    assert terminal.control.look()["positions"] == []


def test_time_goes_on_by_itself_unless_it_is_told_to_stand(terminal: TerminalProcess, call: Caller) -> None:
    terminal.control.inject(Fault.LATE, {"after_ms": 200}, times=1)
    assert call("order_send", REQUEST)[0][:2] == [10008, 0]
    until(lambda: terminal.control.look()["deals"])
    terminal.control.clock(1_800_000_000_000)
    assert terminal.control.now() == 1_800_000_000_000
    terminal.control.advance(5)
    assert terminal.control.now() == 1_800_000_000_005
    terminal.control.clock(None)
    assert abs(terminal.control.now() / 1000 - time.time()) < 5


def test_a_hedging_account_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    with TerminalProcess(tmp_path / "account.json", mode="hedging") as terminal:
        assert terminal.control.look()["account"]["margin_mode"] == 2
    with TerminalProcess(tmp_path / "account.json", mode="netting") as terminal:
        assert terminal.control.look()["account"]["margin_mode"] == 2  # the file says what it is
    assert subprocess.run(
        [sys.executable, "-m", "ordergate.testing.metatrader5"], capture_output=True
    ).returncode


@pytest.mark.slow
def test_a_terminal_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import sys; from pathlib import Path; from ordergate.testing.metatrader5 import TerminalProcess; "
        "print(TerminalProcess(Path(sys.argv[1])).start().port, flush=True); import os; os._exit(9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", starter, str(tmp_path / "a.json")], capture_output=True, text=True
    )

    def gone() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(done.stdout))) != 0

    until(gone)
