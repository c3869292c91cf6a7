"""Atomic groups: all of their orders or none.

On a chain they are one transaction. Elsewhere they are done one after the other; at the first that is not executed,
those before it are undone by opposite orders, which are orders like any other, and may fail: that is a break.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Final

import structlog

from ordergate.bootstrap import Gate
from ordergate.domain.errors import OrdergateError
from ordergate.sdk.line import Line
from ordergate.sdk.venues.again import told_again
from ordergate.sdk.venues.codes import ErrorCode
from ordergate.sdk.venues.compensating import Undone, undo
from ordergate.sdk.venues.handshakes import ExecutionHandshake, ExecutionHandshakeStatus
from ordergate.sdk.venues.models import Order
from ordergate.sdk.venues.routing import Desk, VenueInterfaceManager, failed
from ordergate.sdk.venues.wanted import named_key

_UNDO_S: Final = 30.0
_SLACK_S: Final = 15.0
_STATUS: Final[Mapping[ExecutionHandshakeStatus, str]] = {
    ExecutionHandshakeStatus.EXECUTED: "completed",
    ExecutionHandshakeStatus.PENDING: "pending",
}
_log = structlog.get_logger("ordergate.sdk.venues")


class Groups:
    """Executes atomic groups."""

    def __init__(
        self, line: Line, routing: VenueInterfaceManager, fund_id: str | None, left: Callable[[], float]
    ) -> None:
        self._line, self._routing, self._fund_id, self._left = line, routing, fund_id, left

    def execute(self, timestamp: datetime, members: Sequence[Order]) -> list[ExecutionHandshake]:
        """The handshakes of a group, in its order; `venue_metadata` says how the group ended.

        `group_status` is completed, failed, or (of one transaction) pending; `rollback_triggered` whether something
        had to be undone, and `rolled_back` whether that was; `breaks` are those that were raised where not.
        """
        desk: Desk | None = getattr(self._routing, "desk", None)
        whole = None if desk is None else desk.bundle(members)
        if whole is not None:
            return [_told(handshake, _STATUS.get(handshake.status, "failed"), None) for handshake in whole]
        done: list[ExecutionHandshake] = []
        for member in members:
            done.append(self._route(timestamp, member, desk))
            if not done[-1].was_successful():
                break
        else:
            return [_told(handshake, "completed", None) for handshake in done]
        why = f"not sent: the {done[-1].order.operation} before it is {done[-1].status}"
        done += [self._not_sent(member, desk, ErrorCode.ATOMIC_GROUP, why) for member in members[len(done) :]]
        undone = self._undo(str(members[0].atomic_group_id), done)
        ended = [undone.handshakes.get(at, handshake) for at, handshake in enumerate(done)]
        return [_told(handshake, "failed", undone) for handshake in ended]

    def _route(self, timestamp: datetime, member: Order, desk: Desk | None) -> ExecutionHandshake:
        """Has a member done, within what is left of the batch's time."""
        left = self._left()
        if left <= 0:
            return self._not_sent(
                member, desk, ErrorCode.TIME_OVER, "not sent: the time of its batch is over"
            )
        with nullcontext() if desk is None else desk.within(left):
            return self._routing.route_to_venue(timestamp, member)

    def _not_sent(self, member: Order, desk: Desk | None, code: ErrorCode, why: str) -> ExecutionHandshake:
        """Of what is not sent now; how it stands, where it was before."""
        (told,) = told_again(desk, [member])
        return failed(member, code, why) if told is None else told

    def _undo(self, group: str, done: list[ExecutionHandshake]) -> Undone:
        if all(_was_none(one) for one in done):
            return Undone()

        async def work(gate: Gate) -> Undone:
            return await undo(gate, self._fund_id or gate.config.signals.fund, group, done, _UNDO_S)

        try:
            return self._line.wait(work, _UNDO_S * 2 * len(done) + _SLACK_S)
        except OrdergateError as error:
            _log.error("whether a group was undone is not known", group=group, error=str(error))
            return Undone(triggered=True, complete=False)


def _was_none(handshake: ExecutionHandshake) -> bool:
    """Whether there is no order of it, and none from before."""
    made = "order_id" in handshake.venue_metadata or named_key(handshake.order) is not None
    return handshake.was_failed() and not made


def _told(handshake: ExecutionHandshake, status: str, undone: Undone | None) -> ExecutionHandshake:
    said: dict[str, Any] = {"group_status": status, "rollback_triggered": bool(undone and undone.triggered)}
    if undone is not None and undone.triggered:
        said |= {"rolled_back": undone.complete, "breaks": list(undone.breaks)}
    metadata = {**handshake.venue_metadata, **said}
    return handshake.model_copy(update={"venue_metadata": metadata})
