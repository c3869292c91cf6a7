"""The secrets in use: read once, read again as time goes by, and replaced where they were rotated.

What cannot be read again stays as it is: the last value stands, which is said once and counted each time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from ordergate.application import tallying
from ordergate.application.ports.secrets import Found, Held, Place, SecretAway, SecretError, SecretReader

KEPT_S: Final = 300.0
"""How long the value before a rotation still counts where others sign with it."""
_LEAST_PAUSE_S: Final = 0.5
_log = structlog.get_logger("ordergate.secrets")


class Secrets:
    """Holds what was read of a reader; one for a gate, or for all shards of a process."""

    def __init__(self, reader: SecretReader) -> None:
        self._reader = reader
        self._held: dict[Place, Held] = {}
        self._changed: list[Callable[[str], None]] = []
        self._rotated: dict[Place, float] = {}
        self._untended: str | None = None
        self._turn: asyncio.Lock | None = None

    def on_change(self, told: Callable[[str], None]) -> None:
        """From here on calls that with the setting of each secret that has been rotated, on the loop of `watch`."""
        self._changed.append(told)

    def hold(self, place: Place) -> Held:
        """A secret, to be used from here on; it is read where it was not read before, which blocks.

        Raises:
            SecretError: it cannot be had.
        """
        held = self._held.get(place)
        if held is None:
            held = self._held[place] = Held(self._read(place))
        return held

    async def load(self, places: Iterable[Place]) -> None:
        """Reads those that are not held yet, in a thread.

        Raises:
            SecretError: one cannot be had.
        """
        for place in places:
            if place not in self._held:
                found = await asyncio.to_thread(self._read, place)
                self._held.setdefault(place, Held(found))

    def let_go(self, place: Place) -> None:
        """It is read again no more: who still has it keeps its last value."""
        self._held.pop(place, None)
        self._rotated.pop(place, None)

    def _read(self, place: Place) -> Found:
        try:
            found = self._reader.read(place)
            _check(found, place)
        except SecretAway:
            tallying.secret_reads[place.kind, "away"] += 1
            raise
        except SecretError:
            tallying.secret_reads[place.kind, "unusable"] += 1
            raise
        except (
            Exception
        ) as error:  # a mistake of the reader's: it must not end the watch, nor show what it holds
            tallying.secret_reads[place.kind, "away"] += 1
            raise SecretAway(f"{place.setting}: cannot be read ({type(error).__name__})") from None
        tallying.secret_reads[place.kind, "read"] += 1
        return found

    async def watch(
        self, every_s: float, jitter: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """Refreshes for ever.

        Args:
            every_s: about how often.
            jitter: a factor near 1, another one each time, so that not all nodes ask at once.
            sleep: waits that many seconds.
        """
        while True:
            due_s = self._reader.due_s()
            pause_s = every_s * jitter()
            await sleep(pause_s if due_s is None else max(min(pause_s, due_s), _LEAST_PAUSE_S))
            await self.refresh()

    async def refresh(self) -> None:
        """Reads all that is held again, now. Raises nothing: what cannot be read stands as it was."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            await self._tend()
            for place, held in list(self._held.items()):
                if place in self._held:
                    await self._refresh(place, held)

    async def _tend(self) -> None:
        try:
            await asyncio.to_thread(self._reader.tend)
        except SecretError as error:
            if str(error) != self._untended:
                _log.warning("the access to secrets was not renewed", error=str(error))
            self._untended = str(error)
        else:
            self._untended = None

    async def _refresh(self, place: Place, held: Held) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._rotated.get(place, now) >= KEPT_S:
            held.forget()
            self._rotated.pop(place, None)
        try:
            found = await asyncio.to_thread(self._read, place)
        except SecretError as error:
            if held.stale is None:
                _log.warning(
                    "a secret was not read again: the last value stands",
                    setting=place.setting,
                    error=str(error),
                )
            held.stale = str(error)
            return
        if held.stale is not None:
            _log.warning("a secret is read again", setting=place.setting)
        if held.replace(found):
            self._rotated[place] = now
            tallying.secret_reads[place.kind, "changed"] += 1
            _log.warning("a secret was rotated", setting=place.setting, version=found.version)
            self._tell(place.setting)

    def _tell(self, setting: str) -> None:
        for told in self._changed:
            try:
                told(setting)
            except Exception as error:  # somebody else's: the others are told all the same
                _log.error(
                    "who is told of rotated secrets failed", setting=setting, error=type(error).__name__
                )


def _check(found: Found, place: Place) -> None:
    if len(found.value.reveal()) < place.least:
        raise SecretError(
            f"{place.setting}: what is there has fewer than {place.least} characters: put at least {place.least} there"
        )
