"""Connections to the schema of a venue, and what their failures mean."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from ordergate.adapters.brokers.paper.postgres.tables import (
    LONGEST_NAME,
    VERSION,
    creation,
    quoted,
    upgrades,
)
from ordergate.adapters.journals.postgres.connecting import FAILURES, connect, store_error
from ordergate.domain.errors import StoreError

ANSWER_S: Final = 10.0
"""A statement that takes longer is given up; whether it was done is then unknown."""

_PREFIX: Final = "paper_"
_SETTINGS: Final = {
    "application_name": "ordergate paper venue",
    "lock_timeout": "2000",
    # All is found by key; where there are no statistics yet, the planner would rather read whole tables.
    "enable_seqscan": "off",
}
_EXISTS: Final = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)"
Connection = Any  # asyncpg has no types


class Address:
    """Where a venue is.

    Attributes:
        schema: its name, which is also that of the channel on which the nodes of the venue tell each other.
        sql: the name as it stands in statements.

    Raises:
        StoreError: no schema can have that name.
    """

    def __init__(self, venue: str, url: str) -> None:
        self.venue, self._url = venue, url
        self.schema = _PREFIX + venue
        self.sql = quoted(self.schema)
        if len(self.schema.encode()) > LONGEST_NAME:
            most = LONGEST_NAME - len(_PREFIX)
            raise StoreError(
                f"paper venue {venue!r} has too long a name for PostgreSQL: at most {most} bytes"
            )

    async def connect(self) -> Connection:
        """A connection to the schema, which is made where there is none.

        Raises:
            StoreError: the database cannot be used, or has something else there.
        """
        connection = await connect(self._url, _SETTINGS)
        try:
            with self.failures("cannot be used"):
                await self._check(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def exists(self) -> bool:
        """Whether the schema has been made.

        Raises:
            StoreError: the database cannot be used.
        """
        connection = await connect(self._url, _SETTINGS)
        try:
            with self.failures("cannot be looked for"):
                return bool(await connection.fetchval(_EXISTS, self.schema))
        finally:
            connection.terminate()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """A connection for the while."""
        connection = await self.connect()
        try:
            yield connection
        finally:
            connection.terminate()

    @contextmanager
    def failures(self, what: str) -> Iterator[None]:
        """Everything that the driver raises as a StoreError."""
        try:
            yield
        except (*FAILURES, ValueError) as error:
            why = store_error(error, self._url)
            raise StoreError(f"the paper venue's schema {self.schema} {what}: {why}") from None

    async def _check(self, connection: Connection) -> None:
        found = await self._meta(connection)
        if found is None:
            await self._create(connection)
            found = await self._meta(connection)
        if found is not None and found["name"] == self.venue and found["version"] in upgrades(self.sql):
            await self._upgrade(connection)
            found = await self._meta(connection)
        if found is None or found["version"] != VERSION:
            raise StoreError(
                f"schema {self.schema} is no paper venue's of version {VERSION} (it says {found and found['version']})"
            )
        if found["name"] != self.venue:
            raise StoreError(
                f"schema {self.schema} is that of paper venue {found['name']!r}, not of {self.venue!r}"
            )

    async def _meta(self, connection: Connection) -> Any:
        """Its row; None where there is no such schema."""
        if not await connection.fetchval(_EXISTS, self.schema):
            return None
        return await connection.fetchrow(f"SELECT name, version FROM {self.sql}.meta")

    @asynccontextmanager
    async def _alone(self, connection: Connection) -> AsyncIterator[None]:
        """One transaction: all of it or nothing, by one node at a time."""
        lock = int.from_bytes(hashlib.sha256(self.schema.encode()).digest()[:8], signed=True)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", lock)
            yield

    async def _upgrade(self, connection: Connection) -> None:
        steps = upgrades(self.sql)
        async with self._alone(connection):
            found = await self._meta(connection)
            for version in range(found["version"], VERSION):
                await connection.execute(steps[version])
            await connection.execute(f"UPDATE {self.sql}.meta SET version = $1", VERSION)

    async def _create(self, connection: Connection) -> None:
        async with self._alone(connection):
            if await self._meta(connection) is None:
                await connection.execute(creation(self.sql))
                await connection.execute(
                    f"INSERT INTO {self.sql}.meta (name, version, epoch, holder) VALUES ($1, $2, 0, '')",
                    self.venue,
                    VERSION,
                )
