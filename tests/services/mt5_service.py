"""A service, an agent, its worker and a MetaTrader 5 terminal, each a process of its own that can be killed.

Where there is no agent, the worker is a child of the service's: the terminal is on its own machine.
"""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from ordergate.testing.metatrader5 import TerminalProcess
from ordergate.testing.metatrader5.pipe import VARIABLE
from ordergate.testing.metatrader5.wire import Broken
from tests.services.metatrader_service import PROGRAM, WITHIN_S, Desk, surroundings
from tests.services.process import ServerProcess
from tests.services.server import ROOT

MODULE = "ordergate.testing.metatrader5.package"
KEY = "the key that agent and service share"
OFFICIAL = f"import sys\nfrom {MODULE.rpartition('.')[0]} import package\nsys.modules[__name__] = package\n"
"""What the worker imports as MetaTrader5 where nothing names another module."""


class Agent(ServerProcess):
    """Listens once it is made; always at the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, 0

    def start(self) -> None:
        (self._folder / "agent.toml").write_text(
            f'module = "{MODULE}"\nlogin = 5000001\npassword_env = "MT5_PASSWORD"\nport = {self.port}\n'
            'key_env = "AGENT_KEY"\njournal = "journal.db"\n'
        )
        program = [sys.executable, "-m", *PROGRAM[1:2], "ordergate.adapters.brokers.mt5.agent", "agent.toml"]
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self._process = subprocess.Popen(
            program, cwd=self._folder, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().decode()
        found = re.match(r"listening at 127\.0\.0\.1:(\d+),", said)
        assert found is not None, said
        self.port = int(found[1])

    def wait(self) -> None:
        """Until it has died by itself."""
        assert self._process is not None
        self._process.wait(WITHIN_S)
        self.kill()

    def kill(self) -> None:
        process = self._process
        super().kill()
        if process is not None and process.stdout is not None:
            process.stdout.close()


class Mt5Desk(Desk):
    """All of them run once it is made.

    Attributes:
        agent: beside the terminal; None where the service has the terminal on its own machine.
    """

    def __init__(self, folder: Path, mode: str = "netting", *, beside: bool = False) -> None:
        super().__init__(folder, {"AGENT_KEY": KEY, "MT5_PASSWORD": "secret"})
        self.agent = None if beside else Agent(folder)
        self.terminal = TerminalProcess(folder / "account.json", mode).start()
        self.environment[VARIABLE] = str(self.terminal.port)
        try:
            self.tick()
            self.configure(self._broker())
            self.start()
        except BaseException:
            self.close()
            raise

    def _broker(self) -> str:
        if self.agent is not None:
            self.start_agent()
            place = f'agent = "127.0.0.1:{self.agent.port}"\nagent_key_env = "AGENT_KEY"'
        else:
            official = self.folder / "official"
            official.mkdir()
            (official / "MetaTrader5.py").write_text(OFFICIAL)
            self.paths = (*self.paths, official)
            place = 'password_env = "MT5_PASSWORD"'
        return f'adapter = "mt5"\nlogin = 5000001\nsymbols = {{ EURUSD = "EURUSD" }}\npoll_ms = 50\n{place}'

    def start_agent(self) -> None:
        """Again, or for the first time."""
        assert self.agent is not None
        with surroundings(self.environment):
            self.agent.start()

    def tick(self) -> None:
        with suppress(OSError, Broken):
            self.terminal.control.quote("EURUSD", "1.10000", "1.10010")

    def close(self) -> None:
        super().close()
        if self.agent is not None:
            self.agent.kill()
        self.terminal.kill()

    # --- the worker, and the broker

    def kill_worker(self) -> None:
        """Whoever holds the lock beside the journal."""
        (lock,) = self.folder.glob("*.worker")
        with suppress(ProcessLookupError):
            os.kill(int(lock.read_text()), signal.SIGKILL)

    def restart_terminal(self) -> None:
        """It has died, or dies now."""
        self.terminal.kill()
        self.terminal.start()
        self.tick()

    def look(self) -> dict[str, Any]:
        """Everything that the broker has."""
        return self.terminal.control.look()

    def longs(self) -> list[Decimal]:
        """What was bought and is still held, position by position, in lots."""
        return [Decimal(repr(one["volume"])) for one in self.look()["positions"] if one["type"] == 0]
