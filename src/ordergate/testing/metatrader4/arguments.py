"""What is wrong with a command before anything is done about it."""

import re
from decimal import Decimal
from typing import Any, Final

from ordergate.testing.metatrader4.account import TYPES

TRADING: Final = ("open", "close", "close_by", "modify", "delete")
OPERATIONS: Final = (*TRADING, "seal", "time", "history")
_ID: Final = re.compile(r"[a-z2-7]{26}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,8})?")
_PRINTABLE: Final = re.compile(r"[ -~]*")


class Wrong(Exception):
    """Which argument, its value, and what would be right."""


def shown(command: dict[str, Any], key: str) -> str:
    """An argument in an error's text."""
    if key not in command:
        return f"{key} is missing"
    value = command[key]
    return f'{key} is "{value}"' if isinstance(value, str) else f"{key} is {int(value)}"


def command_in(fields: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    """The command, if it is one that agrees with its file's name."""
    if fields is None or fields.get("v") != 1 or fields.get("kind") != "command":
        return None
    numbers = [fields.get(key) for key in ("gen", "seq", "sent_at", "expires_at")]
    texts = [fields.get(key) for key in ("id", "ref", "op")]
    if not all(type(one) is int for one in numbers) or not all(isinstance(one, str) for one in texts):
        return None
    if name != f"cmd-{fields['gen']:012d}-{fields['seq']:010d}.json" or not _ID.fullmatch(fields["id"]):
        return None
    return fields


def whole(command: dict[str, Any], key: str, default: int | None = None) -> int:
    """A number without a fraction. Raises Wrong."""
    value = command.get(key, default)
    if type(value) is not int or value < 0:
        raise Wrong(f"{shown(command, key)}: a whole number is needed")
    return value


def text(command: dict[str, Any], key: str, most: int) -> str:
    """Printable ASCII. Raises Wrong."""
    value = command.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= most or not _PRINTABLE.fullmatch(value):
        raise Wrong(f"{shown(command, key)}: 1 to {most} printable ASCII characters are needed")
    return value


def decimal(command: dict[str, Any], key: str, default: str | None = None) -> Decimal:
    """A price or volume. Raises Wrong."""
    value = command.get(key, default)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise Wrong(f"{shown(command, key)}: a decimal such as 1.2345 is needed")
    return Decimal(value)


def kind_of(command: dict[str, Any]) -> int:
    """MT4's number of an order type. Raises Wrong."""
    value = command.get("type")
    if value not in TYPES[:6]:
        raise Wrong(f"{shown(command, 'type')}: one of {', '.join(TYPES[:6])} is needed")
    return TYPES.index(value)


def until_of(command: dict[str, Any], offset_s: int | None) -> int:
    """`expiry` on the server's clock; 0 is none. Raises Wrong."""
    expiry = whole(command, "expiry", 0)
    if expiry and offset_s is None:
        raise Wrong(f"{shown(command, 'expiry')}: the server's clock is not known before the next price")
    return expiry + (offset_s or 0) if expiry else 0
