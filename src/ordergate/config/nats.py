"""The NATS server that the service speaks with."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from ordergate.adapters.brokers.bus import BusSettings
from ordergate.adapters.brokers.bus.settings import Way, reported_on
from ordergate.adapters.nats.connection import Login
from ordergate.adapters.outlets.nats import Dialect
from ordergate.api.nats.settings import Inputs
from ordergate.api.nats.signatures import public_key_of
from ordergate.application.secrets import Secrets
from ordergate.config.errors import ConfigError
from ordergate.config.funds import window
from ordergate.config.secrets import check_secret, place_of
from ordergate.protocols.subjects import overlap

_SCHEMES: Final = ("nats", "tls", "ws", "wss")
_MONITOR: Final = ("http", "https")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")


class NatsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server is, or a cluster's servers are, and how it knows us.

    `credentials_file` is a .creds file, which is read at each connection; else a token, or the password of `username`,
    stands in a variable of the environment (`_env`), in a file (`_file`), or under a name (`_secret`).

    Out go what happens to orders, in each of `dialects`; positions, into the key-value bucket `positions_bucket`; and
    `alerts`. `stream` takes what no stream takes yet, is made with so many `replicas`, and keeps messages for
    `max_age`, such as 12h, 30d or forever. `fund_suffix` ends the subjects of dialect `mts` with
    `.fund.<fund_id>`. Without `partial_fills` dialect `orders` says nothing of fills that leave something open.
    `monitor` is the server's monitoring address, for `ordergate doctor`.
    """

    servers: tuple[str, ...] = ()
    credentials_file: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    token_secret: str | None = None
    username: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    password_secret: str | None = None
    inputs: Inputs = Inputs()
    dialects: tuple[Dialect, ...] = ()
    fund_suffix: bool = False
    partial_fills: bool = True
    positions_bucket: str | None = None
    alerts: bool = False
    stream: str = "ORDERGATE_EVENTS"
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    max_age: str = "30d"
    monitor: str | None = None

    @property
    def max_age_s(self) -> float | None:
        """How long the stream keeps messages; None is for ever."""
        age = window(self.max_age, "nats.max_age")
        return None if age is None else age.total_seconds()

    def login(self, secrets: Secrets) -> Login:
        """How the server is told who we are.

        Raises:
            ConfigError: the file of credentials is not there.
            SecretError: the token or password is not.
        """
        if self.credentials_file is not None and not Path(self.credentials_file).is_file():
            raise ConfigError(f"nats.credentials_file: there is no file {self.credentials_file}")
        token, password = place_of(self, "token", "nats"), place_of(self, "password", "nats")
        return Login(
            credentials=self.credentials_file,
            token=None if token is None else secrets.hold(token),
            username=self.username,
            password=None if password is None else secrets.hold(password),
        )


def check_server(url: str, where: str) -> None:
    """Raises ConfigError unless it clearly is one server's, with a user or password perhaps; shows nothing of it."""
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in _SCHEMES or "@" in parts.path + parts.query + parts.fragment:
        raise ConfigError(f"{where}: is no URL of a server: write such as nats://127.0.0.1:4222")


def check_nats(section: NatsSection, where: str) -> None:
    """Raises ConfigError unless the servers are URLs without passwords, and we are known by one thing."""
    for number, server in enumerate(section.servers):
        _check_url(server, f"{where}nats.servers[{number}]", _SCHEMES, "nats://127.0.0.1:4222")
    _check_login(section, f"{where}nats")
    check_secret(section.inputs, "hmac_key", f"{where}nats.inputs")
    _check_inputs(section, f"{where}nats.inputs")
    _check_out(section, where)


def _check_login(section: NatsSection, where: str) -> None:
    for field in ("token", "password"):
        check_secret(section, field, where)
    token, password = place_of(section, "token", where), place_of(section, "password", where)
    if (section.username is None) != (password is None):
        raise ConfigError(f"{where}: username and a password belong together")
    if sum(one is not None for one in (section.credentials_file, token, password)) > 1:
        raise ConfigError(f"{where}: write one of credentials_file, a token, and username with a password")


