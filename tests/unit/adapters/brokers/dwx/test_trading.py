"""Orders at a hedging account: what opens, what closes, in whole and in parts, and what the server closes by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.services.dwx import Desk, desk, limit, market

from ordergate.adapters.brokers.dwx import giving
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Presence, Withdraw
from ordergate.domain.orders.reports import End, Outcome
from ordergate.domain.orders.states import OrderType, Side
from ordergate.testing.metatrader4.dwx_files import State

BID, ASK = Decimal("1.09999"), Decimal("1.10001")


def at_a_desk(folder: Path, case: Callable[[Desk], Awaitable[None]], **settings: int) -> None:
    async def main() -> None:
        async with desk(folder, **settings) as made:
            await case(made)

    run_virtual(main())


def test_a_position_is_its_orders_fill(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        at.terminal.account.commission = Decimal(7)
        levels = {"stop_loss": Decimal("1.09000"), "take_profit": Decimal("1.12000")}
        answer = await at.submit(market("in.1", "0.3", **levels))
        assert (answer.outcome, answer.broker_order_id) == (Outcome.ACCEPTED, "1000")
        (one,) = at.sink.executions.values()
        assert (one.exec_id, one.quantity, one.price) == ("1000-open", Decimal("0.3"), ASK)
        assert (one.fee, one.fee_currency, one.side) == (Decimal("2.1"), "USD", Side.BUY)
        assert one.completes
        order = at.terminal.account.open[1000]
        assert (order.stop_loss, order.take_profit) == tuple(levels.values())

    at_a_desk(tmp_path, case)


def test_a_sell_closes_what_we_opened_the_oldest_first(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        account = at.terminal.account
        account.commission = Decimal(10)
        for name in ("a.1", "b.1"):
            await at.submit(market(name, "0.3"))
        answer = await at.submit(market("out.1", "0.1", Side.SELL))
        assert (answer.outcome, answer.broker_order_id) == (Outcome.ACCEPTED, "1000-close")
        assert account.open[1002].comment == "from #1000"
        await at.submit(market("out.2", "0.1", Side.SELL))  # the same order again
        await at.submit(market("rest.1", "0.4", Side.SELL))
        assert at.told[2:] == [
            ("out.1", "1000-close", Decimal("0.1"), BID),
            ("rest.1", "1002-close", Decimal("0.2"), BID),
            ("rest.1", "1001-close", Decimal("0.2"), BID),
        ]
        (left,) = account.open.values()
        assert (left.lots, left.comment) == (Decimal("0.1"), "from #1001")
        statement = await at.broker.statement(at.terminal.clock.now())
        assert statement.positions == {"EURUSD": Decimal("0.1")}
        fees = sum(one.fee for one in at.sink.executions.values())
        assert fees == Decimal(6)  # once for each lot
        assert not at.sink.ends

    at_a_desk(tmp_path, case)


def test_one_sell_right_behind_another(tmp_path: Path) -> None:
    """The second closes what the first has left, under its new ticket, and opens nothing."""

    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.3"))
        for name, lots in (("a.1", "0.1"), ("b.1", "0.2")):
            assert (await at.broker.submit(market(name, lots, Side.SELL))).outcome is Outcome.ACCEPTED
        await at.rest()
        assert not at.terminal.account.open
        assert [one[:3] for one in at.told[1:]] == [
            ("a.1", "1000-close", Decimal("0.1")),
            ("b.1", "1001-close", Decimal("0.2")),
        ]

    at_a_desk(tmp_path, case)


def test_a_sell_behind_one_that_is_unknown_is_not_sent(tmp_path: Path) -> None:
    """It would close what may be closed already, or open what nobody wanted."""

    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.3"))
        place = at.terminal.files.command(0)

        def vanishes() -> None:  # as where the terminal is restarted just now
            if place.exists() and "|CLOSE_ORDER|" in place.read_text():
                place.unlink()

        at.terminal.server.before_tick = vanishes
        assert (await at.broker.submit(market("a.1", "0.3", Side.SELL))).outcome is Outcome.UNKNOWN
        at.terminal.server.before_tick = lambda: None
        answer = await at.broker.submit(market("b.1", "0.1", Side.SELL))
        assert answer.outcome is Outcome.NOT_SENT
        assert "what became of position 1000" in str(answer.reason)
        assert "a.1 was to close it; where it stays open, close it in the terminal" in str(answer.reason)
        assert list(at.terminal.account.open) == [1000]
        at.terminal.account.stop_out(1000)
        await at.rest()
        assert at.sink.executions["1000-close"].closes == "in.1"
        assert [end.client_id for end in at.sink.ends] == ["a.1"]

    at_a_desk(tmp_path, case)


@pytest.mark.parametrize(("lots", "told"), [("0.3", ["a.1"]), ("0.2", [])])
def test_closing_by_hand_ends_that_it_is_not_known(tmp_path: Path, lots: str, told: list[str]) -> None:
    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.3"))
        place = at.terminal.files.command(0)

        def vanishes() -> None:
            if place.exists() and "|CLOSE_ORDER|" in place.read_text():
                place.unlink()

        at.terminal.server.before_tick = vanishes
        assert (await at.broker.submit(market("a.1", "0.3", Side.SELL))).outcome is Outcome.UNKNOWN
        at.terminal.server.before_tick = lambda: None
        at.terminal.account.close(1000, Decimal(lots))
        await at.rest()
        assert [one.client_id for name, one in at.sink.executions.items() if name == "1000-close"] == told
        assert (await at.broker.submit(market("b.1", "0.1", Side.SELL))).outcome is Outcome.ACCEPTED

    at_a_desk(tmp_path, case)


def test_what_is_left_of_a_sell_opens(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.2"))
        answer = await at.submit(market("turn.1", "0.5", Side.SELL))
        assert answer.outcome is Outcome.ACCEPTED
        assert at.told[1:] == [
            ("turn.1", "1001-open", Decimal("0.3"), BID),
            ("turn.1", "1000-close", Decimal("0.2"), BID),
        ]
        await at.submit(market("cover.1", "0.3", Side.COVER))
        assert at.told[3:] == [("cover.1", "1001-close", Decimal("0.3"), ASK)]
        assert [one.completes for one in at.sink.executions.values()] == [True, False, True, True]
        assert not at.terminal.account.open
        for name in ("in.1", "turn.1", "cover.1"):
            known = await at.broker.lookup(name)
            assert known.presence is Presence.FOUND
            assert all(report.client_id == name for report in known.reports)

    at_a_desk(tmp_path, case)


def test_a_short_and_a_buy_open_beside_what_there_is(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.2"))
        await at.submit(market("short.1", "0.2", Side.SHORT))
        assert [order.type for order in at.terminal.account.open.values()] == ["buy", "sell"]

    at_a_desk(tmp_path, case)


def test_what_others_have_opened_is_never_closed(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        account, none = at.terminal.account, (Decimal(0), Decimal(0))
        theirs = account.send("EURUSD.r", "buy", Decimal("0.5"), ASK, 3, none, "by hand", 0)
        await at.submit(market("in.1", "0.1"))
        await at.submit(market("out.1", "0.4", Side.SELL))
        assert account.open[theirs].lots == Decimal("0.5")
        assert [(one[0], one[2]) for one in at.told] == [
            ("in.1", Decimal("0.1")),
            ("out.1", Decimal("0.3")),
            ("out.1", Decimal("0.1")),
        ]
        statement = await at.broker.statement(at.terminal.clock.now())
        assert statement.positions == {"EURUSD": Decimal("0.2")}

    at_a_desk(tmp_path, case)


@pytest.mark.parametrize(
    ("bid", "how"), [("1.08900", OrderType.STOP), ("1.12100", OrderType.LIMIT), (None, None)]
)
def test_what_the_server_closes_by_itself(bid: str | None, how: OrderType | None, tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        levels = {"stop_loss": Decimal("1.09000"), "take_profit": Decimal("1.12000")}
        await at.submit(market("in.1", "0.3", **levels))
        if bid is None:
            at.terminal.account.stop_out(1000)
        else:
            at.terminal.account.quote("EURUSD.r", Decimal(bid), Decimal(bid) + Decimal("0.00002"))
        await at.rest()
        one = at.sink.executions["1000-close"]
        assert (one.client_id, one.closes, one.broker_order_id) == (None, "in.1", "1000-close")
        assert (one.side, one.order_type, one.quantity) == (Side.SELL, how, Decimal("0.3"))
        assert one.price == (BID if bid is None else Decimal(bid))
        await at.rest(10)
        assert len(at.sink.executions) == 2

    at_a_desk(tmp_path, case)


def test_a_stop_that_closes_between_two_looks_loses_no_fill(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(market("first.1", "0.1"))
        await at.submit(replace(limit("in.1", "1.09900"), stop_loss=Decimal("1.09800")))
        for bid in ("1.09890", "1.09700"):  # opened and stopped out before anything is written
            at.terminal.account.quote("EURUSD.r", Decimal(bid), Decimal(bid) + Decimal("0.00002"))
        await at.rest()
        names = [one[1] for one in at.told]
        assert names == ["1000-open", "1001-open", "1001-close"]
        assert at.sink.executions["1001-close"].closes == "in.1"

    at_a_desk(tmp_path, case)


def test_what_a_person_closes_is_not_ours(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.3"))
        at.terminal.account.close(1000, Decimal("0.1"))
        await at.rest()
        assert len(at.told) == 1
        await at.submit(market("out.1", "0.2", Side.SELL))  # what is left, under its new ticket
        assert at.told[1:] == [("out.1", "1001-close", Decimal("0.2"), BID)]

    at_a_desk(tmp_path, case)


def test_a_closing_whose_answer_is_lost_is_told_by_its_ticket(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.3"))
        at.terminal.server.mute = True
        answer = await at.broker.submit(market("out.1", "0.3", Side.SELL))
        assert answer.outcome is Outcome.UNKNOWN
        at.terminal.server.mute = False
        known = await at.broker.lookup("out.1")
        assert known.presence is Presence.FOUND
        assert at.told[1:] == [("out.1", "1000-close", Decimal("0.3"), BID)]

    at_a_desk(tmp_path, case)


def test_a_closing_that_timed_out_at_the_server_and_was_done(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.3"))
        at.terminal.server.lies = 128
        answer = await at.broker.submit(market("out.1", "0.3", Side.SELL))
        assert answer.outcome is Outcome.UNKNOWN
        assert "trade timeout" in str(answer.reason)
        at.terminal.server.lies = None
        await at.rest()
        assert at.told[1:] == [("out.1", "1000-close", Decimal("0.3"), BID)]

    at_a_desk(tmp_path, case)


def test_an_order_that_is_refused_in_its_second_step_ends(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.2"))
        at.terminal.account.refuses = 134
        answer = await at.submit(market("turn.1", "0.5", Side.SELL))
        assert answer.outcome is Outcome.ACCEPTED
        assert at.told[1:] == [("turn.1", "1000-close", Decimal("0.2"), BID)]
        (end,) = at.sink.ends
        assert (end.client_id, end.end) == ("turn.1", End.CANCELED)

    at_a_desk(tmp_path, case)


def test_a_process_that_ends_between_two_steps_of_an_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has given is told; what it has not is never given by another process: the order ends."""

    async def case(at: Desk) -> None:
        for name in ("a.1", "b.1"):
            await at.submit(market(name, "0.2"))

        def killed(*_: object) -> None:
            raise asyncio.CancelledError

        monkeypatch.setattr(giving.Giving, "_note", killed)
        with pytest.raises(asyncio.CancelledError):
            await at.broker.submit(market("out.1", "0.4", Side.SELL))
        monkeypatch.undo()
        await at.broker.close()
        later = Desk(at.terminal, tmp_path / "notebook.db")
        await later.open()
        await later.rest()
        assert [one[1] for one in later.told] == ["1000-open", "1001-open", "1000-close"]
        assert [(end.client_id, end.end) for end in later.sink.ends] == [("out.1", End.CANCELED)]
        assert [order.ticket for order in at.terminal.account.open.values()] == [1001]
        await later.broker.close()

    at_a_desk(tmp_path, case)


