"""`ordergate recon`: compares accounts with the brokers' own records, and works on breaks."""

from typing import Annotated, Any, Final

import typer

from ordergate.api import recon
from ordergate.application.audit.break_story import break_story
from ordergate.application.audit.story import show_transition
from ordergate.application.comparison import Found
from ordergate.cli import terminal as t
from ordergate.cli.desk import open_desk
from ordergate.cli.places import ShardName, opened, place, reading

app: Final = typer.Typer(
    help="Compare accounts with the brokers' own records; work on breaks.", no_args_is_help=True
)
_COLUMNS: Final = ("break", "kind", "broker", "raised", "what", "cause", "owner", "resolved")
_ENTRIES: Final = ("index", "time", "principal", "event", "detail")
BreakId = Annotated[str, typer.Argument(metavar="BREAK", help="Such as brk-812.")]
BrokerName = Annotated[str | None, typer.Option("--broker", metavar="NAME", help="At this broker.")]


@app.command()
def run(
    broker: BrokerName = None,
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Compare now: what was not told is asked for and booked, what does not fit becomes a break.

    Ends with 1 where a break is open, or where an account could not be compared.
    """

    async def main() -> None:
        async with open_desk(db, config, shard, by) as desk:
            found = await desk.recon(shard).compare(broker)
        t.print_json(found) if as_json else _say(found)
        if any(one["breaks"] or one["found"] == Found.NOT_COMPARED for one in found):
            raise typer.Exit(t.Exit.ERROR)

    t.run(main, as_json=as_json)


def _say(found: list[dict[str, Any]]) -> None:
    if not found:
        t.out.print("no broker tells of its account")
    for one in found:
        under_way = f", {one['under_way']} differences under way" if one["under_way"] else ""
        explained = f", {one['explained']} explained" if one["explained"] else ""
        halted = "; halted" if one["halted"] else ""
        found_so = one["found"].replace("_", " ")
        why = f": {one['why']}" if one["why"] else ""
        t.out.print(
            f"{one['broker']}: {found_so}{why}{under_way}{explained}{halted}", soft_wrap=True, markup=False
        )
    if items := [item for one in found for item in one["breaks"]]:
        _print(items)


def _print(items: list[dict[str, Any]]) -> None:
    rows = [
        (b["break_id"], b["kind"], b["broker"], t.second(b["raised_at"]), b["detail"], b["cause"], b["owner"],
         "" if b["resolution"] is None else f"{b['resolution']} by {b['resolved_by']}: {b['why']}")
        for b in items
    ]  # fmt: skip
    t.print_table("Breaks", _COLUMNS, rows)


@app.command()
def breaks(
    every: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False,
    broker: BrokerName = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """List what does not fit."""

    async def main() -> None:
        async with reading(db, config, shard) as reader:
            found = await recon.breaks(reader, every=every, broker=broker)
        t.print_json(found) if as_json else _print(found)

    t.run(main, as_json=as_json)


@app.command()
def show(
    break_id: BreakId,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Show a break: what it is, who looks into it, how it ended, and what was journalled of it."""

    async def main() -> None:
        async with opened(place(db, t.read_config(config), shard)) as reader:
            item = recon.show_break(await recon.break_of(reader, break_id))
            rows = [show_transition(row) for row in await break_story(reader, break_id)]
        if as_json:
            t.print_json(item | {"entries": rows})
        else:
            t.print_table(
                break_id, ("", ""), [(name, value) for name, value in item.items() if value is not None]
            )
            t.print_table("Entries", _ENTRIES, [[row[name] for name in _ENTRIES] for row in rows])

    t.run(main, as_json=as_json)


def _one(db: str | None, config: Any, shard: str | None) -> str | None:
    """The shard that a command about one break is about: its names count in each shard anew."""
    return place(db, t.read_config(config), shard).shard


@app.command()
def assign(
    break_id: BreakId,
    owner: Annotated[str, typer.Option("--to", metavar="NAME", help="Who looks into it.")],
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Say who looks into a break."""

    async def main() -> None:
        named = _one(db, config, shard)
        async with open_desk(db, config, named, by) as desk:
            item = await desk.recon(named).assign(break_id, {"owner": owner})
        t.print_json(item) if as_json else _print([item])

    t.run(main, as_json=as_json)


@app.command()
def resolve(
    break_id: BreakId,
    reason: t.Reason,
    adjust: Annotated[
        bool, typer.Option("--adjust", help="Book the difference of a position or balance into a fund.")
    ] = False,
    fund: Annotated[
        str | None, typer.Option("--fund", help="Into this fund; left out, the one that trades there.")
    ] = None,
    price: Annotated[
        str | None, typer.Option("--price", help="Of a position; left out, the market's mid.")
    ] = None,
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """End a break: nothing is to be done, or the difference is booked."""

    async def main() -> None:
        named = _one(db, config, shard)
        body = {"reason": reason, "adjust": adjust or None, "fund_id": fund, "price": price}
        given = {name: value for name, value in body.items() if value is not None}
        async with open_desk(db, config, named, by) as desk:
            item = await desk.recon(named).resolve(break_id, given)
        t.print_json(item) if as_json else _print([item])

    t.run(main, as_json=as_json)
