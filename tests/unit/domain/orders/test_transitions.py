"""Every cell of the order machine: the table, the fold, the decisions on reports and on commands.

The grids are written out here and nowhere derived from the code. A column is a situation of an order, a row is
what happens to it.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from msgspec.structs import replace

from ordergate.application.engine import Input
from ordergate.domain.breaks import Break, BreakKind
from ordergate.domain.errors import Code, Conflict, Defect, Invalid, Refused
from ordergate.domain.fold import evolve
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import events as e
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import (
    TERMINAL,
    ExecutionKind,
    Mark,
    OrderType,
    Phase,
    RequestKind,
    Side,
    State,
)
from ordergate.domain.orders.transitions import EDGES, TABLE, Move, allowed, next_state, targets
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

from .situations import (
    QUANTITY,
    SITUATIONS,
    STATE_OF,
    answered,
    looked_up,
    order_in,
    part_filled,
    rows,
    working,
)

CREATED, PENDING, ACCEPTED = State.CREATED, State.PENDING_RISK, State.ACCEPTED
SUBMITTED, PARTIAL, FILLED, CLOSED = State.SUBMITTED, State.PARTIALLY_FILLED, State.FILLED, State.CLOSED
CANCELED, REJECTED, EXPIRED, FAILED = State.CANCELED, State.REJECTED, State.EXPIRED, State.FAILED
LETTERS = {
    "c": CREATED, "p": PENDING, "a": ACCEPTED, "S": SUBMITTED, "P": PARTIAL, "F": FILLED, "Z": CLOSED,
    "C": CANCELED, "R": REJECTED, "E": EXPIRED, "X": FAILED,
}  # fmt: skip
D = Decimal


def grid(text: str) -> dict[tuple[str, str], str]:
    """Cells by (row, column); the first line names the columns."""
    head, *lines = (line.split() for line in text.strip().splitlines() if line.strip())
    assert all(len(line) == len(head) + 1 for line in lines), [x for x in lines if len(x) != len(head) + 1]
    return {(line[0], column): cell for line in lines for column, cell in zip(head, line[1:], strict=True)}


# -- The table ---------------------------------------------------------------------------------------------------

DESIGN = {
    None: {CREATED, SUBMITTED},
    CREATED: {PENDING, CANCELED, FAILED},
    PENDING: {ACCEPTED, REJECTED, CANCELED, EXPIRED, FAILED},
    ACCEPTED: {SUBMITTED, CANCELED, EXPIRED, FAILED},
    SUBMITTED: {PARTIAL, FILLED, CANCELED, REJECTED, EXPIRED, FAILED, ACCEPTED},
    PARTIAL: {FILLED, CANCELED, EXPIRED, FAILED, SUBMITTED},
    FILLED: {CLOSED, PARTIAL, SUBMITTED},
}


def test_the_edges_are_those_of_the_design() -> None:
    assert {(before, after) for before, afters in DESIGN.items() for after in afters} == EDGES


def test_nothing_leaves_a_terminal_state() -> None:
    assert not {before for before, _after in EDGES} & TERMINAL


# `q` is where the filled quantity decides; `.` is illegal.
MOVES = grid("""
                none c p a S P F Z C R E X
enter           c    . . . . . . . . . . .
adopt           S    . . . . . . . . . . .
ask_risk        .    p . . . . . . . . . .
answer_risk     .    . p . S P F . . . . .
pass_risk       .    . a . . . . . . . . .
send            .    . . S S . . . . . . .
disprove_send   .    . . . a . . . . . . .
reroute         .    . . a . . . . . . . .
acknowledge     .    . . S S P F Z C R E X
mark            .    . . . S P F Z C R E X
request         .    . . . S P F . . . . .
refuse_replace  .    . . . S P F . . . . .
settle_request  .    . . a S P F Z C R E X
work            .    . . a S P F Z C R E X
fill            .    . . . q q q Z C R E X
correct         .    . . . q q q Z C R E X
replace         .    . . . q q q . . . . .
restate         .    . . . q q q . . . . .
cancel          .    C C C C C . . . . . .
reject          .    . R . R . . . . . . .
expire          .    . E E E E . . . . . .
fail            .    X X X X X . . . . . .
confirm         .    . . . . . F . . . . .
close           .    . . . . . Z . . . . .
""")
BY_QUANTITY = [
    ("0", "100", SUBMITTED), ("0.01", "100", PARTIAL), ("99.99", "100", PARTIAL), ("100", "100", FILLED),
    ("100.01", "100", FILLED), ("0", "0", SUBMITTED), ("5", "0", PARTIAL),
]  # fmt: skip


def test_the_grid_has_every_cell() -> None:
    assert {row for row, _column in MOVES} == set(Move) == set(TABLE)
    assert {column for _row, column in MOVES} == {"none", *LETTERS}
    assert set(LETTERS.values()) == set(State)


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("column", ["none", *LETTERS])
def test_every_cell_of_the_table(move: Move, column: str) -> None:
    state, cell = LETTERS.get(column), MOVES[move, column]
    assert allowed(state, move) == (cell != ".")
    if cell == ".":
        assert targets(state, move) == ()
        with pytest.raises(Defect, match=f"{move} is illegal in {state}"):
            next_state(state, move, D(0), D(100))
        return
    for filled, quantity, by_quantity in BY_QUANTITY:
        expected = by_quantity if cell == "q" else LETTERS[cell]
        assert next_state(state, move, D(filled), D(quantity)) is expected
        assert expected in targets(state, move)


# -- The fold ----------------------------------------------------------------------------------------------------

# The state after the event in a state; `.` is illegal. The fill is of 1, the correction of x1 to 1.
FOLD = grid("""
                  none c p a S P F Z C R E X
