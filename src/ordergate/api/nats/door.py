"""The door on NATS, as configured."""

from ordergate.api.gate import Gate
from ordergate.api.nats import ordering, signals
from ordergate.api.nats.asking import Asking
from ordergate.api.nats.intake import Handler, Intake, Lane, Terms
from ordergate.api.nats.link import Consumed, Letters, Server
from ordergate.api.nats.settings import Inputs
from ordergate.api.nats.signatures import Verifier
from ordergate.protocols.subjects import token


class NatsDoor:
    """Takes signals and commands, as far as the settings say.

    Args:
        book: names the book that all its nodes write: what they take from a stream, they take together.
    """

    def __init__(
        self, gate: Gate, server: Server, letters: Letters, settings: Inputs, verifier: Verifier, book: str
    ) -> None:
        self._server, self._letters, self._settings = server, letters, settings
        self._book = token(book)
        self._parts: list[Intake | Asking] = []
        if settings.signals:
            take = signals.Signals(gate, verifier, settings.max_age_s).take
            self._add("signals", settings.signals_stream, (signals.SUBJECT,), take)
        if settings.commands:
            take = ordering.Ordering(gate, settings.max_age_s).take
            self._add("commands", settings.commands_stream, ordering.SUBJECTS, take, ordering.lane_of)
            self._parts.append(Asking(gate, server, letters, f"ordergate-{self._book}"))

    def _add(
        self, name: str, stream: str, subjects: tuple[str, ...], take: Handler, lane: Lane | None = None
    ) -> None:
        consumed = Consumed(
            stream=stream,
            subjects=subjects,
            durable=f"ordergate-{name}-{self._book}",
            kept_s=self._settings.kept_s,
            ack_wait_s=self._settings.ack_wait_s,
        )
        terms = Terms(max_deliver=self._settings.max_deliver, lane=lane)
        self._parts.append(Intake(name, self._server, consumed, self._letters, terms, take))

    def start(self) -> None:
        """Begins to take what comes, as soon as the server is there."""
        for part in self._parts:
            part.start()

    async def close(self) -> None:
        """Takes no more, and ends what is under way."""
        for part in self._parts:
            await part.close()
