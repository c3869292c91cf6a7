"""Closes the stores that a test left open, as the end of its process would."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ordergate.adapters.brokers.paper.store import Store


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
