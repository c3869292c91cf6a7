"""What an order does: a trade, or another operation on balances, such as a loan or a transfer.

A trade changes a position. Any other operation moves balances by what its executions say (their deltas), and no
position. Its symbol is the token that its quantity counts, as `token:USDC`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from ordergate.domain.errors import Code, Invalid, pointer_to, quoted
from ordergate.domain.identifiers import parse_key, parse_name
from ordergate.domain.instruments import TOKEN, Instrument
from ordergate.domain.money import parse_positive
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

MOST_LEGS: Final = 20


def side_of(operation: Operation) -> Side:
    """Of an order that is no trade: buy where its token is got, sell where it is given."""
    return Side.BUY if operation.gets else Side.SELL


class Leg(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One operation of a bundle; `token` is what its quantity counts, the rest as in `OperationTerms`."""

    operation: Operation
    quantity: Decimal
    token: str
    venue: str | None = None
    token_out: str | None = None
    target: str | None = None
    least_out: Decimal | None = None


class OperationTerms(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What an operation needs beside its token and quantity.

    Attributes:
        venue: the protocol or venue at which it is done, such as `aave_v3`; None is the broker itself.
        token_out: what is got, where that is another token than the order's.
        target: where a transfer goes: a venue's name, or an address.
        least_out: of a swap, or what is unstaked: if less came out, nothing is done.
        legs: of a bundle, in their order.
    """

    venue: str | None = None
    token_out: str | None = None
    target: str | None = None
    least_out: Decimal | None = None
    legs: tuple[Leg, ...] = ()


def legs_of(terms: OperationTerms | None) -> tuple[Leg, ...]:
    """Those of a bundle."""
    return () if terms is None else terms.legs


def operations_in(operation: Operation, terms: OperationTerms | None) -> tuple[Operation, ...]:
    """All that an order does: of a bundle also what its legs do."""
    return (operation, *(leg.operation for leg in legs_of(terms)))


def symbols_in(symbol: str, terms: OperationTerms | None) -> tuple[str, ...]:
    """All that an order gives or gets: its symbol, and the tokens that its terms and their legs name."""
    if terms is None:
        return (symbol,)
    tokens = (terms.token_out, *(token for leg in legs_of(terms) for token in (leg.token, leg.token_out)))
    return (symbol, *(f"{TOKEN}{token}" for token in tokens if token is not None))


def operation_of(asked: Operation, instrument: Instrument) -> Operation:
    """What an order does: a trade in a perpetual is one of its kind, whether or not it says so."""
    return Operation.PERP_TRADE if asked is Operation.SPOT_TRADE and instrument.perpetual else asked


def check_operation(
    operation: Operation,
    terms: OperationTerms | None,
    instrument: Instrument,
    order_type: OrderType,
    side: Side,
    tif: TimeInForce,
) -> None:
    """Refuses an operation that does not go with the order's symbol and terms.

    Raises:
        Invalid: naming the field and what would be right.
    """
    symbol = instrument.symbol
    if operation.is_trade:
        if terms is not None:
            raise Invalid(Code.BAD_VALUE, f"are given, and a {operation} has none", "#/terms")
        if symbol.startswith(TOKEN):
            detail = f"{quoted(symbol)} is a token: name the pair or perpetual in which it is traded"
            raise Invalid(Code.BAD_VALUE, detail, "#/symbol")
        if operation is Operation.PERP_TRADE and not instrument.perpetual:
            raise Invalid(Code.BAD_VALUE, f"perp_trade, and {symbol} is no perpetual", "#/operation")
        return
    if not symbol.startswith(TOKEN):
        detail = (
            f"{quoted(symbol)} is no token: write {TOKEN}NAME, of what the quantity of a {operation} counts"
        )
        raise Invalid(Code.BAD_VALUE, detail, "#/symbol")
    if order_type is not OrderType.MARKET:
        raise Invalid(Code.BAD_VALUE, f"{order_type}: a {operation} is a market order", "#/order_type")
    if side is not side_of(operation):
        raise Invalid(Code.BAD_VALUE, f"{side}: a {operation} is a {side_of(operation)}", "#/side")
    if tif not in (TimeInForce.GTC, TimeInForce.GTD):
        raise Invalid(Code.BAD_VALUE, f"{tif}: a {operation} is gtc, or gtd with an end to its time", "#/tif")
    check_terms(operation, terms or OperationTerms())


def check_terms(operation: Operation, terms: OperationTerms) -> None:
    """Refuses terms that the operation needs and has not, or has and does not know; those of each leg too.

    Raises:
        Invalid: naming the field.
    """
    if operation is not Operation.BUNDLE:
        _check_needs(operation, terms, "#/terms")
        if terms.legs:
            raise Invalid(Code.BAD_VALUE, f"are given, and a {operation} is no bundle", "#/terms/legs")
        return
    if not 2 <= len(terms.legs) <= MOST_LEGS:
        detail = f"{len(terms.legs)} legs: a bundle has 2 to {MOST_LEGS}"
        raise Invalid(Code.BAD_VALUE, detail, "#/terms/legs")
    for at, leg in enumerate(terms.legs):
        where = f"#/terms/legs/{at}"
        if leg.operation is Operation.BUNDLE or leg.operation.is_trade:
            detail = f"{leg.operation} is none of what a bundle can do"
            raise Invalid(Code.BAD_VALUE, detail, f"{where}/operation")
        _check_needs(leg.operation, leg, where)


def _check_needs(operation: Operation, terms: OperationTerms | Leg, where: str) -> None:
    for name in _NEEDS.get(operation, ()):
        if getattr(terms, name) is None:
            raise Invalid(Code.MISSING, f"is missing: a {operation} needs one", f"{where}/{name}")
    if terms.target is not None and operation is not Operation.TRANSFER:
        raise Invalid(Code.BAD_VALUE, f"is given, and a {operation} goes nowhere else", f"{where}/target")


_NEEDS: Final[Mapping[Operation, tuple[str, ...]]] = {
    Operation.SWAP: ("token_out",),
    Operation.TRANSFER: ("target",),
}


def parse_operation(value: object, pointer: str) -> Operation:
    """An operation from its text. Raises Invalid, with those that there are."""
    try:
        return Operation(value)  # type: ignore[arg-type]
    except ValueError:
        known = ", ".join(Operation)
        raise Invalid(Code.BAD_VALUE, f"{quoted(value)} is none of {known}", pointer) from None


def _legs(value: object, pointer: str) -> tuple[Leg, ...]:
    if not isinstance(value, list | tuple):
        raise Invalid(Code.WRONG_TYPE, f"{quoted(value)} is no list of legs", pointer)
    return tuple(_leg(one, f"{pointer}/{at}") for at, one in enumerate(value[: MOST_LEGS + 1]))


_TERMS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "venue": parse_name,
    "token_out": parse_name,
    "target": parse_key,
    "least_out": parse_positive,
}
_OF_A_LEG: Final = {
    "operation": parse_operation, "quantity": parse_positive, "token": parse_name, **_TERMS,
}  # fmt: skip
_OF_TERMS: Final = {**_TERMS, "legs": _legs}


def parse_terms(value: object, pointer: str) -> OperationTerms:
    """The terms of an operation from a JSON object. Raises Invalid, naming the field."""
    return OperationTerms(**_read(value, _OF_TERMS, pointer))


def _leg(value: object, pointer: str) -> Leg:
    found = _read(value, _OF_A_LEG, pointer)
    for name in ("operation", "quantity", "token"):
        if name not in found:
            raise Invalid(Code.MISSING, "is missing", f"{pointer}/{name}")
    return Leg(**found)


def _read(value: object, fields: Mapping[str, Callable[[object, str], Any]], pointer: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid(Code.WRONG_TYPE, f"{quoted(value)} is no JSON object", pointer)
    for name in value:
        if name not in fields:
            where = f"{pointer}{pointer_to(str(name))[1:]}"
            raise Invalid(Code.UNKNOWN_FIELD, f"no such field; there are {', '.join(fields)}", where)
    return {name: fields[name](one, f"{pointer}/{name}") for name, one in value.items() if one is not None}
