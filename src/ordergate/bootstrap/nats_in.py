"""What comes in over NATS, wired up: for a service, beside its other doors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from ordergate.adapters.nats import Connection
from ordergate.adapters.nats.letters import DeadLetters
from ordergate.adapters.nats.streams import find_or_make, pull
from ordergate.adapters.outlets.webhook import SecretError, read_secret
from ordergate.api.gate import Gate
from ordergate.api.nats.door import NatsDoor
from ordergate.api.nats.link import Consumed
from ordergate.api.nats.settings import Inputs
from ordergate.api.nats.signatures import Verifier, public_key_of
from ordergate.bootstrap.connecting import connection_of
from ordergate.config import Config, ConfigError

_LEAST_SECRET: Final = 16
"""Characters; see `read_secret`."""


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


def check_nats_in(config: Config) -> None:
    """Raises ConfigError where something that `nats_in` needs of this machine is not there."""
    inputs = config.nats.inputs
    if inputs.signals or inputs.commands:
        config.nats.login()
        verifier_of(inputs)


@asynccontextmanager
async def nats_in(config: Config, gate: Gate) -> AsyncIterator[None]:
    """Meanwhile signals and commands are taken from the configured server, as far as the configuration says.

    A server that is away holds nothing up: what it keeps is taken once it is there.

    Raises:
        ConfigError: credentials, or what signatures are checked with, are not there; or the gate is one
            shard of several, and would take what is for the others.
    """
    inputs = config.nats.inputs
    if not (inputs.signals or inputs.commands):
        yield
        return
    if len(gate.shards) < len(config.shards):
        raise ConfigError("nats.inputs: takes what is for any shard: serve all of them in one process")
    connection = connection_of(config.nats, "ordergate inputs")
    letters = DeadLetters(connection, "inputs")
    door = NatsDoor(gate, _Server(connection), letters, inputs, verifier_of(inputs), config.audit.origin)
    door.start()
    try:
        yield
    finally:
        await door.close()
        await connection.close()


def verifier_of(inputs: Inputs) -> Verifier:
    """Who must have signed signals. Raises ConfigError where the secret is not there."""
    return Verifier(
        secret=_secret_of(inputs),
        public_key=None if inputs.ed25519_key is None else public_key_of(inputs.ed25519_key),
        needed=inputs.needs_signature,
    )


def _secret_of(inputs: Inputs) -> bytes | None:
    if inputs.hmac_key_env is None and inputs.hmac_key_file is None:
        return None
    try:
        return read_secret(inputs.hmac_key_env, inputs.hmac_key_file)
    except (
        SecretError
    ):  # it speaks of alerts, and of a variable that may be the secret itself, put here by mistake
        kind = "variable" if inputs.hmac_key_env is not None else "file"
        setting = "hmac_key_env" if inputs.hmac_key_env is not None else "hmac_key_file"
        raise ConfigError(
            f"nats.inputs.{setting}: the {kind} that it names is not there, or has no secret of at least "
            f"{_LEAST_SECRET} characters, which signals are signed with"
        ) from None
