"""Protective stops on the paper venue: what is filled is covered, what is gone is not, and no crash loses or doubles one."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.journals.stores import open_journal
from ordergate.application.audit.replay import replay
from ordergate.application.audit.verify import verify
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, FundSection, Signals
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, Protection, Side, State
from ordergate.domain.risk.commands import SetLimits, ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level, Limits
from ordergate.domain.signals import SubmitSignal, parse_signal

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
FUND = "paper-momentum"
CONFIG = Config(
    signals=Signals(protect=Protection.STOP), funds={FUND: FundSection(unlimited=True, tax_lot_method="fifo")}
)
Talk = Callable[[Gate], Awaitable[None]]


def run(talk: Talk, url: str = "sqlite://", config: Config = CONFIG) -> None:
    """Talks to a gate in simulated time; then its journal must be whole, and fold to its tables."""

    async def main() -> None:
        async with open_gate(config, url, clock=VirtualClock(START)) as gate:
            await talk(gate)
            await gate.quiet()
            await verify(gate.journal, gate.verifier)
            store = await open_journal("sqlite://")
            assert await replay(gate.journal, store) == []
            await store.close()

    run_virtual(main())


async def market(gate: Gate, bid: str, size: int | None = None) -> None:
    """A quote with a spread of a cent, so many shares on either side."""
    shown = None if size is None else Decimal(size)
    quote = Quote(
        symbol="AAPL", time=gate.clock.now(), bid=Decimal(bid), ask=Decimal(bid) + Decimal("0.01"), bid_size=shown,
        ask_size=shown, pinned=True,
    )  # fmt: skip
    await gate.set_quote("paper", quote)
    await gate.quiet()


async def signal(gate: Gate, name: str = "s1", quantity: int = 100, **more: Any) -> Order:
    """A signal to buy with a stop at 95."""
    fields = {
        "signal_id": name,
        "symbol": "AAPL",
        "signal_type": "buy",
        "position_size": quantity,
        "stop_loss": 95,
    }
    order: Order = (await gate.execute(SubmitSignal(parse_signal(fields | more)))).order
    await gate.quiet()
    return order


async def sell(gate: Gate, quantity: int, key: str = "by-hand") -> None:
    """By hand, at the market."""
    order = SubmitOrder(
        fund_id=FUND, symbol="AAPL", side=Side.SELL, quantity=Decimal(quantity), order_type=OrderType.MARKET,
        key_kind="idempotency_key", key=key,
    )  # fmt: skip
    await gate.execute(order)
    await gate.quiet()


async def stops(gate: Gate) -> list[Order]:
    """All that were ever made, oldest first."""
    return sorted(
        (o for o in await gate.queries.orders() if o.parent_order_id is not None), key=lambda o: o.created_at
    )


async def working(gate: Gate) -> list[int]:
    """What the stops that work at the venue may still close."""
    return [int(stop.leaves_quantity) for stop in await stops(gate) if stop.leaves_quantity]


async def held(gate: Gate) -> Decimal:
    """Of AAPL in the fund."""
    (position,) = await gate.journal.select("positions", {"fund_id": FUND})
    return position.quantity


def test_partial_fills_have_stops_that_add_up_and_the_market_takes_them_together() -> None:
    async def talk(gate: Gate) -> None:
        await market(gate, "100", 60)
        entry = await signal(gate)
        assert await working(gate) == [60]
        await market(gate, "100", 60)
        assert await working(gate) == [60, 40]
        assert {stop.parent_order_id for stop in await stops(gate)} == {entry.order_id}
        await market(gate, "94.90")
        assert (await held(gate), await working(gate)) == (0, [])
        assert [stop.state for stop in await stops(gate)] == [State.CLOSED] * 2

    run(talk)


def test_a_stop_that_trades_leaves_only_what_is_left_to_the_others() -> None:
    async def talk(gate: Gate) -> None:
        await market(gate, "100")
        await signal(gate)
        await signal(gate, "s2", 50, stop_loss=90)
        assert await working(gate) == [100, 50]
        await market(gate, "94")
        assert (await held(gate), await working(gate)) == (50, [50])
        await sell(gate, 50)
        assert (await held(gate), await working(gate)) == (0, [])

    run(talk)


def test_a_stop_that_trades_takes_the_close_along_where_nothing_may_be_short() -> None:
    async def talk(gate: Gate) -> None:
        limits = Limits(enable_shorting=False)
        await gate.execute(SetLimits(level=Level.FUND, name=FUND, limits=limits, reason="drill"))
        await market(gate, "100")
        await signal(gate)
        close = SubmitOrder(
            fund_id=FUND, symbol="AAPL", side=Side.SELL, quantity=Decimal(100), order_type=OrderType.LIMIT,
            limit_price=Decimal(105), key_kind="idempotency_key", key="close",
        )  # fmt: skip
        order = (await gate.execute(close)).order
        await gate.quiet()
        with capture_logs() as logs:
            await market(gate, "94")
            await market(gate, "106")
        assert await held(gate) == 0
        (ended,) = [one for one in await gate.queries.orders() if one.order_id == order.order_id]
        assert ended.state is State.CANCELED
        assert [line["kind"] for line in logs if line["event"] == "alert"] == ["close_cut"]

    run(talk)


def test_closed_by_hand_they_are_canceled_and_reduced_by_hand_they_are_cut() -> None:
    async def talk(gate: Gate) -> None:
        await market(gate, "100", 60)
        await signal(gate)
        await market(gate, "100", 60)
        await market(gate, "100")
        await sell(gate, 50, "half")
        assert (await held(gate), await working(gate)) == (50, [50])
        await sell(gate, 50, "rest")
        assert (await held(gate), await working(gate)) == (0, [])
        assert [stop.state for stop in await stops(gate)] == [State.CANCELED] * 2
        await market(gate, "80")
        assert await held(gate) == 0

    run(talk)


def test_a_level_that_is_passed_already_closes_at_once() -> None:
    async def talk(gate: Gate) -> None:
        await market(gate, "94")
        await signal(gate)
        assert (await held(gate), await working(gate)) == (0, [])
        assert [stop.state for stop in await stops(gate)] == [State.CLOSED]

    run(talk)


def test_a_short_is_covered_above() -> None:
    async def talk(gate: Gate) -> None:
        await market(gate, "100")
        await signal(gate, signal_type="sell", stop_loss=105)
        assert [stop.side for stop in await stops(gate)] == [Side.COVER]
        await market(gate, "105.50")
        assert (await held(gate), await working(gate)) == (0, [])

    run(talk)


def test_they_go_on_in_the_next_run() -> None:
    async def begin(gate: Gate) -> None:
        await market(gate, "100")
        await signal(gate)

    async def go_on(gate: Gate) -> None:
        assert await working(gate) == [100]
        await market(gate, "100")
        await sell(gate, 30)
        assert await working(gate) == [70]
        await market(gate, "94")
        assert (await held(gate), await working(gate)) == (0, [])

    async def main() -> None:
        for at, talk in enumerate((begin, go_on)):
            clock = VirtualClock(START.replace(hour=15 + at))
            async with open_gate(CONFIG, url, clock=clock) as gate:
                await talk(gate)

    url = "sqlite:///stops.db"
    run_virtual(main())


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_by_default_nothing_is_made() -> None:
    async def talk(gate: Gate) -> None:
        await market(gate, "100")
        await signal(gate)
        assert (await held(gate), await stops(gate)) == (100, [])

    run(talk, config=Config())


def test_what_only_reduces_leaves_them_and_a_halt_cancels_them() -> None:
    async def talk(gate: Gate) -> None:
        await market(gate, "100", 60)
        await signal(gate)
        await gate.execute(ThrowSwitch(level=Level.FUND, name=FUND, reason="drill", mode=Mode.REDUCE_ONLY))
        await gate.quiet()
        assert await working(gate) == [60]
        await gate.execute(ThrowSwitch(level=Level.FUND, name=FUND, reason="drill"))
        await gate.quiet()
        assert await working(gate) == []

    run(talk)


def test_where_the_gate_refuses_the_fill_is_booked_and_somebody_is_told() -> None:
    async def talk(gate: Gate) -> None:
        await market(gate, "100", 60)
        entry = await signal(gate)
        limits = Limits(allowed_order_types=(OrderType.MARKET,))
        await gate.execute(SetLimits(level=Level.FUND, name=FUND, limits=limits, reason="drill"))
        with capture_logs() as logs:
            await market(gate, "100", 60)
        assert (await held(gate), await working(gate)) == (100, [60])
        (alert,) = [line for line in logs if line["event"] == "alert"]
        assert (alert["kind"], alert["order"]) == ("unprotected", entry.order_id)
        assert "40 AAPL of fund paper-momentum have no stop at 95: RISK_ORDER_TYPE" in alert["detail"]

    run(talk)


CRASH = """
import asyncio, os, sys
from decimal import Decimal
from ordergate.bootstrap import open_gate
from ordergate.domain.market import Quote
from ordergate.domain.orders.events import OrderEntered
from tests.integration.test_protective_stops import CONFIG, signal

