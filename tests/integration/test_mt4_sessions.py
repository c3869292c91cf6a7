"""Sessions at the bridge: who commands, what is proven, dead terminals, lost events, folders that do not do what they should."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.mt4 import Mt4Broker, files, mending, plans
from ordergate.adapters.brokers.mt4.ids import made_at
from ordergate.adapters.brokers.mt4.wire import Closed, Unreadable, read_as
from ordergate.adapters.clock import SystemClock, run_virtual
from ordergate.application.ports.brokers import Lookup, Presence, Withdraw
from ordergate.application.stopping import stopped
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import Confirmed, Executed, Outcome
from ordergate.domain.orders.states import OrderType, Side
from ordergate.testing.conformance.counterpart import Recorder
from ordergate.testing.metatrader4.faults import ServerFaults
from ordergate.testing.metatrader4.trading import order_send
from tests.integration.test_mt4_hedging import LOT, Talk, talk
from tests.services.mt4 import EURUSD, catalogue, counterpart, until

Case = Callable[[Talk], Awaitable[None]]


async def lookup(t: Talk, client_id: str) -> Lookup:
    found: Lookup = await t.broker.lookup(client_id)
    return found


# --- who commands


def test_a_later_session_ends_the_earlier_one() -> None:
    async def case(t: Talk) -> None:
        other = Mt4Broker("terminal", t.venue.settings, t.venue.running.clock, catalogue)
        await other.connect(Recorder(), None)
        await asyncio.sleep(0.1)
        assert t.broker.taken_over
        assert not other.taken_over
        answer = await t.order("late.1", Side.BUY, 1)
        assert answer.outcome is Outcome.NOT_SENT
        assert "taken" in (answer.reason or "")
        assert (await lookup(t, "late.1")).presence is Presence.UNAVAILABLE
        t.venue.broker, mine = other, t.venue.broker
        await mine.close()
        await t.accepted("mine.1", Side.BUY, 1)

    talk(case)


def test_what_an_ended_session_still_hands_over_is_not_done() -> None:
    async def case(t: Talk) -> None:
        mine = t.broker.session
        other = Mt4Broker("terminal", t.venue.settings, t.venue.running.clock, catalogue)
        await other.connect(Recorder(), None)
        mine.granted, mine.taken_over = True, False  # it does not know yet
        mine.dead = lambda: None
        answer = await t.order("late.1", Side.BUY, 1)
        assert answer.outcome is Outcome.NOT_SENT
        assert "fenced" in (answer.reason or "") or "granted" in (answer.reason or "")
        assert not t.account.books.open
        await other.close()

    talk(case)


# --- what is proven


def test_what_was_proven_absent_can_be_sent_again_under_its_id() -> None:
    async def case(t: Talk) -> None:
        assert (await lookup(t, "again.1")).presence is Presence.ABSENT
        await t.accepted("again.1", Side.BUY, 1)
        assert t.held["buy"] == LOT
        await t.again()
        assert {said.client_id for said in await t.found("again.1")} == {"again.1"}
        assert (await t.order("again.1", Side.BUY, 1)).outcome is Outcome.DUPLICATE
        assert t.held["buy"] == LOT

    talk(case)


def test_another_process_sends_again_what_an_earlier_one_has_sealed() -> None:
    async def case(t: Talk) -> None:
        assert (await lookup(t, "again.1")).presence is Presence.ABSENT
        await t.again()
        await t.accepted("again.1", Side.BUY, 1)
        await t.again()
        await t.found("again.1")
        assert t.held["buy"] == LOT

    talk(case)


def test_what_was_not_sent_can_be_sent_again() -> None:
    async def case(t: Talk) -> None:
        t.account.faults = ServerFaults(trade_off=True)
        answer = await t.order("off.1", Side.BUY, 1)
        assert answer.outcome is Outcome.NOT_SENT
        t.broker.session.deaf = lambda: None  # it was switched off a moment ago
        answer = await t.order("off.1", Side.BUY, 1)
        assert answer.outcome is Outcome.NOT_SENT, answer
        t.account.faults = ServerFaults()
        await t.accepted("off.1", Side.BUY, 1)
        await t.again()
        await t.found("off.1")
        assert t.held["buy"] == LOT

    talk(case)


def test_an_order_of_which_nobody_knows_is_not_proven_absent() -> None:
    async def case(t: Talk) -> None:
        t.account.faults = ServerFaults(late=128, late_s=3.0)
        answer = await t.order("slow.1", Side.BUY, 1)
        assert answer.outcome is Outcome.UNKNOWN
        assert (await lookup(t, "slow.1")).presence is Presence.UNPROVEN
        t.account.faults = ServerFaults()
        await asyncio.sleep(4)
        await t.venue.settle()
        assert len(t.executed("slow.1")) == 1
        await t.found("slow.1")

    talk(case)


def test_a_journal_that_is_new_proves_nothing_about_what_came_before() -> None:
    async def case(t: Talk) -> None:
        lost = "ord-01kc000000e6b7w2mnp4qrstvx.1"
        made = made_at(lost)
        assert made is not None
        assert made < t.venue.running.clock.now()
        assert (await lookup(t, lost)).presence is Presence.UNPROVEN

    talk(case)


def test_another_stream_than_the_cursor_s_proves_nothing() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("old.1", Side.BUY, 1)
        await t.venue.reopen()
        t.sink = Recorder()
        await t.broker.connect(t.sink, "another:17")
        await t.quote("1.10000", "1.10002")
        assert len(t.executed("old.1")) == 1  # all of it is told
        assert (await lookup(t, "lost.1")).presence is Presence.UNPROVEN
        await t.found("old.1")

    talk(case)


def test_a_cursor_is_gone_on_from() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("old.1", Side.BUY, 1)
        cursor = t.sink.reports[-1].cursor
        await t.accepted("new.1", Side.BUY, 1)
        await t.venue.reopen()
        t.sink = Recorder()
        await t.broker.connect(t.sink, cursor)
        await t.quote("1.10000", "1.10002")
        assert set(t.sink.executions) == {"5000002:opened"}
        assert {said.client_id for said in await t.found("old.1")} == {"old.1"}  # known all the same

    talk(case)


# --- dead terminals


def test_a_terminal_that_is_dead_gets_nothing() -> None:
    async def case(t: Talk) -> None:
        t.venue.running.stopped = True
        await asyncio.sleep(t.venue.settings.quiet_s + 1)
        answer = await t.broker.submit(_order("dead.1"))
        assert answer.outcome is Outcome.NOT_SENT
        assert "terminal is dead" in (answer.reason or "")
        assert not t.broker.connected
        assert (await lookup(t, "dead.1")).presence is Presence.UNAVAILABLE
        assert not (await t.broker.open_orders()).complete
        assert not (await t.broker.statement(t.venue.running.clock.start)).complete
        assert not list((t.venue.running.folder / "in").iterdir())
        t.venue.running.stopped = False
        await asyncio.sleep(2)
        assert t.broker.connected
        await t.accepted("dead.1", Side.BUY, 1)

    talk(case)


def test_a_terminal_that_comes_later_is_taken_over_then() -> None:
    async def main() -> None:
        async with counterpart() as venue:
            venue.running.stopped = True
            (venue.running.folder / "state" / "account.json").unlink()
            one = Talk(venue)
            await venue.broker.connect(one.sink, None)
            assert venue.broker.session is not None
            assert not venue.broker.session.granted
            venue.running.stopped = False
            await asyncio.sleep(3)
            assert venue.broker.session.granted
            await one.quote("1.10000", "1.10002")
            await one.accepted("late.1", Side.BUY, 1)

    run_virtual(main())


def test_a_terminal_that_is_started_again_goes_on() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("one.1", Side.BUY, 1)
        t.venue.running.restart()
        await asyncio.sleep(2)
        await t.quote("1.10000", "1.10002")
        await t.accepted("two.1", Side.BUY, 1)
        assert not t.broker.taken_over
        assert len(t.sink.executions) == 2

    talk(case)


# --- lost events


def test_an_account_whose_lost_events_were_not_read_yet_is_not_told_as_complete() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("a.1", Side.BUY, 1)
        session = t.broker.session
        async with t.broker._desk.turn:  # whoever reads what they would have told waits for it
            session.book.gap = True
            session._tell_gap()
            told = await t.broker.statement(t.venue.running.clock.start)
            assert (told.complete, (told.why or "")[:16]) == (False, "events were lost")
        await until(lambda: not session.lost.is_set(), seconds=30)
        assert (await t.broker.statement(t.venue.running.clock.start)).complete

    talk(case)


@pytest.mark.slow
def test_a_long_history_is_read_in_no_time() -> None:
    """As long as it takes, nothing of any broker moves. Each row against each of the others would take half a minute."""
    row = {
        "id": "", "ref": "", "symbol": EURUSD, "type": "buy", "lots": "1", "price": "1", "open_time": 1, "sl": "0",
        "tp": "0", "expiry": 0, "magic": 0, "commission": "0", "swap": "0", "profit": "0", "close_price": "1",
        "close_time": 1, "reason": "other", "by": "", "by_ref": "", "left": "0", "commission_open": "0",
    }  # fmt: skip
    rows = [read_as(Closed, {**row, "ticket": n, "comment": f"of {n}"}) for n in range(8_000)]

    async def history(*_given: Any) -> list[Closed]:
        return rows

    async def case(t: Talk) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mending, "_history", history)
            began = time.perf_counter()
            await mending._read(t.broker.session, t.broker._desk)
        assert time.perf_counter() - began < 10

    talk(case)


@pytest.mark.slow
@pytest.mark.parametrize("another", [True, False])
def test_what_lost_events_would_have_told_is_read_from_the_account(another: bool) -> None:
    async def case(t: Talk) -> None:
        t.account.books.symbols[EURUSD].commission = Decimal(700)
        await t.accepted("before.1", Side.BUY, 1)
        running = t.venue.running
        events = next((running.folder / "events").iterdir())
        t.broker.session._task.cancel()  # it reads nothing for a while
        await asyncio.sleep(0.1)
        kept = events.read_bytes()
        await t.other("opened.1", Side.BUY, 5)
        await t.other("part.1", Side.SELL, 2, ticket=5_000_002)
        await t.other("whole.1", Side.BUY, 1)
        await t.other("gone.1", Side.SELL, 1, ticket=5_000_004)
        lines = events.read_bytes()[len(kept) :].splitlines(keepends=True)
        events.write_bytes(kept + b"".join(b"?" * (len(line) - 1) + b"\n" for line in lines))
        t.broker.session.start()
        if another:
            await t.other("after.1", Side.BUY, 1)
        await asyncio.sleep(7)
        if not another:
            await t.accepted("after.1", Side.BUY, 1)
        told = {name: said.quantity for name, said in t.sink.executions.items()}
        assert told == {
            "5000001:opened": LOT,
            "5000002:opened": 5 * LOT,
            "5000002:closed": 2 * LOT,
            "5000004:opened": LOT,
            "5000004:closed": LOT,
            "5000005:opened": LOT,
        }
        assert [said.client_id for said in t.sink.executions.values()].count("part.1") == 1
        statement = await t.broker.statement(t.venue.running.clock.start)
        assert statement.positions == {"EURUSD": 5 * LOT}
        assert {said.exec_id for said in statement.executions} == set(told)
        paid = -sum(
            (one.commission for one in (*t.account.books.closed.values(), *t.account.books.open.values())),
            ZERO,
        )
        assert sum((said.fee for said in t.sink.executions.values()), ZERO) == paid == 700 * 8 * LOT

    talk(case)


def test_events_that_a_new_process_finds_gone_are_read_from_the_account() -> None:
    async def case(t: Talk) -> None:
        limit = {"order_type": OrderType.LIMIT}
        await t.accepted("works.1", Side.BUY, 1, **limit, limit_price=Decimal("1.05000"))
        await t.accepted("fills.1", Side.BUY, 1, **limit, limit_price=Decimal("1.09000"))
        cursor, running = t.sink.reports[-1].cursor, t.venue.running
        await t.broker.close()
        for events in (running.folder / "events").iterdir():
            events.unlink()
        t.account.quote(EURUSD, Decimal("1.08998"), Decimal("1.08999"))
        running.restart()
        running.cycle()
        t.venue.broker, t.sink = t.venue._new(), Recorder()
        await t.broker.connect(t.sink, cursor)
        await t.quote("1.08997", "1.08998")
        await until(lambda: bool(t.sink.executions))
        assert {name: said.client_id for name, said in t.sink.executions.items()} == {
            "5000002:opened": "fills.1"
        }
        assert {type(said) for said in await t.found("fills.1")} == {Executed, Confirmed}
        answer = await t.broker.cancel(
            Withdraw(client_id="works.2", order="works.1", broker_order_id="5000001")
        )
        assert answer.outcome is Outcome.ACCEPTED, answer

    talk(case)


# --- folders


def test_a_share_that_fails_once_at_the_beginning_is_followed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, failed = os.listdir, list[str]()

    def fail_once(path: Any = ".") -> Any:
        if str(path).endswith("client") and not failed:
            failed.append(str(path))
            raise OSError(107, "Transport endpoint is not connected")
        return real(path)

    async def case(t: Talk) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "listdir", fail_once)
            await t.again()
        assert failed
        await t.accepted("after.1", Side.BUY, 1)

    talk(case)


def test_nothing_is_told_or_sent_before_it_is_known_how_far_orders_were_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def held(path: Path) -> Any:
        raise Unreadable(f"{path.name}: it is open elsewhere")

    async def case(t: Talk) -> None:
        assert (await lookup(t, "again.1")).presence is Presence.ABSENT
        t.account.faults = ServerFaults(late=128, late_s=60)
        assert (await t.order("again.1", Side.BUY, 1)).outcome is Outcome.UNKNOWN
        t.account.faults = ServerFaults()
        await t.accepted("in.1", Side.BUY, 1)
        await t.accepted("out.1", Side.SELL, 3)
        with monkeypatch.context() as patch:
            patch.setattr(plans, "read_whole", held)
            await t.again()
            found = await lookup(t, "again.1")
            assert found.presence is Presence.UNAVAILABLE
            assert "it is open elsewhere" in (found.reason or "")
            answer = await t.order("again.1", Side.BUY, 1)
            assert (answer.outcome, "plan-" in (answer.reason or "")) == (Outcome.NOT_SENT, True)
            assert not (await t.broker.statement(t.venue.running.clock.start)).complete
            assert not t.sink.reports
        await until(lambda: t.broker.session.granted, seconds=30)
        assert (await lookup(t, "again.1")).presence is Presence.UNPROVEN
        assert isinstance((await t.found("out.1"))[-1], Confirmed)
        assert not t.executed("out.1")[0].completes

    talk(case)


def test_a_command_that_could_not_be_written_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: Any, _target: Any) -> None:
        raise PermissionError(13, "it is open elsewhere")

    async def case(t: Talk) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "replace", refuse)
            answer = await t.order("full.1", Side.BUY, 1)
            assert answer.outcome is Outcome.NOT_SENT
            assert "cannot be written" in (answer.reason or "")
        assert not list((t.venue.running.folder / "in").iterdir())
        await t.accepted("full.1", Side.BUY, 1)

    talk(case)


def test_a_command_whose_renaming_has_failed_after_it_was_done_may_have_been_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = os.replace

    def lose(source: Any, target: Any) -> None:
        real(source, target)
        if "tmp-cmd-" in str(source):
            raise OSError(5, "the share did not answer")

    async def case(t: Talk) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "replace", lose)
            answer = await t.order("lost.1", Side.BUY, 1)
        assert answer.outcome is Outcome.ACCEPTED  # it was done, and that was told
        assert t.held["buy"] == LOT

    talk(case)


@pytest.mark.slow
def test_a_share_that_hangs_does_not_stop_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    async def main() -> None:
        async with counterpart(clock=SystemClock(), cycle_s=0.005) as venue:
            sink = Recorder()
            await venue.broker.connect(sink, None)
            session = venue.broker.session
            assert session is not None
            real = session.folder.look
            monkeypatch.setattr(session.folder, "look", lambda *given: (go_on.wait(20), real(*given))[1])
            await asyncio.sleep(0.05)
            loop = asyncio.get_running_loop()
            began = loop.time()
            answer = await Talk(venue).broker.submit(_order("hang.1"))
            assert answer.outcome is Outcome.NOT_SENT, answer
            assert loop.time() - began < 15
            go_on.set()

    try:
        asyncio.run(main())
    finally:
        go_on.set()


@pytest.mark.slow
def test_a_reading_that_was_given_up_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def main() -> None:
        async with counterpart(clock=SystemClock(), cycle_s=0.005) as venue:
            await venue.broker.connect(Recorder(), None)
            session, sim = venue.broker.session, venue.running.sim
            assert session is not None
            assert session._task is not None
            await stopped(session._task)
            real, told = session.folder.look, sim.expert.ledger

            def slow(*given: Any) -> Any:
                found = real(*given)
                begun.set()
                go_on.wait(20)
                return found

            async def by_hand() -> None:
                before = told.n
                order_send(sim.account, EURUSD, 0, LOT, Decimal("1.10002"), 5, ZERO, ZERO, "by hand", 7, 0)
                await until(lambda: told.n > before)

            await by_hand()
            before = session.book.n
            monkeypatch.setattr(session.folder, "look", slow)
            reading = asyncio.create_task(session.look())
            await until(begun.is_set)
            reading.cancel()
            await asyncio.wait([reading])
            go_on.set()
            await by_hand()
            await session.look()
            assert session.book.n == told.n > before + 1
            assert not session.lost.is_set()

    try:
        asyncio.run(main())
    finally:
        go_on.set()


def _order(client_id: str) -> Any:
    from ordergate.application.ports.brokers import Send
    from ordergate.domain.orders.states import OrderType, TimeInForce

    return Send(
        client_id=client_id,
        symbol="EURUSD",
        side=Side.BUY,
        quantity=Decimal("0.01"),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
    )


@pytest.mark.slow
def test_in_real_time_too() -> None:
    async def main() -> None:
        async with counterpart(clock=SystemClock(), cycle_s=0.005) as venue:
            venue.settings = replace(venue.settings, deadline_ms=10_000)
            await venue.reopen()
            one = Talk(venue)
            await one.connect()
            await one.accepted("real.1", Side.BUY, 2)
            await one.accepted("out.1", Side.SELL, 2)
            assert len(one.sink.executions) == 2
            assert (await lookup(one, "never.1")).presence is Presence.ABSENT

    asyncio.run(main())


# --- health


def test_a_check_looks_and_changes_nothing() -> None:
    async def case(t: Talk) -> None:
        owner = (t.venue.running.folder / "owner.json").read_bytes()
        other = Mt4Broker("terminal", t.venue.settings, t.venue.running.clock, catalogue)
        health = await other.check()
        assert health.reached
        assert health.login
        assert health.may_trade
        assert health.statement
        assert health.problems == ()
        assert "demo" in health.notes[0]
        assert (t.venue.running.folder / "owner.json").read_bytes() == owner
        assert not t.broker.taken_over

    talk(case)


def test_a_check_of_a_dead_terminal_and_of_a_wrong_folder() -> None:
    async def case(t: Talk) -> None:
        t.venue.running.stopped = True
        health = await t.broker.check()
        assert not health.reached
        assert "has written nothing" in health.problems[0]

    talk(case)

    async def nowhere() -> None:
        async with counterpart() as venue:
            settings = type(venue.settings)(folder="/nowhere/at/all", symbols={"EURUSD": "EURUSD.r"})
            health = await Mt4Broker("b", settings, venue.running.clock, catalogue).check()
            assert not health.reached
            assert "no state/account.json" in health.problems[0]

    run_virtual(nowhere())


def test_a_check_names_the_symbols_that_there_are() -> None:
    async def case(t: Talk) -> None:
        settings = replace(t.venue.settings, symbols={"EURUSD": "EURUSD"})
        broker = Mt4Broker("terminal", settings, t.venue.running.clock, catalogue)
        (problem,) = (await broker.check()).problems
        assert problem.startswith(
            "symbols.EURUSD: the terminal does not tell of EURUSD, but of EURUSD.r: write one"
        )

    talk(case)


def test_a_check_says_what_stands_against_trading() -> None:
    async def case(t: Talk) -> None:
        t.account.faults = ServerFaults(trade_off=True)
        symbol = t.account.books.symbols["EURUSD.r"]
        symbol.lot_size = Decimal(1_000)
        t.venue.running.write_anew()
        health = await t.broker.check()
        assert health.may_trade is False
        assert any("automated trading" in said for said in health.problems)
        assert any(
            "contract_size is 100000, and a lot of EURUSD.r is 1000" in said for said in health.problems
        )

    talk(case)
