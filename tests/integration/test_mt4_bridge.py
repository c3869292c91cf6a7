"""The protocol of `docs/reference/mt4-bridge.md`, rule by rule, at the expert advisor: files in, files out."""

import re
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordergate.testing.metatrader4.account import Refused, Symbol
from ordergate.testing.metatrader4.faults import FolderFaults, ServerFaults
from ordergate.testing.metatrader4.lines import command_id, command_name, dress, undress
from ordergate.testing.metatrader4.trading import order_close
from tests.services.bridge import EXPERTS, Desk, simulation
from tests.services.mql4.build import COMPILER
from tests.services.mql4.expert import Program

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "mt4-bridge.md"


@pytest.fixture(params=EXPERTS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "files", simulation(request.param))
    yield desk
    desk.close()


def calls(desk: Desk) -> list[str]:
    return [name for name, _ in desk.sim.account.calls]


# Operations.


def test_a_market_order_is_an_execution_and_a_result(desk: Desk) -> None:
    result = desk.open("ord-A.1", sl="1.09000", tp="1.20000")
    assert (result["state"], result["price"], result["lots"]) == ("done", "1.10010000", "0.10000000")
    (event,) = desk.events()
    assert event["ref"] == "ord-A.1"
    assert (event["kind"], event["ticket"], event["id"]) == (
        "opened",
        result["ticket"],
        command_id("ord-A.1"),
    )
    assert (event["sl"], event["tp"], event["comment"]) == (
        "1.09000000",
        "1.20000000",
        "og-" + command_id("ord-A.1")[:16],
    )
    orders = desk.state("orders")
    assert orders["complete"]
    assert orders["event"] == event["n"]
    assert [row["id"] for row in orders["rows"]] == [command_id("ord-A.1")]
    assert not list((desk.root / "work").iterdir())
    assert not list((desk.root / "in").iterdir())


def test_a_market_order_takes_no_worse_price(desk: Desk) -> None:
    late = desk.open("ord-A.1", worst="1.10009")
    assert (late["state"], late["why"]) == ("not_sent", "invalid")
    assert "the market is at 1.10010000" in late["text"]
    assert desk.open("ord-B.1", worst="1.10015", slippage=99)["state"] == "done"
    assert desk.open("ord-C.1", type="sell", worst="1.09990")["state"] == "done"
    assert desk.open("ord-D.1", type="buylimit", price="1.05000", worst="1.10")["why"] == "invalid"
    assert [given[4] for name, given in desk.sim.account.calls] == [5, 10]


def test_a_pending_order_keeps_its_ticket_and_a_level_ends_it_in_the_name_of_the_entry(desk: Desk) -> None:
    ticket = desk.open("ord-A.1", type="selllimit", price="1.20000", sl="1.25000")["ticket"]
    desk.quote("1.20000", "1.20010")
    desk.run()
    desk.quote("1.25000", "1.25010")
    desk.run()
    placed, opened, closed = desk.events()
    assert [placed["kind"], opened["kind"], closed["kind"]] == ["placed", "opened", "closed"]
    assert {event["ticket"] for event in (placed, opened, closed)} == {ticket}
    assert {event["id"] for event in (placed, opened, closed)} == {command_id("ord-A.1")}
    assert (opened["type"], opened["price"]) == ("sell", "1.20000000")
    assert (closed["reason"], closed["by"], closed["close_price"]) == ("sl", "", "1.25010000")


def test_a_partial_close_goes_on_under_a_new_ticket_that_is_no_execution(desk: Desk) -> None:
    ticket = desk.open("ord-A.1")["ticket"]
    result = desk.do(desk.command("close", "ord-B.1", ticket=ticket, lots="0.04"))
    assert (result["state"], result["lots"], result["price"]) == ("done", "0.04000000", "1.10000000")
    _, closed, moved = desk.events()
    assert (closed["lots"], closed["left"], closed["by"]) == (
        "0.04000000",
        "0.06000000",
        command_id("ord-B.1"),
    )
    assert (closed["ref"], closed["by_ref"], moved["ref"]) == ("ord-A.1", "ord-B.1", "ord-A.1")
    assert (moved["kind"], moved["from"], moved["to"], moved["lots"]) == (
        "moved",
        ticket,
        result["rest"],
        "0.06000000",
    )
    assert moved["id"] == closed["id"] == command_id("ord-A.1")
    desk.do(desk.command("close", "ord-C.1", ticket=result["rest"]))
    assert desk.kinds() == ["opened", "closed", "moved", "closed"]
    assert desk.events()[-1]["left"] == "0.00000000"


def test_what_a_partial_close_left_is_known_where_the_server_blanks_comments(desk: Desk) -> None:
    ticket = desk.open("ord-A.1")["ticket"]
    row = desk.sim.account.books.open[ticket]
    rest = desk.sim.account.end(row, row.price, "", row.lots * 4 / 10)
    assert rest is not None
    rest.comment = row.comment = ""
    desk.run()
    assert desk.kinds() == ["opened", "closed", "moved"]
    assert desk.events()[-1]["id"] == command_id("ord-A.1")


