"""Requests that somebody waits for: `ordergate.v1.cmd.FUND.order.VERB`, one node answers each.

The answer is `{"status", "order"[, "replayed"]}` or `{"status", "problem"}`, with REST's statuses and problems. What is
asked again with the same key is answered with the same order, whether or not the first answer arrived.
"""

import asyncio
import secrets
from typing import Any, Final

import msgspec
import structlog

from ordergate.api import problems
from ordergate.api.gate import Gate
from ordergate.api.nats.commands import VERBS, Asked, Done
from ordergate.api.nats.intake import LARGEST
from ordergate.api.nats.link import Letters, Message, Server
from ordergate.api.nats.reading import json_of, origin_of, text_of
from ordergate.api.problems import DoorCode, Problem, failure
from ordergate.application import tallying
from ordergate.application.stopping import stopped
from ordergate.domain.errors import Code
from ordergate.protocols.subjects import text_of as text_of_token

_ROOT: Final = "ordergate.v1.cmd"
SUBJECT: Final = f"{_ROOT}.>"
_AT_ONCE: Final = 2_000
_LOOK_S: Final = 0.5
_DRAIN_S: Final = 5.0
_ENCODE: Final = msgspec.json.Encoder().encode
_log = structlog.get_logger("ordergate.nats")


class Asking:
    """Answers requests, until it is closed.

    Args:
        group: the nodes of one book, of which one gets each request.
    """

    def __init__(self, gate: Gate, server: Server, letters: Letters, group: str) -> None:
        self._gate, self._server, self._letters, self._group = gate, server, letters, group
        self._prefix, self._count = f"nats-{secrets.token_hex(4)}-", 0
        self._running: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._subscribed: tuple[Any, Any] | None = None

    def start(self) -> None:
        """Begins to answer, as soon as the server is there."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Takes no more, and answers what is under way."""
        if self._running is not None:
            await stopped(self._running)
        if self._subscribed is not None:
            try:
                await self._subscribed[1].unsubscribe()
            except Exception as error:
                _log.debug("a subscription was not ended", error=repr(error))
        under_way = list(self._under_way)
        if under_way:
            await asyncio.wait(under_way, timeout=_DRAIN_S)
        await stopped(*under_way)

    async def _run(self) -> None:
        """Keeps one subscription: the library renews it, but not on a client that was closed."""
        while True:
            try:
                client = await self._server.client()
                if self._subscribed is None or self._subscribed[0] is not client:
                    subscription = await client.subscribe(SUBJECT, queue=self._group, cb=self._given)
                    self._subscribed = client, subscription
            except Exception as error:
                _log.debug("requests cannot be taken", error=str(error) or repr(error))
            await asyncio.sleep(_LOOK_S)

    async def _given(self, given: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._one(given))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _one(self, given: Any) -> None:
        self._count += 1
        message = Message(
            subject=given.subject,
            data=given.data,
            headers=given.headers,
            came_from=f"{self._prefix}{self._count}",
            at=self._gate.clock.now(),
        )
        told: Done | Problem
        try:
            told = await self._answer(message)
        except Exception as error:
            told = problems.of_error(error, about_orders=True, headers={})
            if told.code == DoorCode.INTERNAL_ERROR:
                problems.log_unexpected(error, message.came_from)
        try:
            await self._tell(given, message, told)
        except Exception as error:  # who asked asks again
            _log.warning("a request was not answered", request=message.came_from, error=str(error))

    async def _answer(self, message: Message) -> Done:
        if len(self._under_way) > _AT_ONCE:
            raise failure(503, Code.INBOX_FULL, f"{_AT_ONCE} requests are under way: try again shortly")
        if len(message.data) > LARGEST:
            raise failure(413, DoorCode.BODY_TOO_LARGE, f"a request may have at most {LARGEST} bytes here")
        fund, verb = _read(message.subject)
        text = text_of(message.data)
        asked = Asked(body=json_of(text), text=text, origin=origin_of(message), fund=fund)
        return await VERBS[verb](self._gate, asked)

    async def _tell(self, given: Any, message: Message, told: Done | Problem) -> None:
        said = _word(told)
        tallying.messages["requests", said] += 1
        if given.reply:
            await given.respond(_encoded(told, message))
        elif isinstance(told, Problem) and said != "refused":  # else nobody would ever know
            await self._letters.bury(
                message.subject,
                message.data,
                message.headers,
                message.came_from,
                message.at,
                told.code,
                told.detail,
            )


def _read(subject: str) -> tuple[str, str]:
    """The fund and the verb. Raises Failure."""
    parts = subject.removeprefix(f"{_ROOT}.").split(".")
    fund = text_of_token(parts[0])
    if len(parts) != 3 or fund is None or parts[1] != "order" or parts[2] not in VERBS:
        detail = f"there are {_ROOT}.FUND.order.VERB with {', '.join(VERBS)}"
        raise failure(404, DoorCode.NO_SUCH_RESOURCE, detail)
    return fund, parts[2]


def _word(told: Done | Problem) -> str:
    if isinstance(told, Done):
        return "replayed" if told.replayed else "done"
    return "refused" if told.outcome == "rejected" else "failed"


def _encoded(told: Done | Problem, message: Message) -> bytes:
    if isinstance(told, Done):
        return _ENCODE(told)
    problem = msgspec.Raw(problems.encode(told, message.subject, message.came_from))
    return _ENCODE({"status": told.status, "problem": problem})
