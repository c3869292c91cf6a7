"""The archive in a real broker: complete, in order, and no concern of those who give orders."""

import asyncio
import hashlib
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ordergate.adapters.kafka import KafkaError, sending
from ordergate.adapters.outlets.kafka import LEAST_BYTES
from ordergate.application.archiving import LEAST_ROOM
from ordergate.bootstrap import open_gate
from ordergate.config import ConfigError
from tests.services.archive import TOPIC, archived, archiving, indices, quote, trade, verified
from tests.services.kafka import Kafka, NoKafka
from tests.services.objects import keeping
from tests.services.secrets import secrets


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "orders.db"


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[Kafka]:
    """A broker that has everything again after a kill."""
    with keeping() as objects:
        try:
            broker = Kafka(tmp_path / "kafka", "s3://tansu/", {**os.environ, **objects.environment})
        except NoKafka as missing:
            pytest.skip(str(missing))
        try:
            yield broker
        finally:
            broker.kill()


def run(work, within_s: float = 100) -> None:
    asyncio.run(asyncio.wait_for(work, within_s))


@pytest.mark.slow
@pytest.mark.parametrize("key", ["symbol", "order", "fund"])
def test_every_entry_is_there_once_and_in_order(kafka: Kafka, database: Path, key: str) -> None:
    config = archiving(kafka.server, key=key)

    async def work() -> None:
        async with open_gate(config, f"sqlite:///{database}") as gate:
            await quote(gate)
            await trade(gate, 0, 60)
            size = await archived(gate)
            lines = await gate.journal.lines(0, size)
        records = kafka.read(TOPIC)
        assert sorted(indices(records))[:size] == list(range(size))
        by_key: dict[bytes, list[int]] = defaultdict(list)
        for record in records:
            index, value = int(dict(record.headers())["index"]), json.loads(record.value())
            by_key[record.key()].append(index)
            assert dict(record.headers())["log"].decode() == config.audit.origin
            order = value.get("order")
            if order is not None:
                field = {"symbol": "symbol", "order": "order_id", "fund": "fund_id"}[key]
                assert record.key().decode() == order[field]
            if index < size:
                assert lines[index].data in record.value(), "the entry's own bytes"
                assert value["leaf_hash"] == hashlib.sha256(b"\0" + lines[index].data).hexdigest()
        assert all(found == sorted(set(found)) for found in by_key.values())
        assert len(by_key) >= {"symbol": 4, "order": 60, "fund": 2}[key]
        assert (await verified(config, database)).wrong == 0

    run(work())


