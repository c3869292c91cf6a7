"""Random conversations: whatever a broker says, how often and in which order, the books stay right.

The second model is written differently from the code on purpose: it keeps every execution that was delivered and
computes everything from that set, from scratch, after each step.
"""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal, localcontext
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from ordergate.application.entry import Origin
from ordergate.domain.errors import Refused
from ordergate.domain.money import EXACT
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.states import TERMINAL, ExecutionKind, Mark, Side, State
from ordergate.domain.orders.transitions import EDGES
from ordergate.testing.playbook import (
    BROKER,
    START,
    Playbook,
    ack,
    bust,
    correct,
    ended,
    fill,
    marked,
    refused,
    replaced,
    restated,
)
from tests.depth import QUICKLY, thoroughly

from .situations import answered, looked_up, rows

D = Decimal
SYMBOLS = {"AAPL": (D(1), "AAPL", "USD"), "EURUSD": (D(100_000), "EUR", "USD")}


# -- The second model ------------------------------------------------------------------------------------------------


def speaking(executions: dict[str, r.Executed]) -> dict[str, r.Executed]:
    """Of each family of executions, the one that counts: that to which none refers, of several the latest."""
    families: list[set[str]] = []
    for said in executions.values():
        family = {said.exec_id} | ({said.refers_to} if said.refers_to else set())
        touching = [other for other in families if other & family]
        families = [other for other in families if other not in touching]
        families.append(family.union(*touching))
    counting = {}
    for family in families:
        present = [executions[name] for name in family if name in executions]
        pointed_at = {said.refers_to for said in present}
        leaves = [said for said in present if said.exec_id not in pointed_at]
        last = sorted(leaves, key=lambda said: (said.time, said.exec_id))[-1]
        if last.execution_kind is not ExecutionKind.BUST:
            counting[last.exec_id] = last
    return counting


