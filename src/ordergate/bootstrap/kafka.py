"""The archive of a gate, where the configuration has one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ordergate.adapters.outlets.kafka import KafkaArchive
from ordergate.application.ports.journal import JournalReader
from ordergate.application.secrets import Secrets
from ordergate.config import Config


@asynccontextmanager
async def kafka_archive(
    config: Config, secrets: Secrets, reader: JournalReader
) -> AsyncIterator[list[KafkaArchive]]:
    """The outlet, to be followed meanwhile; none without servers. Brokers that are away hinder nothing.

    Raises:
        ConfigError: a file that it names is not there.
        SecretError: a password is not.
        KafkaError: the library is missing, or refuses the settings.
    """
    section = config.kafka
    if not section.servers:
        yield []
        return
    archive = KafkaArchive(section.target(secrets), section.key, config.audit.origin, reader)
    archive.check()
    try:
        yield [archive]
    finally:
        await archive.close()
