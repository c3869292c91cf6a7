"""The order machine: one table.

Theory
------
An order's *state* answers one question: what can still happen to it? Everything else about it is an
attribute. That the broker has acknowledged is an attribute; so is done-for-day. That we have asked for a
cancel and not been answered is a second axis, the order's open requests: it comes and goes while the state
stays, so nothing ever has to remember "the state before pending cancel".

SUBMITTED means *bytes may have left*. It is committed before the first byte is sent, so a crash can never
leave an order at the broker that the journal believes unsent.

A fill is never illegal once an order was sent. It is booked in every state from SUBMITTED on; after the end
it is booked, reported as a break, and the state stays. Of conflicting ends the first one journalled
stands, and a later, different one is a break; fills decide before ends where both arrive in one report.

Which executions count does not depend on the order in which they arrive: an execution counts unless it is a
bust or another execution refers to it (`domain.orders.executions`).

A parent (an order that is worked by children) has the same states, and no broker: it is SUBMITTED once a
child is, filled by what its children fill together, and ends when none of them is open. It is never unknown.

`TABLE[event][state]` is the state after that event in that state. BY_QUANTITY: SUBMITTED, PARTIALLY_FILLED
or FILLED, as the filled quantity says. A missing cell is illegal: a command is refused, a broker's report
becomes a break and changes nothing. The edges of the diagram are derived from this table.
"""

from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final

from ordergate.domain.errors import Defect
from ordergate.domain.orders.states import State


class Move(StrEnum):
    """What can happen to an order, as the table knows it."""

    ENTER = "enter"
    ADOPT = "adopt"
    ASK_RISK = "ask_risk"
    ANSWER_RISK = "answer_risk"
    PASS_RISK = "pass_risk"  # noqa: S105  (no password)
    SEND = "send"
    DISPROVE_SEND = "disprove_send"
    REROUTE = "reroute"
    ACKNOWLEDGE = "acknowledge"
    MARK = "mark"
    REQUEST = "request"
    REFUSE_REPLACE = "refuse_replace"
    SETTLE_REQUEST = "settle_request"
    WORK = "work"
    FILL = "fill"
    CORRECT = "correct"
    REPLACE = "replace"
    RESTATE = "restate"
    CANCEL = "cancel"
    REJECT = "reject"
    EXPIRE = "expire"
    FAIL = "fail"
    CONFIRM = "confirm"
    CLOSE = "close"


class ByQuantity(Enum):
    """Marker: the filled quantity decides."""

    BY_QUANTITY = "by quantity"


BY_QUANTITY: Final = ByQuantity.BY_QUANTITY
Target = State | ByQuantity

_CREATED, _PENDING, _ACCEPTED = State.CREATED, State.PENDING_RISK, State.ACCEPTED
_SUBMITTED, _PARTIAL, _FILLED = State.SUBMITTED, State.PARTIALLY_FILLED, State.FILLED
_ENDED = (State.CLOSED, State.CANCELED, State.REJECTED, State.EXPIRED, State.FAILED)
_STAYS_ENDED: Final[dict[State | None, Target]] = {state: state for state in _ENDED}
_EVERY_SENT: Final[dict[State | None, Target]] = {
    state: state for state in (_SUBMITTED, _PARTIAL, _FILLED, *_ENDED)
}

