"""Which order at the exchange a request of ours is, and when its absence is proven."""

from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.ccxt.library import CALL
from ordergate.adapters.brokers.ccxt.outcomes import Evidence, names_of
from ordergate.adapters.brokers.ccxt.reading import Found, Place, Unreadable, executed, place_of, standing
from ordergate.adapters.brokers.ccxt.sessions import Session
from ordergate.adapters.brokers.ccxt.settings import MARGIN_S, CcxtSettings
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import AnyReport

_OTHERS: Final = 8
"""Requests of an order that are looked for by their number, where the order's id at the exchange is not known."""
_MOST: Final = 10_000


class _Sent(Struct):
    """A submit of this process.

    Attributes:
        until: the exchange's time, in ms, at which its call had ended; None while it is under way.
    """

    symbol: str
    until: int | None = None


class Submits:
    """The submits of this process, whatever became of them."""

    def __init__(self, settings: CcxtSettings) -> None:
        self._settings = settings
        self._sent: dict[str, _Sent] = {}

    def begin(self, client_id: str, symbol: str) -> None:
        """One is about to leave."""
        self._sent[client_id] = _Sent(symbol)
        if len(self._sent) > _MOST:
            del self._sent[next(iter(self._sent))]

    def end(self, client_id: str, at_ms: int) -> None:
        """Its call has ended, at that time of the exchange's."""
        sent = self._sent.get(client_id)
        if sent is not None:
            sent.until = at_ms

    def symbols_of(self, client_id: str, symbol: str | None) -> tuple[str, ...]:
        """Where an order of that id can be: what another process had sent can be anywhere, if nobody says where."""
        sent = self._sent.get(client_id)
        known = symbol if sent is None else sent.symbol
        return self._settings.symbols if known is None else (known,)

    async def are_over(self, session: Session, client_id: str) -> bool:
        """Whether what was sent under that id, by whomever, can no longer reach the order book.

        Every request carries its time, and the exchange takes none that is older than the window: neither on arrival
        nor, on spot, before the order book. What another process had sent was sent before this session began.
        """
        now, sent = await session.link.time_ms(), self._sent.get(client_id)
        if sent is not None and sent.until is None:
            return False
        last = session.began_ms if sent is None or sent.until is None else sent.until
        return now > last + 1_000 * (self._settings.window_s + MARGIN_S)


def seen_at(session: Session, client_id: str, broker_order_id: str | None) -> Place | None:
    """Where an order of ours is, without asking; None where that is not known, or its market is gone."""
    place = place_of(broker_order_id) or session.telling.place_of(client_id)
    return None if place is None or session.link.market(place.symbol) is None else place


async def find(
    session: Session, sent: Submits, client_id: str, broker_order_id: str | None, symbol: str | None = None
) -> Found | None:
    """The order that a request belongs to; None where every question was answered with "no such order".

    Raises ccxt's errors, and Unreadable.

    Args:
        symbol: that the order is in, where that is known: each other is one more question.
    """
    place = seen_at(session, client_id, broker_order_id)
    if place is not None:
        found = await session.link.if_there(place)
        if found is not None and order_id_of(found.client_id or "") == order_id_of(client_id):
            return found
    for candidate in candidates(client_id):
        for there in sent.symbols_of(candidate, symbol):
            found = await _by_client_id(session, candidate, there)
            if found is not None:
                return found
    return None


async def _by_client_id(session: Session, client_id: str, symbol: str) -> Found | None:
    """None only where the exchange says, in an answer that can be read, that there is none."""
    evidence, known = Evidence(), session.link.known
    token = CALL.set(evidence)
    try:
        return await session.link.order_of(client_id, symbol)
    except Exception as error:
        absent = "OrderNotFound" in names_of(error) and evidence.told is error
        if absent and known.absent_code in (None, evidence.code):
            return None
        raise
    finally:
        CALL.reset(token)


async def reports_of(session: Session, found: Found, broker: str) -> tuple[AnyReport, ...]:
    """Everything about an order. Raises ccxt's errors, and Unreadable where it is not all there yet."""
    trades = await session.link.trades_of(found)
    traded = sum((one.quantity for one in trades), ZERO)
    if traded != found.filled:
        raise Unreadable(f"{found.place.name} has {found.filled} filled, and its trades are {traded}")
    session.telling.learn(found.place, found.client_id)
    return (*(executed(one, broker, found.client_id) for one in trades), standing(found, broker))


def candidates(client_id: str) -> list[str]:
    """The requests of its order under which the exchange may have it: itself, then the others, the first first."""
    order, _dot, number = client_id.rpartition(".")
    last = int(number) if number.isascii() and number.isdecimal() else 0
    return [client_id, *(f"{order}.{other}" for other in range(1, min(last, _OTHERS + 1)))]
