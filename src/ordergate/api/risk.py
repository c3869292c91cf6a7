"""The risk gate as doors see it: limits, halts and approvals, in one journal or in those of all shards.

What is of a fund or a broker is in the shard that has it; what is of the firm, a strategy or a symbol is in every one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ordergate.api.gate import Gate, Shard
from ordergate.application.decide.context import OrderResult
from ordergate.application.decide.gate import APPROVAL
from ordergate.application.decide.halting import HaltResult
from ordergate.application.entry import Origin
from ordergate.application.ports.journal import RowReader
from ordergate.application.queries import Shown, show, show_order, shown_value
from ordergate.domain.errors import Code, Conflict, NotFound
from ordergate.domain.moves import MovePhase
from ordergate.domain.orders.commands import SubmitOrder, parse_order
from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import WORKING, Phase, State
from ordergate.domain.risk.commands import AnswerGate, LiftHalt, SetLimits, ThrowSwitch
from ordergate.domain.risk.kill_switch import Halt
from ordergate.domain.risk.limits import (
    NOTHING,
    Level,
    Limits,
    LimitSet,
    Scope,
    amended,
    changed,
    check_limits,
    shown_scope,
)

CHECK_KEY: Final = "check"
"""The kind of key under which an order is only judged."""
Named = Mapping[str, Shard]


class LimitChange(Struct, frozen=True, kw_only=True):
    """A change of some limits of one scope; `values` as `parse_limits` gives them.

    Attributes:
        version: the one that the caller has seen; None takes any, 0 is none yet.
        reverts_at: see `SetLimits`.
    """

    scope: Scope
    values: Mapping[str, Any]
    reason: str
    version: int | None = None
    reverts_at: datetime | None = None


def shards_of(gate: Gate, scope: Scope) -> Named:
    """The shards that a scope is in; all of them where none has it, so that one says that there is no such thing."""
    level, name = scope
    if level is Level.FUND:
        found = {key: shard for key, shard in gate.shards.items() if _has_fund(shard, name)}
    elif level is Level.BROKER:
        found = {k: shard for k, shard in gate.shards.items() if name in shard.runner.engine.view.brokers}
    else:
        found = {}
    return found or gate.shards


def _has_fund(shard: Shard, fund_id: str) -> bool:
    state = shard.runner.engine.state
    move = state.moves.rows.get(fund_id)
    return fund_id in state.funds.rows and (move is None or move.phase is not MovePhase.LEFT)


def show_limits(limits: Limits) -> Shown:
    """The limits that there are, by name."""
    shown = {name: getattr(limits, name) for name in changed(NOTHING, limits)}
    return {name: _shown(value) for name, value in shown.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): shown_value(one) for key, one in value.items()}
    return shown_value(value)


def show_limit_set(row: LimitSet, now: datetime, shard: str = "") -> Shown:
    """A row of limits: as set, and what counts now."""
    return {
        "level": row.level,
        "name": row.name,
        "version": row.version,
        "limits": show_limits(row.limits),
        "in_force": show_limits(row.at(now)),
        "set_at": shown_value(row.set_at),
        "set_by": row.set_by,
        "reason": row.reason,
        "reverts_at": shown_value(row.reverts_at),
        "reverts_to": None if row.reverts_to is None else show_limits(row.reverts_to),
        "shard": shard or None,
    }


def show_halt(halt: Halt, shard: str = "") -> Shown:
    """A halt, and the shard whose it is."""
    return {**show(halt), "shard": shard or None}


def show_verdict(result: OrderResult) -> Shown | None:
    """What the gate says of an order; None where nothing was asked of it, for the order was made before."""
    decision = result.decision
    if decision is None:
        return None
    before, after = _margins(decision)
    return {
        "approved": decision.code is None,
        "gate": decision.gate,
        "code": decision.code,
        "reason": decision.reason,
        "numbers": {name: shown_value(value) for name, value in decision.numbers.items()},
        "limits": dict(decision.limits),
        "reference_price": shown_value(decision.reference_price),
        "price_source": decision.price_source,
        "margin_before": shown_value(before),
        "margin_after": shown_value(after),
        "awaits": list(result.order.awaits or ()),
    }


def _margins(decision: RiskDecision) -> tuple[Decimal | None, Decimal | None]:
    """What the fund's exposure binds without the order, and with it; None where that is not limited or not known."""
    before, more = decision.numbers.get("margin_before"), decision.numbers.get("margin")
    return before, None if before is None or more is None else before + more


def parse_check(body: object) -> SubmitOrder:
    """An order that is only judged; it needs no key, for nothing is made that one would name.

    Raises:
        Invalid: what is wrong with it.
    """
    if isinstance(body, dict) and body.get("idempotency_key") is None:
        body = {**body, "idempotency_key": CHECK_KEY}
    return parse_order(body)


async def check_order(gate: Gate, command: SubmitOrder, origin: Origin) -> Shown:
    """What the gate would say of an order, whatever its key stands for; nothing is journalled."""
    asked = replace(command, order_id=None, key_kind=CHECK_KEY, key=origin.request or CHECK_KEY)
    verdict = show_verdict(await gate.preview(asked, origin))
    return verdict or {}


