"""Every way in which an answer can be unclear, and what is made of it."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application import settlement
from ordergate.application.ports.brokers import (
    Answer,
    Deduplication,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Withdraw,
)
from ordergate.bootstrap import Gate
from ordergate.domain.breaks import BreakKind
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Acknowledged, Confirmed, End, Ended, Executed, Outcome, Replaced
from ordergate.domain.orders.states import OrderType, Phase, RequestKind, State
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import START, buy, scripted_gate

UNKNOWN = Answer(outcome=Outcome.UNKNOWN, reason="the line went dead")
UNAVAILABLE = Lookup(presence=Presence.UNAVAILABLE)
ABSENT = Lookup(presence=Presence.ABSENT)
UNPROVEN = Lookup(presence=Presence.UNPROVEN)


def found(*reports) -> Lookup:
    return Lookup(presence=Presence.FOUND, reports=reports)


def acknowledged(number: int = 1) -> Acknowledged:
    return Acknowledged(broker="paper", client_id=f"ord-000001.{number}", broker_order_id="B1")


def executed(quantity: int = 100, *, completes: bool = True) -> Executed:
    return Executed(
        broker="paper",
        client_id="ord-000001.1",
        exec_id="x1",
        time=START,
        quantity=Decimal(quantity),
        price=Decimal("180.5"),
        completes=completes,
    )


def scenario(broker: ScriptedBroker, script: Callable[[Gate], Coroutine], seconds: float = 600) -> Order:
    async def main() -> Order:
        async with scripted_gate(broker) as gate:
            await script(gate)
            await gate.clock.sleep(seconds)
            return await gate.queries.order("ord-000001")

    return run_virtual(main())


async def submit(gate: Gate) -> None:
    await gate.execute(buy())


def sends(broker: ScriptedBroker) -> list[str]:
    return [call.client_id for call in broker.calls if isinstance(call, Send)]


def test_what_is_sent_again_has_a_grace_of_its_own() -> None:
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, grace_s=40))
    broker.answers += [UNKNOWN, UNKNOWN]
    broker.lookups += [ABSENT] * 20
    scenario(broker, submit, 95)  # looked up, among others, after 61 s and 30 s after that
    assert sends(broker) == ["ord-000001.1"] * 2


def test_found_at_the_broker_is_adopted_and_not_sent_again() -> None:
    broker = ScriptedBroker()
    broker.answers.append(UNKNOWN)
    broker.lookups.append(found(acknowledged(), executed()))
    order = scenario(broker, submit)
    assert (order.state, order.filled_quantity, order.broker_order_id) == (State.CLOSED, 100, "B1")
    assert sends(broker) == ["ord-000001.1"]


def test_proven_absence_is_sent_again_under_the_same_client_id() -> None:
    broker = ScriptedBroker()
    broker.answers.append(UNKNOWN)
    broker.lookups.extend([ABSENT] * 20)
    order = scenario(broker, submit)
    assert sends(broker) == ["ord-000001.1"] * 2
    assert (order.state, order.requests, order.request_count) == (State.SUBMITTED, (), 1)


def test_absence_of_what_the_venue_may_have_forgotten_proves_nothing() -> None:
    """A gate that was away for longer than a venue remembers must not send what may have traded long ago."""
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, remembers_s=300))
    broker.answers.append(UNKNOWN)
    broker.lookups += [UNAVAILABLE] * 14  # until more than five minutes are over
    broker.lookups += [ABSENT] * 20
    order = scenario(broker, submit, 3_600)
    assert sends(broker) == ["ord-000001.1"]
    assert (order.state, order.requests[0].phase) == (State.SUBMITTED, Phase.PARKED)


def test_absence_before_the_grace_proves_nothing() -> None:
    broker = ScriptedBroker()
    broker.answers.append(UNKNOWN)
    broker.lookups.extend([ABSENT] * 20)
    order = scenario(broker, submit, seconds=CAPABILITIES.grace_s - 1)
    assert sends(broker) == ["ord-000001.1"]
    assert order.requests[0].phase is Phase.UNKNOWN


def test_a_failed_lookup_is_not_an_absence() -> None:
    broker = ScriptedBroker()
    broker.answers.append(UNKNOWN)
    broker.lookups.extend([UNAVAILABLE, OSError("no route"), UNAVAILABLE] * 20)
    order = scenario(broker, submit, seconds=3600)
    assert len(broker.looked_up) > 20
    assert sends(broker) == ["ord-000001.1"]
    assert (order.state, order.requests[0].phase) == (State.SUBMITTED, Phase.UNKNOWN)


def test_a_replace_in_doubt_that_a_later_one_overtook_is_dropped_when_the_grace_is_over() -> None:
    broker = ScriptedBroker()
    broker.answers.extend([Answer(outcome=Outcome.ACCEPTED), UNKNOWN, UNKNOWN])
    broker.lookups.extend([found(acknowledged())] * 50)
    open_before = []

    async def script(gate: Gate) -> None:
        await submit(gate)
        for quantity in (150, 200):
            await gate.execute(ReplaceOrder(order_id="ord-000001", quantity=Decimal(quantity)))
        await gate.clock.sleep(CAPABILITIES.grace_s - 1)
        open_before.extend(r.number for r in (await gate.queries.order("ord-000001")).requests)

    order = scenario(broker, script, seconds=60)
    assert open_before == [2, 3]
    assert [request.number for request in order.requests] == [3]
    assert [call.client_id for call in broker.calls].count("ord-000001.2") == 1


class Silent(ScriptedBroker):
    """Never answers the first question of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        await self._silence("lookup")
        return await super().lookup(client_id, broker_order_id)

    async def open_orders(self) -> OpenOrders:
        await self._silence("open_orders")
        return await super().open_orders()

    async def _silence(self, question: str) -> None:
        self.asked.append(question)
        if self.asked.count(question) == 1:
            await asyncio.get_running_loop().create_future()


