"""Exact numbers: what is taken, what is refused, and that nothing is lost on the way."""

from decimal import Decimal, Inexact
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.money import EXACT, divide, is_multiple, parse_decimal, parse_positive, plain, text

D = Decimal
LARGEST = "9" * 18 + "." + "9" * 18
SMALLEST = "0." + "0" * 17 + "1"


@pytest.mark.parametrize(("value", "shown"), [
    ("1", "1"), ("1.0", "1"), ("1.50", "1.5"), ("-2.5", "-2.5"), ("+3", "3"), ("007", "7"), (".5", "0.5"),
    ("5.", "5"), ("1e3", "1000"), ("1E+3", "1000"), ("12e-2", "0.12"), ("0", "0"), ("-0", "0"), ("0e5", "0"),
    ("0.000", "0"), (7, "7"), (-7, "-7"), (D("1.10"), "1.1"), (D("1E+2"), "100"), (LARGEST, LARGEST),
    ("-" + LARGEST, "-" + LARGEST), (SMALLEST, SMALLEST), ("1." + "0" * 40, "1"), (10**18 - 1, "9" * 18),
])  # fmt: skip
def test_numbers_are_taken_in_their_plain_form(value: Any, shown: str) -> None:
    assert text(parse_decimal(value, "#/x")) == shown


@pytest.mark.parametrize("value", [
    "", " ", " 1", "1 ", "1\n", "abc", "1,5", "1.2.3", "0x10", "--1", "1_000", "1e", "e5", "nan", "NaN", "-NaN",
    "sNaN", "NaN123", "inf", "Infinity", "-Infinity", "١٢", "１", "1²", "1e18", "1000000000000000000",
    "1e-19", "1e999999999", "1e-999999999", "0e-400", "0e400", "1." + "0" * 18 + "1", "1." + "0" * 54 + "1",
    "9" * 65, "0" * 65, 10**18, -(10**18), D("NaN"), D("sNaN"), D("Infinity"), D("1E+18"), D("1E-19"),
])  # fmt: skip
def test_what_is_no_number_within_bounds_is_refused(value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        parse_decimal(value, "#/quantity")
    assert (caught.value.code, caught.value.pointer) == (Code.BAD_NUMBER, "#/quantity")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("power", [5000, 50_000])
def test_an_integer_too_long_to_be_written_is_refused(power: int) -> None:
    with pytest.raises(Invalid) as caught:
        parse_decimal(10**power, "#/quantity")
    assert caught.value.code is Code.BAD_NUMBER


@pytest.mark.parametrize("value", [True, False, None, 1.5, float("nan"), b"1", [1], {"a": 1}])
def test_what_is_no_decimal_at_all_is_refused(value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        parse_decimal(value, "#/x")
    assert caught.value.code is Code.WRONG_TYPE


@pytest.mark.parametrize("value", ["0", "-1", "-0.00", "-1e-18"])
def test_a_positive_number_is_above_zero(value: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_positive(value, "#/x")
    assert caught.value.code is Code.NOT_POSITIVE
    assert parse_positive("0.1", "#/x") == D("0.1")


@given(st.decimals(-(10**17), 10**17, places=18, allow_nan=False, allow_infinity=False))
def test_a_number_within_bounds_keeps_every_digit(number: Decimal) -> None:
    taken = parse_decimal(format(number, "f"), "#/x")
    assert taken.compare(number) == 0
    assert str(taken) == str(plain(taken))
    assert parse_decimal(text(taken), "#/x") == taken


@given(st.integers(-(10**12), 10**12), st.integers(-12, 5))
def test_equal_numbers_are_equal_text(mantissa: int, exponent: int) -> None:
    number = D(mantissa).scaleb(exponent)
    assert str(plain(number)) == str(plain(number * D("1.000")))


def test_the_engine_counts_exactly_or_not_at_all() -> None:
    assert str(EXACT.multiply(D(LARGEST), D(LARGEST))) == "9" * 35 + "8." + "0" * 35 + "1"
    with pytest.raises(Inexact):
        EXACT.divide(D(1), D(3))


def test_multiples_and_shown_quotients() -> None:
    assert is_multiple(D("1.10"), D("0.05"))
    assert not is_multiple(D("1.11"), D("0.05"))
    assert is_multiple(D(LARGEST), D(SMALLEST))
    assert divide(D(1), D(3), 4) == D("0.3333")
    assert divide(D(5), D(2), 0) == 2
    assert divide(D(7), D(2), 0) == 4
    assert str(divide(D(10), D(4), 4)) == "2.5"
