"""A terminal in a process of its own, for tests: started, killed, stopped, and started again as it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from ordergate.testing.metatrader5.control import Control
from ordergate.testing.metatrader5.pipe import VARIABLE


class TerminalProcess:
    """`with TerminalProcess(folder / "account.json") as terminal: terminal.control.quote(...)`.

    Attributes:
        port: of loopback, the same after a restart.
        control: what a test does to it.
    """

    def __init__(self, account: Path, mode: str = "netting") -> None:
        self._account, self._mode, self.port = account, mode, 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def control(self) -> Control:
        """Of now."""
        return Control(self.port)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment for `ordergate.testing.metatrader5.package` to find it."""
        return {VARIABLE: str(self.port)}

    def start(self) -> Self:
        """Ready when this returns. Raises RuntimeError where it ends instead."""
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "ordergate.testing.metatrader5", str(self._account), str(self.port)],
            stdin=subprocess.PIPE,  # it ends with this process, however this one ends
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "ORDERGATE_MT5_MODE": self._mode},
        )
        if self._process.stdout is None or not (said := self._process.stdout.readline()):
            raise RuntimeError(f"the terminal ended with {self._process.wait()}")
        self.port = int(said)
        return self

    def kill(self) -> None:
        """At once, with nothing put in order."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def wait(self) -> None:
        """Until it has ended by itself (Fault.DIE)."""
        if self._process is not None:
            self._process.wait()
        self.kill()

    def stop(self) -> None:
        """It hangs: the process stands still."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
