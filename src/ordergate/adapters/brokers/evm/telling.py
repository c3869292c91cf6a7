"""What a wallet has, and what of its orders still works."""

from datetime import datetime
from decimal import Decimal

import structlog

from ordergate.adapters.brokers.evm.assets import Kind
from ordergate.adapters.brokers.evm.calls import amount
from ordergate.adapters.brokers.evm.records import Intent, StepKind
from ordergate.adapters.brokers.evm.rpc import Away, RpcError
from ordergate.adapters.brokers.evm.wallet import Wallet
from ordergate.domain.errors import StoreError
from ordergate.domain.operations import Operation
from ordergate.domain.recon.statement import Statement

_log = structlog.get_logger("ordergate.brokers.evm")


async def statement_of(wallet: Wallet, asked_at: datetime, since: datetime) -> Statement:
    """The balances of the tokens that are known, all in one block that stays and has all that was told; else nothing.

    A wallet has no positions. What lies in protocols is not told: it grows by itself.
    """
    ledger, why = wallet.ledger, "the node is behind, or its last block was taken back"
    try:
        balances = await _balances(wallet)
        executions = ledger.executions(since)
    except (Away, RpcError, StoreError) as error:
        why, balances, executions = str(error), None, ()
    if balances is None:
        return Statement(as_of=asked_at, complete=False, why=why)
    return Statement(
        as_of=asked_at,
        complete=True,
        positions={},
        balances=balances,
        working=None if ledger.forgets else working(wallet),
        executions=None if ledger.forgets else executions,
        executions_since=None if ledger.forgets else since,
    )


async def _balances(wallet: Wallet) -> dict[str, Decimal] | None:
    """By symbol; None where the block was reorganised away meanwhile, or is before what was told."""
    wallet.chain.nodes.begin_again()
    head = await wallet.chain.head()
    at = hex(head.number)
    sent, told = await wallet.chain.nonces(at), _told(wallet)
    if sent <= told:
        _log.warning(
            "the node is behind what was told of the wallet",
            broker=wallet.name,
            block=head.number,
            transactions=sent,
            told=told + 1,
        )
        return None
    found = {
        asset.symbol: amount(await wallet.chain.balance(asset.address, at), asset.decimals)
        for asset in (wallet.assets.native, *wallet.assets.tokens.values())
        if asset.kind is Kind.BASE
    }
    return found if await wallet.chain.block_hash(head.number) == head.hash else None


def _told(wallet: Wallet) -> int:
    """The highest nonce that was told of as used; -1 without any."""
    steps = (step for intent in wallet.open.values() for step in intent.steps)
    return max(wallet.ledger.last_used(), *(step.nonce for step in steps if step.mined is not None), -1)


def working(wallet: Wallet) -> frozenset[str]:
    """The client ids of orders that are queued, or wait for a block or for the queue of withdrawals."""
    return frozenset(intent.client_id for intent in wallet.open.values() if not _is_done(intent))


def _is_done(intent: Intent) -> bool:
    kind = StepKind.CLAIM if intent.send.operation is Operation.UNSTAKE else StepKind.ACT
    step = intent.step(kind)
    return step is not None and step.done
