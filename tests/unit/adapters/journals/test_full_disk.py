"""A full disk: one clear error, nothing half done, and commits go on when there is room again."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.journals.busy_day import BusyDay
from tests.journals.desk import Desk

from ordergate.adapters.journals.database import open_journal, open_reader
from ordergate.application.audit.replay import replay
from ordergate.application.audit.verify import verify
from ordergate.domain.errors import StoreError
from ordergate.protocols.tlog import Signer

SIGNER = Signer("ordergate.example/test", bytes(32))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB, where this machine lets us make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name == "nt" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root on a Unix system can make a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let us make a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def filled(folder: Path) -> Path:
    """A file that takes all the room there is."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4_096):
            pass
    return path


async def work(desk, day):
    while True:
        await day.run(desk, desk.engine.size + 1)


async def survives(journal, fill, make_room):
    """Fills up twice, finds the journal whole each time, and goes on where there is room."""
    desk, day = await Desk.open(journal, SIGNER), BusyDay(3)
    await day.run(desk, 20)
    fill()
    for _ in range(2):
        with pytest.raises(StoreError, match="the disk is full; nothing was written, free some space"):
            await work(desk, day)
        assert (await journal.head()).size == desk.engine.size >= 20
        assert (await verify(journal, SIGNER.verifier)).size == desk.engine.size
    make_room()
    await day.run(desk, desk.engine.size + 50)
    await journal.close()
    return desk.engine.size


def checked(path):
    async def look():
        reader, store = open_reader(f"sqlite:///{path}"), open_journal("sqlite://")
        assert await replay(reader, store) == []
        found = await verify(reader, SIGNER.verifier)
        await reader.close()
        await store.close()
        return found.size

    return asyncio.run(look())


def test_a_disk_that_fills_up_under_commits(small_disk):
    path = small_disk / "orders.db"
    journal = open_journal(f"sqlite:///{path}")
    size = asyncio.run(survives(journal, lambda: filled(small_disk), (small_disk / "filler").unlink))
    assert checked(path) == size


def test_a_database_that_may_not_grow(tmp_path):
    path = tmp_path / "orders.db"
    journal = open_journal(f"sqlite:///{path}")

    def limit(more):
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages + more}")

    size = asyncio.run(survives(journal, lambda: limit(10), lambda: limit(10_000)))
    assert checked(path) == size


@pytest.mark.parametrize("room", [0, 4_096, 40_000, 120_000, 200_000])
def test_a_disk_that_is_full_before_the_set_up_is_done(small_disk, room):
    url = f"sqlite:///{small_disk / 'orders.db'}"
    filler = filled(small_disk)
    with filler.open("ab") as file:
        file.truncate(max(filler.stat().st_size - room, 0))
    with pytest.raises(StoreError) as caught:
        open_journal(url)
    assert str(small_disk) in str(caught.value)
    filler.unlink()
    journal = open_journal(url)
    assert asyncio.run(journal.select("funds")) == []
    asyncio.run(journal.close())
