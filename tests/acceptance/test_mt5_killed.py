"""kill -9 of service, agent, worker and terminal of MetaTrader 5 at each step of an order's way.

Afterwards the order is at the broker once, or not at all where its end is unknown, and what was executed is booked once.
The processes are those of one desk, which goes on from case to case as it would from day to day.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from tests.services.metatrader_service import Desks, terms
from tests.services.mt5_service import Mt5Desk

pytestmark = pytest.mark.slow
LOT = Decimal("0.1")
AGENT, BESIDE = "netting through agent", "netting beside"
HEDGING = "hedging through agent"


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks[Mt5Desk]]:
    def make(kind: str) -> Mt5Desk:
        mode, place = kind.split(maxsplit=1)
        return Mt5Desk(tmp_path_factory.mktemp("desk"), mode, beside=place == "beside")

    made = Desks(make)
    yield made
    made.close()


@contextmanager
def dying(desk: Mt5Desk, who: str, step: str) -> Iterator[None]:
    """Within, that process dies at that step, and is started again at the end.

    `step` of the service and the agent is one of `tests.services.dying`; of the others it is a call of the package's,
    and whether they die before it is carried out or after.
    """
    if who in ("service", "agent"):
        desk.arm(step)
        yield
        desk.wait_for_death()
        if who == "service" or desk.agent is None:
            desk.start()
        else:
            desk.agent.wait()
            desk.start_agent()
        return
    call, when = step.split()
    control = desk.terminal.control
    control.inject("die" if who == "terminal" else "hang", times=1, calls=[call], when=when)
    yield
    if who == "terminal":
        desk.terminal.wait()
        desk.restart_terminal()
    else:
        desk.until(lambda: "hang" not in control.faults(), "it was not called")
        desk.kill_worker()


def requests(desk: Mt5Desk, key: str) -> list[dict[str, Any]]:
    """What came to the broker under an order's name."""
    name = desk.order(key)["order_id"].removeprefix("ord-")
    return [one for one in desk.look()["sent"] if one["comment"].startswith(name)]


def deals(desk: Mt5Desk, key: str) -> list[dict[str, Any]]:
    """What the broker has executed of it."""
    name = desk.order(key)["order_id"].removeprefix("ord-")
    return [one for one in desk.look()["deals"] if one["comment"].startswith(name)]


def check_done(desk: Mt5Desk, key: str, quantity: Decimal = LOT) -> None:
    """It comes to its end, executed and booked once."""
    desk.until(lambda: desk.order(key)["state"] == "CLOSED", "it did not come to its end")
    assert (len(requests(desk, key)), len(deals(desk, key))) == (1, 1)
    assert desk.booked(key) == quantity == Decimal(repr(deals(desk, key)[0]["volume"]))


def check_unknown(desk: Mt5Desk, key: str) -> None:
    """Nobody knows what became of it, so it is left to a person, and never sent again."""
    desk.until(lambda: desk.is_left_to_a_person(key), "it was not left to a person")
    again = desk.ask("POST", "/v1/orders", **terms(key, "buy", str(LOT)))
    assert (again["order_id"], again["state"]) == (desk.order(key)["order_id"], "SUBMITTED")
    assert (requests(desk, key), deals(desk, key), desk.booked(key)) == ([], [], 0)


ORDERS = [
    *(
        (AGENT, "service", step, check_done)
        for step in ("submitting", "checked", "given", "answered", "telling", "told")
    ),
    (AGENT, "agent", "unclaimed", check_done),
    (AGENT, "agent", "claimed", check_unknown),
    *((AGENT, "agent", step, check_done) for step in ("called", "recorded", "reading")),
    (AGENT, "worker", "order_check before", check_done),
    (AGENT, "worker", "order_send before", check_unknown),
    (AGENT, "worker", "order_send after", check_done),
    (AGENT, "worker", "history_deals_get after", check_done),
    *(
        (AGENT, "terminal", f"{call} {when}", check_done)
        for call in ("order_check", "order_send", "history_deals_get")
        for when in ("before", "after")
    ),
    *(
        (BESIDE, "service", step, check_done)
        for step in ("unclaimed", "called", "recorded", "reading", "told")
    ),
    (BESIDE, "service", "claimed", check_unknown),
    (BESIDE, "worker", "order_send before", check_unknown),
    (BESIDE, "worker", "order_send after", check_done),
    (BESIDE, "terminal", "order_send before", check_done),
    (BESIDE, "terminal", "order_send after", check_done),
]


