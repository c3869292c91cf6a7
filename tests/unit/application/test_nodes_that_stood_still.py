"""Nodes that stood still, or could not read, at a bad moment."""

import asyncio
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.application import following
from ordergate.application.clock_check import ClockCheck, check_difference
from ordergate.application.ports.brokers import Answer, Lookup, Presence
from ordergate.application.ports.leases import LEASE_S, SEND_S
from ordergate.domain.errors import ClockError, OutcomeUnknown, StoreError
from ordergate.domain.orders.commands import OpenSession
from ordergate.domain.orders.reports import Acknowledged, Answered, Finding, LookedUp, Outcome
from ordergate.domain.orders.states import Phase, State
from ordergate.testing.scripted_broker import CAPABILITIES
from tests.unit.application.gates import START, buy
from tests.unit.application.nodes import fill, same, two


@pytest.mark.parametrize("by", ["turn", "catch-up"])
def test_what_could_not_be_read_is_read_later_though_no_news_comes_again(by: str) -> None:
    async def main() -> None:
        async with two() as (_one, first, other, second, store):
            lines = other.journal.lines

            async def broken(*_given):
                raise StoreError("the connection broke")

            other.journal.lines = broken
            await first.execute(buy())
            if by == "turn":
                with pytest.raises(StoreError, match="broke"):
                    await second.execute(buy("mine"))
            await asyncio.sleep(0.5)
            other.journal.lines = lines
            await asyncio.sleep(5)
            assert second.runner.engine.size == (await store.kept.head()).size

    run_virtual(main())


def test_a_node_that_stood_still_while_it_asked_for_the_time_has_no_wrong_clock() -> None:
    async def main() -> None:
        async with two() as (one, first, _other, _second, _store):
            clock = one.leases.clock

            async def stopped():
                now = await clock()
                await asyncio.sleep(20)
                return now

            one.leases.clock = stopped
            await first.keeper.check_clock()
            one.leases.clock = clock
            with pytest.raises(ClockError, match=r"by -5\.5 s"):
                check_difference(START, START, START + timedelta(seconds=5.5))
            with pytest.raises(ClockError, match=r"by \+5\.5 s"):
                check_difference(START, START, START - timedelta(seconds=5.5))

    run_virtual(main())


class Machine:
    """The loop's time and a clock, whose reader stands still just before or just after it reads."""

    def __init__(self) -> None:
        self.elapsed = self.before_s = self.after_s = self.set_by_s = 0.0
        asyncio.get_running_loop().time = lambda: self.elapsed

    def now(self) -> datetime:
        self.elapsed += self.before_s
        now = START + timedelta(seconds=self.elapsed + self.set_by_s)
        self.elapsed += self.after_s
        return now


@pytest.mark.parametrize(("before_s", "after_s"), [(20, 0), (0, 20)], ids=["before", "after"])
def test_a_node_that_stood_still_while_it_looked_at_its_clock_has_seen_no_jump(before_s, after_s) -> None:
    async def main() -> None:
        machine = Machine()
        check = ClockCheck(machine, timedelta(seconds=5))
        check.check()
        machine.before_s, machine.after_s = before_s, after_s
        check.check()
        machine.before_s = machine.after_s = 0
        check.check()
        for set_by_s in (5.5, -5.5):
            check = ClockCheck(machine, timedelta(seconds=5))
            check.check()
            machine.set_by_s += set_by_s
            with pytest.raises(ClockError, match="has jumped"):
                check.check()

    asyncio.run(main())


def test_a_session_that_a_late_node_opens_is_opened_anew_by_its_owner() -> None:
    """As where a node takes the lease, stands still, and opens the session when another has had it for long."""

    async def main() -> None:
        async with two() as (one, first, other, second, store):
            assert await second.execute(OpenSession("paper", "1", "other")) == 2
            await asyncio.sleep(2)
            assert first.runner.engine.view.sessions == {"paper": 3}
            await second.execute(buy())
            await asyncio.sleep(1)
            assert [len(one.broker.calls), len(other.broker.calls)] == [1, 0]
            await same(store, first, second)

    run_virtual(main())


def test_a_lease_that_ran_out_while_the_session_was_opened_is_no_session() -> None:
    async def main() -> None:
        async with two() as (one, _first, other, second, _store):
            lock, stopped = other.journal.lock, asyncio.Event()

            async def late():
                await stopped.wait()
                return await lock()

            await one.die()
            other.journal.lock = late
            await asyncio.sleep(8.2)  # between two turns of its keeper
            held = {lease.name: lease.node for lease in await other.leases.all()}
            assert held["broker:paper"] == "other"
            post = next(post for post in second.keeper._posts if post.duty.lease == "broker:paper")
            assert post.tenure is not None
            post.tenure.end()  # as after standing still for longer than it lasts
            stopped.set()
            await asyncio.sleep(0.001)
            assert other.broker.sink is None
            assert second.runner.engine.view.sessions == {}
            await asyncio.sleep(10)
            assert second.runner.engine.view.sessions == {"paper": 3}

    run_virtual(main())


