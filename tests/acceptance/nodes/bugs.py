"""Mistakes that are planted into a node by their names, to show that the suite finds each."""

from collections.abc import Callable
from typing import Any

import asyncpg
from tests.acceptance.crash.worker import blind_resend, no_write_ahead

from ordergate.adapters.brokers.paper.postgres import store
from ordergate.adapters.journals.postgres import journal, writing
from ordergate.application import following
from ordergate.application.dispatch import Dispatcher
from ordergate.application.ownership import Tenure
from ordergate.application.runner import Runner
from ordergate.domain.orders.states import Phase

_SEQUENCE = "CREATE SEQUENCE IF NOT EXISTS planted MINVALUE 0 START 0"


def no_fencing() -> None:
    """The dispatcher does not look at its lease, nor the venue at who has it now."""
    writes, asks = store.writing, store.PostgresStore._ask

    async def ask(self: Any, failing: str, sql: str, *values: Any) -> Any:
        rows = await asks(self, failing, sql, *values)
        return [{**row, "epoch": self.epoch} for row in rows] if sql == self._reading else rows

    store.writing = lambda schema: writes(schema).replace("epoch = $1", "$1::bigint IS NOT NULL")
    store.PostgresStore._ask = ask
    Tenure.holds = property(lambda _self: True)
    Dispatcher._may_send = lambda self, request: request.phase is Phase.SENT and request.epoch == self._epoch


def catch_up_skipped() -> None:
    """What other nodes have written is passed over."""
    following.apply = lambda _state, _entry: None


def head_not_locked() -> None:
    """A turn begins without waiting for the one before it, and nobody looks whether the log has grown."""
    journal._LOCK = journal._LOCK.replace(" FOR UPDATE", "")
    types, sql = writing._FIXED[writing._HEAD]
    writing._FIXED[writing._HEAD] = types, sql.replace("size = {0}", "{0} IS NOT NULL")


def index_from_a_sequence() -> None:
    """As `head_not_locked`, and an entry's index is the next number of a sequence."""
    head_not_locked()
    types, sql = writing._FIXED[writing._JOURNAL]
    numbered = sql.replace("SELECT {0} + place - 1", "SELECT {0} * 0 + nextval('planted')")
    writing._FIXED[writing._JOURNAL] = types, numbered


def unknown_commit_is_a_failure() -> None:
    """A commit whose answer was lost is taken for one that did not happen."""

    async def not_found(_self: Any, _batch: Any) -> bool:
        return False

    Runner._found_out = not_found


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        no_write_ahead,
        blind_resend,
        no_fencing,
        catch_up_skipped,
        head_not_locked,
        index_from_a_sequence,
        unknown_commit_is_a_failure,
    )
}


async def plant(name: str, url: str) -> None:
    """Plants a bug into this process."""
    BUGS[name]()
    if name == "index_from_a_sequence":
        connection = await asyncpg.connect(url)
        await connection.execute(_SEQUENCE)
        await connection.close()
