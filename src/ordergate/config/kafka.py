"""The Kafka brokers that have the archive."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from ordergate.adapters.kafka import Target
from ordergate.adapters.outlets.kafka import LEAST_BYTES
from ordergate.application.archiving import KeyBy
from ordergate.application.ports.secrets import Held
from ordergate.application.secrets import Secrets
from ordergate.config.errors import ConfigError
from ordergate.config.secrets import check_secret, place_of

_SERVER: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_FILES: Final[Mapping[str, str]] = {
    "ca_file": "ssl.ca.location",
    "certificate_file": "ssl.certificate.location",
    "key_file": "ssl.key.location",
}
_PASSWORDS: Final[Mapping[str, str]] = {"password": "sasl.password", "key_password": "ssl.key.password"}
_OF_TLS: Final = (
    "ca_file", "certificate_file", "key_file", "key_password_env", "key_password_file", "key_password_secret",
)  # fmt: skip
_OF_SASL: Final = ("mechanism", "username", "password_env", "password_file", "password_secret")

Protocol = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the brokers are and how they know us, the topic of the archive, and what its records are put under.

    `servers` are `host:port`. `create` makes the topic where there is none, with `partitions` and `replication` (left
    out: the brokers' own) and without a retention time. Passwords stand in a variable of the environment (`_env`), in
    a file (`_file`), or under a name (`_secret`).
    """

    servers: tuple[str, ...] = ()
    topic: str = "order_execution_archive"
    key: KeyBy = KeyBy.SYMBOL
    create: bool = True
    partitions: Annotated[int, Meta(ge=1, le=10_000)] = 6
    replication: Annotated[int, Meta(ge=1, le=100)] | None = None
    message_max_bytes: Annotated[int, Meta(ge=LEAST_BYTES, le=100_000_000)] = 1_000_000
    security: Protocol = "plaintext"
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password_env: str | None = None
    key_password_file: str | None = None
    key_password_secret: str | None = None
    mechanism: Mechanism | None = None
    username: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    password_secret: str | None = None

    def target(self, secrets: Secrets) -> Target:
        """Where the archive is, with the secrets that it takes.

        Raises:
            ConfigError: a file is not there.
            SecretError: a password is not.
        """
        return Target(
            servers=self.servers,
            topic=self.topic,
            create=self.create,
            partitions=self.partitions,
            replication=self.replication,
            message_max_bytes=self.message_max_bytes,
            security=self._security(),
            passwords=self._passwords(secrets),
        )

    def _security(self) -> dict[str, str]:
        found: dict[str, str] = {"security.protocol": self.security}
        for name, setting in _FILES.items():
            path = getattr(self, name)
            if path is not None:
                if not Path(path).is_file():
                    raise ConfigError(f"kafka.{name}: there is no file {path}")
                found[setting] = path
        for setting, value in (("sasl.mechanism", self.mechanism), ("sasl.username", self.username)):
            if value is not None:
                found[setting] = value
        return found

    def _passwords(self, secrets: Secrets) -> dict[str, Held]:
        places = {setting: place_of(self, field, "kafka") for field, setting in _PASSWORDS.items()}
        return {setting: secrets.hold(place) for setting, place in places.items() if place is not None}


def check_kafka(section: KafkaSection, where: str) -> None:
    """Raises ConfigError unless servers, topic and what the security takes can be as they are written."""
    for number, server in enumerate(section.servers):
        found = _SERVER.fullmatch(server)
        if found is None or not 0 < int(found["port"]) <= 65_535:
            raise ConfigError(
                f"{where}kafka.servers[{number}]: write host:port alone, such as 127.0.0.1:9092"
            )
    if not _TOPIC.fullmatch(section.topic) or section.topic in (".", ".."):
        raise ConfigError(
            f"{where}kafka.topic: {section.topic!r} is no topic's name: write at most 249 letters, digits, "
            "'.', '_' and '-'"
        )
    _check_security(section, where)


def _check_security(section: KafkaSection, where: str) -> None:
    tls, sasl = section.security.endswith("ssl"), section.security.startswith("sasl")
    for names, wanted, such in ((_OF_TLS, tls, "ssl or sasl_ssl"), (_OF_SASL, sasl, "sasl_ssl")):
        for name in names:
            if getattr(section, name) is not None and not wanted:
                raise ConfigError(
                    f"{where}kafka.{name}: is not used with security {section.security!r}: write {such}"
                )
    for name in _PASSWORDS:
        check_secret(section, name, f"{where}kafka")
    if (section.certificate_file is None) != (section.key_file is None):
        raise ConfigError(f"{where}kafka: certificate_file and key_file belong together")
    password = place_of(section, "password", "kafka")
    if sasl and (section.mechanism is None or section.username is None or password is None):
        raise ConfigError(
            f"{where}kafka: {section.security} takes mechanism, username, and password_env, password_file or "
            "password_secret"
        )
