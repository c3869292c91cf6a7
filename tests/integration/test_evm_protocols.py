"""A wallet at the real Aave V3 and Uniswap, deployed on a local chain: every operation, refusals, and bundles."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from msgspec.structs import replace

from ordergate.adapters.brokers.evm.calls import call, selector
from ordergate.adapters.brokers.evm.settings import TokenSettings, UniswapSettings
from ordergate.application.ports.brokers import Withdraw
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import Leg
from ordergate.domain.orders.reports import Confirmed, End, Ended, Outcome
from tests.services.chain import npm
from tests.services.chain.deploying import Contract, Deployer, new_account, ours
from tests.services.chain.node import Refusal
from tests.services.chain.rig import Market, Rig, order, rig_on

pytestmark = npm.needed
WETH, USDC = "wallet:BaseToken:WETH", "wallet:BaseToken:USDC"
ETH = "wallet:BaseToken:ETH"
A_WETH, OWED = "aave_v3:aToken:aWETH", "aave_v3:debtToken:variableDebtUSDC"


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@asynccontextmanager
async def market(folder: Path, *, executor: bool = False, **more: Any) -> AsyncIterator[tuple[Rig, Market]]:
    """A wallet with 100 WETH and 10,000 USDC."""
    async with rig_on("market", folder, connects=False, **more) as rig:
        on = rig.ground
        assert isinstance(on, Market)
        on.protocols.mint("WETH", rig.account.address, 100 * 10**18)
        on.protocols.mint("USDC", rig.account.address, 10_000 * 10**6)
        if executor:
            made = Deployer(rig.chain, rig.account).deploy(ours("Executor"))
            rig.settings = on.settings(
                rig.account.address, *(door.url for door in rig.doors), executor=made.address, **more
            )
            rig.broker = rig.another()
        await rig.connect()
        yield rig, on


def token(on: Market, name: str) -> Contract:
    return on.protocols.tokens[name]


def told(rig: Rig) -> dict[str, Decimal]:
    """What was moved but for gas."""
    return {key: amount for key, amount in rig.moved().items() if key != ETH}


@pytest.mark.slow
def test_supply_borrow_repay_withdraw(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path) as (rig, on):
            before = rig.balance()
            await rig.does(order(Operation.SUPPLY, "WETH", "10", venue="aave_v3"))
            assert told(rig) == {WETH: -10, A_WETH: 10}
            await rig.does(order(Operation.BORROW, "USDC", "5000"))
            assert told(rig) == {WETH: -10, A_WETH: 10, USDC: 5000, OWED: 5000}
            await rig.does(order(Operation.REPAY, "USDC", "1000"))
            await rig.does(order(Operation.WITHDRAW, "WETH", "1"))
            moved = told(rig)
            assert (moved[WETH], moved[USDC]) == (-9, 4000)
            assert 9 <= moved[A_WETH] < Decimal("9.0001")  # with a few blocks' interest
            assert 4000 <= moved[OWED] < Decimal("4000.001")
            assert rig.balance(token(on, "USDC")) == 14_000
            assert rig.moved()[ETH] == rig.balance() - before
            rewards = {d.source for e in rig.executions for d in e.deltas or () if abs(d.amount) < 1}
            assert rewards <= {"reward"}

    run(main())


def test_allowances_are_of_just_what_is_needed(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path) as (rig, on):
            await rig.does(order(Operation.SUPPLY, "WETH", "10"))
            assert [e.quantity for e in rig.executions] == [0, 10]
            left = token(on, "WETH").read("allowance", rig.account.address, on.protocols.pool.address)
            assert left == 0

    run(main())


def test_a_loan_that_the_collateral_does_not_bear_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path) as (rig, _on):
            await rig.does(order(Operation.SUPPLY, "WETH", "1"))
            sent = len(rig.door.sent)
            answer = await rig.submit(order(Operation.BORROW, "USDC", "1601"))
            assert answer.outcome is Outcome.REJECTED
            assert answer.reason == "36 (collateral cannot cover the new borrow)"
            await rig.does(order(Operation.BORROW, "USDC", "1600"))
            answer = await rig.submit(order(Operation.WITHDRAW, "WETH", "0.5"))
            assert answer.outcome is Outcome.REJECTED
            assert answer.reason == "35 (health factor would be too low)"
            assert len(rig.door.sent) == sent + 1

    run(main())


def test_more_than_is_owed_is_not_repaid(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path) as (rig, _on):
            await rig.does(order(Operation.SUPPLY, "WETH", "10"))
            await rig.does(order(Operation.BORROW, "USDC", "100"))
            await rig.submit(order(Operation.REPAY, "USDC", "150"))
            await rig.final(3)
            assert isinstance(end := rig.ended[-1], Ended)
            assert (end.end, end.reason) == (End.CANCELED, "there was no more to repay")
            assert 100 <= rig.executions[-1].quantity < Decimal("100.001")
            assert OWED not in told(rig)

    run(main())


@pytest.mark.parametrize("version", [2, 3])
def test_a_swap(version: int, tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path) as (rig, on):
            routers = {2: on.protocols.router2, 3: on.protocols.router3}
            uniswap = UniswapSettings(router=routers[version].address, version=version, slippage_bps=50)
            rig.settings = on.settings(rig.account.address, rig.door.url, uniswap=uniswap)
            await rig.restart()
            await rig.does(order(Operation.SWAP, "WETH", "1", token_out="USDC", least_out="1990"))
            execution = rig.executions[-1]
            assert 1990 < execution.price < 2000
            assert told(rig) == {WETH: -1, USDC: execution.price}
            too_much = order(Operation.SWAP, "WETH", "1", token_out="USDC", least_out="1999")
            await rig.submit(too_much)
            await rig.final(2)
            assert isinstance(end := rig.ended[-1], Ended)
            assert end.end is End.FAILED
            assert "too little received" in (end.reason or "").lower() or "INSUFFICIENT_OUTPUT" in (
                end.reason or ""
            )
            assert told(rig) == {WETH: -1, USDC: execution.price}
            await rig.does(order(Operation.SWAP, "WETH", "1", token_out="USDC"))  # by slippage_bps

    run(main())


def legs(*said: tuple[Operation, str, str], **terms: Any) -> tuple[Leg, ...]:
    return tuple(
        Leg(operation=operation, quantity=Decimal(quantity), token=name, **terms.get(f"leg{at}", {}))
        for at, (operation, quantity, name) in enumerate(said)
    )


def test_a_flash_loan_in_one_transaction(tmp_path: Path) -> None:
    """A position is taken with the lender's money: flash, swap, supply, borrow, and the loan is back with its premium."""

    async def main() -> None:
        async with market(tmp_path, executor=True) as (rig, on):
            await rig.does(order(Operation.SUPPLY, "WETH", "10"))
            steps = legs(
                (Operation.FLASH_BORROW, "10000", "USDC"),
                (Operation.SWAP, "10000", "USDC"),
                (Operation.SUPPLY, "4.9", "WETH"),
                (Operation.BORROW, "10005", "USDC"),
                (Operation.FLASH_REPAY, "10000", "USDC"),
                leg1={"token_out": "WETH", "least_out": Decimal("4.9")},
            )
            await rig.does(order(Operation.BUNDLE, "USDC", "10000", legs=steps))
            moved = told(rig)
            assert moved[OWED] == 10_005
            assert USDC not in moved  # all that came went on
            assert Decimal("14.9") <= moved[A_WETH] < Decimal("14.91")
            assert moved[WETH] > -10  # what the swap gave beyond its least amount came back
            executor = rig.settings.executor or ""
            for name in ("WETH", "USDC"):
                assert token(on, name).read("balanceOf", executor) == 0
            kinds = [e.quantity for e in rig.executions]
            assert kinds == [
                0,
                10,
                0,
                10_000,
            ]  # an allowance, a supply; the leave to borrow for us, the bundle

    run(main())


