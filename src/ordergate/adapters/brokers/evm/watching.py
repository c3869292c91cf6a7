"""Following what was sent until it is final: seen in a block, taken back by a reorganisation, overtaken, overdue.

One pass looks at every order that is not at its end. What it finds is kept and told; what it cannot find out is left as
it was for the next pass.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import reduce
from typing import Final

import structlog

from ordergate.adapters.brokers.evm.calls import amount
from ordergate.adapters.brokers.evm.chain import Head, Receipt
from ordergate.adapters.brokers.evm.deltas import Happened, happened
from ordergate.adapters.brokers.evm.operations import Lost, Refused
from ordergate.adapters.brokers.evm.records import OLD_COPY, Intent, Life, Mined, Signed, Step, StepKind
from ordergate.adapters.brokers.evm.reverts import reason_of
from ordergate.adapters.brokers.evm.rpc import Away, RpcError, Said
from ordergate.adapters.brokers.evm.wallet import Wallet
from ordergate.domain.money import EXACT, ZERO
from ordergate.domain.operations import Operation
from ordergate.domain.orders.reports import (
    Acknowledged,
    AnyReport,
    Confirmed,
    End,
    Ended,
    Executed,
    RequestRefused,
)
from ordergate.domain.orders.states import ExecutionKind

EXTERNAL: Final = "EXTERNAL_NONCE_USED"
_SHORT: Final = 18
_log = structlog.get_logger("ordergate.brokers.evm")


class Watch:
    """Follows the orders of a wallet; `say` gets what there is to tell, after it is kept."""

    def __init__(self, wallet: Wallet, say: Callable[[AnyReport], None]) -> None:
        self._wallet, self._say = wallet, say
        self._used: dict[int, int] = {}
        """Nonces that are used by what we do not know, and the block at which that was seen first."""

    async def look(self, intent: Intent, head: Head) -> None:
        """What has become of an order. Raises Away, RpcError, StoreError where that cannot be told or kept now."""
        for step in list(intent.steps):
            if not step.final:
                await self._look_at(intent, step, head)
            if intent.life not in (Life.QUEUED, Life.OPEN):
                return
        await self._go_on(intent)
        self._end(intent)

    async def _look_at(self, intent: Intent, step: Step, head: Head) -> None:
        if step.mined is not None:
            await self._stays(intent, step, step.mined, head)
            return
        for signed in step.signed:
            receipt = await self._wallet.chain.receipt(signed.hash)
            if receipt is not None:
                await self._mined(intent, step, signed, receipt)
                return
        if await self._wallet.chain.nonces() > step.nonce:
            await self._taken_by_others(intent, step, head)
            return
        self._used.pop(step.nonce, None)
        await self._wait(intent, step)

    async def _stays(self, intent: Intent, step: Step, mined: Mined, head: Head) -> None:
        """Whether a transaction is still where it was, and under how many blocks."""
        there = await self._wallet.chain.block_hash(mined.block)
        if there is None:
            return  # the node is behind
        if there != mined.block_hash:
            await self._reorganised(intent, step, mined)
        elif head.number - mined.block + 1 >= self._wallet.settings.confirmations:
            step.final = True
            outran = self._outran(intent) if step.kind is StepKind.ACT and step.done else ()
            self._keep(intent, *outran)

    def _outran(self, intent: Intent) -> tuple[AnyReport, ...]:
        """What was asked for is final: a cancel of it came too late."""
        intent.expires = False
        if intent.cancel is None:
            return ()
        refused = RequestRefused(
            broker=self._wallet.name, client_id=intent.cancel, reason="it was done before"
        )
        intent.cancel = None
        return (refused,)

    async def _reorganised(self, intent: Intent, step: Step, mined: Mined) -> None:
        """The block is no longer of the chain: what it did is taken back, and the same bytes are sent again."""
        _log.warning(
            "a block was reorganised away", broker=self._wallet.name, order=intent.client_id, hash=mined.hash
        )
        bust = Executed(
            broker=self._wallet.name,
            client_id=intent.client_id,
            broker_order_id=self._wallet.title(intent),
            exec_id=f"{mined.exec_id}/gone",
            time=self._wallet.clock.now(),
            execution_kind=ExecutionKind.BUST,
            refers_to=mined.exec_id,
        )
        step.mined, step.busts = None, step.busts + 1
        if step.kind is StepKind.ACT:
            intent.request = None
        if not mined.ok:
            intent.why = None  # in another block it may do what it should
        self._keep(intent, bust)
        await self._wallet.send(intent, step)

    async def _mined(self, intent: Intent, step: Step, signed: Signed, receipt: Receipt) -> None:
        self._used.pop(step.nonce, None)
        did = receipt.ok and not signed.replaces
        wallet = self._wallet
        what = await happened(intent, step, receipt, wallet.chain, wallet.assets) if did else Happened()
        when = await wallet.chain.block_time(receipt.block)
        ok = receipt.ok and not what.failed
        if not ok and intent.why is None:
            intent.why = "nothing was moved" if receipt.ok else await self._reason(step, receipt)
        again = f":{step.busts}" if step.busts else ""
        step.mined = Mined(
            hash=receipt.hash,
            block_hash=receipt.block_hash,
            block=receipt.block,
            ok=ok,
            exec_id=f"{receipt.hash}:{receipt.block_hash[:_SHORT]}{again}",
            replaces=signed.replaces,
        )
        if what.request is not None:
            intent.request = what.request
        execution = self._execution(intent, step.mined, receipt, what, datetime.fromtimestamp(when, UTC))
        self._keep(intent, *self._acknowledged(intent), execution)

    def _execution(
        self, intent: Intent, mined: Mined, receipt: Receipt, what: Happened, when: datetime
    ) -> Executed:
        raw = {
            "transaction": receipt.hash,
            "block": receipt.block,
            "status": int(receipt.ok),
            "gas": receipt.gas,
        }
        return Executed(
            broker=self._wallet.name,
            client_id=intent.client_id,
            broker_order_id=self._wallet.title(intent),
            exec_id=mined.exec_id,
            time=when,
            quantity=what.quantity,
            price=what.price,
            fee=amount(receipt.cost, 18),
            fee_currency=self._wallet.settings.native,
            symbol=intent.send.symbol,
            side=intent.send.side,
            deltas=what.deltas,
            raw=json.dumps(raw),
        )

    async def _reason(self, step: Step, receipt: Receipt) -> str:
        """Why it was taken back, as far as the state before its block still says so."""
        for block in (receipt.block - 1, receipt.block):  # what came before it in its block may be why
            try:
                await self._wallet.chain.tries(step.call, hex(block))
            except RpcError as error:
                if error.of_chain:
                    return f"reverted: {reason_of(error)}"
                break
            except Away:
                break
        return "reverted"

    async def _taken_by_others(self, intent: Intent, step: Step, head: Head) -> None:
        """Its nonce is used, and by nothing that was signed here: once that is final, it can never happen."""
        since = self._used.setdefault(step.nonce, head.number)
        if head.number - since + 1 < self._wallet.settings.confirmations:
            return
        for signed in step.signed:
            if await self._wallet.chain.known_anywhere(signed.hash):
                return  # the node that was asked for its receipt has lost it
        reason = f"{EXTERNAL}: nonce {step.nonce} went to a transaction that was not signed here"
        _log.error(
            "somebody else uses the wallet's key",
            broker=self._wallet.name,
            order=intent.client_id,
            why=reason,
        )
        foreign = (
            f"{self._wallet.settings.chain_id}:{self._wallet.settings.address.lower()}:{step.nonce}/foreign"
        )
        self._say(Acknowledged(broker=self._wallet.name, broker_order_id=foreign))  # becomes a break
        intent.why, step.final = reason, True
        if not intent.taken and len(intent.steps) == 1:
            intent.life = Life.ABSENT
        self._keep(intent)  # what was signed for it on other nonces is followed to its end

    async def _wait(self, intent: Intent, step: Step) -> None:
        """In no block yet: replaced where it must not be done; else sent again, at a higher fee where it takes long."""
        now, settings, last = self._wallet.now, self._wallet.settings, step.signed[-1]
        timed = step.kind is not StepKind.CLAIM  # what is at the queue is there until it is claimed
        overdue = intent.until is not None and now > intent.until
        if timed and not last.replaces and (overdue or intent.cancel is not None):
            intent.expires = intent.expires or overdue
            await self._replace(intent, step, cancels=True)
        elif now - last.signed_at >= settings.bump_s:
            await self._replace(intent, step, cancels=last.replaces)
        elif now - last.sent_at >= settings.rebroadcast_s and not await self._wallet.chain.knows(last.hash):
            said, words = await self._wallet.send(intent, step)
            if said is Said.REFUSED:
                _log.warning(
                    "the chain refuses what waits", broker=self._wallet.name, hash=last.hash, reason=words
                )
        elif last.sent_at == 0:
            await self._wallet.send(intent, step)

    async def _replace(self, intent: Intent, step: Step, *, cancels: bool) -> None:
        try:
            await self._wallet.replace(intent, step, cancels=cancels)
        except Refused as error:
            step.signed[-1].signed_at = self._wallet.now  # not before another while
            _log.warning(
                "a transaction waits", broker=self._wallet.name, order=intent.client_id, reason=str(error)
            )

    async def _go_on(self, intent: Intent) -> None:
        """The next step of an order whose last one is done."""
        stopped = (intent.cancel is not None or intent.expires) and not intent.acted
        stopped = stopped or intent.why is not None or (intent.held and not intent.acted)
        last = intent.last
        if stopped or (last is not None and not last.done):
            return
        if intent.until is not None and self._wallet.now > intent.until and not intent.acted:
            intent.expires = True
            return
        if last is None and self._wallet.must_wait(intent):
            return
        try:
            begun = await self._wallet.begin(intent)
        except Refused as error:
            if isinstance(error, Lost) or (not intent.acted and (last is None or last.final)):
                intent.why = str(error)
            else:  # what is at the queue stays there; and not every node may know of an allowance yet
                _log.warning(
                    "the next step waits", broker=self._wallet.name, order=intent.client_id, reason=str(error)
                )
            return
        if begun is None:
            return
        if begun[0] is Said.REFUSED:
            refuse(self._wallet, intent, begun[1])
        else:
            self._keep(intent, *self._acknowledged(intent))

    def _end(self, intent: Intent) -> None:
        """Tells of an order's end, once all that was signed for it is final."""
        if intent.life not in (Life.QUEUED, Life.OPEN) or not all(step.final for step in intent.steps):
            return
        last = intent.last
        replaced = last is not None and last.mined is not None and last.mined.replaces
        reverted = last is not None and last.mined is not None and not last.mined.ok
        if reverted or (intent.why is not None and not self._is_done(intent)):
            self._finish(intent, End.FAILED if intent.steps else End.REJECTED)
        elif self._is_done(intent):
            self._complete(intent)
        elif intent.expires:
            self._finish(intent, End.EXPIRED)
        elif replaced or intent.cancel is not None:
            self._finish(intent, End.CANCELED)

    def _is_done(self, intent: Intent) -> bool:
        kind = StepKind.CLAIM if intent.send.operation is Operation.UNSTAKE else StepKind.ACT
        step = intent.step(kind)
        return step is not None and step.done

    def _complete(self, intent: Intent) -> None:
        done = reduce(EXACT.add, (r.quantity for r in self._wallet.ledger.counted(intent.name)), ZERO)
        if done < intent.send.quantity:
            intent.why = "there was no more to repay"
            self._finish(intent, End.CANCELED)
            return
        intent.life = Life.ENDED
        self._keep(intent, Confirmed(broker=self._wallet.name, client_id=intent.client_id))

    def _finish(self, intent: Intent, end: End) -> None:
        if intent.held and not intent.acted:
            intent.why = f"{intent.why}; {OLD_COPY}" if intent.why else OLD_COPY
        ended = Ended(
            broker=self._wallet.name,
            client_id=intent.client_id,
            broker_order_id=self._wallet.title(intent),
            end=end,
            reason=intent.why,
        )
        intent.life = Life.ENDED
        self._keep(intent, ended)

    def _acknowledged(self, intent: Intent) -> tuple[AnyReport, ...]:
        """Says that an order is here, once its nonce is known."""
        name = self._wallet.title(intent)
        if name is None or intent.named:
            return ()
        intent.taken = intent.named = True
        return (Acknowledged(broker=self._wallet.name, client_id=intent.client_id, broker_order_id=name),)

    def _keep(self, intent: Intent, *reports: AnyReport) -> None:
        """Keeps an order together with what is to be told of it, and tells that then."""
        for report in self._wallet.keep(intent, *reports):
            self._say(report)


def refuse(wallet: Wallet, intent: Intent, words: str) -> None:
    """Every node has refused what was signed, so it is nowhere: its nonce is free again.

    A claim at the queue is made again; an order of which nobody was told has never happened.

    Raises:
        StoreError: that cannot be kept.
    """
    step = intent.steps.pop()
    if not intent.acted:
        intent.why = f"the nodes refuse it: {words}"
    if not intent.steps and not intent.taken:
        intent.life = Life.ABSENT
    _log.warning("what was signed was refused", broker=wallet.name, order=intent.client_id, nonce=step.nonce)
    wallet.keep(intent)
