"""Kafka beside the demo: the archive, read back and compared with the journal."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ordergate.adapters.kafka import Reading
from ordergate.adapters.kafka.target import library
from ordergate.adapters.outlets.kafka import cursor_of
from ordergate.bootstrap import Gate
from ordergate.bootstrap.archive import Verification, verify_archive
from ordergate.cli import archive
from ordergate.cli import terminal as t
from ordergate.cli.demo_servers import kafka_broker
from ordergate.cli.demo_waiting import delivered
from ordergate.config import Config
from ordergate.config.kafka import KafkaSection


class KafkaCompanion:
    """The archive, in a broker of the demo's own."""

    name = "kafka"

    def __init__(self, server: str) -> None:
        self._section = KafkaSection(servers=(server,))
        self._verified: Verification | None = None

    def configured(self, config: Config) -> Config:
        """See `Companion`."""
        return replace(config, kafka=self._section)

    async def act(self, gate: Gate) -> None:
        """Nothing: the gate feeds it."""

    async def compare(self, gate: Gate) -> dict[str, Any]:
        """Waits until all that is journalled now is archived, and verifies that."""
        await delivered(gate, cursor_of(self._section.topic))
        target = gate.config.kafka.target(gate.secrets)
        self._verified = await verify_archive(target, {gate.config.audit.origin: gate.journal})
        keys = Counter[str]()
        topic = Reading(target)
        try:
            await topic.begin()
            async for records in topic.records():
                keys.update((record.key or b"").decode() for record in records)
        finally:
            await topic.close()
        return archive.shown(target.topic, self._verified) | {"keys": dict(sorted(keys.items()))}

    def say(self, found: Mapping[str, Any]) -> None:
        """See `Companion`."""
        t.print_table(
            f"Kafka, {found['topic']}", ("key", "records"), list(found["keys"].items()), ("records",)
        )
        if self._verified is not None:
            archive.say(found, self._verified)


@contextmanager
def kafka(folder: Path) -> Iterator[KafkaCompanion]:
    """It, with its broker running. Raises KafkaError or InputError where something for it is not installed."""
    library()  # what is not installed is said before a server is started
    with kafka_broker(folder) as server:
        yield KafkaCompanion(server)
