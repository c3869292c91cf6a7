"""Each defect of the DWX server: that the counterpart has it, and that the adapter survives it."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
from tests.services.dwx import MESSAGES, ORDERS, Desk, Terminal, desk, limit, market, terminal

from ordergate.adapters.brokers.dwx import folder as folder_module
from ordergate.adapters.brokers.dwx.link import Link
from ordergate.adapters.brokers.dwx.notebook import Notebook
from ordergate.adapters.brokers.dwx.outcomes import Opens
from ordergate.adapters.brokers.dwx.settings import DwxSettings
from ordergate.adapters.clock import SystemClock, run_virtual
from ordergate.application.ports.brokers import Presence
from ordergate.domain.errors import BrokerAway
from ordergate.domain.orders.reports import Outcome
from ordergate.testing.conformance.counterpart import Recorder
from ordergate.testing.metatrader4.dwx_files import State

SOURCES = Path(folder_module.__file__).parent.glob("*.py")


def at_a_desk(folder: Path, case: Callable[[Desk], Awaitable[None]], **settings: int) -> None:
    async def main() -> None:
        async with desk(folder, **settings) as made:
            await case(made)

    run_virtual(main())


def at_a_terminal(
    folder: Path, case: Callable[[Terminal], Awaitable[None]], *, booted_ms: int = 86_400_000
) -> None:
    async def main() -> None:
        async with terminal(folder, booted_ms=booted_ms) as made:
            await case(made)

    run_virtual(main())


def said(terminal: Terminal) -> str:
    return (terminal.folder / "DWX_Messages.txt").read_text()


def write(terminal: Terminal, number: int, text: str) -> None:
    terminal.files.command(number).write_text(text)


OPEN = "EURUSD.r,buy,0.1,0,0,0,5,theirs,0"


# --- 1: replies name nobody


def test_of_several_replies_none_is_known_to_be_ours(tmp_path: Path) -> None:
    """Somebody else's order is refused in the same moment: ours is not, and is found at the terminal."""

    async def case(at: Desk) -> None:
        server = at.terminal.server
        server.after_commands = lambda: (
            server._error("OPEN_ORDER", "Could not open order: not enough money")
            if server.account.open and "1000" in said(at.terminal) and "not enough" not in said(at.terminal)
            else None
        )
        answer = await at.submit(market("in.1", "0.1"))
        assert "not enough money" in said(at.terminal)
        assert answer.outcome is Outcome.ACCEPTED
        assert answer.broker_order_id == "1000"

    at_a_desk(tmp_path, case)


