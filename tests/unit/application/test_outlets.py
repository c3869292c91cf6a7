"""Followers: everything, in order, at least once; whatever fails, orders go on."""

import asyncio
import contextlib
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.journals.database import open_journal
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application import outlets
from ordergate.application.outlets import Follower, Pace
from ordergate.application.ownership import Tenure
from ordergate.application.ports.leases import FOREVER, Lease
from ordergate.domain.errors import StoreError
from ordergate.protocols.tlog import Signer
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.journals.busy_day import BusyDay
from tests.journals.desk import Desk
from tests.unit.application.gates import buy, scripted_gate

SIGNER = Signer("ordergate.example/test", bytes(32))


class Outlet:
    """Keeps what it is given; `faults` are what its next deliveries end with, None being well."""

    def __init__(self, name="outlet", faults=()):
        self.name, self.faults, self.calls, self.taken = name, list(faults), [], []

    async def deliver(self, entries):
        self.calls.append([entry.index for entry in entries])
        await asyncio.sleep(0)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Before):
            raise fault
        self.taken += [entry.index for entry in entries]
        if fault is not None:
            raise fault


class Before(ConnectionError):
    """It took nothing."""


class After(ConnectionError):
    """It took all, and the answer was lost."""


class Died(BaseException):
    """The process ended there."""


def first_times(indices):
    """The indices without repetitions; a repetition may only go back to what was seen."""
    seen = []
    for index in indices:
        if index not in seen:
            seen.append(index)
    return seen


def follow(outlet, journal, pace=outlets.EACH):
    follower = Follower(outlet, journal, VirtualClock(datetime(2026, 1, 5, tzinfo=UTC)), pace=pace)
    return follower, asyncio.get_running_loop().create_task(follower.run())


