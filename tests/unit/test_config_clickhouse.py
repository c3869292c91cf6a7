"""The section on ClickHouse: what it refuses, and that no password stands in it."""

import pytest

from ordergate.application.ports.secrets import SecretError
from ordergate.config import Config, ConfigError, ShardSection, load
from ordergate.config.clickhouse import ClickHouseSection
from tests.services.secrets import secrets


def _load(tmp_path, text: str):
    path = tmp_path / "ordergate.toml"
    path.write_text(f"[clickhouse]\n{text}")
    return load(path).clickhouse


def test_what_there_is(tmp_path) -> None:
    found = _load(
        tmp_path,
        'url = "https://ch.example"\ndatabase = "analytics"\nusername = "og"\npassword_env = "OG"\n'
        'batch_rows = 5000\nbatch_age_ms = 0\nlogs = ["oms.example/old"]',
    )
    assert (found.batch_rows, found.batch_age_ms, found.logs) == (5000, 0, ("oms.example/old",))
    assert ClickHouseSection().url is None


@pytest.mark.parametrize(
    ("url", "host", "port", "shown"),
    [
        ("http://ch.example", "ch.example", 8123, "database default at http://ch.example:8123"),
        ("https://ch.example/", "ch.example", 8443, "database default at https://ch.example:8443"),
        ("http://[::1]:9000", "::1", 9000, "database default at http://[::1]:9000"),
    ],
)
def test_where_a_server_is(url: str, host: str, port: int, shown: str) -> None:
    target = ClickHouseSection(url=url).target(secrets())
    assert (target.host, target.port, target.shown) == (host, port, shown)


def test_where_the_engine_is() -> None:
    target = ClickHouseSection(url="chdb:///var/lib/og", database="a").target(secrets())
    assert target.options() == {"interface": "chdb", "path": "/var/lib/og", "database": "a"}
    assert target.shown == "database a at chdb:///var/lib/og"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('url = "127.0.0.1:8123"', "is no address of a server"),
        ('url = "clickhouse://h:9000"', "is no address of a server"),
        ('url = "http://h:99999"', "is no address of a server"),
        ('url = "http://"', "is no address of a server"),
        ('url = "http://h/analytics"', "the database stands in clickhouse.database"),
        ('url = "http://h?database=x"', "the database stands in clickhouse.database"),
        ('url = "chdb://"', "names no folder"),
        ('url = "chdb:///a"\nusername = "og"', "username: is not used with the engine"),
        ('url = "http://h"\nca_file = "ca.pem"', "is not used with http: write https"),
        ('database = "a-b"', "is no name of a database"),
        ('database = ""', "is no name of a database"),
        (
            'username = "a"\npassword_env = "A"\npassword_file = "b"',
            "one of password_env, password_file, password_secret",
        ),
        ('username = "a"\npassword_env = "se-cret!"', "is no name of a variable"),
        ('password_env = "A"', "username: is missing"),
        ("batch_rows = 0", ">= 1"),
        ("batch_age_ms = 60001", "<= 60000"),
        ('logs = ["a b"]', r"logs\[0\].*is no name of a log"),
        ('password = "secret"', "unknown field"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _load(tmp_path, text)


def test_a_password_in_the_wrong_place_is_not_shown(tmp_path, monkeypatch) -> None:
    with pytest.raises(ConfigError, match=r"clickhouse.url") as refused:
        _load(tmp_path, 'url = "http://user:S3cret@h:1"')
    assert "S3cret" not in str(refused.value)
    monkeypatch.delenv("S3cret", raising=False)
    with pytest.raises(SecretError, match="password_env") as refused:
        ClickHouseSection(url="http://h", username="og", password_env="S3cret").target(secrets())
    assert "S3cret" not in str(refused.value)


def test_secrets_come_from_where_they_are_said_to_be(tmp_path, monkeypatch) -> None:
    section = {"url": "http://h:1", "username": "og"}
    monkeypatch.setenv("OG_CH", "secret")
    target = ClickHouseSection(**section, password_env="OG_CH").target(secrets())
    assert target.options()["password"] == "secret"
    assert "secret" not in repr(target) + target.shown
    file = tmp_path / "password"
    filed = ClickHouseSection(**section, password_file=str(file))
    with pytest.raises(SecretError, match="cannot be read"):
        filed.target(secrets())
    file.write_text("\n")
    with pytest.raises(SecretError, match="is empty"):
        filed.target(secrets())
    file.write_text("other\n")
    assert filed.target(secrets()).options()["password"] == "other"


def test_files_must_be_there(tmp_path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        ClickHouseSection(url="https://h", ca_file=str(tmp_path / "ca.pem")).target(secrets())


def test_shards_may_share_the_database_and_nobody_else() -> None:
    shards = {"eu": ShardSection(), "us": ShardSection(origin="oms.example/us")}
    config = Config(shards=shards, clickhouse=ClickHouseSection(logs=("oms.example/old",)))
    assert config.shard("eu").clickhouse.logs == ("oms.example/old", "oms.example/us")
    assert config.shard("us").clickhouse.logs == ("oms.example/old", "ordergate.local/journal/eu")
