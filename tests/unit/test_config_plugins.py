"""Brokers whose adapters other distributions publish: found, checked, and told apart from ours by their errors."""

import asyncio
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import jsonschema_rs
import pytest
from msgspec import Struct

from ordergate.adapters.brokers.plugin import BrokerParts, BrokerPlugin
from ordergate.adapters.clock import SystemClock
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.brokers import Opening, make_broker
from ordergate.bootstrap.in_force import InForce
from ordergate.bootstrap.secrets import secrets_of
from ordergate.config import ConfigError, PluginBroker, load, schema
from ordergate.config.changing import compare, told_openly
from ordergate.config.secret_places import places_in
from ordergate.domain.configuration import HIDDEN

TOML = '[funds.paper-momentum]\nbroker = "mine"\n[brokers.mine]\nadapter = "acme"\n'


class Settings(Struct, frozen=True, kw_only=True):
    """As a plugin has them; it does not forbid what it does not know."""

    port: int
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.port == 0:
            raise ValueError("port is 0: it must be above 0")


made: list[BrokerParts] = []


def _make(parts: BrokerParts):
    made.append(parts)
    if parts.settings.port == 13:
        raise RuntimeError("this port is cursed")
    return SimpleNamespace(name=parts.name)


GOOD = BrokerPlugin(interface=1, settings=Settings, make=_make, secrets=("key",), about="the Acme venue")
LATER = BrokerPlugin(interface=2, settings=Settings, make=_make)
NONE = "no plugin"


class _Dist:
    def __init__(self, name: str) -> None:
        self.name, self.version = name, "0.3"


def publish(monkeypatch: pytest.MonkeyPatch, **named: str) -> None:
    """Entry points, each by the name of what it names here; the text before `__` is the adapter's."""
    points = []
    for name, value in named.items():
        point = EntryPoint(name.partition("__")[0], value, "ordergate.brokers")
        vars(point)["dist"] = _Dist(f"{name}-broker")
        points.append(point)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)


@pytest.fixture(autouse=True)
def _published(monkeypatch: pytest.MonkeyPatch) -> None:
    made.clear()
    publish(monkeypatch, acme=f"{__name__}:GOOD")


def loaded(folder: Path, rest: str):
    path = folder / "own.toml"
    path.write_text(TOML + rest)
    return load(path)


def test_its_keys_are_its_own(tmp_path: Path) -> None:
    config = loaded(tmp_path, 'port = 7500\nhosts = ["a"]\nkey_env = "ACME_KEY"\n')
    section = config.brokers["mine"]
    assert isinstance(section, PluginBroker)
    assert (section.plugin, section.shard) == ("acme", None)
    assert section.options == {"port": 7500, "hosts": ["a"], "key_env": "ACME_KEY"}
    (place,) = places_in(config)
    assert (place.setting, place.text) == ("brokers.mine.key_env", "ACME_KEY")


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("", "brokers.mine: Object missing required field `port`"),
        ('port = "x"\n', "brokers.mine.port: Expected `int`, got `str`"),
        ("port = 1\nhosts = [2]\n", "brokers.mine.hosts[0]: Expected `str`, got `int`"),
        (
            "port = 1\nurl = 2\n",
            "brokers.mine.url: is no key of adapter 'acme'; there are hosts, key_env, key_file,",
        ),
        ("port = 0\n", "brokers.mine: port is 0: it must be above 0"),
        ("port = 1\nkey_env = 5\n", "brokers.mine.key_env: is no text: write where the secret is"),
        ('port = 1\nkey_env = "a b"\n', "brokers.mine.key_env: is no name of a variable"),
        (
            'port = 1\nkey_env = "A"\nkey_file = "b"\n',
            "brokers.mine: write one of key_env, key_file, key_secret",
        ),
        ("port = 1\nshard = 5\n", "Expected `str | null`, got `int` - at `$.brokers.mine.shard`"),
    ],
)
def test_what_its_settings_do_not_take(tmp_path: Path, rest: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, rest)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({}, "'acme' is none of ours, and no installed distribution publishes it"),
        ({"other": f"{__name__}:GOOD"}, "`ordergate brokers list` shows what there is, such as 'other'"),
        ({"acme": "no.such.module:X"}, "'acme' of acme-broker 0.3 cannot be imported: ModuleNotFoundError"),
        ({"acme": f"{__name__}:GONE"}, "'acme' of acme-broker 0.3 cannot be imported: AttributeError"),
        ({"acme": f"{__name__}:NONE"}, "NONE is a str: the entry point must name a BrokerPlugin"),
        (
            {"acme": f"{__name__}:LATER"},
            "is written for version 2 of the interface, and this ordergate has version 1",
        ),
        (
            {"acme__a": f"{__name__}:GOOD", "acme__b": f"{__name__}:GOOD"},
            "'acme' is published by acme__a-broker 0.3 and acme__b-broker 0.3: uninstall all but one",
        ),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named, said: str) -> None:
    publish(monkeypatch, **named)
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, "port = 1\n")
    assert "brokers.mine.adapter: " in str(error.value)
    assert said in str(error.value)


