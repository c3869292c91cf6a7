"""The configuration in a file, which is watched."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ordergate.adapters.config.text import LARGEST, tables_in
from ordergate.application.ports.configuration import Snapshot, SourceError

_STEP_MS: Final = 100
"""For which news is gathered: who writes a file writes more than once."""
_LINKED: Final = "..data"
"""What Kubernetes puts another link in place of, when it changes the files of a folder."""


def written_at(path: Path) -> str:
    """When it was, as the revision of what it says. Raises OSError where that cannot be told."""
    return _moment(path.stat().st_mtime_ns)


def _moment(written_ns: int) -> str:
    return datetime.fromtimestamp(written_ns // 1_000 / 1_000_000, UTC).isoformat()


def concerns(path: str, watched: Path) -> bool:
    """Whether a change of that path, in the folder of the file that is watched, may be one of the file."""
    return os.path.basename(path) in (watched.name, _LINKED)


class FileSource:
    """A TOML file. Write it beside and rename it: then nobody ever reads half of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """Of this kind of source."""
        return "file"

    async def fetch(self) -> Snapshot:
        """What it says now; its revision is when it was written.

        Raises:
            SourceError: it cannot be read, is empty, or says nothing that can be understood.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> Snapshot:
        try:
            with self._path.open("rb") as file:
                before = os.fstat(file.fileno())
                data = file.read(LARGEST + 1)
                after = os.fstat(file.fileno())
        except OSError as error:
            raise SourceError(f"{self._path} cannot be read: {error.strerror or error}") from None
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise SourceError(f"{self._path} is being written: what was read before stays in force")
        return Snapshot(revision=_moment(after.st_mtime_ns), values=tables_in(data, str(self._path)))

    async def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` when the file, or the folder's link to its files, is another. Runs until it is canceled.

        Raises:
            SourceError: its folder cannot be watched, as when it is not there.
        """
        from watchfiles import Change, awatch  # only here: most commands never need it

        def is_ours(_change: Change, path: str) -> bool:
            return concerns(path, self._path)

        try:
            async for _changes in awatch(
                self._path.absolute().parent,
                watch_filter=is_ours,
                debounce=_STEP_MS * 4,
                step=_STEP_MS,
                rust_timeout=1_000,
                recursive=False,
            ):
                changed()
        except (OSError, RuntimeError) as error:
            raise SourceError(f"{self._path} cannot be watched: {error}") from None

    async def close(self) -> None:
        """Nothing to let go of."""
