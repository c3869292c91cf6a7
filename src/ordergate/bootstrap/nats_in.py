"""What comes in over NATS, wired up: for a service, beside its other doors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ordergate.adapters.nats import Connection
from ordergate.adapters.nats.letters import DeadLetters
from ordergate.adapters.nats.streams import find_or_make, pull
from ordergate.api.nats.door import NatsDoor
from ordergate.api.nats.link import Consumed
from ordergate.api.nats.settings import Inputs
from ordergate.api.nats.signatures import Verifier, public_key_of
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.connecting import connection_of
from ordergate.bootstrap.gate import Gate
from ordergate.bootstrap.shards import Shards
from ordergate.config import Config, ConfigError
from ordergate.config.secrets import LEAST_SIGNING, place_of


class _Server:
    """The connection, as the door wants it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def client(self) -> Any:
        """See `Connection.client`."""
        return await self._connection.client()

    async def consumer(self, consumed: Consumed) -> Any:
        """A pull subscription; stream and consumer are made where they are not there.

        Raises:
            NatsError: the server cannot do it now.
        """
        stream = await self._connection.stream()
        from nats.js.api import (  # the connection has said so where it is not installed
            AckPolicy,
            ConsumerConfig,
        )

        kept = await find_or_make(stream, consumed.stream, consumed.subjects, max_age_s=consumed.kept_s)
        config = ConsumerConfig(
            name=consumed.durable,
            durable_name=consumed.durable,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=consumed.ack_wait_s,
            max_deliver=-1,  # the door counts, and says what it gives up
            filter_subjects=list(consumed.subjects),
        )
        return await pull(stream, kept.config.name or consumed.stream, config)


def check_nats_in(config: Config, secrets: Secrets) -> None:
    """Raises ConfigError or SecretError where something that `nats_in` needs is not there."""
    inputs = config.nats.inputs
    if inputs.signals or inputs.commands:
        config.nats.login(secrets)
        verifier_of(inputs, secrets)


@asynccontextmanager
async def nats_in(config: Config, gate: Gate | Shards) -> AsyncIterator[None]:
    """Meanwhile signals and commands are taken from the configured server, as far as the configuration says.

    A server that is away holds nothing up: what it keeps is taken once it is there.

    Raises:
        ConfigError: credentials are not there; or the gate is one shard of several, and would take what is for the
            others.
        SecretError: the token, or what signatures are checked with, is not there.
    """
    inputs = config.nats.inputs
    if not (inputs.signals or inputs.commands):
        yield
        return
    if len(gate.shards) < len(config.shards):
        raise ConfigError("nats.inputs: takes what is for any shard: serve all of them in one process")
    secrets = next(iter(gate.shards.values())).secrets
    connection = connection_of(config.nats, secrets, "ordergate inputs")
    letters = DeadLetters(connection, "inputs")
    door = NatsDoor(
        gate, _Server(connection), letters, inputs, verifier_of(inputs, secrets), config.audit.origin
    )
    door.start()
    try:
        yield
    finally:
        await door.close()
        await connection.close()


def verifier_of(inputs: Inputs, secrets: Secrets) -> Verifier:
    """Who must have signed signals. Raises SecretError where the secret is not there."""
    place = place_of(inputs, "hmac_key", "nats.inputs", LEAST_SIGNING)
    return Verifier(
        secret=None if place is None else secrets.hold(place),
        public_key=None if inputs.ed25519_key is None else public_key_of(inputs.ed25519_key),
        needed=inputs.needs_signature,
    )
