"""Whatever is changed in a stored journal, in its tables or in an export of it is found, and named where it can be."""

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path

import pytest

from ordergate.adapters.files import write_tree
from ordergate.adapters.journals.database import open_journal, open_reader
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.adapters.journals.schema import KEYS
from ordergate.adapters.journals.tables import PROJECTIONS
from ordergate.application.audit.export import exported
from ordergate.application.audit.replay import compare, fold_into, replay
from ordergate.application.audit.verify import verify
from ordergate.application.entry import decode, encode
from ordergate.application.tail import Tail
from ordergate.domain.book import Book
from ordergate.domain.errors import AuditError, StoreError
from ordergate.protocols.tlog import Signer, TreeBuilder, open_checkpoint
from tests.acceptance import tlog_checker
from tests.journals.busy_day import BusyDay
from tests.journals.desk import Desk

SIGNER = Signer("ordergate.example/test", bytes(32))
SIZE = 700
CANNOT_BE_TOLD = None


def url_of(path):
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A database of a busy day, with the process ended and begun again twice."""
    path = tmp_path_factory.mktemp("recorded") / "orders.db"

    async def write():
        day = BusyDay(5)
        for until in (SIZE // 3, SIZE // 2, SIZE):
            journal = open_journal(url_of(path))
            await day.run(await Desk.open(journal, SIGNER), until)
            await journal.close()

    asyncio.run(write())
    return path


@pytest.fixture
def copied(recorded, tmp_path):
    return Path(shutil.copy(recorded, tmp_path / "orders.db"))


async def _verified(path, old=None):
    reader = open_reader(url_of(path))
    try:
        return await verify(reader, SIGNER.verifier, old_checkpoint=old)
    finally:
        await reader.close()


def test_the_recorded_journal_verifies(recorded):
    found = asyncio.run(_verified(recorded))
    assert found.signed
    assert found.size >= SIZE


# The stored log: each mutation changes an open database and says which entry must be named.


class Log:
    """A database about to be damaged; the triggers that forbid it are gone."""

    def __init__(self, path, seed):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA synchronous = OFF")
        for verb in ("update", "delete", "replace"):
            self.db.execute(f"DROP TRIGGER journal_no_{verb}")
        self.random = random.Random(seed)
        self.size = self.db.execute("SELECT count(*) FROM journal").fetchone()[0]

    def index(self, first=0):
        return self.random.randrange(first, self.size)

    def damaged(self, data):
        """The same with one bit of one byte turned."""
        at, bit = self.random.randrange(len(data)), 1 << self.random.randrange(8)
        return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]

    def cell(self, table, column, where, kind="BLOB"):
        """Turns a bit of a cell; the store does not see to it that text remains text."""
        data = self.db.execute(f"SELECT CAST({column} AS BLOB) FROM {table} WHERE {where}").fetchone()[0]
        self.db.execute(
            f"UPDATE {table} SET {column} = CAST(? AS {kind}) WHERE {where}", (self.damaged(data),)
        )

    def move(self, old, new):
        self.db.execute("UPDATE journal SET idx = ? WHERE idx = ?", (new, old))

    def shift(self, first, by):
        """Renumbers everything from `first` on."""
        self.db.execute("BEGIN")
        for index in sorted(range(first, self.size), reverse=by > 0):
            self.move(index, index + by)
        self.db.execute("COMMIT")


def an_entrys_byte(log):
    index = log.index()
    log.cell("journal", "entry", f"idx = {index}")
    return index


def a_hashs_byte(log):
    index = log.index()
    log.cell("journal", "hash", f"idx = {index}")
    return index


def a_kinds_byte(log):
    index = log.index()
    log.cell("journal", "kind", f"idx = {index}", "TEXT")
    return index


def an_order_ids_byte(log):
    index = log.db.execute(
        "SELECT idx FROM journal WHERE order_id IS NOT NULL AND idx >= ? ORDER BY idx", (log.index() // 2,)
    ).fetchone()[0]
    log.cell("journal", "order_id", f"idx = {index}", "TEXT")
    return index


def an_order_id_where_none_was(log):
    index = log.db.execute(
        "SELECT idx FROM journal WHERE order_id IS NULL AND idx > ?", (log.index() // 2,)
    ).fetchone()[0]
    log.db.execute("UPDATE journal SET order_id = 'ord-0001' WHERE idx = ?", (index,))
    return index


def no_order_id_where_one_was(log):
    index = log.db.execute(
        "SELECT idx FROM journal WHERE order_id IS NOT NULL AND idx > ?", (log.index() // 2,)
    ).fetchone()[0]
    log.db.execute("UPDATE journal SET order_id = NULL WHERE idx = ?", (index,))
    return index


def an_entry_by_an_sql_function(log):
    index = log.index()
    log.db.execute("UPDATE journal SET entry = replace(entry, 'paper', 'paper') WHERE idx = ?", (index,))
    return index


def a_nodes_byte(log):
    number = log.random.randrange(log.size // 256)
    log.cell("nodes", "hash", f"level = 1 AND number = {number}")
    return number * 256


def a_node_gone(log):
    number = log.random.randrange(log.size // 256)
    log.db.execute("DELETE FROM nodes WHERE number = ?", (number,))
    return number * 256


def a_node_too_many(log):
    level, number = log.random.choice(
        [(1, log.size // 256), (1, 10_000), (1, -1), (2, 0), (3, 2**40), (7, 0)]
    )
    log.db.execute("INSERT INTO nodes VALUES (?, ?, ?)", (level, number, bytes(32)))
    return CANNOT_BE_TOLD


def nodes_swapped(log):
    log.db.execute("UPDATE nodes SET number = 1 - number + 10 WHERE number < 2")
    log.db.execute("UPDATE nodes SET number = number - 10 WHERE number >= 10")
    return 0


def the_checkpoints_byte(log):
    log.cell("head", "checkpoint", "id = 1", "TEXT")
    return CANNOT_BE_TOLD


def the_size(log):
    log.db.execute(
        "UPDATE head SET size = ?", (log.random.choice([0, 1, log.size - 1, log.size + 1, 10**9]),)
    )
    return CANNOT_BE_TOLD


def the_head_gone(log):
    log.db.execute("DELETE FROM head")
    return 0


def a_row_gone(log):
    index = log.index()
    log.db.execute("DELETE FROM journal WHERE idx = ?", (index,))
    return index


def a_row_gone_and_the_gap_closed(log):
    index = a_row_gone(log)
    log.shift(index + 1, -1)
    return index


def rows_swapped(log):
    first = log.index()
    second = log.random.choice([i for i in range(log.size) if i != first])
    for old, new in ((first, -1), (second, first), (-1, second)):
        log.move(old, new)
    return min(first, second)


def _insert(log, index):
    copied = log.index()
    sql = "INSERT INTO journal SELECT ?, kind, order_id, hash, entry FROM journal WHERE idx = ?"
    log.db.execute(sql, (index, copied))


def a_row_too_many_at_the_end(log):
    _insert(log, log.size)
    return log.size


def a_row_too_many_far_behind(log):
    _insert(log, log.size + log.random.choice([1, 2, 1_000, 10**9, 2**61]))
    return log.size


def a_row_too_many_before_the_first(log):
    _insert(log, -log.random.choice([1, 2, 10**9]))
    return CANNOT_BE_TOLD


def a_row_put_in_between(log):
    index = log.index()
    log.shift(index, 1)
    sql = "INSERT INTO journal SELECT ?, kind, order_id, hash, entry FROM journal WHERE idx = ?"
    log.db.execute(sql, (index, log.random.choice([i for i in range(log.size) if i != index])))
    return index


def the_last_rows_gone(log):
    index = log.index()
    log.db.execute("DELETE FROM journal WHERE idx >= ?", (index,))
    return index


def _rewritten(log, index):
    """An entry with another content and the hash of that."""
    data = log.db.execute("SELECT entry FROM journal WHERE idx = ?", (index,)).fetchone()[0]
    data = data.replace(b'"principal":"', b'"principal":"not-')
    log.db.execute("UPDATE journal SET entry = ?, hash = ? WHERE idx = ?", (data, leaf(data), index))


def an_entry_with_its_hash(log):
    index = log.index()
    _rewritten(log, index)
    return index // 256 * 256 if index < log.size // 256 * 256 else CANNOT_BE_TOLD


def an_entry_with_all_hashes(log):
    index = log.index()
    _rewritten(log, index)
    hashes = [row[0] for row in log.db.execute("SELECT hash FROM journal ORDER BY idx")]
    for number in range(log.size // 256):
        root = mth(hashes[number * 256 : number * 256 + 256])
        log.db.execute("UPDATE nodes SET hash = ? WHERE level = 1 AND number = ?", (root, number))
    return CANNOT_BE_TOLD


def a_payloads_byte(log):
    digest = log.db.execute("SELECT sha256 FROM payloads").fetchone()[0]
    log.cell("payloads", "body", f"sha256 = '{digest}'")
    return log.db.execute(
        "SELECT min(idx) FROM journal WHERE instr(entry, ?)", (digest.encode(),)
    ).fetchone()[0]


def a_payload_gone(log):
    digest = log.db.execute("SELECT sha256 FROM payloads").fetchone()[0]
    log.db.execute("DELETE FROM payloads")
    return log.db.execute(
        "SELECT min(idx) FROM journal WHERE instr(entry, ?)", (digest.encode(),)
    ).fetchone()[0]


MUTATIONS = [
    an_entrys_byte, a_hashs_byte, a_kinds_byte, an_order_ids_byte, an_order_id_where_none_was,
    no_order_id_where_one_was, an_entry_by_an_sql_function, a_nodes_byte, a_node_gone, a_node_too_many, nodes_swapped,
    the_checkpoints_byte, the_size, the_head_gone, a_row_gone, a_row_gone_and_the_gap_closed, rows_swapped,
    a_row_too_many_at_the_end, a_row_too_many_far_behind, a_row_too_many_before_the_first, a_row_put_in_between,
    the_last_rows_gone, an_entry_with_its_hash, an_entry_with_all_hashes, a_payloads_byte, a_payload_gone,
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_changed_log_is_found(recorded, tmp_path, mutate):
    """Eight times each, 208 in all."""
    for turn in range(8):
        path = Path(shutil.copy(recorded, tmp_path / f"{turn}.db"))
        log = Log(path, f"{mutate.__name__}{turn}")
        expected = mutate(log)
        log.db.close()
        # A checkpoint that is no longer text cannot even be read from the database.
        kinds = (AuditError, StoreError) if mutate is the_checkpoints_byte else AuditError
        with pytest.raises(kinds) as caught:
            asyncio.run(_verified(path))
        named = getattr(caught.value, "index", None)
        assert named == expected, f"turn {turn}: {caught.value}"


def test_a_history_that_was_rewritten_and_signed_again_shows_against_an_older_checkpoint(recorded, tmp_path):
    async def talk():
        reader = open_reader(url_of(recorded))
        entries = [decode(line.data, i) for i, line in enumerate(await reader.lines(0, 10_000))]
        kept = (await reader.head()).checkpoint
        payloads = {e.raw_sha256: await reader.payload(e.raw_sha256) for e in entries if e.raw_sha256}
        await reader.close()
        for count, signer in ((len(entries), SIGNER), (len(entries) + 50, SIGNER)):
            path = tmp_path / f"{count}.db"
            journal = open_journal(url_of(path))
            tail = Tail(signer, TreeBuilder())
            changed = [_by_another(entry) if i == 123 else entry for i, entry in enumerate(entries)]
            batch = tail.batch([encode(entry) for entry in changed], Book())
            batch.payloads.update(payloads)
            await journal.commit(batch)
            desk = await Desk.open(journal, SIGNER)
            await BusyDay(9).run(desk, count + 20)
            await journal.close()
            assert (await _verified(path)).signed
            with pytest.raises(AuditError, match="the older checkpoint is over other entries"):
                await _verified(path, old=kept)
        assert (await _verified(recorded, old=kept)).size == len(entries)

    asyncio.run(talk())


def _by_another(entry):
    return decode(encode(entry).data.replace(b'"principal":"', b'"principal":"not-'), entry.index)


# The tables.


@pytest.fixture(scope="module")
def replayed(recorded):
    """A store that the recorded journal was folded into."""

    async def fold():
        reader, store = open_reader(url_of(recorded)), open_journal("sqlite://")
        assert await replay(reader, store) == []
        await reader.close()
        return store

    store = asyncio.run(fold())
    yield store
    asyncio.run(store.close())


def differences(path, store, table):
    async def talk():
        reader = open_reader(url_of(path))
        try:
            return await compare(reader, store, table)
        finally:
            await reader.close()

    return asyncio.run(talk())


@pytest.mark.parametrize("table", sorted(PROJECTIONS))
class TestTables:
    @pytest.mark.slow
    def test_a_changed_cell_of_any_column_is_found(self, copied, replayed, table):
        assert differences(copied, replayed, table) == []
        with closing(sqlite3.connect(copied, isolation_level=None)) as db:
            where = " AND ".join(f"{name} = ?" for name in KEYS[table])
            keys = ", ".join(KEYS[table])
            rows = db.execute(f"SELECT {keys} FROM {table} ORDER BY {keys}").fetchall()
            for place, column in enumerate(PROJECTIONS[table].c):
                row = rows[7 * place % len(rows)]
                old = db.execute(f'SELECT "{column.name}" FROM {table} WHERE {where}', row).fetchone()[0]
                new = old + 10_000 if isinstance(old, int) else f"{old or ''}~"  # no other row has that
                db.execute(f'UPDATE {table} SET "{column.name}" = ? WHERE {where}', (new, *row))
                found = differences(copied, replayed, table)
                assert {each.table for each in found} == {table}, column
                assert sum(each.ours is not None for each in found) == 1, column
                assert sum(each.replayed is not None for each in found) == 1, column
                new_row = [
                    new if name == column.name else value
                    for name, value in zip(KEYS[table], row, strict=True)
                ]
                db.execute(f'UPDATE {table} SET "{column.name}" = ? WHERE {where}', (old, *new_row))
        assert differences(copied, replayed, table) == []

    def test_a_row_that_is_gone_is_found(self, copied, replayed, table):
        with closing(sqlite3.connect(copied, isolation_level=None)) as db:
            middle = (
                f"SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET (SELECT count(*) / 2 FROM {table})"
            )
            db.execute(f"DELETE FROM {table} WHERE rowid = ({middle})")
        (found,) = differences(copied, replayed, table)
        assert found.ours is None


def test_the_replay_itself_finds_a_changed_cell(copied):
    with closing(sqlite3.connect(copied, isolation_level=None)) as db:
        db.execute("UPDATE positions SET realized_pnl = realized_pnl + 1 WHERE symbol = 'AAPL'")

    async def talk():
        reader, store = open_reader(url_of(copied)), open_journal("sqlite://")
        found = await replay(reader, store)
        await reader.close()
        await store.close()
        return found

    assert {each.table for each in asyncio.run(talk())} == {"positions"}


def test_a_replay_into_another_kind_of_store_gives_the_same_rows(recorded):
    async def talk():
        reader, store = open_reader(url_of(recorded)), MemoryJournal()
        await fold_into(reader, (await reader.head()).size, store)
        found = [each for table in PROJECTIONS for each in await compare(reader, store, table)]
        await reader.close()
        return found

    assert asyncio.run(talk()) == []


# The export: a reader that knows nothing of ours but the public key, and nothing of how we compute.


@pytest.fixture(scope="module")
def tree(recorded, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "log"

    async def talk():
        reader = open_reader(url_of(recorded))
        await write_tree(directory, exported(reader))
        await reader.close()

    asyncio.run(talk())
    return directory


def leaf(data):
    return sha256(b"\x00" + data).digest()


def mth(hashes):
    """RFC 9162 section 2.1.1, word for word."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def read_tree(directory):
    """The entries of an exported log of less than 65,536.

    Raises:
        ValueError, OSError: something is not as it must be.
    """
    checkpoint = open_checkpoint((directory / "checkpoint").read_bytes(), SIGNER.verifier)
    files = {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}
    entries, expected = [], {"checkpoint"}
    for name, width in _tiles("entries", checkpoint.size):
        data, before = (directory / name).read_bytes(), len(entries)
        while data:
            end = 2 + int.from_bytes(data[:2], "big")
            if end > len(data):
                raise ValueError(f"{name} is cut off")
            entries.append(data[2:end])
            data = data[end:]
        if len(entries) - before != width:
            raise ValueError(f"{name} has {len(entries) - before} entries")
        expected.add(name)
    row, level = [leaf(entry) for entry in entries], 0
    if mth(row) != checkpoint.root:
        raise ValueError("the root is another")
    while row:
        for number, (name, width) in enumerate(_tiles(str(level), len(row))):
            if (directory / name).read_bytes() != b"".join(row[number * 256 :][:width]):
                raise ValueError(f"{name} is not the tile of these entries")
            expected.add(name)
        row = [mth(row[at : at + 256]) for at in range(0, len(row) - 255, 256)]
        level += 1
    if files != expected:
        raise ValueError(f"these files do not belong here or are missing: {files ^ expected}")
    return entries


