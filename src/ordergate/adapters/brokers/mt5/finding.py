"""What became of a request: its record in the journal first, then what the terminal lists.

Absence is proven by the journal: an id that it does not have is sealed, and never sent any more; but only where the
terminal lists nothing that bears the id's magic, for a file may be an older one than was thought. What the journal has,
and cannot tell the end of, is looked for in orders and deals. It is absent only where the call has ended, and nothing
of it is listed half a minute later, during all of which the terminal was connected and got prices.
"""

import asyncio
from typing import Final

from ordergate.adapters.brokers.mt5.commands import Past, may_be_there
from ordergate.adapters.brokers.mt5.link import Row
from ordergate.adapters.brokers.mt5.naming import client_id_of
from ordergate.adapters.brokers.mt5.outcomes import DONE, NOT_TAKEN, NOTHING, TAKEN, UNKNOWN, reason_of
from ordergate.adapters.brokers.mt5.reading import Ticket, by_server, replaced, ticket_of
from ordergate.adapters.brokers.mt5.sessions import Session
from ordergate.adapters.brokers.mt5.symbols import lots, whole
from ordergate.adapters.brokers.mt5.telling import Kept, reports_of
from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.reports import AnyReport, End, Ended

_OTHERS: Final = 8
"""Requests of an order that are looked for by their number."""
_BACK_S: Final = 86_400
"""How long before a command was given its order is looked for: the server's clock may be behind."""
_WEEK_S: Final = 7 * _BACK_S
"""How far back what the journal does not have is looked for."""


def candidates(client_id: str) -> list[str]:
    """The requests of its order under which the terminal may have it: itself, then the others, the first first."""
    order, _dot, number_ = client_id.rpartition(".")
    last = int(number_) if number_.isascii() and number_.isdecimal() else 0
    others = (f"{order}.{other}" for other in range(1, min(last, _OTHERS + 1)))
    return [client_id, *others]


