"""A real `ordergate serve` on a free port, ended by its process id."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]


class Served:
    """A server process; its first line has been read."""

    def __init__(self, process: subprocess.Popen[str], url: str, database: Path) -> None:
        self.process, self.url, self.database = process, url, database

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=20, trust_env=False, verify=False)

    def end(self, number: int = signal.SIGTERM, within_s: float = 60) -> int:
        """Signals it, and waits for its end."""
        self.process.send_signal(number)
        return self.process.wait(within_s)


def start(database: Path, *arguments: str) -> Served:
    return start_in(None, database, "--db", f"sqlite:///{database}", *arguments)


ORDERGATE = ("-m", "ordergate")


def start_in(
    folder: Path | None,
    database: Path,
    *arguments: str,
    paths: Sequence[Path] = (),
    program: Sequence[str] = ORDERGATE,
) -> Served:
    """A server whose arguments say where its databases are; `database` is the one that tests look at.

    `paths` are where it finds modules and distributions, beside its own; `program` is what Python runs.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", *paths)))}
    environment.pop("ORDERGATE_DB", None)
    process = subprocess.Popen(
        [
            sys.executable,
            *program,
            "serve",
            "--port",
            "0",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("ordergate serves http://"), (line, process.stderr.read())
        return Served(process, line.split()[2], database)
    except BaseException:
        finish(process)
        raise


def finish(process: subprocess.Popen[Any]) -> str:
    """Ends a process that still runs; what it wrote on standard error."""
    if process.poll() is None:
        process.kill()
    _out, said = process.communicate()
    return said or ""


@contextmanager
def serving_in(folder: Path, database: Path, *arguments: str, paths: Sequence[Path] = ()) -> Iterator[Served]:
    served = start_in(folder, database, *arguments, paths=paths)
    try:
        yield served
    finally:
        finish(served.process)


@contextmanager
def serving(database: Path, *arguments: str) -> Iterator[Served]:
    served = start(database, *arguments)
    try:
        yield served
    finally:
        finish(served.process)


class Events:
    """Reads a stream of events in a thread, as (index, kind, data)."""

    def __init__(self, url: str, last: int | None = None, query: str = "") -> None:
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        self._client = httpx2.Client(timeout=30, trust_env=False, verify=False)
        self._stream = self._client.stream("GET", f"{url}/v1/events{query}", headers=headers)
        self._response = self._stream.__enter__()
        assert self._response.status_code == 200, self._response.read()
        self.seen: list[tuple[int, str, str]] = []
        self.ended = threading.Event()
        self._news = threading.Condition()
        self._open = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._open.wait(30)

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for line in self._response.iter_lines():
                self._open.set()
                name, _, value = line.partition(": ")
                if line and name:
                    fields[name] = value
                elif not line and "id" in fields:
                    with self._news:
                        self.seen.append((int(fields["id"]), fields["event"], fields["data"]))
                        self._news.notify_all()
                    fields = {}
        except (httpx2.HTTPError, httpx2.StreamError, OSError, ValueError):
            pass  # cut off
        self.ended.set()

    def wait_for(self, kind: str, count: int = 1) -> None:
        """Until so many of a kind have come."""
        with self._news:
            assert self._news.wait_for(lambda: self.count(kind) >= count, 30), (kind, count, self.seen)

    def count(self, kind: str) -> int:
        return sum(seen == kind for _index, seen, _data in self.seen)

    def cut(self) -> None:
        """Closes the connection in the middle."""
        self._client.close()