def test_one_of_ours_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, paper="no.such.module:X")
    (tmp_path / "own.toml").write_text('[brokers.paper]\nadapter = "paper"\n')
    load(tmp_path / "own.toml")


def test_the_section_for_others_is_no_adapter(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[brokers.paper]\nadapter = "plugin"\nplugin = "acme"\noptions = {}\n')
    with pytest.raises(ConfigError, match="'plugin' is none of ours"):
        load(tmp_path / "own.toml")


def opening(config) -> Opening:
    return Opening(InForce(config), secrets_of(config), "sqlite:///here/own.db", SystemClock())


def test_what_it_is_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "sesame")
    config = loaded(tmp_path, 'port = 7500\nkey_env = "ACME_KEY"\n')
    assert make_broker(opening(config), "mine").name == "mine"
    (parts,) = made
    assert parts.settings == Settings(port=7500)
    assert parts.secrets["key"].reveal() == "sesame"
    assert parts.place == Path("here/own.db.mine").absolute()
    assert parts.catalogue("AAPL") is not None


def test_a_secret_that_is_not_named_is_missing(tmp_path: Path) -> None:
    make_broker(opening(loaded(tmp_path, "port = 7500\n")), "mine")
    assert "key" not in made[0].secrets


def test_a_maker_that_fails_is_named(tmp_path: Path) -> None:
    config = loaded(tmp_path, "port = 13\n")
    with pytest.raises(ConfigError) as error:
        make_broker(opening(config), "mine")
    said = "brokers.mine: 'acme' of acme-broker 0.3 makes no broker: RuntimeError: this port is cursed"
    assert str(error.value) == said


def test_its_options_are_shown_to_nobody(tmp_path: Path) -> None:
    before, after = loaded(tmp_path, "port = 7500\n"), loaded(tmp_path, "port = 7501\n")
    (change,) = compare(before, after)
    assert (change.told().key_class, change.told().old, change.told().new) == ("restart", HIDDEN, HIDDEN)
    told = told_openly(before)["brokers"]["mine"]
    assert told == {"adapter": "acme", "options": HIDDEN, "shard": None, "max_calls_per_s": None}


def test_the_schema_of_the_file_takes_it() -> None:
    validator = jsonschema_rs.validator_for(schema())
    validator.validate({"brokers": {"mine": {"adapter": "acme", "anything": [1]}}})
    validator.validate({"brokers": {"mine": {"adapter": "paper", "latency_ms": 5}}})
    for wrong in ({"adapter": "paper", "anything": 1}, {"adapter": "acme", "shard": 5}, {"adapter": 5}):
        assert not validator.is_valid({"brokers": {"mine": wrong}}), wrong


def test_secrets_are_read_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "sesame")
    config = loaded(tmp_path, 'port = 7500\nkey_env = "ACME_KEY"\n')
    opened = opening(config)
    make_broker(opened, "mine")
    monkeypatch.setenv("ACME_KEY", "other")
    asyncio.run(_refreshed(opened.secrets))
    assert made[0].secrets["key"].reveal() == "other"


async def _refreshed(secrets: Secrets) -> None:
    await secrets.refresh()