@pytest.mark.parametrize(
    ("kind", "who", "step", "check"),
    [pytest.param(*case, id=" ".join((case[0].split()[-1], *case[1:3]))) for case in ORDERS],
)
def test_an_order(desks: Desks[Mt5Desk], kind: str, who: str, step: str, check: Callable[..., None]) -> None:
    key = f"order, {who}, {step}"
    with desks.desk(kind) as desk:
        with dying(desk, who, step):
            desk.begin("POST", "/v1/orders", **terms(key, "buy", str(LOT)))
        check(desk, key)


def test_a_death_after_all_is_booked(desks: Desks[Mt5Desk]) -> None:
    """The cursor has not moved past what was booked, or has: either way it is booked once."""
    with desks.desk(AGENT) as desk:
        desk.ask("POST", "/v1/orders", **terms("booked", "buy", str(LOT)))
        check_done(desk, "booked")
        desk.start()
        desk.ask("POST", "/v1/orders", **terms("after booked", "buy", str(LOT)))
        check_done(desk, "after booked")
        check_done(desk, "booked")


CANCELS = [
    *(("service", step) for step in ("canceling", "checked", "given", "answered", "ending", "ended")),
    *(("agent", step) for step in ("unclaimed", "claimed", "called", "recorded")),
    *(("worker", f"order_send {when}") for when in ("before", "after")),
    *(("terminal", f"order_send {when}") for when in ("before", "after")),
]


@pytest.mark.parametrize(("who", "step"), CANCELS)
def test_a_cancel(desks: Desks[Mt5Desk], who: str, step: str) -> None:
    """The order ends in both places, once it is asked for again where the first was not carried out."""
    key = f"cancel, {who}, {step}"
    with desks.desk(AGENT) as desk:
        desk.ask("POST", "/v1/orders", **terms(key, "buy", str(LOT), "1.05"))
        desk.until(lambda: desk.order(key)["acknowledged_at"], "it does not work")
        path = f"/v1/orders/{desk.order(key)['order_id']}/cancel"
        with dying(desk, who, step):
            desk.begin("POST", path, reason="no more")

        def over() -> bool:
            order = desk.order(key)
            if order["state"] == "SUBMITTED" and not order["pending"]:
                desk.ask("POST", path, reason="no more")
            return bool(order["state"] == "CANCELED")

        desk.until(over, "it was not canceled")
        assert desk.look()["orders"] == []
        assert (len(requests(desk, key)), deals(desk, key), desk.booked(key)) == (1, [], 0)


CLOSES = [
    *(
        ("service", step)
        for step in ("checked|2", "given|2", "answered|2", "checked|3", "answered|3", "told|2")
    ),
    *(("agent", step) for step in ("unclaimed|2", "claimed|2", "called|2", "recorded|2", "called|3")),
    ("worker", "order_send before"),
    ("worker", "order_send after"),
    ("terminal", "order_send before"),
    ("terminal", "order_send after"),
]


@pytest.mark.parametrize(("who", "step"), CLOSES)
def test_a_close_in_steps(desks: Desks[Mt5Desk], who: str, step: str) -> None:
    """Two positions of a hedging account are closed and another one is opened: each once, or not, and as it is booked."""
    key = f"close, {who}, {step}"
    with desks.desk(HEDGING) as desk:
        for number in range(2):
            desk.ask("POST", "/v1/orders", **terms(f"{key}, {number}", "buy", str(LOT)))
            check_done(desk, f"{key}, {number}")
        longs = desk.longs()
        held = sum(longs)
        with dying(desk, who, step):
            desk.begin("POST", "/v1/orders", **terms(key, "sell", str(held + LOT)))
        desk.until(
            lambda: desk.order(key)["state"] in ("CLOSED", "CANCELED") or desk.is_left_over(key),
            "it neither ends nor is left to a person",
        )
        sold = [Decimal(repr(one["volume"])) for one in deals(desk, key)]
        assert len(sold) == len(requests(desk, key)) <= len(longs) + 1
        desk.until(lambda: desk.booked(key) == sum(sold), "not all of it was booked")
        assert (desk.order(key)["state"] == "CLOSED") == (sum(sold) == held + LOT)
        assert sum(desk.longs()) == max(held - sum(sold), Decimal(0))
