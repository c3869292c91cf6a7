"""The account in a file: what the broker knows outlives the terminal. Written whole, synced, put in place."""

import os
from pathlib import Path

import msgspec

from ordergate.testing.metatrader5.records import State


def load(path: Path) -> State | None:
    """What was saved last, None where nothing was. Raises msgspec.DecodeError on a foreign file."""
    return msgspec.json.decode(path.read_bytes(), type=State) if path.exists() else None


def save(path: Path, state: State) -> None:
    """On disk when this returns."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    if os.name != "nt":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