def test_close_by_ends_two_tickets(desk: Desk) -> None:
    first, second = desk.open("ord-A.1")["ticket"], desk.open("ord-B.1", type="sell", lots="0.30")["ticket"]
    assert desk.do(desk.command("close_by", "ord-C.1", ticket=first, by=second))["state"] == "done"
    closed = [event for event in desk.events() if event["kind"] == "closed"]
    assert [(one["ticket"], one["lots"], one["left"]) for one in closed] == [
        (first, "0.10000000", "0.00000000"),
        (second, "0.10000000", "0.20000000"),
    ]
    assert {one["by"] for one in closed} == {command_id("ord-C.1")}
    assert desk.events()[-1]["kind"] == "moved"
    assert desk.events()[-1]["id"] == command_id("ord-B.1")


def test_terms_change_and_an_order_is_deleted(desk: Desk) -> None:
    ticket = desk.open("ord-A.1", type="buylimit", price="1.05000", tp="1.20000")["ticket"]
    assert desk.do(desk.command("modify", "ord-A.2", ticket=ticket, price="1.06000"))["state"] == "done"
    row = desk.sim.account.books.open[ticket]
    assert (str(row.price), str(row.tp)) in {("1.06000", "1.20000"), ("1.06", "1.2")}
    again = desk.do(desk.command("modify", "ord-A.3", ticket=ticket, price="1.06000"))
    assert (again["state"], again["code"]) == ("done", 1)
    assert desk.do(desk.command("modify", "ord-A.4", ticket=ticket, tp="0"))["state"] == "done"
    assert desk.do(desk.command("delete", "ord-A.5", ticket=ticket))["state"] == "done"
    assert desk.kinds() == ["placed", "changed", "changed", "deleted"]
    assert (desk.events()[-1]["reason"], desk.events()[-1]["by"]) == ("command", command_id("ord-A.5"))


def test_an_order_expires_at_a_gmt_time(desk: Desk) -> None:
    until = int(desk.clock.now) + 600
    desk.open("ord-A.1", type="buylimit", price="1.05000", expiry=until)
    desk.clock.now = until + 1.0
    desk.run()
    assert desk.kinds() == ["placed", "deleted"]
    assert desk.events()[-1]["reason"] == "expired"


def test_foreign_tickets_money_and_stop_outs_are_told(desk: Desk) -> None:
    account = desk.sim.account
    account.move_money(-account.books.balance + 1500, "withdrawal")
    desk.open("ord-A.1", lots="1.00")
    desk.quote("1.09000", "1.09010")
    desk.run()
    balance, opened, closed = desk.events()
    assert balance["kind"] == "balance"
    assert balance["amount"].startswith("-98500")
    assert (opened["kind"], closed["kind"], closed["reason"]) == ("opened", "closed", "so")


def test_the_clocks_are_told_and_the_history_comes_in_pages(desk: Desk) -> None:
    found = desk.do(desk.command("time", "time-1"))
    assert (found["state"], found["offset_s"], found["offset_known"]) == ("done", 7200, True)
    for number in range(205):
        desk.sim.account.move_money(desk.sim.account.books.balance * 0 + number, f"deposit {number}")
    first = desk.do(desk.command("history", "history-1", since=0))
    assert (len(first["rows"]), first["more"], first["complete"]) == (200, True, True)
    last = first["rows"][-1]
    rest = desk.do(desk.command("history", "history-2", since=last["close_time"], after=last["ticket"]))
    assert (len(rest["rows"]), rest["more"]) == (5, False)
    assert len({row["ticket"] for row in first["rows"] + rest["rows"]}) == 205


# Refusals and doubt.


def test_every_code_of_the_document_is_what_it_says(desk: Desk) -> None:
    text = DOCUMENT.read_text()
    table = text[text.index("| code | state |") : text.index("The result of `time`")]
    stated: dict[int, tuple[str, str]] = {}
    for line in table.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2:
            state = re.findall(r"`(\w+)`", cells[1])
            for code in re.findall(r"(?<![#\w])(\d{1,4})(?= |,|;|\))", cells[0]):
                stated[int(code)] = (state[0], state[1] if len(state) > 1 else "")
    del stated[0], stated[1]
    assert len(stated) > 40
    stated[12345] = ("unknown", "")
    for code, (state, why) in stated.items():
        desk.sim.account.faults = ServerFaults(refuse=code)
        result = desk.open(f"ord-{code}.1")
        assert (result["state"], result["why"], result["code"]) == (state, why, code), code
    assert not desk.events()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"lots": "0.105"}, 'lots is "0.105"'),
        ({"lots": "0.00"}, 'lots is "0.00"'),
        ({"lots": "1e2"}, 'lots is "1e2"'),
        ({"symbol": "NOSUCH"}, 'symbol is "NOSUCH"'),
        ({"type": "buystoplimit"}, 'type is "buystoplimit"'),
        ({"type": "buylimit"}, "price is missing"),
        ({"price": "1.1"}, "price and expiry are of pending orders alone"),
        ({"magic": 0}, "magic is 0"),
        ({"magic": 2**31}, f"magic is {2**31}"),
        ({"comment": "x" * 32}, "comment is"),
        ({"op": "shut"}, 'op is "shut"'),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_sent(desk: Desk, change: dict[str, Any], named: str) -> None:
    result = desk.do({**desk.open_command("ord-A.1"), **change})
    assert (result["state"], result["why"]) == ("not_sent", "invalid")
    assert named in result["text"]
    assert calls(desk) == []


