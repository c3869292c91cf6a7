"""Somebody on a NATS server: publishes, asks, and reads what streams have."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client
from nats.js.errors import NotFoundError

PATIENCE_S = 60.0


async def until(found: Callable[[], Awaitable[Any]], within_s: float = PATIENCE_S) -> Any:
    """What it finds, once it finds something."""
    end = time.monotonic() + within_s
    while True:
        try:
            something = await found()
        except (TimeoutError, OSError):
            something = None
        if something:
            return something
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.02)


class Mail:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.stream = client.jetstream()

    async def send(self, subject: str, body: Any, headers: dict[str, str] | None = None) -> None:
        """Kept by a stream, once there is one."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def taken() -> bool:
            try:
                await self.stream.publish(subject, data, headers=headers, timeout=2)
            except Exception:  # no stream yet, or no server
                return False
            return True

        await until(taken)

    async def ask(
        self, subject: str, body: Any, headers: dict[str, str] | None = None, within_s: float = 10
    ) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return json.loads((await self.client.request(subject, data, timeout=within_s, headers=headers)).data)

    async def kept(self, stream: str) -> list[Any]:
        """All messages of a stream; none where there is no such stream."""
        try:
            state = (await self.stream.stream_info(stream)).state
        except NotFoundError:
            return []
        found = []
        for sequence in range(max(state.first_seq, 1), state.last_seq + 1):
            found.append(await self.stream.get_msg(stream, sequence))
        return found

    async def dead(self, count: int) -> list[tuple[str, dict[str, str], bytes]]:
        """The dead letters, once there are so many: subject, headers, bytes."""

        async def enough() -> Any:
            letters = await self.kept("ORDERGATE_DEAD")
            return letters if len(letters) >= count else None

        return [(m.subject, m.headers, m.data) for m in await until(enough)]


@asynccontextmanager
async def mail(url: str) -> AsyncIterator[Mail]:
    async def ignored(_error: Exception) -> None:
        pass

    client = Client()
    await client.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.05, error_cb=ignored)
    try:
        yield Mail(client)
    finally:
        await client.close()
