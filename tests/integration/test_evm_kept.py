"""What a wallet knows when its disk is full, its ledger old, its chain begun anew, or a node another chain's."""

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ordergate.adapters.brokers.evm.ledger import Ledger
from ordergate.adapters.brokers.evm.rpc import Away, Nodes
from ordergate.application.ports.brokers import Deduplication, Presence
from ordergate.domain.errors import BrokerAway, StoreError
from ordergate.domain.operations import Operation
from ordergate.domain.orders.reports import Confirmed, End, Ended, Outcome
from ordergate.domain.orders.states import ExecutionKind
from tests.integration.test_evm_faults import SEND, lose, paid, withdraw
from tests.services.chain.deploying import new_account
from tests.services.chain.door import Fault, door_of
from tests.services.chain.rig import Rig, best, ground, order, payment, rig_on


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


class Disk:
    """Of the ledger: full while a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full, self.refused = False, 0
        write = Ledger._run

        def run(ledger: Ledger, statement: str, *values: Any) -> Any:
            if self.full and statement.startswith("INSERT"):
                self.refused += 1
                raise StoreError("database or disk is full")
            return write(ledger, statement, *values)

        monkeypatch.setattr(Ledger, "_run", run)

    def fills_up_with(self, rig: Rig, method: str) -> None:
        def fill(asked: str, _params: Any) -> None:
            self.full = self.full or asked == method

        rig.door.before = fill

    def is_emptied(self, rig: Rig) -> None:
        rig.door.before, self.full = None, False


@pytest.mark.parametrize("words", [None, "insufficient funds for gas * price + value"])
def test_a_disk_that_is_full_once_the_bytes_have_left(
    words: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on its way is never called not sent, nor refused where its bytes are still in the ledger."""

    async def main() -> None:
        disk = Disk(monkeypatch)
        async with rig_on(best(), tmp_path, rebroadcast_s=1) as rig:
            got = paid(rig)
            if words is not None:
                rig.door.refusals[SEND] = words
            disk.fills_up_with(rig, SEND)
            send = payment("2")
            answer = await rig.submit(send)
            assert answer.outcome is Outcome.UNKNOWN, answer
            rig.door.refusals.clear()
            disk.is_emptied(rig)
            assert (await rig.broker.lookup(send.client_id)).presence is Presence.FOUND
            assert (await rig.submit(send)).outcome is Outcome.DUPLICATE
            await rig.final()
            assert paid(rig) - got == 2
            assert len(set(rig.door.sent)) == 1
            assert [e.quantity for e in rig.executions] == [2]
            assert isinstance(rig.ended[0], Confirmed)

    run(main())


def test_a_disk_that_is_full_before_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        disk = Disk(monkeypatch)
        async with rig_on(best(), tmp_path) as rig:
            disk.fills_up_with(rig, "eth_estimateGas")
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.NOT_SENT
            assert not rig.door.sent
            disk.is_emptied(rig)
            assert (await rig.broker.lookup(send.client_id)).presence is Presence.ABSENT
            await rig.does(send)

    run(main())