def test_an_order_whose_answer_was_lost_is_unknown_until_it_shows(desk: Desk) -> None:
    desk.sim.account.faults = ServerFaults(lose=128)
    desk.open("ord-A.1")
    result = desk.result("ord-A.1")
    assert (result["state"], result["found"]) == ("done", True), "it shows in the same cycle"
    desk.sim.account.faults = ServerFaults(late=128, late_s=3)
    assert desk.open("ord-B.1")["state"] == "unknown"
    assert desk.seal("ord-B.1")["state"] == "unknown"
    desk.run(40)
    result = desk.result("ord-B.1")
    assert (result["state"], result["found"]) == ("done", True)
    assert desk.kinds() == ["opened", "result", "opened", "result"]
    assert calls(desk) == ["open", "open"]


def test_a_close_that_was_done_late_is_ours(desk: Desk) -> None:
    ticket = desk.open("ord-A.1")["ticket"]
    desk.sim.account.faults = ServerFaults(late=128, late_s=3)
    assert desk.do(desk.command("close", "ord-B.1", ticket=ticket))["state"] == "unknown"
    desk.run(40)
    assert desk.events()[-2]["by"] == command_id("ord-B.1")
    assert desk.result("ord-B.1")["state"] == "done"


@pytest.mark.parametrize("expert_ends", [False, True])
def test_a_position_that_its_stop_closed_was_not_closed_by_a_command_in_doubt(
    desk: Desk, expert_ends: bool
) -> None:
    ticket = desk.open("ord-A.1", sl="1.09000")["ticket"]
    desk.sim.account.faults = ServerFaults(refuse=128)
    assert desk.do(desk.command("close", "ord-B.1", ticket=ticket))["state"] == "unknown"
    desk.quote("1.08990", "1.09000")
    if expert_ends:
        desk.restart()
    desk.run(2)
    assert (desk.events()[-1]["reason"], desk.events()[-1]["by"]) == ("sl", "")
    assert desk.seal("ord-B.1")["state"] == "unknown"


@pytest.mark.parametrize(
    ("lots", "ended"),
    [({"lots": "0.03"}, "0.10"), ({"lots": "0.10"}, "0.03"), ({}, "0.03")],
    ids=["more than it", "less than it", "a part"],
)
def test_what_ended_with_other_lots_was_not_ended_by_a_command_in_doubt(
    desk: Desk, lots: dict[str, str], ended: str
) -> None:
    ticket = desk.open("ord-A.1")["ticket"]
    desk.sim.account.faults = ServerFaults(refuse=128)
    assert desk.do(desk.command("close", "ord-B.1", ticket=ticket, **lots))["state"] == "unknown"
    desk.sim.account.faults = ServerFaults()
    order_close(desk.sim.account, ticket, Decimal(ended), Decimal("1.10000"), 0)
    desk.run(2)
    closed = next(event for event in desk.events() if event["kind"] == "closed")
    assert (closed["reason"], closed["by"]) == ("other", "")
    desk.restart()
    assert desk.seal("ord-B.1")["state"] == "unknown"


def test_what_one_command_has_ended_was_not_ended_by_another(desk: Desk) -> None:
    ticket = desk.open("ord-A.1")["ticket"]
    desk.sim.account.faults = ServerFaults(refuse=128)
    assert desk.do(desk.command("close", "ord-B.1", ticket=ticket))["state"] == "unknown"
    desk.sim.account.faults = ServerFaults()
    assert desk.do(desk.command("close", "ord-C.1", ticket=ticket))["state"] == "done"
    desk.restart()
    assert desk.events()[-1]["by"] == command_id("ord-C.1")
    assert desk.seal("ord-B.1")["state"] == "unknown"
    assert desk.seal("ord-C.1")["state"] == "done"


def test_an_order_that_has_traded_was_not_deleted(desk: Desk) -> None:
    ticket = desk.open("ord-A.1", type="buylimit", price="1.05000")["ticket"]
    desk.sim.account.faults = ServerFaults(refuse=128)
    assert desk.do(desk.command("delete", "ord-B.1", ticket=ticket))["state"] == "unknown"
    desk.sim.account.faults = ServerFaults()
    desk.quote("1.04990", "1.05000")
    desk.run()
    order_close(desk.sim.account, ticket, Decimal("0.10"), Decimal("1.04990"), 0)
    desk.run(2)
    assert (desk.events()[-1]["kind"], desk.events()[-1]["by"]) == ("closed", "")
    assert desk.seal("ord-B.1")["state"] == "unknown"


