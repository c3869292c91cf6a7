"""Databases that cannot be used: each gives one clear error, and stays as it was."""

import asyncio
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ordergate.adapters.journals import schema, sqlite_file
from ordergate.adapters.journals.database import open_journal, open_reader
from ordergate.adapters.journals.location import path_of
from ordergate.application.ports.journal import Batch, Head
from ordergate.domain.errors import Defect, DiskError, StoreBusy, StoreError
from ordergate.domain.funds import Fund

FUND = Fund(fund_id="alpha", broker="paper")


def url_of(path):
    return f"sqlite:///{path}"


def rows(*funds):
    return Batch(first=0, lines=(), rows={"funds": funds})


def made(path):
    """A database with one row, closed."""

    async def make():
        journal = open_journal(url_of(path))
        await journal.commit(rows(FUND))
        await journal.close()

    asyncio.run(make())
    return path


def held(path):
    async def read():
        reader = open_reader(url_of(path))
        found = await reader.select("funds")
        await reader.close()
        return found

    return asyncio.run(read())


def fingerprint(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(path, *, match, opening=open_journal):
    """Opening fails in one clear way, and the file and its folder stay as they were, the lock's file apart."""
    before = fingerprint(path), _names(path)
    with pytest.raises(StoreError, match=match) as caught:
        opening(url_of(path))
    assert str(path) in str(caught.value)
    assert (fingerprint(path), _names(path)) == before


def _names(path):
    return sorted(p.name for p in path.parent.iterdir() if not p.name.endswith((".lock", "-shm", "-wal")))


@pytest.mark.parametrize("url", ["mysql://host/db", "orders.db", "sqlite:", "sqlite:///", "", "sqlite:////"])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(StoreError, match=r"sqlite:///PATH|is a folder"):
        path_of(url)


def test_a_folder_is_refused(tmp_path):
    for opening in (open_journal, open_reader):
        with pytest.raises(StoreError, match="is a folder: name a file in it"):
            opening(url_of(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(StoreError, match=r"there is no folder .*typo: make it"):
        open_journal(url_of(tmp_path / "typo" / "orders.db"))
    with pytest.raises(StoreError, match="there is no database at"):
        open_reader(url_of(tmp_path / "orders.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opening", [open_journal, open_reader])
class TestForeignFiles:
    def test_another_programs_database(self, tmp_path, opening):
        path = tmp_path / "orders.db"
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)")
            other.execute("INSERT INTO orders VALUES (1, 'theirs')")
        other.close()
        refused(
            path, match="is a database of another program: name another file|has no schema", opening=opening
        )

    def test_no_database_at_all(self, tmp_path, opening):
        path = tmp_path / "orders.db"
        path.write_text("order_id,quantity\n1,100\n" * 100)
        refused(path, match="is not a SQLite database", opening=opening)

    def test_a_damaged_header(self, tmp_path, opening):
        path = made(tmp_path / "orders.db")
        content = bytearray(path.read_bytes())
        content[100:120] = b"\xff" * 20
        path.write_bytes(content)
        refused(path, match="damaged", opening=opening)

    def test_a_newer_version(self, tmp_path, opening):
        path = made(tmp_path / "orders.db")
        with sqlite3.connect(path) as other:
            other.execute("UPDATE alembic_version SET version_num = '9999'")
        other.close()
        refused(
            path, match="is of schema 9999, newer than this program's .*: update ordergate", opening=opening
        )

    def test_an_older_version(self, tmp_path, opening, monkeypatch):
        path = made(tmp_path / "orders.db")
        monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9999"))
        refused(
            path, match=r"is of schema \d+, this program needs 9999: ordergate migrate up", opening=opening
        )


def test_another_programs_database_is_not_turned_to_another_journal_mode(tmp_path):
    path = tmp_path / "orders.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (id INTEGER)")
    with pytest.raises(StoreError):
        open_journal(url_of(path))
    assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    other.close()


@pytest.fixture
def nobody():
    """A folder, and rights that do not go beyond what files and folders grant."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    if os.geteuid() != os.getuid():
        os.seteuid(os.getuid())
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700)
    shutil.rmtree(folder)


def give_up_rights(folder, mode):
    for path in folder.iterdir():
        path.chmod(0o666 if path.suffix == ".lock" else 0o444)
    folder.chmod(mode)
    if os.geteuid() == 0:
        os.seteuid(65534)


@pytest.mark.skipif(os.name == "nt", reason="rights of files work otherwise on Windows")
class TestReadOnly:
    def test_a_read_only_folder(self, nobody):
        path = made(nobody / "orders.db")
        Path(f"{path}.lock").unlink()
        give_up_rights(nobody, 0o555)
        with pytest.raises(StoreError, match="cannot be locked: Permission denied"):
            open_journal(url_of(path))

    def test_a_read_only_file(self, nobody):
        """SQLite itself would open it, and fail at the first commit."""
        path = made(nobody / "orders.db")
        give_up_rights(nobody, 0o777)
        with pytest.raises(
            StoreError, match="is read-only: give write permission to the file and its folder"
        ):
            open_journal(url_of(path))
        with pytest.raises(StoreError, match="is read-only"):  # and the lock was let go
            open_journal(url_of(path))

    def test_a_read_only_file_in_a_read_only_folder(self, nobody):
        path = made(nobody / "orders.db")
        give_up_rights(nobody, 0o555)
        with pytest.raises(StoreError, match="is read-only"):
            open_journal(url_of(path))


HOLD = """
import asyncio, sys
from ordergate.adapters.journals.database import open_journal
journal = open_journal(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_ends(tmp_path):
    path = made(tmp_path / "orders.db")
    command = [sys.executable, "-c", HOLD, url_of(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "open\n"
        with pytest.raises(StoreBusy, match="is in use by another ordergate process"):
            open_journal(url_of(path))
        assert held(path) == [FUND]  # reading goes on beside it
        first.kill()
    asyncio.run(open_journal(url_of(path)).close())


def test_a_second_journal_in_one_process_is_refused(tmp_path):
    url = url_of(tmp_path / "orders.db")
    first = open_journal(url)
    with pytest.raises(StoreBusy):
        open_journal(url)
    asyncio.run(first.close())
    asyncio.run(open_journal(url).close())


def test_a_failed_opening_lets_the_next_one_in(tmp_path, monkeypatch):
    path = made(tmp_path / "orders.db")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9999"))
        with pytest.raises(StoreError):
            open_journal(url_of(path))
    asyncio.run(open_journal(url_of(path)).close())


def test_a_lock_of_another_program_gives_a_clear_error_and_no_half_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_file, "_BUSY_MS", 50)
    path = tmp_path / "orders.db"

    async def talk():
        journal = open_journal(url_of(path))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked by another program"):
            await journal.commit(rows(FUND))
        with pytest.raises(StoreError, match="is locked by another program"):
            await journal.move_cursor("nats", 1)
        other.execute("ROLLBACK")
        other.close()
        assert await journal.select("funds") == []
        await journal.commit(rows(FUND))
        await journal.close()

    asyncio.run(talk())
    assert held(path) == [FUND]


def test_a_commit_that_a_reader_holds_up_is_no_doubt(tmp_path, monkeypatch):
    """Without a write-ahead log a reader can block COMMIT itself; the transaction is still open then."""
    monkeypatch.setattr(sqlite_file, "_BUSY_MS", 50)
    path = made(tmp_path / "orders.db")

    async def talk():
        journal = open_journal(url_of(path))
        journal._connection.execute("PRAGMA journal_mode=DELETE")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT * FROM funds").fetchall()
        with pytest.raises(StoreError, match="locked"):
            await journal.commit(rows(Fund(fund_id="beta", broker="paper")))
        assert not journal._connection.in_transaction
        assert await journal.select("funds") == [FUND]
        other.execute("COMMIT")
        other.close()
        await journal.commit(rows(Fund(fund_id="beta", broker="paper")))
        assert len(await journal.select("funds")) == 2
        await journal.close()

    asyncio.run(talk())


def test_a_row_that_cannot_be_stored_does_not_leave_its_transaction_open():
    async def talk():
        journal = open_journal("sqlite://")
        with pytest.raises(UnicodeEncodeError):
            await journal.commit(rows(FUND, Fund(fund_id="\ud800", broker="paper")))
        assert await journal.select("funds") == []
        await journal.commit(rows(FUND))
        assert await journal.head() == Head()
        await journal.close()

    asyncio.run(talk())


def test_a_change_of_a_row_that_is_not_there_is_a_defect_and_writes_nothing():
    async def talk():
        journal = open_journal("sqlite://")
        other = Fund(fund_id="beta", broker="paper")
        changed = Batch(
            first=0, lines=(), rows={"funds": [FUND, other]},
            before={"funds": [None, Fund(fund_id="beta", broker="elsewhere")]},
        )  # fmt: skip
        with pytest.raises(Defect, match="1 rows of funds were to change, 0 are there"):
            await journal.commit(changed)
        assert await journal.select("funds") == []
        await journal.close()

    asyncio.run(talk())


def test_reading_does_not_change_a_database(tmp_path):
    path = made(tmp_path / "orders.db")
    before = fingerprint(path)
    assert held(path) == [FUND]
    assert fingerprint(path) == before


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own on Windows")
def test_one_file_under_two_names_admits_one_writer(tmp_path):
    path = made(tmp_path / "orders.db")
    for name in ("file.db", "folder/orders.db"):
        link = tmp_path / name
        if "/" in name:
            link.parent.symlink_to(tmp_path)
        else:
            link.symlink_to(path)
        assert path_of(url_of(link)) == path
        first = open_journal(url_of(path))
        with pytest.raises(StoreBusy):
            open_journal(url_of(link))
        asyncio.run(first.close())


@pytest.mark.parametrize("opening", [path_of, open_journal, open_reader])
@pytest.mark.parametrize("name", ["x" * 256, "nul\0.db", "y" * 5_000])
def test_a_name_that_no_file_can_have(tmp_path, opening, name):
    with pytest.raises(StoreError, match="cannot be used"):
        opening(url_of(tmp_path / name))


def test_a_name_that_leaves_no_room_for_that_of_its_lock(tmp_path):
    with pytest.raises(StoreError, match="cannot be locked"):
        open_journal(url_of(tmp_path / ("x" * 253)))


@pytest.mark.skipif(os.name == "nt", reason="rights of files and links work otherwise on Windows")
class TestUnreadable:
    def test_links_in_a_ring(self, tmp_path):
        (tmp_path / "a.db").symlink_to(tmp_path / "b.db")
        (tmp_path / "b.db").symlink_to(tmp_path / "a.db")
        with pytest.raises(StoreError, match="cannot be used"):
            path_of(url_of(tmp_path / "a.db"))

    @pytest.mark.parametrize("opening", [path_of, open_journal, open_reader])
    def test_a_folder_that_may_not_be_read(self, nobody, opening):
        made(nobody / "orders.db")
        give_up_rights(nobody, 0o000)
        with pytest.raises(StoreError, match="cannot be used: Permission denied"):
            opening(url_of(nobody / "orders.db"))

    def test_reading_needs_no_right_to_write(self, nobody):
        path = made(nobody / "orders.db")
        assert not Path(f"{path}-wal").exists()
        give_up_rights(nobody, 0o555)
        assert held(path) == [FUND]

    def test_what_a_log_holds_is_not_left_out_for_want_of_rights(self, nobody):
        path = made(nobody / "orders.db")
        Path(f"{path}-wal").write_bytes(b"")
        give_up_rights(nobody, 0o555)
        with pytest.raises(StoreError, match=r"cannot be opened|read-only"):
            open_reader(url_of(path))


def test_a_name_of_any_characters(tmp_path):
    path = made(tmp_path / "ordres 100%? #1 é\udcff.db")
    assert held(path) == [FUND]


def test_a_database_that_was_deleted_or_replaced_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "gone.db"

    async def main(harm) -> None:
        journal = open_journal(url_of(path))
        try:
            harm()
            with pytest.raises(DiskError, match="deleted or replaced"):
                await journal.commit(Batch(first=0, lines=(), rows={}))
        finally:
            await journal.close()

    asyncio.run(main(path.unlink))
    other = tmp_path / "other.db"
    other.write_bytes(b"")
    asyncio.run(main(lambda: other.replace(path)))
