"""In which sequence the commands of a stream change an order, whichever node takes them and however often they come.

A change that was done is not done again, and a replace that was sent before one that was done already is not done at
all: it would bring back what the later one has changed. What was done is what the order's journal entries say: each
names the message that it comes of.
"""

from datetime import timedelta
from typing import Final

from ordergate.api.gate import Gate
from ordergate.api.nats.link import Message
from ordergate.api.taking import Dead
from ordergate.application.audit.reading import lines_of, read_entry
from ordergate.application.entry import Entry
from ordergate.domain.orders.events import ReplaceRefused, RequestOpened
from ordergate.domain.orders.states import RequestKind

_SKEW: Final = timedelta(seconds=60)
"""By which the clocks of server and journal may differ; an entry that is older still is of a stream before this one."""


async def is_done(gate: Gate, order_id: str, message: Message) -> bool:
    """Whether the journal has what the message asked for of an order."""
    return any(entry.request == message.came_from for entry in await _since(gate, order_id, message))


async def check_newest(gate: Gate, order_id: str, message: Message) -> None:
    """Raises Dead where a replace of the order that was sent later is journalled."""
    stream, number = _place(message.came_from)
    for entry in await _since(gate, order_id, message):
        other, later = _place(entry.request or "")
        if other == stream and later > number and _is_replace(entry):
            reason = (
                f"{entry.request}, a later replace of order {order_id}, was taken first: send the terms anew"
            )
            raise Dead("superseded", reason, order_id)


async def _since(gate: Gate, order_id: str, message: Message) -> list[Entry]:
    """The order's entries that may come of this stream's messages."""
    journal = (await gate.find(order_id)).journal
    entries = [read_entry(line, index) for index, line in await lines_of(journal, order_id)]
    return [entry for entry in entries if entry.source == "nats" and entry.time >= message.at - _SKEW]


def _is_replace(entry: Entry) -> bool:
    event = entry.event
    return isinstance(event, ReplaceRefused) or (
        isinstance(event, RequestOpened) and event.request.kind is RequestKind.REPLACE
    )


def _place(came_from: str) -> tuple[str, int]:
    """The stream, and the number in it; zero for what came of no stream."""
    stream, _, number = came_from.rpartition("/")
    return stream, int(number) if number.isdecimal() else 0