@pytest.mark.parametrize("faults", [{"comment_is": ""}, {"comment_is": "broker"}, {"cut_comment": 12}])
def test_a_ticket_is_found_whatever_the_server_makes_of_its_comment(
    desk: Desk, faults: dict[str, Any]
) -> None:
    desk.sim.account.faults = ServerFaults(lose=2, **faults)
    desk.open("ord-A.1")
    assert desk.result("ord-A.1")["state"] == "done"
    assert desk.events()[0]["id"] == command_id("ord-A.1")


def test_a_foreign_ticket_is_not_taken_for_ours(desk: Desk) -> None:
    desk.sim.account.faults = ServerFaults(refuse=128)
    command = desk.open_command("ord-A.1")
    desk.do(command)
    desk.sim.account.faults = ServerFaults()
    zero, symbol = desk.sim.account.books.balance * 0, desk.sim.account.symbol("EURUSD")
    for magic, comment in (
        (command["magic"], "og-another1234567"),
        (command["magic"] ^ 1, command["comment"]),
    ):
        desk.sim.account.enter(symbol, 0, symbol.lot_min, zero, zero, zero, magic, comment, 0)
    desk.run()
    assert [event["id"] for event in desk.events()] == ["", ""]
    assert desk.result("ord-A.1")["state"] == "unknown"


def test_programs_that_may_not_trade_send_nothing(desk: Desk) -> None:
    desk.sim.account.faults = ServerFaults(trade_off=True)
    assert desk.open("ord-A.1")["why"] == "disabled"
    assert calls(desk) == []
    assert not desk.state("account")["trade_allowed"]


def test_a_busy_trade_context_is_waited_for(desk: Desk) -> None:
    desk.sim.account.faults = ServerFaults(context_busy=True)
    desk.send(desk.open_command("ord-A.1"))
    desk.run(5)
    assert desk.peek("ord-A.1") is None
    desk.sim.account.faults = ServerFaults()
    desk.run()
    assert desk.result("ord-A.1")["state"] == "done"


# Expiry, generations, repetition.


def test_a_command_that_expired_is_never_sent(desk: Desk) -> None:
    command = desk.open_command("ord-A.1")
    desk.clock.now += 10
    assert desk.do(command)["why"] == "expired"
    desk.clock.now -= 3600
    desk.restart()
    desk.send(command)
    desk.run()
    assert desk.result("ord-A.1")["why"] == "expired", "whatever the clock says later"
    assert calls(desk) == []


def test_a_command_of_the_future_is_of_a_clock_that_was_set_back(desk: Desk) -> None:
    command = desk.open_command("ord-A.1")
    assert (
        desk.do({**command, "sent_at": command["sent_at"] + 100, "expires_at": command["expires_at"] + 100})[
            "why"
        ]
        == "expired"
    )
    command = desk.open_command("ord-B.1")
    assert desk.do({**command, "expires_at": command["sent_at"] + 301})["why"] == "invalid"


def test_an_old_price_says_nothing_of_the_servers_clock(desk: Desk) -> None:
    desk.clock.now += 7_200
    desk.restart()
    assert not desk.state("account")["offset_known"]
    assert (
        desk.open("ord-A.1", type="buylimit", price="1.05", expiry=int(desk.clock.now) + 900)["why"]
        == "invalid"
    )
    desk.quote("1.10000", "1.10010")
    desk.run()
    assert (desk.state("account")["offset_known"], desk.state("account")["offset_s"]) == (True, 7_200)


@pytest.mark.parametrize("expert", EXPERTS)
def test_a_price_that_comes_with_the_connection_says_nothing_of_it_either(
    expert: str, tmp_path: Path
) -> None:
    desk = Desk(tmp_path / "files", simulation(expert), settle_s=5)
    quoted = int(desk.clock.now) - 200_000

    def shown(at: int) -> None:
        desk.sim.terminal.server_time = lambda: at  # type: ignore[method-assign]

    desk.restart()
    shown(quoted)
    desk.run()
    shown(quoted + 90_000)  # Friday's last, on a Sunday
    desk.run()
    desk.run(1, each_s=6)
    assert (desk.state("account")["ready"], desk.state("account")["offset_known"]) == (True, False)
    shown(int(desk.clock.now) + 7_200)
    desk.run(2, each_s=1)
    assert (desk.state("account")["offset_known"], desk.state("account")["offset_s"]) == (True, 7_200)
    desk.close()


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_is_of_one_account(desk: Desk, again: bool) -> None:
    mine = desk.sim.account.books.number
    assert desk.open("ord-A.1")["state"] == "done"
    desk.sim.account.books.number = mine + 1  # somebody logs in to another
    if again:
        desk.restart()
    command = desk.open_command("ord-B.1")
    desk.send(command)
    desk.run(3)
    assert (desk.state("account")["ready"], desk.state("account")["why"]) == (False, "account")
    assert desk.peek("ord-B.1") is None
    assert calls(desk) == ["open"]
    desk.sim.account.books.number = mine
    desk.run(2)
    assert desk.result("ord-B.1")["state"] == "done"


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="g++ makes a program of the MQL4 text")
def test_a_chart_that_is_given_another_period_reads_what_another_expert_has_done_meanwhile(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path / "files", simulation("mql4"))
    first = desk.sim.expert
    assert isinstance(first, Program)
    assert desk.open("ord-A.1")["state"] == "done"
    first.event("deinit")
    second = Program(simulation("mql4").program, desk.sim.terminal, 0)  # on another chart
    desk.sim.expert = second  # type: ignore[assignment]
    desk.run()
    done = desk.open("ord-B.1")
    first.event("init")  # has not got the folder
    second.event("deinit")
    desk.sim.expert = first
    desk.run()
    again = desk.open("ord-B.1")
    assert (again["state"], again["ticket"]) == ("done", done["ticket"])
    assert calls(desk) == ["open", "open"]
    assert desk.kinds() == ["opened", "opened"]
    second.close()
    desk.close()


