"""A wallet on a real chain: what it does, tells and keeps, and what becomes of it when answers go wrong."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordergate.adapters.brokers.evm.settings import TokenSettings
from ordergate.adapters.clock import ShiftedClock
from ordergate.domain.operations import Operation
from ordergate.domain.orders.reports import Confirmed, End, Ended, Outcome
from tests.services.chain import npm
from tests.services.chain.deploying import EXECUTOR, OURS, Contract, ours
from tests.services.chain.door import Fault
from tests.services.chain.rig import OTHER, Rig, best, order, payment, rig_on

SOURCES = EXECUTOR.parent
KINDS = ["pyevm", pytest.param("anvil", marks=npm.needed)]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_a_payment_is_mined_told_and_confirmed(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(kind, tmp_path) as rig:
            before = rig.balance()
            send = payment("1.5")
            answer = await rig.submit(send)
            assert answer.outcome is Outcome.ACCEPTED, answer
            address = rig.account.address.lower()
            assert answer.broker_order_id == f"{rig.chain.chain_id}:{address}:0"
            await rig.final()
            (execution,) = rig.executions
            assert execution.quantity == Decimal("1.5")
            assert rig.moved() == {"wallet:BaseToken:ETH": rig.balance() - before}
            assert [type(end) for end in rig.ended] == [Confirmed]

    run(main())


def test_a_token_is_sent(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(kind, tmp_path) as rig:
            rig.fund(rig.ground.usdc, 1_000_000_000)
            answer = await rig.submit(payment("250.25", "USDC"))
            assert answer.outcome is Outcome.ACCEPTED, answer
            await rig.final()
            assert rig.moved()["wallet:BaseToken:USDC"] == Decimal("-250.25")
            assert rig.balance(rig.ground.usdc) == Decimal("749.75")

    run(main())


def test_a_node_without_the_logs_of_a_block_doubles_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            rig.fund(rig.ground.usdc, 1_000_000_000)
            rig.door.instead["eth_getLogs"] = []
            await rig.does(payment("250.25", "USDC"))
            assert rig.moved()["wallet:BaseToken:USDC"] == Decimal("-250.25")

    run(main())


@asynccontextmanager
async def with_old_token(folder: Path, **more: Any) -> AsyncIterator[tuple[Rig, Contract]]:
    """A wallet with 5 of a token that answers false where others revert."""
    async with rig_on(best(), folder, connects=False, **more) as rig:
        old = rig.ground.deployer.deploy(ours("OldToken"))
        rig.fund(old, 5 * 10**18)
        tokens = {"OLD": TokenSettings(address=old.address)}
        rig.settings = rig.ground.settings(rig.account.address, rig.door.url, tokens=tokens, **more)
        rig.broker = rig.another()
        await rig.connect()
        yield rig, old


def test_a_token_that_answers_false_is_not_sent(tmp_path: Path) -> None:
    async def main() -> None:
        async with with_old_token(tmp_path) as (rig, _old):
            answer = await rig.submit(payment("100", "OLD"))
            assert answer.outcome is Outcome.REJECTED, answer
            assert "balance too low: 5 OLD are there" in (answer.reason or "")

            def denies(method: str, params: list[Any]) -> None:
                rig.door.instead.pop("eth_call", None)
                if method == "eth_call" and params[0]["data"].startswith("0xa9059cbb"):
                    rig.door.instead["eth_call"] = f"0x{0:064x}"

            rig.door.before = denies
            answer = await rig.submit(payment("1", "OLD"))
            assert (answer.outcome, answer.reason) == (Outcome.REJECTED, "the token answers false")
            assert not rig.door.sent
            rig.door.before = None
            rig.door.instead.clear()
            await rig.does(payment("2", "OLD"))
            assert rig.moved()["wallet:BaseToken:OLD"] == -2

    run(main())


def test_a_payment_that_moves_nothing_in_its_block_has_failed(tmp_path: Path) -> None:
    """It is done, says its receipt; neither its logs nor the balances show anything of it."""

    async def main() -> None:
        async with with_old_token(tmp_path) as (rig, old):
            rig.chain.automines = False
            assert (await rig.submit(payment("4", "OLD"))).outcome is Outcome.ACCEPTED
            old.post("burn", rig.account.address, 3 * 10**18)  # before it, for it pays more
            await rig.final()
            (execution,) = rig.executions
            assert (execution.quantity, execution.deltas) == (0, ())
            assert isinstance(end := rig.ended[0], Ended)
            assert (end.end, end.reason) == (End.FAILED, "nothing was moved")
            assert rig.balance(old) == 2

    run(main())


def test_a_payment_to_the_wallet_itself_is_done(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            rig.fund(rig.ground.usdc, 1_000_000_000)
            await rig.does(payment("250.25", "USDC", rig.account.address))
            assert "wallet:BaseToken:USDC" not in rig.moved()

    run(main())


def test_of_a_large_sum_every_digit_counts(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            rig.fund(rig.ground.fees, 10**31)
            await rig.does(payment("123456789012.123456789012345642", "FEES"))

    run(main())


@pytest.mark.slow
def test_staking_and_taking_out_in_three_transactions(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(kind, tmp_path) as rig:
            assert (await rig.submit(order(Operation.STAKE, "ETH", "10"))).outcome is Outcome.ACCEPTED
            await rig.final()
            assert rig.moved()["lido:LST:stETH"] == 10
            unstake = order(Operation.UNSTAKE, "stETH", "4")
            assert (await rig.submit(unstake)).outcome is Outcome.ACCEPTED
            await rig.until(lambda: len(rig.executions) == 3, mines=True)  # stake, allowance, request
            assert rig.moved()["lido:LST:stETH"] == 6
            assert rig.moved()["lido:Withdrawal:stETH"] == 4
            assert (await rig.broker.open_orders()).client_ids == {unstake.client_id}
            rig.ground.queue.send("finalize", 1, 4 * 10**18 - 5, value=4 * 10**18 - 5)  # a small loss
            await rig.final(2)
            assert [e.quantity for e in rig.executions] == [10, 0, 0, 4]
            assert "lido:Withdrawal:stETH" not in rig.moved()
            assert rig.moved()["wallet:BaseToken:ETH"] == rig.balance() - 100
            assert not (await rig.broker.open_orders()).client_ids

    run(main())


def test_a_claim_at_the_queue_outlives_the_time_of_its_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            await rig.does(order(Operation.STAKE, "ETH", "10"))
            until = datetime.now(UTC) + timedelta(hours=1)
            answer = await rig.submit(order(Operation.UNSTAKE, "stETH", "4", until=until))
            assert answer.outcome is Outcome.ACCEPTED, answer
            await rig.until(lambda: len(rig.executions) == 3, mines=True)  # stake, allowance, request
            assert rig.broker._wallet is not None
            rig.broker._wallet.clock = ShiftedClock(until + timedelta(hours=1))
            rig.chain.automines, before = False, len(rig.door.sent)
            rig.ground.queue.post("finalize", 1, 4 * 10**18, value=4 * 10**18)
            rig.chain.mine()
            await rig.sent(before + 1)
            asked = len(rig.door.asked)
            await rig.until(lambda: len(rig.door.asked) > asked + 20)  # some looks at what waits
            await rig.final(2)
            assert isinstance(rig.ended[-1], Confirmed), rig.ended[-1]
            assert [e.quantity for e in rig.executions] == [10, 0, 0, 4]
            assert len(rig.door.sent) == before + 1
            assert "lido:Withdrawal:stETH" not in rig.moved()

    run(main())


def test_what_would_fail_is_refused_before_anything_is_signed(tmp_path: Path) -> None:
    cases = [
        (payment("1000"), "balance too low"),
        (payment("5", "USDC"), "balance too low"),
        (payment("1", "DAI"), "not configured"),
        (payment("0.0000001", "USDC"), "more than 6 digits"),
        (payment("1", target="binance"), "neither an address nor one of targets"),
        (payment("1", target="0x" + 40 * "0"), "nobody"),
        (order(Operation.SUPPLY, "USDC", "1"), "does no supply"),
        (order(Operation.STAKE, "USDC", "1"), "only ETH is staked"),
        (order(Operation.UNSTAKE, "stETH", "1"), "balance too low"),
    ]

    async def main() -> None:
        async with rig_on("pyevm", tmp_path) as rig:
            for send, reason in cases:
                answer = await rig.submit(send)
                assert answer.outcome is Outcome.REJECTED, answer
                assert reason in (answer.reason or ""), answer
            assert "eth_sendRawTransaction" not in rig.door.asked
            assert not rig.sink.reports

    run(main())


def test_a_reverted_transaction_costs_its_gas_and_fails_the_order(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(kind, tmp_path) as rig:
            rig.fund(rig.ground.usdc, 1_000_000)
            rig.chain.automines = False
            before = rig.balance()
            send = payment("1", "USDC")
            assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
            rig.ground.usdc.post("burn", rig.account.address, 1_000_000)  # in the same block, and before it
            await rig.final()
            assert isinstance(end := rig.ended[0], Ended)
            assert (end.client_id, end.end) == (send.client_id, End.FAILED)
            assert end.reason == "reverted: balance too low"
            assert [e.quantity for e in rig.executions] == [0]
            assert rig.moved() == {"wallet:BaseToken:ETH": rig.balance() - before}

    run(main())


def test_a_wallet_is_asked_how_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on("pyevm", tmp_path, doors=2, connects=False) as rig:
            said = await rig.broker.check()
            assert (said.reached, said.login, said.may_trade, said.open_orders) == (True, True, True, 0)
            assert not said.problems
            assert "eth_sendRawTransaction" not in rig.door.asked
            rig.doors[1].faults["*"] = Fault.GARBLED
            rig.settings = rig.ground.settings(
                rig.account.address, *(d.url for d in rig.doors), reserve=Decimal(500), executor=OTHER
            )
            said = await rig.another().check()
            assert (said.reached, said.may_trade) == (True, False)
            words = " ".join(said.problems)
            for part in ("does not answer", "no contract at", "the reserve is 500"):
                assert part in words
            rig.settings = rig.ground.settings(OTHER, rig.door.url)
            said = await rig.another().check()
            assert (said.login, said.may_trade) == (False, False)
            rig.door.faults["*"] = Fault.AWAY
            said = await rig.another().check()
            assert (said.reached, said.login) == (False, None)
            rig.door.faults.clear()
            rig.settings = rig.ground.settings(rig.account.address, rig.door.url, chain_id=1)
            said = await rig.another().check()
            assert not said.reached
            assert "is of chain" in said.problems[0]

    run(main())


@pytest.mark.slow
@npm.needed
@pytest.mark.parametrize(
    ("source", "made"),
    [
        (SOURCES / "Executor.sol", SOURCES / "executor.json"),
        (OURS / "Token.sol", OURS / "token.json"),
        (OURS / "Lido.sol", OURS / "lido.json"),
    ],
)
def test_our_contracts_are_compiled_from_their_sources(source: Path, made: Path) -> None:
    command = ["node", str(npm.HERE / "compile.js"), str(npm.modules()), str(source)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == made.read_text()
