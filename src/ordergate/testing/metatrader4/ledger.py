"""The events: what the account shows now, compared with what the events file has said so far."""

import re
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from ordergate.testing.metatrader4.account import BALANCE, BUY, SELL, ZERO, Ticket
from ordergate.testing.metatrader4.journal import DAY, KEPT_DAYS, Appender, day_of
from ordergate.testing.metatrader4.lines import number, undress
from ordergate.testing.metatrader4.rows import Held, reason_of, row_in, still, told_row
from ordergate.testing.metatrader4.searching import rest_row
from ordergate.testing.metatrader4.terminal import Terminal

_FROM = re.compile(r"from #(\d+)")
_HEDGE = re.compile(r"close hedge by #(\d+)")


class Owners(Protocol):
    """Who knows which command a ticket came of, and which ended it."""

    def opener(self, row: Ticket) -> str:
        """The id of the `open`, or an empty text."""
        ...

    def closer(self, row: Ticket) -> str:
        """The id of the command that ended it, or an empty text."""
        ...

    def ref_of(self, id_: str) -> str:
        """What the client calls the command."""
        ...


class Ledger:
    """The events file of a terminal.

    Attributes:
        n: of the last event.
        stream: the name under which `n` rises.
        missing: tickets that the terminal shows nowhere.
        floor: what closed before that (server time) is not looked for.
    """

    def __init__(self, terminal: Terminal, owners: Owners, stream: str) -> None:
        self._terminal, self._owners, self._appender = terminal, owners, Appender(terminal)
        self.n, self.stream, self.floor, self.run = 0, stream, 0, 0
        self.held: dict[int, Held] = {}
        self.missing: set[int] = set()
        self.writable = True
        self._path = ""
        self._begun = False
        self._history = -1
        self._looked = 0

    def open(self, run: int) -> None:
        """Reads back what was told: from the last whole beginning of a file on."""
        self.run = run
        files = sorted(n for n in self._terminal.folder.names("events") if n.startswith("events-"))
        kept: list[dict[str, Any]] = []
        for name in reversed(files):
            lines = self._lines(name)
            kept = lines + kept
            if _has_begun(lines):
                break
        if files:
            self._path = f"events/{files[-1]}"
            self._appender.resume(self._path)
        whole = _has_begun(kept)
        for line in kept if whole else []:
            self._take(line)
        if not whole:
            self.n, self.held, self.floor = 0, {}, 0

    def _lines(self, name: str) -> list[dict[str, Any]]:
        data = self._terminal.folder.read(f"events/{name}") or b""
        lines = [undress(line) for line in data.splitlines(keepends=True)]
        return [line for line in lines if line is not None]

    def _take(self, line: dict[str, Any]) -> None:
        kind = line["kind"]
        self.n = line["n"]
        if kind == "begin":
            self.stream, self._begun = line["stream"], False
        elif kind == "begun":
            self.floor, self._begun = line["floor"], True
        elif kind in ("still", "placed", "opened", "moved", "changed", "closed", "deleted", "balance"):
            self._hold(line)

    def _hold(self, line: dict[str, Any]) -> None:
        kind = line["kind"]
        if kind == "balance":
            row = Ticket(
                ticket=line["ticket"],
                type=BALANCE,
                symbol="",
                lots=ZERO,
                price=ZERO,
                open_time=0,
                close_time=line["close_time"],
            )
            self.held[row.ticket] = Held(row=row, id="", open=False)
            return
        before = self.held.get(line["ticket"])
        held = Held(row=row_in(line), id=line["id"], ref=line["ref"])
        if before is not None:
            held.commission_open = before.commission_open
        if kind == "still":
            held.commission_open, held.open = Decimal(line["commission_open"]), line["open"]
            held.left = Decimal(line["left"])
        if kind == "opened":
            held.commission_open = held.row.commission
        if kind == "moved":
            parent = self.held.get(line["from"])
            if parent is not None:
                parent.left = ZERO
            held.commission_open = held.row.commission
        if kind in ("closed", "deleted"):
            held.open = False
            held.left = Decimal(line.get("left", "0"))
        self.held[held.row.ticket] = held

    def tell(self, kind: str, gmt: int, **fields: Any) -> bool:
        """One line more; False where it could not be written, and then nothing is remembered of it."""
        path = f"events/events-{day_of(gmt)}.jsonl"
        if (path > self._path or not self._begun) and not self._begin(max(path, self._path), gmt):
            return False
        return self._line(kind, gmt, fields)

    def _begin(self, path: str, gmt: int) -> bool:
        if path > self._path and self._looked:
            self.floor = max(self.floor, self._looked - DAY)
            self.held = {
                k: h for k, h in self.held.items() if h.open or h.left or h.row.close_time >= self.floor
            }
        self.floor = self.floor or self._terminal.server_time()
        first = not self._begun and not self.held
        self._path, self._begun = path, False
        if not self._line("begin", gmt, {"stream": self.stream, "run": self.run}):
            return False
        if first:
            self._first_look()
        for held in list(self.held.values()):
            if not self._line("still", gmt, still(held)):
                return False
        return self._line("begun", gmt, {"floor": self.floor})

    def _first_look(self) -> None:
        """What is there before anything was told is no event."""
        for index in range(self._terminal.orders_total()):
            row = self._terminal.order_at(index)
            if row is not None:
                id_ = self._owners.opener(row)
                self.held[row.ticket] = Held(
                    row=row, id=id_, ref=self._owners.ref_of(id_), commission_open=row.commission
                )

    def _line(self, kind: str, gmt: int, fields: dict[str, Any]) -> bool:
        line = {
            "v": 1,
            "kind": kind,
            "n": self.n + 1,
            "gmt": gmt,
            "server_time": self._terminal.server_time(),
            **fields,
        }
        self.writable = self._appender.write(self._path, line)
        if self.writable:
            self._take(line)
        return self.writable

    def look(self, gmt: int) -> bool:
        """Tells what is new. Whether all of it was told."""
        path = f"events/events-{day_of(gmt)}.jsonl"
        if not self._begun and not self._begin(max(path, self._path), gmt):
            return False
        pool = self._pool()
        if pool is None:
            return False
        self.missing = set()
        ended = sorted(t for t, h in self.held.items() if h.open and t not in pool)
        now = self._terminal.server_time()
        told = (
            all(self._tell_end(ticket, gmt) for ticket in ended)
            and self._tell_new(pool, gmt)
            and self._tell_changed(pool, gmt)
        )
        self._looked = now if told else self._looked
        return told

    def _pool(self) -> dict[int, Ticket] | None:
        total = self._terminal.orders_total()
        rows = [self._terminal.order_at(index) for index in range(total)]
        if total != self._terminal.orders_total() or any(row is None for row in rows):
            return None
        return {row.ticket: row for row in rows if row is not None}

    def _tell_end(self, ticket: int, gmt: int) -> bool:
        row = self._terminal.order(ticket)
        if row is None or not row.close_time:
            self.missing.add(ticket)
            return True
        held = self.held[ticket]
        if held.row.pending and not row.pending:
            whole = msgspec.structs.replace(row, lots=held.row.lots)
            if not self.tell("opened", gmt, **told_row(whole, held.id, held.ref)):
                return False
        return self._tell_closed(row, gmt)

    def _tell_closed(self, row: Ticket, gmt: int) -> bool:
        held = self.held[row.ticket]
        by = self._owners.closer(row)
        named = {"by": by, "by_ref": self._owners.ref_of(by)}
        told = told_row(row, held.id, held.ref)
        if row.pending:
            gone = row.comment.startswith("expiration") or (row.expiry and row.close_time >= row.expiry)
            reason = "command" if by else ("expired" if gone else "other")
            return self.tell("deleted", gmt, **told, close_time=row.close_time, reason=reason, **named)
        lots = row.lots or self._hedged(row, held)
        return self.tell(
            "closed",
            gmt,
            **{**told, "lots": number(lots)},
            close_price=number(row.close_price),
            close_time=row.close_time,
            left=number(max(held.row.lots - lots, ZERO)),
            reason=reason_of(row, by),
            **named,
            commission_open=number(held.commission_open),
        )

    def _hedged(self, row: Ticket, held: Held) -> Decimal:
        """A server may tell no lots of the hedge of a `close_by`: what both had is what was closed."""
        named = _HEDGE.search(row.comment)
        other = self.held.get(int(named[1])) if named else None
        return min(held.row.lots, other.row.lots + other.left) if other is not None else held.row.lots

    def _tell_new(self, pool: dict[int, Ticket], gmt: int) -> bool:
        new = [row for ticket, row in pool.items() if ticket not in self.held]
        total = self._terminal.history_total()
        if total != self._history:
            for index in range(total):
                row = self._terminal.history_at(index)
                if row is not None and row.close_time >= self.floor and row.ticket not in self.held:
                    new.append(row)
        for row in sorted(new, key=lambda one: one.ticket):
            if not self._tell_one(row, gmt):
                return False
        self._history = total
        return True

    def _tell_one(self, row: Ticket, gmt: int) -> bool:
        if row.type >= BALANCE:
            return self.tell(
                "balance",
                gmt,
                ticket=row.ticket,
                amount=number(row.profit),
                comment=row.comment,
                close_time=row.close_time,
            )
        whole = msgspec.structs.replace(row, lots=self._whole(row))
        parent = self._parent(row)
        if parent is not None:
            held = self.held.get(parent)
            told = told_row(whole, held.id, held.ref) if held is not None else told_row(whole, "", "")
            done = self.tell("moved", gmt, **{"from": parent, "to": row.ticket}, **told)
        else:
            id_ = self._owners.opener(row)
            kind = "placed" if row.pending else "opened"
            done = self.tell(kind, gmt, **told_row(whole, id_, self._owners.ref_of(id_)))
        return done and (not row.close_time or self._tell_closed(row, gmt))

    def _whole(self, row: Ticket) -> Decimal:
        """The lots that a ticket began with: one that is new and was partly closed already shows only that part."""
        rest = rest_row(self._terminal, row) if row.close_time else None
        return row.lots if rest is None else row.lots + self._whole(rest)

    def _parent(self, row: Ticket) -> int | None:
        """Of what a partial close left: the ticket that it was."""
        if row.type not in (BUY, SELL):
            return None
        named = _FROM.search(row.comment)
        if named is not None:
            return int(named[1])
        whole = self._whole(row)
        for ticket, held in self.held.items():
            was = held.row
            same = (was.symbol, was.type, was.price, was.magic) == (
                row.symbol,
                row.type,
                row.price,
                row.magic,
            )
            if not held.open and held.left and same and held.left == whole:
                return ticket
        return None

    def _tell_changed(self, pool: dict[int, Ticket], gmt: int) -> bool:
        for ticket, row in pool.items():
            held = self.held[ticket]
            was, told = held.row, told_row(row, held.id, held.ref)
            kind = "opened" if was.pending and not row.pending else ("" if was.stands(row) else "changed")
            if kind and not self.tell(kind, gmt, **told):
                return False
        return True

    def drop_old(self, gmt: int) -> None:
        """Whole files that are past their time, and before the last that has begun: what is open stands in that."""
        files = sorted(n for n in self._terminal.folder.names("events") if n.startswith("events-"))
        while files and not _has_begun(self._lines(files.pop())):
            pass
        for name in files:
            if name[7:15] < day_of(gmt - KEPT_DAYS * DAY):
                self._terminal.delete(f"events/{name}")


def _has_begun(lines: list[dict[str, Any]]) -> bool:
    return any(line["kind"] == "begun" for line in lines)
