"""The records in memory, new for each test; `at` is each kind of database in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ordergate.sdk.records import database as records


@pytest.fixture(autouse=True)
def _own_records(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(records.RECORDS_VARIABLE, raising=False)
    yield
    records.close_engine()


@pytest.fixture(params=["memory", "file", "server"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that was opened as the process's."""
    urls = {"memory": lambda: "sqlite://", "file": lambda: f"sqlite:///{tmp_path}/records.db"}
    urls["server"] = lambda: request.getfixturevalue("database")
    url = urls[request.param]()
    records.start_engine(url)
    return url
