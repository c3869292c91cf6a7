"""ClickHouse's own engine on a free port, in a process of its own, ended by its process id.

No package brings a server of ClickHouse's that this project could start (Debian's is of 2018), so its engine as
chdb embeds it stands behind an HTTP interface of ours; see `clickhouse_engine`.

The fixture `clickhouse` is a database of a test's own in a server that tests share: do not kill that one. The fixture
`own_clickhouse` is a server of the test's own. Its data stay through `kill` and `start`, on the same port.
"""

import importlib.util
import itertools
import os
import select
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.services.process import ServerProcess

_READY_S = 60.0
_ROOT = Path(__file__).parents[2]
_names = itertools.count(1)


class NoClickHouse(Exception):
    """There is no engine on this machine."""


class ClickHouse(ServerProcess):
    """A server.

    Args:
        user, password: who is let in; anybody, as left out.

    Attributes:
        database: of this test.
    """

    def __init__(
        self, folder: Path, user: str | None = None, password: str = "", database: str = "default"
    ) -> None:
        if importlib.util.find_spec("chdb") is None:
            raise NoClickHouse("chdb is not installed: pip install chdb")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._user, self._password, self.database = folder, user, password, database
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, password: str | None = None) -> None:
        """Starts it; again on the port that it had, over the data that it had, perhaps with another password."""
        self._password = self._password if password is None else password
        who = {} if self._user is None else {"ENGINE_USER": self._user, "ENGINE_PASSWORD": self._password}
        command = [sys.executable, "-m", "tests.services.clickhouse_engine"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self._folder / "data"), str(self.port)],
                stdout=subprocess.PIPE, stderr=log, cwd=_ROOT, env=os.environ | {"TZ": "UTC"} | who,
            )  # fmt: skip
        pipe = self._process.stdout
        assert pipe is not None
        with pipe:
            ready, _, _ = select.select([pipe], [], [], _READY_S)
            line = pipe.readline() if ready else b""
        if not line.strip().isdigit():
            self.kill()
            raise NoClickHouse(f"the engine did not come up: {(self._folder / 'log').read_text()[-2000:]}")
        self.port = int(line)

    def mode(self, word: str) -> None:
        """Misbehaves from now on; `well` ends that. See `clickhouse_engine`."""
        self._post(f"{self.url}/_mode/{word}", b"")

    def ask(self, statement: str, **values: Any) -> list[list[str]]:
        """Rows as text, of any statement; as a client without any library would. It has no deadline of the mode's."""
        asked = {"database": self.database} | {f"param_{name}": str(value) for name, value in values.items()}
        answer = self._post(f"{self.url}/?{urlencode(asked)}", statement.encode())
        return [line.split("\t") for line in answer.decode().splitlines()]

    def _post(self, url: str, body: bytes) -> bytes:
        who: Mapping[str, str] = (
            {}
            if self._user is None
            else {"X-ClickHouse-User": self._user, "X-ClickHouse-Key": self._password}
        )
        request = urllib.request.Request(url, body, dict(who), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def client(self, **more: Any) -> Any:
        """A client of clickhouse-connect's."""
        import clickhouse_connect

        who = {} if self._user is None else {"username": self._user, "password": self._password}
        at = {"host": "127.0.0.1", "port": self.port, "database": self.database}
        return clickhouse_connect.get_client(**(at | who | more))


class _Shared(ClickHouse):
    """A database of a test's own, in a server that is another's."""

    def __init__(self, server: ClickHouse, database: str) -> None:
        self._user, self._password, self.port, self.database = None, "", server.port, database


@pytest.fixture(scope="session")
def shared_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    try:
        server = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    except NoClickHouse as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def clickhouse(shared_clickhouse: ClickHouse) -> Iterator[ClickHouse]:
    name = f"test_{next(_names)}"
    shared_clickhouse.ask(f"CREATE DATABASE {name}")
    try:
        yield _Shared(shared_clickhouse, name)
    finally:
        shared_clickhouse.mode("well")
        shared_clickhouse.ask(f"DROP DATABASE {name}")


@pytest.fixture
def own_clickhouse(tmp_path: Path) -> Iterator[ClickHouse]:
    try:
        server = ClickHouse(tmp_path / "clickhouse")
    except NoClickHouse as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.kill()
