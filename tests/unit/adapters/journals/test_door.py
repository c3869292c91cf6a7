"""The file that says where a database is served."""

import os
import stat
from pathlib import Path

import pytest

from ordergate.adapters.files import FilesError
from ordergate.adapters.journals.door import DoorFile, door_path, read_door, remove_door, write_door

DOOR = DoorFile(url="http://127.0.0.1:8012", pid=41, instance="a1")


def test_what_was_written_is_read_until_it_is_removed(tmp_path: Path) -> None:
    database = tmp_path / "orders.db"
    assert read_door(database) is None
    write_door(database, DOOR)
    assert door_path(database).name == "orders.db.door"
    assert read_door(database) == DOOR
    remove_door(database, DOOR)
    assert read_door(database) is None
    assert list(tmp_path.iterdir()) == []
    remove_door(database, DOOR)


@pytest.mark.skipif(os.name == "nt", reason="rights of files work otherwise on Windows")
def test_its_owner_alone_may_read_it(tmp_path: Path) -> None:
    for _ in range(2):
        write_door(tmp_path / "orders.db", DOOR)
        assert stat.S_IMODE(door_path(tmp_path / "orders.db").stat().st_mode) == 0o600
        door_path(tmp_path / "orders.db").chmod(0o644)


def test_one_that_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    database = tmp_path / "orders.db"
    write_door(database, DoorFile(url="http://127.0.0.1:1", pid=1, instance="b2"))
    write_door(database, DOOR)
    assert read_door(database) == DOOR


def test_anothers_is_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "orders.db"
    write_door(database, DoorFile(url="http://127.0.0.1:1", pid=1, instance="b2"))
    remove_door(database, DOOR)
    assert read_door(database) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"url": 1, "pid": 2, "instance": "a"}',
        b'{"url": "http://127.0.0.1:1", "pid": 2}',
    ],
)
def test_what_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "orders.db.door").write_bytes(content)
    assert read_door(tmp_path / "orders.db") is None


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FilesError, match="cannot be written"):
        write_door(tmp_path / "file" / "orders.db", DOOR)
