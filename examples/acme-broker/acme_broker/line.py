"""The line to the venue: requests out, their answers and events in, one JSON object a line.

A line that cannot be read ends the connection: nothing behind it can be trusted. What was asked and is not answered
then is told apart from what was never written.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any


class NotWritten(Exception):
    """Nothing of the request can have left."""


class NotAnswered(Exception):
    """The request may have arrived, and nobody knows what became of it."""


class Line:
    """One connection.

    Attributes:
        ended: set when it is over.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self.ended = asyncio.Event()

    async def ask(self, do: str, deadline_s: float, **fields: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            NotWritten: the connection was over before.
            NotAnswered: no answer came that can be read.
        """
        if self.ended.is_set():
            raise NotWritten("the connection is down")
        self._number += 1
        number = self._number
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(json.dumps({"id": number, "do": do, **fields}).encode() + b"\n")
            async with asyncio.timeout(deadline_s):
                return await answer
        except TimeoutError:
            raise NotAnswered(f"no answer in {deadline_s:g} s") from None
        finally:
            self._waiting.pop(number, None)

    async def read(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        """Reads until the connection ends."""
        why = "the connection ended"
        try:
            while raw := await self._reader.readline():
                said = json.loads(raw)
                waiting = self._waiting.get(said.get("id"))
                if "event" in said:
                    on_event(said)
                elif waiting is not None and not waiting.done():
                    waiting.set_result(said)
        except (OSError, ValueError, AttributeError) as error:
            why = f"the connection ended: {type(error).__name__}: {error}"
        finally:
            self.close(why)

    def close(self, why: str) -> None:
        """Ends it; who waits for an answer learns that there will be none."""
        self.ended.set()
        self._writer.transport.abort()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NotAnswered(why))
