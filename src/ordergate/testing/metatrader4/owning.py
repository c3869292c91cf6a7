"""Which command of ours a ticket came of, and which ended it."""

from typing import Any

from ordergate.testing.metatrader4.account import Ticket
from ordergate.testing.metatrader4.journal import Journal
from ordergate.testing.metatrader4.searching import belongs, ended_by
from ordergate.testing.metatrader4.terminal import Terminal

_ENDING = ("close", "close_by", "delete")


class Owned:
    """Looks into the journal. `offset_s` of the server's clock, None where it is not known."""

    def __init__(self, terminal: Terminal, journal: Journal) -> None:
        self._terminal, self._journal = terminal, journal
        self.offset_s: int | None = None

    def opener(self, row: Ticket) -> str:
        """The id of the `open` that a ticket came of, or an empty text."""
        for id_, command in self._journal.received.items():
            if command["op"] != "open":
                continue
            result = self._journal.results.get(id_, {})
            if result.get("state") == "done":
                if result.get("ticket") == row.ticket:
                    return id_
            elif result.get("state", "unknown") == "unknown" and belongs(row, command, self.offset_s):
                return id_
        return ""

    def closer(self, row: Ticket) -> str:
        """The id of the command that ended a ticket, or an empty text."""
        maybe = ""
        for id_, command in self._journal.received.items():
            if command["op"] not in _ENDING or row.ticket not in _named(command):
                continue
            state = self._journal.results.get(id_, {}).get("state", "unknown")
            if state == "done":
                return id_
            may = ended_by(self._terminal, row, command, self.offset_s)
            if not maybe and state == "unknown" and may and not self.ended_otherwise(command):
                maybe = id_
        return maybe

    def ended_otherwise(self, command: dict[str, Any]) -> bool:
        """Whether another command is known to have ended a ticket that this one was to end."""
        if command["op"] not in _ENDING:
            return False
        return any(
            other["op"] in _ENDING
            and id_ != command["id"]
            and self._journal.results.get(id_, {}).get("state") == "done"
            and _named(other) & _named(command)
            for id_, other in self._journal.received.items()
        )

    def ref_of(self, id_: str) -> str:
        """What the client calls a command; empty where it is not known."""
        return str(self._journal.received.get(id_, {}).get("ref", ""))

    def doubtful(self) -> list[dict[str, Any]]:
        """Commands of which it is not known whether they were carried out."""
        return [
            self._journal.received[id_]
            for id_, result in self._journal.results.items()
            if result["state"] == "unknown" and id_ in self._journal.received
        ]


def _named(command: dict[str, Any]) -> set[Any]:
    """The tickets that it ends."""
    return {command[key] for key in ("ticket", "by") if type(command.get(key)) is int}
