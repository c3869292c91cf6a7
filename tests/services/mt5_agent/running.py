"""The agent as its own process, on a folder's stand-in."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.services.mt5_agent.desk import KEY, MODULE, Desk
from tests.services.process import ServerProcess

PROGRAM = Path(__file__).with_name("program.py")


class Agent(ServerProcess):
    """Listens once it is made; its account is the desk's."""

    def __init__(
        self, desk: Desk, *arguments: str, step: str | None = None, settings: str = "", command=None
    ) -> None:
        (desk.folder / "agent.toml").write_text(
            f'module = "{MODULE}"\nlogin = 5\nserver = "Demo"\nport = 0\nkey_env = "AGENT_KEY"\n{settings}'
        )
        how = ["-m", "ordergate.adapters.brokers.mt5.agent"] if step is None else [str(PROGRAM), step]
        program = [*(command or [sys.executable, *how]), *arguments, "agent.toml"]
        environment = {**os.environ, "AGENT_KEY": KEY}
        self._process = subprocess.Popen(program, cwd=desk.folder, env=environment, stdout=subprocess.PIPE)
        self.said = self.line()
        found = re.fullmatch(r"listening at 127\.0\.0\.1:(\d+), (not encrypted|TLS)", self.said)
        if found is None:
            self.kill()
            raise AssertionError(f"the agent said {self.said!r}")
        self.port = int(found[1])

    def line(self) -> str:
        """The next that it says."""
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def kill(self) -> None:
        process = self._process
        super().kill()
        if process is not None and process.stdout is not None:
            process.stdout.close()
