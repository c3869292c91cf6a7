"""The audit, question by question, on journals in memory."""

import asyncio
import pickle
from datetime import timedelta
from decimal import Decimal
from typing import get_args

import msgspec
import pytest
from msgspec.structs import replace

from ordergate.adapters.journals.database import open_journal
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.audit import reading
from ordergate.application.audit.export import exported
from ordergate.application.audit.proofs import proofs
from ordergate.application.audit.replay import Difference, compare, fold_into, replay
from ordergate.application.audit.story import story
from ordergate.application.audit.verify import Verified, verify
from ordergate.application.entry import Entry, decode, encode
from ordergate.application.nodes import load_tree
from ordergate.application.ports.journal import Batch, Head
from ordergate.application.tail import Tail
from ordergate.domain.book import Book
from ordergate.domain.errors import AuditError, Invalid, NotFound, StoreBusy, StoreError
from ordergate.domain.funds import Fund
from ordergate.domain.moving import MoveEvent
from ordergate.domain.orders.commands import AdoptOrder
from ordergate.domain.orders.events import OrderEvent, OrderFilled, SessionOpened
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import OrderType, Side, State
from ordergate.domain.recon.events import PositionAdjusted
from ordergate.domain.risk.events import RiskEvent
from ordergate.protocols.tlog import (
    Signer,
    Tile,
    TreeBuilder,
    decode_bundle,
    entry_bundles,
    hash_tiles,
    leaf_hash,
    verify_proof,
)
from tests.journals.busy_day import BusyDay
from tests.journals.desk import START, Desk

SIGNER = Signer("ordergate.example/test", bytes(32))
STRANGER = Signer("ordergate.example/test", bytes([1] * 32))
STORES = [MemoryJournal, lambda: open_journal("sqlite://")]


_RECORDED: dict[tuple, bytes] = {}
"""Journals in memory that were written once: a test has a copy, with which it may do what it likes."""


async def recorded(size=700, seed=1, restarts=(200, 450)):
    """A journal with at least `size` entries, written with restarts in between."""
    wanted = size, seed, restarts
    if wanted not in _RECORDED:
        _RECORDED[wanted] = pickle.dumps(await recorded_in(MemoryJournal(), *wanted))
    return pickle.loads(_RECORDED[wanted])


async def recorded_in(journal, size=700, seed=1, restarts=(200, 450)):
    """The same in a store of its own."""
    day = BusyDay(seed)
    for until in (*(r for r in restarts if r < size), size):
        await day.run(await Desk.open(journal, SIGNER), until)
    return journal


async def written(entries, signer=SIGNER):
    """A journal of those entries as they are, hashed and signed; what stood beside it is left out."""
    journal, entries = MemoryJournal(), [replace(entry, raw_sha256=None) for entry in entries]
    await journal.commit(Tail(signer, TreeBuilder()).batch([encode(entry) for entry in entries], Book()))
    return journal


async def entries_of(journal):
    return [decode(line.data, i) for i, line in enumerate(await journal.lines(0, 2**62))]


async def index_of(journal, what):
    return next(i for i, entry in enumerate(await entries_of(journal)) if what(entry))


def run(coroutine):
    return asyncio.run(coroutine)


