"""The schema of a PostgreSQL database: which it is, and bringing it to this program's."""

import asyncio
from typing import TYPE_CHECKING, Final

import asyncpg

from ordergate.adapters.journals.postgres.connecting import FAILURES, connect, store_error
from ordergate.adapters.journals.schema import REVISIONS, check_version
from ordergate.domain.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_UPGRADE: Final = 0x6F726465726761  # "orderga": the advisory lock of whoever migrates
_UPGRADE_S: Final = 600.0
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"


async def version(connection: asyncpg.Connection, shown: str) -> str | None:
    """The schema version of a database; None for an empty one.

    Raises:
        StoreError: it is another program's.
    """
    tables = {row[0] for row in await connection.fetch(_TABLES)}
    if not tables:
        return None
    if not {"alembic_version", "journal"} <= tables:
        raise StoreError(f"{shown} is a database of another program: name another, or a schema of its own")
    found = await connection.fetchval("SELECT version_num FROM alembic_version")
    return None if found is None else str(found)


async def version_at(url: str, shown: str) -> str | None:
    """As `version`, over a connection of its own.

    Raises:
        StoreError: it cannot be reached, or is another program's.
    """
    connection = await connect(url)
    try:
        return await version(connection, shown)
    except FAILURES as error:
        raise store_error(error, url) from None
    finally:
        connection.terminate()


async def check(url: str, shown: str) -> None:
    """Raises StoreError unless the database can be reached and is of this program's version."""
    check_version(await version_at(url, shown), shown)


async def upgrade(url: str, shown: str) -> None:
    """Runs what migrations are missing, all in one transaction; of several at once, one does, and others wait.

    What is cut off leaves the database as it was.

    Raises:
        StoreError: it cannot be reached or written, or is another program's or a newer one's.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=NullPool
    )
    try:
        async with asyncio.timeout(_UPGRADE_S), engine.begin() as bound:
            await bound.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE})
            await bound.run_sync(_run)
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        raise store_error(getattr(cause, "__cause__", None) or cause or error, url) from None
    except FAILURES as error:
        raise store_error(error, url) from None
    finally:
        await engine.dispose()
    await check(url, shown)


def _run(bound: "Connection") -> None:
    from alembic import command

    from ordergate.adapters.journals.migrate import config

    command.upgrade(config(bound), REVISIONS[-1])
