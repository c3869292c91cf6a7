"""Order ids: by time for real use, by count where a run must repeat."""

import os
import time
from typing import Final

_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_SHIFTS: Final = tuple(range(120, -1, -10))


class TimeIds:
    """`ord-` and 26 characters that sort by time: 48 bits of milliseconds, 80 of randomness (the ULID layout)."""

    def order_id(self) -> str:
        """A fresh one."""
        number = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10))
        # Ten bits at a time; 26 characters hold 130 bits, the uppermost two are 0.
        return "ord-" + "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


class CountingIds:
    """`ord-000001`, `ord-000002`, ..."""

    def __init__(self) -> None:
        self._count = 0

    def order_id(self) -> str:
        """The next one."""
        self._count += 1
        return f"ord-{self._count:06d}"