@pytest.mark.parametrize("restarts", [False, True])
def test_what_is_done_while_the_disk_is_full_is_told_later(
    restarts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        disk = Disk(monkeypatch)
        async with rig_on(best(), tmp_path) as rig:
            rig.chain.automines, before = False, rig.balance()
            assert (await rig.submit(payment("2"))).outcome is Outcome.ACCEPTED
            disk.full = True
            rig.chain.mine()
            await rig.until(lambda: disk.refused >= 3, mines=True)
            assert not rig.executions
            disk.full = False
            if restarts:
                await rig.restart()
            await rig.final()
            assert [e.quantity for e in rig.executions] == [2]
            assert isinstance(rig.ended[0], Confirmed)
            assert rig.moved() == {"wallet:BaseToken:ETH": rig.balance() - before}

    run(main())


def test_an_order_and_what_is_told_of_it_are_kept_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is told could be of a block that is gone by the next look, and would never be taken back."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, rebroadcast_s=1) as rig:
            rig.chain.automines = False
            await rig.submit(payment("2"))
            tell, torn = Ledger.tell, 0

            def tears(ledger: Ledger, *given: Any) -> Any:
                nonlocal torn
                tell(ledger, *given)
                torn += 1
                raise StoreError("torn")

            monkeypatch.setattr(Ledger, "tell", tears)
            rig.chain.mine()
            await rig.until(lambda: torn)
            await rig.broker.close()
            monkeypatch.setattr(Ledger, "tell", tell)
            rig.chain.reorganise(1)
            await rig.restart()
            await rig.final()
            assert [e.quantity for e in rig.executions] == [2]

    run(main())


def test_a_ledger_that_is_brought_back_from_an_older_copy(tmp_path: Path) -> None:
    """The journal has seen nothing that it has not: only the chain knows of more."""

    async def main() -> None:
        async with rig_on(best(), tmp_path) as rig:
            await rig.does(payment("1"))
            cursor = rig.ended[-1].cursor
            await rig.broker.close()
            shutil.copy(tmp_path / "ledger.db", tmp_path / "copy.db")
            await rig.restart(cursor)
            lost = payment("2")
            assert (await rig.submit(lost)).outcome is Outcome.ACCEPTED
            await rig.broker.close()
            (tmp_path / "copy.db").replace(tmp_path / "ledger.db")
            await rig.restart(cursor)
            for _ in range(2):
                assert (await rig.broker.lookup(lost.client_id)).presence is Presence.UNPROVEN
                assert rig.broker.capabilities.deduplication is Deduplication.NONE
                await rig.does(payment("1"))
                await rig.restart(rig.ended[-1].cursor)

    run(main())


async def _copied(rig: Rig) -> None:
    """The ledger as it is now is kept aside, to be brought back."""
    await rig.broker.close()
    shutil.copy(rig.folder / "ledger.db", rig.folder / "copy.db")
    await rig.restart()


async def _brought_back(rig: Rig) -> None:
    await rig.broker.close()
    rig.chain.mine()
    (rig.folder / "copy.db").replace(rig.folder / "ledger.db")
    await rig.restart()


def test_an_old_copy_proves_nothing_of_what_had_not_left_then(tmp_path: Path) -> None:
    """It may have left since; only what this session has written of an order is all there is."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, rebroadcast_s=60) as rig:
            lost = payment("2")
            rig.door.faults["eth_estimateGas"] = Fault.AWAY
            assert (await rig.submit(lost)).outcome is Outcome.NOT_SENT
            rig.door.faults.clear()
            await _copied(rig)
            assert (await rig.broker.lookup(lost.client_id)).presence is Presence.ABSENT
            rig.door.faults[SEND] = Fault.ERROR_AFTER
            assert (await rig.submit(lost)).outcome is Outcome.UNKNOWN
            rig.door.faults.clear()
            await _brought_back(rig)
            assert (await rig.broker.lookup(lost.client_id)).presence is Presence.UNPROVEN
            refused = payment("1000")
            assert (await rig.submit(refused)).outcome is Outcome.REJECTED
            assert (await rig.broker.lookup(refused.client_id)).presence is Presence.ABSENT
            await rig.restart()
            assert (await rig.broker.lookup(refused.client_id)).presence is Presence.UNPROVEN

    run(main())


def test_a_session_begins_only_once_a_node_says_what_waits(tmp_path: Path) -> None:
    """Else an old copy would raise no doubt, and what waits in the pool would be signed once more."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, rebroadcast_s=60) as rig:
            got, lost = paid(rig), payment("2")
            rig.door.faults["eth_estimateGas"] = Fault.AWAY
            assert (await rig.submit(lost)).outcome is Outcome.NOT_SENT
            rig.door.faults.clear()
            await _copied(rig)
            rig.chain.automines = False
            rig.door.faults[SEND] = Fault.ERROR_AFTER
            assert (await rig.submit(lost)).outcome is Outcome.UNKNOWN
            rig.door.faults.clear()
            await rig.broker.close()
            (tmp_path / "copy.db").replace(tmp_path / "ledger.db")

            def breaks_off(method: str, params: list[Any]) -> None:
                if method == "eth_getTransactionCount" and params[1] == "pending":
                    rig.door.faults[method] = Fault.AWAY

            rig.door.before = breaks_off
            with pytest.raises(BrokerAway, match="eth_getTransactionCount"):
                await rig.restart()
            rig.door.before = None
            rig.door.faults.clear()
            await rig.restart()
            assert (await rig.broker.lookup(lost.client_id)).presence is Presence.UNPROVEN
            await rig.until(lambda: paid(rig) - got == 2, mines=True)

    run(main())


@pytest.mark.parametrize("refuses", [False, True])
def test_one_of_several_nodes_may_say_nothing_of_what_waits(refuses: bool, tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, doors=2, connects=False) as rig:
            first, second = rig.doors

            def says(method: str, params: list[Any]) -> None:
                first.refusals.pop(method, None)
                if refuses and method == "eth_getTransactionCount" and params[1] == "pending":
                    first.refusals[method] = "pending is not supported"

            first.before = says
            second.faults["*"] = Fault.AWAY
            await rig.connect()
            assert (await rig.broker.lookup("never.1")).presence is Presence.ABSENT

    run(main())


def test_what_was_queued_in_an_old_copy_waits_for_a_person(tmp_path: Path) -> None:
    """Nor may what is signed next of an order have been signed already."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, in_flight=1, rebroadcast_s=60) as rig:
            await rig.does(order(Operation.STAKE, "ETH", "2", venue="lido"))
            rig.chain.automines, got = False, paid(rig)
            begun, queued = order(Operation.UNSTAKE, "stETH", "1", venue="lido"), payment("2")
            for send in (begun, queued):
                assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
            await _copied(rig)
            rig.chain.automines = True
            await rig.until(lambda: paid(rig) - got == 2, mines=True)
            with capture_logs() as logs:
                await _brought_back(rig)
            sent, mine = len(rig.door.sent), {begun.client_id, queued.client_id}
            assert {log["order"] for log in logs if "order" in log} == mine
            await rig.until(lambda: any(e.client_id == begun.client_id for e in rig.executions), mines=True)
            asked = len(rig.door.asked)
            await rig.until(lambda: len(rig.door.asked) > asked + 20, mines=True)  # some looks
            assert (paid(rig) - got, len(rig.door.sent)) == (2, sent)
            assert (await rig.broker.open_orders()).client_ids == mine
            await rig.restart()
            for send in (begun, queued):
                assert (await rig.broker.cancel(withdraw(send.client_id))).outcome is Outcome.ACCEPTED
            await rig.until(lambda: mine <= {end.client_id for end in rig.ended}, mines=True)
            ends = [end for end in rig.ended if isinstance(end, Ended)]
            assert {(end.client_id, end.end) for end in ends} == {(one, End.CANCELED) for one in mine}
            assert all("may be an old copy" in (end.reason or "") for end in ends)
            assert paid(rig) - got == 2

    run(main())


def test_nothing_is_queued_behind_what_waits_for_a_person(tmp_path: Path) -> None:
    """It would wait as long, and nobody would know for what."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, rebroadcast_s=60) as rig:
            await rig.does(order(Operation.STAKE, "ETH", "4", venue="lido"))
            rig.chain.automines = False
            begun, behind = (order(Operation.UNSTAKE, "stETH", "1", venue="lido") for _ in range(2))
            assert (await rig.submit(begun)).outcome is Outcome.ACCEPTED
            await _copied(rig)
            rig.chain.automines = True
            await rig.until(lambda: "lido:Withdrawal:stETH" in rig.moved(), mines=True)
            await _brought_back(rig)
            answer = await rig.submit(behind)
            assert answer.outcome is Outcome.REJECTED, answer
            assert f"order {begun.client_id.partition('.')[0]} is held" in (answer.reason or "")
            await rig.does(payment("1"))  # it needs no allowance
            assert (await rig.broker.cancel(withdraw(begun.client_id))).outcome is Outcome.ACCEPTED
            await rig.until(lambda: begun.client_id in {end.client_id for end in rig.ended}, mines=True)
            more = order(Operation.UNSTAKE, "stETH", "1", venue="lido")
            assert (await rig.submit(more)).outcome is Outcome.ACCEPTED
            await rig.until(lambda: any(e.client_id == more.client_id for e in rig.executions), mines=True)

    run(main())


def test_what_waits_in_another_node_alone_is_a_doubt_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, doors=2, connects=False) as rig:
            rig.doors[0].instead["eth_getTransactionCount"] = "0x0"
            rig.doors[1].instead["eth_getTransactionCount"] = "0x1"
            await rig.connect()
            assert (await rig.broker.lookup("never.1")).presence is Presence.UNPROVEN

    run(main())


