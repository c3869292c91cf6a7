"""A journal that is older than the account: nothing is sent between what shows it and the halt."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.comparison import Policy
from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.bootstrap import Gate
from ordergate.domain.breaks import BreakKind, Cause, Resolution
from ordergate.domain.errors import Refused
from ordergate.domain.instruments import built_in
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.states import OrderType, Side, State
from ordergate.domain.recon.statement import Statement
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.accounts import LyingBroker, account, bought, breaks
from tests.unit.application.gates import START, buy, scripted_gate
from tests.unit.application.guards import entries

LOST = f"ord-{'0' * 26}.1"


class Slow(LyingBroker):
    """Tells of the account late, fails to, or tells a part."""

    def __init__(self, place: Path | None = None) -> None:
        super().__init__("paper", PaperSettings(), place, VirtualClock(START), built_in)
        self.takes_s, self.fails, self.parts = 0.0, False, 0

    async def statement(self, since) -> Statement:
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise OSError("planted")
        told = await super().statement(since)
        self.parts -= 1
        return replace(told, complete=self.parts < 0)


def with_lost(told: Statement) -> Statement:
    """The account as if an order of ours had been traded there that no journal knows."""
    lost = r.Executed(
        broker="paper", client_id=LOST, exec_id="X1", time=told.as_of - timedelta(minutes=1), quantity=Decimal(100),
        price=Decimal(181), symbol="AAPL", side=Side.BUY,
    )  # fmt: skip
    money = {"USD": told.balances["USD"] - 18_100}
    return replace(
        told, executions=(*told.executions, lost), positions={"AAPL": Decimal(100)}, balances=money
    )


async def kinds_of(gate: Gate) -> list[str]:
    wanted = ("BreakRaised", "TradingHalted", "OrderSent", "OrderCanceled")
    found = [(entry.index, kind) for kind in wanted for entry in await entries(gate, kind)]
    return [kind for _index, kind in sorted(found)]


def test_a_restored_backup_halts_in_the_step_in_which_a_report_shows_it(tmp_path: Path) -> None:
    async def before() -> None:
        async with account(broker=Slow(tmp_path / "venue.db")) as (gate, _broker):
            await bought(gate, "lost")

    async def after() -> None:
        async with account(broker=Slow(tmp_path / "venue.db")) as (
            gate,
            _broker,
        ):  # with a journal that is empty
            (item,) = await breaks(gate)
            assert (item.kind, item.cause, item.is_open) == (
                BreakKind.UNKNOWN_ORDER,
                Cause.JOURNAL_BEHIND,
                True,
            )
            raised, halted = (
                (await entries(gate, "BreakRaised"))[0],
                (await entries(gate, "TradingHalted"))[0],
            )
            assert halted.index == raised.index + 1
            assert halted.source == raised.source
            with suppress(Refused):
                await bought(gate, "lost")
            assert await entries(gate, "OrderSent") == []
            (order,) = await gate.journal.select("orders")
            assert order.state is State.REJECTED
            assert "the journal is older than the account" in halted.event.halt.reason
            assert [row.key for row in await breaks(gate)] == [item.key]  # compared since: the same break

    run_virtual(before())
    run_virtual(after())


def test_no_new_order_is_sent_before_the_account_was_compared_and_a_halt_keeps_it_here() -> None:
    async def main() -> None:
        broker = Slow()
        broker.takes_s = 5
        broker.edits.append(with_lost)
        async with account(broker=broker) as (gate, _broker):
            order = await bought(gate, "new")
            assert order.state is State.ACCEPTED
            await gate.clock.sleep(10)
            assert (await gate.queries.order(order.order_id)).state is State.CANCELED
            assert await kinds_of(gate) == ["BreakRaised", "TradingHalted", "OrderCanceled"]
            (raised,), (halted,) = await entries(gate, "BreakRaised"), await entries(gate, "TradingHalted")
            assert halted.index == raised.index + 1

    run_virtual(main())


class Filled(ScriptedBroker):
    """Its statement names a fill of the first order; its lookups say what they are told to."""

    def __init__(self, said: Lookup) -> None:
        super().__init__(capabilities=replace(CAPABILITIES, statements=True))
        self.said = said

    async def lookup(self, client_id, broker_order_id=None) -> Lookup:
        return self.said

    async def statement(self, since) -> Statement:
        named = r.Executed(
            broker="paper", client_id="ord-000001.1", exec_id="X1", time=START, quantity=Decimal(100),
            price=Decimal(181), symbol="AAPL", side=Side.BUY,
        )  # fmt: skip
        return Statement(as_of=START, complete=True, executions=(named,), executions_since=since)


@pytest.mark.parametrize("says", [Presence.UNAVAILABLE, Presence.UNPROVEN, Presence.ABSENT, Presence.FOUND])
def test_what_waits_here_and_a_statement_has_filled_is_not_sent_again(says: Presence) -> None:
    journal, broker = MemoryJournal(), Filled(Lookup(presence=says))

    async def main() -> None:
        async with scripted_gate(ScriptedBroker(), journal) as gate:
            gate.runner.engine.view.sessions.clear()
            await gate.execute(buy())
        async with scripted_gate(broker, journal) as gate:
            await gate.clock.sleep(60)
            assert (await gate.queries.order("ord-000001")).state is State.CANCELED
            assert await kinds_of(gate) == ["BreakRaised", "TradingHalted", "OrderCanceled"]
            (item,) = await breaks(gate)
            assert (item.kind, item.cause) == (BreakKind.MISSING_FILL, Cause.JOURNAL_BEHIND)

    run_virtual(main())
    assert broker.calls == []


def test_what_waited_is_sent_once_the_account_agrees() -> None:
    async def main() -> None:
        broker = Slow()
        broker.takes_s = 5
        async with account(broker=broker) as (gate, _broker):
            order = await bought(gate, "new")
            assert order.state is State.ACCEPTED
            await gate.clock.sleep(3.1)
            await gate.quiet()
            assert (await gate.queries.order(order.order_id)).state is State.CLOSED

    run_virtual(main())


def test_a_part_is_asked_for_again_and_no_answer_stops_nothing_for_ever() -> None:
    async def main(broker: Slow, least_s: float, most_s: float) -> None:
        async with account(broker=broker) as (gate, _broker):
            order = await bought(gate, "new")
            began = gate.clock.now() - timedelta(seconds=2)
            assert order.state is State.ACCEPTED
            while (await gate.queries.order(order.order_id)).state is State.ACCEPTED:
                await gate.clock.sleep(0.1)
            assert least_s < (gate.clock.now() - began).total_seconds() < most_s

    partial, failing, mute = Slow(), Slow(), Slow()
    partial.parts, failing.fails, mute.takes_s = 5, True, 10_000
    run_virtual(main(partial, 3, 7))
    run_virtual(main(failing, 29, 31))
    run_virtual(main(mute, 29, 31))


def test_a_cancel_always_passes(tmp_path: Path) -> None:
    journal = MemoryJournal()

    async def before() -> str:
        async with account(journal, broker=Slow(tmp_path / "venue.db")) as (gate, _broker):
            limit = {"order_type": OrderType.LIMIT, "limit_price": Decimal(100)}
            order = await bought(gate, "rests", **limit)
            assert order.state is State.SUBMITTED
            return order.order_id

    async def after(order_id: str) -> None:
        broker = Slow(tmp_path / "venue.db")
        broker.takes_s = 10_000
        async with account(journal, broker=broker, start=START + timedelta(minutes=1)) as (gate, _broker):
            held = await bought(gate, "held")
            await gate.execute(CancelOrder(order_id=order_id))
            await gate.quiet()
            assert (await gate.queries.order(order_id)).state is State.CANCELED
            assert (await gate.queries.order(held.order_id)).state is State.ACCEPTED
            await gate.execute(CancelOrder(order_id=held.order_id))
            assert (await gate.queries.order(held.order_id)).state is State.CANCELED

    run_virtual(after(run_virtual(before())))


def test_an_order_that_a_report_and_a_comparison_name_is_one_break_and_ends_as_gone() -> None:
    async def main() -> None:
        broker = Slow()
        async with account(broker=broker, policy=Policy.ALERT) as (gate, _broker):
            foreign = r.Executed(
                broker="paper", client_id="algo.3", exec_id="X1", time=gate.clock.now(), quantity=Decimal(5),
                price=Decimal(181), symbol="AAPL", side=Side.BUY,
            )  # fmt: skip
            await gate.runner.deliver(r.Acknowledged(broker="paper", client_id="algo.3"))
            await gate.runner.deliver(foreign)
            broker.edits.append(lambda told: replace(told, executions=(*told.executions, foreign)))
            await gate.compare("paper")
            named = [item for item in await breaks(gate) if item.kind is BreakKind.UNKNOWN_ORDER]
            assert [(item.cause, item.is_open) for item in named] == [(Cause.FOREIGN, True)]
            broker.edits.clear()
            await gate.compare("paper")
            await gate.runner.deliver(foreign)  # again: it is known
            named = [item for item in await breaks(gate) if item.kind is BreakKind.UNKNOWN_ORDER]
            assert [item.resolution for item in named] == [Resolution.GONE]
            assert await entries(gate, "TradingHalted") == []

    run_virtual(main())


def test_a_report_that_comes_while_the_account_is_told_is_not_gone_by_an_older_statement() -> None:
    async def main() -> None:
        broker = Slow()
        async with account(broker=broker) as (gate, _broker):
            broker.takes_s = 5
            comparing = asyncio.ensure_future(gate.compare("paper"))
            await gate.clock.sleep(1)
            await gate.runner.deliver(r.Acknowledged(broker="paper", client_id="algo.3"))
            await comparing
            assert [item.is_open for item in await breaks(gate)] == [True]
            await gate.compare("paper")
            assert [item.resolution for item in await breaks(gate)] == [Resolution.GONE]

    run_virtual(main())
