"""From what is open, and what became of it, to reports: what the terminal has that was not told yet.

A position that an order of ours opened is its fill. What became of a position is in the history alone: under its
ticket the lots that were closed; what is left of them goes on under another ticket, which says so in its comment. A
ticket closes once: if an order of ours was to close just those lots of it, that is done, by whomever; what the server
notes to have closed by itself is told as that; the rest is somebody else's.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import structlog

from ordergate.adapters.brokers.dwx.names import names
from ordergate.adapters.brokers.dwx.notebook import Held, Known, Notebook, Step, Told
from ordergate.adapters.brokers.dwx.reading import Closing, Orders, Row, raw_of
from ordergate.application.ports.clock import Clock
from ordergate.domain.money import ZERO, plain, share, text
from ordergate.domain.orders.reports import Acknowledged, AnyReport, End, Ended, Executed
from ordergate.domain.orders.states import OrderType, Side

_FEE_DIGITS: Final = 8
_GOES_ON: Final = re.compile(r"to #(\d+)")
_CLOSED_BY: Final = {Closing.STOP_LOSS: OrderType.STOP, Closing.TAKE_PROFIT: OrderType.LIMIT}
_log = structlog.get_logger("ordergate.brokers.dwx")
Rows = Mapping[str, Row]


class Following:
    """Of one broker: what the notebook says was told, against what the terminal says. Each may raise StoreError."""

    def __init__(
        self, broker: str, notebook: Notebook, clock: Clock, say: Callable[[AnyReport], None]
    ) -> None:
        self._broker, self._notebook, self._clock, self._say = broker, notebook, clock, say

    def see(self, orders: Orders) -> bool:
        """Tells what is new among what is open; whether something is missing there, so that the history is needed."""
        missing = False
        for known in self._notebook.alive():
            step = known.opening
            if step is not None and step.state in ("given", "done") and not step.told:
                found = find(known, orders.rows)
                missing = missing or (found is None and step.ticket is not None)
                if found is not None:
                    self._found(known, step, *found, orders)
        return missing or any(held.ticket not in orders.rows for held in self._notebook.held())

    def past(self, orders: Orders, history: Rows) -> None:
        """Tells what became of what the history has: that is over, also where `orders` was written before."""
        currency = orders.account.currency
        for known in self._notebook.alive():
            step = known.opening
            if step is None or step.state not in ("given", "done") or step.told:
                continue
            found = find(known, history)
            if found is not None:
                self._ended(known, step, *found, currency, {**orders.rows, **history})
        gone = [held for held in self._notebook.held() if held.ticket in history]
        while gone:
            gone = [rest for held in gone if (rest := self._part(held, orders, history)) is not None]

    def drop_planned(self) -> None:
        """What an earlier process has planned, and not given, is not given any more."""
        for known in self._notebook.alive():
            planned = [step for step in known.steps if step.state == "planned"]
            for step in planned:
                step.state = "refused"
            if planned:
                self.settle(known, "the process that gave it ended")

    def end(self, known: Known, reason: str) -> None:
        """An order is over, but for what was told of it."""
        known.over = True
        report = Ended(
            broker=self._broker,
            client_id=known.client_id,
            broker_order_id=known.broker_order_id,
            end=End.CANCELED,
            reason=reason,
        )
        self._keep(known, f"{known.name}-end", report)

    def settle(self, known: Known, reason: str) -> None:
        """Ends an order of which nothing more can come."""
        if any(step.state != "refused" and not step.told for step in known.steps):
            self._notebook.keep(known)
            return
        if known.traded < known.quantity:
            self.end(known, reason)
            return
        known.over = True
        self._notebook.keep(known)

    def _found(self, known: Known, step: Step, ticket: str, row: Row, orders: Orders) -> None:
        if step.ticket is None or step.state != "done" or not known.acknowledged:
            step.ticket, step.state, known.acknowledged = ticket, "done", True
            self._notebook.keep(known)
            self._say(
                Acknowledged(
                    broker=self._broker, client_id=known.client_id, broker_order_id=known.broker_order_id
                )
            )
        if row.is_position:
            self._opened(known, step, ticket, row, row.lots, orders.account.currency)

    def _opened(self, known: Known, step: Step, ticket: str, row: Row, lots: Decimal, currency: str) -> None:
        """An order of ours has opened a position."""
        fee = plain(-row.commission)
        step.ticket, step.state, step.told, step.lots = ticket, "done", True, lots
        report = Executed(
            broker=self._broker,
            client_id=known.client_id,
            broker_order_id=known.broker_order_id,
            raw=raw_of(row),
            exec_id=f"{ticket}-open",
            time=self._clock.now(),
            quantity=plain(lots * known.unit),
            price=plain(row.open_price),
            fee=fee,
            fee_currency=currency,
            symbol=known.symbol,
            side=Side(known.side) if known.side else None,
            completes=known.traded == known.quantity,
        )
        held = Held(
            ticket=ticket,
            name=known.name,
            client_id=known.client_id,
            symbol=known.symbol,
            theirs=known.theirs,
            sign=row.sign,
            lots=lots,
            unit=known.unit,
            magic=known.magic,
            fee=fee,
        )
        with self._notebook.together():
            told = self._notebook.tell(known.name, report.exec_id, report)
            if told is not None:
                self._notebook.hold(held)
            self._notebook.keep(known)
        self._tell(told)
        self.settle(known, f"the terminal opened {text(lots)} lots, and ended it")

    def _ended(self, known: Known, step: Step, ticket: str, row: Row, currency: str, rows: Rows) -> None:
        """What an order of ours was is in the history: it was deleted, or has opened what is closed by now."""
        if row.is_position:
            whole = row.lots if _onward(ticket, row, rows) is None else max(row.lots, step.lots)
            self._opened(known, step, ticket, row, whole, currency)
            return
        step.ticket, step.state = ticket, "done"
        self.end(known, "it was deleted at the terminal")

    def _part(self, held: Held, orders: Orders, history: Rows) -> Held | None:
        """Tells how a position was closed; what is left of it, where that is closed too."""
        row = history.get(held.ticket)
        if row is None or not row.is_position or row.close_price is None:
            return None
        left, onward = held.lots - row.lots, _onward(held.ticket, row, {**orders.rows, **history})
        if left > 0 and onward is None:  # the files are not of one moment: the next ones will be
            return None
        fee = share(held.fee, min(row.lots, held.lots), held.lots, _FEE_DIGITS)
        self._closed(held, row, plain(-(row.commission + row.swap) - fee), orders.account.currency)
        with self._notebook.together():
            place = self._notebook.release(held.ticket)
            if left <= 0 or onward is None:
                return None
            held.ticket, held.lots, held.fee = onward, left, held.fee - fee
            self._notebook.hold(held, place)
        return held if onward in history else None

    def _closed(self, held: Held, row: Row, fee: Decimal, currency: str) -> None:
        ours = self._closer(held, row)
        if ours is None and row.closing is None and not self._canceled(held):
            _log.warning(
                "somebody else closed a position of ours",
                broker=self._broker,
                ticket=held.ticket,
                lots=text(row.lots),
            )
            return
        known, step = ours or (None, None)
        if step is not None:
            step.told, step.state = True, "done"
        report = Executed(
            broker=self._broker,
            client_id=known.client_id if known else None,
            broker_order_id=known.broker_order_id if known else f"{held.ticket}-close",
            raw=raw_of(row),
            exec_id=f"{held.ticket}-close",
            time=self._clock.now(),
            quantity=plain(row.lots * held.unit),
            price=plain(row.close_price or ZERO),
            fee=fee,
            fee_currency=currency,
            symbol=held.symbol,
            side=Side(known.side) if known else (Side.SELL if held.sign > 0 else Side.COVER),
            completes=known is None or known.traded == known.quantity,
            closes=None if known else held.client_id,
            order_type=None if known or row.closing is None else _CLOSED_BY.get(row.closing),
        )
        if known is None:
            self._tell(self._notebook.tell(report.exec_id, report.exec_id, report))
            return
        self._keep(known, report.exec_id, report)
        self.settle(known, "the rest was not given to the terminal")

    def _canceled(self, held: Held) -> bool:
        """Whether a cancel of ours may have closed it: the terminal was to refuse that."""
        entry = self._notebook.find(held.name)
        return entry is not None and entry.canceled

    def _closer(self, held: Held, row: Row) -> tuple[Known, Step] | None:
        """The order of ours that has closed those lots; one that was to close others of that ticket has not."""
        found = None
        for known in self._notebook.alive():
            for step in known.steps:
                if step.closes != held.ticket or step.told or step.state not in ("given", "done"):
                    continue
                if found is None and step.lots == row.lots and (step.state == "done" or row.closing is None):
                    found = (known, step)
                else:
                    step.state = "refused"
                    self.settle(known, f"ticket {held.ticket} was closed otherwise")
        return found

    def _keep(self, known: Known, key: str, report: Told) -> None:
        with self._notebook.together():
            told = self._notebook.tell(known.name, key, report)
            self._notebook.keep(known)
        self._tell(told)

    def _tell(self, told: Told | None) -> None:
        if told is not None:
            self._say(told)


def find(known: Known, rows: Rows) -> tuple[str, Row] | None:
    """The ticket of what an order opened or has waiting, and what is said of it."""
    step = known.opening
    if step is not None and step.ticket is not None:
        row = rows.get(step.ticket)
        return None if row is None else (step.ticket, row)
    for ticket, row in rows.items():
        if row.magic == known.magic and row.symbol == known.theirs and names(row.comment, known.comment):
            return ticket, row
    return None


def _onward(ticket: str, row: Row, rows: Rows) -> str | None:
    """The ticket under which goes on what is left of a position."""
    said = _GOES_ON.search(row.comment)
    if said is not None:
        return said[1]
    comes = f"from #{ticket}"
    return next((name for name, one in rows.items() if one.comment == comes and one.magic == row.magic), None)
