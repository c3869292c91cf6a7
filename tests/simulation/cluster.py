"""What is there where several nodes share a store: what goes wrong between them, and what must hold.

A node that knows the journal up to its end knows exactly what the tables say. Requests leave the one that has the
session's lease. Where its owner dies, another has the session soon.
"""

import asyncio
from decimal import Decimal
from random import Random
from typing import Any, Final

from ordergate.application.recovery import check_head, load_state
from ordergate.domain.book import Book
from ordergate.domain.errors import AuditError
from tests.simulation.exchange import NAME
from tests.simulation.loop import WORLD, Process
from tests.simulation.node import Node, Surroundings
from tests.simulation.server import Server, at_once

TAKE_OVER_S: Final = 10.0
_LEASE: Final = f"broker:{NAME}"


class Cluster:
    """Of one run."""

    def __init__(self, world: Surroundings, server: Server, nodes: list[Node]) -> None:
        self._world, self._server, self._nodes = world, server, nodes
        self._dice = world.dice.stream("cluster")
        self._timed = 0

    # What goes wrong.

    async def harm(self, dice: Random) -> None:
        """A node stands still, or does not reach the server, or nobody does."""
        node = dice.choice(self._nodes)
        process, kind = node.process, dice.random()
        if process is None:
            return
        if kind < 0.5:
            if process.runs:
                self.stop(process, 0.1 + dice.random() ** 2 * 20)
        elif kind < 0.8:
            await self._cut_off(process, dice.random() ** 2 * 20)
        else:
            await self._go_away(dice.random() ** 2 * 12)

    def stop(self, process: Process, seconds: float) -> None:
        """As kill -STOP does, and kill -CONT after that long."""
        if self._world.dice.calm:
            return
        self._server.trouble()
        self._world.say(f"{process.name} stands still for {seconds:.3f} s")
        self._world.loop.pause(process, seconds)
        self._world.loop.call_later(seconds, self._server.trouble, context=WORLD)

    async def _cut_off(self, process: Process, seconds: float) -> None:
        server = self._server
        self._world.say(f"{process.name} does not reach the server for {seconds:.3f} s")
        server.trouble()
        server.cut_off.add(process.name)
        server.break_waits(process)
        try:
            await asyncio.sleep(seconds)
        finally:
            server.trouble()
            server.cut_off.discard(process.name)

    async def _go_away(self, seconds: float) -> None:
        server = self._server
        self._world.say(f"nobody reaches the server for {seconds:.3f} s")
        server.trouble()
        server.away = True
        server.end_all("the server has gone away")
        try:
            await asyncio.sleep(seconds)
        finally:
            server.trouble()
            server.away = False

    def rest(self) -> None:
        """No more of it."""
        self._server.away = False
        self._server.cut_off.clear()
        self._server.trouble()

    def to_begin_anew(self, dice: Random) -> list[Node]:
        """Nodes among which is the owner of the session, if it is up."""
        owner = [node for node in self._nodes if node.process and node.process.name == self._owner]
        return self._nodes if dice.random() < 0.3 or not owner else owner

    # What must hold.

    @property
    def _owner(self) -> str | None:
        return self._server.owner(_LEASE)

    def owns(self, process: str) -> bool:
        """Whether nobody else has been given the lease of the session."""
        return self._owner == process

    def died(self, process: Process) -> None:
        """Where it had the session, somebody else has it soon, unless something else goes wrong."""
        at = self._world.loop.time()
        self._server.troubled_at = max(self._server.troubled_at, at)
        others = [node for node in self._nodes if node.process is not process]
        if process.name == self._owner and all(n.gate and n.process and n.process.runs for n in others):
            self._timed += 1
            self._world.loop.call_later(TAKE_OVER_S, self._check_taken, process.name, at, context=WORLD)

    def _check_taken(self, dead: str, died_at: float) -> None:
        self._timed -= 1
        if self._server.troubled_at > died_at:
            return
        self._world.result.taken_over += 1
        epoch, node = self._world.auditor.model.session
        up = [n.gate.runner.engine.view.sessions.get(NAME) for n in self._nodes if n.gate is not None]
        if epoch not in up or node == dead:
            self._world.fail(f"{TAKE_OVER_S:.0f} s after the death of {dead} nobody has the session")

    async def watch(self) -> None:
        """Looks at the nodes at any moment."""
        while True:
            await asyncio.sleep(self._dice.random() * 4)
            self.compare()

    def compare(self) -> None:
        """Every node that knows all of the journal knows what the tables say."""
        size = self._world.auditor.model.size
        tables: Book | None = None
        for node in self._nodes:
            if self._is_at_rest(node, size):
                tables = tables or at_once(load_state(self._server.kept))
                self._compare(node, tables)

    @staticmethod
    def _is_at_rest(node: Node, size: int) -> bool:
        """Between two turns, and with nothing left to read again."""
        if node.gate is None or node.journal.turn is not None:
            return False
        runner = node.gate.runner
        clean = runner.engine.state.mark() == (0, 0) and not runner._following._to_read_again
        return clean and runner.engine.size == size

    def _compare(self, node: Node, tables: Book) -> None:
        self._world.result.compared += 1
        runner = node.gate.runner  # type: ignore[union-attr]
        state = runner.engine.state
        for ours, theirs in zip(state.tables, tables.tables, strict=True):
            if ours.rows != theirs.rows:
                self._world.fail(f"{node.name} has other {ours.name} than the tables: {_apart(ours, theirs)}")
        if state.order_by_broker_id != tables.order_by_broker_id:
            self._world.fail(f"{node.name} knows other orders by the broker's ids than the tables")
        if _bound(state) != _bound(tables):
            self._world.fail(f"{node.name} counts other exposures than orders and positions make")
        if runner.engine.last != self._world.auditor.model.last:
            last, theirs = runner.engine.last, self._world.auditor.model.last
            self._world.fail(f"{node.name} takes {last} for the journal's last instant, it is {theirs}")
        try:
            check_head(at_once(self._server.kept.head()), runner._tail.root())
        except AuditError as error:
            self._world.fail(f"{node.name} grows another tree: {error}")

    def left(self) -> list[str]:
        """What is not as it should be when all has come to rest."""
        size = self._world.auditor.model.size
        self.compare()
        left = [
            f"{node.name} knows {node.gate.runner.engine.size} of {size} entries"
            for node in self._nodes
            if node.gate is not None and node.gate.runner.engine.size != size
        ]
        owners = [node for node in self._nodes if node.gate and NAME in node.gate.runner.engine.view.sessions]
        left += [f"{len(owners)} nodes have the session"] if len(owners) != 1 else []
        return left + (["a take-over is still timed"] if self._timed else [])


def _apart(ours: Any, theirs: Any) -> str:
    keys = sorted(k for k in ours.rows.keys() | theirs.rows.keys() if ours.rows.get(k) != theirs.rows.get(k))
    return f"{keys[0]} is {ours.rows.get(keys[0])}, not {theirs.rows.get(keys[0])}"


def _bound(state: Book) -> dict[tuple[str, str], tuple[Decimal, ...]]:
    """What each fund holds, and may still buy and sell, of each symbol, as it is kept for the risk gate."""
    cells = state.exposures._cells
    numbers = {
        key: (cell.held, cell.cost, cell.buying, cell.buying_value, cell.selling, cell.selling_value)
        for key, cell in cells.items()
    }
    return {key: values for key, values in numbers.items() if any(values)}
