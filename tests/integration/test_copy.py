"""A journal carried over from one database to another: whole and proven, or none at all."""

import asyncio
import base64
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from decimal import Decimal
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.journals import stores
from ordergate.adapters.journals.location import locate, path_of, place_beside
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.adapters.secrets.audit_key import AuditKeyError, find_key, find_or_make_key
from ordergate.application.audit.replay import replay
from ordergate.application.audit.verify import verify
from ordergate.application.copying import Copy
from ordergate.application.nodes import with_nodes
from ordergate.application.ports.journal import UNFINISHED, Head
from ordergate.bootstrap import open_gate
from ordergate.bootstrap.copying import copy
from ordergate.config import Config
from ordergate.domain.book import Book
from ordergate.domain.errors import AuditError, StoreBusy, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State
from ordergate.protocols.tlog import Checkpoint, consistency_proof, verify_consistency
from ordergate.protocols.tlog.nodes import subtrees
from tests.journals.busy_day import BusyDay
from tests.journals.desk import Desk
from tests.services.postgres import name_of
from tests.services.server import ROOT

PAIRS = [
    ("file", "server"),
    ("server", "file"),
    *(pytest.param(kind, kind, marks=pytest.mark.slow) for kind in ("file", "server")),
]
CONFIG = Config()


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def new(postgres, _set_up, tmp_path):
    """Makes URLs of fresh databases of a kind: a file, one on a server, one there that has its tables."""
    numbers = iter(range(9))

    def made(kind):
        if kind == "file":
            return f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"
        return postgres.database(_set_up if kind == "tables" else "template0")

    return made


@contextmanager
def quietly(_name):
    yield lambda _done, _total: None


def copied(source, target, stage=quietly):
    return asyncio.run(copy(CONFIG, source, target, stage))


def signer_of(url):
    return find_or_make_key(CONFIG.audit.origin, None, place_beside(url)).signer


def filled(url, size=300, seed=2):
    """A busy day with large payloads, and outlets that are on their way."""

    async def main():
        journal = await stores.open_journal(url)
        try:
            desk = await Desk.open(journal, signer_of(url))
            await BusyDay(seed).run(desk, size)
            await journal.move_cursor("nats", 12)
            return await journal.head()
        finally:
            await journal.close()

    return asyncio.run(main())


def everything(url):
    async def main():
        reader = await stores.open_reader(url)
        try:
            head = await reader.head()
            rows = {table.name: [row async for row in reader.dump(table.name)] for table in Book().tables}
            return (
                head,
                await reader.lines(0, 10**6),
                await reader.nodes(1, 0, 9),
                rows,
                await reader.cursors(),
            )
        finally:
            await reader.close()

    return asyncio.run(main())


def ask(url, question):
    async def main():
        reader = await stores.open_reader(url)
        try:
            return await question(reader)
        finally:
            await reader.close()

    return asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_everything_arrives_between_any_two_kinds(new, one, other):
    source, target = new(one), new(other)
    head = filled(source)
    found = copied(source, target)
    assert (found.size, found.resumed, found.generated) == (head.size, 0, True)
    assert everything(target) == everything(source)

    async def holds(reader):
        verified = await verify(reader, signer_of(source).verifier)
        assert (verified.size, verified.root, verified.signed) == (head.size, found.root, True)
        assert await replay(reader, MemoryJournal()) == []

    ask(target, holds)
    assert find_key(CONFIG.audit.origin, None, place_beside(target)).source == found.key
    assert os.stat(found.key).st_mode & 0o777 == 0o600


def test_an_empty_journal_is_carried_over_too(new):
    source, target = new("file"), new("server")
    ask_once = stores.open_journal(source)
    asyncio.run(closed(ask_once))
    signer_of(source)
    assert copied(source, target).size == 0
    assert everything(target)[0] == Head()


async def closed(opening):
    await (await opening).close()


def limit(key, price="180.50", quantity=100):
    return SubmitOrder(
        fund_id="paper-momentum",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(quantity),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(price),
        key_kind="idempotency_key",
        key=key,
    )


