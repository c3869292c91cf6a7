"""What the demo can have beside it: each starts what it needs, is told to the gate, and shows that it agrees."""

import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from ordergate.bootstrap import Gate
from ordergate.cli import terminal as t
from ordergate.cli.demo_clickhouse import clickhouse
from ordergate.cli.demo_kafka import kafka
from ordergate.cli.demo_nats import nats
from ordergate.config import Config


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


KNOWN: Final[Mapping[str, Callable[[Path], AbstractContextManager[Companion]]]] = {
    "nats": nats,
    "kafka": kafka,
    "clickhouse": clickhouse,
}
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
        InputError, ClickHouseError, KafkaError, NatsError: something for one of them is not installed, or does not
            start.
    """
    with ExitStack() as stack:
        if not names:
            yield []
            return
        stack.enter_context(_ended_in_order())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ordergate-demo-")))
        yield [stack.enter_context(KNOWN[name](folder)) for name in names]


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Meanwhile what asks this process to end does so as Control-C does: it would leave the servers behind."""

    def end(_number: int, _frame: object) -> None:
        signal.raise_signal(signal.SIGINT)

    asks = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in asks}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
