"""Parents under random schedules: markets that come and go, answers that are lost, cancels, halts and restarts.

Through all of it a parent is the sum of its children, no more is on its way than is left, and the venue has each child
once.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import Faults
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.application.entry import Origin
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, FundSection, PaperBroker
from ordergate.domain.errors import Refused
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder, SubmitOrder
from ordergate.domain.orders.states import TERMINAL, OrderType, Side, TimeInForce
from ordergate.domain.risk.commands import LiftHalt, ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level

START: Final = datetime(2026, 3, 2, 15, tzinfo=UTC)
FUND: Final = "paper-momentum"
FAULTS: Final = Faults(
    drop_answer=Decimal("0.2"),
    late_answer=Decimal("0.1"),
    late_answer_ms=20_000,
    duplicate_report=Decimal("0.1"),
    reorder_report=Decimal("0.1"),
)
SESSIONS: Final = 3
LONGEST: Final = timedelta(hours=2)


def settings(seed: int) -> Config:
    fund = FundSection(unlimited=True, split_above=Decimal(10_000), horizon_minutes=6)
    return Config(funds={FUND: fund}, brokers={"paper": PaperBroker(faults=replace(FAULTS, seed=seed))})


def audit(gate: Gate) -> None:
    """What memory has at this moment."""
    state = gate.runner.engine.state
    for parent in [one for one in state.orders.rows.values() if one.algo is not None]:
        on_its_way = state.exposures.parents.on_its_way(parent.order_id)
        assert parent.filled_quantity + on_its_way <= parent.quantity, parent.order_id
        assert parent.requests == () or {request.kind for request in parent.requests} == {"cancel"}
        assert parent.client_id is None


async def audited(gate: Gate) -> None:
    """What the tables have."""
    orders = await gate.queries.orders()
    for parent in [one for one in orders if one.algo is not None]:
        children = [one for one in orders if one.parent_order_id == parent.order_id]
        assert parent.filled_quantity == sum((one.filled_quantity for one in children), Decimal(0))
        assert parent.filled_value == sum((one.filled_value for one in children), Decimal(0))
        assert parent.filled_quantity <= parent.quantity
        numbers = [one.slice for one in children]
        assert len(set(numbers)) == len(numbers)
        assert parent.state not in TERMINAL or all(one.state in TERMINAL for one in children)


class Day:
    """One random day; `session` is a part of it, between two starts of the gate."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.dice, self.seed, self.made = Random(seed), seed, 0
        self.path, self.now = folder / "gate.db", START

    async def session(self, *, last: bool) -> None:
        async with open_gate(
            settings(self.seed), f"sqlite:///{self.path}", clock=VirtualClock(self.now)
        ) as gate:
            until = self.now + (LONGEST if last else timedelta(minutes=self.dice.uniform(2, 9)))
            while gate.clock.now() < until and not (last and await self._ended(gate)):
                await self._something(gate, calm=last)
                audit(gate)
            await audited(gate)
            self.now = gate.clock.now() + timedelta(seconds=self.dice.uniform(1, 100))

    async def _ended(self, gate: Gate) -> bool:
        return all(one.state in TERMINAL for one in await gate.queries.orders() if one.algo is not None)

    async def _something(self, gate: Gate, *, calm: bool) -> None:
        dice = self.dice
        await gate.clock.sleep(30.0 if calm else dice.choice((1.0, 7.0, 20.0)))
        if calm or dice.random() < 0.7:
            price = Decimal(dice.randint(9_900, 10_100)) / 100
            size = None if calm else dice.choice((None, Decimal(30), Decimal(400)))
            await gate.set_quote("paper", Quote("AAPL", gate.clock.now(), price, price, size, size))
        if calm:
            await self._lift(gate)
        elif dice.random() < 0.15:
            await self._submit(gate)
        elif dice.random() < 0.06:
            known = await gate.queries.orders()
            if known:
                await self._try(gate, CancelOrder(order_id=dice.choice(known).order_id))
        elif dice.random() < 0.02:
            mode = dice.choice(list(Mode))
            await self._try(gate, ThrowSwitch(level=Level.FIRM, name="", reason="drill", mode=mode))
        elif dice.random() < 0.2:
            await self._lift(gate)

    async def _submit(self, gate: Gate) -> None:
        self.made += 1
        wanted = SubmitOrder(
            fund_id=FUND,
            symbol="AAPL",
            side=self.dice.choice((Side.BUY, Side.SELL)),
            quantity=Decimal(self.dice.randint(50, 2_000)),
            order_type=OrderType.MARKET,
            tif=self.dice.choice((TimeInForce.DAY, TimeInForce.GTC)),
            key_kind="idempotency_key",
            key=f"{self.made}",
        )
        for _ in range(2):
            await self._try(gate, wanted)

    async def _lift(self, gate: Gate) -> None:
        await self._try(gate, LiftHalt(level=Level.FIRM, name="", reason="over"), "zoe")

    async def _try(self, gate: Gate, command: object, principal: str = "ann") -> None:
        try:
            await gate.execute(command, Origin(source="sdk", principal=principal))
        except Refused:
            return


def venue_has_each_child_once(path: Path) -> int:
    """How many children the venue has; it has no parent, and no child twice."""
    with closing(sqlite3.connect(path)) as gate, closing(sqlite3.connect(f"{path}.paper")) as venue:
        rows = gate.execute(
            "SELECT order_id, slice, filled_quantity FROM orders WHERE algo IS NULL"
        ).fetchall()
        filled = {row[0]: Decimal(row[2]) for row in rows}
        sql = "SELECT client_id FROM requests WHERE kind = 'submit' AND refused IS NULL"
        there = [client.rpartition(".")[0] for (client,) in venue.execute(sql)]
        assert set(there) <= filled.keys()
        assert len(set(there)) == len(there)
        return sum(row[1] is not None for row in rows if row[0] in there)


def days(seeds: range, folder: Path) -> int:
    """How many children came to the venue."""
    children = 0
    for seed in seeds:
        (folder / f"{seed}").mkdir()
        day = Day(seed, folder / f"{seed}")
        for number in range(SESSIONS):
            run_virtual(day.session(last=number == SESSIONS - 1))
        children += venue_has_each_child_once(day.path)
    return children


@pytest.mark.slow
def test_a_day_of_parents(tmp_path: Path) -> None:
    assert days(range(1), tmp_path) > 10


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 13, 4))
def test_many_days_of_parents(first: int, tmp_path: Path) -> None:
    assert days(range(first, first + 4), tmp_path) > 40
