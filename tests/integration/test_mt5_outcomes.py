"""Every return code and every error of the package, through the whole adapter: what the order's answer is, and what a
lookup makes of it later, where it was done and where it was not."""

import pytest

from ordergate.adapters.brokers.mt5.outcomes import ERRORS, RETCODES
from ordergate.application.ports.brokers import Presence
from ordergate.domain.orders.reports import End, Ended, Outcome
from ordergate.testing.metatrader5 import Fault
from tests.services.mt5_talk import Desk, order, play

REJECTED, NOT_SENT, UNKNOWN, ACCEPTED = Outcome.REJECTED, Outcome.NOT_SENT, Outcome.UNKNOWN, Outcome.ACCEPTED
SAID_NO = {
    10004: REJECTED, 10006: REJECTED, 10007: REJECTED, 10013: REJECTED, 10014: REJECTED, 10015: REJECTED,
    10016: REJECTED, 10017: REJECTED, 10018: REJECTED, 10019: REJECTED, 10020: REJECTED, 10021: REJECTED,
    10022: REJECTED, 10023: REJECTED, 10024: NOT_SENT, 10025: REJECTED, 10026: REJECTED, 10027: REJECTED,
    10029: REJECTED, 10030: REJECTED, 10032: REJECTED, 10033: REJECTED, 10034: REJECTED, 10035: REJECTED,
    10036: REJECTED, 10038: REJECTED, 10039: REJECTED, 10040: REJECTED, 10041: REJECTED, 10042: REJECTED,
    10043: REJECTED, 10044: REJECTED, 10045: REJECTED, 10046: REJECTED,
}  # fmt: skip
SAID_YES = (10008, 10009, 10010)
SAID_NOTHING = (0, 10005, 10011, 10012, 10028, 10031, 10037, 10047, 10099, 99_999, -1)
NOTHING_LEFT = {-2: REJECTED, -6: NOT_SENT, -7: REJECTED, -8: REJECTED, -10003: NOT_SENT, -10004: NOT_SENT}
MAY_HAVE_LEFT = (-1, -3, -4, -5, -10000, -10001, -10002, -10005, -12345, 1)


def test_the_tables_have_every_code() -> None:
    assert set(RETCODES) == {*SAID_NO, *SAID_YES, 0, 10011, 10012, 10028, 10031}
    assert set(ERRORS) == {*NOTHING_LEFT, *MAY_HAVE_LEFT} - {-12345, 1}


@pytest.mark.parametrize("code", SAID_NO)
def test_a_refusal(code: int) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.REJECT, code, times=1)
        answer = await desk.submit(order("no.1"))
        assert (answer.outcome, str(code) in (answer.reason or "")) == (SAID_NO[code], True)
        assert (answer.retry_after_s is not None) is (code == 10024)
        lookup = await desk.broker.lookup("no.1")
        if SAID_NO[code] is REJECTED:
            assert lookup.presence is Presence.FOUND
            assert [type(one) for one in lookup.reports] == [Ended]
            assert (await desk.submit(order("no.1"))).outcome is REJECTED
        else:
            assert lookup.presence is Presence.ABSENT
            await desk.accepted(order("no.1"))
        assert len(desk.fills("no.1")) == (0 if SAID_NO[code] is REJECTED else 1)

    play(scene)


@pytest.mark.parametrize("code", SAID_YES)
def test_what_is_done_or_taken(code: int) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.RETCODE_AFTER, code, times=1)  # with no tickets at all
        assert (await desk.submit(order("yes.1"))).outcome is ACCEPTED
        assert desk.fills("yes.1") == [("0.1", "1.10002")]
        assert (await desk.submit(order("yes.1"))).outcome is Outcome.DUPLICATE
        assert len(await desk.found("yes.1")) == 2

    play(scene)


@pytest.mark.parametrize("code", SAID_NOTHING)
def test_a_code_that_proves_nothing_of_what_was_done(code: int) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.RETCODE_AFTER, code, times=1)
        answer = await desk.submit(order("done.1"))
        assert answer.outcome is UNKNOWN
        assert answer.reason
        assert len(await desk.found("done.1")) == 2
        assert desk.fills("done.1") == [("0.1", "1.10002")]

    play(scene)


