"""The files of a terminal, through functions as MQL4 has them, and with the defects that file systems have."""

import os
from pathlib import Path
from typing import IO

from ordergate.testing.metatrader4.faults import FolderFaults


class Folder:
    """`MQL4/Files/<Folder>`; paths are relative to it, with slashes. Nothing raises: what fails gives False or None."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults = FolderFaults()
        self._cycle = 0
        self._due: list[tuple[int, Path, bytes]] = []
        self._locks: list[IO[bytes]] = []
        root.mkdir(parents=True, exist_ok=True)

    def begin_cycle(self) -> None:
        """What was held back and is due is there."""
        self._cycle += 1
        for due in [one for one in self._due if one[0] <= self._cycle]:
            self._due.remove(due)
            due[1].write_bytes(due[2])

    def names(self, folder: str) -> list[str]:
        """The files of a folder, in no promised order."""
        try:
            found = [path.name for path in (self.root / folder).iterdir() if path.is_file()]
        except OSError:
            found = []
        found.sort(key=lambda name: name[::-1])
        shown = self.faults.seen.get(folder, [])
        self.faults.seen[folder] = found
        if self.faults.stale_lists:
            self.faults.stale_lists -= 1
            return shown
        return found

    def read(self, path: str) -> bytes | None:
        """All of a file."""
        if self._held(path):
            return None
        try:
            data = (self.root / path).read_bytes()
        except OSError:
            return None
        if self.faults.half_reads and path.startswith(("in/", "work/", "owner")):
            self.faults.half_reads -= 1
            return data[: len(data) // 2]
        return data

    def put(self, path: str, data: bytes) -> bool:
        """A file with that in it."""
        if self.faults.full or self._held(path):
            return False
        try:
            (self.root / path).write_bytes(data)
        except OSError:
            return False
        return True

    def append(self, path: str, data: bytes) -> bool:
        """Writes at the end and hands it to the operating system."""
        if self._held(path):
            return False
        half = data[: len(data) // 2] if self.faults.full else data
        try:
            with (self.root / path).open("ab") as file:
                file.write(half)
        except OSError:
            return False
        return not self.faults.full

    def move(self, source: str, target: str) -> bool:
        """Renames, over what may be there."""
        if self._held(source) or self._held(target):
            return False
        old, new = self.root / source, self.root / target
        try:
            data = old.read_bytes()
            replaces = new.exists()
            old.replace(new)
        except OSError:
            return False
        if self.faults.copies and source.startswith("in/"):
            self.faults.copies -= 1
            old.write_bytes(data)
        self._spoil(new, data, replaces)
        return True

    def _spoil(self, path: Path, data: bytes, replaces: bool) -> None:
        faults = self.faults
        self._due = [one for one in self._due if one[1] != path]
        if replaces and faults.hold_cycles:
            path.unlink()
            self._due.append((self._cycle + faults.hold_cycles, path, data))
        elif faults.half_cycles and path.parent.name in ("out", "state"):
            path.write_bytes(data[: len(data) // 2])
            self._due.append((self._cycle + faults.half_cycles, path, data))

    def delete(self, path: str) -> bool:
        """Removes a file."""
        if self._held(path):
            return False
        try:
            (self.root / path).unlink()
        except OSError:
            return False
        return True

    def make(self, folder: str) -> None:
        """A folder, if it is not there."""
        (self.root / folder).mkdir(parents=True, exist_ok=True)

    def lock(self, path: str) -> bool:
        """Keeps a file open so that nobody else can, until `release`."""
        file = (self.root / path).open("ab")
        if not _lock(file):
            file.close()
            return False
        self._locks.append(file)
        return True

    def release(self) -> None:
        """As the end of a process does."""
        for file in self._locks:
            file.close()
        self._locks.clear()

    def _held(self, path: str) -> bool:
        return self.faults.locked is not None and self.faults.locked in path


def _lock(file: IO[bytes]) -> bool:
    if os.name == "nt":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