async def end(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_everything_in_order_while_it_is_written():
    async def talk():
        journal, outlet, day = MemoryJournal(), Outlet(), BusyDay(1)
        desk = await Desk.open(journal, SIGNER)
        follower, task = follow(outlet, journal)
        while desk.engine.size < 1_300:
            await day.run(desk, desk.engine.size + 100)
            follower.committed([])
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        assert outlet.taken == list(range(desk.engine.size))
        assert await journal.cursor("outlet") == desk.engine.size
        await end(task)

    run_virtual(talk())


def test_what_is_there_already_is_delivered_in_portions():
    async def talk():
        journal, outlet = MemoryJournal(), Outlet()
        desk = await Desk.open(journal, SIGNER)
        await BusyDay(1).run(desk, 1_300)
        _follower, task = follow(outlet, journal)
        await asyncio.sleep(1)
        assert outlet.taken == list(range(desk.engine.size))
        assert len(outlet.calls) > 2
        await end(task)

    run_virtual(talk())


@pytest.mark.parametrize("fault", [Before, After])
def test_a_crash_of_the_outlet(fault):
    async def talk():
        journal = MemoryJournal()
        outlet = Outlet(faults=[None, fault(), fault(), None, fault()])
        desk = await Desk.open(journal, SIGNER)
        await BusyDay(1).run(desk, 2_000)
        _follower, task = follow(outlet, journal)
        await asyncio.sleep(60)
        assert first_times(outlet.taken) == list(range(desk.engine.size))
        assert (len(outlet.taken) > desk.engine.size) == (fault is After)
        assert await journal.cursor("outlet") == desk.engine.size
        await end(task)

    run_virtual(talk())


@pytest.mark.parametrize("dies_at", range(1, 7))
def test_a_crash_of_the_process(tmp_path, dies_at):
    """Wherever it dies, the next process goes on where the last durable cursor was."""
    url, outlet = f"sqlite:///{tmp_path / 'orders.db'}", Outlet()

    async def live(dies_after):
        journal, left = open_journal(url), [dies_after]
        desk = await Desk.open(journal, SIGNER)

        class Dying:
            def __getattr__(self, name):
                async def call(*args):
                    left[0] -= 1
                    if left[0] == 0:
                        raise Died
                    return await getattr(journal, name)(*args)

                return call

        await day.run(desk, desk.engine.size + 60)
        _follower, task = follow(outlet, Dying(), Pace(at_once=50))
        done, _running = await asyncio.wait([task], timeout=5)
        assert bool(done) == (dies_after < 100)
        await end(task)
        size = desk.engine.size
        await journal.close()
        return size

    day = BusyDay(4)
    run_virtual(live(dies_at))
    run_virtual(live(dies_at + 2))
    size = run_virtual(live(1_000))
    assert first_times(outlet.taken) == list(range(size))


def test_a_store_that_fails_for_a_while():
    async def talk():
        journal, outlet = MemoryJournal(), Outlet()
        await BusyDay(1).run(await Desk.open(journal, SIGNER), 600)
        fails = [3]

        class Failing(MemoryJournal):
            async def move_cursor(self, name, index, epoch=0):
                fails[0] -= 1
                if fails[0] >= 0:
                    raise StoreError("the disk is full")
                await super().move_cursor(name, index)

        journal.__class__ = Failing
        _follower, task = follow(outlet, journal)
        await asyncio.sleep(60)
        size = (await journal.head()).size
        assert first_times(outlet.taken) == list(range(size))
        assert await journal.cursor("outlet") == size
        await end(task)

    run_virtual(talk())


def test_it_tries_again_ever_more_slowly_and_then_at_once():
    async def talk():
        journal, outlet = MemoryJournal(), Outlet(faults=[Before() for _ in range(8)])
        await Desk.open(journal, SIGNER)
        loop, times = asyncio.get_running_loop(), []
        deliver = outlet.deliver

        async def noted(entries):
            times.append(round(loop.time()))
            await deliver(entries)

        outlet.deliver = noted
        _follower, task = follow(outlet, journal)
        await asyncio.sleep(300)
        assert [later - earlier for earlier, later in pairwise(times)] == [
            1, 2, 4, 8, 16, 30, 30, 30,
        ]  # fmt: skip
        await end(task)

    run_virtual(talk())


def test_outlets_follow_apart_from_each_other():
    async def talk():
        journal = MemoryJournal()
        quick, broken = Outlet("quick"), Outlet("broken", [Before() for _ in range(1_000)])
        desk = await Desk.open(journal, SIGNER)
        await BusyDay(1).run(desk, 100)
        tasks = [follow(outlet, journal)[1] for outlet in (quick, broken)]
        await asyncio.sleep(10)
        assert quick.taken == list(range(desk.engine.size))
        assert (await journal.cursor("quick"), await journal.cursor("broken")) == (desk.engine.size, 0)
        for task in tasks:
            await end(task)

    run_virtual(talk())


@pytest.mark.parametrize("trouble", ["fails", "hangs"])
def test_an_outlet_in_trouble_does_not_hold_up_orders(trouble):
    class Hanging(Outlet):
        async def deliver(self, entries):
            self.calls.append(len(entries))
            await asyncio.Event().wait()

    async def talk():
        outlet = Hanging() if trouble == "hangs" else Outlet(faults=[Before() for _ in range(1_000)])
        async with scripted_gate(ScriptedBroker()) as gate:
            await gate.follow(outlet)
            await asyncio.sleep(0.01)
            before = asyncio.get_running_loop().time()
            for number in range(50):
                await gate.execute(buy(f"key-{number}"))
            assert asyncio.get_running_loop().time() == before
            assert (await gate.journal.head()).size >= 50
            assert outlet.calls
            assert await gate.journal.cursor("outlet") == 0

    run_virtual(talk())


def test_one_that_does_not_hear_that_it_is_over_is_told_again():
    """Some libraries keep a cancellation to themselves."""

    class Deaf(Outlet):
        async def deliver(self, entries):
            self.calls.append(len(entries))
            for _ in range(2):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            raise ConnectionError("given up")

    async def talk():
        journal, outlet, day = MemoryJournal(), Deaf(), BusyDay(1)
        await day.run(await Desk.open(journal, SIGNER), 20)
        follower = Follower(outlet, journal, VirtualClock(datetime(2026, 1, 5, tzinfo=UTC)))
        await follower.begin(Tenure(Lease(name="outlet", epoch=1, until=FOREVER)))
        while not outlet.calls:
            await asyncio.sleep(0)
        await follower.end()
        assert len(outlet.calls) == 1

    run_virtual(talk())


def test_a_batch_is_delivered_when_it_is_full_or_old_enough():
    async def talk():
        journal, outlet, day = MemoryJournal(), Outlet(), BusyDay(1)
        desk = await Desk.open(journal, SIGNER)
        await day.run(desk, 95)
        size = desk.engine.size
        began = asyncio.get_running_loop().time()
        follower, task = follow(outlet, journal, Pace(at_once=30, gather_s=5))
        while len(outlet.calls) < size // 30:
            await asyncio.sleep(0.001)
        assert asyncio.get_running_loop().time() - began < 1  # full ones wait for nothing
        assert {len(call) for call in outlet.calls} == {30}
        while len(outlet.taken) < size:
            await asyncio.sleep(0.001)
        assert 4.9 < asyncio.get_running_loop().time() - began < 5.1
        await day.run(desk, size + 1)
        follower.committed([])
        await asyncio.sleep(3)
        await day.run(desk, desk.engine.size + 1)  # comes while the first waits
        follower.committed([])
        await asyncio.sleep(2.1)
        assert outlet.calls[-1] == list(range(size, desk.engine.size))
        await end(task)

    run_virtual(talk())
