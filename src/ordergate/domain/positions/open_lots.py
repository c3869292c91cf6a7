"""Which lots of each position are open: so that a close looks at these, however many there were before."""

from bisect import bisect_left, insort
from collections.abc import Sequence

from ordergate.domain.positions.lots import Lot


class OpenLots:
    """The numbers of open lots by fund and symbol; told of every lot as it was and is."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], list[int]] = {}

    def numbers(self, key: tuple[str, str]) -> Sequence[int]:
        """Those of a position, oldest first."""
        return self._numbers.get(key, ())

    def lot_changed(self, before: Lot | None, after: Lot | None) -> None:
        """A lot came, changed or went."""
        lot = after or before
        is_open = after is not None and bool(after.remaining)
        if lot is None or is_open == (before is not None and bool(before.remaining)):
            return
        key = lot.fund_id, lot.symbol
        numbers = self._numbers.setdefault(key, [])
        if is_open:
            insort(numbers, lot.number)
            return
        del numbers[bisect_left(numbers, lot.number)]
        if not numbers:
            del self._numbers[key]
