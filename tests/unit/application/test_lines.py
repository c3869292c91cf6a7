"""Who is called first: cancels, then what makes orders smaller, then the rest; nobody waits for ever; never too fast."""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.application.lines import MOST_AHEAD, Lines, Rank, Waiting, rank_of
from ordergate.application.ports.brokers import Answer, Change, Send, Withdraw
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import OrderType, RequestKind, State
from ordergate.testing.playbook import Playbook
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import buy, scripted_gate
from tests.unit.application.test_dispatch import SlowBroker

CANCEL, REDUCE, REST = Rank
LIMIT = {"order_type": OrderType.LIMIT, "limit_price": Decimal(180)}


def filled(*waiting: tuple[str, int, Rank]) -> Lines:
    lines = Lines()
    for one in waiting:
        lines.put(Waiting(*one))
    return lines


def taken(lines: Lines, most: Rank = REST) -> list[tuple[str, int]]:
    """All that come, each done at once."""
    found = []
    while (waiting := lines.take(most)) is not None:
        found.append((waiting.order_id, waiting.number))
        lines.done(waiting.order_id)
    return found


class TestLines:
    def test_cancels_go_first_and_each_rank_in_its_order(self) -> None:
        lines = filled(
            ("a", 1, REST),
            ("b", 2, CANCEL),
            ("c", 2, REDUCE),
            ("d", 1, REST),
            ("e", 2, CANCEL),
            ("f", 2, REDUCE),
        )
        assert [name for name, _number in taken(lines)] == ["b", "e", "c", "f", "a", "d"]
        assert not lines

    def test_what_is_behind_in_its_order_waits_for_it(self) -> None:
        lines = filled(("a", 1, REST), ("b", 1, REST), ("a", 2, CANCEL))
        first = lines.take()
        assert first == ("a", 1, REST)
        assert lines.take() == ("b", 1, REST)
        assert lines.take() is None
        lines.done("a")
        assert lines.take() == ("a", 2, CANCEL)

    def test_a_worker_of_cancels_takes_nothing_else(self) -> None:
        lines = filled(("a", 1, REST), ("b", 2, REDUCE), ("c", 2, CANCEL))
        assert (lines.has(CANCEL), lines.has(REST)) == (True, True)
        assert taken(lines, CANCEL) == [("c", 2)]
        assert (lines.has(CANCEL), lines.has(REDUCE)) == (False, True)

    def test_nobody_waits_for_ever(self) -> None:
        lines = filled(("new", 1, REST), ("less", 2, REDUCE), *((f"c{n}", 2, CANCEL) for n in range(30)))
        order = [name for name, _number in taken(lines)]
        assert order.index("new") == MOST_AHEAD
        assert order.index("less") == 2 * MOST_AHEAD + 1

    def test_calls_beside_it_for_cancels_alone_do_not_make_the_rest_wait(self) -> None:
        lines, order = filled(("new", 1, REST), *((f"c{n}", 2, CANCEL) for n in range(30))), []
        while lines.has(REST):
            for most in (REST, CANCEL):
                waiting = lines.take(most)
                if waiting is not None:
                    order.append(waiting.order_id)
                    lines.done(waiting.order_id)
        assert order.index("new") <= MOST_AHEAD + 1

    def test_after_the_end_nothing_goes(self) -> None:
        lines = filled(("a", 1, REST), ("b", 2, CANCEL))
        lines.clear()
        assert lines.take() is None
        assert len(lines) == 2  # whose calls nobody makes any more

    def test_what_a_request_is(self) -> None:
        order = Playbook().submit(100, limit=10).order
        less = replace(order.next_request(RequestKind.REPLACE), quantity=Decimal(50))
        assert rank_of(order, order.next_request(RequestKind.CANCEL)) is CANCEL
        assert rank_of(order, less) is REDUCE
        for one in (replace(less, quantity=Decimal(200)), replace(less, quantity=None), order.requests[0]):
            assert rank_of(order, one) is REST


def kinds(broker: ScriptedBroker) -> list[str]:
    return [f"{type(call).__name__} {call.client_id[-5:]}" for call in broker.calls]


class Noting(SlowBroker):
    """Notes when each call begins, in seconds."""

    def __init__(self, capabilities=CAPABILITIES) -> None:
        super().__init__()
        self._capabilities, self.began = capabilities, []

    async def _slow(self, call) -> Answer:
        self.began.append((type(call), round(asyncio.get_running_loop().time() - self.zero, 3)))
        return await super()._slow(call)


