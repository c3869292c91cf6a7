"""What a class of one's own says of its account: everything that makes sense, and nothing else."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from ordergate.adapters.brokers.sync.reading import Unreadable
from ordergate.adapters.brokers.sync.telling import account, tells


def made(positions, balances=None):
    def say(what):
        if isinstance(what, Exception):
            raise what
        return what

    telling = {"get_positions": lambda: say(positions)}
    if balances is not None:
        telling["get_balances"] = lambda: say(balances)
    return SimpleNamespace(**telling)


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ({}, {}),
        ([], {}),
        ({"AAPL": 5, "EURUSD": -0.1}, {"AAPL": 5, "EURUSD": Decimal("-0.1")}),
        ([{"symbol": "AAPL", "quantity": "5"}, {"symbol": "AAPL", "quantity": 2}], {"AAPL": 7}),
        ((SimpleNamespace(symbol="AAPL", volume=3.5, side="SELL"),), {"AAPL": Decimal("-3.5")}),
        ([SimpleNamespace(symbol="AAPL", quantity=Decimal(3), side="buy")], {"AAPL": 3}),
    ],
)
def test_positions_are_read(said, held):
    assert tells(made(said))
    assert account(made(said)) == (held, None)


def test_money_is_read_where_it_is_told():
    assert account(made({}, {"USD": 10.25})) == ({}, {"USD": Decimal("10.25")})


@pytest.mark.parametrize(
    "said",
    [
        None, "AAPL", 5, {5: 1}, {"AAPL": "many"}, {"AAPL": float("nan")}, {"AAPL": True}, [None],
        [{"symbol": "AAPL"}], [{"quantity": 5}], [{"symbol": "", "quantity": 5}], RuntimeError("no"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_no_empty_account(said):
    with pytest.raises(Unreadable):
        account(made(said))


@pytest.mark.parametrize("said", [[], "USD", {"USD": None}, ValueError("no")])
def test_nor_is_money_that_makes_none(said):
    with pytest.raises(Unreadable):
        account(made({"AAPL": 5}, said))


def test_a_class_need_not_tell():
    assert not tells(SimpleNamespace())
