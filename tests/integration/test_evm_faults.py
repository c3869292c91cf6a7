"""What becomes of a wallet's orders when answers are lost, others use its key, blocks go away, or fees rise."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.evm.settings import AaveSettings, LidoSettings, UniswapSettings
from ordergate.adapters.clock import ShiftedClock
from ordergate.application.ports.brokers import Deduplication, LoginRefused, Presence, Withdraw
from ordergate.domain.errors import BrokerAway, StoreError
from ordergate.domain.orders.reports import Acknowledged, Confirmed, End, Ended, Outcome, RequestRefused
from ordergate.domain.orders.states import ExecutionKind
from tests.services.chain import npm
from tests.services.chain.deploying import new_account
from tests.services.chain.door import Fault
from tests.services.chain.node import ChainNode
from tests.services.chain.rig import OTHER, Rig, best, payment, rig_on

KINDS = ["pyevm", pytest.param("anvil", marks=npm.needed)]
SEND, KNOWS = "eth_sendRawTransaction", "eth_getTransactionByHash"
LOST = [Fault.DROPPED, Fault.CUT_OFF, Fault.GARBLED, Fault.NO_ANSWER, Fault.ERROR_AFTER, Fault.SLOW]
NOT_DONE = [Fault.ERROR_BEFORE, Fault.LIMITED, Fault.LIMITED_INSIDE, Fault.AWAY]


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def withdraw(client_id: str) -> Withdraw:
    name = client_id.partition(".")[0]
    return Withdraw(client_id=f"{name}.2", order=client_id, broker_order_id=None)


def lose(folder: Path) -> None:
    for file in folder.glob("ledger.db*"):
        file.unlink()


def paid(rig: Rig) -> Decimal:
    """What the one that payments go to has got."""
    return Decimal(int(rig.chain.ask("eth_getBalance", [OTHER, "latest"]), 16)).scaleb(-18)


@pytest.mark.parametrize("fault", LOST)
def test_what_was_sent_and_not_answered_is_unknown_and_done_once(fault: Fault, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, timeout_ms=1_500, rebroadcast_s=1) as rig:
            before = paid(rig)
            rig.door.faults[SEND] = fault
            send = payment("2")
            answer = await rig.submit(send)
            assert answer.outcome is Outcome.UNKNOWN, answer
            assert (await rig.broker.lookup(send.client_id)).presence is Presence.FOUND
            rig.door.faults.clear()
            assert (await rig.submit(send)).outcome is Outcome.DUPLICATE
            await rig.final()
            assert paid(rig) - before == 2
            assert len(set(rig.door.sent)) == 1
            assert [e.quantity for e in rig.executions] == [2]

    run(main())


@pytest.mark.parametrize("fault", NOT_DONE)
def test_what_may_not_have_arrived_is_sent_again_the_same_bytes(fault: Fault, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, rebroadcast_s=1) as rig:
            before = paid(rig)
            rig.door.faults[SEND] = fault
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.UNKNOWN
            rig.door.faults.clear()
            await rig.final()
            assert len(rig.door.sent) > 1
            assert len(set(rig.door.sent)) == 1
            assert paid(rig) - before == 2

    run(main())


@pytest.mark.parametrize("said", [None, "ok", "0x"])
def test_an_answer_that_is_no_hash_says_nothing_of_what_was_sent(said: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, rebroadcast_s=1) as rig:
            before = paid(rig)
            rig.door.instead[SEND] = said
            answer = await rig.submit(payment("2"))
            assert answer.outcome is Outcome.UNKNOWN, answer
            assert "is no hash" in (answer.reason or "")
            rig.door.instead.clear()
            assert rig.broker._wallet is not None
            rig.broker._wallet.clock = ShiftedClock(datetime.now(UTC) + timedelta(seconds=2))
            await rig.final()
            assert len(rig.door.sent) > 1
            assert len(set(rig.door.sent)) == 1
            assert paid(rig) - before == 2

    run(main())


@pytest.mark.parametrize("fault", [*NOT_DONE, *LOST])
def test_before_anything_is_signed_nothing_has_left(fault: Fault, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, timeout_ms=1_500) as rig:
            rig.door.faults["eth_estimateGas"] = fault
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.NOT_SENT
            assert (await rig.broker.lookup(send.client_id)).presence is Presence.ABSENT
            rig.door.faults.clear()
            assert not rig.door.sent
            assert (await rig.submit(send)).outcome is Outcome.ACCEPTED

    run(main())


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("insufficient funds for gas * price + value: balance 0, tx cost 1", Outcome.REJECTED),
        ("max fee per gas less than block base fee: address 0x1", Outcome.REJECTED),
        ("intrinsic gas too low: gas 1, minimum needed 21000", Outcome.REJECTED),
        ("already known", Outcome.ACCEPTED),
        ("transaction already imported", Outcome.ACCEPTED),
        ("ALREADY_EXISTS: already known", Outcome.ACCEPTED),
        ("nonce too low: next nonce 5, tx nonce 0", Outcome.UNKNOWN),
        ("replacement transaction underpriced", Outcome.UNKNOWN),
        ("the moon is full", Outcome.UNKNOWN),
    ],
)
def test_what_a_node_says_of_signed_bytes(words: str, outcome: Outcome, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on("pyevm", tmp_path) as rig:
            rig.door.refusals[SEND] = words
            send = payment("2")
            answer = await rig.submit(send)
            assert answer.outcome is outcome, answer
            rig.door.refusals.clear()
            if outcome is Outcome.REJECTED:
                other = payment("3")
                assert (
                    await rig.submit(other)
                ).broker_order_id == f"{rig.chain.chain_id}:{rig.account.address.lower()}:0"
                found = await rig.broker.lookup(send.client_id)
                assert found.presence is Presence.ABSENT  # its answer may be lost
                assert "the nodes refuse it" in (found.reason or "")

    run(main())


def test_one_node_of_two_is_enough(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, doors=2) as rig:
            first, second = rig.doors
            first.refusals[SEND] = "insufficient funds for gas * price + value"
            assert (await rig.submit(payment("1"))).outcome is Outcome.ACCEPTED
            first.refusals.clear()
            first.faults["*"] = Fault.AWAY
            assert (await rig.submit(payment("1"))).outcome is Outcome.ACCEPTED
            await rig.final(2)
            second.faults["*"], first.faults = Fault.GARBLED, {}
            answer = await rig.submit(payment("1"))  # taken, and mined before the other is asked to take it
            assert answer.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN)
            await rig.final(3)

    run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_that_goes_away_takes_its_execution_back(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(kind, tmp_path, confirmations=4) as rig:
            before, got = rig.balance(), paid(rig)
            rig.chain.automines = False
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
            rig.chain.mine()
            await rig.until(lambda: len(rig.executions) == 1)
            rig.chain.reorganise(1)
            await rig.until(lambda: len(rig.executions) == 2)
            assert rig.moved() == {}
            first, bust = rig.executions
            assert (bust.execution_kind, bust.refers_to) == (ExecutionKind.BUST, first.exec_id)
            await rig.final()
            again = rig.executions[-1]
            assert again.exec_id != first.exec_id
            assert again.exec_id.partition(":")[0] == first.exec_id.partition(":")[0]  # the same transaction
            assert rig.moved() == {"wallet:BaseToken:ETH": rig.balance() - before}
            assert paid(rig) - got == 2
            assert len(set(rig.door.sent)) == 1

    run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_takes_the_place_of_what_waits(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(kind, tmp_path) as rig:
            before, got = rig.balance(), paid(rig)
            rig.chain.automines = False
            send = payment("2")
            await rig.submit(send)
            answer = await rig.broker.cancel(withdraw(send.client_id))
            assert answer.outcome is Outcome.ACCEPTED, answer
            await rig.final()
            assert isinstance(end := rig.ended[0], Ended)
            assert (end.end, end.client_id) == (End.CANCELED, send.client_id)
            assert paid(rig) == got
            assert rig.moved() == {"wallet:BaseToken:ETH": rig.balance() - before}  # gas alone
            assert [e.quantity for e in rig.executions] == [0]

    run(main())


def test_what_is_done_before_its_cancel_counts(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            rig.chain.automines = False
            send = payment("2")
            await rig.submit(send)
            rig.door.faults[SEND] = Fault.ERROR_BEFORE
            answer = await rig.broker.cancel(withdraw(send.client_id))
            assert answer.outcome is Outcome.UNKNOWN, answer
            assert (await rig.broker.cancel(withdraw(send.client_id))).outcome is Outcome.ACCEPTED
            rig.chain.mine()  # what came first
            rig.door.faults.clear()
            await rig.final()
            refused = [r for r in rig.sink.reports if isinstance(r, RequestRefused)]
            assert [r.client_id for r in refused] == [withdraw(send.client_id).client_id]
            assert [type(end) for end in rig.ended] == [Confirmed]
            late = await rig.broker.cancel(withdraw(send.client_id))
            assert late.outcome is Outcome.REJECTED

    run(main())


def test_a_cancel_that_may_not_cost_so_much_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            rig.chain.automines = False
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
            wallet = rig.broker._wallet
            assert wallet is not None
            wallet.settings = replace(wallet.settings, max_fee_gwei=Decimal(1))
            answer = await rig.broker.cancel(withdraw(send.client_id))
            assert answer.outcome is Outcome.REJECTED
            assert "max_fee_gwei" in (answer.reason or "")
            assert (await rig.broker.cancel(withdraw("ghost.1"))).outcome is Outcome.REJECTED

    run(main())


def test_a_fee_is_raised_on_the_same_nonce(tmp_path: Path) -> None:
    from eth_account.typed_transactions import TypedTransaction
    from hexbytes import HexBytes

    async def main() -> None:
        async with rig_on(best(), tmp_path, bump_s=1) as rig:
            rig.chain.automines = False
            got = paid(rig)
            await rig.submit(payment("2"))
            await rig.sent(2)
            first, second = (
                TypedTransaction.from_bytes(HexBytes(raw)).as_dict() for raw in rig.door.sent[:2]
            )
            assert first["nonce"] == second["nonce"]
            for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
                assert second[fee] * 8 >= first[fee] * 9
            await rig.final()
            assert paid(rig) - got == 2
            assert [e.quantity for e in rig.executions] == [2]

    run(main())


@pytest.mark.parametrize(
    ("caps", "reason"),
    [
        ({"max_fee_gwei": Decimal("0.5"), "max_priority_gwei": Decimal("0.1")}, "above max_fee_gwei"),
        ({"max_gas_cost": Decimal("0.00001")}, "above max_gas_cost"),
        ({"reserve": Decimal(99)}, "are the reserve"),
    ],
)
def test_what_costs_more_than_is_allowed_is_refused(
    caps: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with rig_on("pyevm", tmp_path, **caps) as rig:
            answer = await rig.submit(payment("2"))
            assert answer.outcome is Outcome.REJECTED
            assert reason in (answer.reason or ""), answer
            assert not rig.door.sent

    run(main())


def test_an_order_whose_time_is_over_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            late = payment("2", until=datetime.now(UTC) - timedelta(seconds=1))
            assert (await rig.submit(late)).outcome is Outcome.REJECTED
            rig.chain.automines, got = False, paid(rig)
            send = payment("2", until=datetime.now(UTC) + timedelta(seconds=1))
            assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
            await rig.sent(2)
            await rig.final()
            assert isinstance(end := rig.ended[0], Ended)
            assert end.end is End.EXPIRED
            assert paid(rig) == got

    run(main())


def test_transactions_of_others_with_the_same_key_are_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            rig.foreign().send(OTHER, "0x", value=1, gas=21_000)
            answer = await rig.submit(payment("2"))
            assert (answer.broker_order_id or "").endswith(":1")
            await rig.until(lambda: rig.executions)
            rig.foreign().send(OTHER, "0x", value=1, gas=21_000)
            assert ((await rig.submit(payment("2"))).broker_order_id or "").endswith(":3")
            await rig.final(2)

    run(main())


@pytest.mark.parametrize("told", [False, True])
def test_a_nonce_that_somebody_else_used(told: bool, tmp_path: Path) -> None:
    """Nothing has happened, provably: who was never told that the order was taken may send it again."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, rebroadcast_s=60) as rig:
            got = paid(rig)
            rig.door.faults[SEND] = Fault.ERROR_BEFORE
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.UNKNOWN
            if told:
                assert (await rig.broker.lookup(send.client_id)).presence is Presence.FOUND
            rig.foreign().send(new_account().address, "0x", value=1, gas=21_000)
            rig.door.faults.clear()
            strange = lambda: [r for r in rig.sink.reports if (r.broker_order_id or "").endswith("/foreign")]  # noqa: E731
            await rig.until(strange, mines=True)
            found = await rig.broker.lookup(send.client_id)
            if told:
                (end,) = [r for r in found.reports if isinstance(r, Ended)]
                assert end.end is End.FAILED
                assert "EXTERNAL_NONCE_USED" in (end.reason or "")
                assert (await rig.submit(send)).outcome is Outcome.DUPLICATE
            else:
                assert found.presence is Presence.ABSENT
                assert not rig.ended
                assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
                await rig.final()
                assert paid(rig) - got == 2

    run(main())


