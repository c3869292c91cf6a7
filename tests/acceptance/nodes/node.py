"""One node process as the rig sees it."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
READY_WITHIN_S = 60.0
_LONGEST_LINE = 2**24


class Gone(Exception):
    """The node has ended while it was asked, or before."""


class NotReady(Exception):
    """It ended before it was ready; the text is what it said."""


class Node:
    """A process of `worker`; asked over a connection, ended by its process id."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name, self.process, self._log = name, process, log
        self.expected_to_end = False
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._asked = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, name: str, folder: Path, **options: Any) -> "Node":
        """Starts one, and waits until its gate is open.

        Raises:
            NotReady: it ended before that.
        """
        log = folder / f"{name}.log"
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "XDG_STATE_HOME": str(folder),
        }
        with log.open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.acceptance.nodes.worker",
                json.dumps(options),
                stdout=PIPE,
                stderr=said,
                cwd=ROOT,
                env=environment,
            )
        node = cls(name, process, log)
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await node._connect()
        except BaseException:
            await node.end()
            raise
        return node

    async def _connect(self) -> None:
        assert self.process.stdout is not None
        words = (await self.process.stdout.readline()).split()
        if not words:
            await self.process.wait()
            raise NotReady(self.said())
        reader, self._writer = await asyncio.open_connection("127.0.0.1", int(words[1]), limit=_LONGEST_LINE)
        self._reading = asyncio.ensure_future(self._read(reader))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def up(self) -> bool:
        """Whether it can be asked."""
        return self.process.returncode is None and not self.expected_to_end and not self._hung_up

    async def asked(self, within_s: float = 1.0) -> None:
        """Returns at once when it is asked something, or after a while."""
        self._asked.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), within_s)

    @property
    def _hung_up(self) -> bool:
        return self._reading is None or self._reading.done()

    def said(self) -> str:
        """The end of what it and those of its name before it wrote on standard error."""
        return self._log.read_text(errors="replace")[-4_000:]

    def send(self, do: str, **request: Any) -> asyncio.Future[dict[str, Any]]:
        """Asks; the answer comes when it comes, or Gone."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if self._hung_up or self._writer is None:
            answer.set_exception(Gone(self.name))
            return answer
        self._number += 1
        self._pending[self._number] = answer
        line = json.dumps({"number": self._number, "do": do, **request})
        self._writer.write(line.encode() + b"\n")
        self._asked.set()
        return answer

    async def ask(self, do: str, within_s: float = 30.0, **request: Any) -> dict[str, Any]:
        """Asks, and waits for the answer.

        Raises:
            Gone: it ended meanwhile.
            TimeoutError: there is none yet.
        """
        return await asyncio.wait_for(self.send(do, **request), within_s)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                answer = json.loads(line)
                waiting = self._pending.pop(answer.pop("number"))
                if not waiting.done():
                    waiting.set_result(answer)
        except (ConnectionError, ValueError):
            pass  # it was killed, perhaps while it wrote
        finally:
            pending, self._pending = self._pending, {}
            for waiting in pending.values():
                if not waiting.done():
                    waiting.set_exception(Gone(self.name))

    def signal(self, number: int) -> None:
        """Sends its process a signal."""
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.expected_to_end = True
        self.process.send_signal(number)

    async def kill(self) -> None:
        """Kills it, and waits for that."""
        self.signal(signal.SIGKILL)
        await self.process.wait()
        await self.end()

    async def end(self) -> None:
        """Kills it if it still runs, and lets go of it."""
        self.expected_to_end = True
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
