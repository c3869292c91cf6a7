"""`ordergate archive verify`: what it says of an archive that is as it should be, and of one in which somebody has been."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ordergate.bootstrap import open_gate, open_shards
from ordergate.cli.app import app
from ordergate.config import load
from tests.services import sharded
from tests.services.archive import TOPIC, archived, archiving, in_toml, quote, trade
from tests.services.kafka import Kafka
from tests.services.server import serving

Record = tuple[int, bytes | None, bytes | None]


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, ["archive", "verify", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    return result


class Archive:
    """A journal, and its archive."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        self.kafka, self.database, self.config = kafka, folder / "orders.db", folder / "ordergate.toml"
        self.config.write_text(in_toml(kafka.server))
        self.size = asyncio.run(self._fill())

    async def _fill(self) -> int:
        async with open_gate(archiving(self.kafka.server), f"sqlite:///{self.database}") as gate:
            await quote(gate)
            await trade(gate, 0, 40)
            return await archived(gate)

    def verify(self, code: int = 0) -> dict:
        at = ("--db", f"sqlite:///{self.database}", "--config", str(self.config), "--json")
        return json.loads(run(*at, code=code).stdout)

    def replant(self, change: Callable[[list[Record]], None]) -> None:
        """The topic as it would be had somebody changed it."""
        records = [(r.partition(), r.key(), r.value()) for r in self.kafka.read(TOPIC)]
        change(records)
        self.kafka.kill()
        self.kafka.start()
        self.kafka.make(TOPIC, 6)
        self.kafka.put(TOPIC, records)


@pytest.fixture
def archive(kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ORDERGATE_DB", raising=False)
    return Archive(kafka, tmp_path)


def index_of(record: Record) -> int:
    return json.loads(record[2])["index"]


def test_one_that_agrees(archive: Archive) -> None:
    shown = archive.verify()
    assert (shown["agrees"], shown["topic"], shown["deleted_before"]) == (True, TOPIC, {})
    (log,) = shown["logs"].values()
    assert log["archived"] >= archive.size
    assert [shown[name]["count"] for name in ("missing", "foreign", "different", "out_of_order")] == [0] * 4
    at = ("--db", f"sqlite:///{archive.database}", "--config", str(archive.config))
    assert "every record is what the journal says" in run(*at).stdout


def test_what_came_twice_is_no_fault(archive: Archive) -> None:
    archive.replant(lambda records: records.extend(records[10:60]))
    shown = archive.verify()
    assert (shown["agrees"], shown["repeated"]) == (True, 50)


def test_a_missing_record_is_found(archive: Archive) -> None:
    gone = []
    archive.replant(lambda records: gone.append(index_of(records.pop(30))))
    shown = archive.verify(code=1)
    assert (shown["missing"]["count"], shown["agrees"]) == (1, False)
    assert shown["missing"]["first"][0]["index"] == gone[0]


@pytest.mark.slow
def test_a_changed_record_is_found(archive: Archive) -> None:
    changed = []

    def change(records: list[Record]) -> None:
        place = next(i for i, one in enumerate(records) if b'"filled_quantity":"1000"' in one[2])
        partition, key, value = records[place]
        records[place] = (
            partition,
            key,
            value.replace(b'"filled_quantity":"1000"', b'"filled_quantity":"900"'),
        )
        assert records[place][2] != value
        changed.append(index_of(records[place]))

    archive.replant(change)
    shown = archive.verify(code=1)
    assert shown["different"]["count"] == 1
    assert shown["different"]["first"][0]["index"] == changed[0]
    at = ("--db", f"sqlite:///{archive.database}", "--config", str(archive.config))
    said = run(*at, code=1)
    assert "is not what the journal says" in said.stdout
    assert "1 records of the archive are not as the journal says" in said.stderr


def test_a_foreign_record_is_found(archive: Archive) -> None:
    def change(records: list[Record]) -> None:
        records.append((0, b"k", b'{"log":"elsewhere","index":1}'))
        records.append((1, None, b"hello"))
        records.append((2, b"k", None))

    archive.replant(change)
    shown = archive.verify(code=1)
    assert shown["foreign"]["count"] == 3
    assert {one["why"][:10] for one in shown["foreign"]["first"]} == {"is of the ", "is no reco", "is empty"}


def test_a_record_of_a_later_history_is_foreign(archive: Archive) -> None:
    """As after a journal was restored from a backup."""

    def change(records: list[Record]) -> None:
        partition, key, value = records[-1]
        index = index_of(records[-1])
        records.append(
            (partition, key, value.replace(b'"index":%d' % index, b'"index":%d' % (index + 100_000)))
        )

    archive.replant(change)
    assert "which has" in archive.verify(code=1)["foreign"]["first"][0]["why"]


def test_two_records_in_the_wrong_order_are_found(archive: Archive) -> None:
    def change(records: list[Record]) -> None:
        place = next(i for i in range(20, 80) if records[i][0] == records[i + 1][0])
        records[place], records[place + 1] = records[place + 1], records[place]

    archive.replant(change)
    shown = archive.verify(code=1)
    assert (shown["out_of_order"]["count"], shown["missing"]["count"]) == (1, 0)


@pytest.mark.slow
def test_beside_a_server_that_goes_on(archive: Archive) -> None:
    order = {
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "1",
        "order_type": "market",
        "fund_id": "paper-momentum",
    }
    with serving(archive.database, "--config", str(archive.config)) as served, served.client() as client:
        for number in range(30):
            answer = client.post("/v1/orders", json=order | {"idempotency_key": f"s-{number}"})
            assert answer.status_code < 300, answer.text
            if number % 10 == 0:
                assert archive.verify()["agrees"]
        until = time.monotonic() + 30
        while any(log["waiting"] for log in archive.verify()["logs"].values()):
            assert time.monotonic() < until
    assert archive.verify()["agrees"]


def test_without_an_archive_the_command_says_so(tmp_path: Path) -> None:
    said = run("--db", f"sqlite:///{tmp_path / 'none.db'}", code=1)
    assert "kafka.servers: the configuration names none" in said.stderr


def test_a_topic_that_is_not_there_is_named(archive: Archive) -> None:
    archive.config.write_text(in_toml(archive.kafka.server, topic="another"))
    at = ("--db", f"sqlite:///{archive.database}", "--config", str(archive.config), "--json")
    problem = json.loads(run(*at, code=1).stdout)
    assert "there is no topic another" in problem["detail"]


def test_brokers_that_are_away_are_named(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordergate.adapters.kafka.reading.PATIENCE_S", 1.0)
    archive.kafka.kill()
    at = ("--db", f"sqlite:///{archive.database}", "--config", str(archive.config))
    assert f"topic {TOPIC} at {archive.kafka.server} cannot be read" in run(*at, code=1).stderr


@pytest.mark.slow
def test_shards_share_a_topic(kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ORDERGATE_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "ordergate.toml"
    file.write_text(f'{sharded.TOML.format(beta="us")}\n[kafka]\nservers = ["{kafka.server}"]\n')

    async def fill() -> None:
        async with open_shards(load(file)) as shards:
            for gate in shards.shards.values():
                await archived(gate)

    asyncio.run(fill())
    at = ("--config", str(file), "--json")
    both = json.loads(run(*at).stdout)
    assert both["agrees"]
    assert len(both["logs"]) == 2
    assert both["ignored"] == 0
    one = json.loads(run(*at, "--shard", "eu").stdout)
    assert one["agrees"]
    assert len(one["logs"]) == 1
    assert one["ignored"] > 0
    assert one["ignored"] + sum(log["archived"] for log in one["logs"].values()) == both["records"]
