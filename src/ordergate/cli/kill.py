"""`ordergate kill`: the kill switch."""

from typing import Annotated, Any, Final

import typer

from ordergate.api import risk
from ordergate.application.ports.journal import JournalReader
from ordergate.cli import terminal as t
from ordergate.cli.desk import open_desk
from ordergate.cli.places import ShardName
from ordergate.cli.risk import Row, read_all, shown_name
from ordergate.domain.orders.commands import parse_choice
from ordergate.domain.risk.commands import LiftHalt, ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level, Scope
from ordergate.domain.risk.parsing import parse_scope, parse_why

app: Final = typer.Typer(help="Stop trading, and let it go on.", no_args_is_help=True)
_COLUMNS: Final = ("shard", "of", "mode", "since", "by", "reason", "lifted", "lifted by", "because")
Firm = Annotated[bool, typer.Option("--firm", help="All of it.")]
Fund = Annotated[str | None, typer.Option("--fund", help="This fund.")]
Strategy = Annotated[str | None, typer.Option("--strategy", help="This strategy.")]
Broker = Annotated[str | None, typer.Option("--broker", help="What goes to this broker.")]


def _scope(firm: bool, fund: str | None, strategy: str | None, broker: str | None) -> Scope:
    named = [
        (level, name)
        for level, name in (
            (Level.FIRM, "" if firm else None),
            (Level.FUND, fund),
            (Level.STRATEGY, strategy),
            (Level.BROKER, broker),
        )
        if name is not None
    ]
    if len(named) != 1:
        raise typer.BadParameter("name one of --firm, --fund, --strategy and --broker")
    return named[0]


@app.command()
def on(
    reason: t.Reason,
    firm: Firm = False,
    fund: Fund = None,
    strategy: Strategy = None,
    broker: Broker = None,
    mode: Annotated[
        str, typer.Option(help="halt: nothing new. reduce-only: only what makes a position smaller.")
    ] = "halt",
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Throw the switch: refuse what is new from now on, and cancel what works."""
    scope = _scope(firm, fund, strategy, broker)

    async def main() -> None:
        level, name = parse_scope(*scope)
        command = ThrowSwitch(
            level=level,
            name=name,
            reason=parse_why({"reason": reason}),
            mode=parse_choice(Mode, mode.replace("-", "_"), "#/mode"),
        )
        async with open_desk(db, config, shard, by) as desk:
            said = await desk.risk.throw(command)
            canceled, asked = said["canceled"], said["asked"]
            while said["left"]:
                said = await desk.risk.throw(command)
                canceled, asked = canceled + said["canceled"], asked + said["asked"]
        done = {**said, "canceled": canceled, "asked": asked}
        t.print_json(done) if as_json else _say_halted(done)

    t.run(main, as_json=as_json)


def _say_halted(done: dict[str, Any]) -> None:
    _print([done["halt"]])
    t.out.print(
        f"{done['canceled']} orders canceled that had not left; brokers asked to cancel {done['asked']}",
        soft_wrap=True,
    )


@app.command()
def off(
    reason: t.Reason,
    firm: Firm = False,
    fund: Fund = None,
    strategy: Strategy = None,
    broker: Broker = None,
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Let trading go on; another principal than the one who threw the switch must."""
    scope = _scope(firm, fund, strategy, broker)

    async def main() -> None:
        level, name = parse_scope(*scope)
        command = LiftHalt(level=level, name=name, reason=parse_why({"reason": reason}))
        async with open_desk(db, config, shard, by) as desk:
            halt = await desk.risk.lift(command)
        t.print_json(halt) if as_json else _print([halt])

    t.run(main, as_json=as_json)


@app.command()
def show(
    every: Annotated[bool, typer.Option("--all", help="Also the last one of each that was lifted.")] = False,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Show the halts that hold."""

    async def read(reader: JournalReader, shard: str) -> list[Row]:
        return [risk.show_halt(row, shard) for row in await reader.select("halts") if every or row.holds]

    async def main() -> None:
        found = await read_all(db, config, shard, read)
        t.print_json(found) if as_json else _print(found)

    t.run(main, as_json=as_json)


def _print(halts: list[Row]) -> None:
    rows = [
        (halt["shard"], shown_name(halt), halt["mode"], t.second(halt["since"]), halt["by"], halt["reason"],
         t.second(halt["lifted_at"] or ""), halt["lifted_by"], halt["lifted_because"])
        for halt in halts
    ]  # fmt: skip
    t.print_table("Halts", _COLUMNS, rows)
