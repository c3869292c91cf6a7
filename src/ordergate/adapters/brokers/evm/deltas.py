"""What a transaction has moved: by the logs of known tokens, checked against the balances around its block.

What accrues by itself (aTokens, debts, staked ether) has no logs for that: what a log or balance shows of it beside
what was done is a reward. Of plain tokens the balances have the last word: some take a fee that no log tells.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import reduce
from typing import Final

import structlog
from msgspec import Struct

from ordergate.adapters.brokers.evm.assets import LIDO, STETH, Asset, Assets, Kind
from ordergate.adapters.brokers.evm.calls import amount, topic
from ordergate.adapters.brokers.evm.chain import Chain, Log, Receipt
from ordergate.adapters.brokers.evm.records import Intent, Step, StepKind
from ordergate.adapters.brokers.evm.rpc import Away, RpcError
from ordergate.domain.money import EXACT, ZERO, divide
from ordergate.domain.operations import Operation
from ordergate.domain.orders.executions import Delta

TRANSFER: Final = topic("Transfer(address,address,uint256)")
REQUESTED: Final = topic("WithdrawalRequested(uint256,address,address,uint256,uint256)")
CLAIMED: Final = topic("WithdrawalClaimed(uint256,address,address,uint256)")
TICKET: Final = f"{LIDO}:Withdrawal:{STETH}"
"""What is asked for at the queue, until it is claimed."""
_TOPICS: Final = 3
_PLACES: Final = 18
_log = structlog.get_logger("ordergate.brokers.evm")


class Happened(Struct, frozen=True, kw_only=True):
    """What a step did.

    Attributes:
        quantity: of the order's token that it has filled.
        request: a number at the queue.
        failed: it was to pay, and neither logs nor balances show that anything left, whatever its receipt says.
    """

    deltas: tuple[Delta, ...] = ()
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    request: int | None = None
    disagrees: bool = False
    failed: bool = False


async def happened(intent: Intent, step: Step, receipt: Receipt, chain: Chain, assets: Assets) -> Happened:
    """What a step that did what it was to do has moved. Raises Away, RpcError."""
    if step.kind is StepKind.APPROVE:
        return Happened()
    wallet = chain.wallet.lower()
    sums = moved(receipt.logs, wallet, assets.by_address())
    pays = _paid(intent, step, wallet, assets)
    if pays is not None:
        sums.setdefault(pays, 0)  # looked at, also where no log tells of it
    native = _native(step, receipt, wallet)
    if native:
        sums[assets.native] += native
    rest = await _unexplained(sums, receipt, chain, assets)
    lies = {asset: count for asset, count in rest.items() if count and asset.kind is Kind.BASE}
    if lies:
        _log.warning(
            "the balances are not what the logs of a transaction say; the balances count",
            transaction=receipt.hash,
            beside={asset.symbol: str(amount(count, asset.decimals)) for asset, count in lies.items()},
        )
    deltas = tuple(_deltas(intent, step, sums, rest))
    failed = pays is not None and not _left(pays, receipt.logs, wallet, deltas)
    return Happened(
        deltas=deltas,
        failed=failed,
        quantity=ZERO if failed else _quantity(intent, step, deltas, assets),
        price=_price(intent, deltas, assets),
        request=_request(receipt.logs),
        disagrees=bool(lies),
    )


def moved(logs: Iterable[Log], wallet: str, known: Mapping[str, Asset]) -> defaultdict[Asset, int]:
    """What transfers of known tokens bring the wallet, and take from it. Others are anybody's words."""
    sums: defaultdict[Asset, int] = defaultdict(int)
    for log in logs:
        asset = known.get(log.address)
        if asset is None or len(log.topics) != _TOPICS or log.topics[0] != TRANSFER:
            continue  # four topics are a thing that is one of its kind
        giver, taker = (f"0x{party[-40:]}" for party in log.topics[1:])
        value = int(log.data, 16)
        sums[asset] += value * ((taker == wallet) - (giver == wallet))
    return defaultdict(int, {asset: count for asset, count in sums.items() if count})


def _paid(intent: Intent, step: Step, wallet: str, assets: Assets) -> Asset | None:
    """The token that a transfer takes out of the wallet; None of other operations, and of one to the wallet itself."""
    asset = assets.find(symbol_of(intent))
    if intent.send.operation is not Operation.TRANSFER or asset is None or asset.address is None:
        return None
    return None if wallet[2:] in step.data else asset


def _left(asset: Asset, logs: Iterable[Log], wallet: str, deltas: Iterable[Delta]) -> bool:
    """Whether anything of a token has left the wallet, also where more came in with it: interest that had accrued."""
    told = (moved((log,), wallet, {asset.address or "": asset})[asset] for log in logs)
    return any(count < 0 for count in told) or _sum(deltas, asset.key) < 0