def test_a_broker_that_asks_symbol_by_symbol_is_told_which_one() -> None:
    broker = ScriptedBroker()
    broker.answers.append(UNKNOWN)
    asked: list[tuple[str, str, str | None]] = []

    async def lookup_in(symbol: str, client_id: str, broker_order_id: str | None) -> Lookup:
        asked.append((symbol, client_id, broker_order_id))
        return found(acknowledged(), executed())

    broker.lookup_in = lookup_in
    assert scenario(broker, submit).state is State.CLOSED
    assert asked == [("AAPL", "ord-000001.1", None)]
    assert broker.looked_up == []


def test_a_broker_that_never_answers_a_question_holds_up_nothing_for_ever() -> None:
    broker = Silent()
    broker.answers.append(UNKNOWN)
    broker.lookups.append(found(acknowledged(), executed()))
    assert scenario(broker, submit).state is State.CLOSED
    assert broker.asked == ["open_orders", "lookup", "lookup"]


def test_neither_found_nor_proven_absent_is_parked_with_a_break() -> None:
    broker = ScriptedBroker()
    broker.answers.append(UNKNOWN)
    broker.lookups.extend([UNPROVEN] * 50)

    async def main() -> tuple[Order, list]:
        async with scripted_gate(broker) as gate:
            await submit(gate)
            await gate.clock.sleep(600)
            return await gate.queries.order("ord-000001"), await gate.queries.breaks()

    order, breaks = run_virtual(main())
    assert (order.state, order.requests[0].phase) == (State.SUBMITTED, Phase.PARKED)
    assert [item["kind"] for item in breaks] == ["unresolved"]
    assert sends(broker) == ["ord-000001.1"]


def test_a_parked_order_is_settled_by_a_late_report() -> None:
    broker = ScriptedBroker()
    broker.answers.append(UNKNOWN)
    broker.lookups.extend([UNPROVEN] * 50)

    async def script(gate: Gate) -> None:
        await submit(gate)
        await gate.clock.sleep(600)
        broker.sink.report(executed())

    assert scenario(broker, script).state is State.CLOSED


def test_not_sent_is_sent_again_but_not_at_once() -> None:
    broker = ScriptedBroker()
    broker.answers.extend([Answer(outcome=Outcome.NOT_SENT)] * 3)
    order = scenario(broker, submit)
    assert sends(broker) == ["ord-000001.1"] * 4
    assert order.acknowledged_at - START >= timedelta(seconds=3)


def test_a_broker_that_raises_is_unknown() -> None:
    broker = ScriptedBroker()
    broker.answers.append(RuntimeError("a bug in the adapter"))
    broker.lookups.append(found(acknowledged()))
    assert scenario(broker, submit).acknowledged_at is not None
    assert broker.looked_up == ["ord-000001.1"]


