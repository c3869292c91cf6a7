"""A wallet on a chain behind the broker port."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from ordergate.adapters.brokers.evm.capabilities import capabilities_of, wrong_with
from ordergate.adapters.brokers.evm.chain import Head
from ordergate.adapters.brokers.evm.checking import check_wallet
from ordergate.adapters.brokers.evm.ledger import Ledger
from ordergate.adapters.brokers.evm.opening import open_wallet
from ordergate.adapters.brokers.evm.operations import Refused
from ordergate.adapters.brokers.evm.records import Intent, Life
from ordergate.adapters.brokers.evm.rpc import Away, Nodes, RpcError, Said
from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.adapters.brokers.evm.telling import statement_of, working
from ordergate.adapters.brokers.evm.wallet import Wallet
from ordergate.adapters.brokers.evm.watching import Watch, refuse
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Health,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Secret
from ordergate.domain.errors import StoreError
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.operations import Operation
from ordergate.domain.orders.reports import Acknowledged, Outcome
from ordergate.domain.recon.statement import Statement
from ordergate.domain.risk.case import BrokerAccount

_CLOSED: Final = "no session is open"
_UNSIGNED: Final = "nothing was ever signed for it"
_TIMED: Final = (Operation.SWAP, Operation.BUNDLE)
_log = structlog.get_logger("ordergate.brokers.evm")


class EvmBroker:
    """One wallet.

    Args:
        path: of its ledger; memory, if None.
        secret: the key, or the keystore's password; asked for when a session begins.
    """

    def __init__(
        self, name: str, settings: EvmSettings, path: Path | None, clock: Clock, secret: Callable[[], Secret]
    ) -> None:
        self._name, self._settings, self._clock, self._secret = name, settings, clock, secret
        self._ledger = Ledger(name, path)
        self._turn = asyncio.Lock()
        self._sink: Sink | None = None
        self._nodes: Nodes | None = None
        self._wallet: Wallet | None = None
        self._watch: Watch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._seen: str | None = None
        self.account: BrokerAccount | None = None

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """By what is configured; with a ledger that was lost, nothing is promised that needs it."""
        return capabilities_of(self._settings, remembers=not self._ledger.forgets, doubts=self._ledger.doubts)

    @property
    def taken_over(self) -> bool:
        """Never: the ledger is one process's, and the chain knows no sessions."""
        return False

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Takes up what the ledger has open, and follows it.

        Raises:
            LoginRefused: the chain, the key or a contract is not what the configuration says.
            BrokerAway: no node answers, or it is behind.
            StoreError: the ledger cannot be used.
        """
        await self.close()
        nodes = self._ask()
        try:
            wallet = await open_wallet(
                self._name, self._settings, nodes, self._ledger, cursor, self._clock, self._secret
            )
            if self._ledger.forgets:
                _log.error("the ledger is not the one that the journal was written with", broker=self._name)
            elif self._ledger.doubts:
                _log.warning("the wallet has transactions that the ledger does not know", broker=self._name)
            for report in self._ledger.after(cursor):
                sink.report(report)
            for intent in self._ledger.open_intents():
                if not intent.nowhere:
                    wallet.take_up(intent)
        except BaseException:
            await nodes.close()
            self._ledger.close()
            raise
        self._sink, self._nodes, self._wallet = sink, nodes, wallet
        self._watch = Watch(wallet, sink.report)
        self._seen = None
        self._watching = asyncio.get_running_loop().create_task(self._follow())

    def _ask(self) -> Nodes:
        settings = self._settings
        return Nodes(settings.rpc, settings.timeout_ms / 1000, settings.chain_id)

    async def close(self) -> None:
        """Follows no more; what was sent stays on its way."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        nodes, self._nodes = self._nodes, None
        self._sink, self._wallet, self._watch = None, None, None
        if nodes is not None:
            await nodes.close()
        self._ledger.close()

    async def check(self) -> Health:
        """Asks the nodes how the wallet is; it needs no session, and signs nothing."""
        nodes = self._ask()
        try:
            return await check_wallet(self._name, self._settings, nodes, self._clock, self._secret)
        finally:
            await nodes.close()

    async def submit(self, send: Send) -> Answer:
        """Signs and sends the first transaction of an order, or queues it behind others."""
        wrong = wrong_with(send, self.capabilities, self._clock.now())
        if wrong is not None:
            return Answer(outcome=Outcome.REJECTED, reason=wrong)
        async with self._turn:
            if self._wallet is None:
                return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
            try:
                known = self._ledger.find(send.client_id)
                if known is not None and not known.nowhere:
                    return Answer(outcome=Outcome.DUPLICATE, broker_order_id=self._wallet.title(known))
                return await self._submit(self._wallet, send)
            except StoreError as error:
                return Answer(outcome=Outcome.NOT_SENT, reason=str(error))

    async def _submit(self, wallet: Wallet, send: Send) -> Answer:
        intent = Intent(client_id=send.client_id, send=send, until=self._until(send))
        try:
            intent.pairs = [need.pair for need in wallet.needs(intent)]
            wallet.check_held(intent)
            wallet.keep(intent)
            if wallet.must_wait(intent):
                intent.taken = True
                wallet.keep(intent)
                return Answer(outcome=Outcome.ACCEPTED)
            begun = await wallet.begin(intent)
        except (Refused, Away, RpcError) as error:
            self._drop(wallet, intent, str(error))
            outcome = Outcome.REJECTED if isinstance(error, Refused) else Outcome.NOT_SENT
            return Answer(outcome=outcome, reason=str(error))
        except BaseException as error:
            if not intent.steps:  # else it is signed and kept: the chain has the word
                self._drop(wallet, intent, type(error).__name__)
            raise
        said, words = begun or (Said.UNCLEAR, "there is nothing to do")
        try:
            return self._answer(wallet, intent, said, words)
        except StoreError as error:  # it is on its way all the same, or may be
            return Answer(outcome=Outcome.UNKNOWN, reason=f"{words}; {error}")

    def _answer(self, wallet: Wallet, intent: Intent, said: Said, words: str) -> Answer:
        """What it means that the nodes have said of what was signed first for an order."""
        if said is Said.REFUSED:
            refuse(wallet, intent, words)
            return Answer(outcome=Outcome.REJECTED, reason=intent.why)
        if said is not Said.TAKEN:
            return Answer(outcome=Outcome.UNKNOWN, reason=words)
        intent.taken = intent.named = True
        wallet.keep(intent)
        return Answer(outcome=Outcome.ACCEPTED, broker_order_id=wallet.title(intent), raw=words)

    def _drop(self, wallet: Wallet, intent: Intent, why: str) -> None:
        """Nothing was signed for it: that is kept, as the proof."""
        intent.life, intent.why = Life.ABSENT, why
        wallet.open.pop(intent.client_id, None)
        wallet.kept.pop(intent.client_id, None)
        wallet.keep(intent)

    def _until(self, send: Send) -> int | None:
        if send.expires_at is not None:
            return int(send.expires_at.timestamp())
        return (
            int(self._clock.now().timestamp()) + self._settings.deadline_s
            if send.operation in _TIMED
            else None
        )

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Replaces what waits by a transaction that does nothing, on the same nonce; either may win."""
        async with self._turn:
            wallet = self._wallet
            if wallet is None:
                return Answer(outcome=Outcome.NOT_SENT, reason=_CLOSED)
            try:
                return await self._cancel(wallet, withdraw)
            except (Away, RpcError, StoreError) as error:
                return Answer(outcome=Outcome.NOT_SENT, reason=str(error))

    async def _cancel(self, wallet: Wallet, withdraw: Withdraw) -> Answer:
        found = self._ledger.order(order_id_of(withdraw.order))
        intent = None if found is None else wallet.open.get(found.client_id)
        if intent is None:
            what = "is not known here" if found is None else "is at its end"
            return Answer(outcome=Outcome.REJECTED, reason=f"order {withdraw.order} {what}")
        if intent.acted:
            return Answer(outcome=Outcome.REJECTED, reason="it is in a block already")
        last, before = intent.last, intent.cancel
        replaced = last is None or last.mined is not None or last.signed[-1].replaces
        if replaced and before is not None:
            return Answer(outcome=Outcome.ACCEPTED, reason="it is being canceled already")
        intent.cancel = before or withdraw.client_id
        if last is None or replaced:
            wallet.keep(intent)
            return Answer(outcome=Outcome.ACCEPTED, broker_order_id=wallet.title(intent))
        try:
            said, words = await wallet.replace(intent, last, cancels=True)  # kept with what is signed for it
        except BaseException as error:
            if not last.signed[-1].replaces:
                intent.cancel = before
            if isinstance(error, Refused):
                return Answer(outcome=Outcome.REJECTED, reason=str(error))
            raise
        taken = said is Said.TAKEN
        return Answer(
            outcome=Outcome.ACCEPTED if taken else Outcome.UNKNOWN,
            broker_order_id=wallet.title(intent),
            reason=None if taken else words,
            raw=words if taken else None,
        )

    async def replace(self, change: Change) -> Answer:
        """There is no such thing."""
        return Answer(
            outcome=Outcome.REJECTED, reason="a wallet changes no orders: cancel and make a new one"
        )

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the ledger knows. What it never signed was never sent: that proves an absence, unless it was lost."""
        async with self._turn:
            if self._wallet is None:
                return Lookup(presence=Presence.UNAVAILABLE, reason=_CLOSED)
            try:
                found = self._ledger.find(client_id) or self._ledger.order(order_id_of(client_id))
                if found is None:
                    return self._unknown()
                intent = self._wallet.open.get(found.client_id, found)
                if intent.nowhere and not self._ledger.proves(intent.client_id):
                    return self._unknown()
                if intent.nowhere:
                    return Lookup(presence=Presence.ABSENT, reason=intent.why or _UNSIGNED)
                if intent.life is Life.OPEN and not intent.taken:
                    intent.taken = True
                    self._wallet.keep(intent)
                there = Acknowledged(
                    broker=self._name, client_id=intent.client_id, broker_order_id=self._wallet.title(intent)
                )
                return Lookup(presence=Presence.FOUND, reports=(there, *self._ledger.told(intent.name)))
            except StoreError as error:
                return Lookup(presence=Presence.UNAVAILABLE, reason=str(error))

    def _unknown(self) -> Lookup:
        if self._ledger.forgets or self._ledger.doubts:
            reason = (
                "the wallet has transactions that the ledger does not know: one of them may be this order's"
            )
            return Lookup(presence=Presence.UNPROVEN, reason=reason)
        return Lookup(presence=Presence.ABSENT, reason=_UNSIGNED)

    async def open_orders(self) -> OpenOrders:
        """What is queued, or waits for a block or for the queue of withdrawals."""
        wallet, now = self._wallet, self._clock.now()
        if wallet is None or self._ledger.forgets:
            return OpenOrders(as_of=now, complete=False)
        return OpenOrders(as_of=now, complete=True, client_ids=working(wallet))

    async def statement(self, since: datetime) -> Statement:
        """What the wallet has in one block, of the tokens that are known."""
        asked_at = self._clock.now()
        async with self._turn:
            if self._wallet is None:
                return Statement(as_of=asked_at, complete=False, why=_CLOSED)
            return await statement_of(self._wallet, asked_at, since)

    async def _follow(self) -> None:
        while True:
            try:
                await self._pass()
            except (Away, RpcError, StoreError) as error:
                _log.warning("the chain could not be looked at", broker=self._name, error=str(error))
            except Exception:  # whatever it is, the next pass must come
                _log.exception("the chain could not be looked at", broker=self._name)
            await self._clock.sleep(self._settings.poll_ms / 1000)

    async def _pass(self) -> None:
        """One look at everything that is not at its end."""
        wallet, watch = self._wallet, self._watch
        if wallet is None or watch is None or not wallet.open:
            return
        wallet.chain.nodes.begin_again()
        head, looked = await wallet.chain.head(), list[bool]()
        for client_id in list(wallet.open):
            async with self._turn:
                intent = wallet.open.get(client_id)
                if intent is not None and self._is_due(intent, head):
                    looked.append(await self._look(wallet, watch, intent, head))
        self._seen = head.hash if all(looked) else None

    def _is_due(self, intent: Intent, head: Head) -> bool:
        """What only waits for more blocks is not asked about between them."""
        return head.hash != self._seen or intent.waits or not intent.steps

    async def _look(self, wallet: Wallet, watch: Watch, intent: Intent, head: Head) -> bool:
        try:
            await watch.look(intent, head)
        except (Away, RpcError, StoreError) as error:  # the others are looked at all the same
            _log.warning(
                "an order could not be looked at", broker=self._name, order=intent.client_id, error=str(error)
            )
            return False
        except Exception:  # so with any other reason; what was not kept of it has not happened
            _log.exception("an order could not be looked at", broker=self._name, order=intent.client_id)
            wallet.restore(intent.client_id)
            return False
        return True
