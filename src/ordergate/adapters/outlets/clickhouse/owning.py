"""Whether a database may take a journal's rows: two journals that mix there without a word make every answer wrong."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from ordergate.adapters.clickhouse import ClickHouseError
from ordergate.adapters.outlets.clickhouse.store import Mark
from ordergate.application.naming import LogName
from ordergate.application.ports.journal import JournalReader


class NotOurs(ClickHouseError):
    """The database has rows of another journal of the same origin."""


class Ahead(ClickHouseError):
    """The database has rows that the journal knows nothing of: an older copy of it was restored."""


class Standing(Struct, frozen=True):
    """How far this journal's rows are, by its marks; None of what there is none."""

    done: Mark | None
    begun: Mark | None


def standing(marks: Sequence[Mark], name: LogName, shares: Iterable[str], shown: str) -> Standing:
    """How far this journal is, where the database is its own.

    Args:
        shares: origins of journals that may be there too.

    Raises:
        NotOurs: there is another journal of this origin.
        ClickHouseError: there is one of an origin that is not named.
    """
    known = {name.log, *shares}
    for mark in marks:
        if mark.log not in known:
            raise ClickHouseError(
                f"{shown} has the rows of another log, {mark.log!r}: name another database in clickhouse.database, or "
                f"that log in clickhouse.logs where both are to be asked as one; {name.log!r} has written nothing there"
            )
        if mark.log == name.log and mark.journal != name.journal:
            raise NotOurs(
                f"{shown} has the rows of another journal of {name.log!r} (it begins {mark.journal}, this one "
                f"{name.journal}): give each an audit.origin of its own, or, where the other is no more, run ordergate "
                "analytics backfill --replace"
            )
    of = {mark.what: mark for mark in marks if mark.log == name.log}
    return Standing(of.get("done"), of.get("begun"))


async def check_begun(there: Standing, reader: JournalReader, shown: str) -> None:
    """That the journal has the entry that the rows have come to.

    Raises:
        Ahead: it has not.
        StoreError: it cannot be read.
    """
    for mark in (there.done, there.begun):
        if mark is None:
            continue
        size = (await reader.head()).size
        here = await leaf_hash(reader, mark.journal_index) if mark.journal_index < size else None
        if here != mark.leaf_hash:
            raise Ahead(
                f"{shown} has rows of entry {mark.journal_index} of {mark.log!r}, which this journal, of {size} "
                "entries, does not have: where an older copy of it was restored, run ordergate analytics backfill"
            )


async def leaf_hash(reader: JournalReader, index: int) -> str:
    """Of an entry, in hex. Raises StoreError where the journal cannot be read."""
    (found,) = await reader.nodes(0, index, 1)
    return found.hex()
