"""Long tests are dealt to the workers, and none is lost."""

import pytest

from tests.dealing import longest_first


def test_each_worker_begins_with_some_of_the_longest() -> None:
    minutes = {"a": 0, "b": 3, "c": 0, "d": 7, "e": 0, "f": 5, "g": 1}
    assert "".join(longest_first("abcdefg", minutes.__getitem__, 3)) == "dgfabce"


@pytest.mark.parametrize("workers", range(1, 9))
@pytest.mark.parametrize("minutes", [[], [0], [4, 4, 4], [0, 1, 0, 0, 2, 0, 0, 9, 0, 0], [0] * 11])
def test_all_are_there_once(workers: int, minutes: list[int]) -> None:
    items = list(range(len(minutes)))
    assert sorted(longest_first(items, minutes.__getitem__, workers)) == items