class TestVerify:
    @pytest.mark.parametrize("size", [3, 255, 256, 257, 700])
    @pytest.mark.parametrize("at_once", [1, 100, 1_000])
    def test_an_untouched_journal(self, size, at_once, monkeypatch):
        monkeypatch.setattr(reading, "AT_ONCE", at_once)

        async def talk():
            journal, seen = await recorded(size), []
            found = await verify(journal, SIGNER.verifier, progress=lambda *done: seen.append(done))
            head = await journal.head()
            assert found == Verified(size=head.size, root=head.checkpoint.split("\n")[2], signed=True)
            assert seen == [
                (min(n, head.size), head.size) for n in range(at_once, head.size + at_once, at_once)
            ]
            assert not (await verify(journal, None)).signed

        run(talk())

    def test_an_empty_journal(self):
        found = run(verify(MemoryJournal(), SIGNER.verifier))
        assert (found.size, found.signed) == (0, False)

    def test_a_signature_by_an_unknown_key(self):
        async def talk():
            with pytest.raises(AuditError, match="signed by none of the known keys"):
                await verify(await recorded(20), STRANGER.verifier)

        run(talk())

    def test_a_writer_may_go_on_beside_it(self):
        async def talk():
            journal, day = MemoryJournal(), BusyDay(2)
            desk = await Desk.open(journal, SIGNER)
            await day.run(desk, 100)

            class Busy:
                def __getattr__(self, name):
                    async def call(*args):
                        await day.run(desk, desk.engine.size + 1)
                        return await getattr(journal, name)(*args)

                    return call

            class Settling(Busy):
                left = 30

                def __getattr__(self, name):
                    self.left -= 1
                    return super().__getattr__(name) if self.left > 0 else getattr(journal, name)

            assert (await verify(Settling(), SIGNER.verifier)).size > 100

        run(talk())

    @pytest.mark.parametrize("size", [1, 2, 100, 255, 256, 257, 512, 650])
    def test_an_older_checkpoint_is_contained(self, size):
        async def talk():
            journal = await recorded()
            old = await checkpoint_at(journal, size)
            assert (await verify(journal, SIGNER.verifier, old_checkpoint=old)).size >= 700
            assert (await verify(journal, None, old_checkpoint=old)).size >= 700

        run(talk())

    def test_an_older_checkpoint_that_is_not(self):
        async def talk():
            journal, other = await recorded(600), await recorded(600, seed=2)
            old = await checkpoint_at(other, 300)
            with pytest.raises(
                AuditError, match="the older checkpoint is over other entries: one of the 300"
            ):
                await verify(journal, SIGNER.verifier, old_checkpoint=old)

        run(talk())

    def test_a_log_that_was_cut_back(self):
        async def talk():
            journal, longer = await recorded(300, restarts=()), await recorded(600, restarts=())
            old = (await longer.head()).checkpoint
            size = (await journal.head()).size
            with pytest.raises(AuditError, match=f"once had .* and now has {size}") as caught:
                await verify(journal, SIGNER.verifier, old_checkpoint=old)
            assert caught.value.index == size
            with pytest.raises(AuditError) as caught:
                await verify(MemoryJournal(), SIGNER.verifier, old_checkpoint=old)
            assert caught.value.index == 0

        run(talk())

    def test_an_older_checkpoint_by_another_key_or_of_another_log(self):
        async def talk():
            journal = await recorded(50)
            theirs = (await written(await entries_of(journal), STRANGER)).head()
            with pytest.raises(
                AuditError, match=r"the older checkpoint cannot be trusted: .* none of the known keys"
            ):
                await verify(journal, SIGNER.verifier, old_checkpoint=(await theirs).checkpoint)
            other = Signer("other.example/log", bytes(32))
            old = (await (await written(await entries_of(journal), other)).head()).checkpoint
            with pytest.raises(
                AuditError, match=r"of log 'other.example/log', this one is 'ordergate.example/test'"
            ):
                await verify(journal, None, old_checkpoint=old)
            for garbage in ("", "garbage", "\ud800", old.replace("\n", "\r\n")):
                with pytest.raises(AuditError, match="cannot be trusted"):
                    await verify(journal, SIGNER.verifier, old_checkpoint=garbage)

        run(talk())

    def test_payloads_beside_the_journal(self):
        async def talk():
            journal = await recorded(seed=2)
            index = await index_of(journal, lambda entry: entry.raw_sha256)
            digest = (await entries_of(journal))[index].raw_sha256
            assert len(await journal.payload(digest)) == 70_000
            for payload, said in (
                (b"other", "the payload of entry"),
                (None, "is missing"),
                ("text", "the payload"),
            ):
                journal._payloads[digest] = payload
                with pytest.raises(AuditError, match=said) as caught:
                    await verify(journal, SIGNER.verifier)
                assert caught.value.index == index

        run(talk())

    @pytest.mark.parametrize("back", [timedelta(0), timedelta(microseconds=1), timedelta(days=1)])
    def test_times_that_do_not_increase(self, back):
        async def talk():
            entries = await entries_of(await recorded(200))
            calm = [i for i, e in enumerate(entries) if not getattr(e.event, "times", ()) and i > 50]
            index, last = calm[0], entries[calm[0] - 1]
            before = last.event.times[-1] if getattr(last.event, "times", ()) else last.time
            entries[index] = replace(entries[index], time=before - back)
            with pytest.raises(AuditError, match=f"entry {index} has the time") as caught:
                await verify(await written(entries), SIGNER.verifier)
            assert caught.value.index == index

        run(talk())

    @pytest.mark.parametrize(
        "twist",
        [
            lambda t: (*t[:-2], t[-1], t[-2]),
            lambda t: (*t[:-1], t[-2]),
            lambda t: (t[0] + timedelta(microseconds=1), *t[1:]),
            lambda t: tuple(at.replace(tzinfo=None) for at in t),
        ],
    )
    def test_times_of_a_path_that_do_not_increase(self, twist):
        async def talk():
            entries = await entries_of(await recorded(100))
            index = next(i for i, e in enumerate(entries) if len(getattr(e.event, "times", ())) > 2)
            entry = entries[index]
            event = replace(entry.event, times=twist(entry.event.times))
            time = event.times[0] if event.times[0].tzinfo is None else entry.time
            entries[index] = replace(entry, event=event, time=time)
            with pytest.raises(AuditError) as caught:
                await verify(await written(entries), SIGNER.verifier)
            assert caught.value.index == index

        run(talk())

    def test_an_index_that_is_not_its_place(self):
        async def talk():
            entries = await entries_of(await recorded(100))
            entries[70] = replace(entries[70], index=71)
            with pytest.raises(AuditError, match="where entry 70 should be stands entry 71"):
                await verify(await written(entries), SIGNER.verifier)

        run(talk())

    @pytest.mark.parametrize(
        "data", [b"", b"{}", b"\xff", b'{"index":20}', b'{"index":20,"actor":"\xff"}', b"[" * 10_000]
    )
    def test_bytes_that_are_no_entry(self, data):
        async def talk():
            journal = await recorded(50)
            journal._lines[20] = replace(journal._lines[20], data=data, hash=leaf_hash(data))
            for audit in (verify(journal, SIGNER.verifier), replay(journal, MemoryJournal())):
                with pytest.raises(AuditError, match="entry 20 cannot be read") as caught:
                    await audit
                assert caught.value.index == 20

        run(talk())

    def test_what_is_stored_beyond_the_end(self):
        async def talk():
            journal = await recorded(300)
            size = (await journal.head()).size
            journal._nodes[1].append(leaf_hash(b""))
            with pytest.raises(
                AuditError, match=f"level 1 has nodes that a tree of {size} entries does not have"
            ):
                await verify(journal, SIGNER.verifier)
            journal._nodes = {1: journal._nodes[1][:1], 2: [leaf_hash(b"")]}
            with pytest.raises(AuditError, match="level 2 has nodes"):
                await verify(journal, SIGNER.verifier)
            journal._lines.append(journal._lines[-1])
            with pytest.raises(AuditError, match="lines beyond the last checkpoint") as caught:
                await verify(journal, SIGNER.verifier)
            assert caught.value.index == size

        run(talk())

    def test_a_line_that_the_store_cannot_read_is_named(self):
        async def talk():
            journal = await recorded(300)

            class BadSector(MemoryJournal):
                async def lines(self, first, count):
                    if first <= 123 < first + count and count < 2**40:
                        raise StoreError("disk I/O error")
                    return await super().lines(first, count)

            journal.__class__ = BadSector
            with pytest.raises(AuditError, match="entry 123 cannot be read: disk I/O error") as caught:
                await verify(journal, SIGNER.verifier)
            assert caught.value.index == 123

        run(talk())


