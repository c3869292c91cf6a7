"""What comes in from ClickHouse, wired up: for a service, beside its other doors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ordergate.adapters.clickhouse import Connection
from ordergate.adapters.clickhouse.signals import SignalTable
from ordergate.api.clickhouse.signals import SignalPoll
from ordergate.api.clickhouse.telling import Teller
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.gate import Gate
from ordergate.bootstrap.shards import Shards
from ordergate.config import Config, ConfigError


def check_clickhouse_in(config: Config, secrets: Secrets) -> None:
    """Raises ConfigError or SecretError where something that `clickhouse_in` needs of this machine is not there."""
    if config.clickhouse.signals.take:
        config.clickhouse.target(secrets)


@asynccontextmanager
async def clickhouse_in(config: Config, gate: Gate | Shards) -> AsyncIterator[None]:
    """Meanwhile approved signals of the table are taken, while no other node does so.

    A server that is away holds nothing up: it is asked again.

    Raises:
        ConfigError: the gate is one shard of several, and would take what is for the others.
        SecretError: the password is not there.
        StoreError: the store cannot be used.
    """
    inputs = config.clickhouse.signals
    if not inputs.take:
        yield
        return
    if len(gate.shards) < len(config.shards):
        raise ConfigError("clickhouse.signals: takes what is for any shard: serve all of them in one process")
    target = config.clickhouse.target(next(iter(gate.shards.values())).secrets)
    reading, telling = Connection(target), Connection(target)
    teller = Teller(gate, SignalTable(telling)) if inputs.write_back else None
    poll = SignalPoll(gate, SignalTable(reading), teller, inputs)
    try:
        await next(iter(gate.shards.values())).keeper.add(poll)
        yield
    finally:
        await poll.close()
        await reading.close()
        await telling.close()