TABLE: Final[dict[Move, dict[State | None, Target]]] = {
    Move.ENTER: {None: _CREATED},
    Move.ADOPT: {None: _SUBMITTED},  # found at the broker, or agreed by telephone
    Move.ASK_RISK: {_CREATED: _PENDING},
    Move.ANSWER_RISK: {  # one of several gates, or of a replace
        _PENDING: _PENDING,
        _SUBMITTED: _SUBMITTED,
        _PARTIAL: _PARTIAL,
        _FILLED: _FILLED,
    },
    Move.PASS_RISK: {_PENDING: _ACCEPTED},
    Move.SEND: {
        _ACCEPTED: _SUBMITTED,
        _SUBMITTED: _SUBMITTED,  # sent again, to a venue that knows a repeat
    },
    Move.DISPROVE_SEND: {_SUBMITTED: _ACCEPTED},
    Move.REROUTE: {_ACCEPTED: _ACCEPTED},  # to another broker, for nothing of it is at this one
    Move.ACKNOWLEDGE: {
        _ACCEPTED: _SUBMITTED,  # it had left after all
        **_EVERY_SENT,  # a late one still tells us the broker's order id
    },
    Move.MARK: _EVERY_SENT,
    Move.REQUEST: {_SUBMITTED: _SUBMITTED, _PARTIAL: _PARTIAL, _FILLED: _FILLED},
    Move.REFUSE_REPLACE: {_SUBMITTED: _SUBMITTED, _PARTIAL: _PARTIAL, _FILLED: _FILLED},
    Move.SETTLE_REQUEST: {_ACCEPTED: _ACCEPTED, **_EVERY_SENT},
    Move.WORK: {_ACCEPTED: _ACCEPTED, **_EVERY_SENT},  # a parent's child was made, or it makes no more
    Move.FILL: {_SUBMITTED: BY_QUANTITY, _PARTIAL: BY_QUANTITY, _FILLED: BY_QUANTITY, **_STAYS_ENDED},
    Move.CORRECT: {_SUBMITTED: BY_QUANTITY, _PARTIAL: BY_QUANTITY, _FILLED: BY_QUANTITY, **_STAYS_ENDED},
    Move.REPLACE: {_SUBMITTED: BY_QUANTITY, _PARTIAL: BY_QUANTITY, _FILLED: BY_QUANTITY},
    Move.RESTATE: {_SUBMITTED: BY_QUANTITY, _PARTIAL: BY_QUANTITY, _FILLED: BY_QUANTITY},
    Move.CANCEL: {
        _CREATED: State.CANCELED,
        _PENDING: State.CANCELED,
        _ACCEPTED: State.CANCELED,
        _SUBMITTED: State.CANCELED,
        _PARTIAL: State.CANCELED,
    },
    Move.REJECT: {_PENDING: State.REJECTED, _SUBMITTED: State.REJECTED},
    Move.EXPIRE: {
        _PENDING: State.EXPIRED,
        _ACCEPTED: State.EXPIRED,
        _SUBMITTED: State.EXPIRED,
        _PARTIAL: State.EXPIRED,
    },
    Move.FAIL: {
        _CREATED: State.FAILED,
        _PENDING: State.FAILED,
        _ACCEPTED: State.FAILED,
        _SUBMITTED: State.FAILED,
        _PARTIAL: State.FAILED,
    },
    Move.CONFIRM: {_FILLED: _FILLED},  # equal to the broker's record while a request is open
    Move.CLOSE: {_FILLED: State.CLOSED},
}


def allowed(state: State | None, move: Move) -> bool:
    """Whether the table has that cell."""
    return state in TABLE[move]


def next_state(state: State | None, move: Move, filled: Decimal, quantity: Decimal) -> State:
    """The state after a move, where `filled` and `quantity` are those after it.

    Raises:
        Defect: the cell is empty; callers ask `allowed` first.
    """
    target = TABLE[move].get(state)
    if target is None:
        raise Defect(f"{move} is illegal in {state}")
    return by_quantity(filled, quantity) if isinstance(target, ByQuantity) else target


def targets(state: State | None, move: Move) -> tuple[State, ...]:
    """The states that a move can lead to; none where the cell is empty."""
    target = TABLE[move].get(state)
    if target is None:
        return ()
    return (_SUBMITTED, _PARTIAL, _FILLED) if isinstance(target, ByQuantity) else (target,)


def by_quantity(filled: Decimal, quantity: Decimal) -> State:
    """The state of a sent, unended order; a quantity of 0 is one that the broker has yet to name."""
    if filled >= quantity > 0:
        return _FILLED
    return _PARTIAL if filled > 0 else _SUBMITTED


def _edges() -> frozenset[tuple[State | None, State]]:
    cells = ((state, move) for move, row in TABLE.items() for state in row)
    pairs = ((state, after) for state, move in cells for after in targets(state, move))
    return frozenset((state, after) for state, after in pairs if after is not state)


EDGES: Final = _edges()
"""Every pair (from, to) of different states that some move connects; None is "no order yet"."""
