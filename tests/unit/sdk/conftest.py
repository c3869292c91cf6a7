"""The process's own gate, in memory, new for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ordergate.sdk import default_gate


@pytest.fixture(autouse=True)
def _own_gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Closed before the folder goes in which its database may be."""
    monkeypatch.delenv(default_gate.DB_VARIABLE, raising=False)
    yield
    default_gate.close()