@pytest.mark.slow
def test_a_broker_that_is_not_there_hinders_nothing(
    kafka: Kafka, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordergate.adapters.kafka.topic.ANSWER_S", 1.0)
    kafka.kill()
    config = archiving(kafka.server)

    async def work() -> None:
        with capture_logs() as logs:
            began = time.monotonic()
            async with open_gate(config, f"sqlite:///{database}") as gate:
                await quote(gate)
                await trade(gate, 0, 20)
                while not any(log["event"] == "an outlet did not take entries" for log in logs):
                    await asyncio.sleep(0.02)
                ending = time.monotonic()
            assert time.monotonic() - ending < 8
            assert ending - began < 30
        (said, *_more) = [log for log in logs if log["event"] == "an outlet did not take entries"]
        assert f"{kafka.server} cannot be reached" in said["error"]
        kafka.start()
        async with open_gate(config, f"sqlite:///{database}") as gate:
            await archived(gate)
        assert (await verified(config, database)).wrong == 0

    run(work())


@pytest.mark.slow
def test_a_broker_that_stands_still_hinders_no_end(kafka: Kafka, database: Path) -> None:
    config = archiving(kafka.server)

    async def work() -> None:
        async with open_gate(config, f"sqlite:///{database}") as gate:
            await quote(gate)
            await archived(gate)
            kafka.pause()
            await trade(gate, 0, 20)
            began = time.monotonic()
        assert time.monotonic() - began < 8
        kafka.resume()
        async with open_gate(config, f"sqlite:///{database}") as gate:
            await archived(gate)
        found = await verified(config, database)
        assert found.wrong == 0

    run(work())


@pytest.mark.slow
def test_killed_and_started_again_under_load_nothing_is_lost(
    lasting: Kafka, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PATIENCE_S", 3.0)
    config = archiving(lasting.server)

    async def work() -> None:
        async with open_gate(config, f"sqlite:///{database}") as gate:
            await quote(gate)
            given = 0
            for outage_s in (0.0, 0.5, 2.0):
                await trade(gate, given, 60)
                lasting.kill()
                until = time.monotonic() + outage_s
                while True:
                    await trade(gate, given + 60, 20)
                    given += 20
                    if time.monotonic() >= until:
                        break
                given += 60
                await asyncio.to_thread(lasting.start)
            size = await archived(gate, 90)
        found = await verified(config, database)
        assert found.wrong == 0, found
        assert found.logs[config.audit.origin].archived >= size
        assert set(indices(lasting.read(TOPIC))) >= set(range(size))

    run(work(), 200)


@pytest.mark.slow
def test_paused_under_load_a_batch_comes_again(
    kafka: Kafka, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PATIENCE_S", 3.0)
    config = archiving(kafka.server)

    async def work() -> None:
        with capture_logs() as logs:
            async with open_gate(config, f"sqlite:///{database}") as gate:
                await quote(gate)
                await archived(gate)
                kafka.pause()
                while not any("took no record for" in log.get("error", "") for log in logs):
                    await trade(gate, len(logs) * 1_000, 1)
                    await asyncio.sleep(0.02)
                kafka.resume()
                await trade(gate, 1_000_000, 40)
                await archived(gate)
        assert (await verified(config, database)).wrong == 0

    run(work())


@pytest.mark.parametrize(
    ("settings", "section", "said"),
    [
        (None, {"create": False}, "kafka.create is false: make it by hand"),
        ({"cleanup.policy": "compact"}, {}, "is compacted"),
        ({"max.message.bytes": "5000"}, {}, "takes messages of 5000 bytes"),
    ],
)
def test_a_topic_that_will_not_do_is_named_and_orders_go_on(
    kafka: Kafka, database: Path, settings: dict | None, section: dict, said: str
) -> None:
    if settings is not None:
        kafka.make(TOPIC, **settings)

    async def work() -> None:
        with capture_logs() as logs:
            async with open_gate(archiving(kafka.server, **section), f"sqlite:///{database}") as gate:
                await quote(gate)
                await trade(gate, 0, 3)
                while not any(said in log.get("error", "") for log in logs):
                    await asyncio.sleep(0.02)

    run(work())


def test_a_topic_is_made_to_keep_everything(kafka: Kafka, database: Path) -> None:
    async def work() -> None:
        config = archiving(kafka.server, topic="archive.of-ours", partitions=3)
        async with open_gate(config, f"sqlite:///{database}") as gate:
            await archived(gate)

    run(work())
    from confluent_kafka.admin import AdminClient, ConfigResource

    admin = AdminClient({"bootstrap.servers": kafka.server})
    assert len(admin.list_topics(timeout=10).topics["archive.of-ours"].partitions) == 3
    resource = ConfigResource(ConfigResource.Type.TOPIC, "archive.of-ours")
    settings = admin.describe_configs([resource])[resource].result(10)
    assert settings["retention.ms"].value == "-1"


@pytest.mark.slow
def test_where_brokers_take_less_than_they_say_less_is_sent(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    from confluent_kafka import KafkaError as Told
    from confluent_kafka import KafkaException

    class Narrow:
        def __init__(self, producer) -> None:
            self._producer = producer

        def produce(self, topic, value, **options) -> None:
            if len(value) > LEAST_ROOM:
                raise KafkaException(Told(Told.MSG_SIZE_TOO_LARGE))
            self._producer.produce(topic, value=value, **options)

        def __getattr__(self, name):
            return getattr(self._producer, name)

    made = sending.Sender._made
    monkeypatch.setattr(sending.Sender, "_made", lambda sender: Narrow(made(sender)))
    sender, stop = (
        sending.Sender(archiving(kafka.server).kafka.target(secrets()), LEAST_BYTES),
        threading.Event(),
    )
    small, large = (sending.Message("k", bytes(size), ()) for size in (LEAST_ROOM, LEAST_ROOM + 1))
    sender.send([small], stop)
    assert sender.room > LEAST_BYTES
    with pytest.raises(sending.TooLarge, match=f"must be {LEAST_BYTES} at least"):
        sender.send([small, large], stop)
    sender.ready(stop)
    assert sender.room == LEAST_BYTES
    sender.send([small], stop)
    sender.close()
    assert len(kafka.read(TOPIC)) >= 2


def test_settings_that_cannot_be_used_end_the_start(kafka: Kafka, database: Path, tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")

    async def work(config) -> None:
        async with open_gate(config, f"sqlite:///{database}"):
            pass

    with pytest.raises(KafkaError):
        run(work(archiving(kafka.server, security="ssl", ca_file=str(broken))))
    with pytest.raises(ConfigError, match="there is no file"):
        run(work(archiving(kafka.server, security="ssl", ca_file=str(tmp_path / "none"))))


def test_without_the_library_the_start_says_what_to_install(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "confluent_kafka.admin", None)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)

    async def work() -> None:
        async with open_gate(archiving("127.0.0.1:1"), f"sqlite:///{database}"):
            pass

    with pytest.raises(KafkaError, match=r"pip install 'ordergate\[kafka\]'"):
        run(work())
