"""What the expert's events have said of orders of ours, from the first that it keeps: pure, and the same for every
reading of them.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import structlog
from msgspec.structs import replace

from ordergate.adapters.brokers.mt4.commissions import Commissions
from ordergate.adapters.brokers.mt4.ids import client_of, is_first, magic_of
from ordergate.adapters.brokers.mt4.known import Known
from ordergate.adapters.brokers.mt4.plans import Plan, Step
from ordergate.adapters.brokers.mt4.wire import (
    Begin,
    Closed,
    Deleted,
    Event,
    Moved,
    Row,
    Still,
    read_as,
    written,
)
from ordergate.domain.money import plain
from ordergate.domain.orders.reports import Acknowledged, AnyReport, Confirmed, End, Ended, Executed
from ordergate.domain.orders.states import OrderType, Side

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER_S: Final = 900
_OF_SERVER: Final[Mapping[str, OrderType | None]] = {"sl": OrderType.STOP, "tp": OrderType.LIMIT, "so": None}
"""Why a server closes by itself, and the kind of order by which it does."""
_MOST_UNCLAIMED: Final = 10_000
_ENDS: Final = {"command": End.CANCELED, "expired": End.EXPIRED}
_log = structlog.get_logger("ordergate.brokers.mt4")


class Book:
    """Orders of ours, by client id.

    Args:
        symbols: ours, by the terminal's.
        quantity: of our symbol and a number of lots, in the instrument's unit; what it raises is raised here.

    Attributes:
        stream, n: of the last event; 0 for none.
        gap: some were lost before it.
        since: when the first event was written that there is.
        refs: of requests that were made in this session, by their ids, and by the comments of their orders: the expert
            may have lost them.
        entries: the refs of our requests that began what has these tickets.
        seen: what was told of tickets: `5` has begun, `5:closed`, `5:deleted`.
        commissions: what was told of them.
        closings: executions by which the server closed positions of ours by itself.
        offset_s: by how much the server's clock is ahead of GMT, where that is known.
    """

    def __init__(
        self,
        broker: str,
        symbols: Mapping[str, str],
        quantity: Callable[[str, Decimal], Decimal],
    ) -> None:
        self._broker, self._symbols, self._quantity = broker, symbols, quantity
        self.plans: dict[str, Plan] = {}
        self.orders: dict[str, Known] = {}
        self.entries: dict[int, str] = {}
        self.refs: dict[str, str] = {}
        self.commissions = Commissions()
        self.closings: dict[str, Executed] = {}
        self.seen: set[str] = set()
        self._closers: dict[int, str] = {}
        self._unclaimed: dict[int, list[tuple[Event, Mapping[str, Any]]]] = {}
        self.stream = ""
        self._streams: set[str] = set()
        self._past = False  # what is read again is of a stream before the present one
        self.n = 0
        self.gap = False
        self.since = _EPOCH
        self.currency: str | None = None
        self.offset_s: int | None = None

    def known(self, ref: str, ticket: str) -> Known:
        """The order that a ref is of."""
        client = client_of(ref)
        return self.orders.setdefault(client, Known(client, ticket))

    def learn(self, ticket: int, ref: str, *, closed: bool = False) -> list[AnyReport]:
        """A ticket was made, or ended, by that request, as a result says: what the events have told of it without its
        name."""
        (self._closers if closed else self.entries).setdefault(ticket, ref)
        lines = self._unclaimed.pop(ticket, [])
        return [report for event, said in lines for report in self._told(event, said)]

    def take(self, said: Mapping[str, Any]) -> list[AnyReport]:
        """What a line of the events says that is new. Raises Unreadable."""
        event = read_as(Event, said)
        if event.kind == "begin":
            self._begin(event, read_as(Begin, said).stream)
        if self._past or event.n <= self.n:
            return []
        if self.n and event.n > self.n + 1:
            self.gap = True
        taken = self._told(event, said)
        self.n = event.n
        return taken

    def _begin(self, event: Event, stream: str) -> None:
        """Another stream has other numbers, and begins where the expert has lost the one before."""
        if self.since == _EPOCH:
            self.since = _EPOCH + timedelta(seconds=event.gmt)
        self._past = stream != self.stream and stream in self._streams
        if stream != self.stream and not self._past:
            self.gap = self.gap or bool(self.stream)
            self.stream, self.n = stream, event.n - 1
            self._streams.add(stream)

    def skip_to(self, stream: str, n: int) -> None:
        """What there was up to that event cannot be read."""
        self.stream, self.n, self.gap, self._past = stream, n, True, False
        self._streams.add(stream)

    def _told(self, event: Event, said: Mapping[str, Any]) -> list[AnyReport]:
        late_s = _offset(event) if self.offset_s is None else self.offset_s
        if event.kind == "placed":
            reports = self.placed(read_as(Row, said))
        elif event.kind == "opened":
            reports = self.opened(read_as(Row, said), late_s)
        elif event.kind == "closed":
            reports = self.closed(read_as(Closed, said), late_s)
        elif event.kind == "deleted":
            reports = self.deleted(read_as(Deleted, said))
        else:
            self._learned(event, said)
            return []
        if not reports:
            self._lay_aside(event, said)
        return reports

    def _lay_aside(self, event: Event, said: Mapping[str, Any]) -> None:
        """Nobody's, as far as is known: a result may say later that it is ours."""
        row = read_as(Row, said)
        if row.symbol in self._symbols:
            self._unclaimed.setdefault(row.ticket, []).append((event, said))
            if len(self._unclaimed) > _MOST_UNCLAIMED:
                del self._unclaimed[next(iter(self._unclaimed))]

    def _learned(self, event: Event, said: Mapping[str, Any]) -> None:
        """What is no news of an order."""
        if event.kind == "moved":
            moved = read_as(Moved, said)
            self.seen.add(str(moved.to))
            self.entries[moved.to] = moved.ref or self.entries.get(moved.from_, "")
            self.commissions.moved(moved.from_, moved.to)
        elif event.kind == "still":
            still = read_as(Still, said)
            self._works(still, still.open)
        elif event.kind == "changed":
            self._works(read_as(Row, said))

    def ref_of(self, row: Row) -> str:
        """The request of ours that began it, "" where it is somebody else's, or of a symbol that is not traded here."""
        if row.symbol not in self._symbols:
            return ""
        ref = row.ref or self.refs.get(row.id, "") or self.entries.get(row.ticket, "")
        ref = ref or self._marked(row)
        if ref:
            self.entries[row.ticket] = ref
        return ref

    def _marked(self, row: Row) -> str:
        """The request of this session whose comment and magic number it has; "" for none."""
        ref = self.refs.get(row.comment, "")
        return ref if ref and magic_of(ref) == row.magic else ""

    def placed(self, row: Row) -> list[AnyReport]:
        """An order works."""
        ref = self.ref_of(row)
        self.seen.add(str(row.ticket))
        if not ref:
            return []
        known = self.known(ref, str(row.ticket))
        if known.done or known.end is not None:
            return []
        known.working = row
        return [self.acknowledged(known)]

    def acknowledged(self, known: Known) -> Acknowledged:
        """That it is at the broker."""
        return Acknowledged(broker=self._broker, client_id=known.client_id, broker_order_id=known.ticket)

    def opened(self, row: Row, late_s: int) -> list[AnyReport]:
        """A position began."""
        ref, name = self.ref_of(row), f"{row.ticket}:opened"
        self.seen.add(str(row.ticket))
        if not ref:
            return []
        self.commissions.opened(row)
        said = self._executed(row, name, row.lots, row.price, row.open_time - late_s, -row.commission)
        known = self.known(ref, str(row.ticket))
        known.working = None
        return self._add(known, ref, said, row.lots)

    def closed(self, row: Closed, late_s: int) -> list[AnyReport]:
        """A position, or a part of it, ended: by us, by the server, or by somebody else, whose doing is not told."""
        entry, name = self.ref_of(row), f"{row.ticket}:closed"
        self.seen.add(name)
        if row.symbol not in self._symbols or not row.lots:
            return []
        cost = self.commissions.cost_of(row)
        said = self._executed(row, name, row.lots, row.close_price, row.close_time - late_s, cost)
        by = row.by_ref or self.refs.get(row.by, "") or self._closers.get(row.ticket, "")
        if by:
            return self._add(self.known(by, name), by, said, row.lots)
        if not entry:
            return []
        if row.reason not in _OF_SERVER:
            _log.warning(
                "a position of ours was closed by somebody else: compare the account",
                broker=self._broker,
                ticket=row.ticket,
                lots=written(row.lots),
            )
            return []
        if name in self.closings:
            return []
        self.closings[name] = replace(
            said,
            broker_order_id=name,
            side=Side.SELL if row.type == "buy" else Side.COVER,
            closes=client_of(entry),
            order_type=_OF_SERVER[row.reason],
            completes=True,
        )
        return [self.closings[name]]

    def _executed(
        self, row: Row, name: str, lots: Decimal, price: Decimal, at: int, fee: Decimal
    ) -> Executed:
        symbol = self._symbols[row.symbol]
        return Executed(
            broker=self._broker,
            exec_id=name,
            time=_EPOCH + timedelta(seconds=at),
            quantity=self._quantity(symbol, lots),
            price=plain(price),
            fee=plain(fee),
            fee_currency=self.currency,
            symbol=symbol,
            raw=f"{row.type} {written(row.lots)} {row.symbol} {row.comment}",
        )

    def _add(self, known: Known, ref: str, said: Executed, lots: Decimal) -> list[AnyReport]:
        if said.exec_id in known.executions:
            return []
        known.done[ref.partition("~")[0]] = lots
        whole = is_first(ref) and not self.steps_of(known.client_id)
        known.complete = known.complete or whole
        told = replace(said, client_id=known.client_id, broker_order_id=known.ticket, completes=whole)
        known.executions[said.exec_id] = told
        return [told]

    def steps_of(self, client_id: str) -> tuple[Step, ...]:
        """What an order of several steps is to do; none where it is one alone."""
        plan = self.plans.get(client_id)
        return () if plan is None else plan.steps

    def deleted(self, row: Deleted | Closed) -> list[AnyReport]:
        """An order that worked has ended without an execution."""
        ref = self.ref_of(row)
        self.seen.add(f"{row.ticket}:deleted")
        if not ref:
            return []
        known = self.known(ref, str(row.ticket))
        known.working = None
        end = _ENDS.get(row.reason, End.CANCELED)
        return self.end(known, end, f"{row.reason}: {row.comment}" if row.reason == "other" else row.reason)

    def end(self, known: Known, end: End, reason: str) -> list[AnyReport]:
        """An order ends; told once."""
        if known.end is not None or known.complete:
            return []
        known.end = Ended(
            broker=self._broker,
            client_id=known.client_id,
            broker_order_id=known.ticket or None,
            end=end,
            reason=reason,
        )
        return [known.end]

    def finish(self, known: Known) -> list[AnyReport]:
        """All steps of an order were done; told once."""
        if known.complete:
            return []
        known.complete = True
        return [self._confirmed(known)]

    def _confirmed(self, known: Known) -> Confirmed:
        return Confirmed(broker=self._broker, client_id=known.client_id, broker_order_id=known.ticket)

    def _works(self, row: Row, there: bool = True) -> None:
        ref = self.ref_of(row)
        if ref and there and not row.is_open:
            self.known(ref, str(row.ticket)).working = row

    def reports_of(self, known: Known) -> tuple[AnyReport, ...]:
        """Everything about an order."""
        last: AnyReport = self.acknowledged(known)
        if known.end is not None:
            last = known.end
        elif known.complete:
            last = self._confirmed(known)
        return (*known.executions.values(), last)


def _offset(event: Event) -> int:
    """As the server's clock was then, to the quarter of an hour."""
    return round((event.server_time - event.gmt) / _QUARTER_S) * _QUARTER_S
