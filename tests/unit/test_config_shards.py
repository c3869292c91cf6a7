"""Shards in the configuration: what follows from a name, and what cannot be."""

import pytest

from ordergate.config import ConfigError, load
from tests.services.sharded import TOML

GOOD = TOML.format(beta="us")


def loaded(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return load(path)


def test_a_shard_has_its_own_database_log_funds_and_brokers(tmp_path):
    config = loaded(tmp_path, '[audit]\norigin = "oms.example"\nkey_file = "key"\n' + GOOD)
    eu, us = config.shard("eu"), config.shard("us")
    assert (eu.database.url, us.database.url) == ("sqlite:///orders-eu.db", "sqlite:///orders-us.db")
    assert (eu.audit.origin, us.audit.origin) == ("oms.example/eu", "oms.example/us")
    assert eu.audit.key_file == us.audit.key_file == "key"
    assert (list(eu.funds), list(us.funds)) == (["alpha"], ["beta"])
    assert (list(eu.brokers), list(us.brokers)) == (["paper-eu"], ["paper-us"])
    assert not eu.shards


def test_what_a_shard_names_prevails(tmp_path):
    named = '[shards.eu]\ndatabase = "sqlite:////data/e.db"\norigin = "log.example/e"\nkey_file = "e.key"\n'
    eu = loaded(tmp_path, GOOD.replace("[shards.eu]\n", named)).shard("eu")
    assert eu.database.url == "sqlite:////data/e.db"
    assert (eu.audit.origin, eu.audit.key_file) == ("log.example/e", "e.key")


def test_without_shards_nothing_is_different(tmp_path):
    config = loaded(tmp_path, "")
    assert not config.shards
    with pytest.raises(ConfigError, match="'eu' is no shard; there are none"):
        config.shard("eu")


def test_a_broker_lies_where_its_funds_do(tmp_path):
    config = loaded(tmp_path, GOOD.replace('[brokers.paper-eu]\nshard = "eu"', "[brokers.paper-eu]"))
    assert list(config.shard("eu").brokers) == ["paper-eu"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('shard = "us"\nbroker = "paper-us"', 'broker = "paper-us"', "funds.beta.shard: is missing; there are eu, us"),
        ('shard = "us"\nbroker', 'shard = "asia"\nbroker', "funds.beta.shard: 'asia' is no shard; there are eu, us"),
        ("[shards.eu]\n[shards.us]\n", "", "'eu' is no shard; there are none"),
        ("[shards.us]", "[shards.US]", "shards.US: write a name of a-z"),
        ("[shards.us]", '[shards."u\\ns"]', r"shards.'u\\ns': write a name of a-z"),
        ("[shards.us]", '[shards.us]\ndatabase = "sqlite:///orders-eu.db"', "shards.us.database: is that of shards.eu"),
        (
            "[shards.us]",
            '[shards.us]\norigin = "ordergate.local/journal/eu"',
            "shards.us.origin: 'ordergate.local/journal/eu' is that of shards.eu",
        ),
        ("[shards.us]", '[shards.us]\ndatabase = ""', "shards.us.database: is empty: write sqlite:///PATH"),
        ("[shards.us]", '[shards.us]\norigin = "a b"', "shards.us.origin: 'a b' is no name of a log"),
        (
            '"sqlite:///orders.db"',
            '"postgresql://db/orders"',
            "shards.eu.database: is missing: only for SQLite does it follow",
        ),
        ('[brokers.paper-us]\nshard = "us"', '[brokers.paper-us]\nshard = "x"', "brokers.paper-us.shard: 'x' is no shard"),
        (
            '[brokers.paper-us]\nshard = "us"',
            '[brokers.paper-us]\nshard = "us"\n[brokers.spare]',
            "brokers.spare.shard: is missing, and no fund uses it",
        ),
        (
            'broker = "paper-us"',
            'broker = "paper-eu"',
            "brokers.paper-eu: fund beta lies in shard us, fund alpha in shard eu: a broker's account lies in one shard",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(tmp_path, old, new, told):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, GOOD.replace(old, new))
    assert told.replace(r"\\n", r"\n") in str(caught.value)
