"""A terminal on this machine: what is journalled, what is called, and what is said when neither went well."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from tests.services.mt5_agent.desk import Desk, command, until
from tests.services.small_disk import fill, small_disk

from ordergate.adapters.brokers.mt5.agent import Command, LocalTerminal, Login, Record, Refused, Unreachable
from ordergate.adapters.brokers.mt5.agent.journal import Journal, JournalFailed


def run(desk: Desk, test: Callable[[LocalTerminal], Awaitable[None]], **more: object) -> None:
    """Against an open terminal, closed after."""

    async def whole() -> None:
        terminal = desk.terminal(**more)
        try:
            await terminal.open()
            await test(terminal)
        finally:
            desk.go()
            await terminal.close()

    asyncio.run(whole())


async def arrived(desk: Desk, name: str, times: int = 1) -> None:
    await asyncio.to_thread(until, lambda: desk.calls().count(name) >= times)


def test_it_says_where_it_is_and_answers_plainly(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        hello = await terminal.open()
        assert (hello.version, hello.login, hello.server, hello.epoch) == (
            "500 6231 27 Sep 2026",
            5,
            "Demo",
            0,
        )
        assert abs(hello.now - time.time()) < 60
        assert len(hello.journal_id) == 32
        assert hello.now - 60 < hello.began <= hello.now
        assert hello.keeps_s == 7 * 86_400
        reply = await terminal.ask("positions_get", 1, group="*")
        assert reply.error == (1, "Success")
        assert reply.value == [{"login": 1, "server": "(1,)", "currency": "[('group', '*')]"}]
        with pytest.raises(ValueError, match="order_send cannot be asked"):
            await terminal.ask("order_send", {})

    run(desk, test, login=Login("C:/t.exe", 5, "secret", "Demo", portable=True), start_s=30, retention_days=7)
    args, kwargs = json.loads((desk.folder / "initialized").read_text())
    assert args == ["C:/t.exe"]
    assert kwargs == {"login": 5, "password": "secret", "server": "Demo", "portable": True, "timeout": 30_000}
    assert b"secret" not in b"".join(path.read_bytes() for path in desk.folder.glob("journal*"))


def test_a_command_is_given_once_for_ever(desk: Desk) -> None:
    first: list[Record] = []

    async def send(terminal: LocalTerminal) -> None:
        first.append(await terminal.send(command()))
        assert await terminal.send(command(volume=9.0)) == first[0]
        assert first[0].state == "answered"
        assert first[0].result is not None
        assert first[0].result["request"]["comment"] == "c"
        assert first[0].request["magic"] == 2**62 + 1

    async def again(terminal: LocalTerminal) -> None:
        assert await terminal.send(command()) == first[0]
        assert await terminal.records() == first
        assert await terminal.records(first[0].position) == []

    run(desk, send)
    run(desk, again)
    assert len(desk.sent()) == 1


def test_two_at_once_of_one_id_are_one(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(order_send=["hang"])
        both = [asyncio.create_task(terminal.send(command())) for _ in range(2)]
        await arrived(desk, "order_send")
        assert (found := await terminal.record("a.1")) is not None
        assert found.state == "claimed"
        desk.go()
        one, other = await asyncio.gather(*both)
        assert one == other
        assert one.state == "answered"

    run(desk, test)
    assert len(desk.sent()) == 1


@pytest.mark.parametrize(
    "command_", [command(expires_at=1.0), command(volume=float("nan")), command(sl=None)]
)
def test_what_may_not_be_given_is_never_given(desk: Desk, command_: Command) -> None:
    async def test(terminal: LocalTerminal) -> None:
        record = await terminal.send(command_)
        assert record.state == ("expired" if command_.expires_at == 1.0 else "refused")
        assert record.error is not None
        assert record.error[0] == 0
        assert await terminal.send(command()) == record

    run(desk, test)
    assert desk.sent() == []


def test_a_command_that_expires_in_the_queue_is_not_given(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(symbols_total=["hang"])
        asking = asyncio.create_task(terminal.ask("symbols_total"))
        await arrived(desk, "symbols_total")
        now = (await terminal.record("x", seal=True)).at
        sending = asyncio.create_task(terminal.send(command(expires_at=now + 0.2)))
        while (await terminal.record(f"y{time.monotonic_ns()}", seal=True)).at < now + 0.2:
            await asyncio.sleep(0.02)
        desk.go()
        assert (await sending).state == "expired"
        assert (await asking).value == 7

    run(desk, test)
    assert desk.sent() == []


def test_a_sealed_id_is_never_given(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        assert await terminal.record("a.1") is None
        sealed = await terminal.record("a.1", seal=True)
        assert sealed is not None
        assert (sealed.state, sealed.request) == ("sealed", {})
        assert await terminal.send(command()) == sealed
        sent = await terminal.send(command("a.2"))
        assert await terminal.record("a.2", seal=True) == sent

    run(desk, test)
    assert len(desk.sent()) == 1


def test_a_seal_beats_a_command_that_waits(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(symbols_total=["hang"])
        asking = asyncio.create_task(terminal.ask("symbols_total"))
        await arrived(desk, "symbols_total")
        sending = asyncio.create_task(terminal.send(command()))
        await asyncio.sleep(0)
        await terminal.record("a.1", seal=True)
        desk.go()
        assert (await sending).state == "sealed"
        await asking

    run(desk, test)
    assert desk.sent() == []


def test_the_claim_is_on_the_disk_before_the_call(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(order_send=["hang"])
        sending = asyncio.create_task(terminal.send(command()))
        await arrived(desk, "order_send")
        copy = desk.folder / "copy.db"
        for ending in ("", "-wal"):
            (desk.folder / f"copy.db{ending}").write_bytes((desk.folder / f"journal.db{ending}").read_bytes())
        found = Journal(copy).find("a.1")
        assert found is not None
        assert found.state == "claimed"
        desk.go()
        await sending

    run(desk, test)


@pytest.mark.parametrize(
    ("how", "state", "code"),
    [
        (-10_002, "failed", -10_002),
        (-2, "failed", -2),
        ("raise", "broken", 0),
        ("odd", "broken", 0),
        ("die", "broken", 0),
    ],
)
def test_calls_that_return_nothing(desk: Desk, how: object, state: str, code: int) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(order_send=[how])
        record = await terminal.send(command())
        assert record.error is not None
        assert (record.state, record.error[0], record.result) == (state, code, None)
        desk.how()
        assert (await terminal.send(command("a.2"))).state == "answered"

    run(desk, test)
    assert len(desk.sent()) == 2


def test_a_hung_command_is_broken_and_the_worker_ended(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(order_send=["hang"])
        pid = desk.pid()
        record = await terminal.send(command())
        assert record.state == "broken"
        assert record.error is not None
        assert "no answer within 1 s" in record.error[1]
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        desk.how()
        assert (await terminal.ask("symbols_total")).value == 7
        assert desk.pid() != pid
        assert await terminal.record("a.1") == record

    run(desk, test, deadline_s=1)
    assert len(desk.sent()) == 1


def test_waiting_for_a_hung_call_has_a_deadline_of_its_own(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(symbols_total=["hang"])
        hung = asyncio.create_task(terminal.ask("symbols_total"))
        await arrived(desk, "symbols_total")
        terminal._deadline_s = 0.1
        with pytest.raises(Unreachable, match="calls before this one") as caught:
            await terminal.send(command())
        assert caught.value.sent is False
        assert await terminal.record("a.1") is None
        desk.go()
        await hung

    run(desk, test)
    assert desk.sent() == []


def test_who_stops_waiting_does_not_stop_the_call(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(order_send=["hang"])
        sending = asyncio.create_task(terminal.send(command()))
        await arrived(desk, "order_send")
        sending.cancel()
        desk.go()
        assert (await terminal.send(command())).state == "answered"

    run(desk, test)
    assert len(desk.sent()) == 1


def test_noise_of_the_package_is_no_answer(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(order_send=["print"], symbols_total=["print"])
        assert (await terminal.ask("symbols_total")).value == 7
        assert (await terminal.send(command())).state == "answered"

    run(desk, test)


def test_what_the_package_refuses_or_is_too_much_is_told(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(positions_get=["raise"])
        assert (await terminal.ask("positions_get", 1)).error == (
            0,
            "positions_get: TypeError: these arguments are wrong",
        )
        desk.how(positions_get=[-4])
        assert (await terminal.ask("positions_get")).error == (-4, "error -4")
        code, text = (await terminal.ask("symbols_get")).error
        assert code == 0
        assert "ask for less" in text

    run(desk, test)


def test_a_worker_that_dies_between_calls_costs_one_answer(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(account_info=["die"])
        with pytest.raises(Unreachable) as caught:
            await terminal.send(command())
        assert caught.value.sent is False
        assert await terminal.record("a.1") is None
        desk.how()
        assert (await terminal.send(command())).state == "answered"

    run(desk, test)


def test_a_worker_killed_after_the_claim_is_broken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Journal.claim

    def kills(journal: Journal, *args: object) -> Record | None:
        made = claim(journal, *args)
        desk.kill_worker()
        return made

    async def test(terminal: LocalTerminal) -> None:
        monkeypatch.setattr(Journal, "claim", kills)
        assert (await terminal.send(command())).state == "broken"
        monkeypatch.setattr(Journal, "claim", claim)
        assert (await terminal.send(command())).state == "broken"

    run(desk, test)
    assert desk.sent() == []


def test_a_worker_killed_in_the_call_is_broken(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(order_send=["hang"])
        sending = asyncio.create_task(terminal.send(command()))
        await arrived(desk, "order_send")
        desk.kill_worker()
        assert (await sending).state == "broken"

    run(desk, test)
    assert len(desk.sent()) == 1


def test_a_terminal_that_is_gone_is_started_again_before_anything_is_sent(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(account_info=[-10_004], initialize=[-10_003])
        for call in (terminal.send(command()), terminal.send(command()), terminal.ask("symbols_total")):
            with pytest.raises(Unreachable) as caught:
                await call
            assert caught.value.sent is False
        assert desk.calls().count("initialize") == 3
        desk.how(symbols_total=[-10_002])
        assert (await terminal.ask("symbols_total")).error == (-10_002, "error -10002")
        desk.how()
        assert (await terminal.ask("symbols_total")).value == 7
        assert desk.calls().count("initialize") == 5
        assert (await terminal.send(command())).state == "answered"

    run(desk, test)
    assert len(desk.sent()) == 1


def test_a_login_that_is_refused(desk: Desk) -> None:
    async def test() -> None:
        terminal = desk.terminal()
        desk.how(initialize=[-6])
        with pytest.raises(Refused, match="error -6"):
            await terminal.open()
        desk.how(initialize=[-10_005])
        with pytest.raises(Unreachable, match="error -10005"):
            await terminal.open()
        desk.how(initialize=["hang"])
        await terminal.close()

    asyncio.run(test())


def test_another_account_gets_no_command_and_no_question(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.account(6, "Demo")
        with pytest.raises(Unreachable, match="at 6 on 'Demo', and not at 5 on 'Demo'") as caught:
            await terminal.send(command())
        assert caught.value.sent is False
        with pytest.raises(Unreachable, match="at 6 on"):
            await terminal.ask("positions_get")
        with pytest.raises(Refused, match="at 6 on"):
            await terminal.open()
        desk.account(5, "Demo")
        assert (await terminal.send(command())).state == "answered"

    run(desk, test, login=Login())
    assert len(desk.sent()) == 1


@pytest.mark.parametrize("login", [Login(login=5), Login(server="Demo"), Login(login=5, server="Demo")])
def test_an_account_that_was_wrong_at_first_does_not_become_home(desk: Desk, login: Login) -> None:
    async def test() -> None:
        terminal = desk.terminal(login)
        desk.account(999, "Other-Live")
        with pytest.raises(
            Refused, match=r"at 999 on 'Other-Live', and not at (5|any account) on ('Demo'|any)"
        ):
            await terminal.open()
        desk.account(5, "Demo")
        assert (await terminal.open()).server == "Demo"
        desk.account(5, "Other-Live")
        with pytest.raises(Refused, match="at 5 on 'Other-Live', and not at 5 on 'Demo'"):
            await terminal.open()
        await terminal.close()

    asyncio.run(test())


def test_a_module_that_is_not_there(desk: Desk) -> None:
    async def test() -> None:
        terminal = LocalTerminal(Login(), desk.journal, module="there_is_no_such_module")
        with pytest.raises(Unreachable, match="ModuleNotFoundError") as caught:
            await terminal.open()
        assert caught.value.sent is False
        with pytest.raises(Unreachable):
            await terminal.ask("symbols_total")
        await terminal.close()

    asyncio.run(test())


def test_before_open_nothing_is_sent(desk: Desk) -> None:
    with pytest.raises(Unreachable, match="not open") as caught:
        asyncio.run(desk.terminal().send(command()))
    assert caught.value.sent is False


def test_one_journal_has_one_agent(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        other = desk.terminal()
        with pytest.raises(Unreachable, match="another process has it"):
            await other.open()
        await other.close()
        assert (await terminal.send(command())).state == "answered"

    run(desk, test)


def test_a_journal_that_cannot_be_written_sends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_journal: Journal, *_args: object) -> None:
        raise JournalFailed("the disk is full")

    async def test(terminal: LocalTerminal) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(Journal, "claim", full)
            with pytest.raises(Unreachable, match="the disk is full") as caught:
                await terminal.send(command())
        assert caught.value.sent is False
        assert (await terminal.send(command())).state == "answered"
        with monkeypatch.context() as patched:
            patched.setattr(Journal, "find", full)
            with pytest.raises(Unreachable, match="the disk is full") as caught:
                await terminal.send(command())
        assert caught.value.sent is True

    run(desk, test)
    assert len(desk.sent()) == 1


def test_a_full_disk_sends_nothing(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        filler = fill(desk.journal.parent)
        with pytest.raises(Unreachable, match="full") as caught:
            await terminal.send(command(comment="c" * 20_000))
        assert caught.value.sent is False
        assert desk.sent() == []
        assert (await terminal.open()).login == 5
        assert (await terminal.ask("symbols_total")).value == 7
        filler.unlink()
        assert (await terminal.send(command())).state == "answered"

    with small_disk(1) as disk:
        desk.journal = disk / "journal.db"
        run(desk, test)
    assert len(desk.sent()) == 1


def test_the_clock_never_goes_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = desk.terminal()
    before = terminal._now()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert terminal._now() >= before
    monkeypatch.setattr(time, "time", lambda: before + 1_000)
    assert terminal._now() >= before + 1_000
    monkeypatch.undo()
    assert terminal._now() >= before + 1_000


def test_close_lets_a_call_end(desk: Desk) -> None:
    async def test(terminal: LocalTerminal) -> None:
        desk.how(order_send=["hang"])
        sending = asyncio.create_task(terminal.send(command()))
        await arrived(desk, "order_send")
        threading.Timer(0.05, desk.go).start()
        await terminal.close()
        assert (await sending).state == "answered"

    run(desk, test)