class Finder:
    """Looks for orders through one session.

    Args:
        settle_s: how long after a call nothing of it must be listed.
    """

    def __init__(self, broker: str, session: Session, settle_s: float) -> None:
        self._broker, self._session, self._settle_s = broker, session, settle_s

    async def lookup(self, client_id: str, broker_order_id: str | None) -> Lookup:
        """What is known of a request. Raises Failed, Unreadable, Unreachable and Refused."""
        known = await self.ticket(broker_order_id)
        if known is not None and known.client_id in candidates(client_id):
            return await self._by_order(known.client_id)
        commands = self._session.commands
        for candidate in candidates(client_id):
            if commands.steps(candidate):
                return await self._by_order(candidate)
        return await self._unsent(client_id)

    async def ticket(self, broker_order_id: str | None) -> Kept | None:
        """The order of ours that the terminal has under a ticket; None where it has none. Raises as `lookup`."""
        if broker_order_id is None or not broker_order_id.isascii() or not broker_order_id.isdecimal():
            return None
        row, works = await self._session.link.order(int(broker_order_id))
        if row is None or by_server(row):
            return None
        return self._session.telling.see(ticket_of(row, works=works))

    async def _unsent(self, client_id: str) -> Lookup:
        """Nothing was sent, as far as the journal knows: that is so where nothing speaks against it."""
        session, names = self._session, candidates(client_id)
        for name in names:
            session.commands.learn(name)
        since_s = session.server.server_s(session.now()) - _WEEK_S
        rows = await self._lists(since_s)
        for name in names:
            kept, _seen = await self._listed(name, rows)
            if kept.tickets:
                return await self._by_order(name)
        trace = await self._traces(names, since_s)
        if trace is not None:
            return Lookup(presence=Presence.UNPROVEN, reason=trace)
        if not session.trusted and not session.commands.steps(client_id):
            reason = "the terminal's journal was lost, and it lists nothing of the order"
            return Lookup(presence=Presence.UNPROVEN, reason=reason)
        return await self._seal(client_id)

    async def _seal(self, id_: str) -> Lookup:
        """The next attempt at a command is proven never to be sent, or turns out to have been."""
        session = self._session
        free = session.commands.free(id_)
        record = await session.link.terminal.record(free, seal=True)
        if record is None:
            return Lookup(presence=Presence.UNAVAILABLE, reason="the journal neither knows it nor seals it")
        past = session.commands.heard(record, asyncio.get_running_loop().time())
        if past.verdict is NOT_TAKEN:
            return Lookup(presence=Presence.ABSENT, reason=reason_of(record))
        return await self._by_order(id_)

    async def _by_order(self, client_id: str) -> Lookup:
        session, began = self._session, asyncio.get_running_loop().time()
        if session.is_sending(client_id):
            return Lookup(presence=Presence.UNAVAILABLE, reason="it is being sent")
        await self._refresh(session.commands.steps(client_id))
        steps = session.commands.steps(client_id)
        there = [past for past in steps if may_be_there(past)]
        kept = session.telling.known(client_id)
        if not there and (kept is None or not kept.tickets):
            return await self._not_there(client_id, steps)
        since_s = self._earliest_s(there)
        kept, seen = await self._listed(client_id, await self._lists(since_s))
        gone = [one.number for one in kept.tickets.values() if not one.ended and one.number not in seen]
        if gone:
            reason = f"order {gone[0]} worked, and is listed nowhere now"
            return Lookup(presence=Presence.UNAVAILABLE, reason=reason)
        missing = self._missing(there, kept)
        if not missing:
            return await self._told(kept)
        not_yet = await self._traces([client_id], since_s) or self._waiting_for(missing, began)
        if not_yet is not None:
            return Lookup(presence=Presence.UNAVAILABLE, reason=not_yet)
        return await self._doubt(client_id, missing, kept)

    async def _traces(self, names: list[str], since_s: int) -> str | None:
        """What there is of orders that are not listed themselves: a deal of one, or the position that it opened."""
        session = self._session
        tickets = {name: session.telling.order(name).tickets for name in names}
        for deal in await session.link.whole_history("deals", since_s):
            owner = session.looking.owner(deal)
            if owner in tickets and deal.get("order") not in tickets[owner]:
                return f"deal {deal.get('ticket')} is of it, and the terminal does not list its order yet"
        for row in await session.link.positions():
            owner = session.telling.owner(row)
            if owner in tickets and not tickets[owner]:
                return f"position {row.get('ticket')} is of it, and the terminal does not list its order yet"
        return None

    async def _refresh(self, commands: list[Past]) -> None:
        """Asks the journal what became of commands that it had not told the end of."""
        session = self._session
        for past in commands:
            if past.is_open:
                record = await session.link.terminal.record(past.id, seal=True)
                if record is not None:
                    session.commands.heard(record, past.since)

    async def _not_there(self, client_id: str, steps: list[Past]) -> Lookup:
        """Nothing of it was taken: it was refused, or can be sent again."""
        refused = [past for past in steps if past.verdict not in (NOT_TAKEN,)]
        if not refused or refused[-1].record is None:
            return await self._unsent(client_id)
        reason = reason_of(refused[-1].record)
        ended = Ended(broker=self._broker, client_id=client_id, end=End.REJECTED, reason=reason)
        return Lookup(presence=Presence.FOUND, reports=(ended,), reason=reason)

    def _earliest_s(self, there: list[Past]) -> int:
        session = self._session
        at = [past.record.at for past in there if past.record is not None]
        server_s = session.server.ahead_ms // 1_000
        if not at:
            return session.server.server_s(session.now()) - _BACK_S
        return int(min(at)) + server_s - _BACK_S

    async def _lists(self, since_s: int) -> list[tuple[Row, bool]]:
        """What the terminal lists, and whether it works.

        Raises Failed where lists are not whole: what is not in them proves nothing then.
        """
        link = self._session.link
        rows = [(row, True) for row in await link.working()]
        return rows + [(row, False) for row in await link.whole_history("orders", since_s)]

    async def _listed(self, client_id: str, lists: list[tuple[Row, bool]]) -> tuple[Kept, set[int]]:
        """Takes what the terminal lists of an order now, and which of its orders that is."""
        session, found = self._session, set[int]()
        link, telling, rows = session.link, session.telling, list(lists)
        known = telling.known(client_id)
        listed = {row.get("ticket") for row, _works in rows}
        for ticket in [] if known is None else list(known.tickets):
            if ticket not in listed:
                row, works = await link.order(ticket)
                rows += [] if row is None else [(row, works)]
        for row, works in rows:
            ticket = whole(row, "ticket")
            if (telling.of_ticket(ticket) or telling.owner(row)) == client_id:
                telling.see(ticket_of(row, works=works))
                found.add(ticket)
        return telling.order(client_id), found

    def _missing(self, there: list[Past], kept: Kept) -> list[Past]:
        """Commands of which an order should be listed, and is not."""
        named = {past.ticket for past in there if past.verdict in (DONE, TAKEN) and past.ticket is not None}
        others = len(set(kept.tickets) - named)
        unnamed = [past for past in there if past.ticket is None or past.verdict is UNKNOWN]
        missing = [past for past in there if past not in unnamed and past.ticket not in kept.tickets]
        return missing + unnamed[others:]

    async def _doubt(self, client_id: str, missing: list[Past], kept: Kept) -> Lookup:
        """Nothing is listed of a command that may have been carried out."""
        never_ended = [past for past in missing if not past.came_back]
        if never_ended:
            record = never_ended[0].record
            said = "nothing was heard of it" if record is None else reason_of(record)
            reason = f"{said}; nothing of it is listed, which proves nothing"
            return Lookup(presence=Presence.UNPROVEN, reason=reason)
        for past in missing:
            past.disproved = True
        return await (self._told(kept) if kept.tickets else self._seal(client_id))

    def _waiting_for(self, missing: list[Past], looked_at: float) -> str | None:
        """What must come to pass before nothing's being listed says anything; nothing was, from `looked_at` on."""
        session = self._session
        taken = [past for past in missing if past.verdict is not UNKNOWN]
        if taken:
            return f"{taken[0].id} was taken, and the terminal does not list its order yet"
        steady, tick = session.looking.steady_since, session.server.advanced_at
        last = max(past.since for past in missing)
        if steady is None:
            return "the terminal has no connection to the broker"
        left_s = max(last, steady) + self._settle_s - looked_at
        if left_s > 0:
            return f"it may still turn up for {left_s:.0f} s"
        if tick is None or tick < last:
            return "no price has come since it was sent"
        return None

    async def _told(self, kept: Kept) -> Lookup:
        """Everything about an order that is listed."""
        session, deals = self._session, list[Row]()
        for ticket in list(kept.tickets.values()):
            since_s = ticket.setup_ms // 1_000 - _BACK_S
            rows = await session.link.deals_of(ticket.number, since_s)
            traded = plain(sum((lots(row, "volume") for row in rows), ZERO))
            if traded != ticket.filled:
                reason = f"order {ticket.number} has {ticket.filled} lots filled, and its deals are {traded}"
                return Lookup(presence=Presence.UNAVAILABLE, reason=reason)
            deals += rows
        session.look_soon()
        for ticket in kept.tickets.values():
            await self._refresh(session.commands.changes(ticket.number))
        changes = [report for ticket in kept.tickets.values() for report in self._changes(ticket)]
        reports = reports_of(session.telling, session.reader, kept, deals)
        return Lookup(presence=Presence.FOUND, reports=(*changes, *reports))

    def _changes(self, ticket: Ticket) -> list[AnyReport]:
        """The last change of an order, where the order has the terms that it asked for."""
        changes = self._session.commands.changes(ticket.number)
        done = [past for past in changes if past.verdict in (DONE, NOTHING, TAKEN, UNKNOWN)]
        if not done or done[-1].record is None:
            return []
        said = replaced(self._broker, done[-1], ticket)
        if said is None:
            return []
        self._session.commands.changed(ticket.number, client_id_of(done[-1].id))
        return [said]
