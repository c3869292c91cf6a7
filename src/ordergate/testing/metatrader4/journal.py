"""What the expert advisor writes down of its own work, and what it reads back after a restart."""

import time
from typing import Any

from ordergate.testing.metatrader4.lines import dress, undress
from ordergate.testing.metatrader4.terminal import Terminal

DAY = 86_400
KEPT_DAYS = 90


def day_of(gmt: int) -> str:
    """YYYYMMDD."""
    return time.strftime("%Y%m%d", time.gmtime(gmt))


class Appender:
    """Appends lines; after one that was not written whole, the next begins on a line of its own."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._torn = False

    def resume(self, path: str) -> None:
        """Looks whether the last line of a file was finished."""
        data = self._terminal.folder.read(path)
        self._torn = bool(data) and not (data or b"").endswith(b"\n")

    def write(self, path: str, fields: dict[str, Any]) -> bool:
        """Whether it is there, whole."""
        line = (b"\n" if self._torn else b"") + dress(fields)
        written = self._terminal.append(path, line)
        self._torn = not written
        return written


class Journal:
    """By id: the command as received, its result, or that it is sealed.

    Attributes:
        name: drawn when it was begun.
        since: from when on it knows every command (GMT).
        account: whose it is, 0 before that is known.
    """

    def __init__(self, terminal: Terminal, name: str) -> None:
        self._terminal, self._appender = terminal, Appender(terminal)
        self.name, self.since = name, 0
        self.run, self.gen, self.session, self.account = 0, 0, "", 0
        self.received: dict[str, dict[str, Any]] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.sealed: set[str] = set()
        self.writable = True
        self._path = ""
        self._headed = False

    def open(self, gmt: int) -> bool:
        """Reads all of it, and begins a run."""
        files = sorted(n for n in self._terminal.folder.names("journal") if n.startswith("journal-"))
        for name in files:
            for line in (self._terminal.folder.read(f"journal/{name}") or b"").splitlines(keepends=True):
                record = undress(line)
                if record is not None:
                    self._take(record)
        if files:
            self._path = f"journal/{files[-1]}"
            self._appender.resume(self._path)
        self.since = self.since or gmt
        if files and not self._headed and not self.write(gmt, self._head()):
            return False
        return self.write(gmt, {"kind": "RUN", "run": self.run + 1})

    def write(self, gmt: int, record: dict[str, Any]) -> bool:
        """Appends and remembers; False, and remembers nothing, where it cannot be written whole."""
        path = f"journal/journal-{day_of(gmt)}.jsonl"
        if path > self._path:
            self.writable = self._appender.write(path, {"v": 1, "gmt": gmt, **self._head()})
            if not self.writable:
                return False
            self._path = path
        self.writable = self._appender.write(self._path, {"v": 1, "gmt": gmt, **record})
        if self.writable:
            self._take(record)
        return self.writable

    def bind(self, gmt: int, account: int) -> bool:
        """It is that account's for good, if it is nobody's yet; whether that is written."""
        if not self.account:
            self.account = account
            if not self.write(gmt, self._head()):
                self.account = 0
        return bool(self.account)

    def _head(self) -> dict[str, Any]:
        head = {"kind": "HEAD", "journal": self.name, "since": self.since}
        head |= {"run": self.run, "gen": self.gen, "session": self.session}
        return {**head, "account": self.account} if self.account else head

    def _take(self, record: dict[str, Any]) -> None:
        kind = record["kind"]
        if kind == "HEAD":
            self.name, self.since, self._headed = record["journal"], record["since"], True
            self.account = record.get("account", self.account)
            self.run = record.get("run", self.run)
            self.gen, self.session = record.get("gen", self.gen), record.get("session", self.session)
        elif kind == "RUN":
            self.run = record["run"]
        elif kind == "GRANT":
            self.gen, self.session = record["gen"], record["session"]
        elif kind == "RECEIVED":
            self.received[record["id"]] = record
        elif kind == "RESULT":
            self.results[record["id"]] = record
        elif kind == "SEALED":
            self.sealed.add(record["id"])

    def unanswered(self) -> list[str]:
        """Ids that were received and have no result."""
        return [id_ for id_ in self.received if id_ not in self.results]

    def drop_old(self, gmt: int) -> None:
        """Whole files, the oldest first, until one that is younger or has a command that has not ended."""
        oldest = day_of(gmt - KEPT_DAYS * DAY)
        files = sorted(n for n in self._terminal.folder.names("journal") if n.startswith("journal-"))
        for name in files:
            if name[8:16] >= oldest or not self._ended(name):
                return
            self.since = max(self.since, gmt - KEPT_DAYS * DAY)
            if not self.write(gmt, self._head()) or not self._terminal.delete(f"journal/{name}"):
                return

    def _ended(self, name: str) -> bool:
        for line in (self._terminal.folder.read(f"journal/{name}") or b"").splitlines(keepends=True):
            record = undress(line)
            if record is not None and record["kind"] == "RECEIVED":
                result = self.results.get(record["id"])
                if result is None or result["state"] == "unknown":
                    return False
        return True