def test_a_store_that_is_gone_is_not_asked_more_often_for_having_failed_often() -> None:
    async def main() -> None:
        async with two() as (one, first, _other, _second, store):
            store.down = "the server is gone"
            for number in range(200):
                with pytest.raises(StoreError, match="gone"):
                    await first.execute(buy(f"k{number}"))
                await asyncio.sleep(0.003)
            lines, asked = one.journal.lines, []

            async def counted(*given):
                asked.append(given)
                return await lines(*given)

            one.journal.lines = counted
            await asyncio.sleep(20)
            assert 15 <= len(asked) <= 25
            store.down = None

    run_virtual(main())


def test_a_node_that_is_far_behind_does_not_hold_the_others_up(monkeypatch) -> None:
    monkeypatch.setattr(following, "FAR", 50)

    async def main() -> None:
        async with two() as (_one, first, other, second, store):
            store.forget("other")
            for number in range(60):
                made = (await first.execute(buy(f"k{number}"))).order
                first.runner.report(fill(made, 100, f"x-{number}", completes=True))
            await first.quiet()
            behind = (await store.kept.head()).size - second.runner.engine.size
            lines, held = other.journal.lines, []

            async def noted(*given):
                found = await lines(*given)
                held.extend([other.journal._holds] * len(found))
                return found

            other.journal.lines = noted
            assert not (await second.execute(buy("late"))).replayed
            assert len(held) >= behind > 100
            assert sum(held) <= 50
            await same(store, first, second)

    run_virtual(main())


def test_a_store_that_is_gone_in_the_middle_of_a_lookup_does_not_end_the_node() -> None:
    """Of a broker that is asked order by order: what it says is a report, and reports wait for the store."""

    async def main() -> None:
        async with two(replace(CAPABILITIES, lists=False)) as (one, first, other, second, store):
            one.broker.answers.append(Answer(outcome=Outcome.ACCEPTED, broker_order_id="b-1"))
            made = (await first.execute(buy())).order
            await asyncio.sleep(0.2)
            found = Acknowledged(broker="paper", client_id=f"{made.order_id}.1", broker_order_id="b-1")
            booked = fill(made, 100, "x-1", completes=True)
            other.broker.lookups.append(Lookup(presence=Presence.FOUND, reports=(found, booked)))
            commit = other.journal.commit

            async def cut(batch):
                if not any(line.kind.startswith("OrderFilled") for line in batch.lines):
                    return await commit(batch)
                other.journal.commit = commit
                await other.journal.release()
                store.down = "away"
                asyncio.get_running_loop().call_later(1.5, setattr, store, "down", None)
                raise OutcomeUnknown("cut")

            other.journal.commit = cut
            await one.close()
            await asyncio.sleep(30)
            assert other.journal.commit is commit
            assert second.runner.failure is None
            assert (await second.queries.order(made.order_id)).state is State.CLOSED
            await same(store, second)

    run_virtual(main())


@pytest.mark.parametrize(
    "late",
    [
        LookedUp(broker="paper", client_id="", finding=Finding.ABSENT, epoch=1),
        LookedUp(broker="paper", client_id="", finding=Finding.UNPROVEN, epoch=1, final=True),
        Answered(broker="paper", client_id="", outcome=Outcome.NOT_SENT, epoch=1),
    ],
    ids=["absent", "unproven", "not sent"],
)
def test_what_an_earlier_owner_learned_says_nothing_of_what_another_has_sent_since(late) -> None:
    async def main() -> None:
        async with two(replace(CAPABILITIES, proves_absence=True, grace_s=0)) as (
            one,
            first,
            other,
            second,
            _,
        ):
            one.broker.answers.append(Answer(outcome=Outcome.UNKNOWN))
            made = (await first.execute(buy())).order
            await asyncio.sleep(0.1)
            other.broker.lookups.append(Lookup(presence=Presence.ABSENT))
            tenure = first.sessions[0]._dispatcher._tenure

            async def nothing(*_given):
                return None

            async def hangs(send):
                other.broker.calls.append(send)
                await asyncio.sleep(20)
                return Answer(outcome=Outcome.ACCEPTED)

            other.broker.submit = hangs

            one.leases.take = nothing
            tenure.end()
            await asyncio.sleep(LEASE_S + SEND_S + 3)
            assert [len(one.broker.calls), len(other.broker.calls)] == [1, 1]
            first.runner.report(replace(late, client_id=f"{made.order_id}.1"))
            await asyncio.sleep(5)
            order = await second.queries.order(made.order_id)
            assert order.state is State.SUBMITTED
            assert [request.phase for request in order.requests] == [Phase.SENT]
            await asyncio.sleep(30)
            assert [len(one.broker.calls), len(other.broker.calls)] == [1, 1]

    run_virtual(main())
