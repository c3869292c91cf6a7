"""The expert advisor: the rules of `docs/reference/mt4-bridge.md`, one cycle at a time."""

import random
import re
from typing import Any

from ordergate.testing.metatrader4.account import Ticket
from ordergate.testing.metatrader4.answering import Answers
from ordergate.testing.metatrader4.arguments import TRADING, command_in
from ordergate.testing.metatrader4.journal import Journal, day_of
from ordergate.testing.metatrader4.ledger import Ledger
from ordergate.testing.metatrader4.lines import undress
from ordergate.testing.metatrader4.owning import Owned
from ordergate.testing.metatrader4.rows import Held
from ordergate.testing.metatrader4.snapshots import (
    Snapshots,
    account_fields,
    order_rows,
    symbol_row,
    tick_rows,
)
from ordergate.testing.metatrader4.terminal import Terminal

FOLDERS = ("in", "work", "bad", "out", "state", "events", "journal")
UNREADABLE_S = 5
_COMMAND = re.compile(r"cmd-\d{12}-\d{10}\.json")
_SESSION = re.compile(r"[a-z0-9]{1,32}")


class Expert:
    """One run, in one terminal.

    Args:
        account: the number that the inputs name, 0 for any.
        settle_s: how long after a connection the account's lists are believed.
    """

    def __init__(self, terminal: Terminal, *, account: int = 0, settle_s: int = 0) -> None:
        self._terminal, self._account, self._settle_s = terminal, account, settle_s
        self.journal = Journal(terminal, _name())
        self._owned = Owned(terminal, self.journal)
        self.ledger = Ledger(terminal, self._owned, _name())
        self._snapshots = Snapshots(terminal)
        self._answers = Answers(
            terminal, self.journal, self.ledger, self._owned, self._show_account, self.gmt
        )
        self._locked = self._open = self._recovered = self._told = False
        self._connected_at: int | None = None
        self._clock, self._last_ticks = 0, 0
        self._first_seen: dict[str, int] = {}
        self._offset: int | None = None
        self._quoted_at = 0
        self._sought: tuple[int, ...] = ()
        self._day = ""

    def gmt(self) -> int:
        """The expert's clock: never back within a run."""
        ticks = self._terminal.ticks()
        passed = ((ticks - self._last_ticks) & 0xFFFF_FFFF) // 1000 if self._clock else 0
        now = self._terminal.gmt()
        if now >= self._clock:
            self._clock, self._last_ticks = now, ticks
        elif passed:
            self._clock += passed
            self._last_ticks = (self._last_ticks + passed * 1000) & 0xFFFF_FFFF
        return self._clock

    def cycle(self) -> None:
        """What the timer does."""
        if not self._start():
            return
        self._own()
        self._see_connection()
        self._answers.pay()
        self._look()
        self._take_commands()
        self._look()
        self._settle_late()
        self._keep_house()
        self._show()

    def _settle_late(self) -> None:
        """Looks for what is in doubt when something happened, and now and then."""
        if self._why():
            return
        now = (self.ledger.n, self._terminal.history_total(), len(self.journal.results), self.gmt() // 5)
        if now != self._sought:
            self._answers.settle_late(self.gmt())
            self._sought = now

    def _look(self) -> None:
        if not self._blocked() and self.journal.bind(self.gmt(), self._terminal.account.books.number):
            self._recover()
            self._told = self.ledger.look(self.gmt())

    def _start(self) -> bool:
        if not self._locked:
            for folder in FOLDERS:
                self._terminal.folder.make(folder)
            self._locked = self._terminal.folder.lock("journal/lock")
        if self._locked and not self._open:
            gmt = self.gmt()
            self._open = self.journal.open(gmt)
            if self._open:
                self._answers.started = gmt
                self.ledger.open(self.journal.run)
        return self._locked and self._open

    def _own(self) -> None:
        found = undress(self._terminal.folder.read("owner.json") or b"")
        if found is None or found.get("v") != 1 or found.get("kind") != "owner":
            return
        gen, session = found.get("gen"), found.get("session")
        if type(gen) is not int or not isinstance(session, str) or not _SESSION.fullmatch(session):
            return
        if self.journal.gen < gen < 10**12:
            self.journal.write(self.gmt(), {"kind": "GRANT", "gen": gen, "session": session})

    def _see_connection(self) -> None:
        gmt, server = self.gmt(), self._terminal.server_time()
        if not self._terminal.connected:
            self._connected_at = None
        elif self._connected_at is None:
            self._connected_at = gmt
        settled = self._connected_at is not None and gmt - self._connected_at >= self._settle_s
        if settled and self._quoted_at and server > self._quoted_at:
            self._offset = (server - gmt + 450) // 900 * 900
        self._quoted_at = server if settled else 0
        self._owned.offset_s = self._answers.offset_s = self._offset

    def _why(self) -> str:
        """Why it is not ready; empty where it is."""
        return self._blocked() or ("" if self._told else "events")

    def _blocked(self) -> str:
        gmt = self.gmt()
        number = self._terminal.account.books.number
        if {self._account or number, self.journal.account or number} != {number}:
            return "account"
        if self._connected_at is None or gmt - self._connected_at < self._settle_s:
            return "connection"
        if not self.journal.writable or self._answers.owes:
            return "journal"
        return ""

    def _recover(self) -> None:
        if self._recovered:
            return
        commands = {}
        for name in self._terminal.folder.names("work"):
            command = command_in(undress(self._terminal.folder.read(f"work/{name}") or b""), name)
            if command is not None and command["op"] in TRADING:
                commands[command["id"]] = command
        for id_ in self.journal.unanswered():
            commands.setdefault(id_, self.journal.received[id_])
        for command in commands.values():
            self._answers.recover(command, self.gmt())
        self._recovered = True

    def _take_commands(self) -> None:
        names = sorted(name for name in self._terminal.folder.names("in") if _COMMAND.fullmatch(name))
        self._first_seen = {name: at for name, at in self._first_seen.items() if name in names}
        for name in names:
            data = self._terminal.folder.read(f"in/{name}")
            command = command_in(undress(data or b""), name)
            if command is None:
                self._set_aside(name)
            elif command["op"] == "time" or (not self._why() and not self._terminal.context_busy):
                self._answers.handle(command, name, self.gmt())

    def _set_aside(self, name: str) -> None:
        seen = self._first_seen.setdefault(name, self.gmt())
        if self.gmt() - seen >= UNREADABLE_S and self._terminal.move(f"in/{name}", f"bad/{name}"):
            del self._first_seen[name]

    def _keep_house(self) -> None:
        day = day_of(self.gmt())
        if day != self._day:
            self.journal.drop_old(self.gmt())
            self.ledger.drop_old(self.gmt())
            self._answers.drop_old(self.gmt())
            self._day = day

    def _common(self) -> dict[str, Any]:
        return {"gmt": self.gmt(), "gen": self.journal.gen, "run": self.journal.run}

    def _show_account(self, calling: str = "", *, now: bool = False) -> None:
        why = self._why()
        matters = {
            "session": self.journal.session,
            "journal": self.journal.name,
            "journal_since": self.journal.since,
            "stream": self.ledger.stream,
            "ready": not why,
            "why": why,
            "connected": self._terminal.connected,
            "trade_allowed": self._terminal.trade_allowed,
            "calling": calling,
            "offset_s": self._offset or 0,
            "offset_known": self._offset is not None,
            "event": self.ledger.n,
            "missing": len(self.ledger.missing),
        }
        fields = {
            **matters,
            "server_time": self._terminal.server_time(),
            **account_fields(self._terminal),
        }
        self._snapshots.write("account", self._common(), fields, (self.journal.gen, matters), now=now)

    def _show(self) -> None:
        self._show_account()
        rows = self._rows()
        ready = not self._why() and rows is not None and not self.ledger.missing
        shown = order_rows(rows or [])
        fields = {"event": self.ledger.n, "complete": ready, "count": len(shown), "rows": shown}
        matters = [
            {key: value for key, value in row.items() if key not in ("profit", "swap")} for row in shown
        ]
        self._snapshots.write("orders", self._common(), fields, (ready, self.ledger.n, matters))
        symbols = self._terminal.symbols()
        known = [symbol_row(self._terminal, symbol) for symbol in symbols]
        steps = [{key: row[key] for key in row if key not in ("tick_value", "margin")} for row in known]
        self._snapshots.write("symbols", self._common(), {"rows": known}, steps)
        ticks = tick_rows(symbols)
        self._snapshots.write("ticks", self._common(), {"rows": ticks}, ticks)

    def _rows(self) -> list[tuple[Ticket, Held]] | None:
        """What is open, if the events have told of all of it as it is, and of nothing else."""
        total = self._terminal.orders_total()
        found = [self._terminal.order_at(index) for index in range(total)]
        rows = [row for row in found if row is not None]
        held = {ticket for ticket, one in self.ledger.held.items() if one.open}
        if len(rows) != total or total != self._terminal.orders_total() or held != {r.ticket for r in rows}:
            return None
        shown = [(row, self.ledger.held[row.ticket]) for row in rows]
        as_told = all(
            (one.row.type, one.row.lots) == (row.type, row.lots) and one.row.stands(row) for row, one in shown
        )
        return shown if as_told else None


def _name() -> str:
    return f"{random.SystemRandom().getrandbits(64):016x}"