@pytest.mark.parametrize("code", SAID_NOTHING)
def test_a_code_that_proves_nothing_of_what_was_not_done(code: int) -> None:
    """Absent once half a minute has passed, with prices and a connection; then it is sent again, and is there once."""

    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.REJECT, code, times=1)
        assert (await desk.submit(order("lost.1"))).outcome is UNKNOWN
        await _absent_after_half_a_minute(desk)

    play(scene)


@pytest.mark.parametrize("code", NOTHING_LEFT)
def test_an_error_after_which_nothing_has_left(code: int) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.NONE_BEFORE, code, times=1)
        answer = await desk.submit(order("no.1"))
        assert (answer.outcome, str(code) in (answer.reason or "")) == (NOTHING_LEFT[code], True)
        lookup = await desk.broker.lookup("no.1")
        refused = NOTHING_LEFT[code] is REJECTED
        assert lookup.presence is (Presence.FOUND if refused else Presence.ABSENT)
        ends = [one.end for one in lookup.reports if isinstance(one, Ended)]
        assert ends == ([End.REJECTED] if refused else [])
        assert desk.sent == []

    play(scene)


@pytest.mark.parametrize("code", MAY_HAVE_LEFT)
def test_an_error_after_which_the_order_may_be_there(code: int) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.NONE_AFTER, code, times=1)
        assert (await desk.submit(order("done.1"))).outcome is UNKNOWN
        desk.machine.steering.clear()
        assert len(await desk.found("done.1")) == 2
        desk.machine.steering.inject(Fault.NONE_BEFORE, code, times=1)
        assert (await desk.submit(order("lost.1"))).outcome is UNKNOWN
        await _absent_after_half_a_minute(desk)

    play(scene)


async def _absent_after_half_a_minute(desk: Desk) -> None:
    for _ in range(29):
        assert (await desk.broker.lookup("lost.1")).presence is Presence.UNAVAILABLE
        await desk.pass_time(1)
    await desk.pass_time(2)
    assert (await desk.broker.lookup("lost.1")).presence is Presence.ABSENT
    assert desk.fills("lost.1") == []
    await desk.accepted(order("lost.1"))
    assert desk.fills("lost.1") == [("0.1", "1.10002")]


def test_a_terminal_that_was_started_again_shows_its_symbols_again() -> None:
    """Its worker has reached it before anybody noticed; without prices an absence would never be proven."""

    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.NONE_BEFORE, -10002, times=1)
        assert (await desk.submit(order("lost.1"))).outcome is UNKNOWN
        desk.machine.terminal.selected.clear()
        for _ in range(40):
            await desk.pass_time(1)
        assert (await desk.broker.lookup("lost.1")).presence is Presence.ABSENT

    play(scene)


def test_absence_needs_a_connection_and_prices() -> None:
    async def scene(desk: Desk) -> None:
        steering = desk.machine.steering
        steering.inject(Fault.REJECT, 10012, times=1)
        assert (await desk.submit(order("lost.1"))).outcome is UNKNOWN
        await desk.machine.clock.sleep(40)
        assert "no price" in ((await desk.broker.lookup("lost.1")).reason or "")
        steering.inject(Fault.DISCONNECTED)
        await desk.pass_time(40)
        assert "connection" in ((await desk.broker.lookup("lost.1")).reason or "")
        steering.clear()
        await desk.pass_time(20)
        assert (await desk.broker.lookup("lost.1")).presence is Presence.UNAVAILABLE
        steering.inject(Fault.FAIL, -1, calls=["history_orders_get"])
        await desk.pass_time(40)
        assert (await desk.broker.lookup("lost.1")).presence is Presence.UNAVAILABLE
        steering.clear()
        await desk.pass_time(31)
        assert (await desk.decided("lost.1")).presence is Presence.ABSENT

    play(scene)


