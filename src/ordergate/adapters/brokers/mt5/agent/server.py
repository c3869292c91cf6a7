"""A local terminal, served to one client at a time: a session with a higher number ends the one before it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ssl
from typing import Any, Final

from . import wire
from .journal import JournalFailed
from .local import LocalTerminal
from .port import LOOKS_ON, Command, Refused, Unreachable

_MEETS_S: Final = 10
_ENDS_S: Final = 2
_MOST_AT_ONCE: Final = 64
_MOST_STRANGERS: Final = 16


class _Session:
    """A client that has proven the key, until another one comes."""

    def __init__(self, connection: wire.Connection, epoch: int) -> None:
        self.connection, self.epoch, self.lasts = connection, epoch, True

    async def end(self, by: int) -> None:
        """Says which session has taken over, where it is a later one, and leaves the client time to hear it."""
        self.lasts = False
        asyncio.get_running_loop().call_later(_ENDS_S, self.connection.cut)
        if by > self.epoch:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_ENDS_S):
                    await self.connection.say({"taken_over": by})
        else:
            self.connection.cut()


class AgentServer:
    """Serves a terminal until it is closed.

    Attributes:
        port: that it listens at, once started.
    """

    port: int

    def __init__(self, terminal: LocalTerminal, key: str) -> None:
        """Does nothing yet. Raises ValueError: the key is short."""
        self._terminal, self._key = terminal, wire.checked_key(key)
        self._session: _Session | None = None
        self._server: asyncio.Server | None = None
        self._strangers = list[asyncio.StreamWriter]()
        self._tasks = set[asyncio.Task[None]]()

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Takes the journal and listens; port 0: any. Raises Unreachable: somebody has the journal; and OSError."""
        self._terminal.hold()
        meets_s = None if tls is None else _MEETS_S
        self._server = await asyncio.start_server(
            self._met, host, port, ssl=tls, ssl_handshake_timeout=meets_s
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Lets calls end, then closes the terminal and the connections."""
        if self._server is not None:
            self._server.close()
        await self._terminal.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._serve(await self._begun(reader, writer))
        except (EOFError, OSError, TimeoutError, JournalFailed, Unreachable, wire.Garbled, wire.WrongKey):
            pass
        finally:
            writer.close()

    async def _begun(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Session:
        """The session of a client that knows the key; it has ended already, if there was a later one."""
        self._strangers.append(writer)
        if len(self._strangers) > _MOST_STRANGERS:  # who knows the key proves it at once
            self._strangers.pop(0).close()
        try:
            async with asyncio.timeout(_MEETS_S):
                connection, epoch = await wire.answer_call(reader, writer, self._key)
        finally:
            if writer in self._strangers:
                self._strangers.remove(writer)
        journal = self._terminal.hold()
        session, ends = _Session(connection, epoch), self._session
        if epoch == LOOKS_ON:
            return session
        if epoch < journal.epoch:
            ends, by = session, journal.epoch
        else:
            journal.remember_epoch(epoch)
            self._session, by = session, epoch
        if ends is not None:
            await ends.end(by)
        return session

    async def _serve(self, session: _Session) -> None:
        """Until the client hangs up; what comes after the session's end is not done."""
        room, answering = asyncio.Semaphore(_MOST_AT_ONCE), set[asyncio.Task[None]]()
        try:
            while True:
                asked = await session.connection.hear()
                if session.lasts:
                    await room.acquire()
                    task = asyncio.create_task(self._answer(session, asked, room))
                    answering.add(task)
                    task.add_done_callback(answering.discard)
        finally:
            for task in answering:
                task.cancel()

    async def _answer(self, session: _Session, asked: dict[str, Any], room: asyncio.Semaphore) -> None:
        try:
            said = await self._done(session, asked)
        except Refused as refused:
            said = {"refused": str(refused)}
        except Unreachable as gone:
            said = {"unreachable": str(gone), "sent": gone.sent}
        except (KeyError, TypeError, ValueError) as error:
            said = {"invalid": f"{type(error).__name__}: {error}"}
        except Exception as error:  # of ours; the client need not wait for an answer
            said = {"unreachable": f"the agent failed: {type(error).__name__}: {error}", "sent": True}
        finally:
            room.release()
        if session.lasts:
            with contextlib.suppress(OSError):
                await session.connection.say({"n": asked.get("n"), **said})

    async def _done(self, session: _Session, asked: dict[str, Any]) -> dict[str, Any]:
        terminal, call = self._terminal, asked.get("call")
        if session.epoch == LOOKS_ON and (call == "send" or asked.get("seal")):
            raise Refused("a session that looks on sends nothing, and seals nothing")
        if call == "open":
            hello = await terminal.open()
            return {"hello": dataclasses.asdict(dataclasses.replace(hello, epoch=session.epoch))}
        if call == "ask":
            reply = await terminal.ask(asked["name"], *asked["args"], **asked["kwargs"])
            return {"value": reply.value, "error": reply.error}
        if call == "send":
            command = Command(asked["id"], asked["request"], asked["expires_at"])
            record = await terminal.submit(command, lambda: session.lasts)
            return {"record": dataclasses.asdict(record)}
        if call == "record":
            found = await terminal.record(asked["id"], seal=asked["seal"])
            return {"record": None if found is None else dataclasses.asdict(found)}
        if call == "records":
            return {"records": [dataclasses.asdict(one) for one in await terminal.records(asked["after"])]}
        raise ValueError(f"call is {call!r}: must be open, ask, send, record or records")
