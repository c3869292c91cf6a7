"""Where a database is served: a file beside it, with the address and the process of its door.

The file is written when the door is open and removed when it closes. A process that was killed leaves it behind,
so what it says is a hint: the database's lock alone tells whether somebody has it.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from ordergate.adapters.files import FilesError, write_private


class DoorFile(Struct, frozen=True, kw_only=True):
    """Who serves a database.

    Attributes:
        url: such as http://127.0.0.1:8012, without a path.
        pid: of the process.
        instance: what the door says of itself at `/health`: by the same address, another may answer by now.
    """

    url: str
    pid: int
    instance: str


def door_path(database: Path) -> Path:
    """Where the file of a database stands."""
    return database.with_name(f"{database.name}.door")


def write_door(database: Path, door: DoorFile) -> None:
    """Writes or replaces the file; its owner alone may read it.

    Raises:
        FilesError: it cannot be written.
    """
    write_private(door_path(database), msgspec.json.encode(door))


def read_door(database: Path) -> DoorFile | None:
    """What the file says; None where there is none, or one that says nothing."""
    try:
        return msgspec.json.decode(door_path(database).read_bytes(), type=DoorFile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def remove_door(database: Path, door: DoorFile) -> None:
    """Removes the file, unless it is another's by now.

    Raises:
        FilesError: it cannot be removed.
    """
    if read_door(database) != door:
        return
    try:
        door_path(database).unlink(missing_ok=True)
    except OSError as error:
        raise FilesError(f"{door_path(database)} cannot be removed: {error.strerror or error}") from error


def in_use(database: Path) -> str:
    """That a database is in use, and by whom as far as its file tells."""
    door = read_door(database)
    if door is None:
        return f"{database} is in use by another ordergate process: end that one first"
    return (
        f"{database} is in use by another ordergate process: as {door_path(database)} says, process {door.pid} "
        f"serves it at {door.url}: end that one first"
    )