def _check_url(url: str, where: str, schemes: Sequence[str], such: str) -> None:
    """Raises ConfigError unless it is one, without a password; the text never holds any of it, for it may have one."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{where}: is no URL: write such as {such}") from None
    if parts.scheme not in schemes or not host:
        raise ConfigError(f"{where}: is no URL with {' or '.join(schemes)}: write such as {such}")
    if "@" in url:
        raise ConfigError(
            f"{where}: holds a user or password, which do not go here: write credentials_file, a token, or username "
            f"and a password for a server, and of the URL such as {such}"
        )


def _check_inputs(section: NatsSection, where: str) -> None:
    inputs = section.inputs
    if (inputs.signals or inputs.commands) and not section.servers:
        raise ConfigError(f"{where}: takes messages from a server, and nats.servers names none")
    for name in ("signals_stream", "commands_stream"):
        if not _NAME.fullmatch(getattr(inputs, name)):
            raise ConfigError(f"{where}.{name}: write a name of letters, digits, '_' and '-'")
    if inputs.signed_only and not inputs.has_key:
        raise ConfigError(
            f"{where}.signed_only: write what signatures are checked with: hmac_key_env, hmac_key_file, "
            "hmac_key_secret or ed25519_key"
        )
    if inputs.ed25519_key is not None:
        try:
            public_key_of(inputs.ed25519_key)
        except ValueError as error:
            raise ConfigError(f"{where}.ed25519_key: {error}") from None


def check_bus_brokers(brokers: Mapping[str, BusSettings], section: NatsSection, where: str) -> None:
    """Raises ConfigError unless there is a server, and each subject of reports is of one broker, and there once."""
    owners: dict[str, str] = {}
    for name, settings in brokers.items():
        if not section.servers:
            raise ConfigError(f"{where}brokers.{name}: is behind NATS, and nats.servers names no server")
        if settings.stream is not None and not _NAME.fullmatch(settings.stream):
            raise ConfigError(f"{where}brokers.{name}.stream: write a name of letters, digits, '_' and '-'")
        for subject in reported_on(name, settings):
            for other, owner in owners.items():
                if not overlap(other, subject):
                    continue
                if owner == name:
                    raise ConfigError(
                        f"{where}brokers.{name}.subjects: {subject} has subjects of {other}, which are followed "
                        "already: leave one of the two out"
                    )
                raise ConfigError(
                    f"{where}brokers.{name}: {subject} is also of broker {owner}: a report must say whose it is"
                )
            owners[subject] = name
        if settings.sends is Way.PUBLISH and Dialect.ORDERS in section.dialects:
            raise ConfigError(
                f'{where}nats.dialects: "orders" tells on orders.submitted.* what has been sent, and the connector of '
                f"broker {name} takes what it reads there for orders: leave one of the two out"
            )


def _check_out(section: NatsSection, where: str) -> None:
    for key in ("dialects", "positions_bucket", "alerts"):
        if getattr(section, key) and not section.servers:
            raise ConfigError(f"{where}nats.{key}: goes nowhere: write nats.servers too")
    for key in ("stream", "positions_bucket"):
        name = getattr(section, key)
        if name is not None and not _NAME.fullmatch(name):
            raise ConfigError(
                f"{where}nats.{key}: {name!r}: write a name of at most 200 letters, digits, '-' and '_'"
            )
    if section.fund_suffix and Dialect.MTS not in section.dialects:
        raise ConfigError(f'{where}nats.fund_suffix: is of dialect mts: write "mts" into nats.dialects too')
    window(section.max_age, f"{where}nats.max_age")
    if section.monitor is not None:
        _check_url(section.monitor, f"{where}nats.monitor", _MONITOR, "http://127.0.0.1:8222")
