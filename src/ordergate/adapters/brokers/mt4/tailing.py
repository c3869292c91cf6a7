"""The lines of the events, in their order, from file to file.

A line without its end is being written. One that has it and cannot be read was torn by a kill: the expert told it
again, or it is lost, which the numbers show.
"""

import os
from pathlib import Path
from typing import Any, Final, NamedTuple

from ordergate.adapters.brokers.mt4.files import listed
from ordergate.adapters.brokers.mt4.wire import Unreadable, values_in

_PATTERN: Final = "events-*.jsonl"
_BEGINNING: Final = b'{"v":'
_MOST: Final = 1_000_000
"""Bytes read at once: whoever takes them does nothing else meanwhile."""

Place = tuple[str, int]
"""A file, and how much of it was read."""


class Tail(NamedTuple):
    """What follows a place.

    Attributes:
        lines: those that can be read, in their order.
        place: where the next reading goes on, once these are taken: a reading changes nothing by itself.
        more: there is more to read now.
    """

    lines: list[dict[str, Any]]
    place: Place | None
    more: bool


def read_on(folder: Path, place: Place | None) -> Tail:
    """The lines after a place, or from the first file on.

    Args:
        folder: of the events' files; their names sort as they were written.

    Raises:
        OSError: the folder, or the first file that is to be read, cannot be read now.
    """
    found: list[dict[str, Any]] = []
    rest = _MOST
    for name in _names(folder, place):
        offset = place[1] if place is not None and place[0] == name else 0
        try:
            lines, end, more = _on(folder / name, offset, rest)
        except OSError:
            if not found:
                raise
            return Tail(found, place, more=True)
        found += lines
        rest -= max(end - offset, 0)
        place = name, end
        if more or rest <= 0:
            return Tail(found, place, more=True)
    return Tail(found, place, more=False)


def _names(folder: Path, place: Place | None) -> list[str]:
    """The present file and those after it."""
    names = [path.name for path in listed(folder, _PATTERN)]
    return [name for name in names if place is None or name >= place[0]]


def _on(path: Path, offset: int, most: int) -> tuple[list[dict[str, Any]], int, bool]:
    """Lines of one file, where they end, and whether there are more."""
    with open(path, "rb") as file:
        if (
            os.fstat(file.fileno()).st_size < offset
        ):  # another of that name: its lines have numbers of their own
            offset = 0
        file.seek(offset)
        content = file.read(most)
    whole = content.rfind(b"\n") + 1
    if not whole and len(content) == _MOST:  # no line is so long
        whole = _MOST
    lines = content[:whole].splitlines(keepends=True)
    return [said for line in lines if (said := _in(line)) is not None], offset + whole, len(content) == most


def _in(line: bytes) -> dict[str, Any] | None:
    """What a line says, or what was written behind half of one; None where neither can be read."""
    start = 0
    while start >= 0:
        try:
            return values_in(line[start:])
        except Unreadable:
            start = line.find(_BEGINNING, start + 1)
    return None
