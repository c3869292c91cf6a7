"""What an entry says of its order, one state at a time: for outlets that tell every step in words of their own."""

from datetime import datetime

from msgspec import Struct

from ordergate.application.telling import Told
from ordergate.domain.orders import events as e
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.states import State


class Step(Struct, frozen=True, gc=False):
    """An order came to a state, or (where `before` is the same and nothing was executed) something else of it changed.

    Attributes:
        before: the state before it; None where it came into being.
        fill: what was executed, corrected or busted by it.
    """

    state: State
    before: State | None
    time: datetime
    fill: Fill | None = None


def fill_of(told: Told) -> Fill | None:
    """The execution that an entry is about."""
    event = told.entry.event
    return event.fill if isinstance(event, e.OrderFilled | e.FillCorrected | e.FillBusted) else None


def steps_of(told: Told) -> list[Step]:
    """The states that the entry brought its order to, each with its time; the first has the execution behind it."""
    event = told.entry.event
    if not isinstance(event, e.OrderEvent):
        return []
    steps, before, fill = [], told.before, fill_of(told)
    for state, time in zip(event.path, event.times, strict=True):
        steps.append(Step(state, before, time, fill))
        before, fill = state, None
    return steps


def standing(told: Told) -> list[Step]:
    """The order as it stands, for an entry that brought it to no other state; nothing, where there is no order."""
    if told.order is None:
        return []
    return [Step(told.order.state, told.order.state, told.entry.time, fill_of(told))]
