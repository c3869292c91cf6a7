"""A gate whose broker is a wallet on a real chain: each order once, booked as the chain has it, whatever happens."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ordergate.application.comparison import Found
from ordergate.bootstrap import Gate, open_gate
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import State
from tests.services.chain.door import Fault
from tests.services.chain.program import OTHER, asks, config, pays
from tests.services.chain.rig import PATIENCE_S, Rig, best, rig_on

ROOT = Path(__file__).parents[2]
SEND = "eth_sendRawTransaction"


def run(main: Any) -> None:
    asyncio.run(main)


@asynccontextmanager
async def desk(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> AsyncIterator[Rig]:
    async with rig_on(best(), folder, connects=False, **more) as rig:
        monkeypatch.setenv("WALLET_KEY", f"0x{bytes(rig.account.key).hex()}")
        yield rig


@asynccontextmanager
async def gate_of(rig: Rig) -> AsyncIterator[Gate]:
    async with open_gate(config(rig.settings), f"sqlite:///{rig.folder / 'o.db'}") as gate:
        yield gate


async def ends(rig: Rig, gate: Gate, count: int) -> list[State]:
    """Mines until that many orders are at their end; their states."""
    found: list[Any] = []

    async def over() -> bool:
        nonlocal found
        found = await gate.queries.orders()
        final = (State.CLOSED, State.FAILED, State.CANCELED, State.REJECTED)
        return len(found) == count and all(one.state in final for one in found)

    async with asyncio.timeout(PATIENCE_S):
        while not await over():
            rig.chain.mine()
            await asyncio.sleep(0.02)
    return sorted(one.state for one in found)


def held(gate: Gate) -> dict[str, Decimal]:
    return {key: row.amount for (_fund, key), row in gate.runner.engine.state.balances.rows.items()}


def paid(rig: Rig) -> Decimal:
    return Decimal(int(rig.chain.ask("eth_getBalance", [OTHER, "latest"]), 16)).scaleb(-18)


def test_orders_are_done_booked_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(tmp_path, monkeypatch) as rig, gate_of(rig) as gate:
            before = rig.balance()
            done = await gate.execute(pays("k1", "1.5"))
            await ends(rig, gate, 1)
            again = await gate.execute(pays("k1", "1.5"))
            assert again.order.order_id == done.order.order_id
            await gate.execute(asks("k2", Operation.STAKE, "ETH", "3", venue="lido"))
            assert await ends(rig, gate, 2) == [State.CLOSED] * 2
            assert held(gate) == {
                "wallet:BaseToken:ETH": rig.balance() - before,
                "lido:LST:stETH": Decimal(3),
            }
            assert len(rig.door.sent) == 2
            refused = await gate.execute(asks("k3", Operation.SUPPLY, "USDC", "1", venue="aave_v3"))
            assert (refused.order.state, refused.order.reason_code) == (State.REJECTED, "RISK_OPERATION")
            assert (await gate.compare("wallet")).found is Found.AGREES

    run(main())


@pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.ERROR_AFTER, Fault.ERROR_BEFORE])
def test_a_lost_answer_is_settled(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(tmp_path, monkeypatch, rebroadcast_s=1) as rig, gate_of(rig) as gate:
            got = paid(rig)
            rig.door.faults[SEND] = fault
            await gate.execute(pays("k1", "1.5"))
            await rig.until(lambda: rig.door.sent)
            rig.door.faults.clear()
            assert await ends(rig, gate, 1) == [State.CLOSED]
            assert paid(rig) - got == Decimal("1.5")
            assert len(set(rig.door.sent)) == 1

    run(main())


def test_a_reorganisation_in_the_books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(tmp_path, monkeypatch, confirmations=4) as rig, gate_of(rig) as gate:
            before = rig.balance()
            done = await gate.execute(pays("k1", "1.5"))

            def now() -> Any:
                return gate.runner.engine.state.orders.rows[done.order.order_id]

            await rig.until(lambda: now().state is State.FILLED)
            rig.chain.automines = False
            rig.chain.reorganise(1)
            await rig.until(lambda: now().filled_quantity == 0)
            assert held(gate)["wallet:BaseToken:ETH"] == 0
            assert await ends(rig, gate, 1) == [State.CLOSED]
            assert held(gate) == {"wallet:BaseToken:ETH": rig.balance() - before}

    run(main())


def test_a_nonce_that_somebody_else_used_is_a_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(tmp_path, monkeypatch, rebroadcast_s=60) as rig, gate_of(rig) as gate:
            rig.door.faults[SEND] = Fault.ERROR_BEFORE
            await gate.execute(pays("k1"))
            await rig.until(lambda: rig.door.sent)
            rig.foreign().send(OTHER, "0x", value=1, gas=21_000)
            rig.door.faults.clear()
            (state,) = await ends(rig, gate, 1)
            assert state in (
                State.FAILED,
                State.CLOSED,
            )  # told that it is there, or proven absent and sent again
            broken = [row.detail for row in gate.runner.engine.state.breaks.rows.values()]
            assert any("/foreign" in detail for detail in broken), broken

    run(main())


@pytest.mark.slow
@pytest.mark.parametrize("done", [False, True])
def test_killed_at_the_third_transaction(
    done: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between what was stored and its being sent, and between that and the answer."""

    async def main() -> None:
        async with desk(tmp_path, monkeypatch) as rig:
            got = paid(rig)
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.services.chain.program",
                str(tmp_path / "o.db"),
                msgspec.json.encode(rig.settings).decode(),
                stderr=asyncio.subprocess.PIPE,
                cwd=ROOT,
            )

            def kill(method: str, _params: Any) -> None:
                if method == SEND and len(rig.door.sent) == 3:
                    rig.door.before = None
                    child.send_signal(signal.SIGKILL)
                    rig.door.faults[SEND] = Fault.ERROR_AFTER if done else Fault.ERROR_BEFORE

            rig.door.before = kill
            _out, said = await asyncio.wait_for(child.communicate(), 60)
            assert len(rig.door.sent) == 3, said.decode()
            rig.door.faults.clear()
            async with gate_of(rig) as gate:
                count = len(await gate.queries.orders())
                assert count >= 3
                assert set(await ends(rig, gate, count)) == {State.CLOSED}
                assert paid(rig) - got == count * Decimal("0.01")
                assert len(set(rig.door.sent)) == count  # the third was not signed again
                assert (await gate.compare("wallet")).found is Found.AGREES

    run(main())
