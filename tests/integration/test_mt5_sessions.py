"""What outlives a process, a terminal, an agent and a journal; whose orders are whose; and how the account is checked."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.mt5 import sessions
from ordergate.adapters.brokers.mt5.naming import comment_of, magic_of
from ordergate.application.ports.brokers import LoginRefused, Presence
from ordergate.domain.orders.reports import Confirmed, Ended, Executed, Outcome
from ordergate.domain.orders.states import Side, TimeInForce
from ordergate.testing.metatrader5 import Fault
from ordergate.testing.metatrader5 import constants as mt5
from tests.services.mt5 import HEDGING, LOGIN, SETTINGS, START, broker_at
from tests.services.mt5_talk import Desk, order, play, resting

D = Decimal
MADE_HERE = "ord-0123456789abcdefghjkmnpqrs.12"
BY_HAND: dict[str, Any] = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": "EURUSD.r",
    "type": mt5.ORDER_TYPE_BUY,
    "type_filling": mt5.ORDER_FILLING_RETURN,
    "price": 1.10002,
    "volume": 0.1,
}


class Killed(BaseException):
    """The process ends here, without a word."""


async def kill_at(desk: Desk, where: str, send: Any, call: int = 1) -> None:
    """The process dies while a command is being given to the terminal; a new one begins."""
    left = [call]

    def dies(place: str) -> None:
        left[0] -= place == where
        if place == where and left[0] == 0:
            raise Killed

    desk.machine.dies = dies
    with pytest.raises(Killed):
        await desk.broker.submit(send)
    desk.machine.dies = lambda _where: None
    await desk.connect()
    await desk.pass_time(1)


async def jump(desk: Desk, by: timedelta) -> None:
    """The clocks of the agent's machine and of the server are ahead at once: nothing is sent before they are asked."""
    desk.machine.clock.shift += by
    assert (await desk.broker.submit(order(f"jump{by}.1".replace(":", "")))).outcome is Outcome.NOT_SENT
    await desk.pass_time(2)


@pytest.mark.parametrize("comment", [{"cut": 5}, {"text": "[server]"}, {"text": ""}])
@pytest.mark.parametrize("client_id", [MADE_HERE, "mine.1"])
def test_comments_that_the_server_changes(comment: dict[str, Any], client_id: str) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.COMMENT, comment)
        desk.machine.steering.inject(Fault.NONE_AFTER, -10002, times=1)
        assert (await desk.submit(order(client_id))).outcome is Outcome.UNKNOWN
        assert len(desk.fills(client_id)) == 1
        await desk.connect()
        await desk.pass_time(1)
        assert len(desk.fills(client_id)) == 1
        assert len(await desk.found(client_id)) == 2

    play(scene)


