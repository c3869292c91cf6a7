"""What the expert advisor does about a command, and how it answers."""

from collections.abc import Callable
from typing import Any

from ordergate.testing.metatrader4.account import Ticket
from ordergate.testing.metatrader4.arguments import OPERATIONS, TRADING, Wrong, shown, text, whole
from ordergate.testing.metatrader4.calling import carry_out, prepare, told
from ordergate.testing.metatrader4.journal import DAY, Journal
from ordergate.testing.metatrader4.ledger import Ledger
from ordergate.testing.metatrader4.lines import dress, number, undress
from ordergate.testing.metatrader4.owning import Owned
from ordergate.testing.metatrader4.rows import reason_of, told_row
from ordergate.testing.metatrader4.searching import search
from ordergate.testing.metatrader4.snapshots import replace
from ordergate.testing.metatrader4.terminal import Terminal

MOST_S = 300
AHEAD_S = 60
PAGE = 200
Fields = dict[str, Any]


class Answers:
    """Handles commands one at a time.

    Attributes:
        started: when this run began, on the expert's clock.
        offset_s: of the server's clock, None where it is not known.
    """

    def __init__(
        self,
        terminal: Terminal,
        journal: Journal,
        ledger: Ledger,
        owned: Owned,
        show: Callable[..., None],
        clock: Callable[[], int],
    ) -> None:
        self._terminal, self._journal, self._ledger = terminal, journal, ledger
        self._owned, self._show, self._clock = owned, show, clock
        self.started = 0
        self.offset_s: int | None = None
        self._owed: list[tuple[Fields, Fields]] = []
        self._unpublished: dict[str, Fields] = {}

    @property
    def owes(self) -> bool:
        """Whether a result could not be written down yet."""
        return bool(self._owed)

    def handle(self, command: Fields, name: str, gmt: int) -> None:
        """A command that lies in `in/`, whole."""
        known = self._known(command["id"]) if command["op"] in TRADING else None
        if known is not None:
            self._publish(known, f"in/{name}")
        elif command["op"] not in TRADING:
            self._publish(self._inform(command, gmt), f"in/{name}")
        elif self._terminal.move(f"in/{name}", f"work/{name}"):
            self._finish(command, self._act(command, gmt), gmt)

    def recover(self, command: Fields, gmt: int) -> None:
        """A command that an earlier run claimed; never carried out again."""
        known = self._known(command["id"])
        if known is not None:
            self._publish(known, _work(command))
            return
        if command["id"] not in self._journal.received:
            self._journal.write(gmt, {**command, "kind": "RECEIVED"})
        self._finish(command, self._found(command) or {"state": "unknown"}, gmt)

    def pay(self) -> None:
        """Tries again what could not be written."""
        if not self._journal.writable and not self._owed:
            self._journal.write(self._clock(), {"kind": "NOTE"})
        while self._owed:
            command, result = self._owed[0]
            if not self._journal.write(result["gmt"], {**result, "kind": "RESULT"}):
                return
            self._owed.pop(0)
            self._publish(result, _work(command))
        for result in list(self._unpublished.values()):
            self._publish(result, result["work"])

    def settle_late(self, gmt: int) -> None:
        """Commands that were unknown, and show now."""
        for command in self._owned.doubtful():
            found = self._found(command)
            if found is not None and self._ledger.tell("result", gmt, id=command["id"], state="done"):
                self._finish(command, found, gmt)

    def drop_old(self, gmt: int) -> None:
        """Results that nobody took."""
        for name in self._terminal.folder.names("out"):
            found = undress(self._terminal.folder.read(f"out/{name}") or b"") or {}
            if found.get("gmt", 0) < gmt - 2 * DAY:
                self._terminal.delete(f"out/{name}")

    def _act(self, command: Fields, gmt: int) -> Fields:
        """The keys of the result."""
        if command["sent_at"] <= self.started:
            found = self._found(command)
            if found is not None:
                return found
        wrong = self._refusal(command, gmt)
        if wrong is not None:
            return wrong
        try:
            call = prepare(self._terminal, command, self.offset_s)
        except Wrong as error:
            return {"state": "not_sent", "why": "invalid", "text": str(error)}
        if not self._terminal.trade_allowed:
            return {"state": "not_sent", "why": "disabled", "text": "the terminal lets no program trade"}
        if not self._journal.write(gmt, {**command, "kind": "RECEIVED"}):
            return {"state": "not_sent", "why": "disk", "text": "the journal cannot be written"}
        self._show(command["id"], now=True)
        return carry_out(self._terminal, command, call)

    def _refusal(self, command: Fields, gmt: int) -> Fields | None:
        """What stands against any command at all."""
        if command["gen"] != self._journal.gen:
            text = f"generation is {command['gen']}: {self._journal.gen} is granted"
            return {"state": "not_sent", "why": "fenced", "text": text}
        if command["op"] not in OPERATIONS:
            text = f"{shown(command, 'op')}: one of {', '.join(OPERATIONS)} is needed"
            return {"state": "not_sent", "why": "invalid", "text": text}
        sent, expires = command["sent_at"], command["expires_at"]
        if expires - sent > MOST_S:
            text = f"expires_at is {expires}: at most {sent + MOST_S} is right"
            return {"state": "not_sent", "why": "invalid", "text": text}
        if gmt < expires and sent <= gmt + AHEAD_S:
            return None
        found = self._found(command) if command["op"] == "open" else None
        text = f"expires_at is {expires}, sent_at {sent}: the clock here is {gmt}"
        return found or {"state": "not_sent", "why": "expired", "text": text}

    def _found(self, command: Fields) -> Fields | None:
        row = search(self._terminal, command, self.offset_s)
        if row is None or self._owned.ended_otherwise(command):
            return None
        return self._as_found(row)

    def _as_found(self, row: Ticket) -> Fields:
        return {"state": "done", "found": True, **told(self._terminal, row.ticket)}

    def _known(self, id_: str) -> Fields | None:
        """What the journal has under that id, as a result."""
        result = self._journal.results.get(id_)
        if result is not None:
            return {**result, "kind": "result"}
        if id_ in self._journal.sealed:
            return self._result({"id": id_}, {"state": "not_sent", "why": "sealed"}, 0)
        return None

    def _result(self, command: Fields, fields: Fields, gmt: int) -> Fields:
        empty = {"why": "", "code": 0, "text": "", "ticket": 0, "lots": "0", "price": "0", "at": 0, "rest": 0}
        names = {key: command.get(key, 0 if key in ("gen", "seq") else "") for key in _NAMES}
        server = self._terminal.server_time()
        return {
            "v": 1,
            "kind": "result",
            **names,
            "state": "",
            **empty,
            "found": False,
            "gmt": gmt,
            "server_time": server,
            **fields,
        }

    def _finish(self, command: Fields, fields: Fields, gmt: int) -> None:
        result = self._result(command, fields, gmt)
        if self._owed or not self._journal.write(gmt, {**result, "kind": "RESULT"}):
            self._owed.append((command, result))
            return
        self._publish(result, _work(command))

    def _publish(self, result: Fields, done_with: str) -> None:
        """Writes a result's file, then deletes the command's."""
        content = {key: value for key, value in result.items() if key != "work"}
        if not replace(self._terminal, f"out/res-{result['id']}.json", dress(content)):
            self._unpublished[result["id"]] = {**result, "work": done_with}
            return
        self._unpublished.pop(result["id"], None)
        if done_with:
            self._terminal.delete(done_with)

    # Operations that change nothing at the broker.

    def _inform(self, command: Fields, gmt: int) -> Fields:
        refusal = None if command["op"] == "time" else self._refusal(command, gmt)
        if refusal is not None:
            return self._result(command, refusal, gmt)
        try:
            fields = {"seal": self._seal, "time": self._time, "history": self._tell_history}[command["op"]](
                command, gmt
            )
        except Wrong as error:
            fields = {"state": "not_sent", "why": "invalid", "text": str(error)}
        return self._result(command, fields, gmt)

    def _time(self, command: Fields, gmt: int) -> Fields:
        known = self.offset_s is not None
        return {"state": "done", "offset_s": self.offset_s or 0, "offset_known": known}

    def _seal(self, command: Fields, gmt: int) -> Fields:
        target = text(command, "target", 26)
        known = self._known(target)
        if known is not None and known["state"] == "unknown" and target in self._journal.received:
            self.settle_late(gmt)
            known = self._known(target)
        if known is None or known["why"] == "sealed":
            known = self._seal_unknown(command, target, gmt)
        if known["why"] != "disk":
            self._publish(known, "")
        keys = ("state", "why", "code", "text", "ticket", "lots", "price", "at", "rest", "found")
        return {"target": target, **{key: known[key] for key in keys}}

    def _seal_unknown(self, command: Fields, target: str, gmt: int) -> Fields:
        about = {"id": target, "op": "open"}
        sealed = target in self._journal.sealed
        if not sealed and not self._journal.write(gmt, {"kind": "SEALED", "id": target}):
            return self._result(about, {"state": "unknown", "why": "disk"}, gmt)
        sent = whole(command, "target_sent_at", 0)
        if "magic" in command:
            found = self._found({**command, "op": "open", "sent_at": sent})
            if found is not None:
                return self._result(about, found, gmt)
        if sent and sent < self._journal.since:
            return self._result(about, {"state": "unknown", "why": "forgotten"}, gmt)
        return self._result(about, {"state": "not_sent", "why": "sealed"}, gmt)

    def _tell_history(self, command: Fields, gmt: int) -> Fields:
        since, after = whole(command, "since"), whole(command, "after", 0)
        rows = []
        for index in range(self._terminal.history_total()):
            row = self._terminal.history_at(index)
            if row is not None and (row.close_time, row.ticket) > (since, after if after else -1):
                rows.append(row)
        rows.sort(key=lambda row: (row.close_time, row.ticket))
        told_rows = [self._history_row(row) for row in rows[:PAGE] if row.close_time >= since]
        return {"state": "done", "complete": True, "more": len(rows) > PAGE, "rows": told_rows}

    def _history_row(self, row: Ticket) -> Fields:
        held = self._ledger.held.get(row.ticket)
        id_ = held.id if held is not None else self._owned.opener(row)
        ref = held.ref if held is not None else self._owned.ref_of(id_)
        by = self._owned.closer(row)
        return {
            **told_row(row, id_, ref),
            "close_price": number(row.close_price),
            "close_time": row.close_time,
            "reason": reason_of(row, by),
            "by": by,
            "by_ref": self._owned.ref_of(by),
        }


_NAMES = ("id", "ref", "gen", "seq", "op")


def _work(command: Fields) -> str:
    return f"work/cmd-{command['gen']:012d}-{command['seq']:010d}.json"
