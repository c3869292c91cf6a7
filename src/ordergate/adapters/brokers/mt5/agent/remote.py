"""A terminal on another machine, through its agent."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import ssl
from pathlib import Path
from typing import Any

from . import wire
from .port import READS, Command, Hello, Record, Refused, Reply, Unreachable


class RemoteTerminal:
    """A Terminal. Use it from one event loop; after Unreachable, open it again.

    Attributes:
        taken_over: a session with a higher epoch has ended this one.
    """

    def __init__(
        self,
        host: str,
        port: int,
        key: str,
        epoch: int,
        *,
        authority: Path | None = None,
        deadline_s: float = 60.0,
    ) -> None:
        """Does nothing yet.

        Args:
            host: where the agent listens; with TLS, a name in its certificate.
            port: where the agent listens.
            key: shared with the agent, at least 32 characters.
            epoch: number of the session, 1 to 2**63 - 1; a higher one than of all before. LOOKS_ON only reads.
            authority: PEM file of the certificates that are trusted, and no others; None: no TLS.
            deadline_s: of connecting, and of each answer. The agent has its own, which should be shorter.

        Raises:
            ValueError: the key is short.
            OSError: the authority cannot be read (ssl.SSLError is one).
        """
        self.taken_over = False
        self._host, self._port, self._key, self._epoch = host, port, wire.checked_key(key), epoch
        self._deadline_s, self._tls = deadline_s, None
        if authority is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.load_verify_locations(authority)
        self._numbers = itertools.count(1)
        self._connection: wire.Connection | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._waiting = dict[int, asyncio.Future[dict[str, Any]]]()

    async def open(self) -> Hello:
        """Connects, in place of a connection that there was."""
        await self.close()
        if self.taken_over:
            raise Refused("a later session has taken over")
        try:
            async with asyncio.timeout(self._deadline_s):
                self._connection = await self._connected()
        except TimeoutError:
            raise Unreachable(
                f"{self._there}: no connection within {self._deadline_s:g} s", sent=False
            ) from None
        except (EOFError, OSError, UnicodeError, wire.Garbled) as error:  # UnicodeError: the host is no name
            raise Unreachable(f"{self._there}: {type(error).__name__}: {error}", sent=False) from error
        except wire.WrongKey as error:
            raise Refused(f"{self._there}: {error}") from error
        self._hearing = asyncio.create_task(self._hear(self._connection))
        try:
            return Hello(**(await self._asked("open"))["hello"])
        except Refused:
            await self.close()
            raise
        except Unreachable as gone:
            await self.close()
            if self.taken_over:
                raise Refused("a later session has taken over") from gone
            raise Unreachable(str(gone), sent=False) from gone

    async def ask(self, name: str, *args: Any, **kwargs: Any) -> Reply:
        """One function of READS."""
        if name not in READS:
            raise ValueError(f"{name} cannot be asked: one of {', '.join(sorted(READS))}")
        said = await self._asked("ask", name=name, args=args, kwargs=kwargs)
        return Reply(said["value"], (said["error"][0], said["error"][1]))

    async def send(self, command: Command) -> Record:
        """Journalled at the agent; goes on there, whatever becomes of the connection."""
        said = await self._asked("send", **dataclasses.asdict(command))
        return _record(said["record"])

    async def record(self, id: str, *, seal: bool = False) -> Record | None:
        """From the agent's journal."""
        said = await self._asked("record", id=id, seal=seal)
        return None if said["record"] is None else _record(said["record"])

    async def records(self, after: int = 0) -> list[Record]:
        """From the agent's journal."""
        return [_record(one) for one in (await self._asked("records", after=after))["records"]]

    async def close(self) -> None:
        """Ends the connection; what the agent is doing goes on."""
        connection, self._connection = self._connection, None
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            hearing.cancel()
            await asyncio.wait([hearing])
        if connection is not None:
            await connection.close()

    async def _connected(self) -> wire.Connection:
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        try:
            return await wire.call_on(reader, writer, self._key, self._epoch)
        except BaseException:
            writer.close()
            raise

    async def _asked(self, call: str, **more: Any) -> dict[str, Any]:
        """An answer of the agent's. Raises Unreachable, Refused, and ValueError: the agent finds it wrong."""
        if self._connection is None:
            raise Unreachable(f"{self._there}: not connected", sent=False)
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._connection.say({"n": number, "call": call, **more})
                said = await waiting
        except TimeoutError:
            text = f"{self._there}: {call}: no answer within {self._deadline_s:g} s"
            raise Unreachable(text, sent=True) from None
        except OSError as error:
            raise Unreachable(f"{self._there}: {call}: {error}", sent=True) from error
        finally:
            del self._waiting[number]
            waiting.cancel()
        return self._checked(said)

    def _checked(self, said: dict[str, Any]) -> dict[str, Any]:
        if "refused" in said:
            raise Refused(said["refused"])
        if "unreachable" in said:
            raise Unreachable(said["unreachable"], sent=said["sent"])
        if "invalid" in said:
            raise ValueError(said["invalid"])
        return said

    async def _hear(self, connection: wire.Connection) -> None:
        why = "the connection was closed"
        try:
            while True:
                said = await connection.hear()
                if "taken_over" in said:
                    self.taken_over = True
                    why = f"session {said['taken_over']} has taken over"
                    return
                waiting = self._waiting.get(said.get("n", 0))
                if waiting is not None and not waiting.done():
                    waiting.set_result(said)
        except (EOFError, OSError, wire.Garbled) as error:
            why = f"{type(error).__name__}: {error}"
        finally:
            if self._connection is connection:
                self._connection = None
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_result({"unreachable": f"{self._there}: {why}", "sent": True})
            with contextlib.suppress(asyncio.CancelledError):
                await connection.close()

    @property
    def _there(self) -> str:
        return f"the agent at {self._host}:{self._port}"


def _record(said: dict[str, Any]) -> Record:
    error = said["error"]
    return Record(**{**said, "error": None if error is None else (error[0], error[1])})
