"""Opening shards, all of them or one: only where the journals agree with the configuration on who lies where."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals.location import exists, locate
from ordergate.adapters.journals.stores import open_reader
from ordergate.application.entry import Origin
from ordergate.application.ports.clock import Clock
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.gate import Gate
from ordergate.bootstrap.opening import open_gate, reading_aside
from ordergate.bootstrap.secrets import keeping_secrets
from ordergate.bootstrap.shards import Shards
from ordergate.config import Config
from ordergate.config.errors import ConfigError
from ordergate.domain.moves import Move, MovePhase
from ordergate.domain.orders.commands import Configure


class Known(Struct, frozen=True):
    """What a journal knows of funds: which it has ever had, and the last move of each that has moved."""

    funds: frozenset[str]
    moves: Mapping[str, Move]

    def has(self, fund_id: str) -> bool:
        """Whether the fund is there: it has neither left nor yet to come."""
        move = self.moves.get(fund_id)
        return fund_id in self.funds and (move is None or move.phase is MovePhase.HERE)


def known_to(gate: Gate) -> Known:
    """What a running shard knows."""
    state = gate.runner.engine.state
    return Known(frozenset(state.funds.rows), dict(state.moves.rows))


async def _known_beside(url: str) -> Known:
    """What the journal there knows, whoever writes it; nothing, where there is none yet."""
    found = locate(url)
    if found.kind == "memory" or (found.path is not None and not exists(found.path)):
        return Known(frozenset(), {})
    reader = await open_reader(url)
    try:
        funds, moves = await reader.select("funds"), await reader.select("moves")
    finally:
        await reader.close()
    return Known(frozenset(fund.fund_id for fund in funds), {move.fund_id: move for move in moves})


def check_place(fund_id: str, shard: str, known: Mapping[str, Known]) -> None:
    """Raises ConfigError unless the journals agree that the fund lies in that shard, or is new."""
    move = known[shard].moves.get(fund_id)
    command = f"ordergate funds move {fund_id} --to {shard}"
    if move is not None and move.phase is MovePhase.LEFT:
        raise ConfigError(
            f"funds.{fund_id}.shard: the fund has moved from {shard} to {move.shard}: write shard = "
            f'"{move.shard}" and a broker of that shard'
        )
    if move is not None and move.phase is MovePhase.EXPECTED:
        raise ConfigError(
            f"funds.{fund_id}.shard: the fund is on its way from {move.shard} to {shard}: {command} completes it"
        )
    for name, others in known.items():
        if name != shard and others.has(fund_id):
            raise ConfigError(
                f"funds.{fund_id}.shard: the fund lies in {name}, not in {shard}: {command} moves it"
            )


@asynccontextmanager
async def open_shards(
    config: Config,
    *,
    clock: Clock | None = None,
    address: str | None = None,
    secrets: Secrets | None = None,
) -> AsyncIterator[Shards]:
    """The running gates of a configuration that has shards; `address` and `secrets` as for `open_gate`.

    Raises:
        ConfigError: a fund lies in another shard than the configuration says.
        StoreError, AuditError, AuditKeyError: a database or its key cannot be used.
    """
    async with AsyncExitStack() as stack:
        gates = await enter_shards(stack, config, clock, brokers=True, address=address, secrets=secrets)
        known = {name: known_to(gate) for name, gate in gates.items()}
        for fund_id, section in config.funds.items():
            check_place(fund_id, section.shard or "", known)
        for name, gate in gates.items():
            gate.in_force.config = config.shard(name)
            await gate.execute(Configure(gate.config.fund_values(), ()), Origin())
        yield Shards(config, gates)


async def enter_shards(
    stack: AsyncExitStack,
    config: Config,
    clock: Clock | None,
    *,
    brokers: bool,
    address: str | None = None,
    secrets: Secrets | None = None,
) -> dict[str, Gate]:
    """A gate for each shard, without its funds: those are configured where they turn out to be.

    Args:
        brokers: whether to open sessions at them.
    """
    ids, gates = TimeIds(), dict[str, Gate]()
    if secrets is None:
        secrets = await stack.enter_async_context(keeping_secrets(config, clock or SystemClock()))
    for name in config.shards:
        own = replace(config.shard(name), funds={})
        own = own if brokers else replace(own, brokers={})
        gates[name] = await stack.enter_async_context(
            open_gate(own, clock=clock, ids=ids, address=address, secrets=secrets)
        )
    return gates


@asynccontextmanager
async def open_shard(
    config: Config, name: str, address: str | None = None, secrets: Secrets | None = None
) -> AsyncIterator[Gate]:
    """One shard alone, as if there were no others; they may be open elsewhere.

    Raises:
        ConfigError, StoreError, AuditError, AuditKeyError: as `open_shards`.
    """
    own = config.shard(name)
    async with open_gate(replace(own, funds={}), address=address, secrets=secrets) as gate:
        urls = {other: config.shard(other).database.url for other in config.shards if other != name}
        known = {other: await _known_beside(url) for other, url in urls.items()}
        for fund_id in own.funds:
            check_place(fund_id, name, {name: known_to(gate), **known})
        gate.in_force.config = own
        await gate.execute(Configure(own.fund_values(), ()), Origin())
        yield gate


@asynccontextmanager
async def open_any(
    config: Config,
    url: str,
    shard: str | None = None,
    address: str | None = None,
    secrets: Secrets | None = None,
) -> AsyncIterator[Gate | Shards]:
    """The gate at that database; where the configuration has shards, the one that is named, or all at theirs."""
    async with AsyncExitStack() as stack:
        if not config.shards:
            yield await stack.enter_async_context(open_gate(config, url, address=address, secrets=secrets))
        elif shard is not None:
            yield await stack.enter_async_context(open_shard(config, shard, address, secrets))
        else:
            yield await stack.enter_async_context(open_shards(config, address=address, secrets=secrets))


@asynccontextmanager
async def all_reading_aside(opened: Gate | Shards) -> AsyncIterator[None]:
    """See `reading_aside`, for every shard."""
    async with AsyncExitStack() as stack:
        for gate in opened.shards.values():
            await stack.enter_async_context(reading_aside(gate))
        yield
