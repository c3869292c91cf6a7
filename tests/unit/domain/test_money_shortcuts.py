"""The shortcuts for plain numbers give what the long way gives."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.domain.money import DIGITS, EXACT, ZERO, is_sane, plain

NUMBERS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(min_value=0, max_value=10**18, places=6),
    st.integers(-(10**19), 10**19).map(Decimal),
    st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(E[+-][0-9]{1,2})?", fullmatch=True).map(Decimal),
)


def long_way(value: Decimal) -> Decimal:
    if not value:
        return ZERO
    value = value.normalize(EXACT)
    exponent = value.as_tuple().exponent
    return value.quantize(Decimal(1), context=EXACT) if isinstance(exponent, int) and exponent > 0 else value


@given(NUMBERS.filter(lambda number: abs(number.adjusted()) < 60))
def test_plain(number: Decimal) -> None:
    assert str(plain(number)) == str(long_way(number))


@given(NUMBERS)
def test_sane(number: Decimal) -> None:
    sane = abs(number) < Decimal(10) ** DIGITS and _last_digit(number) >= -DIGITS
    with localcontext(EXACT):
        try:
            assert is_sane(number) == sane
        except ArithmeticError:
            assert not sane


def _last_digit(number: Decimal) -> int:
    exponent = number.normalize(EXACT.copy()).as_tuple().exponent if number else 0
    assert isinstance(exponent, int)
    return exponent


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_not_sane(odd: str) -> None:
    assert not is_sane(Decimal(odd))
