"""Our record of one account of several: what is another broker's is neither lost nor under way here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.audit.break_story import break_story
from ordergate.application.comparison import Found
from ordergate.application.entry import Origin
from ordergate.bootstrap import Gate, assemble
from ordergate.domain.breaks import Break, BreakKind, Cause
from ordergate.domain.errors import NotFound
from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Acknowledged, Executed
from ordergate.domain.orders.states import OrderType, Side
from ordergate.domain.recon.commands import AdjustBreak, ResolveBreak
from ordergate.domain.recon.statement import Statement
from ordergate.protocols.tlog import Signer
from tests.unit.application.accounts import LyingBroker, account, bought, breaks, config
from tests.unit.application.gates import START, buy
from tests.unit.application.guards import entries

PERSON = Origin(source="sdk", principal="ann")


@asynccontextmanager
async def accounts() -> AsyncIterator[tuple[Gate, LyingBroker, LyingBroker]]:
    """A gate with two venues."""
    clock = VirtualClock(START)
    near, far = (LyingBroker(name, PaperSettings(), None, clock, built_in) for name in ("paper", "far"))
    signer = Signer(config().audit.origin, bytes(32))
    async with assemble(config(), MemoryJournal(), signer, clock, TimeIds(), [near, far]) as gate:
        for name in ("paper", "far"):
            gate.venue(name).set_quote(Quote("AAPL", clock.now(), Decimal(180), Decimal(181)))
        await clock.sleep(60)
        yield gate, near, far


def more(told: Statement) -> Statement:
    return replace(told, positions={**told.positions, "AAPL": told.positions.get("AAPL", Decimal(0)) + 5})


def names(order: Order, quantity: Decimal):
    """Edits a statement so that it names an execution of that order."""

    def edit(told: Statement) -> Statement:
        said = Executed(
            broker="far", client_id=order.client_id, exec_id="X1", time=told.as_of - timedelta(seconds=1),
            quantity=quantity, price=Decimal(181), symbol="AAPL", side=Side.BUY,
        )  # fmt: skip
        return replace(told, executions=(*told.executions, said))

    return edit


@pytest.mark.parametrize("ended", [True, False])
def test_an_order_that_the_journal_has_at_another_broker_is_foreign_and_halts_nobody(ended: bool) -> None:
    async def main() -> None:
        async with accounts() as (gate, _near, far):
            terms = {} if ended else {"order_type": OrderType.LIMIT, "limit_price": Decimal(100)}
            order = await bought(gate, "one", **terms)
            assert (order.order_id in gate.runner.engine.state.orders.rows) is not ended
            far.edits.append(names(order, Decimal(1)))
            await gate.compare("far")
            (item,) = [row for row in await breaks(gate) if row.kind is BreakKind.UNKNOWN_ORDER]
            assert item.cause is Cause.FOREIGN
            assert "the journal has it at another broker" in item.detail
            await gate.runner.deliver(Acknowledged(broker="far", client_id=order.client_id))
            assert await entries(gate, "TradingHalted") == []

    run_virtual(main())


def test_what_is_adjusted_at_another_broker_moves_nothing_here() -> None:
    async def main() -> None:
        async with accounts() as (gate, near, far):
            await gate.execute(buy("held"))
            await gate.clock.sleep(60)
            far.edits.append(more)
            await gate.compare("far")
            (item,) = await breaks(gate)
            adjust = AdjustBreak(
                break_id=item.break_id, why="a gift", price=Decimal(181), fund_id="paper-momentum"
            )
            await gate.execute(adjust, PERSON)
            near.edits.append(more)
            found = await gate.compare("paper")  # at the same moment
            assert (found.found, found.under_way) == (Found.BREAKS, 0)

    run_virtual(main())


def test_the_story_of_a_break_says_when_what_was_explained_is_no_longer_there() -> None:
    async def main() -> None:
        async with account() as (gate, broker):
            await gate.clock.sleep(60)
            broker.edits.append(more)
            await gate.compare("paper")
            (item,) = await breaks(gate)
            await gate.execute(ResolveBreak(break_id=item.break_id, why="a gift"), PERSON)
            broker.edits.clear()
            await gate.compare("paper")
            told = await break_story(gate.journal, item.break_id)
            assert [row.kind for row in told] == ["BreakRaised/1", "BreakResolved/1", "BreakChanged/1"]
            assert [row.detail for row in told] == [
                "position: 0 AAPL here, 5 at the broker",
                f"{item.break_id} explained by ann: a gift",
                f"{item.break_id} is no longer there",
            ]
            raised: Break = (await entries(gate, "BreakRaised"))[0].event.item
            for name in (f"brk-{int(raised.break_id[4:]) + 1}", "brk-99999", "brk-", "brk-x", "7"):
                with pytest.raises(NotFound, match="there is no break"):
                    await break_story(gate.journal, name)

    run_virtual(main())