@pytest.mark.slow
def test_a_log_with_three_levels():
    async def talk():
        size = 65_540
        opened = SessionOpened(broker="paper", epoch=1, version="test")
        journal = await written(
            Entry(
                index=index,
                time=START + timedelta(microseconds=index),
                actor="ordergate",
                principal="local",
                source="engine",
                event=opened,
            )
            for index in range(size)
        )
        assert (await verify(journal, SIGNER.verifier)).size == size
        paths = [path async for path, _content in exported(journal)]
        assert [path for path in paths if path.startswith("tile/2/")] == ["tile/2/000.p/1"]
        journal._nodes[2][0] = leaf_hash(b"")
        with pytest.raises(AuditError, match="node 0 of level 2 is not that of entries 0 to 65535"):
            await verify(journal, SIGNER.verifier)

    run(talk())


async def checkpoint_at(journal, size):
    """The checkpoint that was signed when the journal had that many entries."""
    cut = MemoryJournal()
    await cut.commit(Batch(first=0, lines=(await journal.lines(0, size)), rows={}, nodes=()))
    cut._nodes = journal._nodes
    return Tail(SIGNER, await load_tree(cut, size)).batch([], Book()).checkpoint


EVERY_SEED = [
    pytest.param(seed, at_once, marks=() if place == number else pytest.mark.slow)
    for place, seed in enumerate((1, 2, 3))
    for number, at_once in enumerate((1, 7, 1_000))
]
"""Each seed and each size of portions once, and slowly all of them together."""


