"""`ordergate risk`: limits, what the gate would say, strategies that run again."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ordergate.adapters.clock import SystemClock
from ordergate.api import risk
from ordergate.api.strategies import strategy_rows
from ordergate.application.ports.journal import JournalReader
from ordergate.cli import terminal as t
from ordergate.cli.desk import open_desk
from ordergate.cli.places import ShardName, opened, places
from ordergate.cli.risk_desk import Change
from ordergate.domain.orders.commands import parse_choice
from ordergate.domain.risk.limits import Level, Scope
from ordergate.domain.risk.parsing import LISTS, parse_limits, parse_scope, parse_why
from ordergate.domain.times import parse_time

app: Final = typer.Typer(
    help="Look at and change limits, and ask what the gate would say.", no_args_is_help=True
)
_WITHOUT: Final = "none"
_FLAGS: Final = {"true": True, "yes": True, "false": False, "no": False}
Row = dict[str, Any]


async def read_all(
    db: str | None,
    config: Path | None,
    shard: str | None,
    read: Callable[[JournalReader, str], Awaitable[list[Row]]],
) -> list[Row]:
    """What is read of every journal, each with the name of its shard."""
    found: list[Row] = []
    for at in places(db, t.read_config(config), shard):
        async with opened(at) as reader:
            found += await read(reader, at.shard or "")
    return found


def shown_name(row: Row) -> str:
    """Such as `fund paper-momentum`, or `firm`."""
    return f"{row['level']} {row['name']}".rstrip()


@app.command()
def limits(
    level: Annotated[Level | None, typer.Option(help="Of this level.", case_sensitive=False)] = None,
    name: Annotated[str | None, typer.Option(help="Of this name.")] = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Show limits: what counts now, since when, by whom and why."""

    async def read(reader: JournalReader, shard: str) -> list[Row]:
        now = SystemClock().now()
        rows = await reader.select("limits")
        return [risk.show_limit_set(row, now, shard) for row in rows]

    async def main() -> None:
        found = [
            row
            for row in await read_all(db, config, shard, read)
            if level in (None, row["level"]) and name in (None, row["name"])
        ]
        t.print_json(found) if as_json else _print_limits(found)

    t.run(main, as_json=as_json)


def _print_limits(rows: list[Row]) -> None:
    cells = [
        (row["shard"], shown_name(row), name, _text(value))
        for row in rows
        for name, value in row["in_force"].items()
    ]
    t.print_table("Limits", ("shard", "of", "limit", "value"), cells)
    said = [
        (row["shard"], shown_name(row), row["version"], t.second(row["set_at"]), row["set_by"], row["reason"],
         t.second(row["reverts_at"] or ""))
        for row in rows
    ]  # fmt: skip
    if said:
        t.print_table("Set", ("shard", "of", "version", "at", "by", "reason", "until"), said)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


