"""Alerts over NATS: `ordergate.v1.alerts.<kind>`, at least once, in order."""

from collections.abc import Sequence
from typing import Final

import msgspec

from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.adapters.outlets.nats.publishing import Stream
from ordergate.application.alerting import alert_of
from ordergate.application.entry import Entry

SUBJECT: Final = "ordergate.v1.alerts"
SUBJECTS: Final = (f"{SUBJECT}.*",)
_ENCODE: Final = msgspec.json.Encoder().encode


class NatsAlerts:
    """An outlet that publishes what a person should hear of at once.

    Args:
        log: the origin of the journal.
    """

    def __init__(self, stream: Stream, log: str) -> None:
        self._stream, self._log = stream, log

    @property
    def name(self) -> str:
        """Of its cursor."""
        return "nats-alerts"

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Returns once the server has every alert for good; raises NatsError where it has not."""
        letters = [letter for entry in entries if (letter := self._letter(entry)) is not None]
        if letters:
            await self._stream.publish(letters)

    def _letter(self, entry: Entry) -> Letter | None:
        alert = alert_of(entry, self._log)
        if alert is None:
            return None
        identity = f"{self._log}/{entry.index}/alert"
        body = _ENCODE(alert)
        return Letter(
            f"{SUBJECT}.{alert.kind}", identity, body, self._log, entry.index, entry.time, ("alerts", "")
        )
