"""How values are shown, whatever way they are shown in."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from ordergate.application.queries import show, shown_value
from ordergate.domain.money import plain, text
from ordergate.domain.orders.states import Mark, Side

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**17), max_value=10**17)


class Inner(Struct, frozen=True):
    amount: Decimal


class Row(Struct, frozen=True, kw_only=True):
    number: Decimal
    perhaps: Decimal | None
    time: datetime
    never: datetime | None
    side: Side
    marks: tuple[Mark, ...]
    inner: tuple[Inner, ...]
    flag: bool
    count: int


@given(NUMBERS | st.sampled_from([Decimal(n) for n in ("0.00", "-0", "1E+3", "-1.10", "100", "1E-18")]))
def test_a_number_is_shown_plainly(number: Decimal) -> None:
    assert shown_value(number) == text(plain(number))


def test_a_row_is_shown_field_by_field() -> None:
    at = datetime(2026, 3, 2, 15, tzinfo=UTC)
    row = Row(
        number=Decimal("1.50"), perhaps=None, time=at, never=None, side=Side.BUY, marks=(Mark.STOPPED,),
        inner=(Inner(Decimal("2.0")),), flag=True, count=3,
    )  # fmt: skip
    shown = show(row)
    assert list(shown) == list(Row.__struct_fields__)
    assert shown == {
        "number": "1.5", "perhaps": None, "time": "2026-03-02T15:00:00.000000Z", "never": None, "side": "buy",
        "marks": ["stopped"], "inner": [{"amount": "2"}], "flag": True, "count": 3,
    }  # fmt: skip
    assert {name: shown_value(getattr(row, name)) for name in Row.__struct_fields__} == shown