def test_the_clock_never_goes_back_within_a_run(desk: Desk) -> None:
    before = desk.state("account")["gmt"]
    ticks = desk.sim.terminal.ticks
    start, real = desk.clock.now, ticks()
    desk.sim.terminal.ticks = lambda: (real + int((desk.clock.now + 7200 - start) * 1000)) % 2**32  # type: ignore[method-assign]
    desk.clock.now -= 3600
    desk.run(30, 0.5)
    now = desk.state("account")["gmt"]
    assert before < now


def test_a_lower_generation_is_fenced_and_an_equal_one_is_not_granted_twice(desk: Desk) -> None:
    old = desk.open_command("ord-A.1")
    desk.own(2, "second")
    assert desk.do(old)["why"] == "fenced"
    desk.own(2, "third")
    assert desk.state("account")["session"] == "second"
    desk.own(1, "fourth")
    assert (desk.state("account")["gen"], desk.state("account")["session"]) == (2, "second")
    ahead = {**desk.open_command("ord-B.1"), "gen": 3}
    assert desk.do(ahead)["why"] == "fenced"
    desk.restart()
    assert (desk.state("account")["gen"], desk.state("account")["session"]) == (2, "second")
    assert calls(desk) == []


def test_the_last_sequence_and_the_first_of_the_next_generation(desk: Desk) -> None:
    desk.seq = 9_999_999_998
    assert desk.open("ord-A.1")["state"] == "done"
    desk.own(999_999_999_999, "last")
    assert desk.open("ord-B.1")["state"] == "done"
    assert desk.seq == 1


def test_an_id_is_carried_out_once(desk: Desk) -> None:
    command = desk.open_command("ord-A.1")
    first = desk.do(command)
    (desk.root / "out" / f"res-{command['id']}.json").unlink()
    desk.seq += 1
    again = desk.do({**command, "seq": desk.seq})
    assert again == first
    desk.restart()
    desk.seq += 1
    assert desk.do({**command, "seq": desk.seq}) == first
    assert calls(desk) == ["open"]


def test_a_sealed_id_is_never_carried_out(desk: Desk) -> None:
    command = desk.open_command("ord-A.1")
    sealed = desk.seal(
        "ord-A.1", target_sent_at=command["sent_at"], magic=command["magic"], comment=command["comment"]
    )
    assert (sealed["target"], sealed["state"], sealed["why"]) == (command["id"], "not_sent", "sealed")
    desk.restart()
    desk.run()
    assert desk.do(command)["why"] == "sealed"
    assert calls(desk) == []


def test_a_seal_tells_what_the_journal_has_and_brings_the_result_back(desk: Desk) -> None:
    first = desk.open("ord-A.1")
    (desk.root / "out" / f"res-{first['id']}.json").unlink()
    sealed = desk.seal("ord-A.1")
    assert (sealed["state"], sealed["ticket"]) == ("done", first["ticket"])
    assert desk.result("ord-A.1")["ticket"] == first["ticket"]


def test_a_seal_proves_nothing_of_a_time_before_the_journal(desk: Desk) -> None:
    sealed = desk.seal("ord-A.1", target_sent_at=int(desk.clock.now) - 100)
    assert (sealed["state"], sealed["why"]) == ("unknown", "forgotten")
    command = desk.open_command("ord-B.1")
    ticket = desk.do(command)["ticket"]
    desk.sim.close()
    shutil.rmtree(desk.root / "journal")
    desk.sim.start()
    desk.own(5, "anew")
    found = desk.seal(
        "ord-B.1", target_sent_at=command["sent_at"], magic=command["magic"], comment=command["comment"]
    )
    assert (found["state"], found["ticket"], found["found"]) == ("done", ticket, True)


def test_a_seal_needs_a_target(desk: Desk) -> None:
    result = desk.do(desk.command("seal", "seal-x"))
    assert (result["state"], result["why"]) == ("not_sent", "invalid")
    assert "target" not in result


# File systems.


def test_a_file_that_is_half_there_is_waited_for(desk: Desk) -> None:
    desk.sim.folder.faults = FolderFaults(half_reads=3)
    desk.send(desk.open_command("ord-A.1"))
    desk.run(5)
    assert desk.result("ord-A.1")["state"] == "done"
    assert calls(desk) == ["open"]


