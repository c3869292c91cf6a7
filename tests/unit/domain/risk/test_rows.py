"""Which controls the pure part of the gate answers for, and where; the others are the doors' and the store's."""

from pathlib import Path

import pytest

ROWS = [
    ("RSK-1", "test_boundaries"),
    ("RSK-2", "test_boundaries"),
    ("RSK-3", "test_throttles"),
    ("RSK-4", "test_throttles"),
    ("RSK-5", "test_margin"),
    ("RSK-6", "test_boundaries"),
    ("RSK-7", "test_margin"),
    ("RSK-8", "test_exposure_property"),
    ("RSK-9", "test_loss"),
    ("RSK-11", "test_boundaries"),
    ("RSK-12", "test_throttles"),
    ("RSK-14", "test_kill"),
    ("RSK-15", "test_loss"),
    ("RSK-17", "test_boundaries"),
    ("RSK-17", "test_strategy_positions"),
    ("RSK-19", "test_override"),
    ("RSK-20", "test_limits_set"),
    ("RSK-21", "test_boundaries"),
    ("RSK-22", "test_kill"),
    ("RSK-26", "test_boundaries"),
    ("RSK-27", "test_silence"),
]


@pytest.mark.parametrize(("row", "module"), ROWS)
def test_a_row_is_named_where_it_is_tested(row: str, module: str) -> None:
    text = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    assert row in text or row.replace("-", "").capitalize() in text
