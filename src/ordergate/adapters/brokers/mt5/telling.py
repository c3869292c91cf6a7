"""What was told of our orders: each deal once a session, and an end after its deals alone."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct, field

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.commands import Commands, may_be_there
from ordergate.adapters.brokers.mt5.link import Row
from ordergate.adapters.brokers.mt5.reading import Reader, Ticket, busted, is_canceled
from ordergate.adapters.brokers.mt5.symbols import Unreadable, lots, whole
from ordergate.application.ports.brokers import Sink
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import Acknowledged, AnyReport, Confirmed, End, Ended, Executed

_MOST: Final = 20_000
_CANCELED: Final = "the broker has canceled what it had filled of it"
_log = structlog.get_logger("ordergate.brokers.mt5")


class Kept(Struct):
    """What is remembered of one order of ours.

    Attributes:
        tickets: the terminal's orders that it is, by number.
        told: lots of the deals that were told, by ticket of the deal; of canceled ones too.
        sending: steps of it may still be sent.
    """

    client_id: str
    tickets: dict[int, Ticket] = field(default_factory=dict)
    told: dict[int, Decimal] = field(default_factory=dict)
    acknowledged: bool = False
    ended: bool = False
    sending: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has orders at the terminal, none of which works any more."""
        return bool(self.tickets) and all(one.ended for one in self.tickets.values())

    def behind(self) -> str | None:
        """What the terminal has not told of it yet; None where all is there."""
        filled, told = sum((one.filled for one in self.tickets.values()), ZERO), sum(self.told.values(), ZERO)
        if told < filled:
            return f"{self.client_id} has {filled} lots filled, and the deals told are of {told}"
        return None


