"""The section on Kafka: what it refuses, and that no password stands in it."""

import pytest

from ordergate.application.ports.secrets import SecretError
from ordergate.config import ConfigError, load
from ordergate.config.kafka import KafkaSection
from tests.services.secrets import secrets


def _load(tmp_path, text: str):
    path = tmp_path / "ordergate.toml"
    path.write_text(f"[kafka]\n{text}")
    return load(path).kafka


def test_what_there_is(tmp_path) -> None:
    found = _load(
        tmp_path,
        'servers = ["127.0.0.1:9092", "[::1]:9092", "kafka.example:9093"]\nkey = "order"\n'
        'security = "sasl_ssl"\nmechanism = "SCRAM-SHA-512"\nusername = "og"\npassword_env = "OG_KAFKA"',
    )
    assert len(found.servers) == 3
    assert (found.topic, found.key, found.create) == ("order_execution_archive", "order", True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('servers = ["127.0.0.1"]', "write host:port alone"),
        ('servers = ["kafka://127.0.0.1:9092"]', "write host:port alone"),
        ('servers = ["127.0.0.1:0"]', "write host:port alone"),
        ('servers = ["127.0.0.1:70000"]', "write host:port alone"),
        ('servers = ["a:b@127.0.0.1:9092"]', "write host:port alone"),
        ('servers = ["a:1,b:2"]', "write host:port alone"),
        ('topic = "a/b"', "is no topic's name"),
        ('topic = ""', "is no topic's name"),
        ('topic = ".."', "is no topic's name"),
        ('key = "strategy"', "Invalid enum value"),
        ("partitions = 0", ">= 1"),
        ("message_max_bytes = 1000", ">= 1"),
        ('security = "tls"', "Invalid enum value"),
        ('ca_file = "a"', "is not used with security 'plaintext': write ssl or sasl_ssl"),
        ('security = "ssl"\nusername = "a"', "is not used with security 'ssl': write sasl_ssl"),
        ('security = "ssl"\nkey_file = "a"', "belong together"),
        (
            'security = "sasl_ssl"\nusername = "a"',
            "takes mechanism, username, and password_env, password_file or",
        ),
        (
            'security = "sasl_ssl"\nmechanism = "PLAIN"\nusername = "a"\npassword_env = "A"\npassword_file = "b"',
            "one of password_env, password_file, password_secret",
        ),
        (
            'security = "sasl_ssl"\nmechanism = "PLAIN"\nusername = "a"\npassword_env = "se-cret!"',
            "is no name of a variable",
        ),
        ('password = "secret"', "unknown field"),
        ('server = "127.0.0.1:9092"', "unknown field"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _load(tmp_path, text)


def test_a_password_in_the_wrong_place_is_not_shown(tmp_path, monkeypatch) -> None:
    with pytest.raises(ConfigError, match=r"kafka.servers\[1\]") as refused:
        _load(tmp_path, 'servers = ["h:1", "user:S3cret@h:1"]')
    assert "S3cret" not in str(refused.value)
    monkeypatch.delenv("S3cret", raising=False)
    with pytest.raises(SecretError, match="password_env") as refused:
        KafkaSection(servers=("k:1",), security="sasl_ssl", password_env="S3cret").target(secrets())
    assert "S3cret" not in str(refused.value)


def test_secrets_come_from_where_they_are_said_to_be(tmp_path, monkeypatch) -> None:
    section = {"servers": ("k:1",), "security": "sasl_ssl", "mechanism": "PLAIN", "username": "og"}
    monkeypatch.delenv("OG_KAFKA", raising=False)
    named = KafkaSection(**section, password_env="OG_KAFKA")
    with pytest.raises(SecretError, match="password_env: the variable that it names is not set"):
        named.target(secrets())
    monkeypatch.setenv("OG_KAFKA", "secret")
    assert named.target(secrets()).secrets["sasl.password"].reveal() == "secret"
    assert "secret" not in named.target(secrets()).shown
    file = tmp_path / "password"
    filed = KafkaSection(**section, password_file=str(file))
    with pytest.raises(SecretError, match="cannot be read"):
        filed.target(secrets())
    file.write_text("\n")
    with pytest.raises(SecretError, match="is empty"):
        filed.target(secrets())
    file.write_text("other\n")
    assert filed.target(secrets()).secrets["sasl.password"].reveal() == "other"


def test_files_must_be_there(tmp_path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        KafkaSection(security="ssl", ca_file=str(tmp_path / "ca.pem")).target(secrets())
