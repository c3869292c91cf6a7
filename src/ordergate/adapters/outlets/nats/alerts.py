"""Alerts over NATS: `ordergate.v1.alerts.<kind>`, at least once, in order."""

from collections.abc import Sequence
from typing import Final

import msgspec

from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.adapters.outlets.nats.publishing import Stream
from ordergate.application.alerting import alert_of
from ordergate.application.entry import Entry
from ordergate.application.naming import LogName, Naming

SUBJECT: Final = "ordergate.v1.alerts"
SUBJECTS: Final = (f"{SUBJECT}.*",)
_ENCODE: Final = msgspec.json.Encoder().encode


class NatsAlerts:
    """An outlet that publishes what a person should hear of at once.

    Args:
        naming: of the journal.
    """

    def __init__(self, stream: Stream, naming: Naming) -> None:
        self._stream, self._naming = stream, naming

    @property
    def name(self) -> str:
        """Of its cursor."""
        return "nats-alerts"

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Returns once the server has every alert for good.

        Raises:
            NatsError: it has not, or does not say so: all of them come again.
            StoreError: the journal cannot be read.
        """
        name = await self._naming.name()
        letters = [letter for entry in entries if (letter := _letter(entry, name)) is not None]
        if letters:
            await self._stream.publish(letters)


def _letter(entry: Entry, name: LogName) -> Letter | None:
    alert = alert_of(entry, name)
    if alert is None:
        return None
    return Letter(
        subject=f"{SUBJECT}.{alert.kind}",
        id=f"{name.entry(entry.index)}/alert",
        payload=_ENCODE(alert),
        log=alert.log,
        journal=alert.journal,
        index=alert.id,
        time=entry.time,
        chain=("alerts", ""),
    )
