"""The expert advisor ends at each call that writes, renames or trades; what it says afterwards is true."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ordergate.testing.metatrader4.faults import ServerFaults
from ordergate.testing.metatrader4.lines import command_id
from tests.services.bridge import EXPERTS, Desk, simulation


def opens(desk: Desk) -> None:
    desk.send(desk.open_command("ord-B.1", lots="0.20"))


def opens_with_a_lost_answer(desk: Desk) -> None:
    desk.sim.account.faults = ServerFaults(lose=128)
    opens(desk)


def is_refused(desk: Desk) -> None:
    desk.sim.account.faults = ServerFaults(refuse=134)
    opens(desk)


def closes_a_part(desk: Desk) -> None:
    ticket = desk.result("ord-A.1")["ticket"]
    desk.send(desk.command("close", "ord-B.1", ticket=ticket, lots="0.04"))


def deletes(desk: Desk) -> None:
    ticket = desk.result("ord-P.1")["ticket"]
    desk.send(desk.command("delete", "ord-B.1", ticket=ticket))


def changes(desk: Desk) -> None:
    ticket = desk.result("ord-P.1")["ticket"]
    desk.send(desk.command("modify", "ord-B.1", ticket=ticket, price="1.04000"))


def happens(desk: Desk, op: str) -> int:
    """How often the server did it."""
    books = desk.sim.account.books
    rows = [*books.open.values(), *books.closed.values()]
    if op == "open":
        return sum(1 for row in rows if row.lots * 5 == 1)
    if op == "close":
        return sum(1 for row in books.closed.values() if not row.pending)
    if op == "delete":
        return sum(1 for row in books.closed.values() if row.pending)
    return sum(1 for row in books.open.values() if row.price * 100 == 104)


CASES = {
    "open": opens,
    "open, its answer lost": opens_with_a_lost_answer,
    "open, refused": is_refused,
    "close": closes_a_part,
    "delete": deletes,
    "modify": changes,
}


@pytest.mark.parametrize("expert", EXPERTS)
@pytest.mark.parametrize("case", CASES)
def test_a_command_is_done_once_and_told_truly_wherever_it_ends(
    case: str, expert: str, tmp_path: Path
) -> None:
    op = case.split(",")[0]
    states: set[str] = set()
    step = 0
    while True:
        step += 1
        desk = Desk(tmp_path / f"files{step}", simulation(expert))
        desk.open("ord-A.1")
        desk.open("ord-P.1", type="buylimit", price="1.05000")
        killed = _end_at(desk, step, CASES[case])
        told = desk.peek("ord-B.1")
        state = _settle(desk)
        assert told is None or told["state"] in (state, "unknown"), "what was told stays true"
        states.add(state)
        assert happens(desk, op) == (1 if state == "done" else 0), f"{state} after step {step}"
        _check_events(desk, op, state)
        desk.close()
        if not killed:
            break
    assert step > 8
    refused = {"rejected"} if "refused" in case else set()
    assert states == {"done", "unknown", *refused}, "unknown where it was claimed and never sent"


def _end_at(desk: Desk, step: int, act: Callable[[Desk], None]) -> bool:
    act(desk)
    return desk.kill_at(desk.sim.terminal.step + step)


def _settle(desk: Desk) -> str:
    """The machine goes on after a while; whoever asked seals."""
    desk.sim.account.faults = ServerFaults()
    desk.restart()
    desk.run(3)
    return str(desk.seal("ord-B.1")["state"])


def _check_events(desk: Desk, op: str, state: str) -> None:
    events = desk.events()
    count = {kind: sum(1 for one in events if one["kind"] == kind) for kind in ("opened", "closed", "moved")}
    done = state == "done"
    assert count["opened"] == 1 + (op == "open" and done)
    assert count["closed"] == count["moved"] == int(op == "close" and done)
    ours = [
        one for one in events if one.get("by") == command_id("ord-B.1") or one["id"] == command_id("ord-B.1")
    ]
    if op in ("open", "close", "delete"):
        assert bool([one for one in ours if one["kind"] != "result"]) == done
    orders = desk.state("orders")
    assert orders["complete"]
    assert orders["event"] == max(line["n"] for line in desk.lines())


@pytest.mark.parametrize("expert", EXPERTS)
@pytest.mark.parametrize("days", [0, 1])
def test_events_are_told_once_wherever_the_expert_ends(days: int, expert: str, tmp_path: Path) -> None:
    step = 0
    while True:
        step += 1
        desk = Desk(tmp_path / f"files{step}", simulation(expert))
        desk.open("ord-A.1")
        desk.open("ord-P.1", type="buylimit", price="1.05000", tp="1.06000")
        desk.clock.now += days * 86_400
        desk.quote("1.04990", "1.05000")
        desk.sim.account.move_money(desk.sim.account.books.balance * 0 + 7, "deposit")
        desk.quote("1.06000", "1.06010")
        killed = desk.kill_at(desk.sim.terminal.step + step)
        desk.restart()
        desk.run(2)
        kinds = desk.kinds()
        assert sorted(kinds) == ["balance", "closed", "opened", "opened", "placed"], f"step {step}: {kinds}"
        desk.close()
        if not killed:
            break
    assert step > 8


@pytest.mark.parametrize("expert", EXPERTS)
def test_the_first_start_ends_anywhere(expert: str, tmp_path: Path) -> None:
    for step in range(1, 12):
        root = tmp_path / f"files{step}"
        desk = Desk(root, simulation(expert))
        symbol, zero = desk.sim.account.symbol("EURUSD"), desk.sim.account.books.balance * 0
        for _ in range(2):
            desk.sim.account.enter(symbol, 0, symbol.lot_min, zero, zero, zero, 0, "by hand", 0)
        desk.close()
        for path in sorted(root.rglob("*"), reverse=True):
            if path.is_file():
                path.unlink()
        desk.sim.start()
        desk.kill_at(step)
        desk.restart()
        desk.own(2, "second")
        assert desk.open("ord-A.1")["state"] == "done"
        assert desk.kinds() == ["opened"]
        desk.restart()
        assert desk.kinds() == ["opened"]
        assert desk.state("account")["gen"] == 2
        desk.close()
