"""kill -9 of the service, and of the MetaTrader 4 terminal with its expert advisor, at each step of an order's way.

Afterwards the order is at the broker once, or not at all where its end is unknown, and what was executed is booked once.
The expert advisor is the one in Python, and the real one, where g++ makes a program of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from tests.services.bridge import EXPERTS
from tests.services.metatrader_service import Desks, terms
from tests.services.mt4_service import Mt4Desk

pytestmark = pytest.mark.slow
LOT = Decimal("0.1")


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks[Mt4Desk]]:
    made = Desks(lambda expert: Mt4Desk(tmp_path_factory.mktemp("desk"), expert))
    yield made
    made.close()


@contextmanager
def dying(desk: Mt4Desk, who: str, step: str) -> Iterator[None]:
    """Within, that process dies at that step, and is started again at the end.

    `step` of the service is one of `tests.services.dying`; of the terminal it is the beginning of a call that changes
    something: before it is done, or, where something is appended to a file, in the middle of it.
    """
    desk.arm(step)
    yield
    desk.wait_for_death()
    if who == "service":
        desk.start()
    else:
        desk.start_terminal()


def check_done(desk: Mt4Desk, key: str) -> None:
    """It comes to its end, executed and booked once."""
    desk.until(lambda: desk.order(key)["state"] == "CLOSED", "it did not come to its end")
    assert [one.lots for one in desk.tickets(key)] == [LOT]
    assert desk.booked(key) == LOT


def check_unknown(desk: Mt4Desk, key: str) -> None:
    """Nobody knows what became of it, so it is left to a person, and never sent again."""
    desk.until(lambda: desk.is_left_to_a_person(key), "it was not left to a person")
    again = desk.ask("POST", "/v1/orders", **terms(key, "buy", str(LOT), tif="fok"))
    assert (again["order_id"], again["state"]) == (desk.order(key)["order_id"], "SUBMITTED")
    assert (desk.tickets(key), desk.booked(key)) == ([], 0)


ORDERS = [
    *(
        ("service", step, check_done)
        for step in ("submitting", "written", "given", "answered", "telling", "told")
    ),
    ("terminal", "move in/", check_done),
    ("terminal", "append journal/", check_unknown),
    ("terminal", "open ", check_unknown),
    *(
        ("terminal", step, check_done)
        for step in ("append journal/|2", "put out/", "move out/", "delete work/", "append events/")
    ),
]


@pytest.mark.parametrize("expert", EXPERTS)
@pytest.mark.parametrize(("who", "step", "check"), ORDERS, ids=lambda one: getattr(one, "__name__", one))
def test_an_order(
    desks: Desks[Mt4Desk], expert: str, who: str, step: str, check: Callable[..., None]
) -> None:
    key = f"order, {who}, {step}"
    with desks.desk(expert) as desk:
        with dying(desk, who, step):
            desk.begin("POST", "/v1/orders", **terms(key, "buy", str(LOT), tif="fok"))
        check(desk, key)


CANCELS = [
    *(("service", step) for step in ("canceling", "written", "given", "answered", "ending", "ended")),
    *(
        ("terminal", step)
        for step in (
            "move in/",
            "append journal/",
            "delete 5",
            "append journal/|2",
            "move out/",
            "append events/",
        )
    ),
]


@pytest.mark.parametrize(("who", "step"), CANCELS)
def test_a_cancel(desks: Desks[Mt4Desk], who: str, step: str) -> None:
    """The order ends in both places, once it is asked for again where the first was not carried out."""
    key = f"cancel, {who}, {step}"
    with desks.desk("python") as desk:
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
        assert not any(one.pending for one in desk.books().open.values())
        assert (len(desk.tickets(key)), desk.booked(key)) == (1, 0)


CLOSES = [
    *(
        ("service", step)
        for step in ("planning", "planned", "written|2", "given|2", "answered|2", "given|3", "told|2")
    ),
    *(
        ("terminal", step)
        for step in ("close ", "close |2", "move in/|2", "append journal/|4", "open ", "append journal/|6")
    ),
]


@pytest.mark.parametrize(("who", "step"), CLOSES)
def test_a_close_in_steps(desks: Desks[Mt4Desk], who: str, step: str) -> None:
    """Two tickets are closed and another one is opened: each once, or not, and as it is booked."""
    key = f"close, {who}, {step}"
    with desks.desk("python") as desk:
        for number in range(2):
            desk.ask("POST", "/v1/orders", **terms(f"{key}, {number}", "buy", str(LOT), tif="fok"))
            check_done(desk, f"{key}, {number}")
        held, before = sum(desk.longs()), desk.net()
        with dying(desk, who, step):
            desk.begin("POST", "/v1/orders", **terms(key, "sell", str(held + LOT), tif="fok"))
        desk.until(
            lambda: desk.order(key)["state"] in ("CLOSED", "CANCELED") or desk.is_left_over(key),
            "it neither ends nor is left to a person",
        )
        sold = before - desk.net()
        assert 0 <= sold <= held + LOT
        desk.until(lambda: desk.booked(key) == sold, "not all of it was booked")
        assert (desk.order(key)["state"] == "CLOSED") == (sold == held + LOT)
