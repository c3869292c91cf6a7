"""Hearing of other writers goes on, whatever breaks."""

import asyncio

import pytest

from ordergate.adapters.journals.postgres import news
from ordergate.adapters.journals.postgres.news import News


class Connection:
    """As asyncpg's, of a server that knows a size; `breaks` are what its next looks meet with."""

    def __init__(self, breaks: list) -> None:
        self.size, self._breaks, self._closed = 0, breaks, False

    def is_closed(self) -> bool:
        return self._closed

    def terminate(self) -> None:
        self._closed = True

    def add_termination_listener(self, _listener) -> None:
        pass

    async def add_listener(self, *_given) -> None:
        pass

    async def fetchrow(self, _sql):
        return "database", "schema"

    async def fetchval(self, _sql, **options):
        if self._breaks:
            broken = self._breaks.pop(0)
            if isinstance(broken, Exception):
                raise broken
            await asyncio.wait_for(asyncio.Event().wait(), options.get("timeout", 30))
        return self.size


@pytest.mark.parametrize("broken", [OSError("cut"), RuntimeError("a mistake in the driver"), "no answer"])
def test_a_listener_that_breaks_is_made_anew(broken, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Connection] = []

    async def connect(_url) -> Connection:
        made.append(Connection([broken] if not made else []))
        made[-1].size = 7
        return made[-1]

    monkeypatch.setattr(news, "connect", connect)
    monkeypatch.setattr(news, "_LOOK_S", 0.01)
    monkeypatch.setattr(news, "_RECONNECT_S", 0.01)
    monkeypatch.setattr(news, "_ANSWER_S", 0.01)

    async def main() -> None:
        told, listening = asyncio.Event(), News("postgresql://nowhere/none")
        listening.watch(told.set)
        await asyncio.wait_for(told.wait(), 30)
        assert len(made) == 2
        await listening.close()

    asyncio.run(main())