def test_only_its_owner_can_use_the_executor(tmp_path: Path) -> None:
    """Not to draw what the wallet has allowed it, nor by a loan in its name, nor by a call back without one."""

    async def main() -> None:
        async with market(tmp_path, executor=True) as (rig, on):
            executor, usdc, pool = str(rig.settings.executor), token(on, "USDC"), on.protocols.pool
            approve = call(usdc.address, "approve(address,uint256)", executor, 5 * 10**6)
            rig.foreign().send(approve.to, f"0x{approve.data.hex()}")
            thief = new_account().address
            take = call(
                usdc.address, "transferFrom(address,address,uint256)", rig.account.address, thief, 5 * 10**6
            )
            calls = [(take.to, 0, take.data)]
            run_it = call(executor, "run((address,uint256,bytes)[],address[])", calls, [])
            with_loan = "runWithLoan(address,address,uint256,(address,uint256,bytes)[],address[])"
            packed = encode(["(address,uint256,bytes)[]"], [calls])
            back = "executeOperation(address,uint256,uint256,address,bytes)"
            lend = "flashLoanSimple(address,address,uint256,bytes,uint16)"
            tries = (
                (thief, run_it, "NotOwner()"),
                (thief, call(executor, with_loan, pool.address, usdc.address, 1, calls, []), "NotOwner()"),
                (thief, call(executor, back, usdc.address, 1, 0, executor, packed), "NotLender()"),
                (pool.address, call(executor, back, usdc.address, 1, 0, executor, packed), "NotLender()"),
                (thief, call(pool.address, lend, executor, usdc.address, 1, packed, 0), "NotLender()"),
            )
            for who, tried, error in tries:
                with pytest.raises(Refusal) as found:
                    rig.chain.ask(
                        "eth_call", [{"from": who, "to": tried.to, "data": f"0x{tried.data.hex()}"}, "latest"]
                    )
                assert selector(error).hex() in str(found.value.data), (who, error, found.value.data)
            owner = {"from": rig.account.address, "to": executor, "data": f"0x{run_it.data.hex()}"}
            rig.chain.ask("eth_call", [owner, "latest"])  # the same call, of its owner

    run(main())


