"""A broker class of one's own with a journal on PostgreSQL: what it has said outlives the process."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, FundSection, load
from ordergate.domain.orders.states import State
from tests.unit.application.gates import buy


class Own:
    """Fills half of an order, and the rest when it is told to."""

    filled = 50

    def place_order(self, _order: Any) -> Any:
        return SimpleNamespace(success=True, order_id="B1", error=None)

    def get_order_status(self, _order_id: str) -> Any:
        state = "FILLED" if Own.filled == 100 else "PARTIALLY_FILLED"
        return SimpleNamespace(state=state, filled_volume=Own.filled, average_price="180")

    def close_order(self, _order_id: str) -> bool:
        return True


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(Own, "filled", 50)


async def until_filled(gate: Gate, quantity: int) -> None:
    async with asyncio.timeout(20):
        while [order.filled_quantity for order in await gate.queries.orders()] != [quantity]:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("handed_in", [True, False], ids=["handed in", "configured"])
def test_fills_before_and_after_a_restart_are_booked_once(handed_in: bool, ready, tmp_path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        "[funds.paper-momentum]\nunlimited = true\n"
        f'[brokers.paper]\n[brokers.mine]\nadapter = "sync"\nclass = "{__name__}:Own"\npoll_ms = 20\n'
    )
    unlimited = Config(funds={"paper-momentum": FundSection(unlimited=True)})
    config = unlimited if handed_in else load(file)

    async def run(script) -> None:
        async with open_gate(config, ready) as gate:
            if handed_in:
                await gate.attach("mine", Own())
            await script(gate)

    async def begin(gate: Gate) -> None:
        await gate.execute(buy(broker="mine"))
        await until_filled(gate, 50)

    async def go_on(gate: Gate) -> None:
        await asyncio.sleep(0.2)
        await until_filled(gate, 50)
        Own.filled = 100
        await until_filled(gate, 100)
        (order,) = await gate.queries.orders()
        assert order.state is State.CLOSED or order.state is State.FILLED
        assert [fill.quantity for fill in await gate.queries.fills()] == [50, 50]

    asyncio.run(run(begin))
    asyncio.run(run(go_on))
