"""Every error code of MetaTrader 4 is in one table, and only proof makes a rejection."""

import pytest

from ordergate.adapters.brokers.mt4.codes import TABLE, outcome_of, text_of
from ordergate.domain.orders.reports import Outcome

SERVER = {*range(10), 64, 65, *range(128, 151)}
RUNTIME = {*range(4000, 4031), *range(4050, 4076), *range(4099, 4113)}
REJECTED = {3, 5, 7, 64, 65, *range(129, 137), *range(138, 142), 145, *range(147, 151)}
REFUSED_HERE = {4050, 4051, 4062, 4063, 4064, 4106, 4107, 4108, 4110, 4111}
NOT_SENT = {4059, 4109, 4112}


def test_the_table_has_every_code_of_the_manual() -> None:
    assert set(TABLE) == SERVER | RUNTIME


@pytest.mark.parametrize("code", sorted(SERVER | RUNTIME))
def test_what_each_code_proves(code: int) -> None:
    right = Outcome.UNKNOWN
    if code in REJECTED | REFUSED_HERE:
        right = Outcome.REJECTED
    elif code in NOT_SENT:
        right = Outcome.NOT_SENT
    assert outcome_of(code) is right
    assert str(code) in text_of(code)
    assert TABLE[code].name in text_of(code)


@pytest.mark.parametrize("code", [1, 2, 4, 6, 128, 142, 143, 144, 146])
def test_what_may_be_on_its_way_is_unknown(code: int) -> None:
    assert outcome_of(code) is Outcome.UNKNOWN


@pytest.mark.parametrize("code", [-1, 10, 66, 127, 151, 4031, 4113, 5001, 65536])
def test_a_code_that_nobody_knows_is_unknown(code: int) -> None:
    assert outcome_of(code) is Outcome.UNKNOWN
    assert text_of(code) == f"error {code} of MetaTrader"


def test_no_error_without_a_ticket_proves_nothing() -> None:
    assert TABLE[0].outcome is Outcome.ACCEPTED
    assert outcome_of(0) is Outcome.UNKNOWN


def test_too_little_money_is_said_as_every_adapter_says_it() -> None:
    assert text_of(134).startswith("Insufficient margin")