def test_of_several_errors_none_is_known_to_be_ours(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        server, at.terminal.account.refuses = at.terminal.server, 134
        server.before_tick = lambda: (
            server._error("OPEN_ORDER", "Could not open order: market is closed")
            if at.terminal.files.command(0).exists() and "market is closed" not in said(at.terminal)
            else None
        )
        answer = await at.submit(market("in.1", "0.1"))
        assert answer.outcome is Outcome.UNKNOWN
        assert (await at.broker.lookup("in.1")).presence is Presence.UNPROVEN

    at_a_desk(tmp_path, case)


def test_a_late_reply_is_not_taken_for_the_next_orders(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        server, account, clock = at.terminal.server, at.terminal.account, at.terminal.clock
        server.stalls = True
        late = await at.broker.submit(market("late.1", "0.1"))
        assert late.outcome is Outcome.UNKNOWN
        account.refuses = 134

        async def goes_on() -> None:
            await clock.sleep(1)
            server.stalls = False
            server.tick()  # the first one ends, refused, and the next thing that was given is taken
            account.refuses = None

        answer, _ = await asyncio.gather(at.broker.submit(market("next.1", "0.2")), goes_on())
        await at.rest()
        assert "not enough money" in said(at.terminal)
        assert answer.outcome is Outcome.ACCEPTED
        assert [one[0] for one in at.told] == ["next.1"]
        assert (await at.broker.lookup("late.1")).presence is Presence.UNPROVEN

    at_a_desk(tmp_path, case, deadline_ms=2_000)


def test_nor_where_nobody_waits_any_more_while_the_earlier_one_is_written(tmp_path: Path) -> None:
    """In real time: a thread writes it, and goes on when its caller's patience has ended."""

    async def main() -> None:
        settings, notebook = (
            DwxSettings(folder=str(tmp_path), symbols={"EURUSD": "EURUSD.r"}),
            Notebook("dwx", None),
        )
        notebook.open()
        link, loop, goes_on = (
            Link(settings, SystemClock(), notebook),
            asyncio.get_running_loop(),
            threading.Event(),
        )
        put, link._clear = link._folder.put, True

        def cut_short(command: str) -> None:
            loop.call_soon_threadsafe(giving.cancel)
            goes_on.wait(5)
            put(command)

        link._folder.put = cut_short
        giving = asyncio.create_task(link.give(Opens("EURUSD.r", "buy", Decimal("0.1")), "OPEN_ORDER", OPEN))
        await asyncio.wait([giving])
        goes_on.set()
        assert (giving.cancelled(), link._clear) == (True, False), "the next would take its reply"

    asyncio.run(main())


def test_what_is_not_past_an_earlier_command_gets_no_other(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        at.terminal.server.stalls = True
        await at.broker.submit(market("late.1", "0.1"))
        answer = await at.broker.submit(market("next.1", "0.2"))
        assert answer.outcome is Outcome.NOT_SENT
        at.terminal.server.stalls = False
        await at.rest()
        assert [one[0] for one in at.told] == ["late.1"]  # it was done after all, and is told

    at_a_desk(tmp_path, case)


# --- 2: what is deleted before it is looked at


def test_half_a_command_is_destroyed(tmp_path: Path) -> None:
    async def case(there: Terminal) -> None:
        write(there, 0, f"<:1|OPEN_ORDER|{OPEN[:20]}")
        there.server.tick()
        write(there, 0, OPEN[20:] + ":>")
        there.server.tick()
        assert "WRONG_FORMAT_END_IDENTIFIER" in said(there)
        assert "WRONG_FORMAT_START_IDENTIFIER" in said(there)
        assert not there.account.open

    at_a_terminal(tmp_path, case)


def test_a_command_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The expert advisor looks after every single thing that the writer does."""

    async def case(at: Desk) -> None:
        for where, name in ((folder_module.os, "fsync"), (Path, "rename")):
            was = getattr(where, name)

            def then_looks(*given: object, was: Callable[..., object] = was) -> object:
                at.terminal.server.tick()
                done = was(*given)
                at.terminal.server.tick()
                return done

            monkeypatch.setattr(where, name, then_looks)
        answer = await at.submit(market("in.1", "0.1"))
        assert answer.outcome is Outcome.ACCEPTED
        assert "WRONG_FORMAT" not in said(at.terminal)

    at_a_desk(tmp_path, case)


# --- 3: the look stops at the first place that is empty


def test_what_lies_behind_a_gap_is_done_after_the_next(tmp_path: Path) -> None:
    async def case(there: Terminal) -> None:
        write(there, 1, f"<:1|OPEN_ORDER|{OPEN}:>")
        there.server.tick()
        assert not there.server.done
        write(there, 0, "<:2|CLOSE_ALL_ORDERS|:>")
        there.server.tick()
        assert there.server.done == ["CLOSE_ALL_ORDERS ", f"OPEN_ORDER {OPEN}"]

    at_a_terminal(tmp_path, case)


def test_a_stale_command_is_not_set_free(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        write(at.terminal, 7, f"<:1|OPEN_ORDER|{OPEN}:>")
        answer = await at.submit(market("in.1", "0.1"))
        assert answer.outcome is Outcome.NOT_SENT
        assert "DWX_Commands_7.txt" in str(answer.reason)
        assert not at.terminal.account.open
        at.terminal.files.command(7).unlink()
        answer = await at.submit(market("in.1", "0.1"))
        assert answer.outcome is Outcome.ACCEPTED

    at_a_desk(tmp_path, case)


# --- 4: ids that it has seen


def test_a_replayed_id_is_done_once_until_it_is_told_to_forget(tmp_path: Path) -> None:
    async def case(there: Terminal) -> None:
        for _ in range(2):
            write(there, 0, f"<:1|OPEN_ORDER|{OPEN}:>")
            there.server.tick()
        assert len(there.account.open) == 1
        write(there, 0, "<:2|RESET_COMMAND_IDS|:>")
        there.server.tick()
        write(there, 0, f"<:1|OPEN_ORDER|{OPEN}:>")
        there.server.tick()
        assert len(there.account.open) == 2

    at_a_terminal(tmp_path, case)


@pytest.mark.parametrize("notebook", ["notebook.db", "another.db"])
def test_a_new_process_uses_no_id_twice_and_makes_nobody_forget(notebook: str, tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        for number in range(5):
            await at.submit(limit(f"a{number}.1"))
        await at.broker.close()
        await at.rest(10)
        later = Desk(at.terminal, tmp_path / notebook)
        await later.open()
        answer = await later.submit(limit("b.1"))
        await later.broker.close()
        assert answer.outcome is Outcome.ACCEPTED
        ids = at.terminal.server._ids
        assert len(set(ids)) == len(ids)
        assert all(number < 2**31 for number in ids)
        assert not any(one.startswith("RESET") for one in at.terminal.server.done)

    at_a_desk(tmp_path, case)


# --- 5: a start wipes the folder


def test_a_start_wipes_what_waits_but_not_the_trades_of_the_past(tmp_path: Path) -> None:
    async def case(there: Terminal) -> None:
        await there.stop()
        write(there, 0, f"<:1|OPEN_ORDER|{OPEN}:>")
        (there.folder / "DWX_Historic_Trades.txt").write_text("{}")
        there.server.begin()
        there.server.tick()
        assert not there.account.open
        assert (there.folder / "DWX_Historic_Trades.txt").exists()

    at_a_terminal(tmp_path, case)


def test_a_terminal_that_is_restarted_under_an_order(tmp_path: Path) -> None:
    """The command is gone as if it had been taken: it stays unknown, whatever the file system looks like."""

    async def case(at: Desk) -> None:
        await at.terminal.stop()

        async def restarts() -> None:
            while at.terminal.files.command(0).exists() is False:
                await at.terminal.clock.sleep(0.01)
            at.terminal.start()

        answer, _ = await asyncio.gather(at.broker.submit(market("in.1", "0.1")), restarts())
        assert answer.outcome is Outcome.UNKNOWN
        assert (await at.broker.lookup("in.1")).presence is Presence.UNPROVEN
        assert not at.terminal.account.open
        again = await at.submit(market("two.1", "0.1"))
        assert again.outcome is Outcome.ACCEPTED

    at_a_desk(tmp_path, case)


def test_a_terminal_that_stands_still_gets_no_order(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.terminal.stop()
        await at.rest(6)
        assert not at.broker.connected
        answer = await at.broker.submit(market("in.1", "0.1"))
        assert (answer.outcome, answer.reason) == (
            Outcome.NOT_SENT,
            "the expert advisor writes nothing: is it running?",
        )
        assert not at.terminal.files.command(0).exists()
        assert (await at.broker.lookup("in.1")).presence is Presence.UNAVAILABLE
        assert not (await at.broker.open_orders()).complete

    at_a_desk(tmp_path, case)


def test_files_that_an_earlier_day_has_left(tmp_path: Path) -> None:
    """They look whole: that they are written is what says that somebody is there."""

    async def case(at: Desk) -> None:
        await at.submit(limit("rest.1"))
        await at.broker.close()
        await at.terminal.stop()
        later = Desk(at.terminal, tmp_path / "notebook.db")
        await later.open()
        assert not later.broker.connected
        assert (await later.broker.submit(market("in.1", "0.1"))).outcome is Outcome.NOT_SENT
        assert (await later.broker.lookup("rest.1")).presence is Presence.UNAVAILABLE
        assert not (await later.broker.open_orders()).complete
        at.terminal.start()
        await later.rest()
        assert later.broker.connected
        assert (await later.broker.open_orders()).client_ids == {"rest.1"}
        await later.broker.close()

    at_a_desk(tmp_path, case)


def test_a_command_that_nobody_takes_is_taken_back(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.terminal.stop()  # just now: it is not known yet
        answer = await at.broker.submit(market("in.1", "0.1"))
        assert answer.outcome is Outcome.UNKNOWN  # it may have been read before
        assert "withdrawn" in str(answer.reason)
        assert not at.terminal.files.command(0).exists()

    at_a_desk(tmp_path, case)


# --- 6: keys that begin anew


def test_messages_of_a_machine_that_was_restarted_are_read(tmp_path: Path) -> None:
    """Their keys are smaller than those that were seen before."""

    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.1"))
        at.terminal.server.booted_ms = 0
        at.terminal.server.begin()
        await at.rest(2)
        at.terminal.account.refuses = 134
        answer = await at.submit(market("two.1", "0.1"))
        assert answer.outcome is Outcome.REJECTED
        keys = [int(key) for key in re.findall(r'"(\d+)":', said(at.terminal))]
        assert max(keys) < 86_400_000

    at_a_desk(tmp_path, case)


def test_a_count_that_wraps_stops_its_timer_until_a_price_comes(tmp_path: Path) -> None:
    async def case(there: Terminal) -> None:
        desk = Desk(there, None)
        await desk.open()
        await desk.submit(market("in.1", "0.1"))
        await desk.rest(30)  # the count wraps
        assert not desk.broker.connected
        assert (await desk.broker.submit(market("two.1", "0.1"))).outcome is Outcome.NOT_SENT
        there.account.quote("EURUSD.r", Decimal("1.09998"), Decimal("1.10000"))
        there.server.tick()
        await desk.rest(2)
        assert desk.broker.connected
        answer = await desk.submit(market("three.1", "0.1"))
        assert answer.outcome is Outcome.ACCEPTED
        await desk.broker.close()

    at_a_terminal(tmp_path, case, booted_ms=2**32 - 20_000)


# --- 7: nothing is escaped, and files are half written


def test_a_quote_in_somebody_elses_comment(tmp_path: Path) -> None:
    """All that is open cannot be read then: nothing is claimed, nothing raises, and it goes on afterwards."""

    async def case(at: Desk) -> None:
        await at.submit(limit("rest.1"))
        account, none = at.terminal.account, (Decimal(0), Decimal(0))
        theirs = account.send("EURUSD.r", "buylimit", Decimal("0.5"), Decimal(1), 3, none, 'say "hi"', 0)
        await at.rest(10)
        assert (await at.broker.lookup("rest.1")).presence is Presence.UNAVAILABLE
        assert not (await at.broker.open_orders()).complete
        assert not (await at.broker.statement(at.terminal.clock.now())).complete
        answer = await at.broker.submit(market("in.1", "0.1"))
        assert answer.outcome is Outcome.NOT_SENT
        assert "DWX_Orders.txt cannot be read" in str(answer.reason)
        account.delete(theirs)
        await at.rest()
        assert (await at.broker.open_orders()).client_ids == {"rest.1"}

    at_a_desk(tmp_path, case)


@pytest.mark.parametrize("state", [State.CUT, State.GARBLED, State.GONE])
@pytest.mark.parametrize("name", [ORDERS, MESSAGES])
def test_files_that_cannot_be_read_for_a_while(name: str, state: State, tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(limit("rest.1"))
        at.terminal.files.states = {name: state}
        await at.rest()
        await at.broker.submit(limit("two.1"))
        await at.broker.lookup("rest.1")
        at.terminal.files.states = {}
        await at.rest()
        for waiting in ("rest.1", "two.1"):
            known = await at.broker.lookup(waiting)
            assert (known.presence is Presence.FOUND) is (
                waiting in (await at.broker.open_orders()).client_ids
            )
        assert (await at.broker.lookup("rest.1")).presence is Presence.FOUND

    at_a_desk(tmp_path, case)


def test_an_empty_folder_and_no_folder(tmp_path: Path) -> None:
    async def case(there: Terminal) -> None:
        await there.stop()
        there.server.end()
        broker = there.broker(None)
        await broker.connect(Recorder(), None)
        assert not broker.connected
        assert not (await broker.open_orders()).complete
        await broker.close()
        health = await broker.check()
        assert not health.reached
        there.folder.rename(tmp_path / "elsewhere")
        with pytest.raises(BrokerAway, match="there is no folder"):
            await broker.connect(Recorder(), None)
        assert "there is no folder" in (await broker.check()).problems[0]

    at_a_terminal(tmp_path, case)


def test_the_check_asks_and_touches_nothing(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(limit("rest.1"))
        before = list(at.terminal.server.done)
        other = at.terminal.broker(None)
        health = await other.check()
        assert (health.reached, health.open_orders, health.problems) == (True, 1, ())
        assert any("echo-only" in note for note in health.notes)
        assert at.terminal.server.done == before

    at_a_desk(tmp_path, case)


# --- 10: everything in the account is listed


def test_no_command_is_about_more_than_one_order() -> None:
    code = "".join(source.read_text() for source in SOURCES)
    assert set(re.findall(r'"([A-Z]+_[A-Z_]+)"', code)) >= {
        "OPEN_ORDER",
        "CLOSE_ORDER",
        "GET_HISTORIC_TRADES",
    }
    assert not re.search(r"CLOSE_ALL|CLOSE_ORDERS_BY|RESET_COMMAND|\bMODIFY_ORDER\b", code)
