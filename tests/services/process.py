"""A server in a process of its own, ended by its id; and where a wheel has brought its program."""

import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path

_ENDS_S = 20


class ServerProcess:
    """What happens to servers; a subclass starts one."""

    _process: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """Ends it at once, as a loss of power would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """It stands still: connections stay open and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # until the last of its threads does

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            process.wait(_ENDS_S)


def program(package: str, *names: str) -> str | None:
    """The first of those programs, in the folder `bin` of an installed package, else on the PATH."""
    found = importlib.util.find_spec(package)
    if found is not None and found.origin is not None:
        inside = Path(found.origin).parent / "bin" / names[0]
        if inside.exists():
            return str(inside)
    return next((there for name in names if (there := shutil.which(name)) is not None), None)