def test_a_bundle_draws_from_the_wallet_only_what_is_missing(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path, executor=True) as (rig, _on):
            steps = legs((Operation.FLASH_BORROW, "10000", "USDC"), (Operation.FLASH_REPAY, "10000", "USDC"))
            await rig.does(order(Operation.BUNDLE, "USDC", "10000", legs=steps))
            assert told(rig) == {USDC: -5}  # the premium, 5 basis points

    run(main())


def test_a_bundle_takes_the_same_token_twice(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path, executor=True) as (rig, _on):
            await rig.does(order(Operation.SUPPLY, "WETH", "10"))
            steps = legs(
                (Operation.WITHDRAW, "1", "WETH"),
                (Operation.BORROW, "100", "USDC"),
                (Operation.WITHDRAW, "2", "WETH"),
                (Operation.BORROW, "200", "USDC"),
            )
            await rig.does(order(Operation.BUNDLE, "WETH", "3", legs=steps))
            moved = told(rig)
            assert (moved[WETH], moved[USDC]) == (-7, 300)

    run(main())


def test_a_loan_is_paid_back_out_of_its_own_collateral(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path, executor=True) as (rig, on):
            await rig.does(order(Operation.SUPPLY, "WETH", "10"))
            await rig.does(order(Operation.BORROW, "USDC", "8000"))
            steps = legs(
                (Operation.FLASH_BORROW, "8100", "USDC"),
                (Operation.REPAY, "8100", "USDC"),
                (Operation.WITHDRAW, "5", "WETH"),
                (Operation.SWAP, "5", "WETH"),
                (Operation.FLASH_REPAY, "8100", "USDC"),
                leg3={"token_out": "USDC", "least_out": Decimal(9_000)},
            )
            await rig.does(order(Operation.BUNDLE, "USDC", "8100", legs=steps))
            moved = told(rig)
            assert OWED not in moved
            assert 5 <= moved[A_WETH] < Decimal("5.01")
            assert 9_800 < moved[USDC] < 9_900  # what five WETH gave, less the premium
            executor, pool = rig.settings.executor, on.protocols.pool.address
            assert token(on, "USDC").read("allowance", executor, pool) == 0  # though less was owed

    run(main())