def test_duplicate_is_looked_up() -> None:
    broker = ScriptedBroker()
    broker.answers.append(Answer(outcome=Outcome.DUPLICATE))
    broker.lookups.append(found(acknowledged()))
    order = scenario(broker, submit)
    assert (order.broker_order_id, order.requests) == ("B1", ())


def test_rejection_is_an_end() -> None:
    broker = ScriptedBroker()
    broker.answers.append(Answer(outcome=Outcome.REJECTED, reason="no margin"))
    order = scenario(broker, submit)
    assert (order.state, order.reason_code, order.reason) == (
        State.REJECTED,
        "REJECTED_BY_BROKER",
        "no margin",
    )


@pytest.mark.parametrize("ended", [End.CANCELED, End.EXPIRED])
def test_an_unclear_cancel_is_looked_up_under_the_order(ended: End) -> None:
    broker = ScriptedBroker()
    broker.answers.extend([Answer(outcome=Outcome.ACCEPTED, broker_order_id="B1"), UNKNOWN])
    broker.lookups.append(found(Ended(broker="paper", client_id="ord-000001.1", end=ended)))

    async def script(gate: Gate) -> None:
        await submit(gate)
        await gate.quiet()
        await gate.execute(CancelOrder(order_id="ord-000001"))

    assert scenario(broker, script).state is State(ended.value.upper())
    assert broker.looked_up == ["ord-000001.1"]


def test_a_cancel_that_had_no_effect_is_asked_for_again() -> None:
    broker = ScriptedBroker()
    broker.answers.extend([Answer(outcome=Outcome.ACCEPTED), UNKNOWN])
    broker.lookups.append(found(acknowledged()))

    async def script(gate: Gate) -> None:
        await submit(gate)
        await gate.quiet()
        await gate.execute(CancelOrder(order_id="ord-000001"))

    order = scenario(broker, script)
    cancels = [call.client_id for call in broker.calls if isinstance(call, Withdraw)]
    assert cancels == ["ord-000001.2"] * 2
    assert order.requests[0].kind is RequestKind.CANCEL


def test_an_unclear_replace_that_was_done() -> None:
    broker = ScriptedBroker()
    broker.answers.extend([Answer(outcome=Outcome.ACCEPTED), UNKNOWN])
    done = Replaced(broker="paper", client_id="ord-000001.2", quantity=Decimal(150))
    broker.lookups.append(found(acknowledged(), done))

    async def script(gate: Gate) -> None:
        await gate.execute(buy(order_type=OrderType.LIMIT, limit_price=Decimal(180)))
        await gate.quiet()
        await gate.execute(ReplaceOrder(order_id="ord-000001", quantity=Decimal(150)))

    order = scenario(broker, script)
    assert (order.quantity, order.requests, order.client_id) == (150, (), "ord-000001.2")


def test_a_restart_settles_what_the_run_before_sent() -> None:
    journal = MemoryJournal()
    first, second = ScriptedBroker(), ScriptedBroker()
    first.answers.append(UNKNOWN)
    second.lookups.append(found(acknowledged(), executed()))

    async def main() -> Order:
        async with scripted_gate(first, journal) as gate:
            await submit(gate)
        async with scripted_gate(second, journal) as gate:
            await gate.clock.sleep(10)
            return await gate.queries.order("ord-000001")

    assert run_virtual(main()).state is State.CLOSED
    assert sends(second) == []


def test_a_restart_finds_what_has_ended_and_what_is_not_ours() -> None:
    journal = MemoryJournal()
    first, second = ScriptedBroker(), ScriptedBroker()
    second.snapshot = OpenOrders(as_of=START, complete=True, client_ids=frozenset({"somebody-else.1"}))
    second.lookups.append(found(Ended(broker="paper", client_id="ord-000001.1", end=End.EXPIRED)))

    async def main() -> tuple[Order, list]:
        async with scripted_gate(first, journal) as gate:
            await submit(gate)
            await gate.quiet()
        async with scripted_gate(second, journal) as gate:
            return await gate.queries.order("ord-000001"), await gate.queries.breaks()

    order, breaks = run_virtual(main())
    assert order.state is State.EXPIRED
    assert [item["kind"] for item in breaks] == ["unknown_order"]


