"""Which event may lead from which state to which: the table of `transitions`, as the fold asks it."""

from collections.abc import Mapping
from typing import Final

from ordergate.domain.errors import Defect
from ordergate.domain.orders import events as e
from ordergate.domain.orders import parent_events as a
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import State
from ordergate.domain.orders.transitions import Move, targets

_MOVES: Final[Mapping[type, tuple[Move, ...]]] = {
    e.OrderEntered: (Move.ENTER, Move.ASK_RISK, Move.PASS_RISK, Move.REJECT, Move.SEND),
    e.OrderJudged: (Move.ASK_RISK, Move.PASS_RISK, Move.REJECT, Move.SEND),
    e.OrderAdopted: (Move.ADOPT,),
    e.OrderAdvanced: (Move.ASK_RISK, Move.PASS_RISK),
    e.GateAnswered: (Move.ANSWER_RISK, Move.PASS_RISK),
    e.OrderSent: (Move.SEND,),
    e.RequestOpened: (Move.REQUEST,),
    e.SendDisproved: (Move.DISPROVE_SEND,),
    OrderRerouted: (Move.REROUTE,),
    e.OrderAcknowledged: (Move.ACKNOWLEDGE,),
    e.OrderMarked: (Move.MARK,),
    e.ReplaceRefused: (Move.REFUSE_REPLACE,),
    e.RequestDoubted: (Move.SETTLE_REQUEST,),
    e.RequestDropped: (Move.SETTLE_REQUEST,),
    e.OrderFilled: (Move.FILL, Move.CLOSE),
    e.FillCorrected: (Move.CORRECT, Move.CLOSE),
    e.FillBusted: (Move.CORRECT, Move.CLOSE),
    e.OrderReplaced: (Move.REPLACE,),
    e.OrderRestated: (Move.RESTATE,),
    e.OrderCanceled: (Move.CANCEL,),
    e.OrderRejected: (Move.REJECT,),
    e.OrderExpired: (Move.EXPIRE,),
    e.OrderFailed: (Move.FAIL,),
    e.OrderClosed: (Move.CLOSE,),
    e.OrderConfirmed: (Move.CONFIRM,),
    e.OrderOverdue: (Move.MARK,),
    e.SlippageExceeded: (Move.MARK,),
    a.ChildMoved: (Move.WORK, Move.SEND, Move.CORRECT),
    a.WorkStopped: (Move.WORK,),
}
"""What each event may do to an order's state, step by step of its path."""

_WAYS: Final[Mapping[type, Mapping[State | None, tuple[State, ...]]]] = {
    kind: {
        state: tuple(after for move in moves for after in targets(state, move)) for state in (None, *State)
    }
    for kind, moves in _MOVES.items()
}


def check_way(event: e.OrderEvent, at: State | None) -> None:
    """Walks the event's path from a state; None is "no order yet".

    Raises:
        Defect: the table has no such way.
    """
    ways, state = _WAYS[type(event)], at
    for reached in event.path or (state,):
        if reached not in ways[at]:
            detail = f"no way from {at} to {reached}"
            raise Defect(f"{type(event).__name__} of order {event.order_id}: {detail}")
        at = reached