OrderEntered      c    . . . . . . . . . . .
OrderJudged       .    p . . . . . . . . . .
OrderAdopted      S    . . . . . . . . . . .
OrderAdvanced     .    p a . . . . . . . . .
OrderSent         .    . . S S . . . . . . .
SendDisproved     .    . . . a . . . . . . .
OrderRerouted     .    . . a . . . . . . . .
OrderAcknowledged .    . . S S P F Z C R E X
OrderMarked       .    . . . S P F Z C R E X
RequestOpened     .    . . . S P F . . . . .
RequestDoubted    .    . . a S P F Z C R E X
RequestDropped    .    . . a S P F Z C R E X
OrderFilled       .    . . . P P F Z C R E X
FillCorrected     .    . . . P P P Z C R E X
FillBusted        .    . . . S S S Z C R E X
OrderReplaced     .    . . . S P P . . . . .
OrderRestated     .    . . . S P P . . . . .
OrderCanceled     .    C C C C C . . . . . .
OrderRejected     .    . R . R . . . . . . .
OrderExpired      .    . E E E E . . . . . .
OrderFailed       .    X X X X X . . . . . .
OrderConfirmed    .    . . . . . F . . . . .
OrderClosed       .    . . . . . Z . . . . .
""")


def events_of(order: Order) -> Iterator[e.OrderEvent]:
    """One of every kind, without a path."""
    request = replace(order.next_request(RequestKind.CANCEL), number=1, client_id=f"{order.order_id}.1")
    execution = Fill(
        fill_id="f", order_id=order.order_id, exec_id="x2", fund_id=order.fund_id, symbol=order.symbol,
        side=order.side, broker=order.broker, time=START, booked_at=START, quantity=D(1), price=D(10),
    )  # fmt: skip
    about = replace(execution, refers_to="x1", kind=ExecutionKind.CORRECT)
    busted = replace(about, kind=ExecutionKind.BUST, quantity=D(0), price=D(0))
    it = order.order_id
    yield e.OrderEntered(order_id=it, order=order, key_kind="idempotency_key", key="k", fingerprint="f")
    yield e.OrderJudged(order_id=it, decision=RiskDecision())
    yield e.OrderAdopted(order_id=it, order=order)
    yield e.OrderAdvanced(order_id=it)
    yield e.OrderSent(order_id=it, request=replace(request, kind=RequestKind.SUBMIT))
    yield e.SendDisproved(order_id=it, number=1)
    submit = replace(request, kind=RequestKind.SUBMIT)
    yield OrderRerouted(
        order_id=it, broker="other", before=BROKER, request=submit, reason="r", decision=RiskDecision()
    )
    yield e.OrderAcknowledged(order_id=it, time=START)
    yield e.OrderMarked(order_id=it, mark=Mark.STOPPED, on=True)
    yield e.RequestOpened(order_id=it, request=request)
    yield e.RequestDoubted(order_id=it, number=1, phase=Phase.UNKNOWN)
    yield e.RequestDropped(order_id=it, number=1)
    yield e.OrderFilled(order_id=it, fill=execution)
    yield e.FillCorrected(order_id=it, fill=about)
    yield e.FillBusted(order_id=it, fill=busted)
    yield e.OrderReplaced(order_id=it, number=1, quantity=D(200))
    yield e.OrderRestated(order_id=it, reason="r", quantity=D(200))
    yield e.OrderCanceled(order_id=it, code="C")
    yield e.OrderRejected(order_id=it, code="C")
    yield e.OrderExpired(order_id=it, code="C")
    yield e.OrderFailed(order_id=it, code="C")
    yield e.OrderConfirmed(order_id=it)
    yield e.OrderClosed(order_id=it)


def folded(book: Playbook, event: e.OrderEvent, path: tuple[State, ...]) -> State | None:
    """The state after the event with that path; None where the fold refuses, which must change nothing."""
    before = rows(book)
    index = dict(book.engine.state.order_by_broker_id)
    times = tuple(START + timedelta(seconds=n) for n in range(len(path)))
    mark = book.engine.state.mark()
    try:
        evolve(book.engine.state, replace(event, path=path, times=times), book.engine.size, START)
    except Defect:
        assert book.engine.state.mark() == mark
        assert rows(book) == before
        assert book.engine.state.order_by_broker_id == index
        return None
    after = book.engine.state.orders.rows[event.order_id].state
    book.engine.state.undo(mark)
    assert rows(book) == before
    assert book.engine.state.order_by_broker_id == index
    return after


@pytest.mark.parametrize("column", ["none", *LETTERS])
def test_every_event_with_every_path_in_every_state(column: str) -> None:
    state = LETTERS.get(column)
    # The submit is unanswered, so that there is a request 1 to speak of.
    book = SITUATIONS["SENT"]() if state is SUBMITTED else order_in(state or CREATED)
    order = book.order
    if state is None:
        order = replace(order, order_id="new")
    kinds = set()
    for event in events_of(order):
        kind = type(event).__name__
        kinds.add(kind)
        cell = FOLD[kind, column]
        for path in ((), *((reached,) for reached in State)):
            if isinstance(event, e.OrderEntered | e.OrderAdopted) and path:
                event = replace(event, order=replace(order, state=path[-1]))
            expected = LETTERS.get(cell)
            legal = expected is not None and path == (() if expected is state else (expected,))
            unfilled = state is CLOSED and kind in ("FillCorrected", "FillBusted")  # no way to CLOSED again
            stays = expected is state and path == (state,) and not unfilled
            closes = kind == "OrderFilled" and state is FILLED and path == (CLOSED,)
            expected = CLOSED if closes else expected if legal or stays else None
            assert folded(book, event, path) is expected, (kind, path)
    assert kinds == {kind for kind, _column in FOLD}


@pytest.mark.parametrize("path", [
    (CREATED,), (CREATED, PENDING), (CREATED, PENDING, ACCEPTED), (CREATED, PENDING, ACCEPTED, SUBMITTED),
    (CREATED, PENDING, REJECTED),
])  # fmt: skip
def test_an_order_enters_as_far_as_its_path_says(path: tuple[State, ...]) -> None:
    book = order_in(CREATED)
    order = replace(book.order, order_id="new", state=path[-1])
    event = e.OrderEntered(order_id="new", order=order, key_kind="k", key="k", fingerprint="f")
    assert folded(book, event, path) is path[-1]


@pytest.mark.parametrize("path", [
    (CREATED, ACCEPTED), (CREATED, PENDING, SUBMITTED), (CREATED, REJECTED), (CREATED, PENDING, CANCELED),
    (CREATED, PENDING, ACCEPTED, SUBMITTED, FILLED), (CREATED, CREATED), (PENDING, ACCEPTED),
])  # fmt: skip
def test_an_order_enters_by_no_other_path(path: tuple[State, ...]) -> None:
    book = order_in(CREATED)
    order = replace(book.order, order_id="new", state=path[-1])
    event = e.OrderEntered(order_id="new", order=order, key_kind="k", key="k", fingerprint="f")
    assert folded(book, event, path) is None


def test_an_order_that_enters_is_where_its_path_ends() -> None:
    book = order_in(CREATED)
    order = replace(book.order, order_id="new", state=ACCEPTED)
    event = e.OrderEntered(order_id="new", order=order, key_kind="k", key="k", fingerprint="f")
    assert folded(book, event, (CREATED,)) is None


@pytest.mark.parametrize("path", [
    (PENDING,), (PENDING, ACCEPTED), (PENDING, ACCEPTED, SUBMITTED), (PENDING, REJECTED),
])  # fmt: skip
def test_a_created_order_is_judged_as_far_as_the_path_says(path: tuple[State, ...]) -> None:
    book = order_in(CREATED)
    assert folded(book, e.OrderJudged(order_id=book.order_id, decision=RiskDecision()), path) is path[-1]


@pytest.mark.parametrize("path", [
    (), (CREATED,), (ACCEPTED,), (PENDING, SUBMITTED), (REJECTED,), (PENDING, CANCELED), (PENDING, PENDING),
    (PENDING, ACCEPTED, REJECTED),
])  # fmt: skip
def test_a_created_order_is_judged_by_no_other_path(path: tuple[State, ...]) -> None:
    book = order_in(CREATED)
    assert folded(book, e.OrderJudged(order_id=book.order_id, decision=RiskDecision()), path) is None


def test_a_disproved_request_must_be_there() -> None:
    book = SITUATIONS["SENT"]()
    assert folded(book, e.SendDisproved(order_id=book.order_id, number=9), (ACCEPTED,)) is None


def test_only_a_known_order_can_have_events() -> None:
    book = working()
    for event in events_of(replace(book.order, order_id="unknown")):
        if not isinstance(event, e.OrderEntered | e.OrderAdopted):
            assert folded(book, event, ()) is None


# -- Decisions on reports ------------------------------------------------------------------------------------------

# Events: k acknowledged, f filled, c corrected, u busted, m marked, r replaced, t restated, d doubted, x dropped,
# n disproved, s sent, C canceled, R rejected, E expired, X failed, o confirmed, z closed, b break.
# After `>` stands the new state. `-` is nothing, `!` a break that changes nothing.
EVENTS = {
    "k": "OrderAcknowledged", "f": "OrderFilled", "c": "FillCorrected", "u": "FillBusted", "m": "OrderMarked",
    "r": "OrderReplaced", "t": "OrderRestated", "d": "RequestDoubted", "x": "RequestDropped",
    "n": "SendDisproved", "s": "OrderSent", "C": "OrderCanceled", "R": "OrderRejected", "E": "OrderExpired",
    "X": "OrderFailed", "o": "OrderConfirmed", "z": "OrderClosed", "b": "BreakRaised", "q": "RequestOpened",
}  # fmt: skip
REPORTS = grid("""
             CREATED PENDING ACCEPTED DISPROVED SENT DOUBTED OVERTAKEN WORKING ASKED PARTIAL PARTASKED FILLED FULLASKED CLOSED CANCELED REJECTED EXPIRED FAILED
