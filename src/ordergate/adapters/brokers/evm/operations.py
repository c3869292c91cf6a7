"""What an operation needs, and what is called for it; refused in words where it cannot be done here."""

from decimal import Decimal
from typing import Final

from eth_utils.address import is_checksum_address
from msgspec import Struct

from ordergate.adapters.brokers.evm.assets import AAVE, LIDO, STETH, UNISWAP, WALLET, Asset, Assets
from ordergate.adapters.brokers.evm.calls import Call, call, units
from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.application.ports.brokers import Send
from ordergate.domain.instruments import TOKEN
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import Leg, OperationTerms

VARIABLE: Final = 2
"""Aave's name for loans at a variable rate."""
NOBODY: Final = "0x" + 40 * "0"
_MOST_STAKED: Final = 1_000
"""stETH in one request of Lido's queue."""
_VENUES: Final = {
    Operation.TRANSFER: WALLET,
    Operation.SUPPLY: AAVE,
    Operation.WITHDRAW: AAVE,
    Operation.BORROW: AAVE,
    Operation.REPAY: AAVE,
    Operation.SWAP: UNISWAP,
    Operation.STAKE: LIDO,
    Operation.UNSTAKE: LIDO,
    Operation.FLASH_BORROW: AAVE,
    Operation.FLASH_REPAY: AAVE,
}


class Refused(Exception):
    """It cannot be done; nothing has left. The text says why, and what would be right."""


class Lost(Refused):
    """It never can be done."""


class Need(Struct, frozen=True):
    """An allowance that a contract must have before: of a token, or (delegated) of a loan in our name."""

    token: str
    spender: str
    amount: int
    delegated: bool = False

    @property
    def pair(self) -> str:
        """Whose it is: two orders must not change one allowance at the same time."""
        return f"{self.token}:{self.spender.lower()}"

    def asked(self, wallet: str) -> Call:
        """The question how much it has."""
        name = "borrowAllowance" if self.delegated else "allowance"
        return call(self.token, f"{name}(address,address)", wallet, self.spender)

    @property
    def given(self) -> Call:
        """The call that gives it, exactly that much."""
        name = "approveDelegation" if self.delegated else "approve"
        return call(self.token, f"{name}(address,uint256)", self.spender, self.amount)

    @property
    def taken_back(self) -> Call:
        """The call that takes back what is left of an allowance."""
        return call(self.token, "approve(address,uint256)", self.spender, 0)


class Job(Struct, frozen=True):
    """One operation, in contracts' counts.

    Attributes:
        least_out: in counts of `out`; None where nothing is said.
        value: of the native money.
    """

    operation: Operation
    asset: Asset
    count: int
    out: Asset | None = None
    least_out: int | None = None
    target: str | None = None


def job_of(send: Send, settings: EvmSettings, assets: Assets) -> Job:
    """What an order that is no bundle asks for.

    Raises:
        Refused: it cannot be done here.
    """
    terms = send.terms or OperationTerms()
    leg = Leg(
        operation=send.operation,
        quantity=send.quantity,
        token=send.symbol.removeprefix(TOKEN),
        venue=terms.venue,
        token_out=terms.token_out,
        target=terms.target,
        least_out=terms.least_out,
    )
    return job_of_leg(leg, settings, assets)


def job_of_leg(leg: Leg, settings: EvmSettings, assets: Assets) -> Job:
    """What one operation asks for. Raises Refused."""
    _check_venue(leg, settings)
    asset = assets.find(leg.token)
    if asset is None:
        known = ", ".join([assets.native.symbol, *assets.tokens])
        raise Refused(f"token {leg.token!r} is not configured: there are {known}")
    out = _out(leg, assets)
    least = None if leg.least_out is None else _count(leg.least_out, out or asset)
    job = Job(leg.operation, asset, _count(leg.quantity, asset), out, least, _target(leg, settings, assets))
    _check(job, leg, settings, assets)
    return job


def _check_venue(leg: Leg, settings: EvmSettings) -> None:
    right = _VENUES.get(leg.operation)
    if right is None:
        raise Refused(f"a {leg.operation} is none of a wallet's operations")
    if leg.venue not in (None, right):
        raise Refused(f"venue {leg.venue!r}: a {leg.operation} is done at {right}")
    if right != WALLET and getattr(settings, right) is None:
        raise Refused(f"a {leg.operation} needs {right}, which is not configured")


def _out(leg: Leg, assets: Assets) -> Asset | None:
    if leg.operation is Operation.SWAP:
        out = assets.find(leg.token_out or "")
        if out is None:
            raise Refused(f"token_out {leg.token_out!r} is not configured")
        return out
    return assets.native if leg.operation is Operation.UNSTAKE else None


def _count(amount: Decimal, asset: Asset) -> int:
    try:
        count = units(amount, asset.decimals)
    except ValueError as error:
        raise Refused(f"{asset.symbol}: {error}") from None
    if count == 0:
        raise Refused(f"{asset.symbol}: {amount} must be above zero")
    return count