def market(bid, ask):
    now = SystemClock().now()
    return Quote("AAPL", now, Decimal(bid), Decimal(ask), pinned=True)


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_trading_goes_on_where_it_stopped(new, one, other):
    """Orders that work at the paper venue go along, and a later quote fills them; the same key is the same order."""
    source, target = new(one), new(other)

    async def before():
        async with open_gate(CONFIG, source) as gate:
            await gate.set_quote("paper", market("180.60", "180.70"))
            done = await gate.execute(limit("done", "181"))
            works = await gate.execute(limit("works"))
            await gate.quiet()
            return done.order.order_id, works.order.order_id

    async def after():
        async with open_gate(CONFIG, target) as gate:
            again = await gate.execute(limit("works"))
            assert again.replayed
            assert again.order.order_id == works
            assert (await gate.queries.order(works)).state is State.SUBMITTED
            await gate.set_quote("paper", market("180.30", "180.40"))
            assert (await gate.queries.order(works)).state is State.CLOSED
            positions = await gate.journal.select("positions")
            return [position.quantity for position in positions], await gate.journal.head()

    _done, works = asyncio.run(before())
    old = everything(source)[0]
    copied(source, target)
    positions, head = asyncio.run(after())
    assert positions == [200]
    consistent(target, old, head)


def consistent(url, old, new):
    """The older checkpoint's tree is the beginning of the newer one's, as others prove it."""
    trees = [Checkpoint.parse(head.checkpoint.partition("\n\n")[0] + "\n") for head in (old, new)]
    assert trees[0].size == old.size < trees[1].size == new.size

    async def main(reader):
        proof = await with_nodes(reader, lambda nodes: consistency_proof(old.size, new.size, subtrees(nodes)))
        verify_consistency(old.size, new.size, trees[0].root, trees[1].root, proof)
        await verify(reader, signer_of(url).verifier, old_checkpoint=old.checkpoint)
        (line,) = await reader.lines(old.size, 1)
        assert json.loads(line.data)["index"] == old.size

    ask(url, main)


