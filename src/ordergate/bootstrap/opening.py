"""Opening a gate on a database: the one place that names real adapters."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from ordergate.adapters.calendars import SessionCalendar
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.ids import TimeIds
from ordergate.adapters.journals.aside import ReaderAside
from ordergate.adapters.journals.location import locate, path_of, place_beside
from ordergate.adapters.journals.stores import open_journal, open_leases, open_reader
from ordergate.adapters.leases import OnlyNode
from ordergate.adapters.secrets.audit_key import AuditKey, AuditKeyError, find_or_make_key
from ordergate.application.audit.ending import open_signed, signs
from ordergate.application.engine import Engine
from ordergate.application.nodes import load_tree
from ordergate.application.ports.brokers import Broker
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.ids import Ids
from ordergate.application.ports.journal import Head, Journal
from ordergate.application.ports.leases import Leases
from ordergate.application.queries import Queries
from ordergate.application.recovery import check_head, last_instant, load_state
from ordergate.application.runner import Runner
from ordergate.application.secrets import Secrets
from ordergate.application.tail import Tail
from ordergate.application.view import View
from ordergate.bootstrap.audit_key import find_audit_key
from ordergate.bootstrap.brokers import make_brokers
from ordergate.bootstrap.clickhouse import clickhouse_tables, follow_tables
from ordergate.bootstrap.gate import Gate
from ordergate.bootstrap.gates import close_gates, make_gates
from ordergate.bootstrap.in_force import InForce, seen
from ordergate.bootstrap.kafka import kafka_archive
from ordergate.bootstrap.logs import show_no_locals
from ordergate.bootstrap.nats import nats_connection, nats_out
from ordergate.bootstrap.secrets import keeping_secrets, secrets_of
from ordergate.config import Config, ConfigError
from ordergate.protocols.tlog import Signer

MEMORY: Final = "sqlite://"


@asynccontextmanager
async def open_gate(
    config: Config,
    url: str | None = None,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    address: str | None = None,
    secrets: Secrets | None = None,
) -> AsyncIterator[Gate]:
    """A running gate on a database, recovered to where it was; on a server, one node beside others.

    Args:
        url: of the database; None takes the configured one.
        address: where this node can be reached, for those who ask which nodes there are.
        secrets: that somebody else keeps; None reads those of the configuration, and again meanwhile.

    Raises:
        ConfigError: the configuration has shards; see `open_shards`. Or the journal there is another log's.
        StoreError, AuditError, AuditKeyError: the database or its key cannot be used.
        SecretError: one cannot be had.
        KafkaError: there is to be an archive, and its library or settings cannot be used.
        ClickHouseError: there are to be tables in ClickHouse, and its library is not installed.
        NatsError: a server is named, and nats-py is not installed.
    """
    if config.shards:
        raise ConfigError(
            "the configuration has shards: open them with open_shards, or one with config.shard(NAME)"
        )
    show_no_locals()
    url, clock = url or config.database.url, clock or SystemClock()
    async with AsyncExitStack() as stack:
        held = secrets
        if held is None:
            held = await stack.enter_async_context(keeping_secrets(config, clock))
        journal = await open_journal(url)
        stack.push_async_callback(journal.close)
        path = path_of(url)
        key = _key(config, held, url, await journal.head())
        in_force = InForce(config)
        brokers = make_brokers(in_force, held, url, clock)
        leases = open_leases(url, address)
        stack.push_async_callback(leases.close)
        async with (
            kafka_archive(config, held, journal) as outlets,
            clickhouse_tables(config, held, journal) as tables,
            nats_connection(config, held) as nats,
            assemble(
                config,
                journal,
                key.signer,
                clock,
                ids or TimeIds(),
                brokers,
                path,
                leases,
                place_beside(url),
                held,
                in_force,
            ) as gate,
            nats_out(gate, nats),
        ):
            for outlet in outlets:
                await gate.follow(outlet)
            await follow_tables(gate, tables)
            yield gate


def _key(config: Config, secrets: Secrets, url: str, head: Head) -> AuditKey:
    """The key to sign with. One that was made here must have signed the journal: another machine may have another."""
    origin, place = config.audit.origin, place_beside(url)
    _check_origin(head, origin, locate(url).shown)
    key = find_audit_key(config, place, secrets)
    if not head.size:
        return key or find_or_make_key(origin, None, place)
    named = "name the right one with ORDERGATE_AUDIT_KEY, audit.key_file or audit.key_secret, or put its file back"
    if key is None:
        raise AuditKeyError(f"the audit key that signs {locate(url).shown} is not here: {named}")
    if key.generated and not signs(head, key.signer.verifier):
        raise AuditKeyError(f"{key.source} is not the audit key that has signed {locate(url).shown}: {named}")
    return key


def _check_origin(head: Head, origin: str, shown: str) -> None:
    """Raises ConfigError where the journal is another log's: two that write one journal are one muddle."""
    if not head.size:
        return
    found = open_signed(head.checkpoint, None, "the last checkpoint").origin
    if found != origin:
        raise ConfigError(
            f"audit.origin: {shown} holds the log {found!r}, not {origin!r}: write that origin, or name a database of "
            "its own"
        )