def _native(step: Step, receipt: Receipt, wallet: str) -> int:
    paid = 0 if step.to.lower() == wallet else -step.value
    claims = (
        int(log.data, 16)
        for log in receipt.logs
        if log.topics[:1] == (CLAIMED,) and step.kind is StepKind.CLAIM
    )
    return paid + sum(claims)


async def _unexplained(
    sums: Mapping[Asset, int], receipt: Receipt, chain: Chain, assets: Assets
) -> dict[Asset, int]:
    """By how much balances changed in the block beside what all logs of the block say.

    Only where the block has one transaction of the wallet: of several it cannot be told whose it was. Nor where a node
    knows less of the block than of the transaction in it: what is missing would be counted twice.
    """
    checked = [asset for asset in sums if asset.address is not None and asset.kind in (Kind.BASE, Kind.LST)]
    if not checked:
        return {}
    before, at = hex(receipt.block - 1), hex(receipt.block)
    try:
        if await chain.nonces(at) - await chain.nonces(before) != 1:
            return {}
        wallet, known = chain.wallet.lower(), assets.by_address()
        padded = f"0x{wallet[2:].rjust(64, '0')}"
        sent = await chain.logs(receipt.block_hash, (TRANSFER, padded))
        got = await chain.logs(receipt.block_hash, (TRANSFER, None, padded))
        found = (*sent, *(log for log in got if log not in sent))
        own = [log for log in found if log.hash == receipt.hash.lower()]
        if moved(own, wallet, known) != moved(receipt.logs, wallet, known):
            raise Away("a node tells other logs of the block than of the transaction")
        told = moved(found, wallet, known)
        return {
            asset: await chain.balance(asset.address, at)
            - await chain.balance(asset.address, before)
            - told[asset]
            for asset in checked
        }
    except (Away, RpcError) as error:  # a node that keeps no states of the past, or is behind
        _log.warning("balances could not be checked", transaction=receipt.hash, error=str(error))
        return {}


def _deltas(
    intent: Intent, step: Step, sums: Mapping[Asset, int], rest: Mapping[Asset, int]
) -> Iterable[Delta]:
    source = "transfer" if intent.send.operation is Operation.TRANSFER else "trade"
    bases = {asset.symbol: count for asset, count in sums.items() if asset.kind is Kind.BASE}
    for asset, logged in sums.items():
        count, beside = logged, rest.get(asset, 0)
        if asset.kind is Kind.BASE:
            count, beside = logged + beside, 0
        elif asset.kind in (Kind.ATOKEN, Kind.DEBT) and intent.send.operation is not Operation.BUNDLE:
            principal = bases.get(asset.of or "", 0) * (-1 if asset.kind is Kind.ATOKEN else 1)
            count, beside = principal, logged - principal
        if count:
            yield Delta(asset.key, amount(count, asset.decimals), source)
        if beside:
            yield Delta(asset.key, amount(beside, asset.decimals), "reward")
    if intent.send.operation is Operation.UNSTAKE:
        asked = intent.send.quantity
        yield Delta(TICKET, asked if step.kind is StepKind.ACT else asked.copy_negate(), source)


def _quantity(intent: Intent, step: Step, deltas: Iterable[Delta], assets: Assets) -> Decimal:
    """How much of the order is done: of a loan repaid, no more than was owed."""
    operation, asked = intent.send.operation, intent.send.quantity
    if operation is Operation.UNSTAKE:
        return asked if step.kind is StepKind.CLAIM else ZERO
    if operation is not Operation.REPAY:
        return asked
    asset = assets.find(symbol_of(intent))
    return min(asked, _sum(deltas, asset.key if asset is not None else "").copy_abs())


def _price(intent: Intent, deltas: Iterable[Delta], assets: Assets) -> Decimal:
    """Of a swap: what came out for each that went in."""
    terms = intent.send.terms
    out = None if terms is None else assets.find(terms.token_out or "")
    if intent.send.operation is not Operation.SWAP or out is None:
        return ZERO
    return max(ZERO, divide(_sum(deltas, out.key), intent.send.quantity, _PLACES))


def _sum(deltas: Iterable[Delta], key: str) -> Decimal:
    return reduce(EXACT.add, (delta.amount for delta in deltas if delta.position_key == key), ZERO)


def _request(logs: Iterable[Log]) -> int | None:
    """The number that the queue gave to a request; it is its first topic."""
    found = (int(log.topics[1], 16) for log in logs if log.topics[:1] == (REQUESTED,) and len(log.topics) > 1)
    return next(found, None)


def symbol_of(intent: Intent) -> str:
    """The token that an order's quantity counts."""
    return intent.send.symbol.partition(":")[2]
