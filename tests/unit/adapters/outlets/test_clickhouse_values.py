"""How values are written for ClickHouse: exactly where they fit, and never so that a row is refused."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.adapters.outlets.clickhouse.store import FoundTable, differences
from ordergate.adapters.outlets.clickhouse.tables import ORDERS_TABLE, TABLES
from ordergate.adapters.outlets.clickhouse.values import WRITERS, decimal_to, time_to

WIDE = Context(prec=400)


@given(
    st.decimals(allow_nan=True, allow_infinity=True, min_value=None),
    st.sampled_from([(38, 18), (76, 36), (38, 4)]),
)
def test_a_decimal_is_exact_or_rounded_half_to_even_or_none(value: Decimal, digits: tuple[int, int]) -> None:
    written = decimal_to(*digits)(value)
    whole, places = digits[0] - digits[1], digits[1]
    fits = value.is_finite() and abs(value) < Decimal(10) ** whole
    if not fits:
        assert written is None
        return
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, WIDE)
    if abs(rounded) >= Decimal(10) ** whole:  # rounded up to what does not fit
        assert written is None
        return
    assert written is not None
    assert Decimal(written) == rounded
    assert "E" not in written
    assert len(written.partition(".")[2]) <= max(places, 0)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_what_it_is_or_the_end_of_what_there_is(at: datetime) -> None:
    written = time_to(at)
    assert written is not None
    found = datetime.fromisoformat(written)
    assert found == at or (found.year, at.year < 1900 or at.year > 2299) in ((1900, True), (2299, True))
    assert time_to(None) is None


def test_every_column_that_needs_it_has_a_writer() -> None:
    plain = {"String", "Bool", "UInt64"}
    for table in TABLES:
        for name, type_ in table.types.items():
            bare = type_.replace("Nullable(", "").replace("LowCardinality(", "").rstrip(")")
            assert type_ in WRITERS or bare in plain, name


@pytest.mark.parametrize(
    ("engine", "ok"), [("ReplacingMergeTree", True), ("SharedReplacingMergeTree", True), ("MergeTree", False)]
)
def test_whose_engine_a_table_has(engine: str, ok: bool) -> None:
    found = {ORDERS_TABLE.versions: FoundTable(engine, ORDERS_TABLE.types)}
    assert (differences(found) == []) is ok