def test_a_leg_that_fails_leaves_nothing_but_gas(tmp_path: Path) -> None:
    """Refused before it is sent where that is seen; and where it fails in its block, nothing of it has happened."""

    async def main() -> None:
        async with market(tmp_path, executor=True) as (rig, on):
            steps = legs(
                (Operation.FLASH_BORROW, "10000", "USDC"),
                (Operation.SWAP, "10000", "USDC"),
                (Operation.SWAP, "4.9", "WETH"),
                (Operation.FLASH_REPAY, "10000", "USDC"),
                leg1={"token_out": "WETH", "least_out": Decimal("4.9")},
                leg2={"token_out": "USDC", "least_out": Decimal("9800")},
            )
            bundle = order(Operation.BUNDLE, "USDC", "10000", legs=steps)
            token(on, "USDC").deployer.chain.automines = False
            assert (
                await rig.submit(bundle)
            ).outcome is Outcome.ACCEPTED  # its allowance, for what may be missing
            rig.chain.mine()
            await rig.until(lambda: len(rig.door.sent) == 2)  # the bundle waits
            before = (rig.balance(token(on, "USDC")), rig.balance(token(on, "WETH")))
            weth, router = token(on, "WETH"), on.protocols.router2
            weth.post("approve", router.address, 50 * 10**18)
            path = [weth.address, token(on, "USDC").address]
            me = weth.deployer.account.address
            nonce = int(rig.chain.ask("eth_getTransactionCount", [me, "pending"]), 16)
            data = router.data("swapExactTokensForTokens", 50 * 10**18, 0, path[::-1][::-1], me, 2**40)
            raw = weth.deployer.signed(router.address, data, gas=1_000_000, nonce=nonce)
            rig.chain.ask("eth_sendRawTransaction", [raw])  # moves the price away, in the same block
            await rig.final()
            assert isinstance(end := rig.ended[-1], Ended)
            assert end.end is End.FAILED, end
            assert "INSUFFICIENT_OUTPUT" in (end.reason or ""), end
            assert (rig.balance(token(on, "USDC")), rig.balance(token(on, "WETH"))) == before
            assert told(rig) == {}

    run(main())


def test_a_bundle_that_cannot_be_is_refused(tmp_path: Path) -> None:
    flash, repay = (Operation.FLASH_BORROW, "10", "USDC"), (Operation.FLASH_REPAY, "10", "USDC")
    cases = [
        (legs((Operation.SUPPLY, "1", "WETH"), flash), "a flash loan is the first leg"),
        (legs(flash, (Operation.FLASH_REPAY, "11", "USDC")), "write the same"),
        (
            legs(flash, (Operation.SWAP, "10", "USDC"), repay, leg1={"token_out": "WETH"}),
            "needs its least_out",
        ),
        (legs(flash, (Operation.STAKE, "1", "ETH"), repay), "not done in a bundle"),
        (legs(flash, (Operation.SUPPLY, "10000000", "WETH"), repay), "balance too low"),
    ]

    async def main() -> None:
        async with market(tmp_path, executor=True) as (rig, _on):
            for steps, reason in cases:
                answer = await rig.submit(order(Operation.BUNDLE, "USDC", "10", legs=steps))
                assert answer.outcome is Outcome.REJECTED, (reason, answer)
                assert reason in (answer.reason or ""), answer
            assert not rig.door.sent

    run(main())


def test_a_token_that_takes_a_fee_is_booked_as_it_arrives(tmp_path: Path) -> None:
    """Its log says more than comes; the balances count."""

    async def main() -> None:
        async with market(tmp_path) as (rig, on):
            weth, router = token(on, "WETH"), on.protocols.router2
            fees, me = (
                Contract(weth.deployer, on.fees.address, ours("Token")["abi"]),
                weth.deployer.account.address,
            )
            on.protocols.mint("WETH", me, 100 * 10**18)
            fees.send("mint", me, 10**24)
            for one, count in ((weth, 100 * 10**18), (fees, 10**24)):
                one.send("approve", router.address, count)
            ends = (100 * 10**18, 10**24, 0, 0, me, 2**40)
            router.send("addLiquidity", weth.address, fees.address, *ends, gas=8_000_000)
            known = dict(rig.settings.tokens) | {"FEES": TokenSettings(address=fees.address)}
            rig.settings = on.settings(rig.account.address, rig.door.url, tokens=known)
            rig.settings = replace(rig.settings, aave_v3=None)
            await rig.restart()
            await rig.does(order(Operation.SWAP, "WETH", "1", token_out="FEES", least_out="1"))
            arrived = rig.balance(fees)
            assert arrived > 9_000
            assert told(rig) == {WETH: -1, "wallet:BaseToken:FEES": arrived}

    run(main())