def test_a_chain_that_was_begun_anew_is_not_signed_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on("pyevm", tmp_path) as rig:
            start = rig.chain.snapshot()
            await rig.does(payment("1"))
            await rig.broker.close()
            rig.chain.revert(start)
            with pytest.raises(BrokerAway, match="begun anew"):
                await rig.restart()

    run(main())


class Elsewhere:
    """A chain of another number, on which the wallet has done a lot."""

    def ask(self, method: str, _params: Any) -> Any:
        return {"eth_chainId": "0x1", "eth_getTransactionReceipt": None}.get(method, "0xff")


def test_a_node_that_turns_out_to_be_of_another_chain_is_never_used(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, doors=2, connects=False, timeout_ms=1_500) as rig:
            first, second = rig.doors
            second.faults["*"] = Fault.AWAY
            await rig.connect()
            second.faults.clear()
            second.asked.clear()
            second.chain = Elsewhere()  # type: ignore[assignment]
            rig.chain.automines = False
            assert (await rig.submit(payment("1"))).outcome is Outcome.ACCEPTED
            first.faults["*"] = Fault.AWAY
            assert (await rig.submit(payment("2"))).outcome is Outcome.NOT_SENT
            await rig.until(lambda: len(second.asked) > 5)
            assert set(second.asked) == {"eth_chainId"}
            first.faults.clear()
            await rig.final()
            assert [type(end) for end in rig.ended] == [Confirmed]

    run(main())


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.SLOW])
def test_the_url_of_a_node_is_in_no_error(fault: Fault) -> None:
    async def main() -> None:
        chain = ground("pyevm").chain
        with door_of(chain) as door:
            key = "0123456789abcdef0123456789abcdef"
            nodes = Nodes((f"{door.url}/v3/{key}?token={key}",), 1, chain.chain_id)
            door.faults["*"] = fault
            try:
                with pytest.raises(Away) as found:
                    await nodes.ask("eth_blockNumber")
                _said, words = await nodes.send("0x00")
            finally:
                await nodes.close()
            assert key not in f"{found.value!r} {found.value.__cause__!r} {words}"

    run(main())


