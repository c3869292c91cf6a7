"""What an operation that is no trade moves, or why the venue does not do it. Pure: no record, no clock.

Supplies, loans and stakes are one for one: nothing accrues at this venue. Nothing is refused for want of funds.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.paper.rates import TOO_MUCH, Pairs, exchanged
from ordergate.domain.money import DIGITS, ONE, ZERO, divide, plain, text
from ordergate.domain.operations import Operation
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.operations import Leg, OperationTerms
from ordergate.domain.positions.ledger import position_key

_BASIS_POINTS: Final = Decimal(10_000)
_TRADE: Final = "trade"
NO_PRICE: Final = "no price: "
"""How the reason of a refusal begins, or that of a leg, where no quotes lead from one token to the other."""
_STAKED: Final = {"lido": "stETH", "etherfi": "eETH"}
"""What the venues give for what is staked there, where an order does not say it."""


class Costs(Struct, frozen=True, gc=False):
    """Of a swap, in basis points: how much worse than the quotes it comes out, and the fee on that."""

    slippage_bps: Decimal = ZERO
    fee_bps: Decimal = ZERO


class Effect(Struct, frozen=True, gc=False, kw_only=True):
    """What is moved: `now` at once; `later` says that `given_back` follows; `fees` by token, not in the deltas."""

    now: tuple[Delta, ...]
    later: bool = False
    fees: tuple[tuple[str, Decimal], ...] = ()


class Place(Struct, frozen=True, gc=False, kw_only=True):
    """Where operations are done.

    Attributes:
        name: the venue's own, which is that of plain tokens.
        unstakes_late: an unstake gives what was asked for some time after it took the staked token.
    """

    name: str
    pairs: Pairs
    costs: Costs
    unstakes_late: bool = False


def effect_of(
    operation: Operation, quantity: Decimal, token: str, terms: OperationTerms | None, place: Place
) -> Effect | str:
    """What an operation moves; the text says why nothing is done."""
    if operation is Operation.BUNDLE:
        return _bundle(() if terms is None else terms.legs, place)
    terms = terms or OperationTerms()
    leg = Leg(
        operation=operation,
        quantity=quantity,
        token=token,
        venue=terms.venue,
        token_out=terms.token_out,
        target=terms.target,
        least_out=terms.least_out,
    )
    if operation in (Operation.FLASH_BORROW, Operation.FLASH_REPAY):
        return "a flash loan is taken and repaid within one bundle"
    return _leg(leg, place)


def given_back(quantity: Decimal, token: str, terms: OperationTerms | None, name: str) -> Delta:
    """What an unstake gives at last, at the venue of that name."""
    got = token if terms is None or terms.token_out is None else terms.token_out
    return Delta(position_key(name, got), quantity, _TRADE)


def _bundle(legs: tuple[Leg, ...], place: Place) -> Effect | str:
    """All legs in their order, or none."""
    if not legs:
        return "a bundle needs legs"
    effects: list[Effect] = []
    for number, leg in enumerate(legs, 1):
        effect = _leg(leg, place)
        if isinstance(effect, str):
            return f"leg {number} of the bundle, {_article(leg.operation)}: {effect}"
        if effect.later:
            return f"leg {number} of the bundle, {_article(leg.operation)}: it takes its time, and a bundle does not"
        effects.append(effect)
    fees: defaultdict[str, Decimal] = defaultdict(Decimal)
    for effect in effects:
        for token, fee in effect.fees:
            fees[token] += fee
    moved = tuple(delta for effect in effects for delta in effect.now)
    return _unpaid_loan(legs) or Effect(now=moved, fees=tuple(fees.items()))


def _unpaid_loan(legs: tuple[Leg, ...]) -> str | None:
    """What is wrong with the flash loans of a bundle: each is taken before it is repaid, and repaid in whole."""
    owed: dict[tuple[str | None, str], Decimal] = {}
    for leg in legs:
        loan = leg.venue, leg.token
        if leg.operation is Operation.FLASH_BORROW:
            owed[loan] = owed.get(loan, ZERO) + leg.quantity
        elif leg.operation is Operation.FLASH_REPAY:
            if loan not in owed:
                return f"no flash loan of {leg.token} is there to be repaid"
            owed[loan] -= leg.quantity
    for (_venue, token), left in owed.items():
        if left > 0:
            return (
                f"the flash loan of {token} is not repaid within the bundle: {text(plain(left))} is missing"
            )
    return None


def _leg(leg: Leg, place: Place) -> Effect | str:
    if not leg.quantity.is_finite() or leg.quantity <= 0:
        return f"the quantity is {text(leg.quantity)}: it must be above zero"
    for name in ("token", "venue", "token_out", "target"):
        if ":" in (getattr(leg, name) or ""):
            return f"{name} is {getattr(leg, name)!r}: a name in a position key has no colon"
    match leg.operation:
        case Operation.SWAP:
            return _swap(leg, place)
        case Operation.TRANSFER:
            return _transfer(leg, place)
        case Operation.FLASH_BORROW:
            return Effect(now=(_plain(leg.token, leg.quantity, place),))
        case Operation.FLASH_REPAY:
            return Effect(now=(_plain(leg.token, -leg.quantity, place),))
        case Operation.SUPPLY | Operation.WITHDRAW | Operation.BORROW | Operation.REPAY:
            return _lending(leg, place)
        case Operation.STAKE | Operation.UNSTAKE:
            return _staking(leg, place)
    return "that is none of what a bundle can do"


def _lending(leg: Leg, place: Place) -> Effect:
    """A supply gives a claim, a loan a debt, both under the protocol's name; withdrawing and repaying take them away.

    A withdrawal counts what is got, unless it names that as `token_out`: then it counts the claim.
    """
    token, claim, sign = leg.token, leg.token_out or f"a{leg.token}", ONE
    if leg.operation is Operation.WITHDRAW:
        sign = -ONE
        if leg.token_out is not None:
            token, claim = leg.token_out, leg.token
    if leg.operation in (Operation.SUPPLY, Operation.WITHDRAW):
        held = _at(leg, "aToken", claim, sign * leg.quantity, place)
        return Effect(now=(_plain(token, -sign * leg.quantity, place), held))
    sign = ONE if leg.operation is Operation.BORROW else -ONE
    owed = _at(leg, "debtToken", f"variableDebt{token}", sign * leg.quantity, place)
    return Effect(now=(_plain(token, sign * leg.quantity, place), owed))


def _staking(leg: Leg, place: Place) -> Effect | str:
    """One for one. An unstake counts what is got, unless it names that as `token_out`: then what is given back."""
    known = _STAKED.get(leg.venue or place.name)
    if leg.operation is Operation.STAKE:
        staked = leg.token_out or known
        if staked is None or staked == leg.token:
            return "a stake needs token_out, what is got for what is staked"
        moved = _plain(leg.token, -leg.quantity, place)
        return Effect(now=(moved, _at(leg, "LST", staked, leg.quantity, place)))
    staked, got = (known, leg.token) if leg.token_out is None else (leg.token, leg.token_out)
    if staked is None or staked == got:
        return "an unstake needs token_out, what is got for what was staked"
    if leg.least_out is not None and leg.quantity < leg.least_out:
        return f"{text(leg.quantity)} {got} would come out, and at least {text(leg.least_out)} must"
    given = _at(leg, "LST", staked, -leg.quantity, place)
    if place.unstakes_late:
        return Effect(now=(given,), later=True)
    return Effect(now=(given, _plain(got, leg.quantity, place)))


def _swap(leg: Leg, place: Place) -> Effect | str:
    if leg.token_out is None or leg.token_out == leg.token:
        return "a swap needs token_out, another token than the one that is given"
    worth = exchanged(leg.quantity, leg.token, leg.token_out, place.pairs)
    if worth is None:
        return f"{NO_PRICE}nothing quotes {leg.token} in {leg.token_out}, nor both in dollars"
    if worth >= TOO_MUCH:
        return f"more {leg.token_out} would come out of {text(leg.quantity)} {leg.token} than can be counted"
    got = _part(worth, _BASIS_POINTS - place.costs.slippage_bps)
    fee = _part(got, place.costs.fee_bps)
    if got - fee <= 0:
        return f"nothing would come out of {text(leg.quantity)} {leg.token}"
    if leg.least_out is not None and got - fee < leg.least_out:
        return f"{text(plain(got - fee))} {leg.token_out} would come out, and at least {text(leg.least_out)} must"
    moved = _plain(leg.token, -leg.quantity, place), _plain(leg.token_out, got, place)
    return Effect(now=moved, fees=((leg.token_out, fee),) if fee else ())


def _transfer(leg: Leg, place: Place) -> Effect | str:
    if leg.target is None or leg.target == place.name:
        return "a transfer needs a target, a venue's name or an address, that is not where it starts"
    left = _plain(leg.token, -leg.quantity, place, "transfer")
    if leg.target.startswith("0x"):
        return Effect(now=(left,))  # out of every account that is known
    return Effect(now=(left, Delta(position_key(leg.target, leg.token), leg.quantity, "transfer")))


def _part(whole: Decimal, bps: Decimal) -> Decimal:
    return divide(whole * bps, _BASIS_POINTS, DIGITS)


def _plain(token: str, amount: Decimal, place: Place, source: str = _TRADE) -> Delta:
    return Delta(position_key(place.name, token), amount, source)


def _at(leg: Leg, kind: str, name: str, amount: Decimal, place: Place) -> Delta:
    return Delta(position_key(leg.venue or place.name, name, kind), amount, _TRADE)


def _article(operation: Operation) -> str:
    return f"an {operation.value}" if operation.value[0] in "aeiou" else f"a {operation.value}"