def test_an_order_that_works_after_its_end_is_a_break() -> None:
    journal = MemoryJournal()
    first, second = ScriptedBroker(), ScriptedBroker()
    second.snapshot = OpenOrders(as_of=START, complete=True, client_ids=frozenset({"ord-000001.1"}))

    async def main() -> list:
        async with scripted_gate(first, journal) as gate:
            await submit(gate)
            await gate.quiet()
            first.sink.report(Ended(broker="paper", client_id="ord-000001.1", end=End.CANCELED))
            await gate.quiet()
        async with scripted_gate(second, journal) as gate:
            return await gate.queries.breaks()

    (item,) = run_virtual(main())
    assert (item["kind"], item["order_id"]) == ("still_working", "ord-000001")


def test_an_order_that_ends_while_the_broker_looks_is_none() -> None:
    journal = MemoryJournal()
    first, second = ScriptedBroker(), SlowSnapshot()

    async def main() -> tuple[Order, list]:
        async with scripted_gate(first, journal) as gate:
            await submit(gate)
            await gate.quiet()
        async with scripted_gate(second, journal) as gate:
            return await gate.queries.order("ord-000001"), await gate.queries.breaks()

    order, breaks = run_virtual(main())
    assert (order.state, breaks) == (State.CANCELED, [])


class SlowSnapshot(ScriptedBroker):
    """Sees an order at work, and reports its end before the snapshot is through."""

    async def open_orders(self) -> OpenOrders:
        self.sink.report(Ended(broker="paper", client_id="ord-000001.1", end=End.CANCELED))
        await asyncio.sleep(1)
        return OpenOrders(as_of=START, complete=True, client_ids=frozenset({"ord-000001.1"}))


def test_an_incomplete_snapshot_is_not_an_empty_one() -> None:
    journal = MemoryJournal()
    first, second = ScriptedBroker(), ScriptedBroker()
    second.lookups.append(UNPROVEN)

    async def main() -> Order:
        async with scripted_gate(first, journal) as gate:
            await submit(gate)
            await gate.quiet()
        async with scripted_gate(second, journal) as gate:
            await gate.clock.sleep(60)
            return await gate.queries.order("ord-000001")

    assert run_virtual(main()).state is State.SUBMITTED
    assert second.looked_up == ["ord-000001.1"]


def test_orders_that_no_snapshot_tells_of_are_looked_up_one_by_one_under_the_brokers_own_names() -> None:
    journal = MemoryJournal()
    first, second = ScriptedBroker(), ScriptedBroker()
    first.answers.extend(Answer(outcome=Outcome.ACCEPTED, broker_order_id=name) for name in ("B1", "B2"))
    expired = found(Ended(broker="paper", client_id="ord-000002.1", end=End.EXPIRED))
    second.lookups.extend([OSError("no route"), expired])
    asked: list[str | None] = []
    reply = second.lookup

    async def lookup(client_id: str, broker_order_id: str | None) -> Lookup:
        asked.append(broker_order_id)
        return await reply(client_id)

    second.lookup = lookup

    async def main() -> list[State]:
        async with scripted_gate(first, journal) as gate:
            await gate.execute(buy("one"))
            await gate.execute(buy("two"))
            await gate.quiet()
        async with scripted_gate(second, journal) as gate:
            await gate.clock.sleep(1)
            return [order.state for order in await gate.queries.orders()]

    assert run_virtual(main()) == [State.SUBMITTED, State.EXPIRED]
    assert asked == ["B1", "B2"]


def test_a_lookup_that_began_before_the_grace_was_over_proves_nothing() -> None:
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, grace_s=4))
    broker.answers.append(UNKNOWN)
    asked: list[float] = []

    async def slow_lookup(_client_id: str, _broker_order_id: str | None) -> Lookup:
        asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(5)
        return ABSENT

    broker.lookup = slow_lookup
    order = scenario(broker, submit, seconds=60)
    assert asked[0] < CAPABILITIES.grace_s
    assert len(asked) == 2
    assert len(sends(broker)) == 2
    assert order.requests == ()


