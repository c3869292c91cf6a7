"""What commands ask of the risk gate: of the database that they have opened, or through the door of who serves it."""

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import quote

import msgspec
from msgspec import Struct

from ordergate.api import overrides, risk, strategies
from ordergate.application.entry import Origin
from ordergate.application.queries import Shown, show_order
from ordergate.bootstrap import Gate, Shards
from ordergate.cli.line import encoded
from ordergate.domain.errors import Code, NotFound
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.risk.commands import (
    AskOverride,
    EnableStrategy,
    GrantOverride,
    Heartbeat,
    LiftHalt,
    ThrowSwitch,
    TurnDownOverride,
)
from ordergate.domain.risk.limits import Scope
from ordergate.domain.risk.parsing import FIRM_SHOWN, parse_limits
from ordergate.domain.times import format_time

ANSWER_WITHIN_S: Final = 10.0
_LOST_OVERRIDE: Final = "look at it: ordergate overrides --all"


class Change(Struct, frozen=True, kw_only=True):
    """A change of limits as a command states it.

    Attributes:
        values: as JSON would have them; None takes a limit away.
        shard: this shard alone; None is wherever the scope is.
    """

    scope: Scope
    values: Mapping[str, Any]
    reason: str
    until: datetime | None = None
    shard: str | None = None


class RiskDesk(Protocol):
    """Each method answers as programs are shown it, and raises as `Desk`."""

    async def check(self, command: SubmitOrder, body: Any) -> Shown:
        """What the gate would say of an order, as read and as it stands in JSON."""
        ...

    async def change(self, change: Change) -> Shown:
        """Changes limits."""
        ...

    async def enable(self, strategy_id: str, reason: str) -> Shown:
        """Lets a strategy run again."""
        ...

    async def heartbeat(self, strategy_id: str) -> Shown:
        """Takes a sign of life of a strategy."""
        ...

    async def throw(self, command: ThrowSwitch) -> Shown:
        """Throws the kill switch."""
        ...

    async def lift(self, command: LiftHalt) -> Shown:
        """Lifts a halt."""
        ...

    async def answer(self, order_id: str, reason: str | None, *, approved: bool) -> Shown:
        """Approves or rejects what waits for a person; the order as it is then."""
        ...

    async def ask_override(self, command: AskOverride) -> Shown:
        """Asks that a refused order may go on once."""
        ...

    async def grant_override(self, order_id: str, reason: str | None) -> Shown:
        """Grants that; the new order."""
        ...

    async def turn_down_override(self, order_id: str, reason: str | None) -> Shown:
        """Turns it down."""
        ...


class OwnRisk:
    """Of a gate, or of shards, that this process has opened."""

    def __init__(self, gate: Gate | Shards, origin: Origin) -> None:
        self._gate, self._origin = gate, origin

    async def check(self, command: SubmitOrder, _body: Any) -> Shown:
        """See `RiskDesk`."""
        return await risk.check_order(self._gate, command, self._origin)

    async def change(self, change: Change) -> Shown:
        """See `RiskDesk`."""
        shards = risk.shards_of(self._gate, change.scope)
        wanted = risk.LimitChange(
            scope=change.scope,
            values=parse_limits(change.scope[0], change.values),
            reason=change.reason,
            reverts_at=change.until,
        )
        return await risk.change_limits(self._gate, shards, wanted, self._origin)

    async def enable(self, strategy_id: str, reason: str) -> Shown:
        """See `RiskDesk`."""
        command = EnableStrategy(strategy_id=strategy_id, reason=reason)
        return await strategies.enable_strategy(self._gate, command, self._origin)

    async def heartbeat(self, strategy_id: str) -> Shown:
        """See `RiskDesk`."""
        return await strategies.heartbeat(self._gate, Heartbeat(strategy_id=strategy_id), self._origin)

    async def throw(self, command: ThrowSwitch) -> Shown:
        """See `RiskDesk`."""
        thrown = await risk.throw_switch(self._gate, command, self._origin)
        with suppress(
            TimeoutError
        ):  # the cancels leave before this process ends; what has no answer is found out later
            async with asyncio.timeout(ANSWER_WITHIN_S):
                for gate in self._gate.shards.values():
                    await gate.quiet()
        return thrown

    async def lift(self, command: LiftHalt) -> Shown:
        """See `RiskDesk`."""
        return await risk.lift_halt(self._gate, command, self._origin)

    async def answer(self, order_id: str, reason: str | None, *, approved: bool) -> Shown:
        """See `RiskDesk`."""
        order = await risk.answer_approval(
            self._gate, order_id, self._origin, approved=approved, reason=reason
        )
        return show_order(await self._gate.answered(order.order_id, ANSWER_WITHIN_S))

    async def ask_override(self, command: AskOverride) -> Shown:
        """See `RiskDesk`."""
        return overrides.show_override(await overrides.ask_override(self._gate, command, self._origin))

    async def grant_override(self, order_id: str, reason: str | None) -> Shown:
        """See `RiskDesk`."""
        command = GrantOverride(order_id=order_id, reason=reason)
        made = await overrides.grant_override(self._gate, command, self._origin)
        return show_order(await self._gate.answered(made.order.order_id, ANSWER_WITHIN_S))

    async def turn_down_override(self, order_id: str, reason: str | None) -> Shown:
        """See `RiskDesk`."""
        command = TurnDownOverride(order_id=order_id, reason=reason)
        return overrides.show_override(await overrides.turn_down_override(self._gate, command, self._origin))


