"""What the demo sends as a risk service would; over NATS approved signals, a rejected one, and one that is none."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote
from ordergate.domain.money import text
from ordergate.domain.times import format_time
from ordergate.protocols.subjects import token

APPROVED: Final = "signals.approved.>"
REJECTED: Final = "signals.rejected.>"
_MOST: Final = 3
_STEPS: Final = 10


class Fate(StrEnum):
    """What is to become of it."""

    ORDER = "order"
    NOTHING = "nothing"
    DEAD = "dead letter"


class Sent(Struct, frozen=True, kw_only=True):
    """A message. One whose fate is to be a dead letter cannot be read, so its signal is not known."""

    subject: str
    data: bytes
    fate: Fate
    signal_id: str | None = None


def wishes(
    source: str,
    quotes: Iterable[Quote],
    catalogue: Callable[[str], Instrument | None],
    held: Mapping[str, Decimal],
    now: datetime,
) -> list[dict[str, str]]:
    """At most three signals, each for what the market shows now.

    Args:
        source: is in their ids.
        held: quantities by symbol; of what is held some is sold, anything else is bought.
    """
    made: list[dict[str, str]] = []
    for quote in sorted(quotes, key=lambda one: one.symbol):
        instrument = catalogue(quote.symbol)
        quantity = None if instrument is None else _quantity(instrument, quote)
        if quantity is not None and len(made) < _MOST:
            sells = held.get(quote.symbol, Decimal(0)) >= quantity
            made.append(_wish(f"demo-{source}-{len(made) + 1}", quote, quantity, now, sells=sells))
    return made


def messages(made: Sequence[Mapping[str, str]]) -> list[Sent]:
    """Those signals, approved; among them what makes no order."""
    if not made:
        return []
    first = dict(made[0])
    rejected = first | {"signal_id": "demo-nats-rejected"}
    broken = json.dumps(first | {"signal_id": "demo-nats-broken"})[:-20].encode()
    approved = [_sent("approved", wish, Fate.ORDER) for wish in made]
    poison = Sent(subject=approved[0].subject, data=broken, fate=Fate.DEAD)
    return [_sent("rejected", rejected, Fate.NOTHING), approved[0], poison, *approved[1:]]


def _quantity(instrument: Instrument, quote: Quote) -> Decimal | None:
    """Some steps; fewer where both sides of the quote do not have so much, None where they have not even the least."""
    shown = [size for size in (quote.bid_size, quote.ask_size) if size is not None]
    least = max(instrument.minimum, instrument.lot_step)
    for quantity in (least * _STEPS, least):
        if all(size >= quantity for size in shown):
            return quantity
    return None


def _wish(signal_id: str, quote: Quote, quantity: Decimal, now: datetime, *, sells: bool) -> dict[str, str]:
    return {
        "signal_id": signal_id,
        "symbol": quote.symbol,
        "signal_type": "sell" if sells else "buy",
        "entry_price": text(quote.bid if sells else quote.ask),
        "position_size": text(quantity),
        "time": format_time(now),
    }


def _sent(word: str, wish: Mapping[str, str], fate: Fate) -> Sent:
    return Sent(
        subject=f"signals.{word}.{token(wish['symbol'])}",
        data=json.dumps(wish).encode(),
        fate=fate,
        signal_id=wish["signal_id"],
    )