def _tiles(level, count):
    for number in range(-(-count // 256)):
        width = min(256, count - number * 256)
        yield f"tile/{level}/{number:03}" + ("" if width == 256 else f".p/{width}"), width


def test_the_export_can_be_read_and_is_the_journal(tree, recorded):
    with closing(sqlite3.connect(recorded)) as db:
        assert read_tree(tree) == [row[0] for row in db.execute("SELECT entry FROM journal ORDER BY idx")]


def _turned(path, chance):
    data = path.read_bytes()
    at = chance.randrange(len(data))
    path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])


def _cut(path, chance):
    path.write_bytes(path.read_bytes()[: -chance.randrange(1, 40)])


def _longer(path, chance):
    path.write_bytes(path.read_bytes() + chance.randbytes(chance.randrange(1, 40)))


def _gone(path, _chance):
    path.unlink()


def _renamed(path, _chance):
    path.rename(path.with_name("007"))


def _swapped(path, chance):
    siblings = sorted(p for p in path.parent.iterdir() if p.is_file() and p != path)
    other = chance.choice(siblings) if siblings else None
    ours, theirs = path.read_bytes(), path.read_bytes()[::-1] if other is None else other.read_bytes()
    path.write_bytes(theirs)
    if other is not None:
        other.write_bytes(ours)


def _stray(path, _chance):
    shutil.copy(path, path.with_name("999"))


def test_a_changed_export_is_found(tree, tmp_path):
    chance = random.Random(7)
    ways = cycle([_turned, _turned, _cut, _longer, _gone, _renamed, _swapped, _stray])
    for turn, way in enumerate(islice(ways, 64)):
        copy = tmp_path / str(turn)
        shutil.copytree(tree, copy)
        assert read_tree(copy)
        path = chance.choice(sorted(p for p in copy.rglob("*") if p.is_file()))
        way(path, chance)
        with pytest.raises((ValueError, OSError)):
            read_tree(copy)
        shutil.rmtree(copy)


def test_the_export_is_what_a_reader_in_another_language_takes(tree, tmp_path):
    binary = tlog_checker.build(tmp_path)
    if binary is None:
        pytest.skip(tlog_checker.why_not())
    vkey = tmp_path / "vkey"
    vkey.write_text(SIGNER.verifier.vkey + "\n")
    accepted, said = tlog_checker.check(binary, tree, vkey)
    assert accepted, said
    assert said.split()[1] == (tree / "checkpoint").read_text().split("\n")[1]
