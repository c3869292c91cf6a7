"""Overrides through the door: asked for by one principal, granted or turned down by another."""

from ordergate.api import overrides
from ordergate.api.door import Door
from ordergate.api.rest.call import Call, Reply, json_reply, read_fields, read_json
from ordergate.api.rest.orders import flag, order_reply
from ordergate.domain.orders.commands import parse_reason
from ordergate.domain.risk.commands import GrantOverride, TurnDownOverride


async def list_overrides(door: Door, call: Call) -> Reply:
    """GET /v1/risk/overrides."""
    every = flag(call, "all")
    found = await overrides.overrides(door.gate.lists.reader, door.gate.clock.now(), every=every)
    return json_reply(200, {"items": found})


async def ask(door: Door, call: Call) -> Reply:
    """POST /v1/risk/overrides."""
    call.query(())
    command = overrides.parse_override(read_json(await call.text()))
    asked = await overrides.ask_override(door.gate, command, call.origin())
    return json_reply(200, overrides.show_override(asked))


async def approve(door: Door, call: Call) -> Reply:
    """POST /v1/risk/overrides/{order_id}/approve."""
    command = GrantOverride(order_id=call.path["order_id"], reason=await _reason(call))
    made = await overrides.grant_override(door.gate, command, call.origin())
    return order_reply(made.order, replayed=made.replayed)


async def reject(door: Door, call: Call) -> Reply:
    """POST /v1/risk/overrides/{order_id}/reject."""
    command = TurnDownOverride(order_id=call.path["order_id"], reason=await _reason(call))
    return json_reply(
        200, overrides.show_override(await overrides.turn_down_override(door.gate, command, call.origin()))
    )


async def _reason(call: Call) -> str | None:
    call.query(())
    return parse_reason(read_fields(await call.text(), ("reason",)).get("reason"), "#/reason")