@pytest.mark.parametrize("store", STORES, ids=["memory", "sqlite"])
class TestReplay:
    @pytest.mark.slow
    @pytest.mark.parametrize(("seed", "at_once"), EVERY_SEED)
    def test_an_untouched_journal_is_equal(self, store, at_once, seed, monkeypatch):
        async def talk():
            journal, empty, seen = await recorded_in(store(), seed=seed), store(), []
            monkeypatch.setattr(reading, "AT_ONCE", at_once)
            assert await replay(journal, empty, lambda *done: seen.append(done)) == []
            size = (await journal.head()).size
            assert seen[-1] == (size, size)
            for table in Book().tables:
                assert [row async for row in empty.dump(table.name)], "a table without rows proves nothing"
            for each in (journal, empty):
                await each.close()

        run(talk())

    def test_rows_that_only_one_side_has_do_not_hide_the_others(self, store):
        async def talk():
            journal, empty = await recorded_in(store()), store()
            stray = [Fund(fund_id=name, broker="paper") for name in ("aaa", "aab", "zzz")]
            head = await journal.head()
            await journal.commit(
                Batch(first=head.size, lines=(), rows={"funds": stray}, checkpoint=head.checkpoint)
            )
            found = await replay(journal, empty)
            assert [(each.table, each.number, each.replayed) for each in found] == [
                ("funds", 0, None),
                ("funds", 1, None),
                ("funds", 7, None),
            ]
            assert [name in str(each.ours) for name, each in zip(("aaa", "aab", "zzz"), found, strict=True)]
            found = await compare(empty, journal, "funds")
            assert [(each.number, each.ours) for each in found] == [(0, None), (1, None), (7, None)]
            for each in (journal, empty):
                await each.close()

        run(talk())


def test_stores_that_have_nothing_in_common_are_compared_no_further_than_shows_it(monkeypatch):
    async def talk():
        monkeypatch.setattr("ordergate.application.audit.replay._MOST", 20)
        found = await compare(await recorded(seed=1), MemoryJournal(), "orders")
        assert 20 < len(found) < 30

    run(talk())


class TestReplayRefuses:
    def test_a_store_that_is_not_empty(self):
        async def talk():
            journal = await recorded(50)
            with pytest.raises(StoreError, match="this one is not"):
                await replay(journal, await recorded(20))

        run(talk())

    def test_a_journal_that_grows(self):
        async def talk():
            journal, day = MemoryJournal(), BusyDay(2)
            desk = await Desk.open(journal, SIGNER)
            await day.run(desk, 100)

            class Growing(MemoryJournal):
                async def commit(self, batch):
                    await super().commit(batch)
                    await day.run(desk, desk.engine.size + 1)

            with pytest.raises(StoreBusy, match="grew during the comparison"):
                await replay(journal, Growing())

        run(talk())

    @pytest.mark.parametrize("event", ["unknown order", "unknown instrument", "another path"])
    def test_an_entry_that_does_not_follow(self, event):
        async def talk():
            entries = await entries_of(await recorded(200))
            filled = (i for i, e in enumerate(entries) if isinstance(e.event, OrderFilled) and e.event.path)
            index = next(filled)
            said = entries[index].event
            event_now = {
                "unknown order": replace(said, order_id="ord-none"),
                "unknown instrument": replace(said, fill=replace(said.fill, symbol="NONE")),
                "another path": replace(said, path=(State.REJECTED,), times=(entries[index].time,)),
            }[event]
            entries[index] = replace(entries[index], event=event_now)
            journal = await written(entries)
            with pytest.raises(
                AuditError, match=f"entry {index} does not follow from those before it"
            ) as caught:
                await fold_into(journal, len(entries), MemoryJournal())
            assert caught.value.index == index

        run(talk())

    def test_amounts_are_folded_as_exactly_as_they_were_booked(self):
        """With the 28 digits of Python's default context the two would differ."""

        async def talk():
            journal = MemoryJournal()
            desk = await Desk.open(journal, SIGNER)
            adopted = AdoptOrder(
                order_id="ord-1",
                fund_id="alpha",
                symbol="BTC/USDT",
                side=Side.BUY,
                quantity=Decimal(9),
                order_type=OrderType.MARKET,
                broker="paper",
                broker_order_id="B1",
            )
            price, quantity = (
                Decimal("123456789012345678.123456789012345678"),
                Decimal("0.123456789012345678"),
            )
            await desk.write([adopted])
            for name in ("x1", "x2"):
                said = Executed(
                    broker="paper",
                    broker_order_id="B1",
                    exec_id=name,
                    time=desk.now,
                    quantity=quantity,
                    price=price,
                )
                await desk.write([said])
            order = (await journal.get("orders", [("ord-1",)]))[0]
            assert len(order.filled_value.as_tuple().digits) > 28
            assert await replay(journal, MemoryJournal()) == []

        run(talk())


