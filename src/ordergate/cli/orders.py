"""`ordergate orders`: submit, list, show, cancel, replace."""

from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
import typer

from ordergate.application.queries import Queries, show_order
from ordergate.cli import terminal as t
from ordergate.cli.desk import open_desk
from ordergate.cli.door import waits
from ordergate.cli.places import ShardName, reading
from ordergate.domain.errors import Code, Invalid, quoted
from ordergate.domain.money import parse_positive
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, parse_order, parse_reason
from ordergate.domain.orders.states import Phase, State

app: Final = typer.Typer(help="Submit, look at, cancel and replace orders.", no_args_is_help=True)
ANSWER_WITHIN_S: Final = 10.0
_HIGHEST_VERSION: Final = 999_999_999
_COLUMNS: Final = (
    "order", "state", "symbol", "side", "quantity", "filled", "average", "type", "limit", "created",
)  # fmt: skip
_RIGHT: Final = ("quantity", "filled", "average", "limit")
OrderId = Annotated[str, typer.Argument(metavar="ORDER_ID")]


def print_orders(orders: list[dict[str, Any]], title: str = "Orders") -> None:
    """A table of orders."""
    rows = [
        (o["order_id"], o["state"], o["symbol"], o["side"], o["quantity"], o["filled_quantity"],
         t.short(o["average_price"]), o["order_type"], o["limit_price"], t.second(o["created_at"]))
        for o in orders
    ]  # fmt: skip
    t.print_table(title, _COLUMNS, rows, _RIGHT)


@app.command()
def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The order as JSON; - is standard input.")],
    order_manager: Annotated[
        str | None, typer.Option(help="What emits it, such as a rebalance; as the field of that name.")
    ] = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Submit an order, and wait for the broker's answer."""

    async def main() -> None:
        body, raw = _emitted_by(order_manager, *t.body_from(file))
        command = parse_order(body)
        async with open_desk(db, config, shard) as desk:
            order, replayed = await desk.submit(command, raw, ANSWER_WITHIN_S)
            if replayed:
                t.say("this key was used before: nothing was sent, this is the order that it made")
            end_with(order, as_json=as_json)

    t.run(main, as_json=as_json)


def _emitted_by(order_manager: str | None, body: Any, raw: str) -> tuple[Any, str]:
    """The order, as read and as written, with the manager that was named beside it.

    Raises:
        Invalid: the order itself names another.
    """
    if order_manager is None or not isinstance(body, dict):
        return body, raw
    written = body.get("order_manager")
    if written not in (None, order_manager):
        detail = (
            f"{quoted(written)} in the order, but --order-manager {quoted(order_manager)}: give one of them"
        )
        raise Invalid(Code.BAD_VALUE, detail, "#/order_manager")
    named = {**body, "order_manager": order_manager}
    return named, msgspec.json.Encoder(decimal_format="number").encode(named).decode()


@app.command()
def cancel(
    order_id: OrderId,
    reason: Annotated[str | None, typer.Option(help="Kept in the journal.")] = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Cancel what is left of an order."""

    async def main() -> None:
        async with open_desk(db, config, shard) as desk:
            command = CancelOrder(order_id=order_id, reason=parse_reason(reason, "#/reason"))
            end_with(await desk.cancel(command, ANSWER_WITHIN_S), as_json=as_json)

    t.run(main, as_json=as_json)


@app.command()
def replace(
    order_id: OrderId,
    quantity: Annotated[str | None, typer.Option(help="New total quantity.")] = None,
    limit_price: Annotated[str | None, typer.Option(help="New limit price.")] = None,
    stop_price: Annotated[str | None, typer.Option(help="New stop price.")] = None,
    version: Annotated[
        int | None, typer.Option(min=0, max=_HIGHEST_VERSION, help="Refuse if the order has changed since.")
    ] = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Change an order's terms."""

    async def main() -> None:
        command = ReplaceOrder(
            order_id=order_id,
            quantity=_number(quantity, "quantity"),
            limit_price=_number(limit_price, "limit_price"),
            stop_price=_number(stop_price, "stop_price"),
            version=version,
        )
        async with open_desk(db, config, shard) as desk:
            end_with(await desk.replace(command, ANSWER_WITHIN_S), as_json=as_json)

    t.run(main, as_json=as_json)


def _number(text: str | None, name: str) -> Decimal | None:
    return None if text is None else parse_positive(text, f"#/{name}")


def end_with(order: dict[str, Any], *, as_json: bool) -> None:
    """Shows the order, and ends with the code that says how it went."""
    _show(order, as_json=as_json)
    code = _exit_code(order)
    if code is not t.Exit.OK:
        raise typer.Exit(code)


def _exit_code(order: dict[str, Any]) -> t.Exit:
    if waits(order, (Phase.SENT, Phase.UNKNOWN, Phase.PARKED)):
        t.say("the broker has not answered clearly: the order may be working there; look at it again shortly")
        return t.Exit.UNKNOWN_OUTCOME
    if order["algo"] is not None and waits(order, (Phase.READY,)):
        t.say("no more slices are made of it; it ends once those that work are canceled")
    elif waits(order, (Phase.READY,)):
        t.say(f"not sent yet: no session at {order['broker']} is open; the next one takes it along")
    if order["awaits"]:
        t.say(f"it waits for {', '.join(order['awaits'])} until {order['decide_by']}")
    if order["state"] == State.REJECTED:
        t.say(f"{order['reason_code']}: {order['reason']}")
        risk = (order["reason_code"] or "").startswith("RISK_")
        return t.Exit.RISK_REJECTED if risk else t.Exit.ERROR
    return t.Exit.OK


def _show(order: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        t.print_json(order)
        return
    rows = [(name, _line(value)) for name, value in order.items() if value not in (None, [], "")]
    t.print_table(f"Order {order['order_id']}", ("field", "value"), rows)


def _line(value: Any) -> Any:
    """A value in one line."""
    return ", ".join(f"{n} {v}" for n, v in value.items()) if isinstance(value, dict) else value


@app.command("list")
def list_orders(
    fund: Annotated[str | None, typer.Option(help="Of this fund.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Of this symbol.")] = None,
    state: Annotated[State | None, typer.Option(help="In this state.", case_sensitive=False)] = None,
    strategy: Annotated[str | None, typer.Option(help="Of this strategy.")] = None,
    order_manager: Annotated[str | None, typer.Option(help="Of this order manager.")] = None,
    parent: Annotated[str | None, typer.Option(help="Slices or stops of this order.")] = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """List orders, oldest first."""

    async def main() -> None:
        async with reading(db, config, shard) as reader:
            found = await Queries(reader).orders(
                fund_id=fund,
                symbol=symbol,
                state=state,
                strategy_id=strategy,
                order_manager=order_manager,
                parent_order_id=parent,
            )
        shown = [show_order(order) for order in found]
        if as_json:
            t.print_json(shown)
        else:
            print_orders(shown)

    t.run(main, as_json=as_json)


@app.command()
def show(
    order_id: OrderId,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Show one order, and of one that is worked in slices those too."""

    async def main() -> None:
        async with reading(db, config, shard) as reader:
            order = await Queries(reader).order(order_id)
            children = [] if order.algo is None else await Queries(reader).orders(parent_order_id=order_id)
        _show(show_order(order), as_json=as_json)
        if children and not as_json:
            print_orders([show_order(child) for child in children], "Its slices")

    t.run(main, as_json=as_json)
