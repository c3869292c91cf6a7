"""NATS beside the demo: signals come in, what happens goes out, and both are compared with the journal and the book."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from ordergate.adapters.nats import Connection
from ordergate.adapters.nats.connection import check_library
from ordergate.adapters.nats.letters import STREAM as DEAD_STREAM
from ordergate.adapters.nats.streams import DAY_S, find_or_make
from ordergate.adapters.outlets.nats import Dialect, renderers
from ordergate.api.nats.settings import Inputs
from ordergate.application.naming import Naming
from ordergate.bootstrap import Gate
from ordergate.cli import demo_nats_views as views
from ordergate.cli import terminal as t
from ordergate.cli.demo_servers import nats_server
from ordergate.cli.demo_signals import APPROVED, REJECTED, Fate, Sent, messages
from ordergate.cli.demo_waiting import delivered, ended, until, wished
from ordergate.config import Config
from ordergate.config.nats import NatsSection
from ordergate.domain.money import text
from ordergate.protocols.subjects import CAME_FROM, CODE, REASON

_REJECTED: Final = "REJECTED_SIGNALS"
_BUCKET: Final = "ORDERGATE_POSITIONS"
_TRIES: Final = 3
_WRONG: Final = ("missing", "foreign", "different")
_SIGNAL: Final = ("sent on", "signal", "kept as", "became", "state", "filled", "why")
_SUBJECT: Final = ("dialect", "subject", "messages", "journal")
_POSITION: Final = (
    "key", "quantity", "book's", "average", "book's average", "at entry", "last changed by entry",
)  # fmt: skip
_LETTER: Final = ("subject", "message", "code", "reason")

_ANY_AGE_S: Final = 10**10
"""The server has the time of now, and the gate that of the market."""


class NatsCompanion:
    """A server of the demo's own: the demo is its risk service, and reads all that the gate says there."""

    name = "nats"

    def __init__(self, server: str) -> None:
        self._section = NatsSection(
            servers=(server,),
            inputs=Inputs(signals=True, max_age_s=_ANY_AGE_S),
            dialects=(Dialect.MTS, Dialect.ORDERS, Dialect.UPDATES),
            positions_bucket=_BUCKET,
        )
        self._sent: dict[str, Sent] = {}  # by stream and number

    def configured(self, config: Config) -> Config:
        """See `Companion`."""
        return replace(config, nats=self._section)

    async def act(self, gate: Gate) -> None:
        """Sends signals, and waits until the gate has done with all of them and, for a while, until orders end."""
        connection = self._connection()
        try:
            await self._send(connection, messages(await wished("nats", gate)))
        finally:
            await connection.close()
        wanted = [one.signal_id for one in self._sent.values() if one.fate is Fate.ORDER]

        await ended(gate, wanted)

    async def _send(self, connection: Connection, sent: Sequence[Sent]) -> None:
        context = await connection.stream()
        signals = self._section.inputs.signals_stream
        for name, subject in ((signals, APPROVED), (_REJECTED, REJECTED)):
            await find_or_make(context, name, (subject,), max_age_s=DAY_S)
        last = 0
        async with views.asking(f"stream {signals}"):
            for one in sent:
                ack = await context.publish(one.subject, one.data)
                self._sent[f"{ack.stream}/{ack.seq}"] = one
                last = ack.seq if ack.stream == signals else last

            async def taken() -> bool:
                consumers = await context.consumers_info(signals)
                floors = [one.ack_floor.stream_seq for one in consumers if one.ack_floor is not None]
                return any(floor >= last for floor in floors)

            if sent:
                await until("signals are taken from NATS", taken)

    async def compare(self, gate: Gate) -> dict[str, Any]:
        """Waits until all that is journalled now has gone out, and compares it; once more if more came meanwhile."""
        for _ in range(_TRIES):
            size = await delivered(gate, "nats-positions")
            await delivered(gate, "nats")
            found = await self._compared(gate, size)
            if (await gate.journal.head()).size == size:
                break
        return found

    async def _compared(self, gate: Gate, size: int) -> dict[str, Any]:
        name = await Naming(gate.journal, gate.config.audit.origin).name()
        connection = self._connection()
        try:
            came = await views.stream_of(connection, self._section.stream)
            dead = await views.stream_of(connection, DEAD_STREAM)
            bucket, mark = await views.bucket_of(connection, _BUCKET)
        finally:
            await connection.close()
        entries = await views.entries_of(gate.journal, size)
        render = renderers(self._section.dialects, fund_suffix=False)
        told = views.compare_messages(came, await views.letters_of(gate.journal, entries, name, render))
        held = await views.compare_positions(gate.journal, entries, name, bucket, mark)
        letters = [_letter(one) for one in dead]
        signals = [await self._fate(gate, place, letters) for place in self._sent]
        known = {one["message"] for one in signals if one["dead_letter"] is not None}
        strange = [one for one in letters if one["message"] not in known]
        agrees = told["agrees"] and held["agrees"] and not strange and all(one["agrees"] for one in signals)
        return {
            "agrees": agrees,
            "signals": signals,
            "stream": {"name": self._section.stream, **told},
            "positions": {"bucket": _BUCKET, **held},
            "dead_letters": letters,
        }

    async def _fate(self, gate: Gate, place: str, letters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What became of a message: one order, one dead letter, or nothing; and whether that is as it is to be."""
        sent = self._sent[place]
        orders = [] if sent.signal_id is None else await gate.queries.orders(signal_id=sent.signal_id)
        dead = [letter for letter in letters if letter["message"] == place]
        made = (len(orders), len(dead))
        right = {
            Fate.ORDER: made
            in ((1, 0), (0, 1)),  # a gate with limits of its own may say no, and then says why
            Fate.NOTHING: made == (0, 0),
            Fate.DEAD: made == (0, 1),
        }[sent.fate]
        order = orders[0] if orders else None
        return {
            "subject": sent.subject,
            "message": place,
            "signal_id": sent.signal_id,
            "order_id": None if order is None else order.order_id,
            "state": None if order is None else str(order.state),
            "filled": None if order is None else text(order.filled_quantity),
            "dead_letter": dead[0]["code"] if dead else None,
            "reason": dead[0]["reason"] if dead else None if order is None else order.reason,
            "agrees": right,
        }

    def say(self, found: Mapping[str, Any]) -> None:
        """See `Companion`."""
        rows = [_signal_row(one) for one in found["signals"]]
        t.print_table("NATS, signals that came in", _SIGNAL, rows, ("filled",))
        _say_messages(found["stream"])
        _say_positions(found["positions"])
        letters = [[one[name] for name in _LETTER] for one in found["dead_letters"]]
        t.print_table(f"NATS, dead letters in {DEAD_STREAM}", _LETTER, letters)

    def _connection(self) -> Connection:
        return Connection(self._section.servers, name="ordergate demo")


def _letter(message: views.Message) -> dict[str, Any]:
    headers = message.headers
    return {
        "subject": message.subject,
        "message": headers.get(CAME_FROM),
        "code": headers.get(CODE),
        "reason": headers.get(REASON),
    }


def _signal_row(one: Mapping[str, Any]) -> tuple[Any, ...]:
    became = one["order_id"] or ("nothing" if one["dead_letter"] is None else "a dead letter")
    return (
        one["subject"],
        one["signal_id"] or "not readable",
        one["message"],
        became if one["agrees"] else f"{became}: NOT as it should be",
        one["state"],
        one["filled"],
        one["reason"] or (None if one["order_id"] else "the risk service rejected it"),
    )


def _say_messages(stream: Mapping[str, Any]) -> None:
    rows = [[one[name] for name in _SUBJECT] for one in stream["subjects"]]
    t.print_table(f"NATS, messages in {stream['name']}", _SUBJECT, rows, ("messages", "journal"))
    for kind in _WRONG:
        wrong = stream[kind]
        if wrong["count"]:
            t.out.print(f"{wrong['count']} {kind}, such as {', '.join(wrong['first'])}")
    count = stream["messages"] - stream["repeated"]
    if stream["agrees"]:
        t.out.print(f"{count} messages, each id counted once: every one is what the journal says")
    t.out.print()


def _say_positions(positions: Mapping[str, Any]) -> None:
    rows = [
        (
            one["key"],
            one["quantity"] or "missing",
            one["book_quantity"],
            t.short(one["avg_price"]),
            t.short(one["book_avg_price"]),
            one["index"],
            one["changed_at"],
        )
        for one in positions["rows"]
    ]
    t.print_table(f"NATS, positions in {positions['bucket']}", _POSITION, rows, _POSITION[1:])
    if positions["foreign"]:
        t.out.print(f"not in the book: {', '.join(positions['foreign'])}")
    stands = "nothing" if positions["index"] is None else f"entry {positions['index']}"
    word = "every position is the book's" if positions["agrees"] else "they are NOT the book's"
    t.out.print(f"the bucket stands at {stands} of {positions['journal_index']}: {word}")
    t.out.print()


@contextmanager
def nats(folder: Path) -> Iterator[NatsCompanion]:
    """It, with its server running. Raises NatsError or InputError where something for it is not installed."""
    check_library()  # what is not installed is said before a server is started
    with nats_server(folder) as server:
        yield NatsCompanion(server)
