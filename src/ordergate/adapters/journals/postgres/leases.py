"""Leases in PostgreSQL: a row each, by the database's own clock."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from ordergate.adapters.journals.postgres.connecting import FAILURES, connect, store_error
from ordergate.adapters.journals.postgres.rows import text_in, text_out
from ordergate.application.ports.leases import LEASE_S, PRESENCE, SEND_S, Held, Lease

_ANSWER_S: Final = 2.0

# One that this node has by the store's account it may take again: the answer to an earlier `take` was lost.
_TAKE: Final = f"""
INSERT INTO leases AS held (name, epoch, node, detail, renewed_at) VALUES ($1, 1, $2, $3, clock_timestamp())
ON CONFLICT (name) DO UPDATE
SET epoch = held.epoch + 1, node = $2, detail = $3, renewed_at = clock_timestamp()
WHERE held.node IS NULL OR held.node = $2
   OR held.renewed_at < clock_timestamp() - interval '{LEASE_S + SEND_S} seconds'
RETURNING epoch
"""
# A node's own lease has no successor who needs its epoch: it goes with the node, or a day after it was lost.
_FORGET: Final = f"""
DELETE FROM leases WHERE starts_with(name, '{PRESENCE}')
AND (node IS NULL OR renewed_at < clock_timestamp() - interval '1 day')
"""
_RENEW: Final = """
UPDATE leases AS held SET renewed_at = clock_timestamp(), detail = $4
FROM unnest($1::text[], $2::bigint[]) AS ours (name, epoch)
WHERE held.name = ours.name AND held.epoch = ours.epoch AND held.node = $3 RETURNING held.name
"""
_GIVE_BACK: Final = """
UPDATE leases AS held SET node = NULL FROM unnest($1::text[], $2::bigint[]) AS ours (name, epoch)
WHERE held.name = ours.name AND held.epoch = ours.epoch AND held.node = $3 RETURNING held.name
"""
_ALL: Final = f"""
SELECT name, epoch, CASE WHEN renewed_at >= clock_timestamp() - interval '{LEASE_S} seconds' THEN node END,
       detail, renewed_at
FROM leases ORDER BY name
"""


class PostgresLeases:
    """The leases of a journal's nodes, on a connection of its own: nothing that waits holds a renewal up.

    Args:
        url: of the journal's database.
        node: this node's name, which no other run of any process has.
        detail: what it says of itself.
    """

    def __init__(self, url: str, node: str, detail: str) -> None:
        self._url, self._node, self._detail = url, node, detail
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    @property
    def node(self) -> str:
        """This node's name."""
        return self._node

    async def take(self, name: str) -> Lease | None:
        """See the port. Whoever comes or goes removes nodes that left, or died more than a day ago."""
        if name.startswith(PRESENCE):
            await self._fetch(_FORGET)
        asked = self._now()
        rows = await self._fetch(_TAKE, text_in(name), text_in(self._node), text_in(self._detail))
        return Lease(name=name, epoch=rows[0][0], until=asked + LEASE_S) if rows else None

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """See the port."""
        if not leases:
            return []
        asked = self._now()
        rows = await self._fetch(_RENEW, *self._ours(leases), text_in(self._detail))
        renewed = {text_out(row[0]) for row in rows}
        return [
            Lease(name=lease.name, epoch=lease.epoch, until=asked + LEASE_S)
            for lease in leases
            if lease.name in renewed
        ]

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """See the port."""
        if leases:
            await self._fetch(_GIVE_BACK, *self._ours(leases))
            await self._fetch(_FORGET)

    def _ours(self, leases: Sequence[Lease]) -> tuple[Any, ...]:
        names = [text_in(lease.name) for lease in leases]
        return names, [lease.epoch for lease in leases], text_in(self._node)

    async def clock(self) -> datetime | None:
        """See the port."""
        return (await self._fetch("SELECT clock_timestamp()"))[0][0]  # type: ignore[no-any-return]

    async def all(self) -> list[Held]:
        """See the port."""
        return [
            Held(
                name=text_out(name),
                epoch=epoch,
                node=None if node is None else text_out(node),
                detail=text_out(detail),
                renewed_at=renewed_at,
            )
            for name, epoch, node, detail, renewed_at in await self._fetch(_ALL)
        ]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _fetch(self, sql: str, *values: Any) -> list[Any]:
        async with self._turn:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._url)
                found: list[Any] = await self._connection.fetch(sql, *values, timeout=_ANSWER_S)
                return found
            except BaseException as error:
                self._drop()
                if isinstance(error, FAILURES):
                    raise store_error(error, self._url) from None
                raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Ends the connection; the leases stay until they run out or are taken."""
        async with self._turn:
            self._drop()