def test_a_node_that_names_its_own_key() -> None:
    async def main() -> None:
        chain = ground("pyevm").chain
        with door_of(chain) as door:
            nodes = Nodes((f"{door.url}/v3/0123456789abcdef",), 1, chain.chain_id)
            door.refusals[SEND] = "project 0123456789abcdef is over its limit"
            try:
                assert "0123456789abcdef" not in (await nodes.send("0x00"))[1]
            finally:
                await nodes.close()

    run(main())


async def _asked_back(rig: Rig) -> str:
    """An unstake whose allowance is in a block, and whose request waits for one; its client id."""
    await rig.does(order(Operation.STAKE, "ETH", "2", venue="lido"))
    rig.chain.automines = False
    send = order(Operation.UNSTAKE, "stETH", "1", venue="lido")
    assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
    count = len(rig.door.sent)
    rig.chain.mine()
    await rig.sent(count + 1)
    return send.client_id


@pytest.mark.slow
def test_an_allowance_that_is_reorganised_away(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, confirmations=4, rebroadcast_s=1) as rig:
            before = rig.balance()
            client_id = await _asked_back(rig)
            sent = set(rig.door.sent)
            rig.chain.reorganise(1)
            await rig.until(lambda: any(e.execution_kind is ExecutionKind.BUST for e in rig.executions))
            await rig.until(lambda: "lido:Withdrawal:stETH" in rig.moved(), mines=True)
            assert set(rig.door.sent) == sent  # the same bytes, both of them
            assert client_id in ((await rig.broker.open_orders()).client_ids or ())
            await rig.until(lambda: rig.moved()["wallet:BaseToken:ETH"] == rig.balance() - before)

    run(main())