def test_a_file_that_never_becomes_whole_is_set_aside(desk: Desk) -> None:
    command = desk.open_command("ord-A.1")
    name = command_name(command["gen"], command["seq"])
    (desk.root / "in" / name).write_bytes(dress(command)[:-10])
    desk.run(60)
    assert (desk.root / "bad" / name).exists()
    assert not (desk.root / "in" / name).exists()
    (desk.root / "bad" / name).write_bytes(dress(command))
    desk.run(2)
    assert calls(desk) == []
    assert desk.peek("ord-A.1") is None
    assert desk.seal("ord-A.1")["why"] == "sealed"


def test_a_command_under_another_name_is_unreadable(desk: Desk) -> None:
    command = desk.open_command("ord-A.1")
    desk.put(f"in/{command_name(1, 77)}", command)
    desk.run(3)
    assert calls(desk) == []


@pytest.mark.parametrize(
    "faults",
    [
        {"copies": 2},
        {"stale_lists": 3},
        {"hold_cycles": 2},
        {"half_cycles": 2},
        {"half_reads": 2},
    ],
)
def test_defects_of_file_systems_change_nothing(desk: Desk, faults: dict[str, int]) -> None:
    desk.run()
    desk.sim.folder.faults = FolderFaults(**faults)
    desk.send(desk.open_command("ord-A.1"))
    desk.run()
    desk.send(desk.open_command("ord-B.1", type="sell"))
    desk.run(6)
    desk.sim.folder.faults = FolderFaults()
    desk.run(25)
    assert calls(desk) == ["open", "open"]
    assert [desk.result(ref)["state"] for ref in ("ord-A.1", "ord-B.1")] == ["done", "done"]
    assert not list((desk.root / "work").iterdir())
    assert not list((desk.root / "in").iterdir())
    assert desk.kinds() == ["opened", "opened"]
    assert desk.state("orders")["complete"]


@pytest.mark.parametrize("locked", ["in/cmd", "work/cmd", "out/res", "out/tmp-res", "state/", "owner"])
def test_a_file_that_somebody_holds_open_is_tried_again(desk: Desk, locked: str) -> None:
    desk.sim.folder.faults = FolderFaults(locked=locked)
    desk.send(desk.open_command("ord-A.1"))
    desk.run(3)
    desk.sim.folder.faults = FolderFaults()
    desk.run(2)
    assert calls(desk) == ["open"]
    assert desk.result("ord-A.1")["state"] == "done"
    assert not list((desk.root / "work").iterdir())


def test_nothing_is_sent_where_it_cannot_be_written_down(desk: Desk) -> None:
    desk.sim.folder.faults = FolderFaults(full=True)
    desk.send(desk.open_command("ord-A.1"))
    desk.run(3)
    assert calls(desk) == []
    desk.sim.folder.faults = FolderFaults()
    desk.run(2)
    assert (desk.result("ord-A.1")["state"], desk.result("ord-A.1")["why"]) == ("not_sent", "disk")
    assert desk.open("ord-B.1")["state"] == "done"
    desk.restart()
    assert desk.kinds() == ["opened"]


def test_a_result_that_could_not_be_written_down_is_not_forgotten(desk: Desk) -> None:
    account, folder = desk.sim.account, desk.sim.folder
    enter = account.enter

    def and_then_full(*given: Any) -> Any:
        folder.faults = FolderFaults(full=True)
        return enter(*given)

    account.enter = and_then_full  # type: ignore[method-assign]
    desk.send(desk.open_command("ord-A.1"))
    desk.run(2)
    assert desk.peek("ord-A.1") is None
    folder.faults = FolderFaults()
    desk.run(2)
    assert desk.result("ord-A.1")["state"] == "done"
    assert desk.kinds() == ["opened"]
    assert calls(desk) == ["open"]


def test_a_refusal_that_could_not_be_written_down_is_not_forgotten(desk: Desk) -> None:
    folder, terminal = desk.sim.folder, desk.sim.terminal

    def and_then_full(*given: Any) -> Any:
        folder.faults = FolderFaults(full=True)
        raise Refused(134)

    terminal.order_send = and_then_full  # type: ignore[method-assign]
    desk.send(desk.open_command("ord-A.1"))
    desk.run(2)
    folder.faults = FolderFaults()
    desk.run(2)
    assert desk.result("ord-A.1")["code"] == 134
    desk.restart()
    assert desk.seal("ord-A.1")["state"] == "rejected"


def test_commands_of_an_earlier_run_that_lie_there_are_refused_by_their_time(desk: Desk) -> None:
    command = desk.open_command("ord-A.1")
    desk.send(command)
    desk.clock.now += 60
    desk.restart()
    assert desk.result("ord-A.1")["why"] == "expired"


@pytest.mark.parametrize("later_s", [0, 60])
def test_what_the_loss_of_power_took_from_the_journal_is_found_in_the_account(
    desk: Desk, later_s: int
) -> None:
    command = desk.open_command("ord-A.1")
    ticket = desk.do(command)["ticket"]
    desk.sim.close()
    shutil.rmtree(desk.root / "journal")
    desk.clock.now += later_s
    desk.send(command)
    desk.sim.start()
    desk.run(2)
    result = desk.result("ord-A.1")
    assert (result["state"], result["ticket"], result["found"]) == ("done", ticket, True)
    assert calls(desk) == ["open"]