class Auditor:
    """Hears all that is said and knows what must stand in the books."""

    def __init__(self, book: Playbook) -> None:
        self.book = book
        self.heard: dict[str, dict[str, r.Executed]] = defaultdict(dict)
        self.seen_entries = 0

    def hear(self, order_id: str, said: r.AnyReport) -> None:
        if isinstance(said, r.Executed):
            self.heard[order_id].setdefault(said.exec_id, said)

    def check(self) -> None:
        with localcontext(EXACT):
            self._check_orders()
            self._check_positions()
            self._check_balances()
        self._check_journal()

    def _check_orders(self) -> None:
        state = self.book.engine.state
        for order in state.orders.rows.values():
            counting = speaking(self.heard[order.order_id])
            booked = {row.exec_id: row for row in state.order_executions(order.order_id) if not row.awaited}
            assert booked.keys() == self.heard[order.order_id].keys(), "a fill is lost"
            assert {name for name, row in booked.items() if row.counts} == counting.keys()
            assert order.filled_quantity == sum(said.quantity for said in counting.values())
            assert order.filled_value == sum(said.quantity * said.price for said in counting.values())
            left = max(order.quantity - order.filled_quantity, D(0))
            day_is_done = Mark.DONE_FOR_DAY in order.marks
            assert order.leaves_quantity == (0 if order.state in TERMINAL or day_is_done else left)
            if order.state in TERMINAL:
                assert order.requests == ()
            else:
                full, some = order.filled_quantity >= order.quantity, order.filled_quantity > 0
                expected = State.FILLED if full else State.PARTIALLY_FILLED if some else State.SUBMITTED
                never_left = order.state is State.ACCEPTED and not booked
                assert order.state is expected or never_left

    def _check_positions(self) -> None:
        state = self.book.engine.state
        held: dict[str, Decimal] = defaultdict(Decimal)
        for order in state.orders.rows.values():
            for said in speaking(self.heard[order.order_id]).values():
                held[order.symbol] += said.quantity * (1 if order.side in ("buy", "cover") else -1)
        for symbol, quantity in held.items():
            position = state.positions.rows["fund", symbol]
            lots = [lot for key, lot in state.lots.rows.items() if key[1] == symbol]
            assert position.quantity == quantity
            assert sum(lot.remaining for lot in lots) == quantity
            assert position.cost == sum(lot.remaining * lot.price * SYMBOLS[symbol][0] for lot in lots)
            assert position.realized_pnl == sum(lot.realized_pnl for lot in lots)
            assert len({lot.remaining > 0 for lot in lots if lot.remaining}) <= 1
            assert all(lot.number >= position.oldest_open for lot in lots if lot.remaining)
            # Cash that went out, less what the open lots cost, is what was lost on the closed ones.
            assert self._spent(symbol) == position.cost - position.realized_pnl

    def _spent(self, symbol: str) -> Decimal:
        spent = D(0)
        for order in self.book.engine.state.orders.rows.values():
            if order.symbol == symbol:
                sign = 1 if order.side in ("buy", "cover") else -1
                for said in speaking(self.heard[order.order_id]).values():
                    spent += sign * said.quantity * said.price * SYMBOLS[symbol][0]
        return spent

    def _check_balances(self) -> None:
        state = self.book.engine.state
        expected: dict[str, Decimal] = defaultdict(Decimal)
        fees = D(0)
        for order in state.orders.rows.values():
            size, base, currency = SYMBOLS[order.symbol]
            sign = 1 if order.side in ("buy", "cover") else -1
            for said in speaking(self.heard[order.order_id]).values():
                expected[f"paper:BaseToken:{base}"] += sign * said.quantity * size
                expected[f"paper:BaseToken:{currency}"] -= sign * said.quantity * size * said.price + said.fee
                fees += said.fee
        deltas: dict[str, Decimal] = defaultdict(Decimal)
        for row in state.fills.rows.values():
            for delta in row.deltas if row.counts else ():
                deltas[delta.position_key] += delta.amount
        for (_fund, key), balance in state.balances.rows.items():
            assert balance.amount == expected[key] == deltas[key]
        assert {key for key, amount in expected.items() if amount} <= {key for _f, key in state.balances.rows}
        assert sum(sum(amount for _c, amount in p.fees) for p in state.positions.rows.values()) == fees

    def _check_journal(self) -> None:
        entries = self.book.entries
        assert [entry.index for entry in entries] == list(range(len(entries)))
        for before, after in pairwise(entries):
            times = (*getattr(before.event, "times", ()), before.time)
            assert after.time > max(times)
        for entry in entries[self.seen_entries :]:
            path = getattr(entry.event, "path", ())
            for state, reached in pairwise(path):
                assert (state, reached) in EDGES
            times = getattr(entry.event, "times", ())
            assert list(times) == sorted(set(times))
        self.seen_entries = len(entries)

    def check_replay(self) -> None:
        replayed = Playbook()
        replayed.engine.state = self.book.replayed()
        assert rows(replayed) == rows(self.book)


# -- What a broker can say ---------------------------------------------------------------------------------------------

NAMES = ("x1", "x2", "x3", "x4", "x5", "x9", "x10")
SECONDS = st.integers(0, 3)
QUANTITIES = st.integers(1, 60).map(D)
PRICES = st.integers(900, 1100).map(lambda cents: D(cents) / 100)
FEES = st.sampled_from([{}, {"fee": D("0.35"), "fee_currency": "USD"}])


