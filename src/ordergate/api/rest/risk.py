"""The risk gate through the door: what it would say, limits, the kill switch, approvals, strategies."""

from typing import Any, Final

from ordergate.api import risk, strategies
from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, failure
from ordergate.api.rest.call import Call, Reply, json_reply, read_fields, read_json
from ordergate.api.rest.conditions import missing, version_of
from ordergate.api.rest.orders import flag, json_reply_of
from ordergate.api.shards import SHARD, only, shard_of
from ordergate.application.queries import Shown
from ordergate.domain.errors import Code, Conflict, Invalid
from ordergate.domain.orders.commands import check_fields, parse_choice, parse_reason
from ordergate.domain.risk.commands import EnableStrategy, Heartbeat, LiftHalt, ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Scope, shown_scope
from ordergate.domain.risk.parsing import parse_limits, parse_scope, parse_why
from ordergate.domain.times import parse_time

_CHANGE: Final = ("limits", "reason", "reverts_at")
_HALT: Final = ("level", "name", "mode", "reason")
_RELEASE: Final = ("level", "name", "reason")


async def check(door: Door, call: Call) -> Reply:
    """POST /v1/risk/check."""
    call.query(())
    command = risk.parse_check(read_json(await call.text()))
    return json_reply(200, await risk.check_order(door.gate, command, call.origin()))


async def list_limits(door: Door, call: Call) -> Reply:
    """GET /v1/risk/limits."""
    call.query(())
    return json_reply(200, {"items": await risk.all_limits(door.gate)})


async def show_limits(door: Door, call: Call) -> Reply:
    """GET /v1/risk/limits/{level}/{name}."""
    scope = _scope(call)
    shards = _targets(door, call, scope)
    rows = await risk.limit_rows(shards, scope)
    _check_same(rows)
    name, row = next(iter(rows.items()))
    if row is None:
        raise failure(404, DoorCode.NO_LIMITS, f"{shown_scope(scope)} has no limits")
    shown = risk.show_limit_set(row, door.gate.clock.now(), name if len(rows) == 1 else "")
    return _limits_reply(shown)


async def put_limits(door: Door, call: Call) -> Reply:
    """PUT /v1/risk/limits/{level}/{name}."""
    scope = _scope(call)
    shards = _targets(door, call, scope)
    header = call.header(b"if-match")
    version = 0 if header is None else version_of(header)
    body = check_fields(read_json(await call.text()), _CHANGE)
    if body.get("limits") is None:
        raise Invalid(Code.MISSING, "is missing: which limits?", "#/limits")
    until = body.get("reverts_at")
    change = risk.LimitChange(
        scope=scope,
        values=parse_limits(scope[0], body["limits"]),
        reason=parse_why(body, _CHANGE),
        version=version,
        reverts_at=None if until is None else parse_time(until, "#/reverts_at"),
    )
    _check_same(await risk.limit_rows(shards, scope))
    try:
        return _limits_reply(await risk.change_limits(door.gate, shards, change, call.origin()))
    except Conflict as error:
        if error.code is Code.LIMITS_VERSION and header is None:
            raise missing() from None
        raise


def _scope(call: Call) -> Scope:
    return parse_scope(call.path["level"], call.path["name"])


def _targets(door: Door, call: Call, scope: Scope) -> risk.Named:
    """The shards that a scope is in; the one that is named, where one is."""
    named = only(call.query((SHARD,)))
    return risk.shards_of(door.gate, scope) if named is None else {named: shard_of(door, named)}


def _check_same(rows: dict[str, Any]) -> None:
    seen = {None if row is None else (row.version, str(row.limits)) for row in rows.values()}
    if len(seen) > 1:
        detail = f"the limits differ from shard to shard: name one of {', '.join(rows)}"
        raise failure(400, DoorCode.BAD_PARAMETER, detail, parameter=SHARD)


def _limits_reply(shown: Shown) -> Reply:
    return json_reply(200, shown, ((b"etag", b'"%d"' % shown["version"]),))


async def list_halts(door: Door, call: Call) -> Reply:
    """GET /v1/kill-switch."""
    return json_reply(200, {"items": await risk.halts(door.gate, lifted=flag(call, "all"))})


async def throw_switch(door: Door, call: Call) -> Reply:
    """POST /v1/kill-switch."""
    call.query(())
    body = check_fields(read_json(await call.text()), _HALT)
    level, name = parse_scope(body.get("level"), body.get("name"))
    mode = body.get("mode")
    command = ThrowSwitch(
        level=level,
        name=name,
        reason=parse_why(body, _HALT),
        mode=Mode.HALT if mode is None else parse_choice(Mode, mode, "#/mode"),
    )
    return json_reply(200, await risk.throw_switch(door.gate, command, call.origin()))


async def release(door: Door, call: Call) -> Reply:
    """POST /v1/kill-switch/release."""
    call.query(())
    body = check_fields(read_json(await call.text()), _RELEASE)
    level, name = parse_scope(body.get("level"), body.get("name"))
    command = LiftHalt(level=level, name=name, reason=parse_why(body, _RELEASE))
    return json_reply(200, await risk.lift_halt(door.gate, command, call.origin()))


async def list_approvals(door: Door, call: Call) -> Reply:
    """GET /v1/approvals."""
    call.query(())
    return json_reply(200, {"items": await risk.approvals(door.gate.lists.reader)})


async def approve(door: Door, call: Call) -> Reply:
    """POST /v1/approvals/{order_id}/approve."""
    return await _answer(door, call, approved=True)


async def reject(door: Door, call: Call) -> Reply:
    """POST /v1/approvals/{order_id}/reject."""
    return await _answer(door, call, approved=False)


async def _answer(door: Door, call: Call, *, approved: bool) -> Reply:
    call.query(())
    body = read_fields(await call.text(), ("reason",))
    order = await risk.answer_approval(
        door.gate,
        call.path["order_id"],
        call.origin(),
        approved=approved,
        reason=parse_reason(body.get("reason"), "#/reason"),
    )
    return json_reply_of(order)


async def list_strategies(door: Door, call: Call) -> Reply:
    """GET /v1/risk/strategies."""
    call.query(())
    return json_reply(200, {"items": await strategies.strategies(door.gate)})


async def enable(door: Door, call: Call) -> Reply:
    """POST /v1/risk/strategies/{strategy_id}/enable."""
    call.query(())
    reason = parse_why(read_json(await call.text()))
    command = EnableStrategy(strategy_id=call.path["strategy_id"], reason=reason)
    return json_reply(200, await strategies.enable_strategy(door.gate, command, call.origin()))


async def heartbeat(door: Door, call: Call) -> Reply:
    """POST /v1/risk/strategies/{strategy_id}/heartbeat."""
    call.query(())
    command = Heartbeat(strategy_id=call.path["strategy_id"])
    return json_reply(200, await strategies.heartbeat(door.gate, command, call.origin()))
