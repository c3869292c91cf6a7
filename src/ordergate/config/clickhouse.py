"""The ClickHouse database that has orders, executions and positions for analysis."""

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta, Struct
from msgspec.structs import replace

from ordergate.adapters.clickhouse import Target
from ordergate.api.clickhouse.settings import SignalInputs
from ordergate.application.secrets import Secrets
from ordergate.config.errors import ConfigError
from ordergate.config.secrets import check_secret, place_of
from ordergate.config.sharding import ORIGIN

_DATABASE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PORTS: Final = {"http": 8123, "https": 8443}
_OF_SERVERS: Final = ("username", "password_env", "password_file", "password_secret")


class ClickHouseSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the database is and how it knows us, and how much is written at once.

    `url` is `http://host:port`, `https://host:port`, or `chdb://PATH`, the engine in the gate's own process; nothing is
    written where it is left out. The password stands in a variable of the environment (`_env`), in a file
    (`_file`), or under a name (`_secret`). `batch_rows` are
    entries of the journal, which wait no longer than `batch_age_ms` for others. `logs` are the origins of other
    journals that may be in the database too, beside those of this configuration's shards.
    """

    url: str | None = None
    database: str = "default"
    username: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    password_secret: str | None = None
    ca_file: str | None = None
    batch_rows: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    batch_age_ms: Annotated[int, Meta(ge=0, le=60_000)] = 500
    timeout_s: Annotated[float, Meta(ge=1, le=600)] = 30.0
    logs: tuple[str, ...] = ()
    signals: SignalInputs = SignalInputs()

    def target(self, secrets: Secrets) -> Target:
        """Where the database is, with the password that it takes.

        Raises:
            ConfigError: `url` is left out, or a file is not there.
            SecretError: the password is not.
        """
        if self.url is None:
            raise ConfigError("clickhouse.url: is missing: write http://host:8123 or chdb://PATH")
        parts = urlsplit(self.url)
        if parts.scheme == "chdb":
            path = self.url.removeprefix("chdb://")
            return Target(interface="chdb", path=path, database=self.database, timeout_s=self.timeout_s)
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise ConfigError(f"clickhouse.ca_file: there is no file {self.ca_file}")
        place = place_of(self, "password", "clickhouse")
        return Target(
            interface="https" if parts.scheme == "https" else "http",
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            database=self.database,
            username=self.username,
            password=None if place is None else secrets.hold(place),
            ca_file=self.ca_file,
            timeout_s=self.timeout_s,
        )

    def beside(self, origins: tuple[str, ...]) -> "ClickHouseSection":
        """The same for one of several journals that share the database."""
        return replace(self, logs=(*self.logs, *origins))


def check_clickhouse(section: ClickHouseSection, where: str) -> None:
    """Raises ConfigError unless all of it can be as it is written."""
    where = f"{where}clickhouse"
    if section.url is not None:
        _check_url(section, section.url, where)
    elif section.signals.take:
        raise ConfigError(
            f"{where}.signals.take: takes signals from a table, and clickhouse.url names no server"
        )
    if not _DATABASE.fullmatch(section.database):
        raise ConfigError(
            f"{where}.database: {section.database!r} is no name of a database: write letters, digits and '_', such as "
            "analytics"
        )
    check_secret(section, "password", where)
    if section.username is None and place_of(section, "password", where) is not None:
        raise ConfigError(f"{where}.username: is missing, and there is a password")
    for number, log in enumerate(section.logs):
        if not ORIGIN.fullmatch(log):
            raise ConfigError(
                f"{where}.logs[{number}]: {log!r} is no name of a log: write the other's audit.origin"
            )


def _check_url(section: ClickHouseSection, url: str, where: str) -> None:
    such = "write http://host:8123, https://host:8443, or chdb://PATH"
    if url.startswith("chdb://"):
        if len(url) <= len("chdb://"):
            raise ConfigError(f"{where}.url: names no folder: write chdb://PATH, such as chdb:///var/lib/og")
        for name in (*_OF_SERVERS, "ca_file"):
            if getattr(section, name) is not None:
                raise ConfigError(f"{where}.{name}: is not used with the engine in this process")
        return
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError(f"{where}.url: is no address of a server: {such}")
    if "@" in parts.netloc:
        raise ConfigError(f"{where}.url: {such}; the user stands in username, and the password not here")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(f"{where}.url: {such} alone; the database stands in clickhouse.database")
    if section.ca_file is not None and parts.scheme != "https":
        raise ConfigError(f"{where}.ca_file: is not used with {parts.scheme}: write https")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