ack          !       !       kb>S     kb>S      k    k       k         -       -     -       -         -      -         -      -        k        -       -
ack_id       !       !       kb>S     kb>S      k    k       k         k       k     k       k         k      k         k      k        k        k       k
working      !       !       kb>S     kb>S      k    k       k         -       -     -       -         !      !         !      !        !        !       !
trade        !       !       kbf>P    kbf>P     f>P  f>P     f>P       f>P     f>P   f       f         fb     fb        fb     fb       fb       fb      fb
rest         !       !       kbf>F    kbf>F     f>F  f>F     f>F       f>F     f>F   fb>F    fb>F      fb     fb        fb     fb       fb       fb      fb
complete     !       !       kbf>Z    kbf>Z     f>Z  f>Z     f>F       f>Z     f>F   fb>Z    fb>F      fb>Z   fb        fb     fb       fb       fb      fb
same         !       !       kbf>P    kbf>P     f>P  f>P     f>P       f>P     f>P   -       -         !      !         !      -        fb       fb      fb
correct      !       !       kbc>P    kbc>P     c>P  c>P     c>P       c>P     c>P   c       c         c>P    c>P       cb     cb       cb       cb      cb
bust         !       !       kbu>S    kbu>S     u    u       u         u       u     u>S     u>S       u>S    u>S       ub     ub       ub       ub      ub
canceled     !       !       kbC>C    kbC>C     C>C  C>C     C>C       C>C     C>C   C>C     C>C       !      !         !      -        !        !       !
rejected     !       !       kbR>R    kbR>R     R>R  R>R     R>R       R>R     R>R   !       !         !      !         !      !        -        !       !
expired      !       !       kbE>E    kbE>E     E>E  E>E     E>E       E>E     E>E   E>E     E>E       !      !         !      !        !        -       !
failed       !       !       kbX>X    kbX>X     X>X  X>X     X>X       X>X     X>X   X>X     X>X       !      !         !      !        !        !       -
replaced1    !       !       !        !         !    !       !         -       -     -       -         -      -         -      -        -        -       -
replaced2    !       !       !        !         !    !       !         !       r     !       r         !      r>P       !      !        !        !       !
replaced3    !       !       !        !         !    !       !         !       !     !       !         !      r>P       !      !        !        !       !
replaced9    !       !       !        !         !    !       !         !       !     !       !         !      !         !      !        !        !       !
restated     !       !       kbt>S    kbt>S     t    t       t         t       t     t       t         t>P    t>P       !      !        !        !       !
unrestated   !       !       kb>S     kb>S      k    k       k         -       -     -       -         -      -         -      -        -        -       -
marked       !       !       kbm>S    kbm>S     m    m       m         m       m     m       m         m      m         m      m        m        m       m
unmarked     !       !       kb>S     kb>S      k    k       k         -       -     -       -         -      -         -      -        -        -       -
refused1     !       !       -        -         -    -       -         -       -     -       -         -      -         -      -        -        -       -
refused2     !       !       !        !         !    !       d         !       x     !       x         !      x         !      !        !        !       !
refused9     !       !       !        !         !    !       !         !       !     !       !         !      !         !      !        !        !       !
confirmed    !       !       -        -         -    -       -         -       -     -       -         oz>Z   o         -      -        -        -       -
yes1         !       !       kb>S     kb>S      k    k       k         -       -     -       -         -      -         -      -        -        -       -
no1          !       !       -        -         R>R  R>R     R>R       -       -     -       -         -      -         -      -        -        -       -
duplicate1   !       !       -        -         d    -       -         -       -     -       -         -      -         -      -        -        -       -
unsent1      !       !       -        -         n>a  n>a     nC>C      -       -     -       -         -      -         -      -        -        -       -
unknown1     !       !       -        -         d    -       -         -       -     -       -         -      -         -      -        -        -       -
yes2         !       !       !        !         !    !       -         !       -     !       -         !      -         !      !        !        !       !
no2          !       !       !        !         !    !       d         !       x     !       x         !      x         !      !        !        !       !
duplicate2   !       !       !        !         !    !       d         !       d     !       d         !      d         !      !        !        !       !
unsent2      !       !       !        !         !    !       d         !       d     !       d         !      d         !      !        !        !       !
unknown2     !       !       !        !         !    !       d         !       d     !       d         !      d         !      !        !        !       !
absent1      !       !       -        -         -    ns      nC>C      -       -     -       -         -      -         -      -        -        -       -
unproven1    !       !       -        -         -    -       -         -       -     -       -         -      -         -      -        -        -       -
final1       !       !       -        -         -    db      db        -       -     -       -         -      -         -      -        -        -       -
absent9      !       !       !        !         !    !       !         !       !     !       !         !      !         !      !        !        !       !
""")
SAID: dict[str, tuple[r.AnyReport, int | None]] = {
    "working": (r.Working(broker=BROKER), 1),
    "ack": (ack(), None),
    "ack_id": (ack("B2"), None),
    "trade": (fill("x2", 1, 10), None),
    "rest": (fill("x2", QUANTITY, 10), None),
    "complete": (fill("x2", QUANTITY, 10, completes=True), None),
    "same": (fill("x1", 40, 10), None),
    "correct": (correct("x2", "x1", 1, 10), None),
    "bust": (bust("x2", "x1"), None),
    "canceled": (ended(r.End.CANCELED), None),
    "rejected": (ended(r.End.REJECTED), None),
    "expired": (ended(r.End.EXPIRED), None),
    "failed": (ended(r.End.FAILED), None),
    **{f"replaced{number}": (replaced(), number) for number in (1, 2, 3, 9)},
    "restated": (restated(300), None),
    "unrestated": (restated(), None),
    "marked": (marked(Mark.STOPPED), None),
    "unmarked": (marked(Mark.STOPPED, on=False), None),
    **{f"refused{number}": (refused(), number) for number in (1, 2, 9)},
    "confirmed": (r.Confirmed(broker=BROKER), None),
    **{
        f"{name}{number}": (answered(outcome), number)
        for number in (1, 2)
        for name, outcome in (
            ("yes", r.Outcome.ACCEPTED),
            ("no", r.Outcome.REJECTED),
            ("duplicate", r.Outcome.DUPLICATE),
            ("unsent", r.Outcome.NOT_SENT),
            ("unknown", r.Outcome.UNKNOWN),
        )
    },
    "absent1": (looked_up(r.Finding.ABSENT), 1),
    "unproven1": (looked_up(r.Finding.UNPROVEN), 1),
    "final1": (looked_up(r.Finding.UNPROVEN, final=True), 1),
    "absent9": (looked_up(r.Finding.ABSENT), 9),
}
CELLS = sorted(REPORTS)


def test_the_grid_has_every_report_and_every_situation() -> None:
    assert {row for row, _column in REPORTS} == set(SAID)
    assert {column for _row, column in REPORTS} == set(SITUATIONS)
    assert {type(said) for said, _number in SAID.values()} == set(r.AnyReport.__args__)
    assert {STATE_OF.get(name) or State(name) for name in SITUATIONS} == set(State)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_situations_are_what_they_are_called(situation: str) -> None:
    book = SITUATIONS[situation]()
    assert book.order.state is (STATE_OF.get(situation) or State(situation))
    assert [entry.index for entry in book.entries] == list(range(book.engine.size))


@pytest.mark.parametrize(("row", "column"), CELLS)
def test_every_report_in_every_situation(row: str, column: str) -> None:
    book, (said, number) = SITUATIONS[column](), SAID[row]
    before, state = rows(book, "breaks"), book.order.state
    said = book.addressed(said, number or 1)
    book.report(said)
    cell = REPORTS[row, column]
    if cell in "!-":
        book.expect(*(["BreakRaised"] if cell == "!" else []), state=state)
        assert rows(book, "breaks") == before
        return
    codes, _, after = cell.partition(">")
    book.expect(*(EVENTS[code] for code in codes), state=LETTERS[after] if after else state)
    assert rows(book, "breaks") != before


@pytest.mark.parametrize(("row", "column"), CELLS)
def test_every_report_twice_is_as_once(row: str, column: str) -> None:
    book, (said, number) = SITUATIONS[column](), SAID[row]
    said = book.addressed(said, number or 1)
    once = rows(book.report(said), "breaks")
    book.report(said)
    assert rows(book, "breaks") == once
    assert all(isinstance(event, e.BreakRaised) for event in book.events)
    if REPORTS[row, column] != "!":
        book.expect()


@pytest.mark.parametrize("column", SITUATIONS)
def test_replay_of_every_cell_is_the_state(column: str) -> None:
    for row in SAID:
        book, (said, number) = SITUATIONS[column](), SAID[row]
        book.report(book.addressed(said, number or 1))
        replayed = Playbook()
        replayed.engine.state = book.replayed()
        assert rows(replayed) == rows(book), row


# What the breaks of the grid are called, where it is not `illegal_report`.
BREAKS = [
    ("canceled", "FILLED", BreakKind.CONFLICTING_END),
    ("expired", "CLOSED", BreakKind.CONFLICTING_END),
    ("rejected", "CANCELED", BreakKind.CONFLICTING_END),
    ("rejected", "PARTIAL", BreakKind.ILLEGAL_REPORT),
    ("trade", "FILLED", BreakKind.OVERFILL),
    ("trade", "CLOSED", BreakKind.OVERFILL),
    ("trade", "CANCELED", BreakKind.LATE_FILL),
    ("trade", "ACCEPTED", BreakKind.UNSENT_FILL),
    ("restated", "FAILED", BreakKind.ILLEGAL_REPORT),
    ("replaced9", "WORKING", BreakKind.ILLEGAL_REPORT),
    ("trade", "CREATED", BreakKind.ILLEGAL_REPORT),
    ("final1", "DOUBTED", BreakKind.UNRESOLVED),
]


@pytest.mark.parametrize(("row", "column", "kind"), BREAKS)
def test_breaks_say_what_does_not_fit(row: str, column: str, kind: BreakKind) -> None:
    book, (said, number) = SITUATIONS[column](), SAID[row]
    book.report(book.addressed(said, number or 1))
    found = [event.item for event in book.events if isinstance(event, e.BreakRaised)]
    assert [(item.kind, item.order_id) for item in found] == [(kind, book.order_id)]
    assert list(book.engine.state.breaks.rows.values())[-1:] == found


@pytest.mark.parametrize(("late", "kind"), [(60, BreakKind.LATE_FILL), (61, BreakKind.OVERFILL)])
def test_a_late_fill_is_too_much_only_beyond_the_quantity(late: int, kind: BreakKind) -> None:
    book = part_filled().report(ended(r.End.CANCELED)).report(fill("late", late, 10))
    (item,) = [event.item for event in book.events if isinstance(event, e.BreakRaised)]
    assert (item.kind, "after the end of the order (CANCELED)" in item.detail) == (kind, True)


@pytest.mark.parametrize(("again", "kind"), [
    (fill("x1", 41, 10), BreakKind.WRONG_QUANTITY),
    (fill("x1", 40, 11), BreakKind.WRONG_PRICE),
    (fill("x1", 40, 10, seconds=9), None),
    (fill("x1", 40, 10), None),
])  # fmt: skip
def test_an_execution_told_again_with_other_numbers_is_one_break_and_moves_nothing(
    again: r.Executed, kind: BreakKind | None
) -> None:
    book = part_filled()
    before = rows(book, "breaks")
    for _ in range(2):
        book.report(again)
    found = [event.event.item for event in book.entries if isinstance(event.event, e.BreakRaised)]
    assert [(item.kind, item.order_id) for item in found] == ([] if kind is None else [(kind, book.order_id)])
    assert rows(book, "breaks") == before


def test_a_correction_is_told_again_with_other_numbers() -> None:
    book = part_filled().report(correct("x2", "x1", 30, 10)).report(fill("x1", 40, 10))
    book.expect()
    book.report(correct("x2", "x1", 30, 11)).expect("BreakRaised", filled=30)
    book.report(bust("x3", "x2")).report(bust("x3", "x2")).expect()


WRONG: dict[str, tuple[r.AnyReport, BreakKind]] = {
    "another symbol": (fill("x2", 1, 10, symbol="MSFT"), BreakKind.WRONG_INSTRUMENT),
    "another side": (fill("x2", 1, 10, side=Side.SELL), BreakKind.WRONG_SIDE),
    "no quantity": (fill("x2", 0, 10), BreakKind.BAD_EXECUTION),
    "no price": (fill("x2", 1, 0), BreakKind.BAD_EXECUTION),
    "a quantity below zero": (fill("x2", -1, 10), BreakKind.BAD_EXECUTION),
    "a trade about another": (fill("x2", 1, 10, refers_to="x1"), BreakKind.BAD_EXECUTION),
    "a bust of nothing": (fill("x2", 0, 0, execution_kind=ExecutionKind.BUST), BreakKind.BAD_EXECUTION),
    "a bust of itself": (bust("x2", "x2"), BreakKind.BAD_EXECUTION),
    "a correction to nothing": (correct("x2", "x1", 0, 10), BreakKind.BAD_EXECUTION),
    "restated to nothing": (restated(0), BreakKind.ILLEGAL_REPORT),
    "restated below zero": (restated(-5), BreakKind.ILLEGAL_REPORT),
    "a ratio of nothing": (restated(200, ratio=0), BreakKind.ILLEGAL_REPORT),
    "a ratio without quantity": (restated(ratio=2), BreakKind.ILLEGAL_REPORT),
    "a limit of nothing": (restated(limit=0), BreakKind.ILLEGAL_REPORT),
    "replaced by nothing": (replaced(0), BreakKind.ILLEGAL_REPORT),
    "a request without name": (
        r.RequestRefused(broker=BROKER, client_id="ord-1.x"),
        BreakKind.ILLEGAL_REPORT,
    ),
}


@pytest.mark.parametrize("column", SITUATIONS)
@pytest.mark.parametrize("what", WRONG)
def test_a_report_that_is_wrong_in_itself_changes_nothing_in_any_state(what: str, column: str) -> None:
    book, (said, kind) = SITUATIONS[column](), WRONG[what]
    before = rows(book, "breaks")
    book.report(book.addressed(said, 1)).expect("BreakRaised")
    assert rows(book, "breaks") == before
    event = book.events[0]
    assert isinstance(event, e.BreakRaised)
    unsent = column in ("CREATED", "PENDING")
    assert event.item.kind is (BreakKind.ILLEGAL_REPORT if unsent else kind)


def test_side_and_symbol_that_fit_are_taken() -> None:
    working().report(fill("x1", 1, 10, symbol="AAPL", side=Side.COVER)).expect("OrderFilled")


@pytest.mark.parametrize("said", [
    r.Acknowledged(broker=BROKER, client_id="nobody.1"),
    r.Acknowledged(broker=BROKER, broker_order_id="B9"),
    r.Acknowledged(broker=BROKER),
    r.Acknowledged(broker="other", client_id="ord-1.1"),
    r.Acknowledged(broker="other", broker_order_id="B1"),
])  # fmt: skip
def test_a_report_of_no_order_of_ours_is_a_break(said: r.AnyReport) -> None:
    book = working()
    before = rows(book, "breaks")
    book.step(said)
    book.expect("BreakRaised")
    assert [item.kind for item in book.engine.state.breaks.rows.values()] == [BreakKind.UNKNOWN_ORDER]
    assert rows(book, "breaks") == before


def test_an_order_is_found_by_the_brokers_id_alone() -> None:
    book = working()
    book.step(replace(fill("x1", 1, 10), broker_order_id="B1"))
    book.expect("OrderFilled", filled=1)


def test_an_order_is_not_found_by_an_id_that_it_has_no_more() -> None:
    book = working().report(ack("B2"))
    book.step(replace(fill("x1", 1, 10), broker_order_id="B1"))
    book.expect("BreakRaised", filled=0)


def test_a_break_names_the_journal_entry_that_raised_it() -> None:
    book = SITUATIONS["CANCELED"]().report(ended(r.End.EXPIRED))
    event = book.events[0]
    assert isinstance(event, e.BreakRaised)
    assert event.item.break_id == f"brk-{book.entries[-1].index}"
    assert book.entries[-1].order_id == book.order_id


# -- What the cells do beside the state ------------------------------------------------------------------------------


def test_whatever_only_an_order_at_the_broker_can_do_answers_the_submit() -> None:
    for said in (
        fill("x1", 1, 10), correct("x2", "x1", 1, 10), bust("x2", "x1"), marked(Mark.STOPPED), restated(300),
        restated(), marked(Mark.STOPPED, on=False), ack(),
    ):  # fmt: skip
        order = SITUATIONS["SENT"]().report(said).order
        assert order.requests == ()
        assert order.acknowledged_at is not None, said
    book = SITUATIONS["SENT"]().replace(200).report(replaced(), request=2)
    assert book.order.requests == ()


def test_a_cancel_asked_before_a_submit_was_proved_unsent_ends_the_order() -> None:
    book = SITUATIONS["OVERTAKEN"]().report(looked_up(r.Finding.ABSENT), request=1)
    book.expect("SendDisproved", "OrderCanceled", state=CANCELED)
    assert book.order.reason_code == "CANCELED_BEFORE_SENDING"


def test_a_submit_proved_absent_waits_where_the_session_is_down() -> None:
    book = SITUATIONS["DOUBTED"]().close_session().report(looked_up(r.Finding.ABSENT), request=1)
    book.expect("SendDisproved", state=ACCEPTED)
    assert [q.phase for q in book.order.requests] == [Phase.READY]


def test_a_submit_of_an_older_epoch_that_was_not_found_is_in_doubt() -> None:
    book = SITUATIONS["SENT"]().close_session().open_session()
    book.report(looked_up(r.Finding.UNPROVEN), request=1).expect("RequestDoubted", state=SUBMITTED)
    assert [q.phase for q in book.order.requests] == [Phase.UNKNOWN]


def test_a_change_proved_absent_is_parked_for_a_person() -> None:
    book = SITUATIONS["ASKED"]().close_session().open_session()
    book.report(looked_up(r.Finding.ABSENT), request=2).expect("RequestDoubted", "BreakRaised")
    assert book.order.requests[0].phase is Phase.PARKED
    book.report(looked_up(r.Finding.ABSENT), request=2).expect()


def test_a_doubted_change_stays_in_doubt() -> None:
    book = SITUATIONS["ASKED"]().report(answered(r.Outcome.UNKNOWN), request=2).expect("RequestDoubted")
    book.report(answered(r.Outcome.UNKNOWN), request=2).expect()
    book.report(answered(r.Outcome.ACCEPTED), request=2).expect()


def test_a_replace_that_a_later_one_has_overtaken_changes_nothing() -> None:
    book = working().replace(200).replace(300).report(replaced(), request=3)
    book.expect("OrderReplaced", quantity=300).report(replaced(), request=2)
    book.expect("RequestDropped", quantity=300, state=SUBMITTED)
    assert book.order.client_id == "ord-1.3"


def test_a_replace_in_doubt_is_not_sent_again_once_a_later_one_was_sent() -> None:
    book = working().replace(200).report(answered(r.Outcome.UNKNOWN)).replace(300)
    book.step(c.Release("ord-1", 2))
    book.expect("RequestDropped", quantity=QUANTITY).report(replaced(), request=3)
    book.expect("OrderReplaced", quantity=300)


def test_a_replace_in_doubt_is_not_sent_again_once_a_later_one_was_done() -> None:
    book = working().replace(200).report(answered(r.Outcome.UNKNOWN)).replace(300)
    book.report(replaced(), request=3).step(c.Release("ord-1", 2))
    book.expect("RequestDropped", quantity=300)


def test_a_filled_order_closes_when_the_last_replace_in_doubt_is_dropped() -> None:
    book = working().replace(200).report(answered(r.Outcome.UNKNOWN)).replace(limit=11)
    book.report(replaced(), request=3).report(replace(fill("x1", QUANTITY, 10), completes=True))
    book.expect("OrderFilled", state=FILLED).step(c.Release("ord-1", 2))
    book.expect("RequestDropped", "OrderClosed", state=CLOSED)


def test_a_replace_in_doubt_is_sent_again_before_one_that_still_waits() -> None:
    book = working().replace(200).report(answered(r.Outcome.UNKNOWN)).close_session().replace(300)
    book.open_session().step(c.Release("ord-1", 2))
    book.expect("RequestOpened").step(c.Release("ord-1", 3))
    book.expect("RequestOpened")


def test_a_cancel_in_doubt_is_sent_again_whatever_was_sent_since() -> None:
    book = working().cancel().report(answered(r.Outcome.UNKNOWN)).replace(300)
    book.close_session().open_session().step(c.Release("ord-1", 2))
    book.expect("RequestOpened")


def test_the_brokers_terms_prevail_over_ours() -> None:
    book = working().replace(200, limit=11).report(replaced(150, "11.5"))
    book.expect("OrderReplaced", quantity=150)
    assert book.order.limit_price == D("11.5")


def test_the_fill_that_completes_an_order_may_come_before_the_replace_that_it_was_done_under() -> None:
    book = working().replace(150).report(replace(fill("x1", 150, 10), completes=True))
    book.expect("OrderFilled", "BreakRaised", state=FILLED).report(replaced(150), request=2)
    book.expect("OrderReplaced", "OrderConfirmed", "OrderClosed", state=CLOSED)


def test_fills_and_a_replace_close_an_order_in_whatever_order_they_come() -> None:
    last = replace(fill("x3", 40, 10), completes=True)
    said = [fill("x1", 60, 10), fill("x2", 50, 10), last, replaced(150)]
    for order in permutations(said):
        book = working().replace(150)
        for one in (*order, last):  # heard again, as from a lookup
            book.report(one, request=2)
        assert (book.order.state, book.order.filled_quantity) == (CLOSED, 150)


def test_a_replace_that_completes_an_order_may_come_before_the_fills_that_it_is_about() -> None:
    said = [fill("x1", 60, 10), fill("x2", 50, 10), replace(replaced(110), completes=True)]
    for order in permutations(said):
        book = working().replace(110)
        for one in order:
            book.report(one, request=2)
        assert (book.order.state, book.order.filled_quantity) == (CLOSED, 110)


def test_a_fill_that_comes_after_the_one_that_completed_its_order_does_not_reopen_it() -> None:
    book = (
        working().replace(150).report(fill("x1", 70, 10)).report(replace(fill("x2", 50, 10), completes=True))
    )
    book.report(fill("x3", 30, 10)).report(replaced(150), request=2)
    book.expect("OrderReplaced", "OrderConfirmed", "OrderClosed", state=CLOSED)


def test_what_completed_an_order_says_nothing_of_one_that_a_later_replace_makes_larger() -> None:
    book = working().replace(150).report(replace(fill("x1", 100, 10), completes=True))
    book.report(replaced(150), request=2).expect("OrderReplaced", state=PARTIAL, leaves=50)
    book.report(fill("x2", 50, 10)).expect("OrderFilled", state=FILLED)


def test_a_replace_never_leaves_less_than_is_filled() -> None:
    book = working().replace(50).report(fill("x1", 80, 10)).report(replaced(50))
    book.expect("OrderReplaced", state=FILLED, quantity=80, leaves=0)


def test_a_replace_leaves_what_it_does_not_name() -> None:
    book = working().replace(limit=11).report(replaced())
    book.expect("OrderReplaced", quantity=QUANTITY)
    assert book.order.limit_price == D(11)


def test_a_restatement_never_leaves_less_than_is_filled() -> None:
    part_filled().report(restated(30)).expect("OrderRestated", state=FILLED, quantity=40)


def test_a_split_scales_what_was_filled_before() -> None:
    book = part_filled().report(restated(200, 5, ratio=2)).expect("OrderRestated", filled=80, leaves=120)
    assert book.order.average_price == 5
    book.report(fill("x2", 20, 5)).expect("OrderFilled", filled=100)
    book.report(bust("x3", "x1")).expect("FillBusted", filled=20)


def test_the_end_that_was_asked_for_is_told_from_one_that_was_not() -> None:
    assert working().report(ended(r.End.CANCELED)).order.reason_code == "CANCELED_BY_BROKER"
    assert working().cancel().report(ended(r.End.CANCELED)).order.reason_code == "CANCELED_ON_REQUEST"


def test_a_confirmation_does_not_outlive_a_bust() -> None:
    book = SITUATIONS["FULLASKED"]().report(r.Confirmed(broker=BROKER)).expect("OrderConfirmed")
    assert book.order.confirmed
    book.report(bust("x2", "x1")).report(fill("x3", QUANTITY, 10))
    book.expect("OrderFilled", state=FILLED)
    assert not book.order.confirmed
    book.report(refused(), request=2).report(refused(), request=3).expect("RequestDropped", state=FILLED)
    book.report(r.Confirmed(broker=BROKER)).expect("OrderConfirmed", "OrderClosed", state=CLOSED)


def test_a_confirmed_order_closes_with_its_last_request() -> None:
    book = SITUATIONS["FULLASKED"]().report(r.Confirmed(broker=BROKER)).report(refused(), request=2)
    book.expect("RequestDropped", state=FILLED).report(refused(), request=3)
    book.expect("RequestDropped", "OrderClosed", state=CLOSED)


def test_completeness_that_was_said_too_early_closes_the_order_once_all_is_there() -> None:
    book = working().report(fill("x2", 60, 10, completes=True)).expect("OrderFilled", state=PARTIAL)
    book.report(fill("x1", 40, 10)).expect("OrderFilled", state=CLOSED, filled=QUANTITY)


def test_a_correction_that_completes_closes_a_confirmed_order() -> None:
    book = part_filled().report(correct("x2", "x1", QUANTITY, 10, completes=True))
    book.expect("FillCorrected", state=CLOSED, filled=QUANTITY)
    assert book.order.confirmed


def test_times_tell_when_a_state_was_reached() -> None:
    book = working()
    submitted = book.order.submitted_at
    book.now += timedelta(seconds=1)
    book.report(fill("x1", QUANTITY, 10)).expect("OrderFilled", state=FILLED)
    assert book.order.filled_at is not None
    book.now += timedelta(seconds=1)
    book.report(bust("x2", "x1")).expect("FillBusted", state=SUBMITTED)
    assert (book.order.submitted_at, book.order.filled_at) == (submitted, None)
    accepted = SITUATIONS["SENT"]()
    first = accepted.order.accepted_at
    assert accepted.report(answered(r.Outcome.NOT_SENT)).order.accepted_at == first


def test_executions_have_names_of_their_own_also_where_one_was_awaited() -> None:
    book = working().report(bust("b", "x"), fill("x", 10, 10), fill("y", 20, 10), fill("z", 30, 10))
    names = [row.fill_id for row in book.engine.state.fills.rows.values()]
    assert len(set(names)) == len(names) == 4
    assert book.order.filled_quantity == 50


def test_an_undone_step_leaves_no_trace_in_the_indexes() -> None:
    book = SITUATIONS["SENT"]()
    state, mark, size = book.engine.state, book.engine.state.mark(), book.engine.size
    book.report(replace(fill("x1", 10, 10), broker_order_id="B7"))
    assert (state.execution_count(book.order_id), state.order_by_broker_id) == (1, {(BROKER, "B7"): "ord-1"})
    state.undo(mark)
    book.engine.size = size
    assert (state.execution_count(book.order_id), state.order_by_broker_id) == (0, {})
    book = working()
    mark = book.engine.state.mark()
    book.report(ack("B2"))
    book.engine.state.undo(mark)
    assert book.engine.state.order_by_broker_id == {(BROKER, "B1"): "ord-1"}


# -- Commands ------------------------------------------------------------------------------------------------------

# q is a request opened; a name is the code of the refusal.
COMMANDS = grid("""
            CREATED        PENDING        ACCEPTED       DISPROVED      SENT DOUBTED OVERTAKEN WORKING ASKED PARTIAL PARTASKED FILLED         FULLASKED      CLOSED         CANCELED       REJECTED       EXPIRED        FAILED
