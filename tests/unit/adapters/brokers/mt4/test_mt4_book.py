"""What the events say of orders, however often and from where they are read."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from ordergate.adapters.brokers.mt4.book import Book
from ordergate.adapters.brokers.mt4.telling import Telling
from ordergate.domain.orders.reports import Acknowledged, Ended, Executed
from ordergate.testing.conformance.counterpart import Recorder

GMT, SERVER = 1_767_603_600, 1_767_610_800
ROW: Mapping[str, Any] = {
    "ticket": 5,
    "id": "a" * 26,
    "ref": "in.1",
    "symbol": "EU",
    "type": "buy",
    "lots": "0.10000000",
    "price": "1.10000000",
    "open_time": SERVER,
    "sl": "0",
    "tp": "0",
    "expiry": 0,
    "magic": 7,
    "comment": "og-aaaaaaaaaaaaaaaa",
    "commission": "-0.70000000",
    "swap": "0",
    "profit": "0",
}


def event(n: int, kind: str, **keys: Any) -> dict[str, Any]:
    return {"v": 1, "kind": kind, "n": n, "gmt": GMT, "server_time": SERVER + 7, **keys}


def begin(n: int, stream: str) -> dict[str, Any]:
    return event(n, "begin", stream=stream, run=1)


def opened(n: int, **keys: Any) -> dict[str, Any]:
    return event(n, "opened", **{**ROW, **keys})


def closed(n: int, **keys: Any) -> dict[str, Any]:
    end = {
        "close_price": "1.2",
        "close_time": SERVER + 60,
        "left": "0",
        "reason": "other",
        "by": "",
        "by_ref": "",
    }
    return event(n, "closed", **{**ROW, **end, "commission_open": "-0.7", **keys})


def book() -> Book:
    return Book("b", {"EU": "EURUSD"}, lambda _symbol, lots: lots)


def test_an_execution_is_told_in_our_words() -> None:
    b = book()
    b.take(begin(1, "s"))
    (said,) = b.take(opened(2))
    assert isinstance(said, Executed)
    assert (said.client_id, said.broker_order_id, said.exec_id) == ("in.1", "5", "5:opened")
    assert (said.quantity, said.price, said.fee) == (Decimal("0.1"), Decimal("1.1"), Decimal("0.7"))
    assert said.time.timestamp() == GMT  # the server's clock is two hours ahead
    assert said.completes
    assert b.since.timestamp() == GMT


def test_the_fee_of_a_close_is_what_its_opening_has_not_told() -> None:
    b = book()
    b.take(begin(1, "s"))
    b.take(opened(2))
    (said,) = b.take(closed(3, by_ref="out.1", commission="-1.4", swap="-0.3"))
    assert isinstance(said, Executed)
    assert (said.client_id, said.broker_order_id, said.fee) == ("out.1", "5:closed", Decimal("1.0"))


@pytest.mark.parametrize(
    ("of_part", "of_rest"),
    [
        ("-0.21", "-0.49"),
        ("-0.2", "-0.5"),
        ("-0.7", "0"),
        ("0", "-0.7"),
        ("-0.42", "-0.98"),
        ("-1.4", "-0.7"),
    ],
    ids=["shared by lots", "rounded", "all at first", "all at last", "both sides", "more at the close"],
)
@pytest.mark.parametrize("moved_first", [False, True])
def test_the_fees_of_a_position_in_parts_are_its_commission_however_that_is_shared_out(
    of_part: str, of_rest: str, moved_first: bool
) -> None:
    b = book()
    part = {"lots": "0.03", "left": "0.07", "by_ref": "part.1", "commission": of_part}
    rest = {
        "ticket": 6,
        "lots": "0.07",
        "by_ref": "rest.1",
        "commission": of_rest,
        "commission_open": of_rest,
    }
    moved = {**ROW, "from": 5, "to": 6, "ticket": 6, "lots": "0.07", "commission": of_rest}
    ends = [("closed", part), ("moved", moved)]
    told = [*b.take(begin(1, "s")), *b.take(opened(2))]
    for n, (kind, said) in enumerate(reversed(ends) if moved_first else ends, 3):
        told += b.take(closed(n, **said) if kind == "closed" else event(n, kind, **said))
    told += b.take(closed(5, **rest))
    fees = [said.fee for said in told if isinstance(said, Executed)]
    assert len(fees) == 3
    assert sum(fees) == -Decimal(of_part) - Decimal(of_rest)


def test_a_part_that_ends_has_its_share_of_what_its_opening_told() -> None:
    b = book()
    for said in (begin(1, "s"), opened(2)):
        b.take(said)
    (part,) = b.take(closed(3, lots="0.03", left="0.07", commission="-0.21", swap="-0.1", by_ref="part.1"))
    assert isinstance(part, Executed)
    assert part.fee == Decimal("0.1")


def test_a_part_whose_opening_is_not_kept_has_its_share_of_what_the_expert_says_of_it() -> None:
    b = book()
    b.take(begin(1, "s"))
    (part,) = b.take(closed(2, lots="0.03", left="0.07", commission="-0.21", by_ref="part.1"))
    assert isinstance(part, Executed)
    assert part.fee == 0


@pytest.mark.parametrize(("there", "works"), [(True, True), (False, False)])
def test_an_order_that_was_there_when_a_file_began_works_unless_it_has_ended(
    there: bool, works: bool
) -> None:
    b = book()
    b.take(begin(1, "s"))
    assert b.take(event(2, "still", **{**ROW, "type": "buylimit"}, open=there)) == []
    assert ("in.1" in b.orders and b.orders["in.1"].working is not None) is works


def test_an_event_counts_once() -> None:
    b = book()
    for said in (begin(1, "s"), opened(2)):
        b.take(said)
    assert b.take(opened(2)) == []
    assert not b.gap


def test_a_number_that_leaps_is_a_loss() -> None:
    b = book()
    b.take(begin(1, "s"))
    b.take(opened(3))
    assert b.gap


def test_another_stream_has_other_numbers_and_says_that_something_was_lost() -> None:
    b = book()
    for said in (begin(1, "s"), opened(2), begin(1, "t"), opened(2, ticket=6, ref="two.1")):
        b.take(said)
    assert b.gap
    assert (b.stream, b.n) == ("t", 2)
    assert set(b.orders) == {"in.1", "two.1"}


def test_streams_before_the_present_one_are_passed_over_when_all_is_read_again() -> None:
    b = book()
    lines = [begin(1, "s"), opened(2), begin(1, "t"), opened(2, ticket=6, ref="two.1")]
    for said in lines:
        b.take(said)
    b.gap = False
    told = [report for said in [*lines, opened(3, ticket=7, ref="three.1")] for report in b.take(said)]
    assert [said.client_id for said in told] == ["three.1"]
    assert not b.gap


def test_a_new_day_s_beginning_is_no_other_stream() -> None:
    b = book()
    for said in (
        begin(1, "s"),
        opened(2),
        begin(3, "s"),
        event(4, "still", **ROW, open=True),
        event(5, "begun", floor=0),
    ):
        b.take(said)
    assert not b.gap
    assert b.n == 5


def test_what_is_nobody_s_is_ours_once_a_result_says_so() -> None:
    b = book()
    b.take(begin(1, "s"))
    assert b.take(opened(2, ref="", id="", comment="")) == []
    assert b.take(closed(3, ref="", id="")) == []
    told = b.learn(5, "in.1")
    assert [said.client_id for said in told] == ["in.1"]
    assert b.learn(5, "in.1") == []


def test_what_a_comment_of_this_session_names_is_ours() -> None:
    b = book()
    b.refs["og-aaaaaaaaaaaaaaaa"] = "in.1"
    b.take(begin(1, "s"))
    assert b.take(opened(2, ref="", id="")) == []  # the magic number is another's
    from ordergate.adapters.brokers.mt4.ids import magic_of

    assert len(b.take(opened(3, ticket=6, ref="", id="", magic=magic_of("in.1")))) == 1


@pytest.mark.parametrize(("symbol", "count"), [("EU", 1), ("OTHER", 0)])
def test_a_symbol_that_is_not_traded_here_is_not_told(symbol: str, count: int) -> None:
    b = book()
    b.take(begin(1, "s"))
    assert len(b.take(opened(2, symbol=symbol))) == count


def test_an_order_that_works_and_ends() -> None:
    b = book()
    b.take(begin(1, "s"))
    assert isinstance(b.take(event(2, "placed", **{**ROW, "type": "buylimit"}))[0], Acknowledged)
    end = {"close_time": SERVER, "reason": "expired", "by": "", "by_ref": ""}
    (said,) = b.take(event(3, "deleted", **{**ROW, "type": "buylimit", **end}))
    assert isinstance(said, Ended)
    assert said.end.value == "expired"


# --- what is told, and what was told before


def pass_on(telling: Telling, stream: str, *numbers: int) -> None:
    for n in numbers:
        telling.pass_on([Acknowledged(broker="b", client_id=f"{stream}{n}")], stream, n)


@pytest.mark.parametrize(
    ("cursor", "told"),
    [
        (None, ["a1", "a2", "b1", "b2"]),
        ("no cursor", ["a1", "a2", "b1", "b2"]),
        ("a:1", ["a2", "b1", "b2"]),
        ("a:2", ["b1", "b2"]),
        ("b:1", ["b2"]),
        ("b:2", []),
        ("gone:7", ["a1", "a2", "b1", "b2"]),
    ],
)
def test_a_session_goes_on_from_its_cursor(cursor: str | None, told: list[str]) -> None:
    sink = Recorder()
    telling = Telling(sink, cursor)
    pass_on(telling, "a", 1, 2)
    pass_on(telling, "b", 1, 2)
    telling.all_read()
    assert [said.client_id for said in sink.reports] == told
    assert all(said.cursor is not None for said in sink.reports)
    pass_on(telling, "b", 3)
    assert [said.cursor for said in sink.reports][-1] == "b:3"


@pytest.mark.parametrize(
    ("cursor", "lost"),
    [(None, False), ("gone:7", True), ("a:1", True), ("a:2", False), ("a:4", False), ("b:1", False)],
)
def test_events_between_the_cursor_and_the_first_that_is_kept_are_lost(
    cursor: str | None, lost: bool
) -> None:
    telling = Telling(Recorder(), cursor)
    pass_on(telling, "a", 3, 4)
    pass_on(telling, "b", 1)
    telling.all_read()
    assert telling.lost is lost
