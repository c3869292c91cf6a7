"""A broker that lies: what cannot be is a break, moves no position and no order, and halts where the policy says so."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.application.comparison import Found, Policy
from ordergate.application.ports.brokers import Answer, Lookup, Presence, Send
from ordergate.bootstrap import Gate
from ordergate.domain.breaks import BreakKind
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import ExecutionKind, Mark, OrderType, Side, State
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level
from tests.unit.application.accounts import LyingBroker, account, bought, breaks

BROKER = (Level.BROKER, "paper")
POLICIES = pytest.mark.parametrize("policy", [Policy.ALERT, Policy.HALT])
D = Decimal


async def books(gate: Gate) -> dict[str, list[Any]]:
    """All that fills move."""
    tables = ("fills", "positions", "lots", "balances", "accounts", "volumes", "account_holdings")
    return {name: await gate.journal.select(name) for name in tables}


async def kinds(gate: Gate) -> list[BreakKind]:
    return [row.kind for row in await breaks(gate)]


def halted(gate: Gate) -> bool:
    halt = gate.runner.engine.state.halts.get(BROKER)
    assert halt is None or halt.trigger is Trigger.RECONCILIATION
    return halt is not None


def trade(order: Order, **lie: Any) -> r.Executed:
    """An execution of 10 at 181 that the venue never had."""
    fields: dict[str, Any] = {
        "broker": "paper", "client_id": order.client_id, "exec_id": "L1", "time": order.created_at,
        "quantity": D(10), "price": D(181), "symbol": "AAPL", "side": Side.BUY,
    }  # fmt: skip
    return r.Executed(**fields | lie)


async def resting(gate: Gate) -> Order:
    """One order is filled, and one works that nobody would fill."""
    await bought(gate, "held")
    order = await bought(gate, "rests", order_type=OrderType.LIMIT, limit_price=D(100))
    await gate.clock.sleep(60)
    assert (await gate.compare("paper")).found is Found.AGREES
    return order


TRADES = [
    ("a negative quantity", {"quantity": D(-10)}, BreakKind.BAD_EXECUTION),
    ("none", {"quantity": D(0)}, BreakKind.BAD_EXECUTION),
    ("no number", {"quantity": D("NaN")}, BreakKind.BAD_EXECUTION),
    ("without end", {"quantity": D("Infinity")}, BreakKind.BAD_EXECUTION),
    ("a negative price", {"price": D(-181)}, BreakKind.BAD_EXECUTION),
    ("a fee that is no number", {"fee": D("NaN"), "fee_currency": "USD"}, BreakKind.BAD_EXECUTION),
    ("the wrong side", {"side": Side.SELL}, BreakKind.WRONG_SIDE),
    ("another symbol", {"symbol": "MSFT"}, BreakKind.WRONG_INSTRUMENT),
    ("a trade that refers to one", {"refers_to": "L0"}, BreakKind.BAD_EXECUTION),
    ("a bust of nothing", {"execution_kind": ExecutionKind.BUST}, BreakKind.BAD_EXECUTION),
]


@POLICIES
@pytest.mark.parametrize(("lie", "kind"), [case[1:] for case in TRADES], ids=[case[0] for case in TRADES])
def test_a_trade_that_cannot_be_moves_nothing(policy: Policy, lie: dict[str, Any], kind: BreakKind) -> None:
    async def main() -> None:
        async with account(policy=policy) as (gate, _broker):
            order, before = await resting(gate), await books(gate)
            await gate.runner.deliver(trade(order, **lie))
            assert await kinds(gate) == [kind]
            assert await gate.queries.order(order.order_id) == order
            await gate.clock.sleep(0.5)
            assert halted(gate) is (policy is Policy.HALT)
            await gate.quiet()
            assert await books(gate) == before

    run_virtual(main())


FOREIGN = [
    ("of an order that nobody knows", {"client_id": "ord-nobodys.1"}),
    ("of somebody else's order", {"client_id": "manual trade"}),
    ("of another system's, numbered", {"client_id": "algo.3"}),
    ("of an order by its id there", {"client_id": None, "broker_order_id": "B-999"}),
    ("of no order", {"client_id": None}),
]


@POLICIES
@pytest.mark.parametrize("lie", [case[1] for case in FOREIGN], ids=[case[0] for case in FOREIGN])
def test_a_foreign_fill_moves_nothing(policy: Policy, lie: dict[str, Any]) -> None:
    """It halts nobody: whether it was traded in the account, the next comparison says."""

    async def main() -> None:
        async with account(policy=policy) as (gate, _broker):
            order, before = await resting(gate), await books(gate)
            await gate.runner.deliver(trade(order, **lie))
            assert await kinds(gate) == [BreakKind.UNKNOWN_ORDER]
            await gate.clock.sleep(0.5)
            assert not halted(gate)
            assert await books(gate) == before

    run_virtual(main())


@POLICIES
def test_a_fill_above_the_quantity_did_happen_and_is_booked_once_and_told(policy: Policy) -> None:
    async def main() -> None:
        async with account(policy=policy) as (gate, _broker):
            order = await resting(gate)
            for _ in range(2):
                await gate.runner.deliver(trade(order, quantity=D(150)))
            known = await gate.queries.order(order.order_id)
            assert (known.filled_quantity, known.leaves_quantity, known.state) == (150, 0, State.FILLED)
            (position,) = await gate.journal.select("positions")
            assert position.quantity == 250
            assert await kinds(gate) == [BreakKind.OVERFILL]
            await gate.clock.sleep(0.5)
            assert halted(gate) is (policy is Policy.HALT)

    run_virtual(main())


BACKWARDS: list[tuple[str, Callable[[Order], r.AnyReport], list[BreakKind]]] = [
    ("acknowledged", lambda o: r.Acknowledged(broker="paper", client_id=o.client_id), []),
    ("works", lambda o: r.Working(broker="paper", client_id=o.client_id), [BreakKind.STILL_WORKING]),
    *(
        (f"{end}", lambda o, end=end: r.Ended(broker="paper", client_id=o.client_id, end=end), [BreakKind.CONFLICTING_END])
        for end in r.End
    ),
    (
        "rejected the order",
        lambda o: r.Answered(broker="paper", client_id=o.client_id, outcome=r.Outcome.REJECTED),
        [],
    ),
    (
        "never had it",
        lambda o: r.LookedUp(broker="paper", client_id=o.client_id, finding=r.Finding.ABSENT, final=True),
        [],
    ),
    (
        "has another quantity",
        lambda o: r.Restated(broker="paper", client_id=o.client_id, reason="split", quantity=D(70)),
        [BreakKind.ILLEGAL_REPORT],
    ),
    ("was replaced", lambda o: r.Replaced(broker="paper", client_id=o.client_id, quantity=D(70)), []),
    ("halted", lambda o: r.Marked(broker="paper", client_id=o.client_id, mark=Mark.SUSPENDED, on=False), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("say", "wanted"), [case[1:] for case in BACKWARDS], ids=[case[0] for case in BACKWARDS]
)
def test_a_state_that_goes_backwards_moves_nothing(
    say: Callable[[Order], r.AnyReport], wanted: list[BreakKind]
) -> None:
    async def main() -> None:
        async with account() as (gate, _broker):
            order = await bought(gate, "held")
            assert order.state is State.CLOSED
            before = await books(gate)
            await gate.runner.deliver(say(order))
            assert await kinds(gate) == wanted
            assert await gate.queries.order(order.order_id) == order
            assert await books(gate) == before

    run_virtual(main())


class Pretender(LyingBroker):
    """Says that it has taken an order, and has not."""

    pretends = False

    async def submit(self, send: Send) -> Answer:
        if not self.pretends:
            return await super().submit(send)
        return Answer(outcome=r.Outcome.ACCEPTED, broker_order_id="B-777")


@POLICIES
def test_success_without_an_order_is_found(policy: Policy) -> None:
    async def main() -> None:
        from ordergate.adapters.brokers.paper import PaperSettings
        from ordergate.adapters.clock import VirtualClock
        from ordergate.domain.instruments import built_in
        from tests.unit.application.gates import START

        broker = Pretender("paper", PaperSettings(), None, VirtualClock(START), built_in)
        async with account(broker=broker, policy=policy) as (gate, _broker):
            await bought(gate, "held")
            before = await books(gate)
            broker.pretends = True
            order = await bought(gate, "nowhere")
            assert (order.state, order.broker_order_id) == (State.SUBMITTED, "B-777")
            looked_up = await broker.lookup(order.client_id or "")
            assert (looked_up.presence, looked_up.reports) == (Presence.ABSENT, ())
            await gate.compare("paper")
            await gate.clock.sleep(60)  # it looks again by itself, and then nothing under way explains it
            assert await kinds(gate) == [BreakKind.NOT_WORKING]
            (item,) = await breaks(gate)
            assert (item.order_id, item.is_open) == (order.order_id, True)
            assert halted(gate) is (policy is Policy.HALT)
            known = await gate.queries.order(order.order_id)
            assert known.state not in (State.FILLED, State.CLOSED, State.REJECTED)  # nobody knows
            assert await books(gate) == before

    run_virtual(main())


def half(told: Statement) -> Statement:
    """Of everything that it has rows of, the first half."""
    symbols = sorted(told.positions or {})
    said = told.executions or ()
    return replace(
        told,
        positions={symbol: (told.positions or {})[symbol] for symbol in symbols[: len(symbols) // 2]},
        executions=said[: len(said) // 2],
        working=frozenset(sorted(told.working or ())[: len(told.working or ()) // 2]),
    )


@pytest.mark.parametrize("policy", list(Policy))
def test_a_snapshot_with_half_the_rows_that_says_so_says_nothing(policy: Policy) -> None:
    async def main() -> None:
        async with account(policy=policy) as (gate, broker):
            order, before = await resting(gate), await books(gate)
            broker.edits.append(lambda told: replace(half(told), complete=False))
            for _ in range(3):
                assert (await gate.compare("paper")).found is Found.NOT_COMPARED
                await gate.clock.sleep(60)
            assert await breaks(gate) == []
            assert not halted(gate)
            assert await gate.queries.order(order.order_id) == order
            assert await books(gate) == before

    run_virtual(main())


@POLICIES
def test_a_snapshot_with_half_the_rows_that_calls_itself_whole_is_a_break_and_moves_nothing(
    policy: Policy,
) -> None:
    async def main() -> None:
        async with account(policy=policy) as (gate, broker):
            order = await resting(gate)
            for key in ("more", "most"):
                await bought(gate, key)
            await gate.clock.sleep(60)
            before = await books(gate)
            broker.edits.append(half)
            await gate.compare("paper")
            await gate.clock.sleep(60)
            assert BreakKind.EXTRA_FILL in await kinds(gate)
            assert halted(gate) is (policy is Policy.HALT)
            await gate.quiet()
            assert await books(gate) == before
            broker.edits.clear()
            await gate.compare("paper")
            assert [item.kind for item in await breaks(gate) if item.is_open] == []
            assert (await gate.queries.order(order.order_id)).filled_quantity == 0

    run_virtual(main())


def test_correcting_books_what_fills_do_not_explain_and_takes_it_back_when_the_truth_is_told() -> None:
    async def main() -> None:
        async with account(policy=Policy.CORRECT) as (gate, broker):
            for key in ("one", "two", "three"):
                await bought(gate, key)
            await gate.clock.sleep(60)
            assert (await gate.compare("paper")).found is Found.AGREES
            broker.edits.append(half)  # no shares, and one execution of three
            await gate.compare("paper")
            (position,) = await gate.journal.select("positions")
            assert (
                position.quantity == 200
            )  # the two executions explain that much: they are breaks of their own
            assert sorted(item.kind for item in await breaks(gate) if item.is_open) == [
                BreakKind.EXTRA_FILL, BreakKind.EXTRA_FILL,
            ]  # fmt: skip
            size = gate.runner.engine.size
            await gate.compare("paper")
            assert gate.runner.engine.size == size  # once
            broker.edits.clear()
            await gate.compare("paper")
            (position,) = await gate.journal.select("positions")
            assert position.quantity == 300
            assert (await gate.compare("paper")).found is Found.AGREES

    run_virtual(main())


def test_a_lookup_that_tells_of_another_order_books_nothing() -> None:
    async def main() -> None:
        async with account() as (gate, broker):
            order, before = await resting(gate), await books(gate)
            true = broker.lookup

            async def lookup(client_id: str, broker_order_id: str | None = None) -> Lookup:
                found = await true(client_id, broker_order_id)
                return replace(found, reports=(*found.reports, trade(order, client_id="ord-other.1")))

            broker.lookup = lookup  # type: ignore[method-assign]
            broker.edits.append(lambda told: replace(told, working=frozenset()))
            await gate.compare("paper")
            await gate.clock.sleep(60)
            assert set(await kinds(gate)) == {BreakKind.NOT_WORKING, BreakKind.UNKNOWN_ORDER}
            assert await books(gate) == before

    run_virtual(main())
