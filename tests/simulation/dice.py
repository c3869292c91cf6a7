"""What goes wrong in one run: chances drawn from its number, then faults drawn from the chances.

Each kind of fault draws from a stream of its own, so that one of them more does not move all others.
"""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Final

MOST: Final = {
    # of the gate's disk
    "commit_slow": 0.3,
    "commit_fails": 0.02,
    "commit_lost": 0.02,
    "commit_unknown": 0.04,
    "disk_breaks": 0.004,
    "read_fails": 0.002,
    "crash_before_commit": 0.02,
    "crash_in_commit": 0.02,
    "crash_after_commit": 0.03,
    # of the way to the venue
    "not_sent": 0.05,
    "request_lost": 0.1,
    "request_late": 0.1,
    "request_twice": 0.08,
    "answer_lost": 0.15,
    "answer_slow": 0.5,
    "adapter_raises": 0.04,
    "adapter_times_out": 0.1,
    "lookup_fails": 0.4,
    "lookup_misses": 0.95,
    "lookup_raises": 0.05,
    "lookup_hangs": 0.03,
    "snapshot_incomplete": 0.2,
    "snapshot_raises": 0.05,
    "snapshot_hangs": 0.03,
    # of the way back
    "report_slow": 0.5,
    "report_very_slow": 0.06,
    "report_twice": 0.15,
    "stream_breaks": 0.01,
    # of the consumer of the outlet
    "consumer_fails": 0.2,
    "consumer_takes_some": 0.1,
    "consumer_takes_and_fails": 0.1,
    # of clients
    "client_gives_up": 0.1,
}
"""The greatest chance of each; a run draws its own below that, and leaves about a third out altogether."""

MOST_SHARED: Final = {
    # of the way to a store that several nodes share
    "commit_lost": 0.05,
    "commit_late": 0.02,
    "commit_hangs": 0.01,
    "read_slow": 0.1,
    "lease_slow": 0.1,
    "lease_fails": 0.03,
    "lease_lost": 0.02,
    "news_late": 0.3,
    "news_lost": 0.3,
    "news_twice": 0.2,
    # of a node that is stopped where it hurts most
    "pause_in_turn": 0.02,
    "pause_in_read": 0.004,
    "pause_in_lease": 0.01,
    "pause_before_send": 0.06,
    "pause_in_connect": 0.1,
    # of the way to the venue
    "send_slow": 0.3,
    "connect_slow": 0.3,
}
"""The same of what only a store that is shared can bring."""

MOST_TOLD: Final = {
    "statement_incomplete": 0.3,
    "statement_raises": 0.1,
    "statement_hangs": 0.05,
    "statement_slow": 0.3,
}
"""The same of what a venue says of the account, where it does."""

SHARED: Final = 0.3
"""The share of runs in which several nodes share a store."""

BAD_LINE: Final = {"request_lost": 0.4, "request_late": 0.5, "adapter_times_out": 0.5}
"""Chances while the line is bad: what is in doubt twice needs one of them after the other."""

PAUSES: Final = {
    "commit_slow": 0.02,
    "answer_slow": 3.0,
    "report_slow": 1.5,
    "report_very_slow": 25.0,
    "statement_slow": 25.0,
    "commit_late": 5.0,
    "commit_hangs": 8.0,
    "read_slow": 0.02,
    "lease_slow": 1.6,
    "news_late": 2.0,
    "news_twice": 2.0,
    "pause_in_turn": 20.0,
    "pause_in_read": 20.0,
    "pause_in_lease": 20.0,
    "pause_before_send": 20.0,
    "pause_in_connect": 20.0,
    "send_slow": 1.8,
    "connect_slow": 1.0,
}


class Dice:
    """Draws the faults of one run.

    Attributes:
        calm: nothing goes wrong any more.
        disk_is_full: until it is not.
        line_is_bad: much is lost, late and given up, at a time.
        line_is_dead: requests still reach the venue, nothing comes back.
        shared: whether several nodes share one store, or one gate has a file.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.calm = self.disk_is_full = self.line_is_bad = self.line_is_dead = False
        self.shared = self.stream("store").random() < SHARED
        faults = {**MOST, **MOST_SHARED} if self.shared else MOST
        self.chances = dict.fromkeys(MOST_SHARED, 0.0)
        for mood, most in (("mood", faults), ("mood of the account", MOST_TOLD)):
            self.chances |= _chances(self.stream(mood), most)
        self._streams = {name: self.stream(name) for name in (*faults, *MOST_TOLD)}

    def stream(self, name: str) -> Random:
        """A generator of its own for that purpose."""
        return Random(f"{self.number}:{name}")

    def rest(self) -> None:
        """No more faults."""
        self.calm, self.disk_is_full, self.line_is_bad, self.line_is_dead = True, False, False, False

    def hits(self, fault: str) -> bool:
        """Whether that goes wrong now."""
        chance = BAD_LINE.get(fault, 0.0) if self.line_is_bad else 0.0
        chance = max(chance, self.chances[fault])
        return chance > 0 and not self.calm and self._streams[fault].random() < chance

    def draw(self, fault: str, most: float) -> float:
        """A number below `most` for that fault."""
        return self._streams[fault].random() * most

    def draw_pause(self, fault: str) -> float:
        """How long that fault lasts, in seconds: mostly short."""
        return PAUSES[fault] * self._streams[fault].random() ** 2

    def pause_s(self, fault: str) -> float:
        """How long that holds up what happens now; mostly 0."""
        return self.draw(fault, PAUSES[fault]) if self.hits(fault) else 0.0

    async def pause(self, fault: str) -> None:
        """Waits as long as that holds up what happens now."""
        seconds = self.pause_s(fault)
        if seconds:
            await asyncio.sleep(seconds)


def _chances(mood: Random, faults: Mapping[str, float]) -> dict[str, float]:
    return {name: most * mood.random() if mood.random() < 0.65 else 0.0 for name, most in faults.items()}


class SeededIds:
    """Order ids that no later life of the gate gives out again."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice.stream("ids")

    def order_id(self) -> str:
        """A fresh one."""
        return f"ord-{self._dice.getrandbits(48):012x}"
