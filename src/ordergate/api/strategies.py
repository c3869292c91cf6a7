"""Strategies as doors see them: how often each has run, when it was seen, and whether it may run on; in every shard."""

from datetime import datetime

from ordergate.api.gate import Gate
from ordergate.application.entry import Origin
from ordergate.application.ports.journal import RowReader
from ordergate.application.queries import Shown, show
from ordergate.domain.book import Strategy
from ordergate.domain.errors import Code, Conflict, NotFound, quoted
from ordergate.domain.risk.commands import EnableStrategy, Heartbeat
from ordergate.domain.risk.limits import NOTHING, Level, Limits


def show_strategy(row: Strategy, limits: Limits, shard: str = "") -> Shown:
    """How often a strategy has run since it was enabled, and whether it may run on; its last sign of life."""
    stopped = limits.max_runs is not None and row.runs >= limits.max_runs
    return {
        **show(row),
        "max_runs": limits.max_runs,
        "max_silence_s": limits.max_silence_s,
        "stopped": stopped,
        "shard": shard or None,
    }


async def strategies(gate: Gate) -> list[Shown]:
    """The strategies whose runs are counted, or whose signs of life are."""
    now = gate.clock.now()
    return [
        row for name, shard in gate.shards.items() for row in await strategy_rows(shard.journal, now, name)
    ]


async def strategy_rows(reader: RowReader, now: datetime, shard: str = "") -> list[Shown]:
    """The same, of one journal."""
    limits = {row.name: row.at(now) for row in await reader.select("limits", {"level": Level.STRATEGY.value})}
    return [
        show_strategy(row, limits.get(row.strategy_id, NOTHING), shard)
        for row in await reader.select("strategies")
    ]


async def enable_strategy(gate: Gate, command: EnableStrategy, origin: Origin) -> Shown:
    """Lets a strategy run again, in every shard where its runs are counted.

    Raises:
        NotFound: they are counted nowhere.
    """
    enabled = []
    for name, shard in gate.shards.items():
        try:
            await shard.runner.execute(command, origin)
        except NotFound:
            continue
        enabled.append(name)
    if not enabled:
        detail = f"no runs of strategy {quoted(command.strategy_id)} were counted"
        raise NotFound(Code.UNKNOWN_STRATEGY, detail, "#/strategy_id")
    return await _shown(gate, command.strategy_id, enabled)


async def heartbeat(gate: Gate, command: Heartbeat, origin: Origin) -> Shown:
    """Takes a sign of life of a strategy, in every shard where it may not be silent for ever.

    Raises:
        Conflict: it may be so everywhere.
    """
    taken: list[str] = []
    refused: Conflict | None = None
    for name, shard in gate.shards.items():
        try:
            await shard.runner.execute(command, origin)
        except Conflict as error:
            if error.code is not Code.NOT_WATCHED:
                raise
            refused = error
            continue
        taken.append(name)
    if refused is not None and not taken:
        raise refused
    return await _shown(gate, command.strategy_id, taken)


async def _shown(gate: Gate, strategy_id: str, shards: list[str]) -> Shown:
    """The row of a strategy in the first of those shards."""
    rows = await strategies(gate)
    return next(row for row in rows if row["strategy_id"] == strategy_id and (row["shard"] or "") in shards)