class Ask(Protocol):
    """See `ServedDesk.ask`."""

    def __call__(
        self, method: str, path: str, body: Any, lost: str, headers: dict[str, str] | None = None
    ) -> Awaitable[dict[str, Any]]:
        """The document that a request is answered with."""
        ...


class Place(Protocol):
    """See `ServedDesk.place`."""

    def __call__(
        self, method: str, path: str, body: bytes | None, lost: str, within_s: float
    ) -> Awaitable[tuple[dict[str, Any], bool]]:
        """The order that a request leads to."""
        ...


class ServedRisk:
    """Through a door."""

    def __init__(self, ask: Ask, place: Place) -> None:
        self._ask, self._place = ask, place

    async def check(self, _command: SubmitOrder, body: Any) -> Shown:
        """See `RiskDesk`."""
        return await self._ask("POST", "/v1/risk/check", body, "ask again")

    async def change(self, change: Change) -> Shown:
        """See `RiskDesk`."""
        level, name = change.scope
        path = f"/v1/risk/limits/{level}/{encoded(name or FIRM_SHOWN)}"
        if change.shard is not None:
            path = f"{path}?shard={quote(change.shard, safe='')}"
        body = {"limits": dict(change.values), "reason": change.reason}
        if change.until is not None:
            body["reverts_at"] = format_time(change.until)
        lost = "look at the limits: ordergate risk limits"
        return await self._ask("PUT", path, body, lost, {"If-Match": "*"})

    async def enable(self, strategy_id: str, reason: str) -> Shown:
        """See `RiskDesk`."""
        path = f"/v1/risk/strategies/{encoded(strategy_id)}/enable"
        return await self._ask("POST", path, {"reason": reason}, "enable it again")

    async def heartbeat(self, strategy_id: str) -> Shown:
        """See `RiskDesk`."""
        path = f"/v1/risk/strategies/{encoded(strategy_id)}/heartbeat"
        return await self._ask("POST", path, None, "give it again")

    async def throw(self, command: ThrowSwitch) -> Shown:
        """See `RiskDesk`."""
        body = {
            "level": command.level,
            "name": command.name,
            "mode": command.mode,
            "reason": command.reason,
        }
        return await self._ask("POST", "/v1/kill-switch", body, "throw the switch again")

    async def lift(self, command: LiftHalt) -> Shown:
        """See `RiskDesk`."""
        body = {"level": command.level, "name": command.name, "reason": command.reason}
        return await self._ask(
            "POST", "/v1/kill-switch/release", body, "look at the halts: ordergate kill show"
        )

    async def answer(self, order_id: str, reason: str | None, *, approved: bool) -> Shown:
        """See `RiskDesk`."""
        path = _answer_path("approvals", order_id, approved=approved)
        return await self._ask("POST", path, _why(reason), f"look at it: ordergate orders show {order_id}")

    async def ask_override(self, command: AskOverride) -> Shown:
        """See `RiskDesk`."""
        body = {"order_id": command.order_id, "reason": command.reason}
        if command.expires_at is not None:
            body["expires_at"] = format_time(command.expires_at)
        return await self._ask("POST", "/v1/risk/overrides", body, _LOST_OVERRIDE)

    async def grant_override(self, order_id: str, reason: str | None) -> Shown:
        """See `RiskDesk`."""
        path, body = _answer_path("risk/overrides", order_id, approved=True), _why(reason)
        order, _ = await self._place("POST", path, msgspec.json.encode(body), _LOST_OVERRIDE, ANSWER_WITHIN_S)
        return order

    async def turn_down_override(self, order_id: str, reason: str | None) -> Shown:
        """See `RiskDesk`."""
        path = _answer_path("risk/overrides", order_id, approved=False)
        return await self._ask("POST", path, _why(reason), _LOST_OVERRIDE)


def _answer_path(what: str, order_id: str, *, approved: bool) -> str:
    if not order_id or "/" in order_id:  # no order has such an id, and no path
        raise NotFound(Code.ORDER_NOT_FOUND, f"there is no order {order_id!r}", "#/order_id")
    return f"/v1/{what}/{encoded(order_id)}/{'approve' if approved else 'reject'}"


def _why(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}