# The terminal.


def test_a_terminal_that_is_not_connected_takes_nothing_and_says_so(desk: Desk) -> None:
    desk.open("ord-A.1")
    desk.sim.account.faults = ServerFaults(disconnected=True)
    desk.send(desk.open_command("ord-B.1"))
    desk.run(12)
    account = desk.state("account")
    assert (account["ready"], account["why"], account["connected"]) == (False, "connection", False)
    assert not desk.state("orders")["complete"]
    assert desk.do(desk.command("time", "time-1"))["state"] == "done"
    assert desk.peek("ord-B.1") is None
    desk.sim.account.faults = ServerFaults()
    desk.clock.now += 10
    desk.run()
    assert desk.result("ord-B.1")["why"] == "expired"
    assert desk.kinds() == ["opened"]


def test_a_terminal_that_shows_nothing_yet_says_nothing(desk: Desk) -> None:
    desk.open("ord-A.1")
    desk.restart(connects_in_s=5)
    desk.run(10)
    assert not desk.state("orders")["complete"]
    assert not desk.state("account")["ready"]
    desk.run(60)
    assert desk.state("orders")["complete"]
    assert desk.kinds() == ["opened"]


def test_a_ticket_that_is_nowhere_is_missing_until_the_history_has_it(desk: Desk) -> None:
    desk.open("ord-A.1", sl="1.09000")
    desk.sim.account.faults = ServerFaults(history_lag=1)
    desk.quote("1.08000", "1.08010")
    desk.run(2)
    assert desk.state("account")["missing"] == 1
    assert not desk.state("orders")["complete"]
    desk.sim.account.faults = ServerFaults()
    desk.run(2)
    assert desk.state("account")["missing"] == 0
    assert desk.state("orders")["complete"]
    assert desk.kinds() == ["opened", "closed"]


def test_a_list_that_changes_while_it_is_read_is_not_believed(desk: Desk) -> None:
    desk.open("ord-A.1")
    desk.open("ord-B.1")
    desk.sim.account.faults = ServerFaults(raced=True)
    desk.run(25)
    assert desk.kinds() == ["opened", "opened"]
    assert not desk.state("orders")["complete"]


def test_what_happened_while_the_expert_was_down_is_told_when_it_is_back(desk: Desk) -> None:
    first = desk.open("ord-A.1", type="buylimit", price="1.09000", tp="1.15000")["ticket"]
    second = desk.open("ord-B.1", type="sell")["ticket"]
    desk.clock.now += 9 * 86_400
    desk.quote("1.08990", "1.09000")
    account = desk.sim.account
    account.end(
        account.books.open[second], account.symbol("EURUSD").ask, "", account.books.open[second].lots / 2
    )
    deposit = account.move_money(account.books.balance * 0 + 50, "deposit").ticket
    desk.quote("1.16000", "1.16010")
    desk.clock.now += 4 * 86_400
    desk.quote("1.16000", "1.16010")
    desk.restart()
    told = desk.events()[2:]
    assert [(one["kind"], one.get("ticket")) for one in told if one["kind"] != "moved"] == [
        ("opened", first),
        ("closed", first),
        ("closed", second),
        ("balance", deposit),
    ]
    assert {one["id"] for one in told if one["kind"] == "moved"} == {command_id("ord-B.1")}
    desk.restart()
    assert len(desk.events()) == 2 + len(told)


def test_a_position_that_was_partly_closed_before_it_was_seen_began_whole(desk: Desk) -> None:
    account = desk.sim.account
    symbol, zero = account.symbol("EURUSD"), account.books.balance * 0
    row = account.enter(symbol, 0, symbol.lot_min * 10, zero, zero, zero, 7, "by hand", 0)
    rest = account.leave(row, symbol.lot_min * 3)
    assert rest is not None
    account.leave(rest, symbol.lot_min * 2)
    desk.run()
    told = [(one["kind"], one["lots"][:4]) for one in desk.events()]
    assert sorted(told) == [
        ("closed", "0.02"),
        ("closed", "0.03"),
        ("moved", "0.05"),
        ("moved", "0.07"),
        ("opened", "0.10"),
    ]
    desk.restart()
    assert len(desk.events()) == len(told)


def test_events_go_on_in_the_next_days_file(desk: Desk) -> None:
    desk.open("ord-A.1", sl="1.00000")
    for _ in range(3):
        desk.clock.now += 86_400
        desk.run(2)
        desk.quote("1.10000", "1.10010")
        desk.open(f"ord-{desk.clock.now}.1")
        desk.restart()
    desk.quote("0.99000", "0.99010")
    desk.run()
    assert len(list((desk.root / "events").iterdir())) == 4
    assert desk.kinds() == ["opened"] * 4 + ["closed"]
    begun = [line["kind"] for line in desk.lines()].count("begun")
    assert begun == 4


