from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.services.mt5_agent.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(tmp_path, monkeypatch)
    yield made
    made.go()  # what hangs still is let go
