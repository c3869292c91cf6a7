"""The argument checks of the package, with its texts. Raises Failed (-2) where it would return None.

Floats must be float: an int is refused. Integers must be int: `numpy.int64` is refused, bool and IntEnum are taken.
Texts have at most 29 UTF-16 units.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.structs import TradeRequest
from ordergate.testing.metatrader5.texts import Failed

LONGEST: Final = 29
_U32: Final = frozenset({"action", "type", "type_filling", "type_time"})
_SIGNED: Final = frozenset({"expiration"})


def wrong(text: str) -> Failed:
    """Of the arguments."""
    return Failed(mt5.RES_E_INVALID_PARAMS, text)


def invalid(name: str) -> Failed:
    """Of a named argument."""
    return wrong(f'Invalid "{name}" argument')


def units(text: str) -> int:
    """How many UTF-16 code units it has."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def short_text(name: str, value: Any) -> str:
    """Raises Failed."""
    if not isinstance(value, str) or units(value) > LONGEST:
        raise invalid(name)
    return value


def whole(name: str, value: Any, bits: int = 64, signed: bool = False) -> int:
    """Raises Failed."""
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    if not isinstance(value, int) or not least <= value < most:
        raise invalid(name)
    return int(value)


def request(given: Any) -> dict[str, Any]:
    """All seventeen fields, in order. Raises Failed at the first that is wrong."""
    if not isinstance(given, dict):
        raise wrong("Invalid arguments")
    return {name: _field(name, kind, given) for name, kind in TradeRequest.FIELDS.items()}


def _field(name: str, kind: type, given: dict[str, Any]) -> Any:
    if name not in given:
        return kind()
    value = given[name]
    if kind is float:
        if not isinstance(value, float):
            raise invalid(name)
        return float(value)
    if kind is str:
        return short_text(name, value)
    return whole(name, value, 32 if name in _U32 else 64, signed=name in _SIGNED)


def only_request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """`order_send(request)`, or `order_send(**request)`."""
    if kwargs and args:
        raise wrong("Unnamed arguments not allowed")
    if not kwargs and len(args) != 1:
        raise wrong("Invalid number of arguments")
    return request(kwargs or args[0])


def initializing(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of `initialize`. What was not given is left out."""
    if len(args) > 1:
        raise wrong("Invalid number of arguments")
    path = {"path": _long_text(args[0], 257, wrong("Invalid 1st unnamed argument"))} if args else {}
    named = _access(kwargs)
    if "path" in kwargs:
        path = {"path": _long_text(kwargs["path"], 257, invalid("path"))}
    return path | named


def logging_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of `login(login, password, server)`. What was not given is left out."""
    if len(args) > 3:
        raise wrong("Invalid number of arguments")
    given: dict[str, Any] = {}
    for value, name, place in zip(args, ("login", "password", "server"), ("1st", "2nd", "3rd"), strict=False):
        refused = wrong(f"Invalid {place} unnamed argument")
        if name != "login":
            given[name] = _long_text(value, 253, refused)
        elif not isinstance(value, int) or not 0 <= value < 2**64:
            raise refused
        else:
            given[name] = int(value)
    given |= _access(kwargs)
    if not given.get("login"):
        raise invalid("login")
    return given


def _access(kwargs: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if "login" in kwargs:
        given["login"] = whole("login", kwargs["login"])
    for name in ("server", "password"):
        if name in kwargs:
            given[name] = _long_text(kwargs[name], 253, invalid(name))
    if "timeout" in kwargs:
        given["timeout"] = whole("timeout", kwargs["timeout"], bits=32)
    return given


def _long_text(value: Any, most: int, refused: Failed) -> str:
    if not isinstance(value, str) or units(value) > most:
        raise refused
    return value


def at(value: Any) -> int:
    """A date as seconds: a datetime, naive in local time, or a number. 32 bits. Raises Failed."""
    if isinstance(value, datetime):
        value = value.timestamp()
    if not isinstance(value, int | float) or not -(2**31) <= value < 2**31:
        raise wrong("Invalid arguments")
    return int(value)


def only_symbol(args: Sequence[Any]) -> dict[str, Any]:
    """The one argument. Raises Failed."""
    if len(args) != 1:
        raise wrong("Invalid arguments")
    return {"symbol": _long_text(args[0], LONGEST, wrong("Invalid arguments"))}


def selected(args: Sequence[Any]) -> dict[str, Any]:
    """Of `symbol_select(symbol, enable)`."""
    given = only_symbol(args[:1] if len(args) == 2 else args)
    return {**given, "enable": bool(args[1])} if len(args) == 2 else given


def grouped(args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of `symbols_get(group)`."""
    if len(args) > 1:
        raise wrong("Invalid number of arguments")
    given = {"group": _long_text(args[0], 1997, wrong("Invalid 1st unnamed argument"))} if args else {}
    return given | _group(kwargs)


def _group(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {"group": _long_text(kwargs["group"], 1997, invalid("group"))} if "group" in kwargs else {}


def chosen(args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of `orders_get` and `positions_get`: by name alone, the ticket before the symbol before the group."""
    if args:
        raise wrong("Unnamed arguments not allowed")
    if "ticket" in kwargs:
        return {"ticket": whole("ticket", kwargs["ticket"])}
    if "symbol" in kwargs:
        return {"symbol": short_text("symbol", kwargs["symbol"])}
    return _group(kwargs)


def dates(args: Sequence[Any]) -> dict[str, Any]:
    """Of `history_*_total(date_from, date_to)`."""
    if len(args) != 2:
        raise wrong("Invalid arguments")
    return {"date_from": at(args[0]), "date_to": at(args[1])}


def span(args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Of `history_*_get`: two unnamed dates, with a group (a ticket beside them is not looked at); or by name."""
    if len(args) == 2:
        given: dict[str, Any] = {"date_from": at(args[0]), "date_to": at(args[1])}
        return given | _group(kwargs)
    for name in ("ticket", "position"):
        if name in kwargs:
            if args:
                raise wrong("Unnamed arguments not allowed")
            return {name: whole(name, kwargs[name])}
    raise wrong("Invalid arguments")


def calculated(names: Sequence[str], args: Sequence[Any]) -> dict[str, Any]:
    """Of `order_calc_*`: an order type, a symbol, and numbers, whole ones too. Raises Failed."""
    if len(args) != len(names):
        raise wrong("Invalid arguments")
    kind, symbol, *numbers = args
    if not isinstance(kind, int) or not all(isinstance(one, int | float) for one in numbers):
        raise wrong("Invalid arguments")
    name = _long_text(symbol, LONGEST, wrong("Invalid arguments"))
    return dict(zip(names, [int(kind), name, *(float(one) for one in numbers)], strict=True))


def copied(names: Sequence[str], args: Sequence[Any]) -> dict[str, Any]:
    """Of `copy_*`: a symbol first, then dates where the name says so, and whole numbers. Raises Failed."""
    if len(args) != len(names):
        raise wrong("Invalid arguments")
    given: dict[str, Any] = only_symbol(args[:1])
    for name, value in zip(names[1:], args[1:], strict=True):
        if not name.startswith("date_") and not isinstance(value, int):
            raise wrong("Invalid arguments")
        given[name] = at(value)
    return given
