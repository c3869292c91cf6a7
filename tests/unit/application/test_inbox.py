"""What waits for the runner, and in which order it is taken."""

from typing import Any

import pytest

from ordergate.application import runner as runners
from ordergate.application.entry import Origin
from ordergate.application.inbox import BATCH_MOST, Barrier, Inbox, Item
from ordergate.domain.orders.commands import CancelOrder, Release
from ordergate.domain.orders.reports import Confirmed
from ordergate.domain.risk.commands import AnswerGate, EnableStrategy, LiftHalt, ThrowSwitch
from ordergate.domain.risk.limits import Level
from tests.unit.api.rooms import Room, held

SWITCH = ThrowSwitch(level=Level.FUND, name="paper-momentum", reason="drill")
LIFT = LiftHalt(level=Level.FUND, name="paper-momentum", reason="over")
CANCEL = CancelOrder(order_id="ord-1")
REPORT = Confirmed(broker="paper")
YES = AnswerGate(order_id="ord-1", gate="approval", approved=True)
NO = AnswerGate(order_id="ord-1", gate="approval", approved=False)


def filled(*given: Any) -> Inbox:
    inbox = Inbox()
    for one in given:
        inbox.put(Item(one, Origin(), None, None))
    return inbox


def taken(inbox: Inbox) -> list[Any]:
    return [item.given for item in inbox.take()]


def test_the_kill_switch_comes_before_everything() -> None:
    inbox = filled(Barrier(), YES, CANCEL, REPORT, NO, LIFT, SWITCH)
    assert (len(inbox), inbox.normal) == (7, 3)
    assert taken(inbox) == [SWITCH, CANCEL, REPORT, NO, Barrier(), YES, LIFT]
    assert len(inbox) == 0


def test_it_is_in_the_next_batch_however_many_wait() -> None:
    inbox = filled(*[REPORT] * BATCH_MOST, *[YES] * BATCH_MOST, SWITCH)
    assert taken(inbox)[0] == SWITCH
    assert len(inbox) == BATCH_MOST + 1


def test_what_is_put_back_stands_behind_it() -> None:
    inbox = filled(CANCEL, SWITCH)
    inbox.put_back([Item(REPORT, Origin(), None, None)])
    assert taken(inbox) == [SWITCH, REPORT, CANCEL]


def test_taking_all_leaves_nothing() -> None:
    inbox = filled(YES, CANCEL, SWITCH)
    assert [item.given for item in inbox.take_all()] == [SWITCH, CANCEL, YES]
    assert not inbox.take()


@pytest.mark.parametrize("given", [SWITCH, CANCEL, NO, Release("ord-1", 1)], ids=lambda g: type(g).__name__)
def test_a_full_inbox_takes_what_stops_and_takes_back(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(at: Room) -> None:
        monkeypatch.setattr(runners, "INBOX_MOST", 0)
        at.gate.runner._check_room(given)

    held(talk)


@pytest.mark.parametrize(
    "given", [YES, LIFT, EnableStrategy(strategy_id="s", reason="r")], ids=lambda g: type(g).__name__
)
def test_a_full_inbox_refuses_the_rest(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(at: Room) -> None:
        monkeypatch.setattr(runners, "INBOX_MOST", 0)
        with pytest.raises(Exception, match="requests are waiting"):
            await at.gate.runner.execute(given, Origin())

    held(talk)
