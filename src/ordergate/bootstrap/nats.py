"""NATS: one connection, and what goes out over it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ordergate.adapters.nats import Connection
from ordergate.adapters.nats.connection import check_library
from ordergate.adapters.outlets.nats import (
    ALERT_SUBJECTS,
    BucketTerms,
    NatsAlerts,
    NatsEvents,
    NatsPositions,
    Render,
    Stream,
    StreamTerms,
    renderers,
    subjects,
)
from ordergate.api.market import market_of
from ordergate.application.naming import Naming
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.connecting import connection_of
from ordergate.bootstrap.gate import Gate
from ordergate.config import Config


@asynccontextmanager
async def nats_connection(config: Config, secrets: Secrets) -> AsyncIterator[Connection | None]:
    """The connection for all that goes over NATS, made when it is first needed; None where no server is named.

    It is closed behind the gate, which uses it to its end.

    Raises:
        ConfigError: there is no such file of credentials.
        SecretError: there is no such token.
        NatsError: nats-py is not installed.
    """
    section = config.nats
    if not section.servers:
        yield None
        return
    check_library()
    connection = connection_of(section, secrets, "ordergate")
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def nats_out(gate: Gate, connection: Connection | None) -> AsyncIterator[None]:
    """What the configuration switches on follows the gate's journal, until the gate ends."""
    if connection is not None:
        await _follow(gate, connection)
    yield


def renderers_of(gate: Gate) -> list[Render]:
    """What is published of the gate's entries, as it is configured when they are told."""
    section = gate.config.nats
    return renderers(
        section.dialects,
        fund_suffix=section.fund_suffix,
        partial_fills=lambda: gate.config.nats.partial_fills,
    )


async def _follow(gate: Gate, connection: Connection) -> None:
    section, log = gate.config.nats, gate.config.audit.origin
    dialects, alerts = section.dialects, ALERT_SUBJECTS if section.alerts else ()
    terms = StreamTerms(name=section.stream, replicas=section.replicas, max_age_s=section.max_age_s)
    stream = Stream(connection, terms, [*subjects(dialects, fund_suffix=section.fund_suffix), *alerts])
    if dialects:
        await gate.follow(NatsEvents(stream, gate.journal, log, renderers_of(gate)))
    if section.positions_bucket is not None:
        bucket = BucketTerms(name=section.positions_bucket, replicas=section.replicas)
        await gate.follow(NatsPositions(connection, bucket, gate.journal, log, lambda: market_of(gate)))
    if alerts:
        await gate.follow(NatsAlerts(stream, Naming(gate.journal, log)), from_its_start=False)
