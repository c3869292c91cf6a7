"""What the demo can have beside it: each starts what it needs, is told to the gate, and shows that it agrees."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from msgspec.structs import replace

from ordergate.adapters.kafka import Reading
from ordergate.adapters.kafka.target import library
from ordergate.adapters.outlets.kafka import cursor_of
from ordergate.bootstrap import Gate
from ordergate.bootstrap.archive import Verification, verify_archive
from ordergate.cli import archive
from ordergate.cli import terminal as t
from ordergate.cli.demo_servers import kafka_broker
from ordergate.config import Config
from ordergate.config.kafka import KafkaSection

_PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.02


class Companion(Protocol):
    """Something beside the demo; its server runs."""

    @property
    def name(self) -> str:
        """As in `--with`."""
        ...

    def configured(self, config: Config) -> Config:
        """The configuration with it."""
        ...

    async def act(self, gate: Gate) -> None:
        """Does its part while the gate is open and all have been told of."""
        ...

    async def compare(self, gate: Gate) -> dict[str, Any]:
        """What it has, and whether that agrees with the book: `agrees`."""
        ...

    def say(self, found: Mapping[str, Any]) -> None:
        """The same for people."""
        ...


class KafkaCompanion:
    """The archive, in a broker of the demo's own."""

    name = "kafka"

    def __init__(self, server: str) -> None:
        self._section = KafkaSection(servers=(server,))
        self._verified: Verification | None = None

    def configured(self, config: Config) -> Config:
        """See `Companion`."""
        return replace(config, kafka=self._section)

    async def act(self, gate: Gate) -> None:
        """Nothing: the gate feeds it."""

    async def compare(self, gate: Gate) -> dict[str, Any]:
        """Waits until all that is journalled now is archived, and verifies that."""
        await _delivered(gate, cursor_of(self._section.topic))
        target = self._section.target()
        self._verified = await verify_archive(target, {gate.config.audit.origin: gate.journal})
        keys = Counter[str]()
        topic = Reading(target)
        try:
            await topic.begin()
            async for records in topic.records():
                keys.update((record.key or b"").decode() for record in records)
        finally:
            await topic.close()
        return archive.shown(target.topic, self._verified) | {"keys": dict(sorted(keys.items()))}

    def say(self, found: Mapping[str, Any]) -> None:
        """See `Companion`."""
        t.print_table(
            f"Kafka, {found['topic']}", ("key", "records"), list(found["keys"].items()), ("records",)
        )
        if self._verified is not None:
            archive.say(found, self._verified)


async def _delivered(gate: Gate, cursor: str) -> None:
    """Returns once the outlet of that cursor has come to what is now the journal's end.

    Raises:
        InputError: it does not.
    """
    size = (await gate.journal.head()).size
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while await gate.journal.cursor(cursor) < size:  # noqa: ASYNC110 - nobody tells of cursors
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        raise t.InputError(
            f"{cursor} was not told of all {size} entries within {_PATIENCE_S:.0f} s"
        ) from None


@contextmanager
def _kafka(folder: Path) -> Iterator[Companion]:
    library()  # what is not installed is said before a server is started
    with kafka_broker(folder) as server:
        yield KafkaCompanion(server)


KNOWN: Final[Mapping[str, Callable[[Path], AbstractContextManager[Companion]]]] = {"kafka": _kafka}
"""By name: makes it, with a folder for its files, and ends its server."""


def named(wanted: str | None) -> list[str]:
    """The names in `--with`.

    Raises:
        InputError: one is none of them.
    """
    names = [] if wanted is None else [name.strip() for name in wanted.split(",")]
    for name in names:
        if name not in KNOWN:
            raise t.InputError(f"--with: {name!r} is none of {', '.join(KNOWN)}")
    return list(dict.fromkeys(names))


@contextmanager
def started(names: Sequence[str]) -> Iterator[list[Companion]]:
    """The companions of those names, their servers running.

    Raises:
        InputError, KafkaError: something for one of them is not installed, or does not start.
    """
    with ExitStack() as stack:
        if not names:
            yield []
            return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ordergate-demo-")))
        yield [stack.enter_context(KNOWN[name](folder)) for name in names]
