"""The terminal of this machine: its package in a worker, a deadline for each call, and the journal.

One call at a time, in the order they came. A command is claimed in the journal, on the disk, and then given to
order_send: in that order, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from .journal import Journal, JournalFailed
from .link import Link, Login
from .port import (
    ANSWERED,
    BROKEN,
    CLAIMED,
    EXPIRED,
    FAILED,
    OURS,
    READS,
    REFUSED,
    SEALED,
    Command,
    Hello,
    Record,
    Reply,
    Unreachable,
)
from .process import Raised

_MOST: Final = 65_536
_DAY_S: Final = 86_400
_FIELDS: Final = (int, float, str)
_T = TypeVar("_T")


class LocalTerminal:
    """A Terminal. Use it from one event loop."""

    taken_over = False

    def __init__(
        self,
        login: Login,
        journal: Path,
        *,
        module: str = "MetaTrader5",
        deadline_s: float = 20.0,
        start_s: float = 60.0,
        retention_days: float = 90.0,
    ) -> None:
        """Does nothing yet.

        Args:
            login: of the terminal.
            journal: its file, one for each account; made if there is none.
            module: what the worker imports.
            deadline_s: of each call, and of waiting for the calls before it.
            start_s: of importing the package, and of initialize.
            retention_days: older commands are forgotten, unless nothing is known of their end.
        """
        self._path, self._deadline_s, self._retention_s = journal, deadline_s, retention_days * _DAY_S
        lock = journal.with_name(f"{journal.name}.worker")
        self._link = Link(login, module, lock, deadline_s, start_s)
        self._journal: Journal | None = None
        self._in_call: str | None = None
        self._offset = -math.inf
        self._one = asyncio.Lock()
        self._going = set[asyncio.Task[Any]]()

    def hold(self) -> Journal:
        """Opens the journal, which nobody else can hold then. Raises Unreachable."""
        if self._journal is None:
            try:
                self._journal = Journal(self._path)
            except JournalFailed as failed:
                raise Unreachable(str(failed), sent=False) from failed
        return self._journal

    async def open(self) -> Hello:
        """Begins, or begins again: a worker that still answers from our account is kept."""
        return await self._whole(self._open())

    async def ask(self, name: str, *args: Any, **kwargs: Any) -> Reply:
        """One function of READS."""
        if name not in READS:
            raise ValueError(f"{name} cannot be asked: one of {', '.join(sorted(READS))}")
        return await self._whole(self._ask(name, args, kwargs))

    async def send(self, command: Command) -> Record:
        """Journalled; goes on to its end also where the caller is canceled."""
        return await self.submit(command, lambda: True)

    async def submit(self, command: Command, allowed: Callable[[], bool]) -> Record:
        """The same, if the session it came from still lasts when its turn has come."""
        return await self._whole(self._send(command, allowed))

    async def record(self, id: str, *, seal: bool = False) -> Record | None:
        """From the journal; the terminal is not needed."""
        journal = self._held()
        if seal:
            await self._write(journal.claim, id, {}, self._now(), SEALED, "sealed: nobody had sent it")
        return await self._write(journal.find, id)

    async def records(self, after: int = 0) -> list[Record]:
        """From the journal; the terminal is not needed."""
        return await self._write(self._held().after, after)

    async def close(self) -> None:
        """Lets calls end, within their deadlines; then the worker, not the terminal, is ended."""
        while self._going:
            await asyncio.wait(self._going)
        await self._link.end()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    async def _open(self) -> Hello:
        journal = self.hold()
        with contextlib.suppress(Unreachable):  # a full disk can be read
            await self._write(journal.drop, self._now() - self._retention_s)
        began = await self._write(journal.began, self._now())
        async with self._turn():
            version, login, server = await self._link.open()
        return Hello(version, login, server, self._now(), journal.id, journal.epoch, began, self._retention_s)

    async def _ask(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reply:
        async with self._turn():
            await self._link.ready()
            try:
                value, error = await self._link.call(name, args, kwargs, sent=True)
            except Raised as raised:
                return Reply(None, (OURS, str(raised)))
            return Reply(value, error)

    async def _send(self, command: Command, allowed: Callable[[], bool]) -> Record:
        known = await self._settled(command)
        if known is not None and command.id != self._in_call:
            return known
        try:
            async with self._turn():
                done = await self._send_now(command, allowed)
        except Unreachable:
            done = await self._settled(command)
            if done is None:
                raise
        if done is None:
            raise Unreachable(f"the journal neither takes {command.id} nor has it", sent=False)
        return done

    async def _send_now(self, command: Command, allowed: Callable[[], bool]) -> Record | None:
        known = await self._settled(command)
        if known is not None:
            return known
        await self._link.ready()
        if not allowed():
            raise Unreachable("a later session has taken over: nothing was sent", sent=False)
        known = await self._settled(command)
        if known is not None:
            return known
        journal, self._in_call = self._held(), command.id
        try:
            claimed = await self._write(journal.claim, command.id, command.request, self._now(), CLAIMED)
            if claimed is None:  # sealed, just now
                return await self._settled(command)
            ended = await self._given(claimed)
            await self._write(journal.end, ended)
            return ended
        finally:
            self._in_call = None

    async def _given(self, claimed: Record) -> Record:
        """The one place from which order_send is called."""
        try:
            value, error = await self._link.call("order_send", [claimed.request], {}, sent=True)
        except (Unreachable, Raised) as failed:
            return replace(claimed, state=BROKEN, error=(OURS, str(failed)))
        if value is None:
            return replace(claimed, state=FAILED, error=error)
        if not isinstance(value, dict):
            return replace(claimed, state=BROKEN, error=(OURS, f"order_send returned {value!r}, no struct"))
        return replace(claimed, state=ANSWERED, result=value)

    async def _settled(self, command: Command) -> Record | None:
        """Its record, if it has one by now, or must not be given to the terminal; None: it may be claimed."""
        journal, now = self._held(), self._now()
        try:
            known = await asyncio.to_thread(journal.find, command.id)
        except JournalFailed as failed:  # it may have been sent, some time ago
            raise Unreachable(str(failed), sent=True) from failed
        if known is not None:
            return known
        wrong = fault(command.request)
        if wrong is not None:
            await self._write(journal.claim, command.id, {}, now, REFUSED, wrong)
        elif not now < command.expires_at:
            text = f"expired: it was to be sent before {command.expires_at!r}, and it is {now!r}"
            await self._write(journal.claim, command.id, command.request, now, EXPIRED, text)
        else:
            return None
        return await self._write(journal.find, command.id)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._one.acquire()
        except TimeoutError:
            text = f"the calls before this one took more than {self._deadline_s:g} s"
            raise Unreachable(text, sent=False) from None
        try:
            yield
        finally:
            self._one.release()

    async def _whole(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Done to its end, whether or not the caller waits."""
        task = asyncio.ensure_future(work)
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _write(self, what: Callable[..., _T], *args: Any) -> _T:
        """Of the journal, which waits for the disk. Raises Unreachable: nothing was sent."""
        try:
            return await asyncio.to_thread(what, *args)
        except JournalFailed as failed:
            raise Unreachable(str(failed), sent=False) from failed

    def _held(self) -> Journal:
        if self._journal is None:
            raise Unreachable("the terminal is not open", sent=False)
        return self._journal

    def _now(self) -> float:
        """The machine's clock, but never back: what has expired stays so."""
        ticks = time.monotonic()
        self._offset = max(self._offset, time.time() - ticks)
        return self._offset + ticks


def fault(request: dict[str, Any]) -> str | None:
    """Why that cannot be a request for order_send; None: it can be, as far as types go."""
    for name, value in request.items():
        if not isinstance(name, str) or not isinstance(value, _FIELDS) or isinstance(value, bool):
            return f"request.{name} is {value!r}: must be an int, a float or a string"
        if isinstance(value, float) and not math.isfinite(value):
            return f"request.{name} is {value!r}: must be finite"
    size = len(json.dumps(request))
    return f"the request has {size} characters: must have at most {_MOST}" if size > _MOST else None
