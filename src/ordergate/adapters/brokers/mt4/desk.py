"""Commands: handed over one after the other, and what is concluded of their results.

What has no result is not known. A seal settles it: its target is done, refused, or from then on never done. A ref that
was sealed, or answered as not sent, is dead for ever; what is to be done all the same is done under the next attempt's
ref, and never before every earlier one is proven not to have been sent.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog
from msgspec.structs import replace

from ordergate.adapters.brokers.mt4.files import NotBegun, NotWritten, Overdue, PerhapsWritten
from ordergate.adapters.brokers.mt4.ids import (
    attempt_ref,
    client_of,
    comment_of,
    is_first,
    magic_of,
    once_ref,
)
from ordergate.adapters.brokers.mt4.plans import Plan, keep
from ordergate.adapters.brokers.mt4.session import Session
from ordergate.adapters.brokers.mt4.wire import Result, Unreadable, id_of, read_as

DONE, REJECTED, NOT_SENT, UNKNOWN = "done", "rejected", "not_sent", "unknown"
_SEAL_S: Final = 300
_MOST_ATTEMPTS: Final = 50
_MOST_REMEMBERED: Final = 10_000
_log = structlog.get_logger("ordergate.brokers.mt4")


class NotLeft(Exception):
    """A command was provably not handed over."""


NEVER: Final = Result(
    id="", ref="", gen=0, seq=0, op="", state=NOT_SENT, why="", code=0, text="", gmt=0, ticket=0
)
"""Of what never left."""


class Tried(NamedTuple):
    """What became of something that was tried, whether that was known before, and why it never left, if so."""

    result: Result | None
    again: bool
    why: str = ""


class Desk:
    """Of one session.

    Args:
        deadline_s: for how long a result is waited for.
    """

    def __init__(self, session: Session, deadline_s: float) -> None:
        self._session, self._deadline_s = session, deadline_s
        self._seq = 0
        self._dead: set[str] = set()
        self._sent_at: dict[str, int] = {}
        self.turn = asyncio.Lock()

    async def once(self, client_id: str, op: str, values: Mapping[str, Any], lasts_s: int) -> Result | None:
        """Something that may be done twice without harm. Returns and raises as `_command`."""
        owner = self._session.owner
        ref = once_ref(client_id, 0 if owner is None else owner.gen, self._seq + 1)
        return await self._command(ref, op, values, lasts_s)

    async def attempt(self, ref: str, op: str, values: Mapping[str, Any], lasts_s: int) -> "Tried":
        """Something that is done once at most, whatever was tried of it before. Raises as `_command`.

        A step after an order's first is tried under one ref alone: once that is dead, so is the rest of the order.
        """
        number = self._last_attempt(ref)
        while True:
            tried = attempt_ref(ref, number)
            before = self._was_sent(ref, tried)
            if tried in self._dead:
                if not is_first(ref):
                    return Tried(NEVER, again=False)
                number = await self._next(ref, number)
                continue
            self._remember(tried, self._session.now)
            try:
                result = await self._command(tried, op, values, lasts_s)
            except NotLeft:
                if not before:
                    self._sent_at.pop(tried, None)
                raise
            if result is None or not is_dead(result):
                return Tried(result, before or (result is not None and not self._is_new(result)))
            self._dead.add(tried)
            if self._is_new(result) or not is_first(ref):
                return Tried(result, again=False)

    def _is_new(self, result: Result) -> bool:
        """Whether it is that of the last command, and not what the journal has of an earlier one."""
        owner = self._session.owner
        return owner is not None and (result.gen, result.seq) == (owner.gen, self._seq)

    def _was_sent(self, ref: str, tried: str) -> bool:
        """Whether it was sent before, as far as this session knows."""
        known = self._session.book.orders.get(client_of(ref))
        return tried in self._sent_at or (known is not None and ref in known.done)

    def is_dead(self, ref: str) -> bool:
        """Whether what was tried under that ref last is proven not to have been sent."""
        return attempt_ref(ref, self._last_attempt(ref)) in self._dead

    def _last_attempt(self, ref: str) -> int:
        plan = self._session.book.plans.get(ref)
        return 1 if plan is None else plan.attempt

    async def _next(self, ref: str, number: int) -> int:
        """The attempt after a dead one, once that it will be tried is on disk. Raises NotLeft."""
        if number >= _MOST_ATTEMPTS:
            raise NotLeft(f"{ref} was tried {number} times, and never sent")
        plan = self._session.book.plans.get(ref) or Plan(client=ref)
        await self.keep(replace(plan, attempt=number + 1))
        return number + 1

    async def keep(self, plan: Plan) -> None:
        """Puts on disk what must outlive us. Raises NotLeft."""
        session = self._session
        try:
            await session.do(lambda: keep(session.folder.plans, plan))
        except (NotWritten, PerhapsWritten, NotBegun, Overdue) as error:
            raise NotLeft(str(error)) from error
        session.book.plans[plan.client] = plan

    def _remember(self, ref: str, at: int) -> None:
        self._sent_at.setdefault(ref, at)
        self._session.book.refs |= {id_of(ref): ref, comment_of(ref): ref}
        if len(self._sent_at) > _MOST_REMEMBERED:
            del self._sent_at[next(iter(self._sent_at))]

    async def fate(self, ref: str, since: int | None) -> Result | None:
        """What became of something, settled for good unless it is unknown; None where that was not told.

        Args:
            since: the expert's time before which it was not sent, where this session has not sent it; None is where
                the expert's journal goes back to.
        """
        tried = attempt_ref(ref, self._last_attempt(ref))  # those before it are proven not to have been sent
        result = await self._seal(tried, since)
        if result is not None and is_dead(result):
            self._dead.add(tried)
        return result

    async def _seal(self, ref: str, since: int | None) -> Result | None:
        values: dict[str, Any] = {"target": id_of(ref), "magic": magic_of(ref), "comment": comment_of(ref)}
        sent_at = self._sent_at.get(ref, since)
        if sent_at is not None:
            values["target_sent_at"] = sent_at
        try:
            result = await self.once("seal", "seal", values, _SEAL_S)
        except NotLeft:
            return None
        return result if result is not None and result.target == id_of(ref) else None

    async def _command(self, ref: str, op: str, values: Mapping[str, Any], lasts_s: int) -> Result | None:
        """Hands a command over and waits for what became of it; None where that was not told.

        Args:
            lasts_s: for how long the expert may begin it.

        Raises:
            NotLeft: provably nothing was handed over.
        """
        session, owner = self._session, self._session.owner
        if owner is None or not session.granted:
            raise NotLeft("the expert has not granted this session")
        self._seq += 1
        name, seq, sent_at = id_of(ref), self._seq, session.now
        said = {
            "v": 1, "kind": "command", "gen": owner.gen, "seq": seq, "id": name, "ref": ref,
            "sent_at": sent_at, "expires_at": sent_at + lasts_s, "op": op, **values,
        }  # fmt: skip
        if op == "open":
            said |= {"magic": magic_of(ref), "comment": comment_of(ref)}
        waiting: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        session.wanted[name] = lambda found: _answer(waiting, found, owner.gen, seq)
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._give(owner.gen, seq, said)
                result = await waiting
        except TimeoutError:
            return None
        finally:
            session.wanted.pop(name, None)
        with suppress(NotBegun, Overdue):
            await session.do(lambda: session.folder.taken(name))
        return result

    async def _give(self, gen: int, seq: int, said: Mapping[str, Any]) -> None:
        """Raises NotLeft."""
        session = self._session
        try:
            await session.do(lambda: session.folder.give(gen, seq, said))
        except (NotWritten, NotBegun) as error:
            raise NotLeft(str(error)) from error
        except (PerhapsWritten, Overdue) as error:
            _log.warning("a command may have been handed over", error=str(error))


def is_dead(result: Result) -> bool:
    """Whether it proves that its ref was not sent, and never will be.

    What the expert could not write into its journal it forgets: a copy of the command that a share still shows would be
    done.
    """
    return result.state == NOT_SENT and result.why != "disk"


def _answer(waiting: "asyncio.Future[Result]", said: dict[str, Any], gen: int, seq: int) -> None:
    """Takes a result: that of the command, or what the expert's journal has of an earlier one under its ref for good.

    What the journal could not take may have changed since.
    """
    with suppress(Unreadable):
        result = read_as(Result, said)
        mine = (result.gen, result.seq) == (gen, seq)
        if not waiting.done() and (mine or result.state != NOT_SENT or is_dead(result)):
            waiting.set_result(result)
