"""What the server closes by itself, and of which entry of ours that was: the position's deals tell."""

from collections.abc import Callable, Iterable
from decimal import Decimal

import structlog
from msgspec import Struct

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.link import Failed, Link, Row
from ordergate.adapters.brokers.mt5.reading import Reader, by_server, is_trade, sign_of, ticket_of
from ordergate.adapters.brokers.mt5.symbols import lots, whole
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.reports import Executed

_log = structlog.get_logger("ordergate.brokers.mt5")


class Closing(Struct, frozen=True):
    """Of a deal that the server made: the newest of our orders that had opened into its position, and our part."""

    closes: str
    volume: Decimal


def closing_of(deal: Row, deals: Iterable[Row], owner: Callable[[Row], str | None]) -> Closing | None:
    """Which entry a deal of the server's closes; None where nothing of ours was open then. Raises Unreadable.

    In a position that others have traded into as well, ours is at most what our own deals have left open.

    Args:
        deals: all of the position.
        owner: our client id of a deal.
    """
    open_, newest = ZERO, None
    for one in sorted(filter(is_trade, deals), key=lambda one: whole(one, "ticket")):
        volume, sign = lots(one, "volume"), sign_of(one)
        client_id = None if by_server(one) else owner(one)
        if client_id is not None:
            open_ = plain(open_ + sign * volume)
            if one.get("entry") in (c.ENTRY_IN, c.ENTRY_INOUT):
                newest = client_id
        elif by_server(one):
            part = min(volume, max(ZERO, -sign * open_))
            if one.get("ticket") == deal.get("ticket"):
                return None if newest is None or not part else Closing(newest, part)
            open_ = plain(open_ + sign * part)
    return None


class Closings:
    """Reads what the server closes through one link.

    Args:
        owner: our client id of a deal.
    """

    def __init__(self, link: Link, reader: Reader, owner: Callable[[Row], str | None]) -> None:
        self._link, self._reader, self._owner = link, reader, owner

    async def executed(self, deal: Row, cursor: str | None = None) -> Executed | None:
        """The report of a deal of the server's; None where it closes nothing of ours.

        Raises Failed, also where the terminal does not list all of it yet, and Unreadable.
        """
        deals = await self._link.rows("history_deals_get", position=whole(deal, "position_id"))
        if not any(one.get("ticket") == deal.get("ticket") for one in deals):
            raise Failed(
                f"position {deal.get('position_id')} does not have its deal {deal.get('ticket')} yet"
            )
        found = closing_of(deal, deals, self._owner)
        if found is None:
            return None
        completes = await self._completes(deal, deals)
        said = self._reader.executed(
            deal, None, cursor, closes=found.closes, volume=found.volume, completes=completes
        )
        if said is None:
            _log.error(
                "a closing cannot be told: its symbol is not among symbols any more",
                closes=found.closes,
                deal=deal.get("ticket"),
                symbol=deal.get("symbol"),
            )
        return said

    async def _completes(self, deal: Row, deals: Iterable[Row]) -> bool:
        """Whether it is the last deal of an order of the server's that has ended."""
        order = whole(deal, "order")
        row, works = await self._link.order(order)
        if row is None:
            raise Failed(f"order {order} is not listed yet, and has a deal")
        mine = [one for one in deals if one.get("order") == order]
        dealt = plain(sum((lots(one, "volume") for one in mine), ZERO))
        last = max(whole(one, "ticket") for one in mine) == whole(deal, "ticket")
        return not works and last and dealt == ticket_of(row, works=works).filled
