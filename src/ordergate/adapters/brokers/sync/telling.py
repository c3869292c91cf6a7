"""What a class says of the account: positions, and money where it tells. Half of it is nothing."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ordergate.adapters.brokers.sync.reading import Unreadable, shown
from ordergate.domain.errors import Invalid
from ordergate.domain.money import ZERO, exact

_SELLING: Final = ("sell", "short")
Told = tuple[dict[str, Decimal], dict[str, Decimal] | None]


def tells(broker: object) -> bool:
    """Whether a class has the method that tells of positions."""
    return hasattr(broker, "get_positions")


def account(broker: Any) -> Told:
    """Positions by symbol, signed, and, where there is `get_balances`, money by currency.

    `get_positions` gives a mapping of symbols to signed quantities, or a list of objects or mappings with `symbol`,
    `quantity` (or `volume`) and, where that is unsigned, `side`. Of one symbol all are added up.

    Raises:
        Unreadable: the class raised, or said something else.
    """
    try:
        said = broker.get_positions()
        positions = _by_name(said, "get_positions") if isinstance(said, Mapping) else _listed(said)
        balances = None
        if hasattr(broker, "get_balances"):
            balances = _by_name(broker.get_balances(), "get_balances")
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"get_positions: {type(error).__name__}: {error}") from error
    return positions, balances


def _by_name(said: object, method: str) -> dict[str, Decimal]:
    if not isinstance(said, Mapping) or not all(isinstance(name, str) for name in said):
        raise Unreadable(f"{method} said {shown(said)}, no mapping by name")
    return {name: _number(value, f"{method}: {name}") for name, value in said.items()}


def _listed(said: object) -> dict[str, Decimal]:
    if not isinstance(said, list | tuple):
        raise Unreadable(f"get_positions said {shown(said)}, neither a mapping nor a list")
    sums: dict[str, Decimal] = {}
    for one in said:
        symbol = _part(one, "symbol")
        quantity = _part(one, "quantity")
        amount = _number(_part(one, "volume") if quantity is None else quantity, "get_positions: quantity")
        if not isinstance(symbol, str) or not symbol:
            raise Unreadable(f"get_positions said {shown(one)}, which names no symbol")
        side = _part(one, "side")
        if side is not None and str(getattr(side, "value", side)).lower() in _SELLING:
            amount = -abs(amount)
        sums[symbol] = sums.get(symbol, ZERO) + amount
    return sums


def _part(one: object, name: str) -> Any:
    return one.get(name) if isinstance(one, Mapping) else getattr(one, name, None)


def _number(value: object, what: str) -> Decimal:
    try:
        return exact(value, what)
    except Invalid as error:
        raise Unreadable(f"{what} is {shown(value)}: {error.detail}") from None
