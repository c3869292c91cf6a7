"""Rows of the terminal as reports of ours: deals are the only fills, and only orders end."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.commands import Past
from ordergate.adapters.brokers.mt5.link import Row
from ordergate.adapters.brokers.mt5.naming import client_id_of
from ordergate.adapters.brokers.mt5.server_clock import ServerClock
from ordergate.adapters.brokers.mt5.settings import Mt5Settings
from ordergate.adapters.brokers.mt5.symbols import Symbol, Unreadable, lots, number, quantity_of, whole
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.reports import End, Executed, Replaced
from ordergate.domain.orders.states import ExecutionKind, OrderType, Side

_ENDS: Final[Mapping[int, End]] = {
    c.STATE_CANCELED: End.CANCELED,
    c.STATE_PARTIAL: End.CANCELED,  # the rest of an order that ended with a part of it
    c.STATE_REJECTED: End.REJECTED,
    c.STATE_EXPIRED: End.EXPIRED,
}
_IN_WORDS: Final = {
    c.STATE_CANCELED: "canceled",
    c.STATE_PARTIAL: "ended with a part of it filled",
    c.STATE_REJECTED: "rejected",
    c.STATE_EXPIRED: "expired",
}

_BY_SERVER: Final = {c.REASON_SL: OrderType.STOP, c.REASON_TP: OrderType.LIMIT}
"""As which type of order the server closes; a stop out is at the market."""


class Ticket(Struct, frozen=True, kw_only=True):
    """An order at the terminal.

    Attributes:
        volume: that it was made with, in lots; `filled` is what was traded of it.
        ended: it works no longer.
        end: how it ended, without being filled; None where it works, or is filled.
        why: the same, in words.
        setup_ms: when it was made, on the server's clock.
    """

    number: int
    symbol: str
    volume: Decimal
    filled: Decimal
    ended: bool
    end: End | None
    why: str | None
    setup_ms: int
    row: Row


def ticket_of(row: Row, *, works: bool) -> Ticket:
    """An order as it is listed. Raises Unreadable."""
    volume = lots(row, "volume_initial")
    state = whole(row, "state")
    filled = plain(volume - lots(row, "volume_current"))
    if not works and state != c.STATE_FILLED and state not in _ENDS:
        raise Unreadable(f"order {row.get('ticket')} has ended in state {state}, which is no end")
    return Ticket(
        number=whole(row, "ticket"),
        symbol=str(row.get("symbol")),
        volume=volume,
        filled=volume if not works and state == c.STATE_FILLED else filled,
        ended=not works,
        end=None if works else _ENDS.get(state),
        why=None if works or state == c.STATE_FILLED else f"{_IN_WORDS[state]} at the broker",
        setup_ms=whole(row, "time_setup_msc"),
        row=row,
    )


def by_server(deal: Row) -> bool:
    """Whether the server has made it by itself: a stop loss, a take profit or a stop out."""
    return deal.get("reason") in c.REASONS_OF_SERVER


def sign_of(deal: Row) -> int:
    """1 of a deal that buys, -1 of one that sells."""
    return 1 if deal.get("type") in (c.BUY, c.BUY_CANCELED) else -1


def is_trade(deal: Row) -> bool:
    """Whether it is a trade, be it canceled by now; others are entries of money."""
    return deal.get("type") in c.TRADES


def is_canceled(deal: Row) -> bool:
    """Whether it is a trade that the broker has canceled."""
    return deal.get("type") in (c.BUY_CANCELED, c.SELL_CANCELED)


def busted(trade: Executed) -> Executed:
    """What takes a trade back. It has the trade's time: the terminal does not say when it was canceled."""
    return replace(
        trade,
        exec_id=f"{trade.exec_id}/canceled",
        execution_kind=ExecutionKind.BUST,
        refers_to=trade.exec_id,
        quantity=ZERO,
        price=ZERO,
        fee=ZERO,
        fee_currency=None,
        completes=False,
    )