def test_a_node_that_does_not_answer_is_no_proof_that_a_nonce_went_to_others(tmp_path: Path) -> None:
    """The block comes between two questions, and whether anybody has what was signed is not told."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, confirmations=1, rebroadcast_s=60) as rig:
            got, mined = paid(rig), list[str]()
            rig.chain.automines = False
            rig.door.faults[SEND] = Fault.ERROR_AFTER
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.UNKNOWN
            rig.door.faults.clear()

            def mine(method: str, params: list[Any]) -> None:
                if method == "eth_getTransactionCount" and params[1] == "latest" and not mined:
                    mined.append(method)
                    rig.chain.mine()
                    rig.door.faults[KNOWS] = Fault.LIMITED

            rig.door.before = mine
            await rig.until(lambda: KNOWS in rig.door.asked)
            with rig.door.one:  # it was answered
                rig.door.faults.clear()
            assert (await rig.broker.lookup(send.client_id)).presence is Presence.FOUND
            rig.chain.automines = True
            assert (await rig.submit(send)).outcome is Outcome.DUPLICATE
            await rig.final()
            assert [type(end) for end in rig.ended] == [Confirmed]
            assert paid(rig) - got == 2

    run(main())


def test_a_node_without_the_methods_is_no_proof_that_a_nonce_went_to_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, confirmations=2, rebroadcast_s=60) as rig:
            rig.chain.automines, got = False, paid(rig)
            assert (await rig.submit(payment("2"))).outcome is Outcome.ACCEPTED
            methods = (KNOWS, "eth_getTransactionReceipt")
            rig.door.refusals |= dict.fromkeys(methods, "Method not found")
            asked = len(rig.door.asked)
            await rig.until(lambda: len(rig.door.asked) > asked + 40, mines=True)  # some looks
            assert not [r for r in rig.sink.reports if (r.broker_order_id or "").endswith("/foreign")]
            rig.door.refusals.clear()
            await rig.final()
            assert [type(end) for end in rig.ended] == [Confirmed]
            assert [e.quantity for e in rig.executions] == [2]
            assert paid(rig) - got == 2

    run(main())


@pytest.mark.parametrize(
    "words", ["Internal error", "execution aborted (timeout = 5s)", "upstream request failed"]
)
def test_trouble_of_one_node_is_no_refusal_of_an_order(words: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, doors=2) as rig:
            for door in rig.doors:
                door.refusals["eth_call"] = words
            answer = await rig.submit(send := payment("1"))
            assert (answer.outcome, answer.reason) == (Outcome.NOT_SENT, words)
            rig.doors[1].refusals.clear()
            await rig.does(send)  # by the other node

    run(main())


def test_what_waits_for_its_turn(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, in_flight=1) as rig:
            rig.chain.automines = False
            first, second, third = payment("1"), payment("2"), payment("3")
            assert (await rig.submit(first)).broker_order_id is not None
            for send in (second, third):
                answer = await rig.submit(send)
                assert (answer.outcome, answer.broker_order_id) == (Outcome.ACCEPTED, None)
            assert (await rig.submit(second)).outcome is Outcome.DUPLICATE
            ids = {first.client_id, second.client_id, third.client_id}
            assert (await rig.broker.open_orders()).client_ids == ids
            assert (await rig.broker.cancel(withdraw(third.client_id))).outcome is Outcome.ACCEPTED
            await rig.restart()
            await rig.final(3)
            named = {r.client_id: r.broker_order_id for r in rig.sink.reports if isinstance(r, Acknowledged)}
            assert (named[second.client_id] or "").endswith(":1")
            ends = {r.client_id: type(r) for r in rig.ended}
            assert ends == {first.client_id: Confirmed, second.client_id: Confirmed, third.client_id: Ended}

    run(main())


def test_a_restart_sends_what_was_signed_and_only_that(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            got = paid(rig)
            rig.door.faults[SEND] = Fault.ERROR_BEFORE
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.UNKNOWN
            await rig.broker.close()
            rig.door.faults.clear()
            await rig.restart()
            assert (await rig.submit(send)).outcome is Outcome.DUPLICATE
            await rig.final()
            assert paid(rig) - got == 2
            assert len(set(rig.door.sent)) == 1
            cursor = rig.executions[0].cursor
            await rig.restart(cursor)
            assert [type(r) for r in rig.sink.reports] == [Confirmed]  # what came behind the cursor
            lookup = await rig.broker.lookup(send.client_id)
            assert {type(r).__name__ for r in lookup.reports} == {"Acknowledged", "Executed", "Confirmed"}

    run(main())


def test_with_another_ledger_nothing_is_claimed(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            await rig.submit(send := payment("2"))
            await rig.final()
            cursor = rig.ended[-1].cursor
            await rig.broker.close()
            lose(tmp_path)
            await rig.restart(cursor)
            assert (await rig.broker.lookup(send.client_id)).presence is Presence.UNPROVEN
            assert rig.broker.capabilities.deduplication is Deduplication.NONE
            assert not rig.broker.capabilities.proves_absence
            assert not (await rig.broker.open_orders()).complete
            await rig.submit(other := payment("1"))  # by what the chain says of the nonce
            await rig.final()
            assert int(rig.ended[-1].cursor or 0) > int(cursor or 0)
            assert (await rig.broker.lookup(other.client_id)).presence is Presence.FOUND
            await rig.restart(cursor)
            assert (await rig.broker.lookup(send.client_id)).presence is Presence.UNPROVEN  # for good

    run(main())


def test_a_new_ledger_of_a_used_wallet_proves_nothing_of_what_it_does_not_know(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on("pyevm", tmp_path, connects=False) as rig:
            rig.foreign().send(OTHER, "0x", value=1, gas=21_000)
            await rig.connect()
            assert (await rig.broker.lookup("never.1")).presence is Presence.UNPROVEN
            send = payment("1000")
            assert (await rig.submit(send)).outcome is Outcome.REJECTED
            assert (await rig.broker.lookup(send.client_id)).presence is Presence.ABSENT
            assert (
                rig.broker.capabilities.deduplication is Deduplication.NONE
            )  # nothing is sent again for that
            await rig.does(payment("1"))
            await rig.restart()
            assert (await rig.broker.lookup("never.1")).presence is Presence.UNPROVEN
            assert (await rig.broker.lookup(send.client_id)).presence is Presence.UNPROVEN
            assert (await rig.broker.open_orders()).complete

    run(main())


@pytest.mark.slow
def test_a_ledger_is_of_one_wallet_and_one_process(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on("pyevm", tmp_path) as rig:
            beside = rig.another()
            with pytest.raises(StoreError, match="locked"):
                await beside.connect(rig.sink, None)
            await rig.broker.close()
            rig.account = new_account()
            rig.chain.give(rig.account.address, 10**18)
            rig.settings = rig.ground.settings(rig.account.address, rig.door.url)
            with pytest.raises(StoreError, match="put the right one there"):
                await rig.restart()

    run(main())


def test_a_session_that_cannot_be_says_why(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on("pyevm", tmp_path, connects=False) as rig:
            good, me, url = rig.settings, rig.account.address, rig.door.url
            make = rig.ground.settings
            token = good.tokens["USDC"]
            wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
                ({"chain_id": 1}, LoginRefused, "is of chain"),
                ({"address": OTHER}, LoginRefused, "the key is of"),
                (
                    {"tokens": {"USDC": type(token)(address=token.address, decimals=18)}},
                    LoginRefused,
                    "says 6",
                ),
                ({"tokens": {"USDC": type(token)(address=OTHER)}}, LoginRefused, "no contract at"),
                ({"executor": OTHER}, LoginRefused, "no contract at"),
                ({"uniswap": UniswapSettings(router=OTHER)}, LoginRefused, "the address of uniswap.router"),
                ({"aave_v3": AaveSettings(pool=OTHER)}, LoginRefused, "the address of aave_v3.pool"),
                (
                    {"lido": LidoSettings(steth=rig.ground.steth.address, queue=OTHER)},
                    LoginRefused,
                    "the address of lido.queue",
                ),
                ({"keystore": str(tmp_path / "nothing")}, LoginRefused, "cannot be read"),
                ({"rpc": ("http://127.0.0.1:9",)}, BrokerAway, "none of 127.0.0.1 answers"),
            ]
            for change, error, words in wrong:
                rig.settings = make(**({"address": me, "rpc": (url,)} | change))
                with pytest.raises(error, match=words):
                    await rig.restart()
            rig.settings = good
            rig.door.faults["*"] = Fault.GARBLED
            with pytest.raises(BrokerAway):
                await rig.restart()
            rig.door.faults.clear()
            await rig.restart()
            await rig.broker.close()
            assert (await rig.submit(payment("1"))).outcome is Outcome.NOT_SENT
            assert (await rig.broker.lookup("x.1")).presence is Presence.UNAVAILABLE
            assert not (await rig.broker.open_orders()).complete
            assert not (await rig.broker.statement(datetime.now(UTC))).complete

    run(main())


def test_a_keystore_opens_with_its_password(tmp_path: Path) -> None:
    import json

    from eth_account import Account

    from ordergate.adapters.brokers.evm.broker import EvmBroker
    from ordergate.adapters.clock import SystemClock
    from ordergate.application.ports.secrets import Secret

    async def main() -> None:
        async with rig_on("pyevm", tmp_path, connects=False) as rig:
            file = tmp_path / "keystore.json"
            file.write_text(json.dumps(Account.encrypt(rig.account.key, "open", kdf="pbkdf2", iterations=2)))
            rig.settings = rig.ground.settings(rig.account.address, rig.door.url, keystore=str(file))

            def broker(word: str) -> EvmBroker:
                return EvmBroker("wallet", rig.settings, None, SystemClock(), lambda: Secret(word))

            with pytest.raises(LoginRefused, match="does not open the keystore"):
                await broker("shut").connect(rig.sink, None)
            rig.broker = broker("open")
            await rig.connect()
            await rig.does(payment("1"))

    run(main())


class StuckAt(ChainNode):
    """A node of a chain that learns of no blocks after that one."""

    def __init__(self, chain: ChainNode, number: int) -> None:
        self.chain, self.number = chain, number

    def ask(self, method: str, params: list[Any]) -> Any:
        if method == "eth_getBlockByNumber":
            number = self.number if params[0] == "latest" else int(params[0], 16)
            return self.chain.ask(method, [hex(number), *params[1:]]) if number <= self.number else None
        return self.chain.ask(method, params)


def test_a_node_that_is_behind_is_no_witness_of_what_was_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, doors=2, confirmations=3) as rig:
            rig.fund(rig.ground.usdc, 5_000_000)
            rig.doors[1].chain = StuckAt(rig.chain, int(rig.chain.ask("eth_blockNumber", []), 16))
            long_ago = datetime(2000, 1, 1, tzinfo=UTC)
            assert (await rig.submit(payment("1.5", "USDC"))).outcome is Outcome.ACCEPTED
            await rig.until(lambda: rig.executions)
            rig.door.faults["*"] = Fault.LIMITED
            behind = await rig.broker.statement(long_ago)
            assert (behind.complete, behind.balances) == (False, None)
            await rig.until(lambda: rig.doors[1].asked[-1] == "eth_getBlockByNumber")
            rig.door.faults.clear()
            said = await rig.broker.statement(long_ago)
            assert said.complete
            assert (said.balances or {})["USDC"] == Decimal("3.5")
            await rig.final()  # by the first node, as soon as it answers again
            rig.door.faults["*"] = Fault.LIMITED
            assert not (await rig.broker.statement(long_ago)).complete  # also of orders at their end

    run(main())


def test_a_statement_is_of_one_block(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            rig.fund(rig.ground.usdc, 5_000_000)
            await rig.does(payment("1.5", "USDC"))
            long_ago = datetime(2000, 1, 1, tzinfo=UTC)
            said = await rig.broker.statement(long_ago)
            assert said.complete
            assert said.balances == {"ETH": rig.balance(), "USDC": Decimal("3.5"), "FEES": 0}
            assert [e.exec_id for e in said.executions or ()] == [rig.executions[0].exec_id]
            assert said.working == frozenset()
            rig.door.faults["eth_call"] = Fault.CUT_OFF
            assert not (await rig.broker.statement(long_ago)).complete

    run(main())
