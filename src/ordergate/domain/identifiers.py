"""Names: what a caller may call things, and what a broker hears.

The client order id of a request is derived from the order's id and the request's number, so it can be
computed again after any crash, and an order be found from any report. 36 characters of `A-Za-z0-9._-` are
what the strictest venues take (Alpaca, Binance), hence the 32 for our own ids.
"""

import re
from typing import Final

from ordergate.domain.errors import Code, Invalid, quoted

_ORDER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_MADE_HERE: Final = re.compile(r"ord-(?:[0-9a-hjkmnp-tv-z]{26}|[0-9]{6})\.[1-9][0-9]{0,2}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
_LONGEST_KEY: Final = 255
MOST_REQUESTS: Final = 999


def parse_order_id(value: object, pointer: str) -> str:
    """An order id: 1 to 32 letters, digits, `_` or `-`, the first a letter or digit."""
    return _match(_ORDER_ID, value, pointer, "1 to 32 letters, digits, '_' or '-', such as ord-abc")


def parse_name(value: object, pointer: str) -> str:
    """A name of a fund, strategy, broker or actor: 1 to 64 letters, digits or `._/-`."""
    return _match(_NAME, value, pointer, "1 to 64 letters, digits or '._/-'")


def parse_key(value: object, pointer: str) -> str:
    """An idempotency key, signal id or order manager: 1 to 255 printable characters."""
    if not isinstance(value, str):
        raise Invalid(Code.WRONG_TYPE, f"{quoted(value)} is not text", pointer)
    if not 0 < len(value) <= _LONGEST_KEY or not value.isprintable():
        raise Invalid(Code.BAD_VALUE, f"{quoted(value)} is not 1 to 255 printable characters", pointer)
    return value


def _match(pattern: re.Pattern[str], value: object, pointer: str, right: str) -> str:
    if not isinstance(value, str):
        raise Invalid(Code.WRONG_TYPE, f"{quoted(value)} is not text", pointer)
    if not pattern.fullmatch(value):
        raise Invalid(Code.BAD_VALUE, f"{quoted(value)} is not {right}", pointer)
    return value


def client_order_id(order_id: str, number: int) -> str:
    """What the broker calls the `number`-th request of an order."""
    return f"{order_id}.{number}"


def is_client_order_id(client_id: str) -> bool:
    """Whether it looks like one that we give: an order's id and a request's number."""
    order_id, _dot, number = client_id.rpartition(".")
    return _ORDER_ID.fullmatch(order_id) is not None and number.isascii() and number.isdecimal()


def is_made_here(client_id: str) -> bool:
    """Whether only ordergate names a request so: by an order id that it made, and a number.

    An id that a caller has chosen can be anybody's.
    """
    return _MADE_HERE.fullmatch(client_id) is not None


def order_id_of(client_id: str) -> str:
    """The order that a client order id belongs to (the text itself, where it is none of ours)."""
    return client_id.rpartition(".")[0] or client_id