class Reader:
    """Reads deals with what is known of symbols, of the account and of the server's clock.

    Attributes:
        symbols: as the terminal had them last, by our names.
        currency: of the account; fees are in it.
        digits: behind the point, of an amount of it.
    """

    def __init__(
        self,
        broker: str,
        settings: Mt5Settings,
        catalogue: Callable[[str], Instrument | None],
        clock: ServerClock,
    ) -> None:
        self._broker, self._settings, self._catalogue, self._clock = broker, settings, catalogue, clock
        self.symbols: dict[str, Symbol] = {}
        self.currency: str | None = None
        self.digits = 2

    def instrument(self, ours: str) -> Instrument:
        """An instrument that is traded here. Raises Unreadable: nobody has described it."""
        found = self._catalogue(ours)
        if found is None:
            raise Unreadable(f"there is no instrument {ours}: write [instruments.{ours}]")
        return found

    def knows(self, theirs: str) -> bool:
        """Whether it is known what a lot of the terminal's symbol is."""
        return self._settings.ours(theirs) in self.symbols

    def place(self, theirs: str) -> tuple[str, Symbol, Instrument] | None:
        """Our symbol, the terminal's, and the instrument; None where it is not traded here.

        Raises:
            Unreadable: it is, and the terminal has not described it, or nobody the instrument.
        """
        ours = self._settings.ours(theirs)
        if ours is None:
            return None
        if ours not in self.symbols:
            raise Unreadable(f"the terminal does not say what {theirs} is")
        return ours, self.symbols[ours], self.instrument(ours)

    def executed(
        self,
        deal: Row,
        client_id: str | None,
        cursor: str | None = None,
        *,
        closes: str | None = None,
        volume: Decimal | None = None,
        completes: bool = False,
    ) -> Executed | None:
        """The report of a deal; None where its symbol is not traded here. Raises Unreadable.

        Args:
            closes: the client id of what it closes, of one that the server has made.
            volume: how many lots of it are ours, with as much of its fee; None is all.
            completes: nothing more comes of its order.
        """
        place = self.place(str(deal.get("symbol")))
        if place is None:
            return None
        ours, symbol, instrument = place
        dealt = lots(deal, "volume") if volume is None else volume
        fee = self._fee(deal, volume)
        return Executed(
            broker=self._broker,
            client_id=client_id,
            broker_order_id=str(whole(deal, "order")),
            cursor=cursor,
            raw=str(dict(deal)),
            exec_id=str(whole(deal, "ticket")),
            time=self._clock.instant(whole(deal, "time_msc")),
            quantity=quantity_of(dealt, symbol, instrument),
            price=number(deal.get("price"), "price"),
            fee=fee,
            fee_currency=self.currency if fee else None,
            symbol=ours,
            side=_side(deal, closes),
            completes=completes,
            closes=closes,
            order_type=None if closes is None else _BY_SERVER.get(whole(deal, "reason")),
        )

    def _fee(self, deal: Row, volume: Decimal | None) -> Decimal:
        paid = -sum((number(deal.get(name), name) for name in ("commission", "swap", "fee")), ZERO)
        whole_volume = lots(deal, "volume")
        if volume is None or volume == whole_volume:
            return plain(paid)
        return plain((paid * volume / whole_volume).quantize(Decimal(1).scaleb(-self.digits)))


def _side(deal: Row, closes: str | None) -> Side:
    """What a deal did, as far as it tells: a sale may be a short, a purchase a cover."""
    if sign_of(deal) < 0:
        return Side.SELL
    return Side.BUY if closes is None else Side.COVER


def replaced(broker: str, past: Past, ticket: Ticket) -> Replaced | None:
    """The report of a change, where the order has the prices that it asked for; None where it has others.

    Raises Unreadable.
    """
    asked = {} if past.record is None else past.record.request
    price, second = (number(ticket.row.get(name), name) for name in ("price_open", "price_stoplimit"))
    both = "stoplimit" in asked
    if number(asked.get("price"), "price") != price or (
        both and number(asked["stoplimit"], "stoplimit") != second
    ):
        return None
    kind = ticket.row.get("type")
    stop = price if both or kind in (c.BUY_STOP, c.SELL_STOP) else None
    limit = second if both else (price if stop is None else None)
    return Replaced(
        broker=broker,
        client_id=client_id_of(past.id),
        broker_order_id=str(ticket.number),
        limit_price=limit,
        stop_price=stop,
    )
