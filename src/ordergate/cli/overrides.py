"""`ordergate overrides`: refused orders that go on once, on the word of two."""

from typing import Annotated, Any, Final

import typer

from ordergate.adapters.clock import SystemClock
from ordergate.api import overrides
from ordergate.cli import terminal as t
from ordergate.cli.approvals import ListByItself, Why
from ordergate.cli.desk import open_desk
from ordergate.cli.orders import OrderId, end_with
from ordergate.cli.places import ShardName, reading
from ordergate.domain.orders.commands import parse_reason

app: Final = typer.Typer(cls=ListByItself, help="Send a refused order all the same: ask, and another grants.")
_COLUMNS: Final = ("order", "waives", "asked by", "because", "until", "granted", "answered by", "became")


@app.command("list")
def list_overrides(
    every: Annotated[bool, typer.Option("--all", help="Also those answered, or run out.")] = False,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """List the overrides that can be granted now."""

    async def main() -> None:
        async with reading(db, config, shard) as reader:
            found = await overrides.overrides(reader, SystemClock().now(), every=every)
        t.print_json(found) if as_json else _print(found)

    t.run(main, as_json=as_json)


def _print(found: list[dict[str, Any]]) -> None:
    said = {None: "", True: "yes", False: "no"}
    rows = [
        (o["order_id"], " ".join(o["codes"]), o["asked_by"], o["reason"], t.second(o["expires_at"]),
         said[o["approved"]], o["answered_by"], o["made"])
        for o in found
    ]  # fmt: skip
    t.print_table("Overrides", _COLUMNS, rows)


@app.command()
def ask(
    order_id: OrderId,
    reason: t.Reason,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until when it may be granted; left out, an hour.")
    ] = None,
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Ask that an order which a check refused may go on once all the same."""

    async def main() -> None:
        body = {"order_id": order_id, "reason": reason, "expires_at": until}
        command = overrides.parse_override(body)
        async with open_desk(db, config, shard, by) as desk:
            row = await desk.risk.ask_override(command)
        t.print_json(row) if as_json else _print([row])

    t.run(main, as_json=as_json)


@app.command()
def approve(
    order_id: OrderId,
    reason: Why = None,
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Grant it, as another than who asked: the order is submitted once more, past that check alone."""

    async def main() -> None:
        why = parse_reason(reason, "#/reason")
        async with open_desk(db, config, shard, by) as desk:
            order = await desk.risk.grant_override(order_id, why)
            end_with(order, as_json=as_json)

    t.run(main, as_json=as_json)


@app.command()
def reject(
    order_id: OrderId,
    reason: Why = None,
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Turn it down, or take it back: the order stays refused."""

    async def main() -> None:
        why = parse_reason(reason, "#/reason")
        async with open_desk(db, config, shard, by) as desk:
            row = await desk.risk.turn_down_override(order_id, why)
        t.print_json(row) if as_json else _print([row])

    t.run(main, as_json=as_json)
