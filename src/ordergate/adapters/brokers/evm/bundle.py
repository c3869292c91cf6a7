"""A bundle: several operations in one transaction of our executor, all of them or none.

What an operation takes out of the wallet is named here token by token: what the legs give to each other is used first,
and only what is missing then is drawn from the wallet, by allowances of just that much. What is left goes back.
"""

from collections import defaultdict
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ordergate.adapters.brokers.evm.assets import Asset, Assets
from ordergate.adapters.brokers.evm.calls import Call, call
from ordergate.adapters.brokers.evm.operations import Job, Need, Refused, act, job_of_leg, spender_of
from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import Leg

_LOAN: Final = (Operation.FLASH_BORROW, Operation.FLASH_REPAY)
_TAKES: Final = (Operation.SUPPLY, Operation.REPAY, Operation.SWAP)
_BPS: Final = 10_000


class Bundle(Struct, frozen=True):
    """What a bundle needs, and calls."""

    needs: tuple[Need, ...]
    call: Call


class _Purse:
    """What the executor has of each token while the legs are done, and what it must draw."""

    def __init__(self) -> None:
        self.held: defaultdict[str, int] = defaultdict(int)
        self.drawn: defaultdict[str, int] = defaultdict(int)

    def give(self, asset: Asset, count: int) -> None:
        """So much comes in."""
        self.held[asset.address or ""] += count

    def take(self, asset: Asset, count: int) -> int:
        """So much goes out; how much of it must be drawn from the wallet before."""
        token = asset.address or ""
        missing = max(0, count - self.held[token])
        self.held[token] += missing - count
        self.drawn[token] += missing
        return missing


def bundle_of(
    legs: tuple[Leg, ...], settings: EvmSettings, assets: Assets, wallet: str, until: int, premium_bps: int
) -> Bundle:
    """The transaction of a bundle.

    Args:
        premium_bps: that the pool takes for a flash loan.

    Raises:
        Refused: it cannot be done here.
    """
    if settings.executor is None:
        raise Refused("a bundle needs our contract: deploy it and name its address as executor")
    _check_order(legs)
    executor, purse = settings.executor, _Purse()
    calls, extra, seen = list[Call](), list[Need](), dict[str, None]()
    loan: Job | None = None
    for leg in legs:
        job = job_of_leg(leg, settings, assets)
        seen |= {asset.address: None for asset in (job.asset, job.out) if asset is not None and asset.address}
        if job.operation is Operation.FLASH_BORROW:
            loan = job
            purse.give(job.asset, job.count)
        elif job.operation is Operation.FLASH_REPAY:
            owed = replace(job, count=job.count + _premium(job.count, premium_bps))
            calls += _draw(owed, wallet, executor, purse)
        else:
            calls += _leg(job, settings, assets, wallet, executor, until, purse, extra)
    drawn = [Need(token, executor, count) for token, count in purse.drawn.items() if count]
    return Bundle(_summed((*drawn, *extra)), _whole(executor, loan, calls, list(seen), settings))


def _summed(needs: tuple[Need, ...]) -> tuple[Need, ...]:
    """One allowance for all legs that use it: another would not add to it, but take its place."""
    sums = dict[str, Need]()
    for need in needs:
        had = sums.get(need.pair)
        sums[need.pair] = need if had is None else replace(need, amount=had.amount + need.amount)
    return tuple(sums.values())


def _check_order(legs: tuple[Leg, ...]) -> None:
    loans = [leg for leg in legs if leg.operation in _LOAN]
    if not loans:
        return
    first, last = legs[0], legs[-1]
    right = [leg.operation for leg in (first, last)] == list(_LOAN) and len(loans) == 2
    if not right:
        raise Refused(
            "legs: a flash loan is the first leg (flash_borrow) and the last (flash_repay), and one at most"
        )
    if (first.token, first.quantity) != (last.token, last.quantity):
        raise Refused(
            f"legs: {last.quantity} {last.token} is repaid, and {first.quantity} {first.token} borrowed: write the "
            "same (the pool's premium comes on top by itself)"
        )


def _premium(count: int, bps: int) -> int:
    """As the pool reckons it: half up."""
    return (count * bps + _BPS // 2) // _BPS


def _leg(
    job: Job,
    settings: EvmSettings,
    assets: Assets,
    wallet: str,
    executor: str,
    until: int,
    purse: _Purse,
    extra: list[Need],
) -> list[Call]:
    """The calls of one leg."""
    if job.operation is Operation.SWAP and job.least_out is None:
        raise Refused("legs: a swap in a bundle needs its least_out")
    doing = act(job, settings, wallet, executor, until)
    calls = list[Call]()
    if job.operation in _TAKES:
        calls = [
            *_draw(job, wallet, executor, purse),
            _allow(job.asset, spender_of(job, settings), job.count),
        ]
    elif job.operation is Operation.TRANSFER:
        calls = _draw(job, wallet, executor, purse)
    elif job.operation is Operation.WITHDRAW:
        given = assets.supplied[job.asset.symbol]
        extra.append(Need(given.address or "", executor, job.count))
        calls = [_pull(given, wallet, executor, job.count)]
        purse.give(job.asset, job.count)
    elif job.operation is Operation.BORROW:
        extra.append(Need(assets.owed[job.asset.symbol].address or "", executor, job.count, delegated=True))
        purse.give(job.asset, job.count)
    else:
        raise Refused(f"legs: a {job.operation} is not done in a bundle")
    if job.operation is Operation.SWAP and job.out is not None:
        purse.give(job.out, job.least_out or 0)
    if job.operation is Operation.REPAY:
        # Of more than is owed something is left of the allowance, and would stand in the next one's way.
        return [*calls, doing, _allow(job.asset, spender_of(job, settings), 0)]
    return [*calls, doing]


def _draw(job: Job, wallet: str, executor: str, purse: _Purse) -> list[Call]:
    if job.asset.address is None:
        raise Refused(f"legs: {job.asset.symbol}: a bundle moves tokens: name the wrapped one")
    missing = purse.take(job.asset, job.count)
    return [_pull(job.asset, wallet, executor, missing)] if missing else []


def _pull(asset: Asset, wallet: str, executor: str, count: int) -> Call:
    return call(asset.address or "", "transferFrom(address,address,uint256)", wallet, executor, count)


def _allow(asset: Asset, spender: str | None, count: int) -> Call:
    return call(asset.address or "", "approve(address,uint256)", spender, count)


def _whole(
    executor: str, loan: Job | None, calls: list[Call], tokens: list[str], settings: EvmSettings
) -> Call:
    parts = [(one.to, one.value, one.data) for one in calls]
    if loan is None or settings.aave_v3 is None:
        return call(executor, "run((address,uint256,bytes)[],address[])", parts, tokens)
    signature = "runWithLoan(address,address,uint256,(address,uint256,bytes)[],address[])"
    return call(executor, signature, settings.aave_v3.pool, loan.asset.address, loan.count, parts, tokens)
