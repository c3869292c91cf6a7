"""One look at an account: what works, what ended and what was dealt, told in that order of trust.

The terminal has no way of telling news: it is asked every so often. Counts are asked first, and lists only where those
changed, or from time to time all the same.

A cursor is the server's time, in ms, and the ticket of the last deal that was seen, with the name of the journal that
answered for our commands then. Lists are read from an hour before it.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.closings import Closings
from ordergate.adapters.brokers.mt5.link import Failed, Link, Row
from ordergate.adapters.brokers.mt5.naming import client_id_of
from ordergate.adapters.brokers.mt5.reading import (
    Reader,
    Ticket,
    by_server,
    is_canceled,
    is_trade,
    replaced,
    ticket_of,
)
from ordergate.adapters.brokers.mt5.server_clock import ServerClock
from ordergate.adapters.brokers.mt5.settings import Mt5Settings
from ordergate.adapters.brokers.mt5.symbols import Unreadable, number, whole
from ordergate.adapters.brokers.mt5.telling import Kept, Telling
from ordergate.application.ports.clock import Clock
from ordergate.domain.money import ONE
from ordergate.domain.risk.case import BrokerAccount

OVERLAP_S: Final = 3_600
_FIRST_S: Final = 2 * 86_400
"""How far back a session without a cursor looks."""
_DAY_S: Final = 86_400
"""How long before an order was made its deals are looked for: the server's clock may have been changed."""
_ALL_THE_SAME_S: Final = 10.0
_ACCOUNT_S: Final = 5.0
_log = structlog.get_logger("ordergate.brokers.mt5")


def cursor_ms(cursor: str | None) -> int | None:
    """The server's time in a cursor; None where there is none."""
    first = (cursor or "").partition(":")[0]
    return int(first) if first.isascii() and first.isdecimal() else None


def cursor_journal(cursor: str | None) -> str | None:
    """The journal that a cursor names; None where it names none."""
    parts = (cursor or "").split(":")
    return parts[2] if len(parts) > 2 and parts[2] else None