def test_an_allowance_whose_nonce_goes_to_another_after_a_reorganisation(tmp_path: Path) -> None:
    """What was signed behind it may still be done, and is followed until it is."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, confirmations=3, rebroadcast_s=60) as rig:
            await rig.does(order(Operation.STAKE, "ETH", "2", venue="lido"))
            chain, me = rig.chain, rig.account.address
            clean = chain.snapshot()
            client_id = await _asked_back(rig)
            rig.door.faults[SEND] = Fault.ERROR_BEFORE  # nothing of it gets there again
            behind = rig.door.sent[-1]
            chain.revert(clean)
            nonce = int(chain.ask("eth_getTransactionCount", [me, "latest"]), 16)
            for _ in range(2):  # of the stake, and of the allowance
                terms = {
                    "to": new_account().address, "value": 1, "gas": 21_000, "nonce": nonce, "data": "0x",
                    "chainId": chain.chain_id, "maxFeePerGas": 300 * 10**9, "maxPriorityFeePerGas": 10**9,
                }  # fmt: skip
                raw = bytes(rig.account.sign_transaction(terms).raw_transaction).hex()
                chain.ask("eth_sendRawTransaction", [f"0x{raw}"])
                nonce += 1
            chain.mine()
            await rig.until(
                lambda: any((r.broker_order_id or "").endswith("/foreign") for r in rig.sink.reports),
                mines=True,
            )
            assert not [end for end in rig.ended if end.client_id == client_id]
            chain.ask("eth_sendRawTransaction", [behind])
            await rig.until(lambda: [end for end in rig.ended if end.client_id == client_id], mines=True)
            told = [e for e in rig.executions if e.client_id == client_id and e.quantity == 0]
            assert '"status":0' in str(told[-1].raw).replace(
                " ", ""
            )  # it was taken back, and its gas is told
            (end,) = [end for end in rig.ended if isinstance(end, Ended)]
            assert "EXTERNAL_NONCE_USED" in (end.reason or "")

    run(main())


def test_a_cancel_is_asked_again_after_a_kill_in_the_middle_of_it(tmp_path: Path) -> None:
    """A cancel that nothing was signed for is none: it must not be taken for one that is under way."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, rebroadcast_s=60) as rig:
            rig.chain.automines, got = False, paid(rig)
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
            killed = tmp_path / "killed"

            def copy(method: str, _params: Any) -> None:
                if method == "eth_maxPriorityFeePerGas" and not killed.exists():
                    killed.mkdir()
                    for file in tmp_path.glob("ledger.db*"):
                        shutil.copy(file, killed / file.name)
                    rig.door.faults[SEND] = Fault.ERROR_BEFORE  # whatever is signed in this life stays here

            rig.door.before = copy
            await rig.broker.cancel(withdraw(send.client_id))
            await rig.broker.close()
            rig.door.before = None
            rig.door.faults.clear()
            lose(tmp_path)
            for file in killed.iterdir():
                file.replace(tmp_path / file.name)
            await rig.restart()
            assert (await rig.broker.cancel(withdraw(send.client_id))).outcome is Outcome.ACCEPTED
            await rig.final()
            assert isinstance(end := rig.ended[0], Ended)
            assert end.end is End.CANCELED
            assert paid(rig) == got

    run(main())


