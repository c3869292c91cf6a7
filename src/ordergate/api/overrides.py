"""Overrides as doors see them: refused orders that one principal asks to send all the same, and another grants."""

from datetime import datetime

from ordergate.api.gate import Gate
from ordergate.application.decide.context import OrderResult
from ordergate.application.entry import Origin
from ordergate.application.ports.journal import RowReader
from ordergate.application.queries import Shown, show
from ordergate.domain.errors import Code, Invalid
from ordergate.domain.identifiers import parse_order_id
from ordergate.domain.orders.commands import check_fields
from ordergate.domain.risk.commands import AskOverride, GrantOverride, TurnDownOverride
from ordergate.domain.risk.override import Override
from ordergate.domain.risk.parsing import parse_why
from ordergate.domain.times import parse_time

_FIELDS = ("order_id", "reason", "expires_at")


def parse_override(body: object) -> AskOverride:
    """What is asked, as JSON has it.

    Raises:
        Invalid: what is wrong with it.
    """
    fields = check_fields(body, _FIELDS)
    if fields.get("order_id") is None:
        raise Invalid(Code.MISSING, "is missing: which refused order?", "#/order_id")
    until = fields.get("expires_at")
    return AskOverride(
        order_id=parse_order_id(fields["order_id"], "#/order_id"),
        reason=parse_why(fields, _FIELDS),
        expires_at=None if until is None else parse_time(until, "#/expires_at"),
    )


def show_override(override: Override) -> Shown:
    """An override as programs are shown it."""
    return show(override)


async def overrides(reader: RowReader, now: datetime, *, every: bool) -> list[Shown]:
    """Those that can be granted now, or every one; oldest first."""
    rows = await reader.select("overrides")
    wanted = [row for row in rows if every or row.is_open(now)]
    return [show_override(row) for row in sorted(wanted, key=lambda row: row.asked_at)]


async def ask_override(gate: Gate, command: AskOverride, origin: Origin) -> Override:
    """Asks for it in the shard that has the order.

    Raises:
        NotFound, Conflict, Invalid: see `AskOverride`.
    """
    override: Override = await (await gate.find(command.order_id)).runner.execute(command, origin)
    return override


async def grant_override(gate: Gate, command: GrantOverride, origin: Origin) -> OrderResult:
    """Grants it there: the new order.

    Raises:
        NotFound, Conflict, Invalid: see `GrantOverride`.
    """
    result: OrderResult = await (await gate.find(command.order_id)).runner.execute(command, origin)
    return result


async def turn_down_override(gate: Gate, command: TurnDownOverride, origin: Origin) -> Override:
    """Turns it down there.

    Raises:
        NotFound, Conflict: see `TurnDownOverride`.
    """
    override: Override = await (await gate.find(command.order_id)).runner.execute(command, origin)
    return override
