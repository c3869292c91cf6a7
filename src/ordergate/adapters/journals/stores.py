"""Opening databases of either kind by their URLs."""

from pathlib import Path
from typing import TypeVar

from ordergate.adapters.journals import database
from ordergate.adapters.journals.location import Location, locate
from ordergate.adapters.journals.schema import check_known, check_version
from ordergate.adapters.journals.whole import check_whole
from ordergate.adapters.leases import OnlyNode
from ordergate.adapters.node import this_node
from ordergate.application.ports.journal import Journal, JournalReader
from ordergate.application.ports.leases import Leases
from ordergate.domain.errors import StoreError

Opened = TypeVar("Opened", bound=JournalReader)
_MISSING = "asyncpg is not installed: pip install 'ordergate[postgres]'"


async def open_journal(url: str) -> Journal:
    """Opens a database for writing; sets up an empty one.

    Raises:
        StoreError, StoreBusy: it cannot be used; nothing was changed.
    """
    return await _whole(await open_journal_or_part(url), url)


async def open_journal_or_part(url: str) -> Journal:
    """As `open_journal`, also where a copy has not been finished: for whoever copies."""
    found = locate(url)
    if found.kind != "server":
        return database.open_journal(url)
    require_driver()
    from ordergate.adapters.journals.postgres.journal import PostgresJournal
    from ordergate.adapters.journals.postgres.setting_up import upgrade, version_at

    version = await version_at(url, found.shown)
    if version is None:
        await upgrade(url, found.shown)
    else:
        check_version(version, found.shown)
    return PostgresJournal(url)


def open_leases(url: str, address: str | None = None) -> Leases:
    """The leases of a journal's nodes, for a node that begins now.

    Args:
        address: where it can be reached.
    """
    if locate(url).kind != "server":
        return OnlyNode()
    require_driver()
    from ordergate.adapters.journals.postgres.leases import PostgresLeases

    node = this_node(address)
    return PostgresLeases(url, node.name, node.encoded())


async def open_reader(url: str) -> JournalReader:
    """Opens a database for reading, beside whoever writes it.

    Raises:
        StoreError: there is none, or it is of another version or program.
    """
    found = locate(url)
    if found.kind != "server":
        return await _whole(database.open_reader(url), url)
    return await _whole(await _server_reader(url, found), url)


async def _whole(opened: Opened, url: str) -> Opened:
    try:
        check_whole(await opened.head(), locate(url).shown)
    except BaseException:
        await opened.close()
        raise
    return opened


async def _server_reader(url: str, found: Location) -> JournalReader:
    require_driver()
    from ordergate.adapters.journals.postgres.reader import Pool, PostgresReader
    from ordergate.adapters.journals.postgres.setting_up import version_at

    version = await version_at(url, found.shown)
    if version is None:
        raise StoreError(f"there is no journal in {found.shown}: `ordergate migrate up` makes one")
    check_version(version, found.shown)
    return PostgresReader(Pool(url))


async def version_at(url: str) -> str | None:
    """The schema version of a database that this program can bring up; None for an empty one.

    Raises:
        StoreError: there is none, or it is another program's or a newer one's.
    """
    found = locate(url)
    if found.kind != "server":
        return database.version_at(_file(found))
    require_driver()
    from ordergate.adapters.journals.postgres.setting_up import version_at

    return check_known(await version_at(url, found.shown), found.shown)


async def bring_up(url: str) -> str | None:
    """Runs the migrations that a database needs.

    Returns:
        Its version before.

    Raises:
        StoreError, StoreBusy: it cannot be used; it is as it was.
    """
    found = locate(url)
    if found.kind != "server":
        return database.bring_up(_file(found))
    before = await version_at(url)
    from ordergate.adapters.journals.postgres.setting_up import upgrade

    await upgrade(url, found.shown)
    return before


def _file(found: Location) -> Path:
    if found.path is None:
        raise StoreError("a database in memory has nothing to migrate: name a file")
    return found.path


def require_driver() -> None:
    """Raises StoreError where ordergate was installed without what PostgreSQL needs."""
    try:
        import asyncpg  # noqa: F401
        import sqlalchemy.ext.asyncio  # noqa: F401
    except ImportError as error:
        raise StoreError(_MISSING) from error
