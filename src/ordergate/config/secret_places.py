"""Every secret that a configuration names."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from ordergate.adapters.journals.location import on_server
from ordergate.application.ports.secrets import Kind, Place
from ordergate.config.brokers import AnyBroker, PluginBroker, SyncBroker
from ordergate.config.errors import ConfigError
from ordergate.config.plugins import places_of_plugin
from ordergate.config.secrets import LEAST_SIGNING, check_name, check_secret, check_secrets, place_of

FIELDS: Final = (
    ("nats", "token", 1),
    ("nats", "password", 1),
    ("nats.inputs", "hmac_key", LEAST_SIGNING),
    ("kafka", "password", 1),
    ("kafka", "key_password", 1),
    ("clickhouse", "password", 1),
    ("alerts", "secret", LEAST_SIGNING),
    ("database", "password", 1),
)
"""The settings of sections that there is one of, and how many characters each must have."""


def places_in(config: Any) -> list[Place]:
    """Where the secrets are that a configuration uses, those that Vault lets us in by not among them."""
    return [place for place in _places(config) if place is not None]


def audit_key_in(config: Any) -> Place | None:
    """Where the key is that signs the journal, where it has a name."""
    name = config.audit.key_secret
    return None if name is None else Place("audit.key_secret", Kind.NAME, name)


def _places(config: Any) -> Iterator[Place | None]:
    for where, field, least in FIELDS:
        section = config
        for part in where.split("."):
            section = getattr(section, part)
        yield place_of(section, field, where, least)
    yield audit_key_in(config)
    for name, shard in config.shards.items():
        if shard.key_secret is not None:
            yield Place(f"shards.{name}.key_secret", Kind.NAME, shard.key_secret)
        yield place_of(shard, "password", f"shards.{name}")
    for name, broker in config.brokers.items():
        yield from of_broker(name, broker).values()


def of_broker(name: str, section: AnyBroker) -> dict[str, Place]:
    """Where the secrets of a broker are, by what its adapter calls them."""
    where = f"brokers.{name}"
    if isinstance(section, SyncBroker):
        named = section.secrets.items()
        return {own: Place(f"{where}.secrets.{own}", Kind.NAME, text) for own, text in named}
    if isinstance(section, PluginBroker):
        return places_of_plugin(section.plugin, section.options, where)
    places = {own: place_of(section, own, where) for own in secrets_of(section)}
    return {own: place for own, place in places.items() if place is not None}


def secrets_of(section: AnyBroker) -> tuple[str, ...]:
    """What an adapter of ours calls its secrets: the `SECRETS` of its settings."""
    return getattr(type(section), "SECRETS", ())


def has_passwords(config: Any) -> bool:
    """Whether a database's password is named."""
    named = [place_of(section, "password", "") for section in (config.database, *config.shards.values())]
    return any(place is not None for place in named)


def check_places(config: Any, where: str) -> None:
    """Raises ConfigError unless each secret of databases and brokers, and each provider, can be as it is written."""
    _check_password(config.database, "url", f"{where}database")
    _check_key(config.audit, f"{where}audit")
    for name, shard in config.shards.items():
        _check_password(shard, "database", f"{where}shards.{name}")
        _check_key(shard, f"{where}shards.{name}")
    for name, broker in config.brokers.items():
        for own in secrets_of(broker):
            check_secret(broker, own, f"{where}brokers.{name}")
        if isinstance(broker, SyncBroker):
            for place in of_broker(name, broker).values():
                check_name(place.text, f"{where}{place.setting}")
            if broker.secrets and "secrets" in broker.options:
                raise ConfigError(
                    f"{where}brokers.{name}: options.secrets is what the class is given secrets as"
                )
    names = {place.setting: place.text for place in places_in(config) if place.kind is Kind.NAME}
    check_secrets(config.secrets, names, where)


def _check_password(section: Any, url: str, where: str) -> None:
    check_secret(section, "password", where)
    place = place_of(section, "password", where)
    named = getattr(section, url) or ""
    if place is None:
        return
    if not on_server(named):
        raise ConfigError(
            f"{place.setting}: only a database on a server has a password: write {where}.{url} too"
        )
    if _has_password(named):
        raise ConfigError(f"{where}: {url} has a password, too: leave it out there")


def _check_key(section: Any, where: str) -> None:
    if section.key_secret is None:
        return
    check_name(section.key_secret, f"{where}.key_secret")
    if section.key_file is not None:
        raise ConfigError(f"{where}: write one of key_file and key_secret")


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False
