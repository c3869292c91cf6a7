"""Closes the stores that a test left open, as the end of its process would; places to keep a venue in."""

import asyncio
import sqlite3
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.services.postgres import Postgres, name_of

from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.adapters.brokers.paper.store import Store
from ordergate.adapters.clock import run_virtual


@pytest.fixture(autouse=True)
def _stores_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made: list[Store] = []
    construct = Store.__init__

    def remember(self: Store, name: str, path: Path | None) -> None:
        construct(self, name, path)
        made.append(self)

    monkeypatch.setattr(Store, "__init__", remember)
    yield
    for store in made:
        store.close()


class InFile:
    """A venue in a file, in simulated time."""

    def __init__(self, path: Path) -> None:
        self.place = path

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        run_virtual(main)

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        connection = sqlite3.connect(self.place)
        try:
            return [tuple(map(str, row)) for row in connection.execute(sql).fetchall()]
        finally:
            connection.close()


class InPostgres:
    """A venue in a database that has no other, in real time."""

    def __init__(self, server: Postgres, url: str) -> None:
        self.server, self.place = server, url

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        asyncio.run(self._and_close(main))

    async def _and_close(self, main: Coroutine[Any, Any, None]) -> None:
        made: list[PaperBroker] = []
        construct = PaperBroker.__init__

        def remember(broker: PaperBroker, *values: Any) -> None:
            construct(broker, *values)
            made.append(broker)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(PaperBroker, "__init__", remember)
            try:
                await main
            finally:
                for broker in made:
                    await broker.close()
                    await broker.unwatch()

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        told = self.server.sql(f"SET search_path = paper_paper; {sql}", name_of(self.place))
        return [tuple(line.split("|")) for line in told.splitlines()]


@pytest.fixture(params=["file", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> InFile | InPostgres:
    if request.param == "file":
        return InFile(tmp_path / "venue.db")
    return in_postgres(request)


def in_postgres(request: pytest.FixtureRequest) -> InPostgres:
    return InPostgres(request.getfixturevalue("postgres"), request.getfixturevalue("venues"))


@pytest.fixture
def shared(request: pytest.FixtureRequest) -> InPostgres:
    """A venue that nodes share."""
    return in_postgres(request)
