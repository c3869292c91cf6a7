"""The folder that both sides share: whole files in, whatever is there out.

A command is written beside its place and renamed, for the expert advisor deletes what it finds before it looks whether
that is whole. Only the first place is used: it stops looking at the first that is empty, and what lies behind would be
done at some later time.
"""

import os
from pathlib import Path
from typing import Final

from ordergate.adapters.brokers.dwx.reading import Unreadable

_PLACE: Final = "DWX_Commands_0.txt"
_PLACES: Final = 50
Seen = tuple[int, int, int]
"""When a file was written, how long it is, and which file it is: another one was written since."""


class NotWritten(Exception):
    """Nothing of a command can have been seen by anybody."""


class Doubtful(Exception):
    """It is not known whether a command is in its place."""


class Folder:
    """One terminal's folder. Every method may block for as long as the file system does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether it is there."""
        return self.path.is_dir()

    def put(self, text: str) -> None:
        """Puts a command into its place, whole.

        Raises:
            NotWritten: it is in no place where it would be read.
            Doubtful: the file system did not say.
        """
        beside = self.path / f"{_PLACE}.new"
        try:
            with beside.open("wb") as file:
                file.write(text.encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
        except (OSError, ValueError) as error:
            raise NotWritten(f"{beside} cannot be written: {error}") from error
        try:
            beside.rename(self.path / _PLACE)
        except OSError as error:
            raise Doubtful(f"{beside} cannot be renamed to {_PLACE}: {error}") from error

    def waiting(self) -> list[str]:
        """The commands that lie there, whoever wrote them. Raises Unreadable."""
        places = [f"DWX_Commands_{number}.txt" for number in range(_PLACES)]
        try:
            there = set(os.listdir(self.path))
        except OSError as error:
            raise Unreadable(f"{self.path} cannot be listed: {error}") from None
        return [name for name in places if name in there]

    def taken(self) -> bool:
        """Whether no command lies in our place."""
        return not (self.path / _PLACE).exists()

    def withdraw(self) -> bool:
        """Takes back a command that lies in our place; even so it may have been read."""
        try:
            (self.path / _PLACE).unlink()
        except OSError:
            return False
        return True

    def orders(self) -> tuple[Seen, bytes]:
        """What is open, and when that was written. Raises Unreadable."""
        return self._read("DWX_Orders.txt")

    def messages(self) -> bytes:
        """What was said last; nothing where nothing was. Raises Unreadable."""
        try:
            return (self.path / "DWX_Messages.txt").read_bytes()
        except FileNotFoundError:
            return b"{}"
        except OSError as error:
            raise Unreadable(f"DWX_Messages.txt cannot be read: {error}") from None

    def history(self) -> bytes:
        """What became of orders, as it was asked for last. Raises Unreadable."""
        return self._read("DWX_Historic_Trades.txt")[1]

    def drop_history(self) -> None:
        """So that what is there next is an answer. Raises Unreadable."""
        try:
            (self.path / "DWX_Historic_Trades.txt").unlink(missing_ok=True)
        except OSError as error:
            raise Unreadable(f"DWX_Historic_Trades.txt cannot be removed: {error}") from None

    def _read(self, name: str) -> tuple[Seen, bytes]:
        try:
            with (self.path / name).open("rb") as file:
                found, data = os.fstat(file.fileno()), file.read()
        except OSError as error:
            raise Unreadable(f"{name} cannot be read: {error.strerror or error}") from None
        return (found.st_mtime_ns, len(data), found.st_ino), data
