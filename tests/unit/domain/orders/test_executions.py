"""Which of a broker's executions counts: a function of the set, not of the order of arrival."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordergate.domain.orders.executions import Fill, effective, supersede
from ordergate.domain.orders.states import ExecutionKind, Side
from ordergate.testing.playbook import START

D = Decimal


def execution(exec_id: str, refers_to: str | None = None, *, seconds: int = 0, **more: Any) -> Fill:
    kind = ExecutionKind.TRADE if refers_to is None else ExecutionKind.CORRECT
    fields: dict[str, Any] = {"quantity": D(10), "price": D(5), "kind": kind} | more
    return Fill(
        fill_id=f"o-{exec_id}", order_id="o", exec_id=exec_id, fund_id="fund", symbol="AAPL", side=Side.BUY,
        broker="paper", time=START + timedelta(seconds=seconds), booked_at=START, refers_to=refers_to, **fields,
    )  # fmt: skip


def bust_of(exec_id: str, refers_to: str, *, seconds: int = 0) -> Fill:
    return execution(exec_id, refers_to, seconds=seconds, kind=ExecutionKind.BUST, quantity=D(0), price=D(0))


def arrive(*fills: Fill) -> dict[str, Fill]:
    known: dict[str, Fill] = {}
    for fill in fills:
        changed = supersede(fill, known)
        assert not changed or changed[0].exec_id == fill.exec_id
        assert all(row != known.get(row.exec_id) for row in changed)
        known |= {row.exec_id: row for row in changed}
    return known


def counting(known: dict[str, Fill]) -> set[str]:
    return {name for name, row in known.items() if row.counts}


def test_a_trade_counts() -> None:
    assert supersede(execution("a"), {}) == (execution("a"),)


def test_the_same_execution_changes_nothing_whatever_it_says_now() -> None:
    known = arrive(execution("a"))
    assert supersede(execution("a", quantity=D(99)), known) == ()


def test_a_correction_takes_the_place_of_its_trade() -> None:
    known = arrive(execution("a"), execution("b", "a"))
    assert counting(known) == {"b"}
    assert known["a"].superseded_by == "b"


def test_a_bust_counts_as_little_as_its_trade() -> None:
    known = arrive(execution("a"), bust_of("b", "a"))
    assert counting(known) == set()
    assert (known["a"].superseded_by, known["b"].superseded_by) == ("b", None)


def test_a_bust_of_a_correction_does_not_bring_the_trade_back() -> None:
    assert counting(arrive(execution("a"), execution("b", "a"), bust_of("c", "b"))) == set()


def test_of_two_corrections_of_one_trade_the_later_counts() -> None:
    known = arrive(execution("a"), execution("b", "a", seconds=2), execution("c", "a", seconds=1))
    assert counting(known) == {"b"}
    assert known["c"].superseded_by == "b"


def test_of_two_at_the_same_time_the_greater_name_counts() -> None:
    assert counting(arrive(execution("a"), execution("c", "a"), execution("b", "a"))) == {"c"}


def test_what_is_referred_to_yields_to_an_earlier_one_too() -> None:
    known = arrive(execution("a"), execution("b", "a", seconds=2), execution("c", "b", seconds=1))
    assert counting(known) == {"c"}


def test_one_that_was_outdone_can_count_again() -> None:
    first = arrive(execution("a"), execution("b", "a", seconds=2), execution("c", "a", seconds=1))
    known = first | {row.exec_id: row for row in supersede(bust_of("d", "b"), first)}
    assert counting(first) == {"b"}
    assert counting(known) == {"c"}
    assert known["c"].superseded_by is None


def test_what_is_referred_to_first_is_awaited_and_then_counts_for_nothing() -> None:
    known = arrive(execution("b", "a", fee=D(1), fee_currency="USD"))
    awaited = known["a"]
    assert awaited.awaited
    assert (awaited.quantity, awaited.fee, awaited.fee_currency, awaited.refers_to) == (0, 0, None, None)
    known |= {row.exec_id: row for row in supersede(execution("a"), known)}
    assert not known["a"].awaited
    assert (counting(known), known["a"].superseded_by) == ({"b"}, "b")


def test_families_do_not_mix() -> None:
    known = arrive(execution("a"), execution("b"), execution("c", "a"))
    assert counting(known) == {"b", "c"}


def test_a_circle_has_one_result_too() -> None:
    circle = [execution("a", "b", seconds=1), execution("b", "a", seconds=2)]
    assert counting(arrive(*circle)) == counting(arrive(*reversed(circle))) == {"b"}


def test_what_a_fill_adds_follows_later_splits() -> None:
    fill = execution("a", ratio=D(2))
    assert effective(fill, D(2)) == 10
    assert effective(fill, D(6)) == 30
    assert effective(replace(fill, counts=False), D(6)) == effective(None, D(6)) == 0