class Looking:
    """Looks at one account through one link.

    Attributes:
        closings: what the server closes.
        account: what is free for margin, as it was told last.
        connected: the terminal had a connection to the broker, at the last look.
        steady_since: on the loop's clock: since then every look found it connected; None where the last did not.
        newest: of the deals that were seen, time (server, ms) and ticket.
        journal: the name of the journal, for cursors.
    """

    def __init__(
        self,
        broker: str,
        settings: Mt5Settings,
        link: Link,
        telling: Telling,
        reader: Reader,
        server: ServerClock,
        clock: Clock,
        cursor: str | None,
    ) -> None:
        self._broker, self._settings, self._link, self._telling = broker, settings, link, telling
        self._reader, self._server, self._clock = reader, server, clock
        self.closings = Closings(link, reader, self.owner)
        self.account: BrokerAccount | None = None
        self.connected = False
        self.steady_since: float | None = None
        self.newest: tuple[int, int] | None = None
        self.journal = ""
        self._from_ms, self._told_cursor = cursor_ms(cursor), cursor
        self._counts: tuple[int, ...] | None = None
        self._read_at = self._account_at = float("-inf")
        self._turn, self._next = asyncio.Lock(), 0
        self._missed: set[str] = set()
        self._late = list[Kept]()

    @property
    def idle(self) -> bool:
        """Whether no look is under way."""
        return not self._turn.locked()

    def broken(self) -> None:
        """The terminal was not reached: nothing that was seen of it holds."""
        self.connected, self.steady_since, self._counts = False, None, None

    async def look(self, *, deep: bool = False) -> str | None:
        """Reads what is new, and tells it; what the terminal has not told yet, if that is known.

        Raises Failed, Unreadable, Unreachable and Refused.
        """
        async with self._turn:
            loop = asyncio.get_running_loop()
            began = loop.time()
            self._see_connection(await self._link.is_connected(), began)
            if deep:
                await self._describe()  # a symbol that is not shown has no prices
            await self._tick()
            if began - self._account_at >= _ACCOUNT_S or deep:
                await self._see_account()
                self._account_at = began
            since_s = self._since_s()
            counts = await self._count(since_s)
            if counts == self._counts and not deep and began - self._read_at < _ALL_THE_SAME_S:
                return None
            behind = await self._read(since_s, counts[2:])
            self._counts, self._read_at = (None if behind else counts), began
            return behind

    def _see_connection(self, connected: bool, at: float) -> None:
        self.connected = connected
        if not connected:
            self.steady_since = None
        elif self.steady_since is None:
            self.steady_since = at

    async def _tick(self) -> None:
        """One symbol's last tick, of which each has its turn."""
        names = list(self._settings.symbols.values())
        name = names[self._next % len(names)]
        self._next += 1
        await self.see_tick(name)

    async def see_tick(self, name: str) -> None:
        """Takes the last tick of a symbol of the terminal's. Raises Unreadable, Unreachable and Refused."""
        try:
            tick = await self._link.row("symbol_info_tick", name)
        except Failed:  # it has had none yet, or is not shown any more: the terminal was started again
            with suppress(Failed):
                await self._link.symbol(name)
            return
        now, at = self._clock.now(), asyncio.get_running_loop().time()
        self._server.look(name, whole(tick, "time_msc"), now, at, self.steady_since)

    async def _see_account(self) -> None:
        said = await self._link.row("account_info")
        self._reader.currency, self._reader.digits = str(said.get("currency")), whole(said, "currency_digits")
        free = number(said.get("margin_free"), "margin_free")
        leverage = max(number(said.get("leverage"), "leverage"), ONE)
        self.account = BrokerAccount(self._reader.currency, free, self._clock.now(), leverage)

    def _since_s(self) -> int:
        """From when on lists are read, on the server's clock; in whole minutes, so that counts compare."""
        if self._from_ms is None:
            since = self._server.server_s(self._clock.now()) - _FIRST_S
            self._from_ms = (since + OVERLAP_S) * 1_000
        newest = self._from_ms if self.newest is None else max(self._from_ms, self.newest[0])
        return max(newest // 1_000 - OVERLAP_S, 0) // 60 * 60

    async def _count(self, since_s: int) -> tuple[int, ...]:
        until_s = self._link.until_s()
        return (
            since_s,
            await self._link.total("orders_total"),
            await self._link.total("history_orders_total", since_s, until_s),
            await self._link.total("history_deals_total", since_s, until_s),
        )

    async def _describe(self) -> None:
        """Asks what symbols are, until all are known."""
        for ours, theirs in self._settings.symbols.items():
            if ours not in self._reader.symbols:
                try:
                    self._reader.symbols[ours] = await self._link.symbol(theirs)
                except Failed as error:
                    if theirs not in self._missed:
                        self._missed.add(theirs)
                        _log.error(
                            "a symbol is not known", broker=self._broker, symbol=theirs, why=str(error)
                        )

    async def _read(self, since_s: int, listed: tuple[int, ...]) -> str | None:
        await self._describe()
        working = await self._link.working()
        ended = await self._link.history("orders", since_s)
        deals = await self._link.history("deals", since_s)
        telling = self._telling
        seen = [telling.see(ticket_of(row, works=True)) for row in working if telling.owner(row)]
        for row in ended:
            if telling.owner(row):
                seen.append(telling.see(ticket_of(row, works=False)))
        seen += [telling.see(ticket) for ticket in await self._gone(working, ended)]
        await self._tell_deals(deals)
        self._tell_changes(seen)
        known = {kept.client_id: kept for kept in (*self._late, *seen) if kept is not None}.values()
        older = [deal for kept in known for deal in await self._older_deals(kept, since_s)]
        behind = [telling.stand(kept) for kept in known]
        self._late = [kept for kept in known if kept.is_over and not kept.ended]
        await self._take_back([*deals, *older])
        self._move_cursor()
        if listed != (len(ended), len(deals)):
            behind.append(f"lists of {len(ended)} orders and {len(deals)} deals, of {listed} that there are")
        return next((why for why in behind if why is not None), None)

    def _tell_changes(self, seen: list[Kept | None]) -> None:
        """Changes that nobody knew the end of, of orders that turn out to have their terms."""
        commands = self._telling.commands
        for order, past in list(commands.doubtful.items()):
            ticket = next((kept.tickets[order] for kept in seen if kept and order in kept.tickets), None)
            said = None if ticket is None else replaced(self._broker, past, ticket)
            if said is not None:
                commands.changed(order, client_id_of(past.id))
                self._telling.report(said)

    async def _gone(self, working: list[Row], ended: list[Row]) -> list[Ticket]:
        """Orders of ours that work no longer, and that the list of the last hour does not have."""
        listed = {row.get("ticket") for row in (*working, *ended)}
        found = list[Ticket]()
        for ticket in self._telling.working:
            if ticket.number not in listed:
                row, works = await self._link.order(ticket.number)
                if row is not None:
                    found.append(ticket_of(row, works=works))
        return found

    async def _older_deals(self, kept: Kept, since_s: int) -> list[Row]:
        """Tells deals of an order that has ended, from before the lists: a session before this one had told them."""
        found = list[Row]()
        if kept.is_over and not kept.ended and kept.behind():
            for ticket in kept.tickets.values():
                setup_s = ticket.setup_ms // 1_000
                if setup_s < since_s and self._reader.knows(ticket.symbol):
                    found += await self._link.deals_of(ticket.number, setup_s - _DAY_S)
            for deal in found:
                self._telling.deal(deal, kept.client_id)
        return found

    async def _tell_deals(self, deals: list[Row]) -> None:
        """In their order; beyond one that cannot be told the cursor does not move."""
        is_whole = True
        for deal in sorted(filter(is_trade, deals), key=lambda one: (one["time_msc"], one["ticket"])):
            at = whole(deal, "time_msc"), whole(deal, "ticket")
            try:
                await self._tell_deal(deal)
            except Unreadable as error:
                self._telling.cannot_tell(deal, str(error))
                is_whole = False
            if is_whole and (self.newest is None or at > self.newest):
                self.newest = at

    async def _tell_deal(self, deal: Row) -> None:
        if by_server(deal):
            await self.tell_closing(deal)
            return
        client_id = self.owner(deal)
        if client_id is not None:
            self._telling.deal(deal, client_id)

    async def _take_back(self, deals: list[Row]) -> None:
        """Tells which deals the broker has canceled: after the end of their order, which is what it was."""
        for deal in filter(is_canceled, deals):
            client_id = None if by_server(deal) else self.owner(deal)
            if not self._telling.stands(whole(deal, "ticket"), client_id):
                continue
            cursor = self._telling.cursor
            if client_id is None:
                self._telling.take_back(deal, await self.closings.executed(deal, cursor))
            else:
                self._telling.take_back(deal, self._reader.executed(deal, client_id, cursor))

    def owner(self, deal: Row) -> str | None:
        """Our client id of a deal that an order made; None of others."""
        if deal.get("reason") in c.REASONS_NOT_OURS:
            return None
        return self._telling.of_ticket(whole(deal, "order")) or self._telling.owner(deal)

    async def tell_closing(self, deal: Row) -> None:
        """Tells a deal of the server's, if it closed something of ours."""
        if self._telling.is_settled(whole(deal, "ticket")):
            return
        said = await self.closings.executed(deal, self._telling.cursor)
        self._telling.closed(deal, said)

    def _move_cursor(self) -> None:
        if self.newest is not None:
            self._telling.cursor = f"{self.newest[0]}:{self.newest[1]}:{self.journal}"
        elif self._telling.cursor is None and self._from_ms is not None:
            self._telling.cursor = f"{self._from_ms}:0:{self.journal}"