async def _lists(rig: Rig, on: Market) -> Contract:
    """A token of the first years, exchanged for WETH, of which the wallet has 1,000."""
    weth, router = token(on, "WETH"), on.protocols.router2
    me, old = weth.deployer.account.address, on.deployer.deploy(ours("OldToken"))
    old = Contract(weth.deployer, old.address, ours("OldToken")["abi"])
    on.protocols.mint("WETH", me, 100 * 10**18)
    old.send("mint", me, 10**24)
    for one, count in ((weth, 100 * 10**18), (old, 10**24)):
        one.send("approve", router.address, count)
    router.send(
        "addLiquidity", weth.address, old.address, 100 * 10**18, 10**24, 0, 0, me, 2**40, gas=8_000_000
    )
    old.send("mint", rig.account.address, 1_000 * 10**18)
    known = dict(rig.settings.tokens) | {"OLD": TokenSettings(address=old.address)}
    rig.settings = replace(rig.settings, tokens=known, aave_v3=None)
    await rig.restart()
    return old


def test_an_allowance_that_is_left_is_taken_back_where_its_token_wants_that(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path) as (rig, on):
            old, router = await _lists(rig, on), on.protocols.router2.address
            approve = call(old.address, "approve(address,uint256)", router, 5)
            rig.foreign().send(approve.to, f"0x{approve.data.hex()}")
            rig.chain.automines = False
            send = order(Operation.SWAP, "OLD", "100", token_out="WETH", least_out="0.001")
            answer = await rig.submit(send)
            assert answer.outcome is Outcome.ACCEPTED, answer
            await rig.final()
            assert isinstance(rig.ended[0], Confirmed), rig.ended[0]
            assert [e.quantity for e in rig.executions] == [0, 0, 100]
            assert old.read("allowance", rig.account.address, router) == 0

    run(main())


def test_a_leg_whose_token_answers_false_fails(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path, executor=True) as (rig, on):
            old = await _lists(rig, on)
            steps = legs((Operation.TRANSFER, "100", "OLD"), leg0={"target": new_account().address})
            approve = call(old.address, "approve(address,uint256)", rig.settings.executor, 100 * 10**18)
            rig.foreign().send(approve.to, f"0x{approve.data.hex()}")
            take = call(old.address, "transfer(address,uint256)", new_account().address, 950 * 10**18)
            rig.foreign().send(take.to, f"0x{take.data.hex()}")
            answer = await rig.submit(order(Operation.BUNDLE, "OLD", "100", legs=steps))
            assert (answer.outcome, answer.reason) == (
                Outcome.REJECTED,
                "call 0: the token answers false",
            )

    run(main())


@pytest.mark.slow
def test_what_draws_on_one_allowance_is_done_one_after_the_other(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path) as (rig, on):
            rig.chain.automines = False
            first, second = order(Operation.SUPPLY, "WETH", "10"), order(Operation.SUPPLY, "WETH", "20")
            assert (await rig.submit(first)).broker_order_id is not None
            assert (await rig.submit(second)).broker_order_id is None
            loan = order(Operation.SUPPLY, "USDC", "5")
            assert (await rig.submit(loan)).broker_order_id is not None  # of another token
            await rig.final(3)
            assert {type(end) for end in rig.ended} == {Confirmed}
            moved = told(rig)
            assert (moved[WETH], moved[USDC]) == (-30, -5)
            assert len(rig.door.sent) == 6
            assert token(on, "WETH").read("allowance", rig.account.address, on.protocols.pool.address) == 0

    run(main())


def test_an_allowance_is_canceled_with_its_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with market(tmp_path) as (rig, _on):
            rig.chain.automines = False
            send = order(Operation.SUPPLY, "WETH", "10")
            await rig.submit(send)
            name = send.client_id.partition(".")[0]
            withdraw = Withdraw(client_id=f"{name}.2", order=send.client_id, broker_order_id=None)
            assert (await rig.broker.cancel(withdraw)).outcome is Outcome.ACCEPTED
            await rig.final()
            assert isinstance(end := rig.ended[0], Ended)
            assert end.end is End.CANCELED
            assert told(rig) == {}

    run(main())
