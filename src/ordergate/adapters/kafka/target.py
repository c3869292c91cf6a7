"""A topic, the brokers that have it, and how they are spoken with."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

import structlog
from msgspec import Struct, field

from ordergate.application.ports.secrets import Held, Secret
from ordergate.domain.errors import OrdergateError

_log = structlog.get_logger("ordergate.kafka")
_QUIET: Final = 0
"""librdkafka's own lines on standard error: none; what it has to say comes by its callback."""


class KafkaError(OrdergateError):
    """The brokers cannot be reached, or did not take or give what was asked."""


class Target(Struct, frozen=True, kw_only=True):
    """Where records go.

    Attributes:
        servers: `host:port` of some of the brokers.
        create: make the topic where there is none.
        partitions, replication: of a topic that is made; replication None is the brokers' default.
        message_max_bytes: the largest message.
        security: settings of librdkafka.
        passwords: those of them that are secrets.
    """

    servers: tuple[str, ...]
    topic: str
    create: bool = True
    partitions: int = 6
    replication: int | None = None
    message_max_bytes: int = 1_000_000
    security: Mapping[str, str] = field(default_factory=dict)
    passwords: Mapping[str, Held] = field(default_factory=dict)

    @property
    def secrets(self) -> dict[str, Secret]:
        """The passwords as they are now."""
        return {setting: held() for setting, held in self.passwords.items()}

    @property
    def shown(self) -> str:
        """The topic and its servers, for people."""
        return f"topic {self.topic} at {', '.join(self.servers)}"


class Said:
    """The last that the library had to say of its brokers."""

    def __init__(self) -> None:
        self.last = ""

    def heard(self, error: Any) -> None:
        """Takes it; called by the library."""
        self.last = str(error.str())
        _log.debug("kafka", error=self.last)


def library() -> ModuleType:
    """confluent_kafka.

    Raises:
        KafkaError: it is not installed.
    """
    try:
        import confluent_kafka.admin  # only here: most gates never need it
    except ImportError as error:
        raise KafkaError("Kafka needs confluent-kafka: pip install 'ordergate[kafka]'") from error
    return confluent_kafka


def common(target: Target, said: Said) -> dict[str, Any]:
    """Settings of every client."""
    return {
        "bootstrap.servers": ",".join(target.servers),
        "client.id": "ordergate",
        "log_level": _QUIET,
        "error_cb": said.heard,
        "reconnect.backoff.max.ms": 1_000,
        "allow.auto.create.topics": False,
        **target.security,
        **{setting: secret.reveal() for setting, secret in target.secrets.items()},
    }


def refused(error: Exception) -> KafkaError:
    """An error of the library's, in its own words."""
    inner = error.args[0] if error.args else error
    return KafkaError(str(inner.str()) if hasattr(inner, "str") else str(inner))