def test_an_order_is_read_back_from_its_comment() -> None:
    """Where the journal has lost everything, an order made here is found by its comment and magic alone."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(order(MADE_HERE))
        await desk.accepted(resting("ord-0123456789abcdefghjkmnpqrt.1"))
        _lose_the_journal(desk)
        cursor = desk.sink.reports[-1].cursor
        await desk.connect(cursor)
        await desk.pass_time(1)
        assert len(desk.fills(MADE_HERE)) == 1
        assert (await desk.broker.open_orders()).client_ids == {"ord-0123456789abcdefghjkmnpqrt.1"}

    play(scene)


def test_a_journal_that_was_lost_proves_nothing() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1"))
        _lose_the_journal(desk)
        await desk.connect(desk.sink.reports[-1].cursor)
        assert (await desk.broker.lookup("never.1")).presence is Presence.UNPROVEN
        assert len(await desk.found("mine.1")) == 2  # by its magic, which is looked for
        await desk.accepted(order("new.1"))
        await desk.connect(desk.sink.reports[-1].cursor)
        assert (await desk.broker.lookup("never.1")).presence is Presence.UNPROVEN

    play(scene)


def test_a_journal_that_is_lost_under_a_session() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1"))
        desk.machine.reachable = False
        await desk.machine.clock.sleep(1)
        _lose_the_journal(desk)
        desk.machine.reachable = True
        await desk.pass_time(6)
        assert (await desk.broker.lookup("never.1")).presence is Presence.UNPROVEN
        assert (await desk.submit(order("mine.1"))).outcome is Outcome.DUPLICATE
        desk.machine.steering.inject(Fault.NONE_BEFORE, -10004, times=1)
        assert (await desk.submit(order("new.1"))).outcome is Outcome.NOT_SENT
        assert (await desk.broker.lookup("new.1")).presence is Presence.ABSENT  # the new journal has it

    play(scene)


def test_a_journal_that_is_lost_with_the_answer_proves_nothing_of_that_order() -> None:
    """Another journal, which never had it, cannot say that it was not carried out."""

    async def scene(desk: Desk) -> None:
        def cut(where: str) -> None:
            desk.machine.reachable = where != "done"

        desk.machine.dies = cut
        desk.machine.steering.inject(Fault.NONE_BEFORE, -10002, times=1)
        assert (await desk.broker.submit(order("mine.1"))).outcome is Outcome.UNKNOWN
        desk.machine.dies = lambda _where: None
        for _time in range(2):
            desk.machine.reachable = False
            await desk.machine.clock.sleep(1)
            _lose_the_journal(desk)
            desk.machine.reachable = True
            await desk.pass_time(6)
            assert (await desk.decided("mine.1")).presence is Presence.UNPROVEN

    play(scene)


def test_after_a_while_the_new_journal_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_FORGIVEN_S", 5.0)

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1"))
        _lose_the_journal(desk)
        await desk.connect(desk.sink.reports[-1].cursor)
        await desk.accepted(order("soon.1"))
        await desk.connect(desk.sink.reports[-1].cursor)
        assert (await desk.broker.lookup("never.1")).presence is Presence.UNPROVEN
        await desk.pass_time(20)
        await desk.accepted(order("late.1"))
        await desk.accepted(order("later.1"))
        await desk.connect(desk.sink.reports[-1].cursor)
        assert (await desk.broker.lookup("never.1")).presence is Presence.ABSENT

    play(scene)


@pytest.mark.parametrize("client_id", ["mine.1", MADE_HERE])
def test_an_order_that_the_terminal_has_is_not_absent_whatever_the_journal_says(client_id: str) -> None:
    """The first order ever, so that no cursor names a journal: its answer is lost, and the journal."""

    async def scene(desk: Desk) -> None:
        await _lose_the_answer(desk, order(client_id))
        _lose_the_journal(desk)
        desk.machine.reachable = True
        await desk.connect()
        await desk.pass_time(1)
        assert isinstance((await desk.found(client_id))[0], Executed)
        assert (await desk.broker.submit(order(client_id))).outcome is Outcome.DUPLICATE
        assert len(desk.sent) == 1

    play(scene)


@pytest.mark.parametrize("client_id", ["mine.1", MADE_HERE])
def test_a_journal_that_is_an_older_copy_proves_no_absence(client_id: str) -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("before.1"))
        cursor = desk.sink.reports[-1].cursor
        await desk.accepted(resting(client_id))
        _forget(desk, client_id)
        await desk.connect(cursor)
        assert len(await desk.found(client_id)) == 1
        assert (await desk.broker.open_orders()).client_ids == {client_id}
        assert (await desk.submit(resting(client_id))).outcome is Outcome.DUPLICATE
        assert len(desk.machine.state.orders) == 1

    play(scene)


def test_a_journal_that_becomes_an_older_copy_under_a_session() -> None:
    """What was cut off is sealed there then; the terminal has it all the same, and whole."""

    async def scene(desk: Desk) -> None:
        await _lose_the_answer(desk, order("mine.1"))
        _forget(desk, "mine.1")
        desk.machine.reachable = True
        await desk.pass_time(6)
        assert isinstance((await desk.found("mine.1"))[-1], Confirmed)
        assert desk.ends() == []
        assert (await desk.submit(order("mine.1"))).outcome is Outcome.DUPLICATE

    play(scene)


@pytest.mark.parametrize("hidden", ["history_deals", "positions"])
def test_a_trace_of_an_order_that_the_journal_does_not_have_is_no_absence(hidden: str) -> None:
    """Where the terminal tells the deal, or the position, before it lists the order."""

    async def scene(desk: Desk) -> None:
        await _lose_the_answer(desk, order("mine.1"))
        _lose_the_journal(desk)
        for what in ("history_orders", hidden):
            desk.machine.garbled |= {f"{what}_get": [], f"{what}_total": 0}
        desk.machine.reachable = True
        await desk.connect()
        assert (await desk.broker.lookup("mine.1")).presence is Presence.UNPROVEN

    play(scene)


def test_how_long_the_journal_remembers_is_what_the_core_is_told() -> None:
    """A new journal, which no cursor names, proves nothing of what was sent before it was made."""

    async def scene(desk: Desk) -> None:
        def remembers_s() -> float:
            return desk.broker.capabilities.remembers_s or 0.0

        await desk.machine.clock.sleep(100)
        assert 100 <= remembers_s() < 110
        _lose_the_journal(desk)
        await desk.connect()
        await desk.machine.clock.sleep(5)
        assert 5 <= remembers_s() < 10
        desk.machine.keeps_s = 2.0
        await desk.connect()
        assert remembers_s() == 2.0

    play(scene)


async def _lose_the_answer(desk: Desk, send: Any) -> None:
    """The terminal carries it out, and the agent is away then."""

    def cut(where: str) -> None:
        desk.machine.reachable = where != "done"

    desk.machine.dies = cut
    assert (await desk.broker.submit(send)).outcome is Outcome.UNKNOWN
    desk.machine.dies = lambda _where: None
    await desk.machine.clock.sleep(1)


def _forget(desk: Desk, client_id: str) -> None:
    """As a file does that was brought back from a copy."""
    desk.machine.journal._file.execute("DELETE FROM commands WHERE id = ?", [client_id])


def _lose_the_journal(desk: Desk) -> None:
    desk.machine.journal = type(desk.machine.journal)(_memory())


def _memory() -> Any:
    from pathlib import Path

    return Path(":memory:")


def test_who_bears_our_magic_or_comment_alone_is_not_ours() -> None:
    async def scene(desk: Desk) -> None:
        trade = desk.machine.steering.trade
        trade(**BY_HAND, magic=77, comment=comment_of(MADE_HERE))
        trade(**BY_HAND, magic=0, comment="#000000000000")
        trade(**BY_HAND, magic=magic_of(MADE_HERE), comment=comment_of("ord-0123456789abcdefghjkmnpqrs.13"))
        await desk.pass_time(1)
        assert desk.sink.reports == []
        assert (await desk.broker.statement(START)).executions == ()
        assert (await desk.broker.statement(START)).positions == {"EURUSD": D("0.3")}

    play(scene)


@pytest.mark.parametrize("reason", [mt5.ORDER_REASON_MOBILE, mt5.ORDER_REASON_WEB])
def test_what_comes_from_a_telephone_is_not_ours_whatever_it_bears(reason: int) -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1"))
        request = {
            "order": 0,
            "stoplimit": 0.0,
            "sl": 0.0,
            "tp": 0.0,
            "deviation": 0,
            "type_time": 0,
            "expiration": 0,
        }
        request |= {
            **BY_HAND,
            "type": mt5.ORDER_TYPE_SELL,
            "magic": magic_of("mine.1"),
            "comment": "",
            "position": 0,
        }
        account, now = desk.machine.terminal.account, desk.machine.terminal.clock()
        account.send({**request, "position_by": 0}, now, reason=reason)
        await desk.pass_time(1)
        assert len(desk.executed()) == 1
        assert len(await desk.found("mine.1")) == 2

    play(scene)


def test_killed_before_the_terminal_was_told() -> None:
    """Nobody can say whether the claim was followed by the call: unproven, for a person, and never sent again."""

    async def scene(desk: Desk) -> None:
        await kill_at(desk, "claimed", order("dies.1"))
        assert (await desk.decided("dies.1")).presence is Presence.UNPROVEN
        assert (await desk.submit(order("dies.1"))).outcome is Outcome.DUPLICATE
        assert desk.sent == []

    play(scene)


def test_killed_before_the_answer() -> None:
    async def scene(desk: Desk) -> None:
        await kill_at(desk, "done", order("dies.1"))
        assert len(desk.fills("dies.1")) == 1
        assert len(await desk.found("dies.1")) == 2
        assert (await desk.submit(order("dies.1"))).outcome is Outcome.DUPLICATE
        assert len(desk.sent) == 1

    play(scene)


@pytest.mark.parametrize("where", ["claimed", "done"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_killed_between_the_steps_of_a_close(where: str, call: int) -> None:
    """Three positions are closed; whatever was done is told, what never was is not sent any more, and that is an end."""

    async def scene(desk: Desk) -> None:
        for number in range(3):
            await desk.accepted(order(f"in{number}.1"))
            await desk.pass_time(1)
        await kill_at(desk, where, order("out.1", Side.SELL, "0.3"), call)
        done = call - (where == "claimed")
        assert len(desk.machine.state.positions) == 3 - done
        found = await desk.decided("out.1")
        assert len(desk.fills("out.1")) == done
        if where == "claimed":
            assert "out.1" not in [client_id for client_id, _end in desk.ends()]
            assert found.presence is Presence.UNPROVEN
            return
        assert found.presence is Presence.FOUND
        executed = [said for said in found.reports if isinstance(said, Executed)]
        assert len(executed) == done
        assert isinstance(found.reports[-1], Confirmed if done == 3 else Ended)
        told = [said for said in desk.sink.reports if said.client_id == "out.1"]
        assert isinstance(told[-1], Confirmed if done == 3 else Ended)
        assert (await desk.submit(order("out.1", Side.SELL, "0.3"))).outcome is Outcome.DUPLICATE
        assert len(desk.machine.state.positions) == 3 - done

    play(scene, HEDGING)


def test_a_step_that_is_refused_ends_the_order() -> None:
    async def scene(desk: Desk) -> None:
        for number in range(2):
            await desk.accepted(order(f"in{number}.1"))
            await desk.pass_time(1)
        reject = desk.machine.steering.inject
        send, count = order("out.1", Side.SELL, "0.2"), [0]

        def dies(where: str) -> None:
            count[0] += where == "done"
            if count[0] == 1:
                reject(Fault.REJECT, mt5.TRADE_RETCODE_MARKET_CLOSED, times=1)
                count[0] = 2

        desk.machine.dies = dies
        assert (await desk.broker.submit(send)).outcome is Outcome.ACCEPTED
        await desk.pass_time(1)
        assert len(desk.fills("out.1")) == 1
        assert ("out.1", "canceled") in desk.ends()
        await desk.connect()
        await desk.pass_time(1)
        assert ("out.1", "canceled") in desk.ends()

    play(scene, HEDGING)


def test_an_agent_that_goes_away_and_comes_back() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("rest.1"))
        desk.machine.reachable = False
        await desk.machine.clock.sleep(1)
        assert not desk.broker.connected
        assert (await desk.broker.submit(order("out.1"))).outcome is Outcome.NOT_SENT
        assert (await desk.broker.lookup("rest.1")).presence is Presence.UNAVAILABLE
        assert not (await desk.broker.open_orders()).complete
        assert not (await desk.broker.statement(START)).complete
        desk.machine.quote("1.08", "1.0801")
        desk.machine.reachable = True
        await desk.machine.clock.sleep(6)
        assert desk.fills("rest.1") == [("0.1", "1.09")] or desk.fills("rest.1") == [("0.1", "1.0801")]
        await desk.accepted(order("in.1"))

    play(scene)


def test_an_agent_that_is_away_when_a_session_begins() -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.reachable = False
        began = asyncio.get_running_loop().time()
        await desk.connect()
        assert asyncio.get_running_loop().time() - began <= 3.1
        assert (await desk.broker.submit(order("out.1"))).outcome is Outcome.NOT_SENT
        desk.machine.reachable = True
        await desk.machine.clock.sleep(6)
        await desk.accepted(order("out.1"))

    play(scene)


def test_a_terminal_without_a_server() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("rest.1"))
        desk.machine.steering.inject(Fault.DISCONNECTED)
        await desk.machine.clock.sleep(1)
        assert not desk.broker.connected
        assert (await desk.broker.submit(order("out.1"))).outcome is Outcome.NOT_SENT
        assert not (await desk.broker.open_orders()).complete
        assert not (await desk.broker.statement(START)).complete
        desk.machine.steering.clear()
        await desk.machine.clock.sleep(1)
        assert (await desk.broker.open_orders()).client_ids == {"rest.1"}

    play(scene)


def test_a_later_session_takes_over() -> None:
    async def scene(desk: Desk) -> None:
        first = desk.broker
        later = broker_at(desk.machine)
        await later.connect(desk.sink, None)
        await desk.machine.clock.sleep(1)
        assert (first.taken_over, later.taken_over) == (True, False)
        assert (await first.submit(order("old.1"))).outcome is Outcome.NOT_SENT
        assert (await first.lookup("old.1")).presence is Presence.UNAVAILABLE
        assert (await later.submit(order("new.1"))).outcome is Outcome.ACCEPTED
        await desk.machine.clock.sleep(120)
        assert not later.taken_over  # who was taken over from does not come back
        await later.close()

    play(scene)


def test_another_account_is_refused() -> None:
    async def scene(desk: Desk) -> None:
        await desk.broker.close()
        desk.broker = broker_at(desk.machine, replace(SETTINGS, login=LOGIN + 1))
        with pytest.raises(
            LoginRefused, match=f"brokers.mt5: the terminal is logged in to {LOGIN}, not to {LOGIN + 1}"
        ):
            await desk.broker.connect(desk.sink, None)
        assert (await desk.broker.submit(order("out.1"))).outcome is Outcome.NOT_SENT
        with pytest.raises(LoginRefused, match=f"the terminal is logged in to {LOGIN}, not to"):
            await desk.broker.instruments()

    play(scene)


def test_a_login_that_is_refused_late_is_tried_again() -> None:
    """The terminal has to be started first: whoever began the session does not wait so long."""

    async def scene(desk: Desk) -> None:
        desk.machine.start_s = 5.0
        desk.machine.steering.inject(Fault.LOGIN_REFUSED)
        await desk.connect()
        await desk.machine.clock.sleep(10)
        answer = await desk.broker.submit(order("in.1"))
        assert (answer.outcome, "(-6)" in (answer.reason or "")) == (Outcome.NOT_SENT, True)
        desk.machine.steering.clear()
        await desk.machine.clock.sleep(120)
        await desk.accepted(order("in.1"))

    play(scene)


def test_no_order_with_a_time_before_the_servers_clock_is_known() -> None:
    async def scene(desk: Desk) -> None:
        later = {"tif": TimeInForce.GTD, "expires_at": START + timedelta(hours=2)}
        await desk.connect()
        for seconds in (0.01, 29, 2):  # prices that come with the connection may be of any time before
            answer = await desk.broker.submit(resting("till.1", **later))
            assert (answer.outcome, "clock" in (answer.reason or "")) == (Outcome.NOT_SENT, True)
            await desk.pass_time(seconds)
        await desk.accepted(resting("till.1", **later))
        assert (
            await desk.broker.submit(resting("over.1", tif=TimeInForce.GTD, expires_at=START))
        ).outcome is Outcome.REJECTED

    play(scene)


def test_the_last_price_of_an_outage_does_not_set_the_servers_clock() -> None:
    """A weekend: the market closes while the terminal is away from its broker, which is back hours later."""

    async def scene(desk: Desk) -> None:
        await desk.pass_time(31)
        await desk.pass_time(1)
        session = desk.broker.session
        assert session is not None
        desk.machine.steering.inject(Fault.DISCONNECTED)
        await desk.machine.clock.sleep(1)
        desk.machine.clock.shift += timedelta(hours=1)
        desk.price()
        await desk.machine.clock.sleep(1)
        desk.machine.clock.shift += timedelta(hours=8)
        desk.machine.steering.clear()
        await desk.machine.clock.sleep(40)
        assert (session.server.known, session.server.ahead_ms) == (True, 3 * 3_600_000)
        answer = await desk.broker.submit(order("jump.1"))  # the agent's clock has jumped: it is asked again
        assert answer.outcome is Outcome.NOT_SENT
        await desk.machine.clock.sleep(1)
        till = (desk.machine.clock.now() + timedelta(hours=12)).replace(microsecond=0)
        await desk.accepted(resting("till.1", tif=TimeInForce.GTD, expires_at=till))
        assert desk.sent[-1]["expiration"] == till.timestamp() + 3 * 3_600

    play(scene)


def test_free_margin_is_told() -> None:
    async def scene(desk: Desk) -> None:
        assert desk.broker.account is not None
        assert (desk.broker.account.currency, desk.broker.account.free_margin) == ("USD", D(10_000_000))
        await desk.accepted(order("big.1", quantity="50"))
        await desk.pass_time(6)
        assert desk.broker.account.free_margin < D(9_990_000)

    play(scene)


def test_asked_how_it_is() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("rest.1"))
        health = await broker_at(desk.machine).check()
        assert (health.reached, health.login, health.may_trade, health.statement) == (True, True, True, True)
        assert (health.open_orders, health.problems) == (1, ())
        assert "netting, in USD" in health.notes[0]
        assert not desk.broker.taken_over
        desk.machine.steering.inject(Fault.CLIENT_OFF)
        desk.machine.steering.symbol("EURUSD.r", contract_size="1000")
        told = "; ".join((await broker_at(desk.machine).check()).problems)
        assert "Algo Trading" in told
        assert "contract_size is 100000, and a lot of EURUSD.r is 1000" in told
        settings = replace(SETTINGS, symbols={"EURUSD": "EURUSD.x", "NOBODY": "EURUSD.r"})
        told = "; ".join((await broker_at(desk.machine, settings).check()).problems)
        assert "the terminal has no EURUSD.x" in told
        assert "there is no instrument NOBODY" in told
        desk.machine.reachable = False
        assert (await broker_at(desk.machine).check()).reached is False

    play(scene)


def test_tables_of_instruments() -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.symbol("USDJPY.r", digits=3, base="USD", profit="JPY")
        desk.machine.steering.symbol("GOLD", digits=2, base="XAU", contract_size="100")
        symbols = {"USDJPY": "USDJPY.r", "XAU/USD": "GOLD", **SETTINGS.symbols}
        tables = await broker_at(desk.machine, replace(SETTINGS, symbols=symbols)).instruments()
        assert tables["USDJPY"].splitlines() == [
            "[instruments.USDJPY]",
            'class = "fx"',
            'unit = "lots"',
            'tick = "0.001"',
            'lot_step = "0.01"',
            'minimum = "0.01"',
            'contract_size = "100000"',
            'base = "USD"',
            'currency = "JPY"',
            'pip_size = "0.01"',
        ]
        assert 'pip_size = "0.0001"' in tables["EURUSD"]
        gold = tables["XAU/USD"]
        assert ('[instruments."XAU/USD"]' in gold, 'class = "metals"' in gold) == (True, True)
        assert "\npip_size" not in gold  # nobody agrees on it
        assert not desk.broker.taken_over

    play(scene)


def test_each_deal_is_told_again_from_any_cursor() -> None:
    """An hour of overlap: a deal that was listed late is not lost."""

    async def scene(desk: Desk) -> None:
        for number in range(3):
            await desk.accepted(order(f"o{number}.1"))
            await jump(desk, timedelta(minutes=10))
        cursor = desk.sink.reports[-1].cursor
        assert (cursor or "").count(":") == 2
        await desk.connect(cursor)
        await desk.pass_time(1)
        assert len(desk.executed()) == 3
        await jump(desk, timedelta(hours=2))
        await desk.accepted(order("late.1"))
        await desk.accepted(order("later.1"))
        await desk.connect(desk.sink.reports[-1].cursor)
        await desk.pass_time(1)
        assert [one.client_id for one in desk.executed()] == ["late.1", "later.1"]

    play(scene)


def test_positions_whose_ticket_changes_overnight_are_closed_all_the_same() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("in.1"))
        desk.machine.steering.rollover(reopen=True)
        await desk.accepted(order("out.1", Side.SELL))
        assert desk.machine.state.positions == {}
        assert len(desk.fills("out.1")) == 1

    play(scene, HEDGING)
