"""Of several nodes on one journal: turns, following, leases."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from ordergate.application import dispatch, following, settlement
from ordergate.application.dispatch import Dispatcher
from ordergate.application.following import Following
from ordergate.application.ownership import Keeper, Tenure
from ordergate.application.ports.leases import FOREVER, Lease
from ordergate.application.runner import Runner
from ordergate.application.tail import Tail
from ordergate.bootstrap import opening
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.states import Phase
from ordergate.testing import shared_store
from ordergate.testing.shared_store import NodeJournal
from tests.simulation.bugs.registry import bug


@bug
def lease_not_looked_at_before_sending() -> Iterator[Any]:
    """A dispatcher sends what was journalled in its session, whether or not its lease has run out meanwhile."""

    def may_send(self: Any, request: Any) -> bool:
        session = self._runner.engine.view.sessions.get(self._broker.name)
        return request.phase is Phase.SENT and request.epoch == self._epoch == session

    with patch.object(Dispatcher, "_may_send", may_send):
        yield


@bug
def session_of_another_node_ignored() -> Iterator[Any]:
    """A node that another has taken the session from goes on to journal requests as sent in its own."""

    def publish(self: Any, entries: Sequence[Any]) -> None:
        for listener in self._listeners:
            listener(entries)

    with patch.object(Runner, "_publish", publish):
        yield


@bug
def requests_of_other_epochs_are_sent() -> Iterator[Any]:
    """A dispatcher sends whatever is journalled as sent, also what another node's session has sent."""

    def committed(self: Any, entries: Sequence[Any]) -> None:
        for entry in entries:
            request = dispatch.request_of(entry)
            if request is not None:
                self._wake(entry.order_id or "", request)

    def may_send(self: Any, request: Any) -> bool:
        return request.phase is Phase.SENT and self._tenure.holds

    with patch.object(Dispatcher, "_committed", committed), patch.object(Dispatcher, "_may_send", may_send):
        yield


@bug
def opened_while_others_write() -> Iterator[Any]:
    """A node that starts reads the tables one after the other, as they are by then."""
    runner = opening._runner

    async def careless(config: Any, journal: Any, *rest: Any, **named: Any) -> Any:
        return await runner(config, _AsItIsByThen(journal), *rest, **named)

    with patch.object(opening, "_runner", careless):
        yield


class _AsItIsByThen:
    """A journal that has no snapshots."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        yield self._journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


@bug
def catch_up_skipped() -> Iterator[Any]:
    """A turn begins without folding what others have written, and writes onto the end all the same."""

    async def skip(self: Any, reader: Any) -> None:
        size = (await reader.head()).size
        for line in await reader.lines(self._engine.size, size - self._engine.size):
            self._tail.follow(line)
        self._engine.size = size

    with patch.object(Following, "to_the_end", skip):
        yield


@bug
def catch_up_does_not_read_again() -> Iterator[Any]:
    """A position that memory had forgotten is folded from what another node's fill alone says."""

    async def nothing(*_given: Any) -> None:
        pass

    with patch.object(following, "read_again", nothing):
        yield


@bug
def entries_folded_though_memory_has_forgotten() -> Iterator[Any]:
    """What another node has moved, and memory has forgotten, passes for what memory has."""
    with patch.object(following, "forgotten", lambda _state, _entry: None):
        yield


@bug
def index_from_a_counter() -> Iterator[Any]:
    """An index that was meant for a batch which could not be written is not given out again."""
    not_written = Runner._not_written

    async def counted(self: Any, stepped: Sequence[Any], error: StoreError) -> None:
        self._engine.size += 1
        await not_written(self, stepped, error)

    with patch.object(Runner, "_not_written", counted):
        yield


@bug
def others_lines_taken_for_ours() -> Iterator[Any]:
    """A commit without an answer counts as done when anything stands where it would."""

    async def found_out(self: Any, batch: Any) -> bool:
        while True:
            try:
                reader = await self._journal.lock()
                try:
                    return bool(await reader.lines(batch.first, 1))
                finally:
                    await self._journal.release()
            except StoreError as error:
                await self._still_unknown(error)

    with patch.object(Runner, "_found_out", found_out):
        yield


@bug
def unknown_commit_looked_up_without_the_lock() -> Iterator[Any]:
    """Whether a batch was written is looked up while its commit may still be under way."""

    async def found_out(self: Any, batch: Any) -> bool:
        while True:
            try:
                lines = await self._journal.lines(batch.first, len(batch.lines))
            except StoreError as error:
                await self._still_unknown(error)
            else:
                return [line.data for line in lines] == [line.data for line in batch.lines]

    with patch.object(Runner, "_found_out", found_out):
        yield


@bug
def successor_does_not_wait_for_what_is_leaving() -> Iterator[Any]:
    """A lease is taken as soon as it has run out, without the time that bytes may take to leave."""
    with patch.object(shared_store, "SEND_S", 0.0):
        yield


@bug
def lease_taken_before_its_end() -> Iterator[Any]:
    """A lease is taken from whoever has not renewed it for a second."""
    with patch.object(shared_store, "SEND_S", 0.0), patch.object(shared_store, "LEASE_S", 1.0):
        yield


@bug
def old_epoch_moves_an_outlet() -> Iterator[Any]:
    """Where an outlet has come to is noted for whoever says so, whoever serves it."""
    move_cursor = NodeJournal.move_cursor

    async def anybody(self: Any, name: str, index: int, epoch: int = 0) -> None:
        await move_cursor(self, name, index)

    with patch.object(NodeJournal, "move_cursor", anybody):
        yield


@bug
def waiting_request_never_released() -> Iterator[Any]:
    """The owner of a session does not look at requests that other nodes have journalled for it."""
    with patch.object(settlement, "request_of", lambda _entry: None):
        yield


@bug
def listeners_do_not_hear_of_others() -> Iterator[Any]:
    """Dispatchers, settlement and outlets hear of what this node has written alone."""
    publish = Runner._publish

    def deaf(self: Any, entries: Sequence[Any]) -> None:
        with patch.object(self, "_listeners", []):
            publish(self, entries)

    with patch.object(Runner, "_publish", deaf):
        yield


@bug
def clock_not_taken_over() -> Iterator[Any]:
    """The journal's last instant is that of the last entry of this node."""
    fold = Following._fold

    def keep(self: Any, entry: Any, line: Any) -> None:
        last = self._engine.last
        fold(self, entry, line)
        self._engine.last = last

    with patch.object(Following, "_fold", keep):
        yield


@bug
def tree_not_grown_by_others() -> Iterator[Any]:
    """What others have written is folded, and not hashed onto."""
    with patch.object(Tail, "follow", lambda _self, _line: None):
        yield


@bug
def lost_lease_never_left() -> Iterator[Any]:
    """A node that could not renew a lease sends nothing more, and does not try to have it again."""
    with patch.object(Keeper, "_leave_what_is_over", lambda _self: None):
        yield


@bug
def lease_not_waited_for() -> Iterator[Any]:
    """A node that is not given a lease does what it is for all the same."""
    take = Keeper._take

    async def hasty(self: Any, post: Any) -> bool:
        if not await take(self, post):
            post.tenure = Tenure(Lease(name=post.duty.lease, epoch=0, until=FOREVER))
        return True

    with patch.object(Keeper, "_take", hasty):
        yield
