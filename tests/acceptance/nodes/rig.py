"""Several node processes on one database, and what is done to them."""

import asyncio
import json
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from tests.acceptance.crash.worker import PRICES
from tests.acceptance.nodes.node import Gone, Node

from ordergate.adapters.brokers.paper.delivery import HELD_S

SETTLED_WITHIN_S = 90.0
"""A session's first comparison may hold orders back for 30 s, and what is unclear is looked for ever more seldom."""
AT_WORK_S = 0.004
"""So long, at most, an order is under way when its node is killed."""
SHORT_LEASES = {"lease_s": 1.0, "send_s": 0.5}
_HOLDER = (
    "SELECT detail FROM leases WHERE name = 'broker:paper' AND node IS NOT NULL "
    "AND renewed_at > clock_timestamp() - interval '1 second'"
)


class Rig:
    """Nodes by name. A node that ends by itself is an error, unless a test says otherwise.

    Args:
        url: of the database.
        options: of every worker.
    """

    def __init__(self, url: str, folder: Path, **options: Any) -> None:
        self.url, self.folder, self._options = url, folder, options
        self.nodes: dict[str, Node] = {}
        self._starting: set[asyncio.Task[Node]] = set()
        self._connection: asyncpg.Connection | None = None

    async def start(self, name: str, **options: Any) -> Node:
        """Starts a node, also again; raises NotReady where it ends at once."""
        node = await Node.start(name, self.folder, **{"url": self.url, **self._options, **options})
        self.nodes[name] = node
        return node

    async def start_all(self, *names: str) -> list[Node]:
        """Starts several at the same time, and sets the market."""
        nodes = await asyncio.gather(*map(self.start, names))
        for symbol, (bid, ask) in PRICES.items():
            answer = await nodes[0].ask("quote", symbol=symbol, bid=bid, ask=ask)
            assert "error" not in answer, answer
        return nodes

    def start_later(self, name: str, pause_s: float) -> None:
        """Starts it after a pause."""

        async def start() -> Node:
            await asyncio.sleep(pause_s)
            return await self.start(name)

        self._starting.add(asyncio.ensure_future(start()))

    async def all_started(self) -> None:
        """Returns when those that were to start later have."""
        starting, self._starting = self._starting, set()
        await asyncio.gather(*starting)

    @property
    def up(self) -> list[Node]:
        """Nodes that can be asked."""
        return [node for node in self.nodes.values() if node.up]

    def check(self) -> None:
        """Raises where a node has ended by itself, or could not be started."""
        for task in [task for task in self._starting if task.done()]:
            self._starting.discard(task)
            task.result()
        for node in self.nodes.values():
            code = node.process.returncode
            assert code is None or node.expected_to_end, f"{node.name} ended with {code}: {node.said()}"

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """Asks the database itself."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self.url)
        return await self._connection.fetch(sql, *values)

    async def owner(self) -> Node | None:
        """The node that has the session of the venue, if it is up."""
        pids = [json.loads(row[0])["pid"] for row in await self.fetch(_HOLDER)]
        return next((node for node in self.up if node.pid in pids), None)

    async def new_owner(self, within_s: float = 60.0) -> Node:
        """Waits for one."""
        async with asyncio.timeout(within_s):
            while (owner := await self.owner()) is None:
                self.check()
                await asyncio.sleep(0.02)
        return owner

    async def sent(self) -> int:
        """How many requests the venue has had."""
        return (await self.fetch("SELECT count(*) FROM paper_paper.requests"))[0][0]

    async def more_sent(self, count: int = 1, within_s: float = 60.0) -> None:
        """Returns when the venue has had so many more."""
        enough = await self.sent() + count
        async with asyncio.timeout(within_s):
            while await self.sent() < enough:
                self.check()
                await asyncio.sleep(0.02)

    async def settled(self, within_s: float = SETTLED_WITHIN_S) -> None:
        """Returns when nothing is under way at any node; all must then remember the same."""
        states: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(within_s):
                while not _at_rest(states):
                    self.check()
                    states = await self._states()
                    await asyncio.sleep(
                        3 * HELD_S
                    )  # the venue holds reports back, to deliver them out of order
                    states += await self._states()
        except TimeoutError:
            rest = [{**state, "remembers": len(state["remembers"])} for state in states]
            raise AssertionError(f"not settled within {within_s} s: {rest}") from None
        first = set(states[0]["remembers"])
        different = [sorted(first ^ set(state["remembers"])) for state in states]
        assert not any(different), f"nodes remember different things: {different}"

    async def _states(self) -> list[dict[str, Any]]:
        try:
            return [await node.ask("state") for node in self.up]
        except Gone:
            return []

    def let_go(self) -> None:
        """Of the database."""
        if self._connection is not None:
            self._connection.terminate()

    async def end(self) -> None:
        """Ends every process."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for node in self.nodes.values():
            await node.end()


def _at_rest(states: list[dict[str, Any]]) -> bool:
    sizes = {state["size"] for state in states}
    complete = all(state["complete"] for state in states)
    return len(sizes) == 1 and complete and not any(state["waiting"] or state["unclear"] for state in states)


@asynccontextmanager
async def rig_on(url: str, **options: Any) -> AsyncIterator[Rig]:
    """A rig in a folder of its own, with no node yet."""
    with tempfile.TemporaryDirectory(prefix="og-nodes-") as folder:
        rig = Rig(url, Path(folder), **options)
        try:
            yield rig
        finally:
            await rig.end()
            rig.let_go()


async def kill_at_random(
    rig: Rig, kills: int, dice: random.Random, *, calm_s: float = 0.7, away_s: float = 0.8
) -> int:
    """Kills so many nodes, sometimes two at once, often the session's owner, just after they were asked something.

    Each comes back after a pause.

    Returns:
        How often it was the owner.
    """
    done = owners = 0
    while done < kills:
        if dice.random() < 0.5:
            await rig.new_owner()
            await rig.more_sent()
        await asyncio.sleep(dice.uniform(0, calm_s))
        rig.check()
        if not (up := rig.up):
            continue
        owner = await rig.owner()
        first = owner if owner in up and dice.random() < 0.5 else dice.choice(up)
        victims = [first]
        if dice.random() < 0.15:
            victims += [node for node in up if node is not first][:1]
        await first.asked()
        await asyncio.sleep(dice.uniform(0, AT_WORK_S))
        if not first.up:
            continue
        owners += owner in victims
        await asyncio.gather(*(victim.kill() for victim in victims))
        done += len(victims)
        for victim in victims:
            rig.start_later(victim.name, dice.uniform(0, away_s))
    await rig.all_started()
    return owners