def test_a_cancel_that_a_full_disk_has_stopped_can_be_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        disk = Disk(monkeypatch)
        async with rig_on(best(), tmp_path, rebroadcast_s=60) as rig:
            rig.chain.automines, got = False, paid(rig)
            send = payment("2")
            assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
            disk.fills_up_with(rig, "eth_maxPriorityFeePerGas")
            assert (await rig.broker.cancel(withdraw(send.client_id))).outcome is Outcome.NOT_SENT
            disk.is_emptied(rig)
            assert (await rig.broker.cancel(withdraw(send.client_id))).outcome is Outcome.ACCEPTED
            await rig.final()
            assert isinstance(end := rig.ended[0], Ended)
            assert end.end is End.CANCELED
            assert paid(rig) == got

    run(main())


@pytest.mark.parametrize("words", ["Internal error", "execution reverted: insufficient allowance"])
def test_a_second_step_that_fails_once_is_tried_again(words: str, tmp_path: Path) -> None:
    """Of nodes behind one URL, one may not know yet of the allowance that another has told of."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, confirmations=4) as rig:
            await rig.does(order(Operation.STAKE, "ETH", "2", venue="lido"))
            rig.chain.automines = False
            send = order(Operation.UNSTAKE, "stETH", "1", venue="lido")
            assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
            asked = len(rig.door.asked)
            rig.door.refusals["eth_estimateGas"] = words
            rig.chain.mine()
            await rig.until(lambda: "eth_estimateGas" in rig.door.asked[asked:])
            with rig.door.one:  # it was answered
                rig.door.refusals.clear()
            await rig.until(lambda: "lido:Withdrawal:stETH" in rig.moved(), mines=True)

    run(main())


def test_a_second_step_that_fails_until_its_allowance_is_final_ends_its_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig_on(best(), tmp_path, confirmations=3) as rig:
            await rig.does(order(Operation.STAKE, "ETH", "2", venue="lido"))
            rig.chain.automines = False
            assert (await rig.submit(order(Operation.UNSTAKE, "stETH", "1"))).outcome is Outcome.ACCEPTED
            rig.door.refusals["eth_estimateGas"] = "execution reverted: paused"
            await rig.final(2)
            assert isinstance(end := rig.ended[-1], Ended)
            assert (end.end, end.reason) == (End.FAILED, "paused")

    run(main())


def test_an_allowance_that_comes_back_after_its_order_was_canceled_is_replaced(tmp_path: Path) -> None:
    """Nothing of it waited as the cancel was asked, so nothing was signed for that then."""

    async def main() -> None:
        async with rig_on(best(), tmp_path, confirmations=4, rebroadcast_s=60) as rig:
            await rig.does(order(Operation.STAKE, "ETH", "2", venue="lido"))
            rig.chain.automines = False
            send = order(Operation.UNSTAKE, "stETH", "1", venue="lido")
            assert (await rig.submit(send)).outcome is Outcome.ACCEPTED
            rig.door.faults["eth_estimateGas"] = Fault.AWAY  # the next step is not begun
            rig.chain.mine()
            await rig.until(lambda: len(rig.executions) == 2)
            assert (await rig.broker.cancel(withdraw(send.client_id))).outcome is Outcome.ACCEPTED
            rig.chain.reorganise(1)
            count = len(rig.door.sent)
            await rig.sent(count + 2)  # the same bytes, and what takes their place
            await rig.final(2)
            assert isinstance(end := rig.ended[-1], Ended)
            assert end.end is End.CANCELED
            me, queue = rig.account.address, rig.ground.queue.address
            assert rig.ground.steth.read("allowance", me, queue) == 0

    run(main())