async def all_limits(gate: Gate) -> list[Shown]:
    """Every row of limits."""
    now = gate.clock.now()
    return [
        show_limit_set(row, now, name)
        for name, shard in gate.shards.items()
        for row in await shard.journal.select("limits")
    ]


async def limit_rows(shards: Named, scope: Scope) -> dict[str, LimitSet | None]:
    """The rows of one scope, by shard; None where it has no limits there."""
    key = (scope[0].value, scope[1])
    found = {name: await shard.journal.get("limits", [key]) for name, shard in shards.items()}
    return {name: rows[0] if rows else None for name, rows in found.items()}


async def change_limits(gate: Gate, shards: Named, change: LimitChange, origin: Origin) -> Shown:
    """Changes the limits that are named and leaves the others; the row as it is then.

    Raises:
        Invalid, Conflict: as `SetLimits`.
    """
    rows = await limit_rows(shards, change.scope)
    made: list[tuple[str, LimitSet]] = []
    for name, shard in shards.items():
        row = rows[name]
        limits = amended(NOTHING if row is None else row.at(gate.clock.now()), change.values)
        check_limits(change.scope[0], limits, "#/limits")
        command = SetLimits(
            level=change.scope[0],
            name=change.scope[1],
            limits=limits,
            reason=change.reason,
            version=_seen(row) if change.version is None else change.version,
            reverts_at=change.reverts_at,
        )
        made.append((name, await shard.runner.execute(command, origin)))
    name, after = made[0]
    return show_limit_set(after, gate.clock.now(), name if len(made) == 1 else "")


def _seen(row: LimitSet | None) -> int:
    """What was amended must be what is there."""
    return 0 if row is None else row.version


async def halts(gate: Gate, *, lifted: bool) -> list[Shown]:
    """The halts that hold; with `lifted`, also the last one of each scope that does not."""
    return [
        show_halt(row, name)
        for name, shard in gate.shards.items()
        for row in await shard.journal.select("halts")
        if lifted or row.holds
    ]


async def throw_switch(gate: Gate, command: ThrowSwitch, origin: Origin) -> Shown:
    """Halts a scope wherever it is, and cancels; again, it goes on canceling while some are `left`."""
    shards = shards_of(gate, (command.level, command.name))
    results: list[HaltResult] = [await shard.runner.execute(command, origin) for shard in shards.values()]
    return {
        "halt": show_halt(results[0].halt, next(iter(shards)) if len(shards) == 1 else ""),
        "canceled": sum(result.canceled for result in results),
        "asked": sum(result.asked for result in results),
        "left": sum(result.left for result in results),
    }


async def lift_halt(gate: Gate, command: LiftHalt, origin: Origin) -> Shown:
    """Lifts a halt wherever it holds.

    Raises:
        NotFound: it holds nowhere.
        Conflict: the principal is the one who ordered it.
    """
    scope = command.level, command.name
    lifted: list[tuple[str, Halt]] = []
    for name, shard in shards_of(gate, scope).items():
        try:
            lifted.append((name, await shard.runner.execute(command, origin)))
        except NotFound:
            continue
    if not lifted:
        raise NotFound(Code.NOT_HALTED, f"{shown_scope(scope)} is not halted", "#/name")
    name, halt = lifted[0]
    return show_halt(halt, name if len(lifted) == 1 else "")


def awaited(order: Order) -> Request | None:
    """The request of an order that waits for a person."""
    if APPROVAL not in (order.awaits or ()):
        return None
    return next((request for request in order.requests if request.phase is Phase.RISK), None)


async def approvals(reader: RowReader) -> list[Shown]:
    """What waits for a person, oldest first."""
    states = (State.PENDING_RISK, *sorted(WORKING))
    orders: Sequence[Order] = await reader.select("orders", {"state": states})
    waiting = [(order, request) for order in orders if (request := awaited(order)) is not None]
    return [_show_approval(*one) for one in sorted(waiting, key=lambda one: one[0].updated_at)]


def _show_approval(order: Order, request: Request) -> Shown:
    return {
        "order_id": order.order_id,
        "kind": request.kind,
        "quantity": shown_value(request.quantity or order.quantity),
        "limit_price": shown_value(request.limit_price or order.limit_price),
        "stop_price": shown_value(request.stop_price or order.stop_price),
        "awaits": list(order.awaits or ()),
        "decide_by": shown_value(order.decide_by),
        "order": show_order(order),
    }


async def answer_approval(
    gate: Gate, order_id: str, origin: Origin, *, approved: bool, reason: str | None
) -> Order:
    """Says as a person whether an order, or a change of it, may go on.

    Raises:
        NotFound: there is no such order.
        Conflict: it does not wait for a person.
    """
    order = await gate.queries.order(order_id)
    request = awaited(order)
    if request is None:
        detail = f"order {order_id} ({order.state}) does not wait for a person"
        raise Conflict(Code.NOT_AWAITED, detail, "#/order_id")
    command = AnswerGate(
        order_id=order_id, gate=APPROVAL, approved=approved, number=request.number, reason=reason
    )
    result: OrderResult = await (await gate.find(order_id)).runner.execute(command, origin)
    return result.order
