"""A proxy in front of PostgreSQL's Unix socket that can cut a connection at its COMMIT."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_COMMIT = b"Q" + struct.pack("!I", 4 + len(b"COMMIT\0")) + b"COMMIT\0"


class Proxy:
    """Carries what goes both ways.

    Attributes:
        cut: `before`: the next COMMIT does not reach the server; `after`: it does, and its answer reaches
            nobody; None: nothing is cut. Falls back to None.
        leave_server: whether the server's side of a connection that was cut stays open.
        commits: how many were seen.
    """

    def __init__(self, folder: Path, behind: Path) -> None:
        self.folder, self._behind = folder, behind / ".s.PGSQL.5432"
        self.cut: str | None = None
        self.leave_server = False
        self.commits = 0
        self.refusing = False
        self._left: list[asyncio.StreamWriter] = []
        self._carrying: set[asyncio.Task[None]] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        there_reader, there = await asyncio.open_unix_connection(self._behind)
        back = asyncio.ensure_future(_pass(there_reader, writer))
        self._carrying.add(back)
        try:
            while data := await reader.read(65_536):
                if _COMMIT in data:
                    self.commits += 1
                    if self.cut is not None:
                        await self._cut(data, there_reader, there, back)
                        return
                there.write(data)
                await there.drain()
        except ConnectionError:
            pass
        finally:
            back.cancel()
            writer.transport.abort()
            if there not in self._left:
                there.transport.abort()

    async def _cut(
        self,
        data: bytes,
        there_reader: asyncio.StreamReader,
        there: asyncio.StreamWriter,
        back: asyncio.Task[None],
    ) -> None:
        cut, self.cut = self.cut, None
        back.cancel()
        await asyncio.gather(back, return_exceptions=True)
        if cut == "after":
            there.write(data)
            await there.drain()
            assert b"COMMIT" in await there_reader.read(1_000)
        if self.leave_server:
            self._left.append(there)

    def close(self) -> None:
        for writer in self._left:
            writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.transport.abort()


@asynccontextmanager
async def proxy_of(server: Path) -> AsyncIterator[Proxy]:
    """A proxy whose socket is in a folder of its own, in front of the server with its socket in that one."""
    with TemporaryDirectory(prefix="og-px-", dir="/tmp") as name:
        proxy = Proxy(Path(name), server)
        listening = await asyncio.start_unix_server(proxy.carry, Path(name) / ".s.PGSQL.5432")
        try:
            yield proxy
        finally:
            proxy.close()
            listening.close()


def through(proxy: Proxy, url: str) -> str:
    """The URL of a database, by way of the proxy."""
    return f"{url.partition('?')[0]}?host={proxy.folder}"
