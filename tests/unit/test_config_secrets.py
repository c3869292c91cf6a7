"""The settings that name secrets: what they refuse, and that none of them is missed."""

import traceback
from pathlib import Path

import msgspec
import pytest

from ordergate.application.ports.secrets import Kind, Place
from ordergate.config import Config, ConfigError, load, schema
from ordergate.config.brokers import OURS
from ordergate.config.secret_places import FIELDS, places_in
from ordergate.config.secrets import setting_of

CLASS = '[brokers.paper]\n[brokers.desk]\nadapter = "sync"\nclass = "a:B"\n'
VAULT = '[secrets.vault]\naddress = "https://vault.example:8200"\n'


def _load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "ordergate.toml"
    path.write_text(text)
    return load(path)


def test_what_there_is(tmp_path: Path) -> None:
    found = _load(
        tmp_path,
        f"""
{VAULT}role_id = "gate"
secret_id_file = "/run/secret-id"
namespace = "firm"
[secrets]
order = ["vault", "files"]
folder = "/etc/ordergate/secrets"
refresh_s = 30
[database]
url = "postgresql://og@db/orders"
password_secret = "db/orders#password"
[nats]
servers = ["nats://127.0.0.1:4222"]
token_secret = "bus/nats#token"
[nats.inputs]
signals = true
hmac_key_secret = "bus/risk#hmac-key"
[kafka]
servers = ["kafka:9093"]
security = "sasl_ssl"
mechanism = "PLAIN"
username = "og"
password_secret = "bus/kafka#password"
key_password_file = "/run/key"
[alerts]
webhook = "https://example.com/a"
secret = "alerts/webhook#key"
{CLASS}[brokers.desk.secrets]
api_key = "mts1b/brokers/desk#api_key"
""",
    )
    assert places_in(found) == [
        Place("nats.token_secret", Kind.NAME, "bus/nats#token"),
        Place("nats.inputs.hmac_key_secret", Kind.NAME, "bus/risk#hmac-key", 16),
        Place("kafka.password_secret", Kind.NAME, "bus/kafka#password"),
        Place("kafka.key_password_file", Kind.FILE, "/run/key"),
        Place("alerts.secret", Kind.NAME, "alerts/webhook#key", 16),
        Place("database.password_secret", Kind.NAME, "db/orders#password"),
        Place("brokers.desk.secrets.api_key", Kind.NAME, "mts1b/brokers/desk#api_key"),
    ]
    assert found.secrets.vault.word() == Place("secrets.vault.secret_id_file", Kind.FILE, "/run/secret-id")


def test_no_setting_of_a_secret_is_missed() -> None:
    """Every setting that ends with `_env` is one of a secret, and has its two others."""
    named = {setting_of(field, kind) for _where, field, _least in FIELDS for kind in Kind}
    found: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.update(node.get("properties", {}))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schema())
    of_vault = {"secret_id_env", "secret_id_file"}
    owns = {own for section in OURS.values() for own in getattr(section, "SECRETS", ())}
    of_brokers = {setting_of(own, kind) for own in owns for kind in Kind}
    assert {name for name in found if name.endswith("_env")} <= named | of_vault | of_brokers
    assert of_brokers <= found
    assert named <= found