async def main():
    async with open_gate(CONFIG, "sqlite:///crash.db") as gate:
        if sys.argv[1] == "before":
            commit = gate.journal.commit
            async def fatal(batch):
                if any(b'"OrderFilled/1"' in line.data for line in batch.lines):
                    os._exit(9)
                await commit(batch)
            gate.journal.commit = fatal
        else:
            def fatal(entries):
                if any(isinstance(e.event, OrderEntered) and e.event.order.parent_order_id for e in entries):
                    os._exit(9)
            gate.runner.listen(fatal)
        quote = Quote(symbol="AAPL", time=gate.clock.now(), bid=Decimal(100), ask=Decimal(101), pinned=True)
        await gate.put_quote("paper", quote)
        await signal(gate)
        raise SystemExit("it should have died")

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_before_or_after_the_fill_is_committed_there_is_one_stop(when: str) -> None:
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", CRASH, when],
        env={"PYTHONPATH": f"{root / 'src'}:{root}", "XDG_STATE_HOME": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert killed.returncode == 9, killed.stderr

    async def main() -> None:
        async with open_gate(CONFIG, "sqlite:///crash.db") as gate:
            async with asyncio.timeout(60):
                while not (made := await stops(gate)) or made[0].acknowledged_at is None:
                    await asyncio.sleep(0.02)
            await gate.quiet()
            fills = await gate.journal.select("fills")
            assert (len(fills), await held(gate), await working(gate)) == (1, 100, [100])
            at_venue = await gate.compare("paper")
            assert not at_venue.breaks

    asyncio.run(main())