cancel      C>C            C>C            C>C            C>C            q    q       -         q       -     q       -         order_finished order_finished order_finished order_finished order_finished order_finished order_finished
replace     order_finished order_finished order_finished order_finished q    q       q         q       q     q       q         q              q              order_finished order_finished order_finished order_finished order_finished
release1    -              -              s>S            s>S            -    -       -         -       -     -       -         -              -              -              -              -              -              -
release2    -              -              -              -              -    -       -         -       -     -       -         -              -              -              -              -              -              -
again       -              -              -              -              -    -       -         -       -     -       -         -              -              -              -              -              -              -
adopt       order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken order_id_taken
""")
COMMAND: dict[str, Callable[[Playbook], Input]] = {
    "cancel": lambda b: c.CancelOrder(order_id=b.order_id),
    "replace": lambda b: c.ReplaceOrder(order_id=b.order_id, quantity=D(500)),
    "release1": lambda b: c.Release(b.order_id, 1),
    "release2": lambda b: c.Release(b.order_id, 2),
    "adopt": lambda b: _adoption(order_id=b.order_id),
}


def _adoption(**more: object) -> c.AdoptOrder:
    fields: dict[str, object] = {
        "order_id": "tel-1", "fund_id": "fund", "symbol": "AAPL", "side": Side.BUY, "quantity": D(100),
        "order_type": OrderType.LIMIT, "limit_price": D(10), "broker": BROKER, "broker_order_id": "T1",
    }  # fmt: skip
    return c.AdoptOrder(**(fields | more))  # type: ignore[arg-type]


def _again(book: Playbook) -> c.SubmitOrder:
    return c.SubmitOrder(
        fund_id="fund", symbol="AAPL", side=Side.BUY, quantity=D(QUANTITY), order_type=OrderType.LIMIT,
        limit_price=D(10), key_kind="idempotency_key", key="key-1",
    )  # fmt: skip


@pytest.mark.parametrize(("row", "column"), sorted(COMMANDS))
def test_every_command_in_every_situation(row: str, column: str) -> None:
    book, cell = SITUATIONS[column](), COMMANDS[row, column]
    before, state = rows(book), book.order.state
    command = COMMAND.get(row, _again)(book)
    if cell in list(Code):
        with pytest.raises(Conflict) as caught:
            book.step(command)
        assert caught.value.code == cell
        assert rows(book) == before
        return
    book.step(command)
    codes, _, after = cell.partition(">")
    book.expect(*(EVENTS[code] for code in codes if code != "-"), state=LETTERS[after] if after else state)
    if cell == "-":
        assert rows(book) == before


def test_a_cancel_before_sending_is_final() -> None:
    book = SITUATIONS["ACCEPTED"]()
    book.step(c.CancelOrder(order_id=book.order_id, reason="too dear"))
    assert (book.order.reason_code, book.order.reason) == ("CANCELED_BEFORE_SENDING", "too dear")
    assert book.answer.order == book.order
    assert book.order.requests == ()


def test_changes_wait_for_the_session_and_leave_with_it() -> None:
    book = working().close_session().replace(200).cancel()
    assert [q.phase for q in book.order.requests] == [Phase.READY, Phase.READY]
    book.step(c.Release(book.order_id, 2))
    book.expect()
    book.open_session().step(c.Release(book.order_id, 2))
    book.expect("RequestOpened")
    assert [(q.phase, q.epoch) for q in book.order.requests] == [(Phase.SENT, 2), (Phase.READY, None)]
    assert book.order.requests[0].quantity == 200


def test_a_change_does_not_leave_before_its_order() -> None:
    book = SITUATIONS["SENT"]().replace(200).report(answered(r.Outcome.NOT_SENT), request=1)
    book.expect("SendDisproved", state=ACCEPTED)
    book.close_session().open_session().step(c.Release(book.order_id, 2))
    book.expect()


def test_a_submit_of_an_older_epoch_is_not_sent_again() -> None:
    book = SITUATIONS["SENT"]().close_session().open_session()
    book.step(c.Release(book.order_id, 1))
    book.expect(state=SUBMITTED)


def test_release_of_what_does_not_exist_does_nothing() -> None:
    book = working()
    book.step(c.Release("nobody", 1))
    book.expect()


@pytest.mark.parametrize("command", [c.CancelOrder(order_id="x"), c.ReplaceOrder(order_id="x")])
def test_changing_what_does_not_exist_is_refused(command: Input) -> None:
    with pytest.raises(Refused) as caught:
        working().step(command)
    assert caught.value.code is Code.ORDER_NOT_FOUND


REPLACES: dict[str, tuple[dict[str, object], Code]] = {
    "below the minimum": ({"quantity": D("0.5")}, Code.BELOW_MINIMUM),
    "off the lot step": ({"quantity": D("100.5")}, Code.OFF_LOT),
    "below what is filled": ({"quantity": D(39)}, Code.BELOW_FILLED),
    "off the tick": ({"limit_price": D("10.001")}, Code.OFF_TICK),
    "a stop that it has not": ({"stop_price": D(9)}, Code.PRICE_UNEXPECTED),
    "the same": ({"quantity": D(100), "limit_price": D(10)}, Code.NOTHING_TO_CHANGE),
    "nothing": ({}, Code.NOTHING_TO_CHANGE),
    "an older version": ({"quantity": D(200), "version": 1}, Code.ORDER_VERSION),
}


@pytest.mark.parametrize("what", REPLACES)
def test_a_replace_that_cannot_be_is_refused_and_changes_nothing(what: str) -> None:
    book, (wanted, code) = part_filled(), REPLACES[what]
    before = rows(book)
    with pytest.raises(Refused) as caught:
        book.step(c.ReplaceOrder(order_id=book.order_id, **wanted))  # type: ignore[arg-type]
    assert caught.value.code is code
    assert rows(book) == before


def test_a_replace_of_the_version_that_was_seen_is_taken() -> None:
    book = part_filled()
    command = c.ReplaceOrder(order_id=book.order_id, quantity=D(40), version=book.order.version)
    book.step(command)
    book.expect("RequestOpened")
    assert book.answer.order == book.order


def test_requests_are_numbered_within_a_bound() -> None:
    book = working()
    book.engine.state.put_order(replace(book.order, request_count=999))
    for ask in (lambda: book.replace(200), book.cancel):
        with pytest.raises(Conflict) as caught:
            ask()
        assert caught.value.code is Code.TOO_MANY_REQUESTS


# -- Adopting, configuring, sessions ---------------------------------------------------------------------------------


def test_an_order_found_at_the_broker_works_from_the_start() -> None:
    book = Playbook()
    book.step(_adoption())
    book.order_id = "tel-1"
    book.expect("InstrumentDefined", "OrderAdopted", state=SUBMITTED, leaves=100)
    assert book.order.acknowledged_at is not None
    book.report(fill("x1", 100, 10)).expect("OrderFilled", state=FILLED)


@pytest.mark.parametrize(("wrong", "error", "code"), [
    ({"fund_id": "nobody"}, Invalid, Code.UNKNOWN_FUND),
    ({"symbol": "nothing"}, Invalid, Code.UNKNOWN_SYMBOL),
    ({"broker": "nobody"}, Invalid, Code.UNKNOWN_BROKER),
    ({"broker_order_id": "B1"}, Conflict, Code.ORDER_ID_TAKEN),
    ({"order_id": "ord-1"}, Conflict, Code.ORDER_ID_TAKEN),
])  # fmt: skip
def test_what_cannot_be_adopted(wrong: dict[str, object], error: type[Refused], code: Code) -> None:
    book = working()
    before = rows(book)
    with pytest.raises(error) as caught:
        book.step(_adoption(**wrong))
    assert caught.value.code is code
    assert rows(book) == before


def test_configuring_journals_only_what_differs() -> None:
    book = working()
    instrument = book.engine.state.instruments.rows["AAPL"]
    book.step(c.Configure((book.fund,), (instrument,)))
    book.expect()
    book.step(c.Configure((replace(book.fund, base_currency="EUR"),), (replace(instrument, tick=D("0.05")),)))
    book.expect("InstrumentDefined", "FundConfigured")
    assert book.engine.state.instruments.rows["AAPL"].tick == D("0.05")


def test_each_session_has_its_epoch_and_keeps_the_cursor() -> None:
    book = Playbook()
    assert book.answer == 1
    book.submit(QUANTITY)
    book.report(replace(ack(), cursor="7"))
    assert book.open_session().answer == 2
    session = book.engine.state.sessions.rows[BROKER]
    assert (session.epoch, session.cursor) == (2, "7")


def test_a_cursor_moves_only_with_an_entry() -> None:
    book = working().report(replace(ack(), cursor="7"))
    assert book.events == []
    assert book.engine.state.sessions.rows[BROKER].cursor is None


def test_a_cursor_before_any_session_is_kept() -> None:
    book = Playbook(session=False)
    book.step(r.Acknowledged(broker=BROKER, client_id="nobody.1", cursor="3"))
    session = book.engine.state.sessions.rows[BROKER]
    assert (session.epoch, session.cursor) == (0, "3")


def test_a_break_is_a_row() -> None:
    book = working().report(ended(r.End.CANCELED)).report(ended(r.End.EXPIRED))
    assert all(isinstance(row, Break) for row in book.engine.state.breaks.rows.values())