@pytest.mark.parametrize(("text", "said"), [
    ('[database]\npassword_env = "A"', "database.password_env: only a database on a server has a password"),
    ('[database]\nurl = "postgresql://a:b@h/d"\npassword_env = "A"', "database: url has a password, too"),
    ('[database]\nurl = "postgresql://a@h/d"\npassword_env = "A"\npassword_file = "b"', "write one of password_env"),
    ('[database]\nurl = "postgresql://a@h/d"\npassword_secret = "a/b"', "password_secret: is no name of a secret"),
    ('[database]\nurl = "postgresql://a@h/d"\npassword_secret = "../a#b"', "write such as mts1b/brokers/alpaca#api_key"),
    ('[database]\nurl = "postgresql://a@h/d"\npassword_secret = "a/.b#c"', "is no name of a secret"),
    ('[database]\nurl = "postgresql://a@h/d"\npassword_secret = "a#b#c"', "is no name of a secret"),
    (f'{CLASS}[brokers.desk.secrets]\nkey = "S3cret"', r"brokers.desk.secrets.key: is no name of a secret"),
    (f'{CLASS}options = {{ secrets = 1 }}\n[brokers.desk.secrets]\nkey = "a#b"', "options.secrets is what the class is given"),
    (f'{CLASS}[brokers.desk.secrets]\na = "a-b#c"\nb = "a.b#c"', "would be in one variable, ORDERGATE_SECRET_A_B__C: rename"),
    ('[secrets]\norder = []', "secrets.order: write each provider once"),
    ('[secrets]\norder = ["files", "files"]', "secrets.order: write each provider once"),
    ('[secrets]\norder = ["keyring"]', "Invalid enum value"),
    ('[secrets]\norder = ["vault"]', "only Vault is to be asked: write secrets.vault.address too"),
    ('[secrets]\nrefresh_s = 0', ">= 1"),
    ('[secrets.vault]\nmount = "kv"', "secrets.vault.address: is missing"),
    (VAULT, "write one of token_env, token_file and role_id: Vault must know us"),
    (f'{VAULT}token_env = "A"\nrole_id = "b"', "write one of token_env, token_file and role_id"),
    (f'{VAULT}token_env = "A"\nsecret_id_env = "B"', "a secret id is of an AppRole: write role_id too"),
    (f'{VAULT}token_env = "A"\ntoken_file = "b"', "write one of token_env, token_file"),
    (f'{VAULT}token_env = "A"\nmount = "/kv"', "secrets.vault.mount: write the path of a mount"),
    (VAULT.replace("https", "http") + 'token_env = "A"', "only https leaves this machine"),
    (VAULT.replace("https", "ftp") + 'token_env = "A"', "is no URL with https"),
    (VAULT.replace("8200", "x") + 'token_env = "A"', "is no URL"),
    (VAULT.replace("vault.example", "u:S3cret@vault") + 'token_env = "A"', "holds more than an address"),
    (f'{VAULT}token_env = "S3cret!"', "token_env: is no name of a variable"),
    (f'{VAULT}token = "S3cret"', "unknown field"),
    ('[nats]\nservers = ["nats://h"]\ntoken_secret = "S3cret"', "token_secret: is no name of a secret"),
    ('[nats]\nservers = ["nats://h"]\ntoken_file = "a"\ncredentials_file = "b"', "one of credentials_file, a token, and"),
    ('[nats]\nservers = ["nats://h"]\nusername = "og"', "username and a password belong together"),
    ('[nats]\nservers = ["nats://h"]\npassword_env = "A"', "username and a password belong together"),
    ('[audit]\nkey_secret = "S3cret"', r"audit\.key_secret: is no name of a secret"),
    ('[audit]\nkey_secret = "a#b"\nkey_file = "c"', "audit: write one of key_file and key_secret"),
    ('[alerts]\nwebhook = "https://h/a"\nsecret = "S3cret"', "alerts.secret: is no name of a secret"),
    ('[kafka]\npassword_secret = "a#b"', "is not used with security 'plaintext'"),
], ids=lambda value: value if value.isidentifier() else "")  # fmt: skip
def test_what_cannot_be_is_refused_and_not_shown(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        _load(tmp_path, text)
    error: BaseException | None = refused.value
    assert "S3cret" not in "".join(traceback.format_exception(error))


def test_a_shard_names_the_password_of_its_own_database(tmp_path: Path) -> None:
    text = """
[shards.eu]
database = "postgresql://og@eu/orders"
password_secret = "db/eu#password"
[shards.us]
database = "postgresql://og@us/orders"
[funds.a]
shard = "eu"
broker = "e"
unlimited = true
[funds.b]
shard = "us"
broker = "u"
unlimited = true
[signals]
fund = "a"
[brokers.e]
[brokers.u]
"""
    found = _load(tmp_path, text)
    assert places_in(found) == [Place("shards.eu.password_secret", Kind.NAME, "db/eu#password")]
    assert places_in(found.shard("eu")) == [Place("database.password_secret", Kind.NAME, "db/eu#password")]
    assert places_in(found.shard("us")) == []
    with pytest.raises(ConfigError, match=r"shards\.eu\.password_secret: only a database on a server"):
        _load(tmp_path, text.replace("postgresql://og@eu/orders", "sqlite:///eu.db"))


def test_the_configuration_holds_no_secret(tmp_path: Path) -> None:
    """What is printed of it is what was written: names."""
    found = _load(tmp_path, f'{CLASS}[brokers.desk.secrets]\nkey = "a#b"')
    assert msgspec.to_builtins(found)["brokers"]["desk"]["secrets"] == {"key": "a#b"}
