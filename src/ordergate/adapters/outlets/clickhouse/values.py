"""Values as ClickHouse holds them: every one of ours has a place, so that no row can stop those behind it."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Final

from ordergate.domain.times import format_time

TEXT: Final = "String"
WORD: Final = "LowCardinality(String)"
MAYBE_TEXT: Final = "Nullable(String)"
MAYBE_WORD: Final = "LowCardinality(Nullable(String))"
TIME: Final = "DateTime64(6, 'UTC')"
MAYBE_TIME: Final = f"Nullable({TIME})"
NUMBER: Final = "Nullable(Decimal(38, 18))"
PRODUCT: Final = "Nullable(Decimal(76, 36))"
SLIPPAGE: Final = "Nullable(Decimal(38, 4))"
FEES: Final = "Map(String, Decimal(76, 36))"
COUNT: Final = "UInt64"
FLAG: Final = "Bool"

_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2299, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_ROUNDING: Final = Context(prec=400, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


def decimal_to(digits: int, places: int) -> Callable[[Decimal | None], str | None]:
    """How `Decimal(digits, places)` is written: rounded half to even; None where it is too large for that."""
    step, above = Decimal(1).scaleb(-places), Decimal(10) ** (digits - places)

    def written(value: Decimal | None) -> str | None:
        if value is None or not value.is_finite() or abs(value) >= above:
            return None
        found = value
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -places:
            found = value.quantize(step, context=_ROUNDING)
        return None if abs(found) >= above else format(found, "f")

    return written


def time_to(at: datetime | None) -> str | None:
    """A time as `DateTime64` holds it; what lies outside of 1900 to 2299 stands at that end."""
    if at is None:
        return None
    return format_time(min(max(at, _EARLIEST), _LATEST))


def as_it_is(value: Any) -> Any:
    """Text, a number, a flag."""
    return value


_product: Final = decimal_to(76, 36)


def fees_to(fees: tuple[tuple[str, Decimal], ...]) -> dict[str, str]:
    """By currency."""
    return {currency: text for currency, fee in fees if (text := _product(fee)) is not None}


WRITERS: Final[dict[str, Callable[[Any], Any]]] = {
    TIME: time_to,
    MAYBE_TIME: time_to,
    NUMBER: decimal_to(38, 18),
    PRODUCT: _product,
    SLIPPAGE: decimal_to(38, 4),
    FEES: fees_to,
}
