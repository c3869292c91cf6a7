"""Trees of files, written so that a part is never mistaken for the whole."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from ordergate.domain.errors import OrdergateError


class FilesError(OrdergateError):
    """A folder cannot be written; the text says why and what would help."""


async def write_tree(directory: Path, pairs: AsyncIterator[tuple[str, bytes]]) -> int:
    """Writes files below a folder, in the order in which they come, and returns how many.

    Each is on disk under its name before the next is begun. So whoever finds the last has all of them: a tree
    whose last file is its checkpoint was written to the end.

    Raises:
        FilesError: the folder exists and is not empty, or something in it cannot be written.
    """
    count = 0
    await asyncio.to_thread(_prepare, directory)
    async for name, content in pairs:
        await asyncio.to_thread(_write, directory / name, content)
        count += 1
    return count


def _prepare(directory: Path) -> None:
    with _writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        empty = not any(directory.iterdir())
    if not empty:
        raise FilesError(f"{directory} is not empty: name a new folder")


def write_private(path: Path, content: bytes) -> None:
    """Writes or replaces a file that its owner alone may read; whoever looks sees the old or the new, whole.

    Raises:
        FilesError: it cannot be written.
    """
    _write(path, content, 0o600)


def _write(path: Path, content: bytes, mode: int = 0o666) -> None:
    part = path.with_name(path.name + ".part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FilesError(f"{path} cannot be written: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Makes names in a folder durable, where the system lets a folder be opened (Windows does not)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
