"""Execution deltas: what an executed order moved, entry by entry, and reading them back.

An entry has `position_key`, `delta_amount`, `source`, `price` and `fee`; the fee is beside the amount, not in it. In
the ledger the fee is a delta of its own, so what a position moves by is the amount less the fee.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from ordergate.domain.errors import Code, Invalid, quoted
from ordergate.domain.money import exact
from ordergate.domain.positions.ledger import BASE_TOKEN, position_key
from ordergate.sdk.venues.handshakes import ExecutionHandshake
from ordergate.sdk.venues.models import Order
from ordergate.sdk.venues.names import canonical, known_as

ExecutionDelta = dict[str, Any]
_PARTS: Final = 3
_ALSO: Final[Mapping[str, str]] = {"token": BASE_TOKEN}
"""Other names of kinds of assets."""


def own_name(order: Order, broker: str) -> str:
    """The order's own venue in position keys: of a trade the broker, else as `known_as`."""
    return broker if order.is_cex_trade() else known_as(order.venue, broker)


def execution_deltas_of(handshake: ExecutionHandshake) -> list[ExecutionDelta]:
    """One entry for each thing that moved, the fee beside that of its asset, else in an entry of its own."""
    broker = handshake.venue_metadata.get("broker", canonical(handshake.order.venue))
    venue = own_name(handshake.order, broker)
    fees = dict(handshake.venue_metadata.get("fees") or {handshake.fee_currency: handshake.fee_amount})
    fee_of = {position_key(broker, currency): fee for currency, fee in fees.items() if fee}
    source = "transfer" if handshake.order.is_wallet_transfer() else "trade"

    def entry(key: str, amount: float, source: str) -> ExecutionDelta:
        return {
            "position_key": key,
            "delta_amount": amount,
            "source": source,
            "price": handshake.executed_price,
            "fee": fee_of.pop(key, 0.0),
        }

    moved = [
        entry(asset if asset.count(":") >= _PARTS - 1 else position_key(venue, asset), amount, source)
        for asset, amount in handshake.position_deltas.items()
    ]
    return moved + [entry(key, 0.0, "fee") for key in tuple(fee_of)]


def amounts_of(execution_deltas: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    """By position key, what entries move it by: the amount less the fee.

    Raises:
        Invalid: an entry is no entry.
    """
    moved: defaultdict[str, Decimal] = defaultdict(Decimal)
    for at, entry in enumerate(execution_deltas):
        for name in ("position_key", "delta_amount"):
            if entry.get(name) is None:
                raise Invalid(Code.MISSING, "is missing", f"#/{at}/{name}")
        key = key_of(entry["position_key"], f"#/{at}/position_key")
        amount = exact(entry["delta_amount"], f"#/{at}/delta_amount")
        moved[key] += amount - exact(entry.get("fee") or 0, f"#/{at}/fee")
    return dict(moved)


def key_of(key: object, pointer: str) -> str:
    """A position key as the ledger has it: `venue:type:symbol`, of which `token` is BaseToken.

    Raises:
        Invalid: it is no such key.
    """
    parts = str(key).split(":", _PARTS - 1)
    if not isinstance(key, str) or len(parts) != _PARTS or not all(parts):
        detail = f"{quoted(key)} is no position key: write venue:type:symbol, such as binance:BaseToken:BTC"
        raise Invalid(Code.BAD_VALUE, detail, pointer)
    venue, kind, symbol = parts
    return position_key(venue, symbol, _ALSO.get(kind, kind))