def run(broker, test) -> None:
    async def main() -> None:
        async with scripted_gate(broker) as gate:
            broker.zero = asyncio.get_running_loop().time()
            await test(gate)

    run_virtual(main())


async def acked(gate, count: int) -> list[str]:
    """So many limit orders at the broker."""
    placed = [await gate.execute(buy(f"k{n}", **LIMIT)) for n in range(count)]
    await gate.clock.sleep(10 * count + 1)
    return [one.order.order_id for one in placed]


def test_a_cancel_goes_before_submits_that_wait_longer() -> None:
    broker = Noting(replace(CAPABILITIES, calls=1))

    async def test(gate) -> None:
        (old, other) = await acked(gate, 2)
        broker.began.clear()
        for n in range(3):
            await gate.execute(buy(f"new-{n}"))
        await gate.execute(ReplaceOrder(order_id=other, quantity=Decimal(50)))
        await gate.execute(CancelOrder(order_id=old))
        await gate.clock.sleep(100)

    run(broker, test)
    assert [kind for kind, _at in broker.began] == [Send, Withdraw, Change, Send, Send]
    assert broker.most == 1


def test_a_cancel_has_a_call_of_its_own_where_the_broker_takes_one_more() -> None:
    broker = Noting(replace(CAPABILITIES, calls=1, cancel_calls=1))

    async def test(gate) -> None:
        (old,) = await acked(gate, 1)
        broker.began.clear()
        for n in range(3):
            await gate.execute(buy(f"new-{n}"))
        await gate.clock.sleep(1)
        await gate.execute(CancelOrder(order_id=old))
        await gate.clock.sleep(1)
        assert [kind for kind, _at in broker.began] == [Send, Withdraw]
        await gate.clock.sleep(100)

    run(broker, test)
    assert broker.most == 2
    assert len(broker.began) == 4


def test_what_a_cancel_leaves_behind_in_its_line_goes_on() -> None:
    """A cancel that is called beside the others, with a replace of the same order behind it."""
    broker = Noting(replace(CAPABILITIES, calls=1, cancel_calls=1))

    async def test(gate) -> None:
        (old,) = await acked(gate, 1)
        broker.began.clear()
        await gate.execute(buy("new"))
        await gate.execute(CancelOrder(order_id=old))
        await gate.execute(ReplaceOrder(order_id=old, quantity=Decimal(50)))
        await gate.clock.sleep(100)

    run(broker, test)
    assert [kind for kind, _at in broker.began] == [Send, Withdraw, Change]


def test_calls_are_spaced_as_the_broker_wants_them_and_cancels_go_first() -> None:
    broker = Noting(replace(CAPABILITIES, calls=4, max_calls_per_s=2))

    async def test(gate) -> None:
        (old,) = await acked(gate, 1)
        broker.began.clear()
        broker.zero = asyncio.get_running_loop().time()
        for n in range(3):
            await gate.execute(buy(f"new-{n}"))
        await gate.execute(CancelOrder(order_id=old))
        await gate.clock.sleep(100)

    run(broker, test)
    assert broker.began == [(Send, 0.0), (Withdraw, 0.5), (Send, 1.0), (Send, 1.5)]


def test_a_venue_that_wants_a_rest_has_it_and_what_was_not_sent_is_sent_then() -> None:
    broker = Noting()
    broker.answers.append(Answer(outcome=Outcome.NOT_SENT, reason="429", retry_after_s=20))

    async def test(gate) -> None:
        order = (await gate.execute(buy())).order
        await gate.clock.sleep(10.5)
        assert gate.health.of["paper"].why_down == "it wants no calls for 20 s"
        await gate.clock.sleep(60)
        assert (await gate.queries.order(order.order_id)).state is State.SUBMITTED
        assert gate.health.of["paper"].why_down is None

    run(broker, test)
    assert broker.began == [(Send, 0.0), (Send, 30.0)]


def test_a_gate_closes_while_calls_wait_for_their_turn() -> None:
    broker = Noting(replace(CAPABILITIES, max_calls_per_s=1))

    async def main() -> float:
        async with scripted_gate(broker) as gate:
            broker.zero = asyncio.get_running_loop().time()
            for n in range(20):
                await gate.execute(buy(f"k{n}"))
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time() - broker.zero

    assert run_virtual(main()) <= 5