def test_the_grace_counts_from_when_the_order_may_last_have_left() -> None:
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, grace_s=30, calls=1))
    left: list[float] = []

    async def slow_submit(send: Send) -> Answer:
        left.append(asyncio.get_running_loop().time())
        await asyncio.sleep(20)
        return UNKNOWN if len(left) == 2 else Answer(outcome=Outcome.ACCEPTED)

    broker.submit = slow_submit
    broker.lookups.extend([ABSENT] * 50)

    async def script(gate: Gate) -> None:
        await gate.execute(buy("first"))
        await gate.execute(buy("second"))

    scenario(broker, script)
    assert len(left) == 3
    assert left[2] - left[1] >= 20 + 30


def test_what_stays_unclear_is_asked_ever_more_slowly() -> None:
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, grace_s=0))
    broker.answers.extend([UNKNOWN] * 1000)
    broker.lookups.extend([ABSENT] * 1000)
    scenario(broker, submit, seconds=300)
    assert 5 < len(sends(broker)) < 20


def test_a_venue_that_knows_client_ids_for_ever_may_be_sent_to_again() -> None:
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, deduplication=Deduplication.FOREVER))
    broker.answers.append(UNKNOWN)
    broker.lookups.extend([UNPROVEN] * 50)
    order = scenario(broker, submit)
    assert sends(broker) == ["ord-000001.1"] * 2
    assert order.requests == ()


def test_an_order_that_may_have_arrived_is_not_sent_again_once_it_is_to_be_canceled() -> None:
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, deduplication=Deduplication.FOREVER))
    broker.answers.extend([UNKNOWN, UNKNOWN])
    broker.lookups.extend([UNPROVEN] * 100)

    async def script(gate: Gate) -> None:
        await submit(gate)
        await gate.quiet()
        await gate.execute(CancelOrder(order_id="ord-000001"))
        await gate.clock.sleep(300)
        order = await gate.queries.order("ord-000001")
        assert (order.state, {request.phase for request in order.requests}) == (
            State.SUBMITTED,
            {Phase.PARKED},
        )
        assert sends(broker) == ["ord-000001.1"]
        broker.sink.report(Ended(broker="paper", client_id="ord-000001.1", end=End.CANCELED))

    order = scenario(broker, script)
    assert (order.state, order.reason_code) == (State.CANCELED, "CANCELED_ON_REQUEST")


NO_SUCH_ORDER = Answer(outcome=Outcome.REJECTED, reason="no such order")


def test_a_cancel_that_is_refused_for_the_order_is_not_there_ends_it_once_that_is_proven() -> None:
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, proves_absence=True))
    broker.answers.extend([UNKNOWN, NO_SUCH_ORDER])
    broker.lookups.extend([ABSENT] * 100)

    async def script(gate: Gate) -> None:
        await submit(gate)
        await gate.quiet()
        await gate.execute(CancelOrder(order_id="ord-000001"))

    order = scenario(broker, script)
    assert (order.state, order.reason_code) == (State.CANCELED, "CANCELED_BEFORE_SENDING")
    assert [type(call).__name__ for call in broker.calls] == ["Send", "Withdraw"]


def test_a_cancel_that_was_refused_too_early_is_asked_for_again_once_the_order_is_found() -> None:
    broker = ScriptedBroker(capabilities=replace(CAPABILITIES, proves_absence=True))
    broker.answers.extend([UNKNOWN, NO_SUCH_ORDER])
    broker.lookups.extend([UNPROVEN, *[found(acknowledged())] * 100])

    async def script(gate: Gate) -> None:
        await submit(gate)
        await gate.quiet()
        await gate.execute(CancelOrder(order_id="ord-000001"))

    order = scenario(broker, script)
    assert order.state is State.SUBMITTED
    assert [type(call).__name__ for call in broker.calls] == ["Send", "Withdraw", "Withdraw"]
    assert [request.client_id for request in order.requests] == ["ord-000001.2"]


@pytest.mark.parametrize("fills", [False, True], ids=["acknowledged", "filled in part"])
@pytest.mark.parametrize("presence", [Presence.UNAVAILABLE, Presence.UNPROVEN])
def test_a_cancel_that_was_refused_too_early_is_asked_for_again_once_the_order_tells_of_itself(
    presence: Presence, fills: bool
) -> None:
    broker = ScriptedBroker()
    broker.answers.extend([UNKNOWN, NO_SUCH_ORDER])
    broker.lookups.extend([Lookup(presence=presence)] * 1000)

    async def script(gate: Gate) -> None:
        await submit(gate)
        await gate.quiet()
        await gate.execute(CancelOrder(order_id="ord-000001"))
        await gate.clock.sleep(200)
        assert [type(call).__name__ for call in broker.calls] == ["Send", "Withdraw"]
        assert broker.sink is not None
        broker.sink.report(executed(40, completes=False) if fills else acknowledged())
        await gate.quiet()

    order = scenario(broker, script)
    assert [type(call).__name__ for call in broker.calls] == ["Send", "Withdraw", "Withdraw"]
    assert order.state is (State.PARTIALLY_FILLED if fills else State.SUBMITTED)


