"""Commands of docs/howto/metatrader.md, run as they stand there, with a simulation where the terminal would be."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto" / "metatrader.md").read_text()


def blocks(kind: str) -> list[str]:
    """Those of one kind, also inside of lists."""
    return [
        dedent(block) for block in re.findall(rf"^ *```{kind}\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
    ]


WINDOWS, AGENT, LINUX, OLD = blocks("toml")
CHECK, SERVE, ORDER, KEYS, START_AGENT, OLD_COMMANDS = blocks("shell")
(JSON,) = blocks("json")


class Machine:
    """A folder in which commands are typed.

    Attributes:
        environment: of what is started there.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{folder / 'installed'}{os.pathsep}{ROOT / 'src'}",
            "COLUMNS": "200",
            **environment,
        }
        self.environment.pop("ORDERGATE_DB", None)
        (folder / "installed").mkdir()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def run(self, block: str) -> str:
        """What it prints. Each of its commands must succeed."""
        done = subprocess.run(
            ["bash", "-c", "set -eu\n" + block],
            capture_output=True, text=True, check=False, cwd=self.folder, env=self.environment,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def started(self, command: str) -> Iterator[str]:
        """Something that goes on; gives the first line that it has printed."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder, env=self.environment,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            yield line
        finally:
            process.terminate()
            process.communicate(timeout=60)


def served_until(line: str, path: str, said: str, seconds: float = 20.0) -> None:
    """Asks what `ordergate serve` has said that it serves, until the answer has that in it."""
    url, until = line.split()[2], time.monotonic() + seconds
    while said not in (told := urlopen(url + path, timeout=10).read().decode()):
        assert time.monotonic() < until, f"{path} never said {said!r}, but {told}"
        time.sleep(0.05)


def row(printed: str, field: str) -> str:
    """The rest of the line of a table that begins with the field."""
    found = re.search(rf"^ *{field} +(.*?) *$", printed, re.MULTILINE)
    assert found, f"{field} is not in\n{printed}"
    return found[1]