def _target(leg: Leg, settings: EvmSettings, assets: Assets) -> str | None:
    if leg.operation is not Operation.TRANSFER:
        return None
    text = settings.targets.get(leg.target or "", leg.target or "")
    if not (text.startswith("0x") and len(text) == 42):
        known = ", ".join(settings.targets) or "none"
        raise Refused(f"target {text!r} is neither an address nor one of targets: there are {known}")
    try:
        int(text, 16)
    except ValueError:
        raise Refused(f"target {text!r} is no address") from None
    if text[2:] not in (text[2:].lower(), text[2:].upper()) and not is_checksum_address(text):
        raise Refused(f"target {text!r} is mistyped: its upper and lower case do not fit (EIP-55)")
    if text.lower() in (NOBODY, *assets.by_address()):
        raise Refused(f"target {text!r} is nobody, or a token's contract: what goes there is lost")
    return text.lower()


def _check(job: Job, leg: Leg, settings: EvmSettings, assets: Assets) -> None:
    """What is special to an operation."""
    native = job.asset.address is None
    if job.operation is Operation.STAKE:
        if not native:
            raise Refused(f"{leg.token}: only {assets.native.symbol} is staked")
    elif native and job.operation is not Operation.TRANSFER:
        raise Refused(f"{leg.token}: a {job.operation} takes a token: name the wrapped one")
    if job.operation is Operation.UNSTAKE:
        if job.asset.symbol != STETH:
            raise Refused(f"{leg.token}: only {STETH} is unstaked")
        if leg.quantity > _MOST_STAKED:
            raise Refused(f"{leg.quantity}: at most {_MOST_STAKED} {STETH} in one order")
        if job.least_out is not None:
            raise Refused("least_out: the queue says what comes out days later, and takes no bound")
    if job.operation is Operation.SWAP:
        _check_swap(job, leg, settings)
    if _VENUES[job.operation] == AAVE and leg.token not in assets.supplied:
        raise Refused(f"{leg.token} is not at this pool of {AAVE}")


def _check_swap(job: Job, leg: Leg, settings: EvmSettings) -> None:
    if job.out is None or job.out.address is None or job.out.address == job.asset.address:
        raise Refused(f"token_out {leg.token_out!r} must be another token")
    if job.least_out is None and (settings.uniswap is None or settings.uniswap.slippage_bps is None):
        raise Refused("least_out is missing: name it, or configure uniswap.slippage_bps")


def need_of(job: Job, settings: EvmSettings) -> Need | None:
    """The allowance that an operation needs; None where it needs none."""
    spender = spender_of(job, settings)
    return (
        None if spender is None or job.asset.address is None else Need(job.asset.address, spender, job.count)
    )


def spender_of(job: Job, settings: EvmSettings) -> str | None:
    """Who takes the token of an operation out of the wallet."""
    if job.operation in (Operation.SUPPLY, Operation.REPAY) and settings.aave_v3 is not None:
        return settings.aave_v3.pool
    if job.operation is Operation.SWAP and settings.uniswap is not None:
        return settings.uniswap.router
    if job.operation is Operation.UNSTAKE and settings.lido is not None:
        return settings.lido.queue
    return None


def act(job: Job, settings: EvmSettings, wallet: str, payer: str, until: int) -> Call:
    """The call that does an operation.

    Args:
        wallet: whose supplies and debts it is about, and who gets what comes out.
        payer: who makes the call: the wallet, or the executor for it.
        until: seconds since 1970, for what has a deadline on chain.
    """
    token = job.asset.address
    if job.operation is Operation.TRANSFER:
        target = job.target or NOBODY
        return (
            Call(target, job.count)
            if token is None
            else call(token, "transfer(address,uint256)", target, job.count)
        )
    if job.operation is Operation.SWAP:
        return swap(job, settings, payer, until, job.least_out or 0)
    if job.operation is Operation.STAKE and settings.lido is not None:
        return call(settings.lido.steth, "submit(address)", NOBODY, value=job.count)
    if job.operation is Operation.UNSTAKE and settings.lido is not None:
        return call(settings.lido.queue, "requestWithdrawals(uint256[],address)", [job.count], wallet)
    if settings.aave_v3 is None:
        raise Refused(f"a {job.operation} needs {AAVE}, which is not configured")
    return _aave(job, settings.aave_v3.pool, wallet, payer)


def _aave(job: Job, pool: str, wallet: str, payer: str) -> Call:
    token, count = job.asset.address, job.count
    if job.operation is Operation.SUPPLY:
        return call(pool, "supply(address,uint256,address,uint16)", token, count, wallet, 0)
    if job.operation is Operation.WITHDRAW:
        return call(pool, "withdraw(address,uint256,address)", token, count, payer)
    if job.operation is Operation.BORROW:
        return call(pool, "borrow(address,uint256,uint256,uint16,address)", token, count, VARIABLE, 0, wallet)
    if job.operation is Operation.REPAY:
        return call(pool, "repay(address,uint256,uint256,address)", token, count, VARIABLE, wallet)
    raise Refused(f"a {job.operation} is only done in a bundle")


def swap(job: Job, settings: EvmSettings, payer: str, until: int, least: int) -> Call:
    """A swap of all that is given for at least so much."""
    if settings.uniswap is None or job.out is None:
        raise Refused(f"a swap needs {UNISWAP}, which is not configured")
    router, given, got = settings.uniswap.router, job.asset.address, job.out.address
    if settings.uniswap.version == 2:
        signature = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"
        return call(router, signature, job.count, least, [given, got], payer, until)
    signature = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
    terms = (given, got, settings.uniswap.fee, payer, until, job.count, least, 0)
    return call(router, signature, terms)