class CutOff(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(
    "where", ["Copying entries", "Copying tables", "Copying paper", "Comparing", "Verifying"]
)
@pytest.mark.parametrize("other", ["file", pytest.param("server", marks=pytest.mark.slow)])
def test_a_copy_that_was_cut_off_is_no_journal_and_goes_on(new, monkeypatch, where, other):
    source, target = new("file"), new(other)
    asyncio.run(traded(source))
    head = filled(source, 300)
    monkeypatch.setattr("ordergate.application.copying.AT_ONCE", 64)

    @contextmanager
    def cut(name):
        def advance(done, _total):
            if name == where and done >= 128 - 64 * (where == "Copying tables"):
                raise CutOff

        yield advance
        if name == where:
            raise CutOff

    with pytest.raises(CutOff):
        copied(source, target, cut)
    for opening in (stores.open_journal, stores.open_reader):
        with pytest.raises(StoreError, match="of an unfinished copy: run `ordergate copy` again"):
            asyncio.run(closed(opening(target)))
    with pytest.raises(StoreError, match="unfinished"):
        asyncio.run(opened_as_gate(target))
    found = copied(source, target)
    assert found.size == head.size
    assert found.resumed == (128 if where == "Copying entries" else head.size)
    assert everything(target) == everything(source)


KILLED = """
import asyncio, os, signal
from contextlib import contextmanager
from tests.integration.test_copy import CONFIG, copy

@contextmanager
def stage(name):
    def advance(done, _total):
        if name == "Copying tables" and done > 50:
            os.kill(os.getpid(), signal.SIGKILL)
    yield advance

asyncio.run(copy(CONFIG, {source!r}, {target!r}, stage))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("other", ["file", "server"])
def test_a_copy_that_was_killed_is_no_journal_and_goes_on(new, other):
    source, target = new("file"), new(other)
    head = filled(source)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    script = KILLED.format(source=source, target=target)
    killed = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert killed.returncode == -9
    with pytest.raises(StoreError, match="unfinished copy"):
        everything(target)
    assert copied(source, target).resumed == head.size
    assert everything(target) == everything(source)


async def opened_as_gate(url):
    async with open_gate(CONFIG, url):
        pass


async def traded(url):
    async with open_gate(CONFIG, url) as gate:
        await gate.execute(limit("one"))
        await gate.quiet()


def test_a_copy_goes_on_after_its_source_went_on(new, monkeypatch):
    source, target = new("file"), new("server")
    filled(source, 300)
    monkeypatch.setattr("ordergate.application.copying.AT_ONCE", 64)

    @contextmanager
    def cut(name):
        yield lambda _done, _total: None
        if name == "Comparing":
            raise CutOff

    with pytest.raises(CutOff):
        copied(source, target, cut)
    longer = filled(source, 500, seed=8)
    found = copied(source, target)
    assert 300 <= found.resumed < found.size == longer.size
    assert everything(target) == everything(source)


def refused(source, target, match, error=StoreError):
    with pytest.raises(error, match=match):
        copied(source, target)


class TestRefused:
    def test_a_target_that_holds_a_journal(self, new):
        source, target = new("file"), new("server")
        filled(source, 50)
        filled(target, 30)
        before = everything(target)
        refused(source, target, "holds a journal of 3[0-9] entries already")
        assert everything(target) == before

    def test_a_part_of_another_copy(self, new):
        source, other, target = new("file"), new("file"), new("server")
        filled(source, 50)
        filled(other, 50, seed=9)

        @contextmanager
        def cut(_name):
            yield lambda _done, _total: None
            raise CutOff

        with pytest.raises(CutOff):
            copied(other, target, cut)
        os.remove(place_beside(target).with_name(place_beside(target).name + ".audit-key"))
        refused(source, target, "a part of another journal's copy")

    @pytest.mark.parametrize("kind", ["file", "server"])
    def test_a_source_that_somebody_has(self, new, kind):
        source, target = new(kind), new("file")

        async def main():
            async with open_gate(CONFIG, source):
                with pytest.raises(StoreBusy, match="in use by"):
                    await copy(CONFIG, source, target, quietly)
                assert not path_of(target).exists()

        asyncio.run(main())

    def test_a_target_that_a_node_has(self, new):
        source, target = new("file"), new("server")
        filled(source, 50)

        async def main():
            leases = stores.open_leases(target)
            await closed(stores.open_journal(target))
            await leases.take("node:n1")
            try:
                with pytest.raises(StoreBusy, match="end every node first"):
                    await copy(CONFIG, source, target, quietly)
            finally:
                await leases.close()

        asyncio.run(main())

    @pytest.mark.slow
    def test_a_source_that_is_written_meanwhile(self, new):
        """By a node that came when the copy had looked."""
        source, target = new("server"), new("file")
        filled(source, 50)

        @contextmanager
        def writing(name):
            yield lambda _done, _total: None
            if name == "Comparing":
                environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
                subprocess.run([sys.executable, "-c", WRITE.format(url=source)], env=environment, check=True)

        with pytest.raises(StoreBusy, match="was written meanwhile"):
            copied(source, target, writing)
        with pytest.raises(StoreError, match="unfinished"):
            everything(target)
        assert copied(source, target).size > 60

    def test_the_same_twice(self, new):
        source = new("file")
        filled(source, 30)
        refused(source, source, "name two databases")

    def test_memory_and_what_is_not_there(self, new):
        source = new("file")
        refused("sqlite://", source, "in memory")
        refused(source, new("server"), "there is no database")
        refused(new("server"), source, "there is no journal in")

    def test_a_key_that_is_not_here(self, new):
        source, target = new("file"), new("server")
        filled(source, 30)
        os.remove(f"{path_of(source)}.audit-key")
        refused(source, target, "the key that signs this journal is not here", AuditKeyError)

    def test_another_key_where_the_copys_must_be(self, new):
        source, target = new("file"), new("server")
        filled(source, 30)
        other = find_or_make_key(CONFIG.audit.origin, None, place_beside(target))
        refused(source, target, "is another key than", AuditKeyError)
        assert (
            find_key(CONFIG.audit.origin, None, place_beside(target)).signer.verifier.vkey
            == other.signer.verifier.vkey
        )

    def test_a_wrong_key_from_the_environment(self, new, monkeypatch):
        source, target = new("file"), new("server")
        filled(source, 30)
        monkeypatch.setenv("ORDERGATE_AUDIT_KEY", base64.b64encode(bytes(32)).decode())
        refused(source, target, "cannot be trusted", AuditError)

    def test_a_venue_that_has_a_record_already(self, new, postgres):
        source, target = new("file"), new("server")
        asyncio.run(traded(source))
        asyncio.run(traded(target))
        postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public", name_of(target))
        os.remove(place_beside(target).with_name(place_beside(target).name + ".audit-key"))
        refused(source, target, "paper venue 'paper' has a record at the target already")


WRITE = "from tests.integration.test_copy import filled; filled({url!r}, 70, 11)"


class Broken:
    """A target that does one thing wrong."""

    def __init__(self, journal, change):
        self._journal, self._change = journal, change

    def __getattr__(self, name):
        return getattr(self._journal, name)

    async def commit(self, batch):
        await self._journal.commit(replace(batch, **self._change(batch)))


def without(name):
    def change(batch):
        return {"rows": {t: [r for r in rows if t != name] for t, rows in batch.rows.items()}}

    return change


def bent(batch):
    if not batch.lines:
        return {}
    *some, last = batch.lines
    other = "OrderFilled/1" if last.kind != "OrderFilled/1" else "OrderEntered/1"
    return {"lines": [*some, replace(last, kind=other)]}


def swapped(batch):
    return {"lines": [replace(line, hash=bytes(32)) for line in batch.lines]}


def later_rows(batch):
    rows = {
        name: [replace(row, quantity=row.quantity + 1) for row in rows] if name == "positions" else rows
        for name, rows in batch.rows.items()
    }
    return {"rows": rows}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        without("fills"),
        without("keys"),
        bent,
        swapped,
        later_rows,
        lambda _batch: {"payloads": {}},
        lambda _batch: {"nodes": ()},
    ],
)
@pytest.mark.parametrize("kind", ["file", pytest.param("tables", marks=pytest.mark.slow)])
def test_what_does_not_arrive_as_it_was_is_found(new, kind, change):
    source, target = new("file"), new(kind)
    head = filled(source, 300)

    async def main():
        reader, journal = await stores.open_reader(source), await stores.open_journal_or_part(target)
        try:
            work = Copy(reader, head, Broken(journal, change))
            await work.begin()
            await work.entries(lambda *_: None)
            await work.rows(lambda *_: None)
            await work.compare(lambda *_: None)
            await work.verify(signer_of(source).verifier, lambda *_: None)
        finally:
            await reader.close()
            await journal.close()

    with pytest.raises((AuditError, StoreError)):
        asyncio.run(main())


def test_damage_in_the_source_is_found(new):
    source, target = new("file"), new("server")
    filled(source, 60)
    with closing(sqlite3.connect(path_of(source))) as connection:
        connection.execute("DROP TRIGGER journal_no_update")
        connection.execute("UPDATE journal SET entry = replace(entry, 'ann', 'bob') WHERE idx = 17")
        connection.commit()
    refused(source, target, "entry 17 does not have the hash", AuditError)


@pytest.mark.slow
def test_the_command(new, tmp_path):
    source, target = new("file"), new("server")
    head = filled(source, 60)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "ordergate", "copy", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    secret = target.replace("@/", ":hush@/")
    done = run("--from", source, "--to", secret, "--json")
    assert done.returncode == 0, done.stderr
    said = SimpleNamespace(**json.loads(done.stdout))
    assert (said.size, said.resumed, said.venues) == (head.size, 0, [])
    assert said.to == locate(target).shown
    again = run("--from", source, "--to", secret)
    assert again.returncode == 1
    assert "holds a journal of" in again.stderr
    assert "hush" not in again.stderr
    back = run("--from", target, "--to", f"sqlite:///{tmp_path / 'back.db'}")
    assert f"{head.size} entries, root {said.root} of both" in back.stdout
    assert UNFINISHED not in back.stdout


@pytest.mark.slow
def test_one_shard_is_carried_over_under_its_own_name(tmp_path, postgres):
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    (tmp_path / "shards.toml").write_text(f"{SHARDS}[shards.eu]\n")

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "ordergate", *arguments, "--config", "shards.toml", "--json"],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout)

    assert run("orders", "submit", "order.json")[0] == 0
    target = postgres.database()
    pair = ("--from", f"sqlite:///{tmp_path / 'orders-eu.db'}", "--to", target)
    code, said = run("copy", *pair)
    assert code == 1
    assert "name one with --shard" in json.dumps(said)
    code, said = run("copy", *pair, "--shard", "eu")
    assert (code, said["venues"]) == (0, ["paper-eu"])
    (tmp_path / "shards.toml").write_text(f'{SHARDS}[shards.eu]\ndatabase = "{target}"\n')
    assert run("audit", "verify", "--shard", "eu")[1]["root"] == said["root"]


ORDER = {
    "idempotency_key": "k", "fund_id": "alpha", "symbol": "AAPL", "side": "buy", "quantity": "100",
    "order_type": "market", "tif": "day",
}  # fmt: skip
SHARDS = """
[database]
url = "sqlite:///orders.db"
[brokers.paper-eu]
[brokers.paper-us]
[funds.alpha]
unlimited = true
shard = "eu"
broker = "paper-eu"
[funds.beta]
unlimited = true
shard = "us"
broker = "paper-us"
[signals]
fund = "alpha"
[shards.us]
"""
