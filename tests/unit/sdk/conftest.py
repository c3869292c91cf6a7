"""The process's own gate, in memory, new for each test."""

from collections.abc import Iterator

import pytest

from ordergate.sdk import default_gate


@pytest.fixture(autouse=True)
def _own_gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(default_gate.DB_VARIABLE, raising=False)
    yield
    default_gate.close()
