"""A folder with a journal and a stand-in that a test tells how to behave."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ordergate.adapters.brokers.mt5.agent import Command, LocalTerminal, Login

ROOT = Path(__file__).parents[3]
MODULE = "tests.services.mt5_agent.standin"
KEY = "k" * 32
FAR = 1e12
REQUEST = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "comment": "c", "magic": 2**62 + 1}


def command(id: str = "a.1", expires_at: float = FAR, **more: object) -> Command:
    return Command(id, REQUEST | more, expires_at)


def until(what: Callable[[], object], within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


class Desk:
    """Functions behave well, the account is 5 on Demo, until told otherwise."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.journal = folder, folder / "journal.db"
        monkeypatch.setenv("STANDIN", str(folder))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
        self.how()
        self.account(5, "Demo")

    def terminal(self, login: Login | None = None, **more) -> LocalTerminal:
        return LocalTerminal(login or Login(login=5, server="Demo"), self.journal, module=MODULE, **more)

    def how(self, **words: list) -> None:
        """By function: "hang" (until go), "die", "raise", "print", "odd", or a number: None with that last_error."""
        self._put("how.json", json.dumps(words))

    def account(self, login: int, server: str) -> None:
        self._put("account.json", json.dumps([login, server]))

    def go(self) -> None:
        (self.folder / "go").touch()

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def sent(self) -> list[dict]:
        path = self.folder / "sent"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def pid(self) -> int:
        """Of the worker that started last."""
        return int((self.folder / "pid").read_text())

    def kill_worker(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid(), signal.SIGKILL)

    def _put(self, name: str, text: str) -> None:
        (self.folder / f"{name}.new").write_text(text)
        os.replace(self.folder / f"{name}.new", self.folder / name)
