"""The fold takes the answer of a gate only where it is waited for."""

import pytest

from ordergate.application.entry import Entry
from ordergate.application.recovery import apply
from ordergate.domain.errors import Defect
from ordergate.domain.orders.events import GateAnswered
from ordergate.domain.risk.limits import Limits
from tests.unit.domain.risk.limited import Limited


@pytest.mark.parametrize(("gate", "number"), [("other", 1), ("desk", 2)])
def test_an_answer_that_nobody_waits_for_is_a_defect(gate: str, number: int) -> None:
    book = Limited(Limits(gates=("desk",))).order_of(1)
    event = GateAnswered(order_id=book.order_id, gate=gate, approved=True, number=number)
    entry = Entry(
        index=len(book.entries), time=book.now, actor="a", principal="a", source="gate", event=event
    )
    with pytest.raises(Defect, match=f"does not wait for {gate} about request {number}"):
        apply(book.engine.state, entry)
