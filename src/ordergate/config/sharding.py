"""Which shard a fund and a broker lie in, and what tells two shards apart.

A broker's account has one owner, so it lies in one shard, with all funds that trade on it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from msgspec import Struct

from ordergate.config.errors import ConfigError
from ordergate.domain.risk.limits import Limits
from ordergate.domain.routing import Route

ORIGIN: Final = re.compile(r"[^\s+\x00-\x1f\x7f]+")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SQLITE: Final = "sqlite:///"
_MEMORY: Final = ("sqlite://", f"{_SQLITE}:memory:")


class ShardSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shard: a journal of its own. What it leaves out follows from `database`, `audit` and its name.

    `password_env`, `password_file` and `password_secret` say where its database's password is. `limits` are what its
    funds together may have of the firm's.
    """

    database: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    password_secret: str | None = None
    origin: str | None = None
    key_file: str | None = None
    key_secret: str | None = None
    limits: Limits | None = None


class _Fund(Protocol):
    @property
    def broker(self) -> str: ...

    @property
    def shard(self) -> str | None: ...

    @property
    def routes(self) -> tuple[Route, ...]: ...


class _Broker(Protocol):
    @property
    def shard(self) -> str | None: ...


class _Sharded(Protocol):
    """As much of a configuration as this is about."""

    @property
    def database(self) -> Any: ...

    @property
    def shards(self) -> Mapping[str, ShardSection]: ...

    @property
    def funds(self) -> Mapping[str, _Fund]: ...

    @property
    def brokers(self) -> Mapping[str, _Broker]: ...

    def shard(self, name: str) -> Any: ...


def url_of_shard(name: str, section: ShardSection, base: str) -> str:
    """As configured; else, for SQLite, a file beside that of `base` that has the shard's name in its own."""
    if section.database is not None or base in _MEMORY or not base.startswith(_SQLITE):
        return section.database or base
    path = Path(base.removeprefix(_SQLITE))
    return _SQLITE + str(path.with_name(f"{path.stem}-{name}{path.suffix}"))


def origin_of_shard(name: str, section: ShardSection, base: str) -> str:
    """The name of a shard's log: as configured; else that of `base` with the shard's name behind it."""
    return section.origin or f"{base}/{name}"


def origins_beside(name: str, shards: Mapping[str, ShardSection], base: str) -> tuple[str, ...]:
    """The names of the other shards' logs."""
    return tuple(origin_of_shard(other, one, base) for other, one in shards.items() if other != name)


def shard_of_broker(config: _Sharded, name: str) -> str | None:
    """The shard of a broker's account: the one that it names, else that of the funds that use it."""
    named = config.brokers[name].shard
    return named or next((fund.shard for fund in config.funds.values() if _uses(fund, name)), None)


def _uses(fund: _Fund, broker: str) -> bool:
    return fund.broker == broker or any(broker in route.brokers for route in fund.routes)


def check_shards(config: _Sharded, where: str) -> None:
    """Raises ConfigError unless every fund and broker lies in one shard, and no two shards have a log in common."""
    for name, section in config.shards.items():
        _check_shard(name, section, config, f"{where}shards.{name if name.isprintable() else repr(name)}")
    for fund, settings in config.funds.items():
        _check_named(settings.shard, config, f"{where}funds.{fund}.shard")
    for broker in config.brokers:
        _check_broker(broker, config, f"{where}brokers.{broker}")


def _check_shard(name: str, section: ShardSection, config: _Sharded, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: write a name of a-z, 0-9, - and _, such as eu")
    if section.database == "":
        raise ConfigError(
            f"{where}.database: is empty: write sqlite:///PATH or postgresql://..., or leave it out"
        )
    if section.database is None and not config.database.url.startswith("sqlite:"):
        raise ConfigError(f"{where}.database: is missing: only for SQLite does it follow from database.url")
    own = config.shard(name)
    if not ORIGIN.fullmatch(own.audit.origin):
        raise ConfigError(
            f"{where}.origin: {own.audit.origin!r} is no name of a log: write it without spaces and '+'"
        )
    for other in config.shards:
        if other == name:
            return
        _check_apart(own, config.shard(other), other, where)


def _check_apart(own: Any, others: Any, other: str, where: str) -> None:
    if own.audit.origin == others.audit.origin:
        raise ConfigError(
            f"{where}.origin: {own.audit.origin!r} is that of shards.{other}: every log has a name of its own"
        )
    if own.database.url == others.database.url and own.database.url not in _MEMORY:
        raise ConfigError(
            f"{where}.database: is that of shards.{other}: every shard has a database of its own"
        )


def _check_named(name: str | None, config: _Sharded, where: str) -> None:
    known = ", ".join(config.shards)
    if name is None and config.shards:
        raise ConfigError(f"{where}: is missing; there are {known}")
    if name is not None and name not in config.shards:
        raise ConfigError(f"{where}: {name!r} is no shard; there are {known or 'none'}")


def _check_broker(name: str, config: _Sharded, where: str) -> None:
    if config.brokers[name].shard is not None:
        _check_named(config.brokers[name].shard, config, f"{where}.shard")
    shard = shard_of_broker(config, name)
    if config.shards and shard is None:
        raise ConfigError(
            f"{where}.shard: is missing, and no fund uses it; there are {', '.join(config.shards)}"
        )
    users = [(fund, settings.shard) for fund, settings in config.funds.items() if _uses(settings, name)]
    for fund, other in users:
        if other != shard:
            owner = next((f"fund {f}" for f, s in users if s == shard), f"{where}.shard")
            raise ConfigError(
                f"{where}: fund {fund} lies in shard {other}, {owner} in shard {shard}: a broker's account lies in one "
                "shard, with all funds that use it"
            )