def test_a_cancel_answered_as_duplicate_is_looked_up() -> None:
    broker = ScriptedBroker()
    broker.answers.extend([Answer(outcome=Outcome.ACCEPTED), Answer(outcome=Outcome.DUPLICATE)])
    broker.lookups.append(found(Ended(broker="paper", client_id="ord-000001.1", end=End.CANCELED)))

    async def script(gate: Gate) -> None:
        await submit(gate)
        await gate.quiet()
        await gate.execute(CancelOrder(order_id="ord-000001"))

    assert scenario(broker, script).state is State.CANCELED


def test_a_restart_looks_up_what_is_filled_and_not_confirmed() -> None:
    journal = MemoryJournal()
    first, second = ScriptedBroker(), ScriptedBroker()
    second.snapshot = OpenOrders(as_of=START, complete=True)
    second.lookups.append(found(Confirmed(broker="paper", client_id="ord-000001.1")))

    async def main() -> Order:
        async with scripted_gate(first, journal) as gate:
            await submit(gate)
            await gate.quiet()
            first.sink.report(executed(completes=False))
            await gate.quiet()
        async with scripted_gate(second, journal) as gate:
            return await gate.queries.order("ord-000001")

    assert run_virtual(main()).state is State.CLOSED


@pytest.mark.parametrize("takes_s", [0, 1])
def test_what_a_restored_journal_holds_to_be_unsent_is_not_sent_again(takes_s: float) -> None:
    class Slow(ScriptedBroker):
        async def open_orders(self) -> OpenOrders:
            await asyncio.sleep(takes_s)
            return await super().open_orders()

    journal, first, second = MemoryJournal(), ScriptedBroker(), Slow()
    there = frozenset({"ord-000001.1"})
    second.snapshot = OpenOrders(as_of=START, complete=True, client_ids=there)

    async def main() -> Order:
        async with scripted_gate(first, journal) as gate:
            gate.runner.engine.view.sessions.clear()
            await submit(gate)
        async with scripted_gate(second, journal) as gate:
            await gate.clock.sleep(60)
            (item,) = await gate.journal.select("breaks")
            assert item.kind is BreakKind.UNSENT_FILL
            return await gate.queries.order("ord-000001")

    order = run_virtual(main())
    assert (order.state, order.requests) == (State.SUBMITTED, ())
    assert second.calls == []


@pytest.mark.parametrize("waits", [True, False], ids=["as it is", "with the mistake"])
def test_a_replace_is_not_asked_after_before_its_orders_submit_is_settled(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue that never got the order knows nothing of its replace either; both are sent again, in order."""
    if not waits:
        monkeypatch.setattr(settlement, "_submit_is_open", lambda *_given: False)
    journal = MemoryJournal()
    prompt = replace(CAPABILITIES, grace_s=0, proves_absence=True)
    first, second = ScriptedBroker(capabilities=prompt), ScriptedBroker(capabilities=prompt)
    first.answers.extend([UNKNOWN, UNKNOWN])
    second.lookups.extend([ABSENT] * 2 if not waits else [ABSENT, found(acknowledged())])

    async def main() -> Order:
        async with scripted_gate(first, journal) as gate:
            await gate.execute(buy(order_type=OrderType.LIMIT, limit_price=Decimal(180)))
            await gate.execute(ReplaceOrder(order_id="ord-000001", quantity=Decimal(150)))
            await gate.quiet()
        async with scripted_gate(second, journal) as gate:
            await gate.clock.sleep(100)
            return await gate.queries.order("ord-000001")

    order = run_virtual(main())
    kinds = [type(call).__name__ for call in second.calls]
    assert (kinds == ["Send", "Change"]) is waits
    assert not waits or all(request.phase is not Phase.PARKED for request in order.requests)
