"""Moving a fund from one shard to another: the steps, in the order that leaves nothing in two places.

Every step is journalled before the next, and is done once however often it is asked for. So a move that was cut off
anywhere is completed by running it again.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from msgspec import Struct

from ordergate.application.audit.reading import read_entry
from ordergate.application.decide.moving import MOST_BYTES
from ordergate.application.engine import Command
from ordergate.application.entry import Origin
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import JournalReader
from ordergate.bootstrap.gate import Gate
from ordergate.bootstrap.opening_shards import enter_shards, known_to
from ordergate.config import Config, PaperBroker
from ordergate.config.errors import ConfigError
from ordergate.domain.book import Key
from ordergate.domain.errors import AuditError, Code, Conflict, NotFound
from ordergate.domain.moves import LogEnd, Move, MovePhase, packed
from ordergate.domain.moving import ExpectFund, FundLeft, LeaveFund, OpenFund, TakeKeys, TakePart
from ordergate.protocols.tlog import Checkpoint
from ordergate.protocols.tlog.encoding import encode_base64

_KEYS_AT_ONCE: Final = 1_000


class Moved(Struct, frozen=True, kw_only=True):
    """What was moved.

    Attributes:
        parts: entries that say what left.
        keys: idempotency keys that were taken over in this run.
        source: the shard that it came from.
        end: of that shard's log, which holds what left.
        done_before: nothing was left to do.
    """

    fund_id: str
    source: str
    target: str
    parts: int
    keys: int
    end: LogEnd
    done_before: bool


async def move_fund(
    config: Config, fund_id: str, target: str, origin: Origin, clock: Clock | None = None
) -> Moved:
    """Moves a fund to the shard that the configuration has for it; completes a move that was cut off.

    Raises:
        ConfigError: the configuration does not have the fund in that shard.
        NotFound: no shard's journal has the fund.
        Conflict: it has orders that are not finished; nothing was done.
    """
    check_target(config, fund_id, target)
    async with AsyncExitStack() as stack:
        gates = await enter_shards(stack, config, clock, brokers=False)
        source = _source(gates, fund_id, target)
        brokers = accounts_of(config.shard(target))
        return await _Mover(gates, (source, target), fund_id, brokers, origin).run()


def check_target(config: Config, fund_id: str, target: str) -> None:
    """Raises ConfigError, which says what to change, unless the fund is configured in that shard."""
    if target not in config.shards:
        known = ", ".join(config.shards) or "none: add [shards.NAME] to the configuration"
        raise ConfigError(f"--to: {target!r} is no shard; there are {known}")
    section = config.funds.get(fund_id)
    if section is None:
        raise ConfigError(f"{fund_id!r} is no fund of the configuration; there are {', '.join(config.funds)}")
    if section.shard != target:
        raise ConfigError(
            f"the configuration has fund {fund_id} in shard {section.shard}: write first, under [funds.{fund_id}], "
            f'shard = "{target}" and a broker of that shard, then run this again'
        )


def _source(gates: Mapping[str, Gate], fund_id: str, target: str) -> str:
    """Where the fund is, or was before a move to the target that has begun.

    Raises:
        NotFound: nowhere.
    """
    for name, gate in gates.items():
        if name != target and known_to(gate).has(fund_id):
            return name
    move = gates[target].runner.engine.state.moves.get(fund_id)
    if move is None or move.phase is MovePhase.LEFT:
        detail = f"no other shard's journal has fund {fund_id!r}: there is nothing to move"
        raise NotFound(Code.UNKNOWN_FUND, detail, "#/fund_id")
    return move.shard


def accounts_of(config: Config) -> frozenset[str]:
    """The brokers of a shard whose accounts are the same wherever ordergate asks: of these, our record goes along.

    A paper venue keeps its own beside each database, so that the account of that name is another one there.
    """
    return frozenset(name for name, section in config.brokers.items() if not isinstance(section, PaperBroker))


class _Mover:
    """One move, from the gate that the fund leaves to the one that it comes to."""

    def __init__(
        self,
        gates: Mapping[str, Gate],
        way: tuple[str, str],
        fund_id: str,
        brokers: frozenset[str],
        origin: Origin,
    ) -> None:
        self._source, self._target = way
        self._old, self._new = (gates[name] for name in way)
        self._fund_id, self._brokers, self._origin = fund_id, brokers, origin

    async def run(self) -> Moved:
        """Does what is left to do."""
        moved = self._new.runner.engine.state.moves.get(self._fund_id)
        if moved is not None and moved.phase is MovePhase.HERE and not known_to(self._old).has(self._fund_id):
            return await self._moved(moved, 0, done_before=True)
        leave = LeaveFund(
            fund_id=self._fund_id,
            shard=self._target,
            origin=self._new.config.audit.origin,
            brokers=self._brokers,
        )
        await self._old.preview(leave)  # refuses before anything is written
        await self._check_sessions()
        await self._do(
            self._new,
            ExpectFund(fund_id=self._fund_id, shard=self._source, origin=self._old.config.audit.origin),
        )
        left: Move = await self._do(self._old, leave)
        end = await log_end(self._old.journal)
        for index, part in await self._parts(left):
            await self._do(self._new, TakePart(left=part, index=index, end=end))
        keys = await self._take_keys(end)
        opened = await self._do(self._new, OpenFund(fund_id=self._fund_id, end=end, parts=left.parts))
        return await self._moved(opened, keys, done_before=False)

    async def _check_sessions(self) -> None:
        """Raises Conflict where a node trades at an account of which the record would leave it."""
        owned = {held.name: held.node for held in await self._old.leases.all() if held.node is not None}
        recorded = {row.broker for row in self._old.runner.engine.state.account_holdings.rows.values()}
        for name in sorted(self._brokers & recorded):
            node = owned.get(f"broker:{name}")
            if node is not None:
                detail = (
                    f"the account at {name} moves along, and node {node} has its session in shard {self._source}: "
                    "stop the nodes that have the old configuration first"
                )
                raise Conflict(Code.FUND_BUSY, detail, "#/fund_id")

    async def _do(self, gate: Gate, command: Command) -> Any:
        return await gate.execute(command, self._origin)

    async def _parts(self, left: Move) -> list[tuple[int, FundLeft]]:
        lines = await self._old.journal.lines(left.first, left.parts)
        entries = [read_entry(line, index) for index, line in enumerate(lines, left.first)]
        parts = [(entry.index, entry.event) for entry in entries if isinstance(entry.event, FundLeft)]
        if len(parts) != left.parts:
            raise AuditError(
                f"entries {left.first} to {left.first + left.parts - 1} do not say what left", left.first
            )
        return parts

    async def _take_keys(self, end: LogEnd) -> int:
        """Those that still hold; an order's key that has run out makes a new order, here as there."""
        move = self._new.runner.engine.state.moves.rows[self._fund_id]
        after = (
            None if move.key is None or move.key_kind is None else (self._fund_id, move.key_kind, move.key)
        )
        now, taken = self._old.clock.now(), 0
        async for keys in self._keys(after):
            held = [key for key in keys if key.expires_at is None or key.expires_at > now]
            taken += len(held)
            for group in packed(held, MOST_BYTES):
                await self._do(self._new, TakeKeys(fund_id=self._fund_id, end=end, keys=group))
        return taken

    async def _keys(self, after: tuple[str, str, str] | None) -> AsyncIterator[list[Key]]:
        where = {"fund_id": self._fund_id}
        while keys := await self._old.journal.select("keys", where, after=after, limit=_KEYS_AT_ONCE):
            yield keys
            after = (self._fund_id, keys[-1].kind, keys[-1].key)

    async def _moved(self, move: Move, keys: int, *, done_before: bool) -> Moved:
        return Moved(
            fund_id=self._fund_id,
            source=self._source,
            target=self._target,
            parts=move.parts,
            keys=keys,
            end=await log_end(self._old.journal),
            done_before=done_before,
        )


async def log_end(reader: JournalReader) -> LogEnd:
    """The end of a log, as its last checkpoint signs it."""
    head = await reader.head()
    signed = Checkpoint.parse(head.checkpoint.partition("\n\n")[0] + "\n")
    return LogEnd(origin=signed.origin, size=signed.size, root=encode_base64(signed.root))
