"""The topic: it is there, it is made where it may be, and it keeps what is put into it."""

import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any, Final

import structlog

from ordergate.adapters.kafka.target import KafkaError, Said, Target, common, library, refused

ANSWER_S: Final = 10.0
"""How long brokers may take to answer about a topic."""
_TURN_S: Final = 0.25
_FOR_EVER: Final = {"retention.ms": "-1", "cleanup.policy": "delete"}
_log = structlog.get_logger("ordergate.kafka")


class Stopped(KafkaError):
    """Whoever waited for it has gone."""


def ensure(target: Target, least: int, stop: threading.Event) -> int:
    """Returns once the topic can be written: the largest message that it takes, as far as that is known.

    Blocks. An archive must not be compacted: of each key only the last record would stay.

    Args:
        least: bytes that a message must be allowed to have.

    Raises:
        KafkaError: the brokers do not answer, there is no such topic and it may not be made, or it is unfit.
    """
    kafka, said = library(), Said()
    try:
        admin = kafka.admin.AdminClient(common(target, said) | {"socket.timeout.ms": int(ANSWER_S * 1_000)})
    except (kafka.KafkaException, ValueError) as error:
        raise refused(error) from error
    found = _topics(kafka, admin, target, said, stop)
    if target.topic not in found:
        _make(kafka, admin, target, stop)
    return _fitness(kafka, admin, target, least, stop)


def _topics(kafka: Any, admin: Any, target: Target, said: Said, stop: threading.Event) -> Any:
    """Of all topics, for to ask for one makes it on brokers that make topics by themselves, as they see fit."""
    until = time.monotonic() + ANSWER_S
    while True:
        if stop.is_set():
            raise Stopped("was stopped")
        try:
            return admin.list_topics(timeout=_TURN_S).topics
        except kafka.KafkaException as error:
            if time.monotonic() >= until:
                raise KafkaError(
                    f"{', '.join(target.servers)} cannot be reached: {said.last or refused(error)}"
                ) from error


def _make(kafka: Any, admin: Any, target: Target, stop: threading.Event) -> None:
    by_hand = f"make it by hand, with {target.partitions} partitions and retention.ms=-1, or name another"
    if not target.create:
        raise KafkaError(f"there is no {target.shown}, and kafka.create is false: {by_hand}")
    topic = kafka.admin.NewTopic(
        target.topic, target.partitions, target.replication or -1, config=dict(_FOR_EVER)
    )
    try:
        _wait(admin.create_topics([topic])[target.topic], stop)
    except kafka.KafkaException as error:
        if error.args[0].code() != kafka.KafkaError.TOPIC_ALREADY_EXISTS:
            raise KafkaError(f"the {target.shown} could not be made: {refused(error)}; {by_hand}") from error


def _fitness(kafka: Any, admin: Any, target: Target, least: int, stop: threading.Event) -> int:
    resource = kafka.admin.ConfigResource(kafka.admin.ConfigResource.Type.TOPIC, target.topic)
    try:
        settings = _wait(admin.describe_configs([resource])[resource], stop)
    except kafka.KafkaException as error:  # not everybody may ask, and not every broker answers
        _log.debug("the settings of the topic are not known", topic=target.topic, error=str(refused(error)))
        return target.message_max_bytes
    said = {name: entry.value for name, entry in settings.items()}
    if "compact" in (said.get("cleanup.policy") or ""):
        raise KafkaError(
            f"the {target.shown} is compacted: of each key only the last record would stay; set its "
            "cleanup.policy to delete, or name another"
        )
    most = int(said.get("max.message.bytes") or target.message_max_bytes)
    if most < least:
        raise KafkaError(
            f"the {target.shown} takes messages of {most} bytes: set its max.message.bytes to {least}"
        )
    return min(most, target.message_max_bytes)


def _wait(answer: "Future[Any]", stop: threading.Event) -> Any:
    until = time.monotonic() + ANSWER_S
    while True:
        try:
            return answer.result(_TURN_S)
        except NotYet:
            if stop.is_set():
                raise Stopped("was stopped") from None
            if time.monotonic() >= until:
                raise KafkaError("the brokers do not answer about the topic") from None
