"""Messages of a stream, taken by whichever node has room, each answered when it is done for good.

A message is acknowledged after the journal has what became of it, or the dead letters have the message. Where the
store or the server is away it comes again, later each time; nothing that one message does stops the others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from msgspec import Struct

from ordergate.api.nats.link import Consumed, Letters, Message, Server
from ordergate.api.taking import Dead, NotNow, judged
from ordergate.application import tallying
from ordergate.application.stopping import stopped

LARGEST: Final = 65_536
"""Bytes of a message."""
_AT_ONCE: Final = 100
_WAIT_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0
_LONGEST_DELAY_S: Final = 30.0
_DRAIN_S: Final = 5.0
_log = structlog.get_logger("ordergate.nats")


Handler = Callable[[Message], Awaitable[str]]
"""Does what a message asks for and says what became of it, in a word for the figures; raises Dead or NotNow."""

Lane = Callable[[Message], str | None]
"""What a message is about, where those about the same are taken one after the other; None for one that may pass."""


class Terms(Struct, frozen=True, kw_only=True):
    """How messages are taken; see `settings.Inputs`."""

    max_deliver: int
    lane: Lane | None = None
    largest: int = LARGEST


class Intake:
    """One consumer, until it is closed.

    Args:
        name: what it takes, for figures and log.
    """

    def __init__(
        self, name: str, server: Server, consumed: Consumed, letters: Letters, terms: Terms, handle: Handler
    ) -> None:
        self._name, self._server, self._consumed = name, server, consumed
        self._letters, self._terms, self._handle = letters, terms, handle
        self._running: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._last: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begins to take messages, as soon as the server is there."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Takes no more; waits a while for what is under way, the rest comes again."""
        if self._running is not None:
            await stopped(self._running)
        under_way = list(self._under_way)
        if under_way:
            await asyncio.wait(under_way, timeout=_DRAIN_S)
        await stopped(*under_way)

    async def _run(self) -> None:
        pause, told = _FIRST_PAUSE_S, False
        while True:
            try:
                subscription = await self._server.consumer(self._consumed)
                if told:
                    _log.info("messages are taken again", what=self._name)
                pause, told = _FIRST_PAUSE_S, False
                await self._take(subscription)
            except Exception as error:  # whatever the library raises: the server is asked again
                if not told:
                    _log.warning("no messages can be taken", what=self._name, error=str(error) or repr(error))
                told = True
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _take(self, subscription: Any) -> None:
        """Takes messages until the server goes away."""
        try:
            while True:
                client = await self._server.client()
                try:
                    batch = await subscription.fetch(_AT_ONCE, timeout=_WAIT_S)
                except TimeoutError:
                    if client.is_connected:
                        await subscription.consumer_info()  # raises where the server has lost it
                    continue
                for given in batch:
                    self._begin(given)
                while len(self._under_way) >= _AT_ONCE:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _leave(subscription)

    def _begin(self, given: Any) -> None:
        message = message_of(given)
        short = len(message.data) <= self._terms.largest
        lane = self._terms.lane(message) if self._terms.lane is not None and short else None
        before = None if lane is None else self._last.get(lane)
        task = asyncio.get_running_loop().create_task(self._one(given, message, before))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        if lane is not None:
            self._last[lane] = task
            task.add_done_callback(lambda done: self._leave_lane(lane, done))

    def _leave_lane(self, lane: str, done: asyncio.Task[None]) -> None:
        if self._last.get(lane) is done:
            del self._last[lane]

    async def _one(self, given: Any, message: Message, before: asyncio.Task[None] | None) -> None:
        """Takes a message, once the one before it in its lane has been."""
        if before is not None:
            await asyncio.wait({before})
        try:
            try:
                said = await self._outcome(message)
            except NotNow as later:
                said = "again"
                delay_s = min(2.0 ** (message.deliveries - 1), _LONGEST_DELAY_S)
                _log.warning(
                    "a message is tried again", message=message.came_from, why=str(later), in_s=delay_s
                )
                await given.nak(delay_s)
            else:
                await given.ack()
            tallying.messages[self._name, said] += 1
        except Exception as error:  # it was not answered, so it comes again
            _log.warning("a message was not answered", what=self._name, error=str(error) or repr(error))

    async def _outcome(self, message: Message) -> str:
        """What became of the message, for good. Raises NotNow, or OrdergateError where a letter is not taken."""
        try:
            if len(message.data) > self._terms.largest:
                raise Dead(
                    "body_too_large", f"{len(message.data)} bytes: at most {self._terms.largest} are read"
                )
            if message.deliveries > self._terms.max_deliver:
                raise Dead("tried_too_often", f"was tried {self._terms.max_deliver} times without an end")
            return await self._handled(message)
        except Dead as dead:
            await self._letters.bury(
                message.subject,
                message.data,
                message.headers,
                message.came_from,
                message.at,
                dead.code,
                dead.reason,
                dead.order_id,
            )
            return "repeated" if dead.code == "repeated" else "dead"

    async def _handled(self, message: Message) -> str:
        try:
            return await self._handle(message)
        except (Dead, NotNow):
            raise
        except Exception as error:
            judgement = judged(error)
            if judgement is not None:
                raise judgement from error
            _log.exception("a message failed", message=message.came_from)
            if message.deliveries >= self._terms.max_deliver:
                raise Dead("internal_error", f"{type(error).__name__}: {error}") from error
            raise NotNow(f"{type(error).__name__}: {error}") from error


async def _leave(subscription: Any) -> None:
    try:
        await subscription.unsubscribe()
    except Exception as error:  # the server is away, or the subscription is gone already
        _log.debug("a subscription was not ended", error=repr(error))


def message_of(given: Any) -> Message:
    """A message of JetStream, as the library gives it."""
    told = given.metadata
    return Message(
        subject=given.subject,
        data=given.data,
        headers=given.headers,
        came_from=f"{told.stream}/{told.sequence.stream}",
        at=told.timestamp,
        deliveries=told.num_delivered,
    )
