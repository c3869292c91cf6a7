"""`ordergate orders`: submit, list, show, cancel, replace."""

from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from ordergate.application.engine import Command
from ordergate.application.entry import Origin
from ordergate.application.queries import Queries, show_order
from ordergate.bootstrap import Gate
from ordergate.cli import terminal as t
from ordergate.domain.money import parse_positive
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, parse_order
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import Phase, State

app: Final = typer.Typer(help="Submit, look at, cancel and replace orders.", no_args_is_help=True)
ANSWER_WITHIN_S: Final = 10.0
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
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Submit an order, and wait for the broker's answer."""

    async def main() -> None:
        body, raw = t.body_from(file)
        command = parse_order(body)
        async with t.gate(db, config) as gate:
            await _settle(gate, command, raw, as_json=as_json)

    t.run(main, as_json=as_json)


@app.command()
def cancel(
    order_id: OrderId,
    reason: Annotated[str | None, typer.Option(help="Kept in the journal.")] = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Cancel what is left of an order."""
    _change(CancelOrder(order_id=order_id, reason=reason), db, config, as_json=as_json)


@app.command()
def replace(
    order_id: OrderId,
    quantity: Annotated[str | None, typer.Option(help="New total quantity.")] = None,
    limit_price: Annotated[str | None, typer.Option(help="New limit price.")] = None,
    stop_price: Annotated[str | None, typer.Option(help="New stop price.")] = None,
    version: Annotated[int | None, typer.Option(help="Refuse if the order has changed since.")] = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Change an order's terms."""
    with t.failing(as_json=as_json):
        command = ReplaceOrder(
            order_id=order_id,
            quantity=_number(quantity, "quantity"),
            limit_price=_number(limit_price, "limit_price"),
            stop_price=_number(stop_price, "stop_price"),
            version=version,
        )
    _change(command, db, config, as_json=as_json)


def _number(text: str | None, name: str) -> Decimal | None:
    return None if text is None else parse_positive(text, f"#/{name}")


def _change(command: Command, db: str | None, config: t.ConfigFile, *, as_json: bool) -> None:
    async def main() -> None:
        async with t.gate(db, config) as gate:
            await _settle(gate, command, None, as_json=as_json)

    t.run(main, as_json=as_json)


async def _settle(gate: Gate, command: Command, raw: str | None, *, as_json: bool) -> None:
    result = await gate.execute(command, Origin(actor="cli", source="cli"), raw)
    if getattr(result, "replayed", False):
        t.say("this key was used before: nothing was sent, this is the order that it made")
    order = await gate.answered(result.order.order_id, ANSWER_WITHIN_S)
    _show(order, as_json=as_json)
    code = _exit_code(order)
    if code is not t.Exit.OK:
        raise typer.Exit(code)


def _exit_code(order: Order) -> t.Exit:
    if any(request.phase in (Phase.SENT, Phase.UNKNOWN, Phase.PARKED) for request in order.requests):
        t.say("the broker has not answered clearly: the order may be working there; look at it again shortly")
        return t.Exit.UNKNOWN_OUTCOME
    if order.state is State.REJECTED:
        t.say(f"{order.reason_code}: {order.reason}")
        risk = (order.reason_code or "").startswith("RISK_")
        return t.Exit.RISK_REJECTED if risk else t.Exit.ERROR
    return t.Exit.OK


def _show(order: Order, *, as_json: bool) -> None:
    shown = show_order(order)
    if as_json:
        t.print_json(shown)
        return
    rows = [(name, value) for name, value in shown.items() if value not in (None, [], "")]
    t.print_table(f"Order {order.order_id}", ("field", "value"), rows)


@app.command("list")
def list_orders(
    fund: Annotated[str | None, typer.Option(help="Of this fund.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Of this symbol.")] = None,
    state: Annotated[State | None, typer.Option(help="In this state.", case_sensitive=False)] = None,
    strategy: Annotated[str | None, typer.Option(help="Of this strategy.")] = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """List orders, oldest first."""

    async def main() -> None:
        async with t.reading(db, config) as reader:
            found = await Queries(reader).orders(
                fund_id=fund, symbol=symbol, state=state, strategy_id=strategy
            )
        shown = [show_order(order) for order in found]
        if as_json:
            t.print_json(shown)
        else:
            print_orders(shown)

    t.run(main, as_json=as_json)


@app.command()
def show(order_id: OrderId, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """Show one order."""

    async def main() -> None:
        async with t.reading(db, config) as reader:
            order = await Queries(reader).order(order_id)
        _show(order, as_json=as_json)

    t.run(main, as_json=as_json)
