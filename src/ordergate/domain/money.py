"""Exact numbers: how a decimal comes in, and how it is computed with.

No float touches money. A number is taken from its text, within 18 digits before the point and 18 behind
it, and kept in one plain form (no exponent, no trailing zeros), so that equal numbers are equal bytes.
"""

import re
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
)
from functools import cache
from typing import Final

from ordergate.domain.errors import Code, Invalid, quoted

DIGITS: Final = 18
ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
TWO: Final = Decimal(2)
_LIMIT: Final = Decimal(10) ** DIGITS
_SMALLEST: Final = Decimal(10) ** -DIGITS
_LARGEST_SUM: Final = _LIMIT**2
_FINEST_SUM: Final = Decimal(10) ** -60
_LONGEST_TEXT: Final = 64
_PLAIN: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{0,17}[1-9])?")
"""Most numbers as they are kept: within the digits, without sign, exponent or zeros at the end."""

EXACT: Final = Context(prec=120, traps=[Inexact, FloatOperation, InvalidOperation, DivisionByZero, Overflow])
"""Sums and products that would lose a digit raise instead; the engine steps within it."""

_WIDE: Final = Context(
    prec=400, rounding=ROUND_HALF_EVEN, traps=[FloatOperation, InvalidOperation, DivisionByZero, Overflow]
)

_ROUNDED: Final = Context(
    prec=50, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)


def plain(value: Decimal) -> Decimal:
    """The same number without exponent and trailing zeros: `1E+3` becomes `1000`, `1.50` becomes `1.5`."""
    if not value:
        return ZERO
    value = EXACT.normalize(value)
    return EXACT.quantize(value, ONE) if "E+" in str(value) else value


def without_exponent(value: Decimal) -> Decimal:
    """The same number with the digits that it is written with: `1.0E+5` becomes `100000`, `1.50` stays."""
    return EXACT.add(value, ZERO)


def parse_decimal(value: object, pointer: str) -> Decimal:
    """A finite decimal from text, an integer or a Decimal; refused otherwise.

    Raises:
        Invalid: not a number, not finite, or more than 18 digits on either side of the point.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise Invalid(
            Code.WRONG_TYPE, f'{quoted(value)} is not a decimal: write it as text, such as "1.5"', pointer
        )
    huge = isinstance(value, int) and abs(value) >= _LIMIT
    text = "a huge number" if huge else str(value)
    number = _number(text)
    if number is None:
        raise Invalid(
            Code.BAD_NUMBER,
            f"{quoted(text)} is not a number of at most {DIGITS} digits before and {DIGITS} after the point",
            pointer,
        )
    return number


def _number(text: str) -> Decimal | None:
    if len(text) > _LONGEST_TEXT or not text.isascii() or "_" in text or text != text.strip():
        return None
    try:
        number = Decimal(text, EXACT)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) > 2 * DIGITS:
        return None
    if number.copy_abs() >= _LIMIT or EXACT.remainder(number, _SMALLEST):
        return None
    return plain(number)


def exact(value: object, pointer: str) -> Decimal:
    """As `parse_decimal`, and takes a float as people read it: by its shortest text (0.1 is 0.1).

    Raises:
        Invalid: as `parse_decimal`; also for NaN and infinities.
    """
    return parse_decimal(float.__repr__(value) if isinstance(value, float) else value, pointer)


def is_sane(number: Decimal) -> bool:
    """Finite, and within the digits that are kept."""
    if not number or _PLAIN.fullmatch(str(number)):
        return True
    return number.is_finite() and abs(number) < _LIMIT and not EXACT.remainder(number, _SMALLEST)


def is_sum(number: Decimal) -> bool:
    """Finite, and short enough to be compared exactly; sums of products have more digits than are kept."""
    if not number.is_finite() or number.copy_abs() >= _LARGEST_SUM:
        return False
    return number == number.quantize(_FINEST_SUM, context=_WIDE)


def parse_positive(value: object, pointer: str) -> Decimal:
    """As `parse_decimal`, and above zero."""
    number = parse_decimal(value, pointer)
    if number <= 0:
        raise Invalid(Code.NOT_POSITIVE, f"{number} must be above zero", pointer)
    return number


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether `value` is a whole number of `step`s."""
    return not EXACT.remainder(value, step)


def divide(dividend: Decimal, divisor: Decimal, places: int) -> Decimal:
    """The quotient, rounded half to even to `places` digits behind the point: for showing, never for books."""
    return plain(_ROUNDED.quantize(_ROUNDED.divide(dividend, divisor), _smallest(places)))


@cache
def _smallest(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def share(total: Decimal, part: Decimal, whole: Decimal, places: int) -> Decimal:
    """What `part` of `whole` has of a total, rounded half to even to `places` digits; the whole of it has all."""
    if part == whole:
        return total
    quotient = _WIDE.divide(_WIDE.multiply(total, part), whole)
    return plain(_WIDE.quantize(quotient, ONE.scaleb(-places)))


def text(value: Decimal) -> str:
    """Plain notation, never with an exponent."""
    return format(value, "f")