def test_events_that_were_lost_begin_a_new_stream(desk: Desk) -> None:
    desk.open("ord-A.1")
    before = desk.state("account")["stream"]
    shutil.rmtree(desk.root / "events")
    desk.restart()
    assert desk.state("account")["stream"] != before
    assert desk.events() == []
    assert desk.state("orders")["complete"]


def test_old_journals_go_when_all_their_commands_have_ended(desk: Desk) -> None:
    desk.open("ord-A.1")
    since = desk.state("account")["journal_since"]
    desk.clock.now += 86_400
    desk.sim.account.faults = ServerFaults(refuse=128)
    desk.run()
    desk.quote("1.10000", "1.10010")
    assert desk.open("ord-B.1")["state"] == "unknown"
    desk.clock.now += 95 * 86_400
    desk.run(2)
    names = sorted(path.name for path in (desk.root / "journal").iterdir() if path.name != "lock")
    assert len(names) == 2, "the first day went, the second has a command in doubt, today's is new"
    assert desk.state("account")["journal_since"] > since
    assert desk.seal("ord-Z.1", target_sent_at=since)["why"] == "forgotten"


def test_after_90_quiet_days_runs_and_generations_go_on_and_what_is_open_is_ours(desk: Desk) -> None:
    desk.own(7, "seventh")
    desk.restart()
    ticket = desk.open("ord-A.1")["ticket"]
    before = desk.state("account")
    for _ in range(93):
        desk.clock.now += 86_400
        desk.run()
    assert len(list((desk.root / "journal").glob("journal-*"))) == 1
    (desk.root / "owner.json").unlink()
    desk.restart()
    after = desk.state("account")
    assert after["journal_since"] > before["journal_since"]
    assert (after["run"], after["gen"], after["session"]) == (before["run"] + 1, 7, "seventh")
    assert [after[key] for key in ("journal", "stream")] == [before[key] for key in ("journal", "stream")]
    desk.quote("1.10000", "1.10010")
    desk.run(2)
    (row,) = desk.state("orders")["rows"]
    assert (row["ticket"], row["id"], row["ref"]) == (ticket, command_id("ord-A.1"), "ord-A.1")


def test_what_is_open_is_not_told_of_another_moment_than_the_events(desk: Desk) -> None:
    desk.open("ord-A.1", type="buylimit", price="1.05000")
    real = desk.sim.folder.names

    def fills(folder: str) -> list[str]:
        if folder == "out":  # the last that is done before what is open is told, on a new day
            desk.sim.folder.names = real  # type: ignore[method-assign]
            desk.quote("1.04990", "1.05000")
            desk.sim.terminal.refresh()
        return real(folder)

    desk.sim.folder.names = fills  # type: ignore[method-assign]
    desk.clock.now += 86_400
    desk.run()
    orders = desk.state("orders")
    assert (desk.kinds(), orders["complete"], orders["rows"]) == (["placed"], False, [])
    desk.run()
    orders = desk.state("orders")
    assert (desk.kinds(), orders["complete"]) == (["placed", "opened"], True)
    assert [row["type"] for row in orders["rows"]] == ["buy"]


def test_a_second_expert_on_the_same_folder_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.run()
    before = sorted((p, p.read_bytes()) for p in desk.root.rglob("*") if p.is_file())
    other = type(desk.sim)(desk.root, clock=desk.clock)
    other.cycle(3)
    assert sorted((p, p.read_bytes()) for p in desk.root.rglob("*") if p.is_file()) == before
    other.close()


def test_text_is_escaped(desk: Desk) -> None:
    account = desk.sim.account
    account.move_money(account.books.balance * 0 + 1, 'a "quote" \\ \u00e9 \n end')
    desk.run()
    (event,) = desk.events()
    assert event["comment"] == 'a "quote" \\ \u00e9 \n end'
    path = next((desk.root / "events").iterdir())
    assert all(byte < 0x7F for byte in path.read_bytes())


def test_symbols_and_prices_are_told(desk: Desk) -> None:
    (row,) = desk.state("symbols")["rows"]
    symbol = Symbol()
    assert (row["symbol"], row["digits"], row["lot_step"]) == (symbol.name, 5, "0.01000000")
    assert row["execution"] == "instant"
    assert (row["currency_base"], row["currency_profit"]) == ("EUR", "USD")
    (tick,) = desk.state("ticks")["rows"]
    assert (tick["bid"], tick["ask"]) == ("1.10000000", "1.10010000")
    desk.quote("1.20000", "1.20010")
    desk.run()
    assert desk.state("ticks")["rows"][0]["bid"] == "1.20000000"


def test_the_heartbeat_goes_on_and_runs_rise(desk: Desk) -> None:
    first = desk.state("account")
    desk.run(25)
    second = desk.state("account")
    assert second["n"] > first["n"]
    assert second["run"] == first["run"]
    desk.restart()
    assert desk.state("account")["run"] == first["run"] + 1
    assert undress((desk.root / "state" / "account.json").read_bytes()[:-1]) is None
