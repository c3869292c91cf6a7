"""Orders in MetaTrader 4's hedging account: what opens, what closes, step after step, and what the server does itself."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.mt4.ids import comment_of, magic_of
from ordergate.adapters.brokers.mt4.wire import id_of, written
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Answer, Presence, Send
from ordergate.domain.orders.reports import AnyReport, Confirmed, End, Ended, Executed, Outcome
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.testing.conformance.counterpart import Recorder
from ordergate.testing.metatrader4.faults import ServerFaults
from ordergate.testing.metatrader4.trading import order_close, order_send
from tests.services.mt4 import EURUSD, Mt4Counterpart, counterpart

LOT = Decimal("0.01")
Case = Callable[["Talk"], Awaitable[None]]


class Talk:
    """A session, and what it was told."""

    def __init__(self, venue: Mt4Counterpart) -> None:
        self.venue, self.sink, self.given = venue, Recorder(), 0
        self.account = venue.running.sim.account

    @property
    def broker(self) -> Any:
        return self.venue.broker

    async def connect(self) -> None:
        self.sink = Recorder()
        await self.broker.connect(self.sink, None)
        await self.quote("1.10000", "1.10002")

    async def again(self) -> None:
        """Another process."""
        await self.venue.reopen()
        await self.connect()

    async def quote(self, bid: str, ask: str) -> None:
        await self.venue.set_market(Decimal(bid), Decimal(ask), Decimal(0))
        await self.venue.settle()

    async def order(self, client_id: str, side: Side, lots: int, **terms: Any) -> Answer:
        send = Send(
            client_id=client_id,
            symbol="EURUSD",
            side=side,
            quantity=lots * LOT,
            order_type=OrderType.MARKET,
            tif=TimeInForce.GTC,
        )
        answer: Answer = await self.broker.submit(replace(send, **terms))
        await self.venue.settle()
        return answer

    async def accepted(self, client_id: str, side: Side, lots: int, **terms: Any) -> Answer:
        answer = await self.order(client_id, side, lots, **terms)
        assert answer.outcome is Outcome.ACCEPTED, answer
        return answer

    async def other(self, ref: str, side: Side, lots: int, ticket: int = 0) -> None:
        """What another process of ours has handed over, in the same session."""
        session, running = self.broker.session, self.venue.running
        self.given += 1
        name, at = id_of(ref), session.now
        open_ = {"symbol": EURUSD, "type": "buy", "magic": magic_of(ref), "comment": comment_of(ref)}
        keys = {"ticket": ticket} if ticket else open_
        said = {
            "v": 1, "kind": "command", "gen": session.owner.gen, "seq": 1_000 + self.given, "id": name, "ref": ref,
            "sent_at": at, "expires_at": at + 5, "op": "close" if ticket else "open", "lots": written(lots * LOT), **keys,
        }  # fmt: skip
        session.folder.give(session.owner.gen, 1_000 + self.given, said)
        for _ in range(5):
            running.cycle()

    def of(self, client_id: str) -> list[AnyReport]:
        return [report for report in self.sink.reports if report.client_id == client_id]

    def executed(self, client_id: str) -> list[Executed]:
        return [report for report in self.of(client_id) if isinstance(report, Executed)]

    async def found(self, client_id: str) -> tuple[AnyReport, ...]:
        lookup = await self.broker.lookup(client_id)
        assert lookup.presence is Presence.FOUND, lookup
        reports: tuple[AnyReport, ...] = lookup.reports
        return reports

    @property
    def held(self) -> dict[str, Decimal]:
        """Lots by direction."""
        sums = {"buy": Decimal(0), "sell": Decimal(0)}
        for ticket in self.account.books.open.values():
            if not ticket.pending:
                sums["buy" if ticket.buys else "sell"] += ticket.lots
        return sums


def talk(case: Case) -> None:
    async def main() -> None:
        async with counterpart() as venue:
            one = Talk(venue)
            await one.connect()
            await case(one)

    run_virtual(main())


def test_buying_and_selling_short_open() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("b.1", Side.BUY, 2)
        await t.accepted("s.1", Side.SHORT, 3)
        assert t.held == {"buy": 2 * LOT, "sell": 3 * LOT}
        assert [said.completes for said in t.executed("s.1")] == [True]
        statement = await t.broker.statement(t.venue.running.clock.start)
        assert statement.positions == {"EURUSD": -LOT}

    talk(case)


def test_selling_closes_what_we_opened_the_oldest_first() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("one.1", Side.BUY, 2)
        await t.accepted("two.1", Side.BUY, 2)
        answer = await t.accepted("out.1", Side.SELL, 3)
        first, second = t.executed("out.1")
        assert answer.broker_order_id == first.broker_order_id == first.exec_id == "5000001:closed"
        assert (first.quantity, second.quantity) == (2 * LOT, LOT)
        assert second.exec_id == "5000002:closed"
        assert t.held == {"buy": LOT, "sell": Decimal(0)}
        assert isinstance(t.of("out.1")[-1], Confirmed)

    talk(case)


def test_what_a_partial_close_leaves_is_closed_later() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.BUY, 5)
        await t.accepted("out.1", Side.SELL, 2)
        await t.accepted("rest.1", Side.SELL, 3)
        assert [said.quantity for said in t.executed("rest.1")] == [3 * LOT]
        assert t.held["buy"] == 0
        assert [said.completes for said in (*t.executed("out.1"), *t.executed("rest.1"))] == [True, True]

    talk(case)


@pytest.mark.parametrize("again", [False, True])
def test_all_of_a_commission_is_told_once_however_a_position_is_closed(again: bool) -> None:
    async def case(t: Talk) -> None:
        t.account.books.symbols[EURUSD].commission = Decimal("7.03")
        await t.accepted("in.1", Side.BUY, 7)
        await t.accepted("part.1", Side.SELL, 3)
        if again:
            await t.again()
        await t.accepted("more.1", Side.SELL, 1)
        await t.accepted("rest.1", Side.SELL, 3)
        told = {name: said.fee for name, said in t.sink.executions.items()}
        paid = {str(row.ticket): -row.commission for row in t.account.books.closed.values()}
        assert told == {
            "5000001:opened": sum(paid.values()),
            **{f"{ticket}:closed": Decimal(0) for ticket in paid},
        }

    talk(case)


def test_what_is_left_of_a_sale_opens() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.BUY, 1)
        await t.accepted("out.1", Side.SELL, 3)
        assert t.held == {"buy": Decimal(0), "sell": 2 * LOT}
        assert [said.exec_id.partition(":")[2] for said in t.executed("out.1")] == ["closed", "opened"]
        assert sum(said.quantity for said in t.executed("out.1")) == 3 * LOT

    talk(case)


def test_covering_closes_shorts() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.SHORT, 2)
        await t.accepted("long.1", Side.BUY, 1)
        await t.accepted("out.1", Side.COVER, 2)
        assert t.held == {"buy": LOT, "sell": Decimal(0)}

    talk(case)


def test_positions_of_others_are_left_alone() -> None:
    async def case(t: Talk) -> None:
        zero = Decimal(0)
        order_send(t.account, EURUSD, 0, LOT, Decimal("1.10002"), 5, zero, zero, "by hand", 7, 0)
        await t.venue.settle()
        await t.accepted("out.1", Side.SELL, 1)
        assert t.held == {"buy": LOT, "sell": LOT}

    talk(case)


def test_a_later_step_that_is_refused_ends_the_order() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.BUY, 1)
        real = t.broker._desk._command

        async def refuse(ref: str, *given: Any) -> Any:
            if ref == "out.1#2":
                t.account.faults = ServerFaults(refuse=132)
            return await real(ref, *given)

        t.broker._desk._command = refuse
        answer = await t.order("out.1", Side.SELL, 3)
        assert answer.outcome is Outcome.ACCEPTED
        assert [said.quantity for said in t.executed("out.1")] == [LOT]
        end = t.of("out.1")[-1]
        assert isinstance(end, Ended)
        assert end.end is End.CANCELED
        assert "market is closed" in (end.reason or "")
        assert isinstance((await t.found("out.1"))[-1], Ended)

    talk(case)


def test_the_first_step_that_is_refused_refuses_the_order() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.BUY, 1)
        t.account.faults = ServerFaults(refuse=134)
        answer = await t.order("out.1", Side.SELL, 3)
        assert answer.outcome is Outcome.REJECTED
        assert (answer.reason or "").startswith("Insufficient margin")
        t.account.faults = ServerFaults()
        assert isinstance((await t.found("out.1"))[-1], Ended)

    talk(case)


@pytest.mark.parametrize("step", [1, 2])
def test_a_step_whose_answer_is_lost(step: int) -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.BUY, 1)
        real = t.broker._desk._command

        async def lose(ref: str, *given: Any) -> Any:
            t.venue.running.answers = "drop" if ref == ("out.1" if step == 1 else "out.1#2") else None
            return await real(ref, *given)

        t.broker._desk._command = lose
        answer = await t.order("out.1", Side.SELL, 3)
        assert answer.outcome is Outcome.UNKNOWN
        t.broker._desk._command, t.venue.running.answers = real, None
        reports = await t.found("out.1")
        lots = sum(said.quantity for said in reports if isinstance(said, Executed))
        if step == 1:
            assert lots == LOT
            assert isinstance(reports[-1], Ended)  # the second was never sent, and never will be
        else:
            assert lots == 3 * LOT
            assert isinstance(reports[-1], Confirmed)

    talk(case)


def test_a_close_that_the_expert_took_for_somebody_else_s_is_ours_once_it_is_looked_up() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.BUY, 2)
        real = t.broker.session.book.take

        def unnamed(said: Any) -> Any:
            return real({**said, "by": "", "by_ref": ""} if said["kind"] == "closed" else said)

        t.broker.session.book.take = unnamed
        t.venue.running.answers = "drop"
        answer = await t.order("out.1", Side.SELL, 2)
        t.venue.running.answers = None
        assert answer.outcome is Outcome.UNKNOWN
        assert not t.executed("out.1")
        reports = await t.found("out.1")
        assert [said.quantity for said in reports if isinstance(said, Executed)] == [2 * LOT]
        assert [said.quantity for said in t.executed("out.1")] == [2 * LOT]

    talk(case)


class _Dies(BaseException):
    pass


def test_a_process_that_dies_between_two_steps() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.BUY, 1)
        real = t.broker._desk._command

        async def die(ref: str, *given: Any) -> Any:
            if ref.endswith("#2"):
                raise _Dies
            return await real(ref, *given)

        t.broker._desk._command = die
        with pytest.raises(_Dies):
            await t.order("out.1", Side.SELL, 3)
        await t.again()
        reports = await t.found("out.1")
        assert [type(said) for said in reports] == [Executed, Ended]
        again = await t.order("out.1", Side.SELL, 3)  # nobody would: it does nothing all the same
        assert again.outcome is Outcome.DUPLICATE
        assert t.held == {"buy": Decimal(0), "sell": Decimal(0)}

    talk(case)


def test_a_new_process_knows_an_order_of_several_steps_as_complete() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.BUY, 1)
        await t.accepted("out.1", Side.SELL, 3)
        await t.again()
        assert isinstance((await t.found("out.1"))[-1], Confirmed)

    talk(case)


@pytest.mark.parametrize(
    ("bid", "ask", "kind"),
    [("1.09000", "1.09002", OrderType.STOP), ("1.11000", "1.11002", OrderType.LIMIT)],
)
def test_a_level_that_the_server_executes(bid: str, ask: str, kind: OrderType) -> None:
    async def case(t: Talk) -> None:
        levels = {"stop_loss": Decimal("1.09500"), "take_profit": Decimal("1.10500")}
        await t.accepted("in.1", Side.BUY, 2, **levels)
        await t.quote(bid, ask)
        closing = t.sink.reports[-1]
        assert isinstance(closing, Executed)
        assert (closing.client_id, closing.closes) == (None, "in.1")
        assert (closing.side, closing.order_type) == (Side.SELL, kind)
        assert (closing.symbol, closing.quantity) == ("EURUSD", 2 * LOT)
        assert closing.broker_order_id == closing.exec_id
        statement = await t.broker.statement(t.venue.running.clock.start)
        assert closing.exec_id in {said.exec_id for said in statement.executions}
        assert statement.positions == {}

    talk(case)


def test_what_a_person_closes_is_not_told_as_ours() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("in.1", Side.BUY, 2)
        before = len(t.sink.reports)
        order_close(t.account, 5_000_001, 2 * LOT, Decimal("1.10000"), 5)
        await t.venue.settle()
        assert len(t.sink.reports) == before
        assert (await t.broker.statement(t.venue.running.clock.start)).positions == {}

    talk(case)


def test_stop_orders_wait_and_open() -> None:
    async def case(t: Talk) -> None:
        await t.accepted("stop.1", Side.BUY, 1, order_type=OrderType.STOP, stop_price=Decimal("1.10100"))
        assert (await t.broker.open_orders()).client_ids == {"stop.1"}
        await t.quote("1.10150", "1.10152")
        assert [said.quantity for said in t.executed("stop.1")] == [LOT]

    talk(case)


def test_margin_is_reckoned_by_the_terminal() -> None:
    async def case(t: Talk) -> None:
        assert await t.broker.has_margin("EURUSD", LOT) is True
        assert await t.broker.has_margin("EURUSD", Decimal(1_000)) is False
        assert await t.broker.has_margin("GBPUSD", LOT) is None

    talk(case)