@asynccontextmanager
async def reading_aside(gate: Gate) -> AsyncIterator[None]:
    """Meanwhile the gate's lists are read beside the writer: for a service, where others must not wait for them.

    A database in memory has no such place; one on a server is read beside the writer anyway.
    """
    if gate.database is None:
        yield
        return
    aside = ReaderAside(await open_reader(f"sqlite:///{gate.database}"))
    gate.lists = Queries(aside)
    try:
        yield
    finally:
        gate.lists = gate.queries
        await aside.close()


@asynccontextmanager
async def assemble(
    config: Config,
    journal: Journal,
    signer: Signer,
    clock: Clock,
    ids: Ids,
    brokers: Sequence[Broker],
    database: Path | None = None,
    leases: Leases | None = None,
    files: Path | None = None,
    secrets: Secrets | None = None,
    in_force: InForce | None = None,
) -> AsyncIterator[Gate]:
    """A running gate from parts; the journal stays open behind it. Without leases it is the only node.

    Args:
        files: what files beside the database are named after; None takes the database itself.
        secrets: those in use; None reads what is needed, once.
        in_force: where the brokers read the configuration, if anywhere.
    """
    secrets, in_force = secrets or secrets_of(config), in_force or InForce(config)
    leases, gates = leases or OnlyNode(), make_gates(config, secrets)
    with ExitStack() as opening:
        opening.enter_context(_uncollected())
        runner = await _runner(in_force, journal, signer, clock, ids, alone=leases.node is None)
        gate = Gate(
            in_force,
            runner,
            journal,
            clock,
            brokers,
            signer.verifier,
            leases,
            secrets,
            database,
            files or database,
            gates,
        )
        running = gate.running = asyncio.get_running_loop().create_task(runner.run())
        running.add_done_callback(lambda _ended: gate.failed())
        try:
            await _together(gate.open(), running)
            opening.close()
            yield gate
        finally:
            await gate.close()
            await close_gates(gates)
            await running


@contextmanager
def _uncollected() -> Iterator[None]:
    """Meanwhile Python looks for no cycles: what is loaded has none, and each look goes through all of it again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def leave_to_itself() -> None:
    """Spares a gate Python's cyclic garbage collector: for processes that do little else.

    A gate's values have no cycles, so that looking for some is in vain: it takes a tenth of the time, and more
    with more orders. What is alive when this is called is never looked at again, and the rest seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _together(opening: Any, running: asyncio.Task[None]) -> None:
    """Waits for the opening; a runner that fails meanwhile says why."""
    task = asyncio.ensure_future(opening)
    done, _pending = await asyncio.wait({task, running}, return_when=asyncio.FIRST_COMPLETED)
    if running in done:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await running
    await task


async def _runner(
    in_force: InForce, journal: Journal, signer: Signer, clock: Clock, ids: Ids, *, alone: bool
) -> Runner:
    async with journal.snapshot() as reader:
        head = await reader.head()
        tree = await load_tree(reader, head.size)
        check_head(head, tree.root())
        state = await load_state(reader)
        last = await last_instant(reader, head)
    config = in_force.config
    view = View(
        instrument=in_force.catalogue,
        new_order_id=ids.order_id,
        brokers=frozenset(config.brokers),
        **seen(config),
        calendar=SessionCalendar(),
    )
    return Runner(Engine(state, view, head.size, last), journal, Tail(signer, tree), clock, alone=alone)
