"""A ClickHouse server, or its engine in this process, and how it is spoken with."""

from importlib.util import find_spec
from typing import Any, Final, Literal

from msgspec import Struct

from ordergate.application.ports.secrets import Held
from ordergate.domain.errors import OrdergateError

CONNECT_S: Final = 3
"""How long a server may take to take a connection."""


class ClickHouseError(OrdergateError):
    """The server cannot be reached in time, or did not take or give what was asked.

    Attributes:
        code: the server's own number of the error; None where it did not say one.
    """

    def __init__(self, detail: str, code: int | None = None) -> None:
        super().__init__(detail)
        self.code = code


class Target(Struct, frozen=True, kw_only=True):
    """Where a database is.

    Attributes:
        interface: how a server is spoken with; `chdb` is the engine in this process.
        path: the engine's folder; None for a server.
        timeout_s: how long an answer may take.
    """

    interface: Literal["http", "https", "chdb"]
    host: str = ""
    port: int = 0
    path: str | None = None
    database: str = "default"
    username: str | None = None
    password: Held | None = None
    ca_file: str | None = None
    timeout_s: float = 30.0

    def __repr__(self) -> str:
        return f"Target({self.shown})"

    @property
    def shown(self) -> str:
        """The database and its server, for people; without password."""
        place = f"chdb://{self.path}" if self.interface == "chdb" else self._url
        return f"database {self.database} at {place}"

    @property
    def _url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.interface}://{host}:{self.port}"

    def options(self) -> dict[str, Any]:
        """What clickhouse_connect.get_client takes; the password is among it."""
        if self.interface == "chdb":
            return {"interface": "chdb", "path": self.path, "database": self.database}
        tls = {} if self.ca_file is None else {"ca_cert": self.ca_file}
        return {
            "interface": self.interface,
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "username": self.username,
            "password": "" if self.password is None else self.password().reveal(),
            "connect_timeout": CONNECT_S,
            "send_receive_timeout": max(int(self.timeout_s), 1),
            "query_retries": 0,
            "autogenerate_session_id": False,  # a session is locked by a call that was given up
            "dedicated_pool": True,
            "client_name": "ordergate",
            **tls,
        }


def check_library(target: Target) -> None:
    """Raises ClickHouseError unless what the target takes is installed; without loading it, which takes a while."""
    if find_spec("clickhouse_connect") is None:
        raise ClickHouseError("ClickHouse needs clickhouse-connect: pip install 'ordergate[clickhouse]'")
    if target.interface == "chdb" and find_spec("chdb") is None:
        raise ClickHouseError("ClickHouse's engine in this process needs chdb: pip install 'ordergate[chdb]'")
