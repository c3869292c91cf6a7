"""The simulated terminal behind a socket of loopback: the package's calls, and a test's control."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import InvalidOperation
from typing import Any, Final

from ordergate.testing.metatrader5 import wire
from ordergate.testing.metatrader5.steering import Steering
from ordergate.testing.metatrader5.terminal import Answer, Terminal
from ordergate.testing.metatrader5.texts import Refusal

_TURN_S: Final = 0.02
_WRONG: Final = (ValueError, LookupError, TypeError, InvalidOperation, Refusal)


class _Cut(Exception):
    """The pipe is cut."""


class _Serving:
    def __init__(self, terminal: Terminal) -> None:
        self._terminal, self._steering = terminal, Steering(terminal)
        self.tasks: set[asyncio.Task[Any]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, wire.Broken, wire.Garbled, _Cut):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = wire.unpacked(await reader.readexactly(wire.length(await reader.readexactly(4))))
            do: Callable[[dict[str, Any]], Awaitable[bytes]] = (
                self._call if "call" in asked else self._control
            )
            writer.write(await do(asked))
            await writer.drain()

    async def _control(self, asked: dict[str, Any]) -> bytes:
        name = asked["control"]
        try:
            do = getattr(self._steering, name) if not name.startswith("_") else None
            said = {"value": do(*asked["args"], **asked["kwargs"])}  # type: ignore[misc]
        except _WRONG as wrong:
            said = {"refused": f"{name}: {type(wrong).__name__}: {wrong}"}
        return wire.packed(said)

    async def _call(self, asked: dict[str, Any]) -> bytes:
        name = asked["call"]
        await asyncio.sleep(self._terminal.delay_s(name, "before"))
        answer = self._terminal.answer(name, asked["args"])
        await self._meet(answer)
        await asyncio.sleep(self._terminal.delay_s(name, "after"))
        return b"\x05\0\0\0trash" if answer.fate == "garbled" else wire.packed(answer)

    async def _meet(self, answer: Answer) -> None:
        if answer.fate == "die":
            os._exit(9)
        if answer.fate == "cut":
            raise _Cut
        if answer.fate == "hang":
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def serving(terminal: Terminal, port: int = 0) -> AsyncIterator[int]:
    """The terminal, reachable while the context lasts; gives the port. Time goes on by itself meanwhile."""
    serving_ = _Serving(terminal)
    server = await asyncio.start_server(serving_.connected, "127.0.0.1", port)
    turning = asyncio.create_task(_turn(terminal))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in (turning, *serving_.tasks):
            task.cancel()
        await asyncio.gather(turning, *serving_.tasks, return_exceptions=True)
        await server.wait_closed()


async def _turn(terminal: Terminal) -> None:
    while True:
        await asyncio.sleep(_TURN_S)
        terminal.account.turn(terminal.clock())
