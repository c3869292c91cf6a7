"""What is known of an exchange from its own documents and is not in ccxt: one row an exchange that was tried.

An exchange without a row works, on less: what is not proven of it is not claimed.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ordergate.domain.identifiers import is_client_order_id, is_made_here


class Known(Struct, frozen=True, kw_only=True):
    """One row.

    Attributes:
        client_ids: which of our client ids it takes as they are; None: only letters and digits, at most 32, are sent.
        deduplicates: it refuses a client id that a working order has.
        duplicate: codes and messages with which it does.
        not_taken: codes with which it refuses a request before it looks at the order: the same order may be sent
            again.
        login: codes with which it refuses who asks.
        absent_code: with which it says that there is no order of a client id. On spot that is proof once a request
            can no longer arrive: it looks at a request's time on arrival and again before the order book, and takes
            none that is older than its window. Of perpetuals arrival alone is documented: nothing bounds how long
            what was taken may wait for the book, and no absence is proven.
        trades_of: how its question for trades names the order that they are of.
        trades_from: how it names the number of the first one; the numbers of a symbol's trades rise.
        remembers_s: how long it knows any order that has ended.
    """

    client_ids: re.Pattern[str] | None = None
    deduplicates: bool = False
    duplicate: frozenset[int | str] = frozenset()
    not_taken: frozenset[int] = frozenset()
    login: frozenset[int] = frozenset()
    absent_code: int | None = None
    trades_of: str | None = None
    trades_from: str | None = None
    remembers_s: float | None = None


UNKNOWN: Final = Known()
KNOWN: Final[Mapping[str, Known]] = {
    "binance": Known(
        client_ids=re.compile(r"[.A-Z:/a-z0-9_-]{1,36}"),
        deduplicates=True,
        duplicate=frozenset({-4116, "Duplicate order sent."}),
        not_taken=frozenset({-1003, -1015, -1021}),  # weight, orders a time, timestamp
        login=frozenset({-1022, -2014, -2015}),  # signature, key's format, key or address or permission
        absent_code=-2013,
        trades_of="orderId",
        trades_from="fromId",
        remembers_s=2 * 86_400.0,  # futures: three days of what ended without a fill, 90 of the rest
    ),
}
"""By ccxt's name of the exchange."""
_COMPACT: Final = re.compile(r"o([0-9a-hjkmnp-tv-z]{26})([0-9]{3})")


def known_of(exchange: str) -> Known:
    """The row of an exchange; one of which nothing is known has an empty one."""
    return KNOWN.get(exchange, UNKNOWN)


def theirs(client_id: str, known: Known) -> str | None:
    """Our client id as the exchange takes it; None where it takes none such. `ours` gives it back."""
    if known.client_ids is not None:
        return client_id if known.client_ids.fullmatch(client_id) else None
    order, _dot, number = client_id.rpartition(".")
    return f"o{order[4:]}{int(number):03d}" if is_made_here(client_id) and len(order) == 30 else None


def ours(said: str | None, known: Known) -> str | None:
    """Our client id of an order at the exchange; None where the order is somebody else's."""
    if not said:
        return None
    if known.client_ids is not None:
        return said if is_client_order_id(said) else None
    found = _COMPACT.fullmatch(said)
    return f"ord-{found[1]}.{int(found[2])}" if found else None