class Telling:
    """Tells one sink what one account does; what is not ours is told to nobody.

    Attributes:
        commands: whose orders bear which magic.
        cursor: what reports carry: up to there everything was told.
    """

    def __init__(self, broker: str, commands: Commands, reader: Reader) -> None:
        self._broker, self.commands, self._reader = broker, commands, reader
        self._orders: dict[str, Kept] = {}
        self._by_ticket: dict[int, str] = {}
        self._closed: set[int] = set()
        self._foreign: set[int] = set()
        self._untold: set[int] = set()
        self._taken_back: set[int] = set()
        self.sink: Sink | None = None
        self.cursor: str | None = None

    def order(self, client_id: str) -> Kept:
        """What is remembered of an order; from now on something is."""
        kept = self._orders.get(client_id)
        if kept is None:
            kept = self._orders[client_id] = Kept(client_id)
            if len(self._orders) > _MOST:
                self._forget()
        return kept

    def known(self, client_id: str) -> Kept | None:
        """What is remembered of an order."""
        return self._orders.get(client_id)

    def of_ticket(self, ticket: int) -> str | None:
        """Our client id of an order at the terminal, as far as it was seen."""
        return self._by_ticket.get(ticket)

    @property
    def executions(self) -> set[int]:
        """The deals that were told."""
        told = {deal for kept in self._orders.values() for deal in kept.told}
        return told | self._closed

    @property
    def ended(self) -> set[str]:
        """The orders of ours whose end was told."""
        return {client_id for client_id, kept in self._orders.items() if kept.ended}

    @property
    def working(self) -> list[Ticket]:
        """Orders that worked when they were seen last, and whose end was not told."""
        open_ = (kept for kept in self._orders.values() if not kept.ended)
        return [ticket for kept in open_ for ticket in kept.tickets.values() if not ticket.ended]

    def _forget(self) -> None:
        over = [
            client_id
            for client_id, kept in self._orders.items()
            if kept.ended or not (kept.tickets or kept.sending)
        ]
        for client_id in over[: _MOST // 10]:
            for ticket in self._orders.pop(client_id).tickets:
                self._by_ticket.pop(ticket, None)

    def owner(self, row: Row) -> str | None:
        """Our client id of an order, a deal or a position; None of others, and of what the server made by itself."""
        if row.get("reason") in c.REASONS_NOT_OURS:
            return None
        return self.commands.owner(row.get("magic"), row.get("comment"))

    def see(self, ticket: Ticket) -> Kept | None:
        """Takes an order of the terminal's, if it is one of ours."""
        client_id = self._by_ticket.get(ticket.number) or self.owner(ticket.row)
        if client_id is None:
            return None
        kept = self.order(client_id)
        self._by_ticket[ticket.number] = client_id
        before = kept.tickets.get(ticket.number)
        if before is None or not before.ended:
            kept.tickets[ticket.number] = ticket
        return kept

    def deal(self, row: Row, client_id: str) -> None:
        """Tells a deal of ours, once; not one of a symbol that is traded here no more. Raises Unreadable."""
        kept, ticket = self.order(client_id), whole(row, "ticket")
        if ticket in kept.told:
            return
        said = self._reader.executed(row, client_id, self.cursor)
        if said is None:
            self.cannot_tell(row, _not_traded(row))
            return
        kept.told[ticket] = lots(row, "volume")
        self._tell(said)

    def cannot_tell(self, row: Row, why: str) -> None:
        """Logs, once, a deal of ours, or of the server's, of whose symbol nobody knows what one lot is."""
        ticket = whole(row, "ticket")
        if ticket not in self._untold:
            self._untold.add(ticket)
            _log.error(
                "a fill cannot be told",
                broker=self._broker,
                order=self.of_ticket(whole(row, "order")),
                deal=ticket,
                why=why,
            )

    def stands(self, deal: int, client_id: str | None) -> bool:
        """Whether a deal was told, of that order or (None) as the server's, and not taken back since."""
        kept = self._orders.get(client_id or "")
        told = self._closed if kept is None else kept.told
        return deal in told and deal not in self._taken_back

    def take_back(self, row: Row, said: Executed | None) -> None:
        """Tells, once, that the broker has canceled a deal that was told as this."""
        if said is not None:
            self._taken_back.add(whole(row, "ticket"))
            self._tell(busted(said))

    def is_settled(self, deal: int) -> bool:
        """Whether a deal of the server's was told, or is none of ours."""
        return deal in self._closed or deal in self._foreign

    def closed(self, row: Row, said: Executed | None) -> None:
        """Tells what the server has closed of ours, once; None is what closed nothing of ours."""
        ticket = whole(row, "ticket")
        if self.is_settled(ticket):
            return
        (self._foreign if said is None else self._closed).add(ticket)
        self._tell(said)

    def stand(self, kept: Kept) -> str | None:
        """Tells that an order is there, and that it has ended; what must come before it can be told, if anything."""
        if kept.ended or not kept.tickets:
            return None
        if not kept.acknowledged:
            kept.acknowledged = True
            self._tell(self._acknowledged(kept))
        if kept.sending or not kept.is_over or self._may_grow(kept):
            return None
        behind = kept.behind()
        if behind and not all(self._reader.knows(one.symbol) for one in kept.tickets.values()):
            return None  # the terminal is not behind: nobody knows what a lot of its symbol is
        if behind is None:
            end = self.standing(kept)
            kept.ended = True
            self._tell(end)
        return behind

    def _may_grow(self, kept: Kept) -> bool:
        """Whether another order of the terminal's may turn up that is this one, too."""
        there = [past for past in self.commands.steps(kept.client_id) if may_be_there(past)]
        return len(there) > len(kept.tickets)

    def standing(self, kept: Kept) -> AnyReport:
        """How an order of ours stands, its executions aside."""
        tickets = list(kept.tickets.values())
        if kept.sending or not kept.is_over:
            return self._acknowledged(kept)
        name, steps = self._name(kept), self.commands.steps(kept.client_id)
        # What is listed counts, also where the journal, an older copy, says that it was never given.
        there = max(sum(map(may_be_there, steps)), len(tickets))
        whole_steps = len(steps) == 0 or there >= max(past.steps for past in steps)
        ends = [one for one in tickets if one.end is not None]
        shrunk = not kept.ended and not self._taken_back.isdisjoint(kept.told)
        if not ends and whole_steps and not shrunk:
            return Confirmed(
                broker=self._broker, client_id=kept.client_id, broker_order_id=name, cursor=self.cursor
            )
        filled = any(one.filled for one in tickets)
        end = ends[-1].end if ends and ends[-1].end is not None else End.CANCELED
        return Ended(
            broker=self._broker,
            client_id=kept.client_id,
            broker_order_id=name,
            cursor=self.cursor,
            end=End.CANCELED if filled and end is End.REJECTED else end,
            reason=ends[-1].why if ends else _CANCELED if shrunk else "the rest of it was not sent",
        )

    def _acknowledged(self, kept: Kept) -> Acknowledged:
        return Acknowledged(
            broker=self._broker,
            client_id=kept.client_id,
            broker_order_id=self._name(kept),
            cursor=self.cursor,
        )

    @staticmethod
    def _name(kept: Kept) -> str:
        return str(min(kept.tickets))

    def report(self, report: AnyReport | None) -> None:
        """Tells something else."""
        self._tell(report)

    def _tell(self, report: AnyReport | None) -> None:
        if report is not None and self.sink is not None:
            self.sink.report(report)


def reports_of(telling: Telling, reader: Reader, kept: Kept, deals: Iterable[Row]) -> tuple[AnyReport, ...]:
    """All of an order that was looked up; what was canceled of it comes after its end. Raises Unreadable."""
    executed, canceled = list[AnyReport](), list[AnyReport]()
    for deal in deals:
        said = reader.executed(deal, kept.client_id)
        if said is None:
            raise Unreadable(f"deal {deal.get('ticket')} cannot be told: {_not_traded(deal)}")
        executed.append(said)
        if is_canceled(deal):
            canceled.append(busted(said))
    return (*executed, telling.standing(kept), *canceled)


def _not_traded(deal: Row) -> str:
    return f"symbols has no {deal.get('symbol')} any more: write it again until its orders have ended"
