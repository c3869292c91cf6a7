"""Several gates on one journal, in simulated time: who sends, who takes over, and what all of them know."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import asdict, replace

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.outlets import Outlet
from ordergate.application.ownership import Tenure
from ordergate.application.ports.brokers import Answer, Deduplication, Lookup, Presence
from ordergate.application.ports.leases import LEASE_S, SEND_S, Lease
from ordergate.application.session import BrokerSession
from ordergate.config import Config
from ordergate.domain.errors import OutcomeUnknown, StoreError
from ordergate.domain.orders.commands import CancelOrder, CreateOrder, ReplaceOrder, SubmitCreated
from ordergate.domain.orders.reports import Acknowledged, End, Ended, Outcome
from ordergate.domain.orders.states import OrderType, Phase, Side, State
from ordergate.protocols.tlog import Signer
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from ordergate.testing.shared_store import NodeJournal, NodeLeases, SharedStore
from tests.unit.application.gates import START, buy
from tests.unit.application.nodes import fill, same, two

SIGNER = Signer(Config().audit.origin, bytes(32))


def test_an_order_taken_by_another_node_is_sent_once_by_the_owner_of_the_session() -> None:
    async def main() -> None:
        async with two() as (one, first, other, second, store):
            made = (await second.execute(buy())).order
            assert (made.state, made.requests[0].phase) == (State.ACCEPTED, Phase.READY)
            await asyncio.sleep(0.5)
            assert [len(one.broker.calls), len(other.broker.calls)] == [1, 0]
            first.runner.report(fill(made, 100, "x-1", completes=True))
            await asyncio.sleep(0.5)
            assert (await second.queries.order(made.order_id)).state is State.CLOSED
            await same(store, first, second)

    run_virtual(main())


def test_an_order_created_at_one_node_is_submitted_once_whichever_is_asked() -> None:
    async def main() -> None:
        async with two() as (one, first, other, second, store):
            made = (await second.execute(CreateOrder(**asdict(buy())))).order
            await asyncio.sleep(0.5)
            assert [len(one.broker.calls), len(other.broker.calls)] == [0, 0]
            asked = [gate.execute(SubmitCreated(made.order_id)) for gate in (first, second, first, second)]
            states = {answer.order.state for answer in await asyncio.gather(*asked)}
            assert states <= {State.ACCEPTED, State.SUBMITTED}
            await asyncio.sleep(0.5)
            assert [len(one.broker.calls), len(other.broker.calls)] == [1, 0]
            await same(store, first, second)

    run_virtual(main())


def test_cancel_and_replace_through_the_other_node() -> None:
    async def main() -> None:
        async with two() as (one, first, _other, second, store):
            made = (await first.execute(buy(order_type=OrderType.LIMIT, limit_price=Decimal(1)))).order
            await asyncio.sleep(0.1)
            await second.execute(ReplaceOrder(order_id=made.order_id, limit_price=Decimal(2)))
            await asyncio.sleep(0.1)
            await second.execute(CancelOrder(order_id=made.order_id))
            await asyncio.sleep(0.5)
            assert [type(call).__name__ for call in one.broker.calls] == ["Send", "Change", "Withdraw"]
            first.runner.report(Ended(broker="paper", client_id=f"{made.order_id}.1", end=End.CANCELED))
            await same(store, first, second)
            assert (await second.queries.order(made.order_id)).state is State.CANCELED

    run_virtual(main())


def test_one_key_at_two_nodes_at_the_same_instant_is_one_order() -> None:
    async def main() -> None:
        async with two() as (one, first, _other, second, store):
            for number in range(40):
                both = await asyncio.gather(
                    first.execute(buy(f"k{number}")), second.execute(buy(f"k{number}"))
                )
                assert both[0].order.order_id == both[1].order.order_id
                assert sorted(result.replayed for result in both) == [False, True]
            await asyncio.sleep(5)
            assert len(one.broker.calls) == 40
            await same(store, first, second)

    run_virtual(main())


def test_a_position_that_went_flat_elsewhere_is_opened_again() -> None:
    async def main() -> None:
        async with two() as (_one, first, _other, second, store):
            sides = (Side.BUY, Side.SELL, Side.SHORT, Side.COVER, Side.BUY)
            for number, side in enumerate(sides):
                made = (await second.execute(buy(f"k{number}", side=side))).order
                await asyncio.sleep(0.1)
                (first, second)[number % 2].runner.report(fill(made, 100, f"x-{number}", completes=True))
                await same(store, first, second)
            positions = await store.kept.select("positions")
            assert [(row.quantity, row.lot_count) for row in positions] == [(100, 3)]

    run_virtual(main())


def test_a_successor_settles_what_a_dead_node_left() -> None:
    forever = replace(CAPABILITIES, deduplication=Deduplication.FOREVER, grace_s=0)

    async def main() -> None:
        async with two(forever) as (one, first, other, second, store):
            one.broker.answers.extend([Answer(outcome=Outcome.UNKNOWN)])
            made = (await first.execute(buy())).order
            await asyncio.sleep(0.2)
            await one.die()
            began = asyncio.get_running_loop().time()
            while "paper" not in second.runner.engine.view.sessions:
                await asyncio.sleep(0.05)
            took = asyncio.get_running_loop().time() - began
            assert LEASE_S < took < 10
            assert other.broker.looked_up == [f"{made.order_id}.1"]
            assert other.broker.calls == []
            late = (await second.execute(buy("late"))).order
            await asyncio.sleep(0.2)
            assert [call.client_id for call in other.broker.calls] == [f"{late.order_id}.1"]
            sessions = store.kept._tables["sessions"]
            assert [row.epoch for row in sessions.values()] == [2]

    run_virtual(main())


def test_an_owner_that_closes_hands_over_at_once() -> None:
    async def main() -> None:
        async with two() as (one, _first, other, second, _store):
            await one.close()
            await asyncio.sleep(1)
            made = (await second.execute(buy())).order
            await asyncio.sleep(0.1)
            assert [call.client_id for call in other.broker.calls] == [f"{made.order_id}.1"]

    run_virtual(main())


def test_an_owner_that_cannot_renew_sends_nothing_more_and_learns_who_does() -> None:
    async def main() -> None:
        async with two() as (one, first, other, second, store):
            renew = one.leases.renew
            taken = one.leases.take

            async def hangs(*_given):
                await asyncio.Event().wait()

            one.leases.renew = one.leases.take = hangs
            await asyncio.sleep(LEASE_S + 1)
            made = (await first.execute(buy())).order
            assert made.state is State.ACCEPTED
            await asyncio.sleep(SEND_S + 1)
            assert [len(one.broker.calls), len(other.broker.calls)] == [0, 1]
            one.leases.renew, one.leases.take = renew, taken
            await asyncio.sleep(20)
            held = {lease.name: lease.node for lease in await one.leases.all()}
            assert held == {
                "broker:paper": "other",
                "node:one": "one",
                "node:other": "other",
                "risk": "other",
                "workers": "other",
            }
            await first.execute(buy("again"))
            await asyncio.sleep(1)
            assert [len(one.broker.calls), len(other.broker.calls)] == [0, 2]
            await same(store, first, second)

    run_virtual(main())


def test_a_session_that_another_node_broke_is_opened_anew_by_who_has_the_lease() -> None:
    async def main() -> None:
        async with two() as (one, first, other, second, store):
            one.broker.taken_over = True  # by a node that was paused on its way to the venue, and woke
            connected = one.broker.sink
            one.broker.sink = None
            await asyncio.sleep(2)
            assert one.broker.sink is connected
            assert first.runner.engine.view.sessions == {"paper": 2}
            await second.execute(buy())
            await asyncio.sleep(1)
            assert [len(one.broker.calls), len(other.broker.calls)] == [1, 0]
            await same(store, first, second)

    run_virtual(main())


def test_a_node_whose_lease_ran_out_on_its_way_to_the_venue_does_not_connect() -> None:
    async def main() -> None:
        async with two() as (_one, first, _other, _second, _store):
            slow = ScriptedBroker("slow")
            session = BrokerSession(slow, first.runner, first.clock, "test", "one", first.health.watch(slow))
            tenure = Tenure(Lease(name="broker:slow", epoch=1, until=asyncio.get_running_loop().time()))
            with pytest.raises(StoreError, match="ran out"):
                await session.begin(tenure)
            assert slow.sink is None

    run_virtual(main())


def test_what_was_journalled_and_not_yet_sent_when_a_lease_ran_out_is_never_sent_by_the_old_owner() -> None:
    """As after SIGSTOP: between the commit and the call to the broker, time passes."""

    async def main() -> None:
        async with two() as (one, first, other, second, _store):
            tenure = first.sessions[0]._dispatcher._tenure
            tenure.lease = replace(tenure.lease, until=asyncio.get_running_loop().time())
            made = (await first.execute(buy())).order
            assert made.requests[0].phase is Phase.SENT
            other.broker.lookups.append(Lookup(presence=Presence.ABSENT))
            await asyncio.sleep(60)
            sent = [*one.broker.calls, *other.broker.calls]
            assert one.broker.calls == [] or len(sent) == 1
            assert len(sent) <= 1
            order = await second.queries.order(made.order_id)
            assert order.state is State.SUBMITTED

    run_virtual(main())


def test_a_store_that_is_gone_is_said_at_once_and_no_report_is_lost() -> None:
    async def main() -> None:
        async with two() as (_one, first, _other, second, store):
            made = (await first.execute(buy())).order
            await asyncio.sleep(0.2)
            store.down = "the server is gone"
            for gate in (first, second):
                with pytest.raises(StoreError, match="gone"):
                    await gate.execute(buy("meanwhile"))
                assert gate.runner.unreachable is not None
            first.runner.report(fill(made, 100, "x-1", completes=True))
            await asyncio.sleep(2)
            store.down = None
            await asyncio.sleep(2)
            assert (await second.queries.order(made.order_id)).state is State.CLOSED
            assert (await second.execute(buy("meanwhile"))).replayed is False
            assert first.runner.unreachable is second.runner.unreachable is None
            await same(store, first, second)

    run_virtual(main())


@pytest.mark.parametrize("written", [True, False])
def test_a_commit_without_an_answer_is_found_out_though_others_have_written_since(written: bool) -> None:
    async def main() -> None:
        async with two() as (one, first, _other, second, store):
            commit, news = NodeJournal.commit, []

            async def cut(batch):
                del one.journal.commit
                if written:
                    await commit(one.journal, batch)
                else:
                    await one.journal.release()
                news.append(await second.execute(buy("other")))  # before the answer is asked for
                store.down = "away"
                asyncio.get_running_loop().call_later(3, setattr, store, "down", None)
                raise OutcomeUnknown("cut")

            one.journal.commit = cut
            with pytest.raises(OutcomeUnknown):
                await first.execute(buy("mine"))
            with pytest.raises(StoreError):
                await first.execute(buy("meanwhile"))
            await asyncio.sleep(10)
            again = await first.execute(buy("mine"))
            assert again.replayed is written
            await same(store, first, second)
            await asyncio.sleep(10)
            await same(store, first, second)

    run_virtual(main())


def test_an_outlet_is_served_by_one_node_and_its_place_cannot_be_moved_by_an_older_one() -> None:
    class Taker:
        name = "nats"

        def __init__(self) -> None:
            self.taken: list[int] = []

        async def deliver(self, entries) -> None:
            self.taken += [entry.index for entry in entries]

    async def main() -> None:
        async with two() as (one, first, _other, second, store):
            takers: list[Outlet] = [Taker(), Taker()]
            await first.follow(takers[0])
            await second.follow(takers[1])
            await second.execute(buy())
            await asyncio.sleep(1)
            size = (await store.kept.head()).size
            assert (takers[0].taken, takers[1].taken) == (list(range(size)), [])
            await one.die()
            await asyncio.sleep(10)
            await second.execute(buy("late"))
            await asyncio.sleep(1)
            size = (await store.kept.head()).size
            assert takers[0].taken + takers[1].taken == list(range(size))
            with pytest.raises(StoreError, match="served by other"):
                await NodeJournal(store, "one").move_cursor("nats", 0, epoch=1)

    run_virtual(main())


def test_leases_are_told_apart() -> None:
    async def main() -> None:
        store = SharedStore(VirtualClock(START), MemoryJournal())
        mine, yours = NodeLeases(store, "a"), NodeLeases(store, "b")
        lease = await mine.take("x")
        assert await yours.take("x") is None
        await asyncio.sleep(LEASE_S + SEND_S - 0.1)
        assert await yours.take("x") is None
        await asyncio.sleep(0.2)
        assert (await yours.take("x")).epoch == 2
        assert await mine.renew([lease]) == []
        await mine.give_back([lease])
        assert [held.node for held in await mine.all()] == ["b"]

    run_virtual(main())


def test_acknowledgements_that_any_node_hears_count() -> None:
    async def main() -> None:
        async with two() as (_one, first, _other, second, store):
            made = (await first.execute(buy())).order
            await asyncio.sleep(0.1)
            said = Acknowledged(broker="paper", client_id=f"{made.order_id}.1", broker_order_id="P1")
            second.runner.report(said)
            await same(store, first, second)
            assert first.runner.engine.state.order_by_broker_id == {("paper", "P1"): made.order_id}

    run_virtual(main())
