"""The parent's side of a worker: one call at a time, each with a deadline; one that is blown ends the worker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from . import worker

_ENDS_S: Final = 10


class Broken(Exception):
    """The worker is no more: it was ended at its deadline, or died, or talked nonsense."""


class Raised(Exception):
    """The function did not return: its own words."""


class Worker:
    """A process that has imported the package."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process, self._asked = process, 0

    @classmethod
    async def start(cls, module: str, lock: Path, within_s: float) -> Worker:
        """Starts one. Raises Broken."""
        program = (sys.executable, "-P", worker.__file__, module, str(lock))
        try:
            process = await asyncio.create_subprocess_exec(
                *program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            raise Broken(f"the worker cannot be started: {error}") from error
        made = cls(process)
        ready = await made._or_end(made._heard(), within_s, "starting the worker")
        if ready.get("ready") is not True:
            await made.end()
            raise Broken(f"the worker cannot import {module}: {ready.get('raised')}")
        return made

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """As far as is known."""
        return self._process.returncode is None

    async def call(self, name: str, args: Any, kwargs: Any, within_s: float) -> tuple[Any, tuple[int, str]]:
        """Value and last_error. Raises Broken, after which there is no worker, and Raised."""
        self._asked += 1
        body = json.dumps({"n": self._asked, "name": name, "args": args, "kwargs": kwargs}).encode()
        answer = await self._or_end(self._answered(body, self._asked), within_s, name)
        if "raised" in answer:
            raise Raised(answer["raised"])
        return answer["value"], (answer["code"], answer["text"])

    async def end(self) -> None:
        """Ends the process, whatever it does, and waits until it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDS_S):
                await self._process.wait()

    async def _answered(self, body: bytes, number: int) -> dict[str, Any]:
        into = self._process.stdin
        if into is None:
            raise EOFError
        into.write(worker.LENGTH.pack(len(body)) + body)
        await into.drain()
        answer = await self._heard()
        if answer.get("n") != number or (
            "raised" not in answer and not answer.keys() >= {"value", "code", "text"}
        ):
            raise ValueError(f"answered with {sorted(answer)}, number {answer.get('n')} and not {number}")
        return answer

    async def _heard(self) -> dict[str, Any]:
        out = self._process.stdout
        if out is None:
            raise EOFError
        (length,) = worker.LENGTH.unpack(await out.readexactly(worker.LENGTH.size))
        if length > worker.MOST_BYTES:
            raise ValueError(f"a frame of {length} bytes")
        said = json.loads(await out.readexactly(length))
        if not isinstance(said, dict):
            raise ValueError("a frame that is no object")
        return said

    async def _or_end(
        self, asked: Coroutine[Any, Any, dict[str, Any]], within_s: float, what: str
    ) -> dict[str, Any]:
        try:
            async with asyncio.timeout(within_s):
                return await asked
        except TimeoutError:
            await self.end()
            raise Broken(f"{what}: no answer within {within_s:g} s: the worker was ended") from None
        except (EOFError, OSError, ValueError) as error:
            await self.end()
            raise Broken(f"{what}: the worker died ({type(error).__name__}: {error})") from error
        except asyncio.CancelledError:
            await self.end()
            raise