class TestExport:
    @pytest.mark.parametrize("size", [3, 256, 700])
    def test_every_file_of_the_log(self, size):
        async def talk():
            journal, seen = await recorded(size, restarts=()), []
            files = [pair async for pair in exported(journal, lambda *done: seen.append(done))]
            head = await journal.head()
            tiles = [*entry_bundles(head.size), *hash_tiles(head.size)]
            assert [path for path, _content in files] == [*(tile.path for tile in tiles), "checkpoint"]
            assert files[-1] == ("checkpoint", head.checkpoint.encode())
            content = dict(files)
            entries = [
                entry
                for bundle in entry_bundles(head.size)
                for entry in decode_bundle(content[bundle.path], bundle.width)
            ]
            assert entries == [line.data for line in await journal.lines(0, size * 2)]
            leaves = b"".join(content[tile.path] for tile in hash_tiles(head.size) if tile.level == 0)
            assert leaves == b"".join(map(leaf_hash, entries))
            assert Tile.parse(files[0][0]).first == 0
            assert seen[-1] == (head.size, head.size)

        run(talk())

    def test_an_empty_journal_has_nothing_to_export(self):
        async def talk():
            with pytest.raises(AuditError, match="there is nothing to export yet"):
                async for _pair in exported(MemoryJournal()):
                    pass

        run(talk())

    @pytest.mark.parametrize("damage", ["entry", "line", "node", "root", "size"])
    def test_a_damaged_journal_gives_no_checkpoint(self, damage):
        async def talk():
            journal = await recorded(600)
            line = journal._lines[100]
            if damage == "entry":
                journal._lines[100] = replace(line, data=line.data.replace(b"a", b"b", 1))
            elif damage == "line":
                del journal._lines[100]
            elif damage == "node":
                del journal._nodes[1][1]
            elif damage == "root":
                journal._lines[-1] = line
            else:
                journal._head = Head(journal._head.size - 1, journal._head.checkpoint)
            seen = []

            async def read():
                async for path, _content in exported(journal):
                    seen.append(path)

            with pytest.raises(AuditError):
                await read()
            assert "checkpoint" not in seen

        run(talk())


def test_an_entry_too_long_for_the_format_is_named():
    async def talk():
        entries = await entries_of(await recorded(20))
        with pytest.raises(Invalid, match="at most 65535"):
            encode(replace(entries[7], actor="x" * 70_000))
        with pytest.raises(Invalid, match="no Unicode"):
            encode(replace(entries[7], actor="\ud800"))

    run(talk())


