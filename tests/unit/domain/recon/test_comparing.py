"""The comparator alone: each difference is found, net of the others, and what is under way excuses what it can explain."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ordergate.adapters.ids import TimeIds
from ordergate.domain.breaks import BreakKind, Cause
from ordergate.domain.identifiers import client_order_id
from ordergate.domain.instruments import built_in
from ordergate.domain.money import EXACT
from ordergate.domain.orders.executions import Delta, Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import ExecutionKind, OrderType, RequestKind, Side, State, TimeInForce
from ordergate.domain.recon.comparing import certain, compare, covers
from ordergate.domain.recon.statement import Ours, Statement, Terms, Tolerance, named_orders, wrong_in

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=5)
TERMS = Terms()


def order(order_id: str, state: State = State.CLOSED, symbol: str = "AAPL") -> Order:
    return Order(
        order_id=order_id, fund_id="fund", symbol=symbol, side=Side.BUY, quantity=Decimal(100),
        order_type=OrderType.MARKET, tif=TimeInForce.DAY, broker="paper", state=state, created_at=BEFORE,
        updated_at=BEFORE, client_id=f"{order_id}.1", broker_order_id=f"B{order_id}", ended_at=BEFORE,
    )  # fmt: skip


def fill(order_id: str, exec_id: str = "x1", quantity: int = 100, price: int = 180, **more) -> Fill:
    fields = {"time": BEFORE, "booked_at": BEFORE, "side": Side.BUY, "symbol": "AAPL"} | more
    return Fill(
        fill_id=f"{order_id}-f1", order_id=order_id, exec_id=exec_id, fund_id="fund", broker="paper",
        quantity=Decimal(quantity), price=Decimal(price), **fields,
    )  # fmt: skip


def said(one: Fill, **more) -> Executed:
    fields = {
        "client_id": f"{one.order_id}.1",
        "quantity": one.quantity,
        "price": one.price,
        "time": one.time,
    }
    return Executed(broker="paper", exec_id=one.exec_id, symbol=one.symbol, side=one.side, **(fields | more))


def ours(*fills: Fill, orders: tuple[Order, ...] = (), **more) -> Ours:
    known = {one.order_id: order(one.order_id) for one in fills} | {one.order_id: one for one in orders}
    fields = {
        "asked_after": NOW,
        "positions": {"AAPL": sum((f.quantity * f.side.sign for f in fills if f.counts), Decimal(0))},
        "cash": {"USD": -sum((f.quantity * f.side.sign * f.price for f in fills if f.counts), Decimal(0))},
    }
    return Ours(
        orders=known, fills={(f.order_id, f.exec_id): f for f in fills}, instruments={"AAPL": built_in("AAPL")},
        **(fields | more),
    )  # fmt: skip


def theirs(*executions: Executed, **more) -> Statement:
    held = sum((one.quantity * one.side.sign for one in executions), Decimal(0))
    paid = sum((one.quantity * one.side.sign * one.price for one in executions), Decimal(0))
    fields = {
        "as_of": NOW, "complete": True, "positions": {"AAPL": held}, "balances": {"USD": 1000 - paid},
        "paid_in": {"USD": Decimal(1000)}, "working": frozenset(), "executions": executions,
        "executions_since": NOW - timedelta(days=1),
    }  # fmt: skip
    return Statement(**(fields | more))


def kinds(mine: Ours, yours: Statement, terms: Terms = TERMS) -> list[tuple[BreakKind, bool]]:
    return [(one.kind, one.excused) for one in compare(mine, yours, terms)]


ONE = fill("one")


def test_equal_records_do_not_differ():
    assert kinds(ours(ONE), theirs(said(ONE))) == []
    assert kinds(ours(), theirs()) == []


def test_an_incomplete_statement_says_nothing():
    assert kinds(ours(ONE), theirs(complete=False)) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"quantity": Decimal(99)}, BreakKind.WRONG_QUANTITY),
        ({"price": Decimal(181)}, BreakKind.WRONG_PRICE),
        ({"side": Side.SELL}, BreakKind.WRONG_SIDE),
        ({"symbol": "MSFT"}, BreakKind.WRONG_INSTRUMENT),
    ],
)
def test_the_same_fill_with_other_contents_is_one_difference(change, kind):
    there = said(ONE, **{k: v for k, v in change.items() if k in ("quantity", "price")})
    there = replace(there, **change)
    held = {there.symbol: there.quantity * there.side.sign}
    cash = 1000 - there.quantity * there.side.sign * there.price
    instruments = {name: built_in(name) for name in ("AAPL", "MSFT")}
    mine = replace(ours(ONE), instruments=instruments)
    found = kinds(mine, theirs(there, positions=held, balances={"USD": cash}))
    assert found == [(kind, False)]


def test_a_fill_on_one_side_explains_position_and_money():
    assert kinds(ours(ONE), theirs()) == [(BreakKind.EXTRA_FILL, False)]
    there = theirs(said(ONE))
    assert kinds(ours(orders=(order("one"),), positions={}, cash={}), there) == [
        (BreakKind.MISSING_FILL, False)
    ]


def test_what_fills_do_not_explain_is_a_difference_of_its_own():
    mine = ours(ONE, positions={"AAPL": Decimal(103)})
    assert kinds(mine, theirs(said(ONE))) == [(BreakKind.POSITION, False)]
    assert kinds(mine, theirs()) == [(BreakKind.EXTRA_FILL, False), (BreakKind.POSITION, False)]


def test_a_missing_fill_that_was_taken_back_or_corrected_moves_nothing_twice():
    other = replace(
        said(ONE, refers_to="x1", execution_kind=ExecutionKind.CORRECT), exec_id="c1", price=Decimal(181)
    )
    both = replace(
        theirs(said(ONE), other), positions={"AAPL": Decimal(100)}, balances={"USD": Decimal(-17_100)}
    )
    missing = (BreakKind.MISSING_FILL, False)
    assert kinds(ours(orders=(order("one"),)), both) == [missing, missing]
    none = replace(said(ONE, refers_to="x1", execution_kind=ExecutionKind.BUST), exec_id="b1")
    gone = replace(theirs(said(ONE), none), positions={}, balances={"USD": Decimal(1000)})
    assert kinds(ours(orders=(order("one"),)), gone) == [missing, (BreakKind.BUSTED_FILL, False)]
    theirs_alone = [said(ONE, client_id="foreign"), replace(none, client_id="foreign")]
    foreign = replace(gone, executions=tuple(theirs_alone))
    assert kinds(ours(), foreign) == [(BreakKind.UNKNOWN_ORDER, False)]


def test_the_figures_of_a_difference_are_without_what_other_differences_explain():
    there = replace(theirs(said(ONE)), positions={"AAPL": Decimal(107)}, balances={"USD": Decimal(-17_300)})
    _fill, held, money = compare(ours(orders=(order("one"),)), there, TERMS)
    assert (held.ours, held.theirs) == (100, 107)
    assert held.detail == "100 AAPL here, with 100 of fills that differ, 107 at the broker"
    assert (money.ours, money.theirs) == (-17_000, -17_300)


def test_a_report_on_its_way_and_a_fill_booked_since_are_excused():
    late = fill("one", time=NOW - timedelta(seconds=1))
    there = theirs(said(late))
    assert kinds(ours(orders=(order("one"),), positions={}, cash={}), there) == [
        (BreakKind.MISSING_FILL, True)
    ]
    since = fill("one", booked_at=NOW + timedelta(seconds=1))
    assert kinds(ours(since), theirs()) == [(BreakKind.EXTRA_FILL, True)]


def test_a_fill_that_is_older_than_the_statement_looks_is_not_missed():
    old = fill("one", time=NOW - timedelta(days=2))
    assert (
        kinds(ours(old), theirs(positions={"AAPL": Decimal(100)}, balances={"USD": Decimal(-17_000)})) == []
    )


def test_an_order_that_only_we_could_name_means_that_the_journal_is_behind():
    (behind,) = compare(ours(positions={}, cash={}), theirs(said(fill("ord-000009"))), TERMS)
    assert (behind.kind, behind.cause) == (BreakKind.UNKNOWN_ORDER, Cause.JOURNAL_BEHIND)
    for name in (
        "somebody else's",
        "algo.3",
        "ord-000009.0",
        "ord-000009.01",
        "ord-000009.1000",
        "ord-9.1",
        "x.1",
    ):
        (stranger,) = compare(ours(positions={}, cash={}), theirs(said(ONE, client_id=name)), TERMS)
        assert stranger.cause is Cause.FOREIGN
    made = client_order_id(TimeIds().order_id(), 12)
    assert compare(ours(), theirs(working=frozenset({made})), TERMS)[0].cause is Cause.JOURNAL_BEHIND
    assert (
        compare(ours(), theirs(working=frozenset({"ord-000009.1"})), TERMS)[0].cause is Cause.JOURNAL_BEHIND
    )


def test_an_execution_may_be_named_by_the_brokers_own_id():
    adopted = ours(ONE, by_broker_id={"Bone": "one"})
    there = theirs(said(ONE, client_id=None, broker_order_id="Bone"))
    assert kinds(adopted, there) == []
    assert named_orders(there) == (frozenset(), frozenset({"Bone"}))
    assert [kind for kind, _ in kinds(ours(ONE), there)] == [BreakKind.UNKNOWN_ORDER, BreakKind.EXTRA_FILL]


def test_working_on_one_side_alone():
    live = order("two", State.SUBMITTED)
    mine = ours(ONE, orders=(live,))
    assert kinds(mine, theirs(said(ONE), working=frozenset({"two.1"}))) == []
    assert kinds(mine, theirs(said(ONE))) == [(BreakKind.NOT_WORKING, True)]
    assert kinds(mine, theirs(said(ONE), working=frozenset({"one.1", "two.1"}))) == [
        (BreakKind.STILL_WORKING, False)
    ]
    just = replace(order("one"), ended_at=NOW + timedelta(seconds=1))
    assert kinds(replace(mine, orders={"one": just}), theirs(said(ONE), working=frozenset({"one.1"}))) == [
        (BreakKind.STILL_WORKING, True)
    ]


@pytest.mark.parametrize("state", [State.PENDING_RISK, State.ACCEPTED])
def test_what_never_left_here_and_is_there_means_that_the_journal_is_behind(state: State) -> None:
    mine = ours(orders=(order("one", state),))
    (behind,) = compare(mine, theirs(working=frozenset({"one.1"})), TERMS)
    assert (behind.kind, behind.cause, behind.excused) == (
        BreakKind.STILL_WORKING,
        Cause.JOURNAL_BEHIND,
        False,
    )
    just = replace(fill("one"), time=NOW)
    (filled, *_sums) = compare(mine, theirs(said(just)), TERMS)
    assert (filled.kind, filled.look_up, filled.excused) == (BreakKind.MISSING_FILL, True, False)


def test_a_filled_order_may_work_at_the_broker_while_a_replace_is_under_way():
    filled = replace(order("one", State.FILLED), ended_at=None, filled_at=BEFORE)
    there = theirs(said(ONE), working=frozenset({"one.1"}))
    assert kinds(ours(ONE, orders=(filled,)), there) == [(BreakKind.STILL_WORKING, False)]
    larger = filled.with_request(filled.next_request(RequestKind.REPLACE, epoch=1, sent_at=BEFORE))
    assert kinds(ours(ONE, orders=(larger,)), there) == [(BreakKind.STILL_WORKING, True)]


def test_without_executions_what_works_or_was_booked_just_now_excuses():
    blind = theirs(executions=None, executions_since=None, working=None, positions={"AAPL": Decimal(5)})
    assert kinds(ours(), replace(blind, balances=None)) == [(BreakKind.POSITION, False)]
    live = ours(orders=(order("two", State.PARTIALLY_FILLED),))
    assert kinds(live, replace(blind, balances=None)) == [(BreakKind.POSITION, True)]
    (held,) = compare(live, replace(blind, balances=None), TERMS)
    assert held.asks == ("two",)
    assert kinds(ours(fresh=True), replace(blind, balances={"USD": Decimal(7)})) == [
        (BreakKind.POSITION, True),
        (BreakKind.BALANCE, True),
    ]
    touched = ours(touched=frozenset({"AAPL"}))
    assert kinds(touched, replace(blind, balances={"USD": Decimal(7)})) == [
        (BreakKind.POSITION, True),
        (BreakKind.BALANCE, True),
    ]


def test_tolerances_are_the_greater_of_two():
    both = Tolerance(absolute=Decimal("0.01"), relative=Decimal("0.001"))
    assert both.covers(Decimal("0.01"), Decimal(0))
    assert both.covers(Decimal(1001), Decimal(1000))
    assert not both.covers(Decimal("1001.01"), Decimal(1000))
    mine = ours(ONE, cash={"USD": Decimal("-18000.02")})
    assert kinds(mine, theirs(said(ONE))) == [(BreakKind.BALANCE, False)]
    assert kinds(mine, theirs(said(ONE)), Terms(balances=both)) == []
    assert kinds(ours(ONE, cash={"USD": Decimal("-18000.01")}), theirs(said(ONE))) == []


def test_money_is_not_compared_where_nobody_knows_what_was_there_before():
    there = theirs(said(ONE), paid_in=None, balances={"USD": Decimal(5)})
    assert kinds(ours(ONE), there) == []
    assert kinds(ours(ONE), there, Terms(opening={"USD": Decimal(18_005)})) == []
    assert kinds(ours(ONE), there, Terms(opening={"USD": Decimal(18_000)})) == [(BreakKind.BALANCE, False)]


def test_a_statement_covers_what_it_tells():
    assert covers(Statement(as_of=NOW, complete=True)) == frozenset()
    assert covers(theirs()) >= {
        BreakKind.POSITION,
        BreakKind.BALANCE,
        BreakKind.MISSING_FILL,
        BreakKind.NOT_WORKING,
    }
    assert covers(theirs(positions=None)) & {BreakKind.POSITION} == frozenset()


def test_what_is_excused_counts_once_it_has_stood():
    (one,) = compare(ours(fill("one", booked_at=NOW + timedelta(seconds=1))), theirs(), TERMS)
    assert certain([one], lambda _one: False) == ((), (one,))
    assert certain([one], lambda _one: True) == ((one,), ())


FILLS = st.lists(
    st.tuples(st.integers(1, 50), st.integers(100, 200), st.sampled_from(Side)), min_size=1, max_size=8
)


@given(FILLS, st.data())
def test_each_lost_or_changed_fill_is_found_and_none_besides(rows, data):
    """Whatever is lost on either side, or has another number, is one difference; sums are never one of their own."""
    known = [
        fill(f"o{number}", "x1", quantity, price, side=side)
        for number, (quantity, price, side) in enumerate(rows)
    ]
    there = [said(one) for one in known]
    what = [data.draw(st.sampled_from(("same", "extra", "missing", "quantity", "price"))) for _ in known]
    mine = [one for one, how in zip(known, what, strict=True) if how != "missing"]
    told = [
        replace(one, quantity=one.quantity + (how == "quantity"), price=one.price + (how == "price"))
        for one, how in zip(there, what, strict=True)
        if how != "extra"
    ]
    found = compare(ours(*mine, orders=tuple(order(one.order_id) for one in known)), theirs(*told), TERMS)
    expected = {
        "extra": BreakKind.EXTRA_FILL, "missing": BreakKind.MISSING_FILL, "quantity": BreakKind.WRONG_QUANTITY,
        "price": BreakKind.WRONG_PRICE,
    }  # fmt: skip
    assert {(one.order_id, one.kind) for one in found} == {
        (one.order_id, expected[how]) for one, how in zip(known, what, strict=True) if how != "same"
    }


def test_an_explained_difference_no_longer_explains_the_sums():
    (extra,) = compare(ours(ONE), theirs(), TERMS)
    told = {extra.key: (extra.ours, extra.theirs)}
    assert kinds(ours(ONE, explained=told), theirs()) == [
        (BreakKind.EXTRA_FILL, False), (BreakKind.POSITION, False), (BreakKind.BALANCE, False),
    ]  # fmt: skip
    other = {extra.key: (Decimal(99), extra.theirs)}  # of other numbers, nothing was explained
    assert kinds(ours(ONE, explained=other), theirs()) == [(BreakKind.EXTRA_FILL, False)]


@given(FILLS, st.data())
def test_what_was_explained_and_adjusted_agrees_whether_or_not_it_is_still_named(rows, data):
    """An adjustment books what the sums differ by: nothing is counted twice, and what is not explained is still net."""
    known = [
        fill(f"o{number}", "x1", quantity, price, side=side)
        for number, (quantity, price, side) in enumerate(rows)
    ]
    what = [data.draw(st.sampled_from(("same", "extra", "missing", "price"))) for _ in known]
    mine = [one for one, how in zip(known, what, strict=True) if how != "missing"]
    told = [
        replace(said(one), price=one.price + (how == "price"))
        for one, how in zip(known, what, strict=True)
        if how != "extra"
    ]
    record, account = ours(*mine, orders=tuple(order(one.order_id) for one in known)), theirs(*told)
    named = compare(record, account, TERMS)
    explained = {one.key: (one.ours, one.theirs) for one in named if data.draw(st.booleans())}
    record = replace(record, explained=explained)
    sums = [
        one for one in compare(record, account, TERMS) if one.kind in (BreakKind.POSITION, BreakKind.BALANCE)
    ]
    held, cash = dict(record.positions), dict(record.cash)
    for one in sums:
        of = held if one.kind is BreakKind.POSITION else cash
        of[one.symbol] = of.get(one.symbol, Decimal(0)) + one.theirs - one.ours
    record = replace(record, positions=held, cash=cash)
    assert {one.key for one in compare(record, account, TERMS)} == {one.key for one in named}
    if len(explained) == len(named):  # then it does not matter either that nothing names them any more
        silent = replace(account, executions=(), executions_since=NOW)
        assert compare(record, silent, TERMS) == ()


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({"positions": {"AAPL": Decimal("NaN")}}, "positions of AAPL is NaN: no sane number"),
        ({"balances": {"USD": Decimal("1e400")}}, "balances of USD is 1E"),
        ({"balances": {"USD": Decimal("1e-400")}}, "balances of USD is 1E"),
        ({"balances": {"USD": Decimal("1e9999999")}}, "balances of USD is 1E"),
        ({"positions": {"AAPL": Decimal("1e36")}}, "positions of AAPL is 1E"),
        ({"paid_in": {"USD": Decimal("-Infinity")}}, "paid_in of USD is -Inf"),
        ({"bound": {"USD": Decimal("sNaN")}}, "bound of USD is sNaN"),
        ({"positions": {"AAPL": 0.5}}, "positions of AAPL is 0.5: no sane number"),
        ({"executions": (said(fill("a"), price=Decimal("NaN")),)}, "the price of execution x1 is NaN"),
        ({"executions": (said(fill("a"), fee=Decimal("NaN")),)}, "the fee of execution x1 is NaN"),
        ({"executions": (said(fill("a"), deltas=(Delta(position_key="v:t:s", amount=Decimal("NaN"), source="x"),)),)},
         "v:t:s of execution x1 is NaN"),
        ({"executions": (said(fill("a"), time=NOW.replace(tzinfo=None)),)},
         "the time of execution x1 is 2026-03-02 15:00:00: no time with an offset"),
        ({"executions_since": NOW.replace(tzinfo=None)}, "executions_since is 2026"),
        ({"as_of": NOW.replace(tzinfo=None)}, "as_of is 2026"),
    ],
)  # fmt: skip
def test_a_statement_that_cannot_be_compared(told, wrong):
    assert (wrong_in(Statement(**{"as_of": NOW, "complete": True, **told})) or "").startswith(wrong)


@pytest.mark.parametrize("number", ["-1", "0", "1E+3", f"{'9' * 36}.{'9' * 60}", f"-0.{'1' * 36}"])
def test_a_statement_that_can_be_compared(number):
    """Sums of products are longer than what is kept."""
    sums = {"AAPL": Decimal(number)}
    good = Statement(
        as_of=NOW, complete=True, positions=sums, balances=sums, paid_in=sums, executions=(said(fill("a")),)
    )
    assert wrong_in(good) is None
    terms = Terms(
        quantities=Tolerance(relative=Decimal("0.0001")), balances=Tolerance(relative=Decimal("0.0001"))
    )
    with localcontext(EXACT):
        compare(ours(fill("a")), good, terms)
