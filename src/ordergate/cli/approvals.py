"""`ordergate approvals`: what waits for a person."""

from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from ordergate.api import risk
from ordergate.application.decide.gate import APPROVAL
from ordergate.cli import terminal as t
from ordergate.cli.desk import open_desk
from ordergate.cli.orders import OrderId, print_orders
from ordergate.cli.places import ShardName, reading
from ordergate.domain.orders.commands import parse_reason


class ListByItself(TyperGroup):
    """Lists where no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the command that is meant."""
        named = bool(args) and (not args[0].startswith("-") or args[0] == "--help")
        return super().parse_args(ctx, args if named else ["list", *args])


app: Final = typer.Typer(cls=ListByItself, help="List, approve and reject what waits for a person.")
_COLUMNS: Final = (
    "order",
    "kind",
    "fund",
    "symbol",
    "side",
    "quantity",
    "limit",
    "stop",
    "until",
    "also waits for",
)
Why = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Kept in the journal.")]


@app.command("list")
def list_approvals(
    shard: ShardName = None, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False
) -> None:
    """List new orders, and changes of orders, that a person must approve."""

    async def main() -> None:
        async with reading(db, config, shard) as reader:
            found = await risk.approvals(reader)
        t.print_json(found) if as_json else _print(found)

    t.run(main, as_json=as_json)


def _print(found: list[dict[str, Any]]) -> None:
    rows = [
        (a["order_id"], a["kind"], a["order"]["fund_id"], a["order"]["symbol"], a["order"]["side"], a["quantity"],
         a["limit_price"], a["stop_price"], t.second(a["decide_by"] or ""),
         ", ".join(name for name in a["awaits"] if name != APPROVAL))
        for a in found
    ]  # fmt: skip
    t.print_table("Approvals", _COLUMNS, rows, ("quantity", "limit", "stop"))


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
    """Let an order, or the change of one, go on."""
    _answer(order_id, reason, by, (shard, db, config), approved=True, as_json=as_json)


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
    """Refuse an order, or the change of one."""
    _answer(order_id, reason, by, (shard, db, config), approved=False, as_json=as_json)


def _answer(
    order_id: str, reason: str | None, by: str | None, where: Any, *, approved: bool, as_json: bool
) -> None:
    shard, db, config = where

    async def main() -> None:
        why = parse_reason(reason, "#/reason")
        async with open_desk(db, config, shard, by) as desk:
            order = await desk.risk.answer(order_id, why, approved=approved)
        t.print_json(order) if as_json else print_orders([order])

    t.run(main, as_json=as_json)