@pytest.mark.parametrize("hidden", [{"orders"}, {"orders", "deals"}])
def test_a_deal_or_a_position_of_an_order_that_is_not_listed_is_no_absence(hidden: set[str]) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.hidden = {f"history_{what}_get" for what in hidden}
        desk.machine.garbled = {f"history_{what}_total": 0 for what in hidden}
        desk.machine.steering.inject(Fault.RETCODE_AFTER, 10012, times=1)
        assert (await desk.broker.submit(order("there.1"))).outcome is UNKNOWN
        for _ in range(40):
            await desk.pass_time(1)
        lookup = await desk.broker.lookup("there.1")
        assert (lookup.presence, "is of it" in (lookup.reason or "")) == (Presence.UNAVAILABLE, True)
        desk.machine.hidden, desk.machine.garbled = set(), {}
        await desk.pass_time(20)
        assert len(await desk.found("there.1")) == 2
        assert len(desk.fills("there.1")) == 1

    play(scene)


@pytest.mark.parametrize("shorter", [{"orders", "deals"}, {"orders"}])
@pytest.mark.parametrize(("fault", "code"), [(Fault.RETCODE_AFTER, 10012), (Fault.NONE_AFTER, -10002)])
def test_a_history_that_is_shorter_than_its_count_proves_no_absence(
    fault: str, code: int, shorter: set[str]
) -> None:
    """In a position that an earlier order has opened: it does not tell of the second."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("one.1"))
        desk.machine.lost_rows = {f"history_{what}_get" for what in shorter}
        desk.machine.steering.inject(fault, code, times=1)
        assert (await desk.broker.submit(order("two.1"))).outcome is UNKNOWN
        for _ in range(40):
            await desk.pass_time(1)
        lookup = await desk.broker.lookup("two.1")
        assert lookup.presence is Presence.UNAVAILABLE
        assert "history_orders_get gave 1 of 2" in (lookup.reason or "")
        assert (await desk.broker.submit(order("two.1"))).outcome is Outcome.DUPLICATE
        desk.machine.lost_rows = set()
        await desk.pass_time(20)
        assert len(await desk.found("two.1")) == 2
        assert (len(desk.sent), len(desk.fills("two.1"))) == (2, 1)

    play(scene)


def test_deals_that_are_fewer_than_their_count_prove_no_absence() -> None:
    """The order is not in the history yet, and its deal is the one that is left out."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("one.1"))
        desk.machine.lost_rows = {"history_orders_get", "history_deals_get"}
        desk.machine.garbled = {"history_orders_total": 1}
        desk.machine.steering.inject(Fault.RETCODE_AFTER, 10012, times=1)
        assert (await desk.broker.submit(order("two.1"))).outcome is UNKNOWN
        for _ in range(40):
            await desk.pass_time(1)
        lookup = await desk.broker.lookup("two.1")
        assert (lookup.presence, "deals_get gave" in (lookup.reason or "")) == (Presence.UNAVAILABLE, True)
        assert len(desk.sent) == 2

    play(scene)


def test_a_call_that_never_ended_proves_no_absence() -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.HANG, times=1, when="before")
        assert (await desk.submit(order("hung.1"))).outcome is UNKNOWN
        assert (await desk.decided("hung.1")).presence is Presence.UNPROVEN
        assert (await desk.submit(order("hung.1"))).outcome is Outcome.DUPLICATE
        assert desk.sent == []

    play(scene)


@pytest.mark.parametrize("code", [10006, 10013, 10014, 10018, 10019, 10027, 10046])
def test_what_the_terminal_itself_refuses_is_not_sent(code: int) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.CHECK, code, calls=["order_check"])
        answer = await desk.submit(order("no.1"))
        assert answer.outcome is REJECTED
        assert (answer.reason or "").startswith("Insufficient margin") is (code == 10019)
        assert desk.sent == []
        assert (await desk.broker.lookup("no.1")).presence is Presence.ABSENT

    play(scene)


@pytest.mark.parametrize("code", [10011, 10012, 10024, 10028, 10031])
def test_a_check_that_says_nothing_of_the_order(code: int) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.CHECK, code, calls=["order_check"])
        assert (await desk.submit(order("no.1"))).outcome is NOT_SENT
        assert desk.sent == []

    play(scene)
