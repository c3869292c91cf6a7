"""What waited for its turn and must not leave any more."""

from datetime import timedelta

from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.ports.brokers import Answer, Deduplication, Lookup, Presence
from ordergate.application.ports.journal import Batch
from ordergate.domain.errors import OutcomeUnknown, StoreError
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import Phase, State, TimeInForce
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import buy, scripted_gate


class Shaky(MemoryJournal):
    """Loses the answer to one commit when told so, and is away for a while then."""

    unsure, away = False, 0

    async def commit(self, batch: Batch) -> None:
        await super().commit(batch)
        if self.unsure:
            self.unsure, self.away = False, 3
            raise OutcomeUnknown("planted")

    async def lock(self):
        if self.away:
            self.away -= 1
            raise StoreError("planted")
        return await super().lock()


def test_a_store_that_is_away_when_it_is_told_ends_nothing() -> None:
    journal = Shaky()
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, max_calls_per_s=1))

    async def main() -> None:
        async with scripted_gate(broker, journal) as gate:
            for number in range(3):
                await gate.execute(buy(f"key-{number}"))
            until = gate.clock.now() + timedelta(seconds=2)
            over = await gate.execute(buy("over", tif=TimeInForce.GTD, expires_at=until))
            await gate.clock.sleep(2.5)
            journal.unsure = True
            await gate.clock.sleep(60)
            assert gate.runner.failure is None
            assert (await gate.queries.order(over.order.order_id)).state is State.EXPIRED

    run_virtual(main())
    assert len(broker.calls) == 3


def test_what_is_to_be_repeated_does_not_leave_once_its_cancel_came() -> None:
    more = {"max_calls_per_s": 1, "deduplication": Deduplication.FOREVER, "grace_s": 0}
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, **more))
    broker.answers.extend([Answer(outcome=Outcome.UNKNOWN)] * 2)
    broker.lookups.extend([Lookup(presence=Presence.UNPROVEN)] * 100)

    async def main() -> None:
        async with scripted_gate(broker) as gate:
            await gate.execute(buy())
            await gate.clock.sleep(0.5)
            (request,) = (await gate.queries.order("ord-000001")).requests
            assert (request.repeated, len(broker.calls)) == (True, 1)
            await gate.execute(CancelOrder(order_id="ord-000001"))
            await gate.clock.sleep(60)
            order = await gate.queries.order("ord-000001")
            assert (order.state, {one.phase for one in order.requests}) == (State.SUBMITTED, {Phase.PARKED})

    run_virtual(main())
    assert [type(call).__name__ for call in broker.calls] == ["Send", "Withdraw"]