class TestProofs:
    def test_every_receipt_verifies_with_the_public_key_alone(self):
        async def talk():
            journal, count = await recorded(), 0
            head = await journal.head()
            for order in await journal.select("orders"):
                found = await proofs(journal, order.order_id)
                assert [index for index, _entry, _proof in found] == await journal.indices(order.order_id)
                for index, entry, proof in found:
                    shown = verify_proof(proof, entry, SIGNER.verifier)
                    assert (shown.index, shown.checkpoint.size) == (index, head.size)
                    assert decode(entry, index).order_id == order.order_id
                    count += 1
            assert count > 500

        run(talk())

    def test_an_order_that_there_is_not(self):
        async def talk():
            journal = await recorded(50)
            for ask in (proofs, story):
                with pytest.raises(NotFound, match="there is no order 'ord-none'"):
                    await ask(journal, "ord-none")

        run(talk())

    @pytest.mark.parametrize("where", ["entry", "hash", "both", "neighbour", "node", "checkpoint", "gap"])
    def test_nothing_is_proven_that_was_not_signed(self, where):
        async def talk():
            journal = await recorded(600)
            order = decode(journal._lines[100].data, 100).order_id or "ord-0001"
            index = (await journal.indices(order))[0]
            line, other = journal._lines[index], b"{}"
            if where == "entry":
                journal._lines[index] = replace(line, data=other)
            elif where == "hash":
                journal._lines[index] = replace(line, hash=leaf_hash(other))
            elif where == "both":
                data = line.data.replace(b'"actor":"ann"', b'"actor":"bob"').replace(b'"paper"', b'"poper"')
                journal._lines[index] = replace(line, data=data, hash=leaf_hash(data))
            elif where == "neighbour":
                journal._lines[index ^ 1] = replace(journal._lines[index ^ 1], hash=leaf_hash(other))
            elif where == "node":
                journal._nodes[1][1] = leaf_hash(other)
            elif where == "gap":
                journal._nodes[1] = []
            else:
                journal._head = Head(journal._head.size, "nonsense")
            with pytest.raises(AuditError):
                await proofs(journal, order)

        run(talk())


class TestStory:
    def test_every_transition_of_every_order(self):
        async def talk():
            journal = await recorded()
            entries = await entries_of(journal)
            for order in await journal.select("orders"):
                told = await story(journal, order.order_id)
                assert told[0].from_state is None
                assert [row.from_state for row in told[1:]] == [row.to_state for row in told[:-1]]
                assert told[-1].to_state is order.state
                times = [row.time for row in told]
                assert times == sorted(set(times))
                assert {row.index for row in told} == set(await journal.indices(order.order_id))
                for row in told:
                    entry = entries[row.index]
                    assert (row.actor, row.principal, row.source) == (
                        entry.actor,
                        entry.principal,
                        entry.source,
                    )

        run(talk())

    def test_it_reads_as_what_happened(self):
        async def talk():
            journal = await recorded()
            rejected = next(o for o in await journal.select("orders") if o.state is State.CLOSED)
            told = await story(journal, rejected.order_id)
            path = [row.to_state for row in told if row.kind == "OrderEntered/1"]
            assert path == [State.CREATED, State.PENDING_RISK, State.ACCEPTED, State.SUBMITTED]
            assert rejected.symbol in told[0].detail
            assert told[1].detail == ""
            assert any(row.detail.startswith("trade x1") for row in told)
            kinds = {entry.event.__struct_config__.tag for entry in await entries_of(journal)}
            silent = {"FundConfigured/1", "InstrumentDefined/1", "SessionOpened/1", "SignalRefused/1"}
            silent |= {"ConfigurationChanged/1"}
            silent |= {
                str(kind.__struct_config__.tag)
                for kind in get_args(MoveEvent | RiskEvent | PositionAdjusted)
                if not issubclass(kind, OrderEvent)
            }
            for order in await journal.select("orders"):
                for row in await story(journal, order.order_id):
                    kinds.discard(row.kind)
            assert kinds == silent

        run(talk())


def test_differences_can_be_shown_as_they_are():
    assert msgspec.json.encode(Difference(table="orders", number=1, ours=b"a", replayed=None))


def test_what_the_tests_know_of_an_entry_is_what_is_stored():
    async def talk():
        journal = await recorded(50)
        lines = await journal.lines(0, 50)
        assert [encode(entry).data for entry in (await entries_of(journal))[:50]] == [
            line.data for line in lines
        ]

    run(talk())


def test_a_long_story_lets_others_work(monkeypatch):
    monkeypatch.setattr(reading, "_TURN", 1)

    async def talk():
        journal = await recorded()
        order = next(o for o in await journal.select("orders") if o.state is State.CLOSED)
        turns, telling = 0, asyncio.ensure_future(story(journal, order.order_id))
        while not telling.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns > len({row.index for row in await telling})

    run(talk())