@app.command("set")
def set_limits(
    of: Annotated[str, typer.Argument(metavar="LEVEL[:NAME]", help="Such as fund:paper-momentum, or firm.")],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE...",
            help="Limits; none takes one away, names are written a,b and leverage fx:30,metals:30.",
        ),
    ],
    reason: t.Reason,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When the change is over, such as 2026-05-22T20:00:00Z."),
    ] = None,
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Change limits; those that are not named stay."""

    async def main() -> None:
        level, _, name = of.partition(":")
        scope = parse_scope(level, name)
        change = Change(
            scope=scope,
            values=_values(scope, values),
            reason=parse_why({"reason": reason}),
            until=None if until is None else parse_time(until, "#/until"),
            shard=shard,
        )
        async with open_desk(db, config, shard, by) as desk:
            row = await desk.risk.change(change)
        t.print_json(row) if as_json else _print_limits([row])

    t.run(main, as_json=as_json)


def _values(scope: Scope, given: list[str]) -> dict[str, Any]:
    """The values as JSON has them.

    Raises:
        InputError: one is no KEY=VALUE, or is there twice.
        Invalid: see `parse_limits`.
    """
    values: dict[str, Any] = {}
    for one in given:
        name, sign, text = one.partition("=")
        if not sign or name in values:
            wrong = "stands there twice" if sign else "is no KEY=VALUE, such as max_order_qty=100"
            raise t.InputError(f"{one!r} {wrong}")
        values[name] = _value(name, text)
    parse_limits(scope[0], values)
    return values


def _value(name: str, text: str) -> Any:
    if text == _WITHOUT:
        return None
    if name in LISTS:
        return [one for one in text.split(",") if one]
    if name == "leverage":
        return {asset: times for asset, _, times in (one.partition(":") for one in text.split(","))}
    return _FLAGS.get(text.lower(), text) if name == "enable_shorting" else text


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The order as JSON; - is standard input.")],
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Say what the gate would say of an order; nothing is made and nothing is journalled."""

    async def main() -> None:
        body, _raw = t.body_from(file)
        command = risk.parse_check(body)
        async with open_desk(db, config, shard) as desk:
            said = await desk.risk.check(command, body)
        t.print_json(said) if as_json else _print_verdict(said)
        if not said["approved"]:
            t.say(f"{said['code']}: {said['reason']}")
            raise typer.Exit(t.Exit.RISK_REJECTED)

    t.run(main, as_json=as_json)


def _print_verdict(said: Row) -> None:
    words = {
        "approved": _text(said["approved"]),
        "refused by": said["gate"],
        **{name: said[name] for name in ("code", "reason", "reference_price", "price_source")},
        **{name: said[name] for name in ("margin_before", "margin_after")},
        **said["numbers"],
        "awaits": ", ".join(said["awaits"]),
        **{f"limits of {name}": f"version {version}" for name, version in said["limits"].items()},
    }
    rows = [(name.replace("_", " "), value) for name, value in words.items() if value not in (None, "")]
    t.print_table("Risk", ("field", "value"), rows)


@app.command()
def strategies(
    shard: ShardName = None, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False
) -> None:
    """List the strategies whose runs are counted, or whose signs of life are."""

    async def read(reader: JournalReader, shard: str) -> list[Row]:
        return await strategy_rows(reader, SystemClock().now(), shard)

    async def main() -> None:
        found = await read_all(db, config, shard, read)
        t.print_json(found) if as_json else _print_strategies(found)

    t.run(main, as_json=as_json)


def _print_strategies(rows: list[Row]) -> None:
    cells = [
        (row["shard"], row["strategy_id"], row["runs"], row["max_runs"], "stopped" if row["stopped"] else "runs",
         t.second(row["enabled_at"] or ""), row["enabled_by"], t.second(row["seen_at"] or ""), row["max_silence_s"])
        for row in rows
    ]  # fmt: skip
    columns = ("shard", "strategy", "runs", "of", "state", "enabled", "by", "seen", "silent s")
    t.print_table("Strategies", columns, cells, ("runs", "of", "silent s"))


@app.command()
def enable(
    strategy: Annotated[str, typer.Argument(metavar="STRATEGY")],
    reason: t.Reason,
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Let a strategy run again: its runs are counted from zero."""

    async def main() -> None:
        _level, strategy_id = parse_scope(parse_choice(Level, "strategy", "#"), strategy)
        async with open_desk(db, config, shard, by) as desk:
            row = await desk.risk.enable(strategy_id, parse_why({"reason": reason}))
        t.print_json(row) if as_json else _print_strategies([row])

    t.run(main, as_json=as_json)


@app.command()
def heartbeat(
    strategy: Annotated[str, typer.Argument(metavar="STRATEGY")],
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Say that a strategy is alive: silence for longer than its max_silence_s halts it."""

    async def main() -> None:
        _level, strategy_id = parse_scope(parse_choice(Level, "strategy", "#"), strategy)
        async with open_desk(db, config, shard, by) as desk:
            row = await desk.risk.heartbeat(strategy_id)
        t.print_json(row) if as_json else _print_strategies([row])

    t.run(main, as_json=as_json)
