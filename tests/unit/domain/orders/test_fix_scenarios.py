"""Every scenario of `fix_scenarios`, with ordergate as the order management system over a broker.

The client's requests are our commands, the broker's messages its reports. The OrdStatus is derived here, by the
precedence rules of the appendix, from state, marks and open requests.

The matrices show the broker's side, we are the other one. A request of ours is pending for us from the moment it
was made, for the broker from its own report of that (ExecType 6 or E), which is no event of ours. So the status is
compared as the broker sees it, counting only requests that it has reported as pending; and, beside it, our own is
checked to be pending as long as any request is open. A name that is taken is refused at our door and never reaches
a broker; what is compared there is that the first order stays as it was.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from msgspec import Struct

from ordergate.domain.errors import Code, Conflict, NotFound
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import Mark, OrderType, RequestKind, Side, State, TimeInForce
from ordergate.testing.playbook import (
    BROKER,
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

from .fix_scenarios import NOT_REPRESENTED, SCENARIOS, TITLES, UNVERIFIED

D = Decimal
NUMBERS = {"X": 1, "Y": 2, "Z": 3}


class Line(Struct):
    """One message of a scenario."""

    sign: str
    alternative: bool
    words: list[str]
    named: dict[str, str]


def lines(text: str) -> list[Line]:
    parsed = []
    for line in filter(None, text.splitlines()):
        words = line.split()
        alternative = words[0] == "|"
        sign, *words = words[1:] if alternative else words
        named = dict(word.split("=") for word in words if "=" in word)
        parsed.append(Line(sign, alternative, [word for word in words if "=" not in word], named))
    return parsed


def branches() -> Iterator[tuple[str, int, list[Line]]]:
    """Of each scenario the main branch, and each alternative up to where it is taken."""
    for name, text in SCENARIOS.items():
        parsed = lines(text)
        yield name, 0, [line for line in parsed if not line.alternative]
        taken = [number for number, line in enumerate(parsed) if line.alternative]
        for count, number in enumerate(taken, 1):
            yield name, count, [line for line in parsed[:number] if not line.alternative] + [parsed[number]]


def ord_status(order: Order, pending: set[int]) -> str:
    """OrdStatus (39): of all that holds, what ranks highest."""
    asked = {request.kind for request in order.requests if request.number in pending}
    holds = [
        (12, "6", RequestKind.CANCEL in asked),
        (11, "E", RequestKind.REPLACE in asked),
        (10, "3", Mark.DONE_FOR_DAY in order.marks),
        (8, "2", order.state in (State.FILLED, State.CLOSED)),
        (7, "7", Mark.STOPPED in order.marks),
        (6, "9", Mark.SUSPENDED in order.marks),
        (5, "4", order.state is State.CANCELED),
        (5, "C", order.state is State.EXPIRED),
        (4, "1", order.filled_quantity > 0),
        (3, "8", order.state is State.REJECTED),
        (2, "0", order.acknowledged_at is not None),
        (1, "A", True),
    ]
    return next(status for _rank, status, is_so in sorted(holds, reverse=True) if is_so)


class Conversation:
    """Plays one branch and compares after each line."""

    def __init__(self) -> None:
        self.book = Playbook()
        self.pending: set[int] = set()
        self.executions = 0

    def play(self, line: Line) -> None:
        if line.sign == ">":
            self.ask(*line.words, **line.named)
        elif line.sign == "!":
            self.refuse(*line.words)
        else:
            self.hear(line)
        if self.book.order_id:
            self.check_ours()

    def ask(
        self, what: str, name: str, quantity: str = "0", tif: str = "day", limit: str | None = None
    ) -> None:
        book = self.book
        match what:
            case "order" | "another":
                book.submit(quantity, limit=10, tif=TimeInForce(tif))
            case "again":
                before = len(book.entries)
                book.submit(quantity, limit=10, key="key-1")
                assert book.answer.replayed
                assert len(book.entries) == before
            case "taken":
                with pytest.raises(Conflict) as caught:
                    book.submit(quantity, limit=10, key="key-1")
                assert caught.value.code is Code.KEY_REUSED
            case "cancel":
                book.cancel().expect("RequestOpened")
            case "replace":
                book.replace(quantity, limit=limit).expect("RequestOpened")
            case "telephone" | "cash":
                self.telephone(D(quantity), in_cash=what == "cash")
            case "unknown":
                with pytest.raises(NotFound) as missing:
                    book.step(c.CancelOrder(order_id="nobody"))
                assert missing.value.code is Code.ORDER_NOT_FOUND
            case _:
                assert what == "status"
        if what in ("cancel", "replace"):
            assert book.order.requests[-1].number == NUMBERS[name]

    def telephone(self, quantity: Decimal, *, in_cash: bool) -> None:
        self.book.step(
            c.AdoptOrder(
                order_id="tel-1",
                fund_id="fund",
                symbol="AAPL",
                side=Side.BUY,
                order_type=OrderType.MARKET,
                quantity=D(0) if in_cash else quantity,
                cash_quantity=quantity if in_cash else None,
                broker=BROKER,
                broker_order_id="T1",
            )
        )
        self.book.order_id = "tel-1"

    def refuse(self, name: str, status: str) -> None:
        if not self.book.order_id:
            assert status == "8"
            return
        self.book.report(refused(), request=NUMBERS[name]).expect("RequestDropped")
        assert ord_status(self.book.order, self.pending) == status

    def hear(self, line: Line) -> None:
        name, exec_type, status, quantity, filled, leaves, *last = line.words
        number = NUMBERS.get(name)
        if exec_type in "6E":
            assert number is not None
            self.pending.add(number)
        else:
            said = self.reports(exec_type, quantity, last, line.named)
            self.book.report(*said, request=number)
        order = self.book.order
        assert ord_status(order, self.pending) == status
        shown = (order.quantity, order.filled_quantity, order.leaves_quantity)
        for have, want in zip(shown, (quantity, filled, leaves), strict=True):
            assert want == "-" or have == D(want)
        if "avg" in line.named:
            assert (order.average_price or 0) == D(line.named["avg"])
        if exec_type == "5":
            assert order.client_id == f"{order.order_id}.{number}"

    def reports(
        self, exec_type: str, quantity: str, last: list[str], named: dict[str, str]
    ) -> list[r.AnyReport]:
        self.executions += 1
        exec_id = named.get("id", f"exec-{self.executions}")
        amount, price = (*last[0].split("@"), "10")[:2] if last else ("0", "10")
        match exec_type:
            case "0" | "I":
                return [ack(self.book.order.broker_order_id or f"B-{self.book.order_id}")]
            case "8":
                return [ended(r.End.REJECTED)]
            case "4":
                return [ended(r.End.CANCELED)]
            case "F":
                return [fill(exec_id, amount, price)]
            case "G":
                return [correct(exec_id, named["ref"], amount, price, seconds=self.executions)]
            case "H":
                return [bust(exec_id, named["ref"], seconds=self.executions)]
            case "5":
                return [replaced(quantity)]
            case "D":  # a renewal begins a new day
                renewed = restated(quantity, ratio=named.get("ratio", "1"))
                return [marked(Mark.DONE_FOR_DAY, on=False), renewed]
            case "3":
                return [marked(Mark.DONE_FOR_DAY)]
            case "7":
                return [marked(Mark.STOPPED)]
        assert exec_type == "-"
        return []

    def check_ours(self) -> None:
        """We see a request as pending as long as it is open."""
        order = self.book.order
        ours = ord_status(order, {request.number for request in order.requests})
        kinds = {request.kind for request in order.requests} - {RequestKind.SUBMIT}
        assert (ours in "6E") == bool(kinds)


CASES = [pytest.param(name, branch, id=f"{name}-{number}") for name, number, branch in branches()]


@pytest.mark.parametrize(("name", "branch"), CASES)
def test_scenario(name: str, branch: list[Line]) -> None:
    conversation = Conversation()
    for line in branch:
        conversation.play(line)
    assert len(conversation.book.engine.state.orders.rows) == {"B.1.f": 0, "F.1.b": 2}.get(name, 1)


def test_every_scenario_is_either_played_or_explained() -> None:
    assert len(TITLES) == 46
    assert SCENARIOS.keys() | NOT_REPRESENTED.keys() == TITLES.keys()
    assert not SCENARIOS.keys() & NOT_REPRESENTED.keys()
    assert TITLES.keys() >= UNVERIFIED
    assert all(re.fullmatch(r"[A-L]\.\d\.[a-f]", name) for name in TITLES)


def test_the_tables_agree_with_themselves() -> None:
    """CumQty and LeavesQty make OrderQty, and LeavesQty is 0 once the order is over, as the appendix has it."""
    for _name, _number, branch in branches():
        for line in branch:
            if line.sign != "<" or "-" in line.words[3:6]:
                continue
            status, (quantity, filled, leaves) = line.words[2], map(int, line.words[3:6])
            assert leaves == 0 if status in "48" else status == "3" or filled + leaves == quantity


def test_a_suspended_order_says_so_and_comes_back() -> None:
    book = Playbook().submit(10000, limit=10).report(ack())
    assert ord_status(book.report(marked(Mark.SUSPENDED)).order, set()) == "9"
    assert ord_status(book.report(marked(Mark.SUSPENDED, on=False)).order, set()) == "0"


def test_an_expired_order_says_so() -> None:
    book = Playbook().submit(10000, limit=10).report(ack()).report(fill("x1", 10, 10))
    assert ord_status(book.report(ended(r.End.EXPIRED)).order, set()) == "C"
