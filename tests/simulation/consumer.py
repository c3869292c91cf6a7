"""The reader at the far end of an outlet: takes entries, sometimes fails, and remembers what it took."""

from collections.abc import Callable, Sequence

from ordergate.application.entry import Entry, encode
from tests.simulation.dice import Dice


class Consumer:
    """Outlives gates; what it has taken is durable.

    Attributes:
        taken: by index, the bytes.
    """

    name = "consumer"

    def __init__(self, dice: Dice, fail: Callable[[str], None], on_disk: Callable[[], int]) -> None:
        self._dice, self._fail, self._on_disk = dice, fail, on_disk
        self.taken: dict[int, bytes] = {}

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Takes all, some, or none."""
        dice = self._dice
        await dice.pause("answer_slow")
        if dice.hits("consumer_fails"):
            raise ConnectionResetError("simulated")
        some = dice.hits("consumer_takes_some")
        for entry in entries[: len(entries) // 2] if some else entries:
            self._take(entry)
        if some or dice.hits("consumer_takes_and_fails"):
            raise ConnectionResetError("simulated")

    def _take(self, entry: Entry) -> None:
        data = encode(entry).data
        if entry.index > len(self.taken):
            self._fail(f"the outlet delivers entry {entry.index}, {len(self.taken)} was next")
        if entry.index >= self._on_disk():
            self._fail(f"the outlet delivers entry {entry.index}, which is not on disk")
        if self.taken.setdefault(entry.index, data) != data:
            self._fail(f"the outlet delivers another entry {entry.index} than before")