@st.composite
def executions(draw: st.DrawFn) -> list[r.Executed]:
    """A set of trades, corrections and busts with distinct ids that refer to earlier ones of the set, or none."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    made: list[r.Executed] = []
    for name in names:
        kind = draw(st.sampled_from(["trade", "trade", "correct", "bust"]))
        more: dict[str, Any] = {"seconds": draw(SECONDS)} | draw(FEES)
        if kind == "trade" or not made:
            made.append(fill(name, draw(QUANTITIES), draw(PRICES), **more))
            continue
        about = draw(st.sampled_from(made)).exec_id
        if kind == "bust":
            made.append(bust(name, about, seconds=draw(SECONDS)))
        else:
            made.append(correct(name, about, draw(QUANTITIES), draw(PRICES), **more))
    return made


def others() -> st.SearchStrategy[tuple[r.AnyReport, int | None]]:
    """Everything else that a broker or settlement says, of requests 1 to 4 where it is about one."""
    return st.one_of(
        st.tuples(st.sampled_from([
            ack(), ack("B2"), ack(None), *(ended(end) for end in r.End), marked(Mark.SUSPENDED),
            marked(Mark.SUSPENDED, on=False), marked(Mark.DONE_FOR_DAY), marked(Mark.DONE_FOR_DAY, on=False),
            restated(120), restated(30), restated(limit=12), r.Confirmed(broker=BROKER),
        ]), st.none()),
        st.tuples(st.sampled_from([
            replaced(), replaced(150), replaced(20), refused(), *(answered(outcome) for outcome in r.Outcome),
            looked_up(r.Finding.ABSENT), looked_up(r.Finding.UNPROVEN),
            looked_up(r.Finding.UNPROVEN, final=True),
        ]), st.integers(1, 4)),
    )  # fmt: skip


ASKS = st.sampled_from(["cancel", "bigger", "smaller", "dearer", "release", "down", "up", "wait", "back"])


def ask(book: Playbook, what: str) -> None:
    """A command, or a turn of events on our side; a refusal must change nothing."""
    before = rows(book)
    try:
        match what:
            case "cancel":
                book.cancel()
            case "bigger":
                book.replace(200)
            case "smaller":
                book.replace(40)
            case "dearer":
                book.replace(limit=11)
            case "release":
                book.step(c.Release(book.order_id, 1))
            case "down":
                book.close_session()
            case "up":
                book.open_session()
            case "wait":
                book.now += timedelta(seconds=1)
            case "back":
                book.now -= timedelta(milliseconds=100)
    except Refused:
        assert rows(book) == before


@st.composite
def conversations(draw: st.DrawFn) -> list[Any]:
    """What is said and asked of one order, with executions delivered again, dropped and in any order."""
    said: list[Any] = [(one, None) for one in draw(executions())]
    dropped = draw(st.sets(st.integers(0, len(said) - 1), max_size=2)) if len(said) > 1 else set()
    said = [one for number, one in enumerate(said) if number not in dropped]
    again = draw(st.lists(st.sampled_from(said), max_size=4)) if said else []
    return list(draw(st.permutations([
        *said, *again, *draw(st.lists(others(), max_size=8)), *draw(st.lists(ASKS, max_size=6)),
    ])))  # fmt: skip


def play(book: Playbook, auditor: Auditor, conversation: list[Any]) -> None:
    for place, turn in enumerate(conversation):
        before = book.order
        if isinstance(turn, str):
            ask(book, turn)
        else:
            said = replace(book.addressed(turn[0], turn[1] or 1), cursor=str(place))
            book.report(said)
            if isinstance(said, r.Executed) and said.exec_id in auditor.heard[book.order_id]:
                assert book.events == [], "an execution was taken twice"
            auditor.hear(book.order_id, said)
        assert book.order == before or book.order.version > before.version
        auditor.check()


@QUICKLY
@given(conversations())
def test_the_books_are_right_after_every_step(conversation: list[Any]) -> None:
    book = Playbook().submit(100, limit=10)
    auditor = Auditor(book)
    play(book, auditor, conversation)
    auditor.check_replay()


ORDERS = st.lists(
    st.tuples(st.sampled_from(["AAPL", "EURUSD"]), st.sampled_from(Side), conversations()),
    min_size=2,
    max_size=3,
)


@QUICKLY
@given(ORDERS)
def test_the_books_of_several_orders_are_right(orders: list[tuple[str, Side, list[Any]]]) -> None:
    book = Playbook()
    auditor = Auditor(book)
    for symbol, side, conversation in orders:
        if not book.engine.view.sessions:
            book.open_session()
        book.submit(100, limit=10, symbol=symbol, side=side)
        play(book, auditor, conversation)
    auditor.check_replay()


@QUICKLY
@given(executions(), st.data())
def test_order_and_number_of_deliveries_do_not_matter(made: list[r.Executed], data: st.DataObject) -> None:
    results = []
    for delivery in (made, data.draw(st.permutations([*made, *data.draw(st.lists(st.sampled_from(made)))]))):
        book = Playbook().submit(1000)
        for said in delivery:
            book.report(book.addressed(said, 1))
        results.append(result(book))
    assert results[0] == results[1]


def result(book: Playbook) -> tuple[Any, ...]:
    order, state = book.order, book.engine.state
    return (
        order.state, order.filled_quantity, order.filled_value, order.average_price,
        {(f.exec_id, f.counts, f.superseded_by, f.awaited) for f in state.order_executions(order.order_id)},
        {position.quantity for position in state.positions.rows.values() if position.quantity},
        {key: row.amount for key, row in state.balances.rows.items() if row.amount},
    )  # fmt: skip


FAMILIES = [
    [fill("a", 10, 10), correct("b", "a", 20, 11, seconds=1), bust("c", "b", seconds=2)],
    [fill("a", 10, 10), correct("9", "a", 20, 11), correct("10", "9", 30, 12)],
    [fill("a", 10, 10, seconds=9), correct("b", "a", 20, 11, seconds=5), bust("c", "b", seconds=1)],
    [fill("a", 10, 10), correct("b", "a", 20, 11, seconds=1), correct("c", "a", 30, 12, seconds=2),
     correct("d", "c", 40, 13, seconds=0.5)],
    [bust("b", "a"), fill("a", 10, 10), fill("c", 5, 10), correct("d", "c", 6, 10)],
    [correct("a", "b", 1, 10, seconds=1), correct("b", "a", 2, 10, seconds=2), fill("c", 5, 10)],
]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_every_order_of_a_family_of_executions(family: list[r.Executed]) -> None:
    results = []
    for order in permutations(family):
        book = Playbook().submit(1000)
        for said in order:
            book.report(book.addressed(said, 1))
        results.append(result(book))
    assert all(other == results[0] for other in results)


def test_what_is_referred_to_never_counts_whatever_the_clock_or_the_names_say() -> None:
    book = Playbook().submit(100)
    book.report(fill("a", 10, 10), correct("9", "a", 20, 11), correct("10", "9", 30, 12))
    book.expect("OrderFilled", "FillCorrected", "FillCorrected", filled=30)


@QUICKLY
@given(executions(), st.integers(0, 3), st.data())
def test_no_fill_is_lost_after_the_end(made: list[r.Executed], ends: int, data: st.DataObject) -> None:
    assume(made)
    book = Playbook().submit(100, limit=10).report(ended(list(r.End)[ends]))
    state = book.order.state
    auditor = Auditor(book)
    for said in data.draw(st.permutations(made)):
        said = book.addressed(said, 1)
        book.report(said)
        auditor.hear(book.order_id, said)
        auditor.check()
        assert (book.order.state, book.order.leaves_quantity) == (state, 0)
    assert len(book.engine.state.breaks.rows) == len(made)
    assert all(row.late for row in book.engine.state.fills.rows.values())


@QUICKLY
@given(conversations())
def test_a_step_that_is_undone_leaves_nothing(conversation: list[Any]) -> None:
    """Each step is taken, undone and taken again: a commit that did not happen is repeated."""
    book, twin = Playbook().submit(100, limit=10), Playbook().submit(100, limit=10)
    for turn in conversation:
        if isinstance(turn, str):
            ask(book, turn)
            ask(twin, turn)
            continue
        engine = book.engine
        mark, size, last = engine.state.mark(), engine.size, engine.last
        said = book.addressed(turn[0], turn[1] or 1)
        engine.step(said, book.now, Origin())
        engine.state.undo(mark)
        engine.size, engine.last = size, last
        book.report(said)
        twin.report(said)
        assert rows(book) == rows(twin)
        assert book.events == twin.events
    assert book.engine.state.order_by_broker_id.items() <= twin.engine.state.order_by_broker_id.items()


def test_times_go_on_where_the_clock_stands_still_or_steps_back() -> None:
    book = Playbook().submit(100, limit=10).report(ack())
    book.now = START - timedelta(seconds=5)
    book.report(replace(fill("x1", 1, 10), cursor="1"))
    times = [entry.time for entry in book.entries]
    assert times == sorted(set(times))


test_the_books_are_right_thoroughly = thoroughly(test_the_books_are_right_after_every_step, conversations())
test_the_books_of_several_orders_thoroughly = thoroughly(test_the_books_of_several_orders_are_right, ORDERS)
test_deliveries_thoroughly = thoroughly(
    test_order_and_number_of_deliveries_do_not_matter, executions(), st.data()
)
test_no_fill_is_lost_thoroughly = thoroughly(
    test_no_fill_is_lost_after_the_end, executions(), st.integers(0, 3), st.data()
)
test_a_step_that_is_undone_thoroughly = thoroughly(test_a_step_that_is_undone_leaves_nothing, conversations())
