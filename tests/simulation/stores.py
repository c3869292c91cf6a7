"""The two kinds of store, as the nodes of a run come to them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import Journal
from ordergate.application.ports.leases import Leases
from tests.simulation.dice import Dice
from tests.simulation.loop import Process
from tests.simulation.server import Server
from tests.simulation.shared import Crash, SharedJournal, SharedLeases, Stop
from tests.simulation.store import SimulatedJournal


class Store(Protocol):
    """Where the journal is kept; outlives every node."""

    def enter(self, process: Process, crash: Crash, stop: Stop) -> tuple[Journal, Leases | None]:
        """What a new process works with."""
        ...

    def gone(self, process: Process) -> None:
        """A process is no more, and all that it has begun is rolled back."""
        ...

    def close(self) -> None:
        """The run is over."""
        ...


class OneDisk:
    """A file, and one gate that has it."""

    def __init__(self, path: Path, dice: Dice, grew: Callable[[], None]) -> None:
        self._path, self._dice, self._grew = path, dice, grew
        self._journals: dict[str, SimulatedJournal] = {}

    def enter(self, process: Process, crash: Crash, _stop: Stop) -> tuple[Any, Leases | None]:
        """A connection of its own."""
        journal = SimulatedJournal(self._path, self._dice, self._grew, crash)
        self._journals[process.name] = journal
        return journal, None

    def gone(self, process: Process) -> None:
        """Its connection is closed with whatever is open on it."""
        if process.name in self._journals:
            self._journals[process.name].connection.close()

    def close(self) -> None:
        """No connection is left."""
        for journal in self._journals.values():
            journal.connection.close()


class OneServer:
    """A server, and several nodes that reach it."""

    def __init__(
        self, path: Path, clock: Clock, dice: Dice, grew: Callable[[], None], fail: Callable[[str], None]
    ) -> None:
        self.server = Server(path, clock, dice, grew, fail)
        self._dice = dice

    def enter(self, process: Process, crash: Crash, stop: Stop) -> tuple[Any, Leases | None]:
        """A journal and leases."""
        journal = SharedJournal(self.server, process, self._dice, crash, stop)
        return journal, SharedLeases(self.server, process, self._dice, stop)

    def gone(self, process: Process) -> None:
        """The server sees its connections break."""
        self.server.gone(process)

    def close(self) -> None:
        """The server's own file is closed."""
        self.server.close()
