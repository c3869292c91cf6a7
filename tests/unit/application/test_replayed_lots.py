"""Under every lot method, tables, memory after a restart, and the fold of the journal are one."""

import asyncio

import pytest
from msgspec.structs import replace

from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.audit.replay import replay
from ordergate.domain.funds import TaxLotMethod
from ordergate.protocols.tlog import Signer
from tests.journals import desk
from tests.journals.busy_day import BusyDay

SIGNER = Signer("test.example/journal", bytes(32))


@pytest.mark.parametrize("method", TaxLotMethod)
def test_the_tables_follow_from_the_journal_and_a_restart_changes_nothing(
    method: TaxLotMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    funds = tuple(replace(fund, tax_lot_method=method) for fund in desk.FUNDS)
    monkeypatch.setattr(desk, "FUNDS", funds)

    async def main() -> None:
        journal, day = MemoryJournal(), BusyDay(11)
        for size in (120, 240, 360):  # each is another run of the program
            await day.run(await desk.Desk.open(journal, SIGNER), size)
        assert await replay(journal, MemoryJournal()) == []
        positions = [row for row in await journal.select("positions") if row.fund_id != "gamma"]
        lots = await journal.select("lots")
        assert any(position.realized_pnl for position in positions)
        for position in positions:
            own = [lot for lot in lots if (lot.fund_id, lot.symbol) == (position.fund_id, position.symbol)]
            assert sum(lot.remaining for lot in own) == position.quantity
            assert position.quantity or not position.cost
            still = [lot.number for lot in own if lot.remaining]
            assert position.oldest_open == min(still, default=position.lot_count + 1)

    asyncio.run(main())