def test_a_cancel_never_closes_what_was_opened_meanwhile(tmp_path: Path) -> None:
    """The ticket of an order that waits is that of its position: by the same command it would be sold again."""

    async def case(at: Desk) -> None:
        await at.submit(limit("rest.1"))
        stale = at.terminal.files.states
        stale["DWX_Orders"] = State.FROZEN  # so the adapter does not see it
        at.terminal.account.quote("EURUSD.r", Decimal("1.08990"), Decimal("1.08992"))
        answer = await at.broker.cancel(Withdraw(client_id="rest.2", order="rest.1", broker_order_id=None))
        assert answer.outcome is Outcome.REJECTED
        assert "invalid function parameter value" in str(answer.reason)
        stale.clear()
        await at.rest()
        assert at.terminal.account.open[1000].type == "buy"
        assert [one[1] for one in at.told] == ["1000-open"]
        assert not at.sink.ends

    at_a_desk(tmp_path, case)


def test_a_cancel_that_closes_all_the_same_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a terminal that takes a closing of less than nothing for one of all that there is."""
    monkeypatch.setattr(giving, "_NEVER", Decimal(0))

    async def case(at: Desk) -> None:
        await at.submit(limit("rest.1"))
        at.terminal.files.states["DWX_Orders"] = State.FROZEN
        at.terminal.account.quote("EURUSD.r", Decimal("1.08990"), Decimal("1.08992"))
        await at.broker.cancel(Withdraw(client_id="rest.2", order="rest.1", broker_order_id=None))
        at.terminal.files.states.clear()
        await at.rest()
        assert [(one.exec_id, one.closes) for one in at.sink.executions.values()] == [
            ("1000-open", None),
            ("1000-close", "rest.1"),
        ]
        assert not at.sink.ends

    at_a_desk(tmp_path, case)


def test_an_order_that_somebody_deletes_has_ended(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(limit("rest.1"))
        at.terminal.account.delete(1000)
        await at.rest()
        (end,) = at.sink.ends
        assert (end.client_id, end.end) == ("rest.1", End.CANCELED)

    at_a_desk(tmp_path, case)


def test_a_lost_notebook_is_made_up_for_by_magic_and_comment(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        await at.submit(market("in.1", "0.3"))
        await at.submit(limit("rest.1"))
        await at.submit(market("gone.1", "0.1"))
        at.terminal.account.close(1002, Decimal("0.1"))
        await at.broker.close()
        with_new = Desk(at.terminal, tmp_path / "other.db")
        await with_new.open()
        try:
            for name, executions in (("in.1", 1), ("rest.1", 0), ("gone.1", 1)):
                known = await with_new.broker.lookup(name)
                assert known.presence is Presence.FOUND
                assert len(known.reports) == 1 + executions
            assert (await with_new.broker.open_orders()).client_ids == {"rest.1"}
            told = {one[1]: one[2] for one in with_new.told}
            assert told == {one[1]: one[2] for one in at.told}
        finally:
            await with_new.broker.close()

    at_a_desk(tmp_path, case)


def test_the_limits_of_the_expert_advisor(tmp_path: Path) -> None:
    async def case(at: Desk) -> None:
        at.terminal.server.maximum_orders, at.terminal.server.maximum_lots = 1, Decimal("0.01")
        answer = await at.submit(market("big.1", "0.1"))
        assert answer.outcome is Outcome.REJECTED
        assert "MaximumLotSize (0.01)" in str(answer.reason)
        assert "raise the expert advisor's input MaximumLotSize" in str(answer.reason)
        await at.submit(market("one.1", "0.01"))
        answer = await at.submit(market("two.1", "0.01"))
        assert answer.outcome is Outcome.REJECTED
        assert "raise the expert advisor's input MaximumOrders" in str(answer.reason)

    at_a_desk(tmp_path, case)
