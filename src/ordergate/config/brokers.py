"""Brokers as the file names them: a section for each adapter of ours, and one for those that others publish.

A section of an adapter of ours is its settings and the shard. One whose settings have secrets names them in `SECRETS`;
the section then says where each is, as every section does (see `ordergate.config.secrets`).
"""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from ordergate.adapters.brokers.bus import BusSettings
from ordergate.adapters.brokers.ccxt.settings import CcxtSettings
from ordergate.adapters.brokers.dwx import DwxSettings
from ordergate.adapters.brokers.evm import EvmSettings
from ordergate.adapters.brokers.mt4.settings import Mt4Settings
from ordergate.adapters.brokers.mt5.settings import Mt5Settings
from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.brokers.sync import SyncSettings
from ordergate.application.ports.secrets import Kind
from ordergate.config.errors import ConfigError
from ordergate.config.funds import checked
from ordergate.config.plugins import checked_settings
from ordergate.config.secrets import place_of, setting_of
from ordergate.domain.identifiers import parse_name
from ordergate.domain.money import parse_decimal

# A venue's file is DATABASE.NAME: these endings are those of other files there, and of a file's own companions.
_TAKEN: Final = re.compile(
    r"(?:.*[.-])?(?:audit-key|commands|db|door|journal|lock|shm|wal|worker)", re.IGNORECASE
)


CallsPerS = Annotated[int, Meta(ge=1, le=1_000)] | None
"""How many calls a second there may be at most; None is as many as the adapter declares."""
_OF_OURS: Final = ("shard", "max_calls_per_s")
"""Keys of every section, whatever its adapter."""


class PaperBroker(PaperSettings, frozen=True, kw_only=True, tag_field="adapter", tag="paper"):
    """A broker on the paper venue."""

    shard: str | None = None
    max_calls_per_s: CallsPerS = None


class SyncBroker(SyncSettings, frozen=True, kw_only=True, tag_field="adapter", tag="sync"):
    """A broker that is a class of somebody's own."""

    shard: str | None = None
    max_calls_per_s: CallsPerS = None


class BusBroker(BusSettings, frozen=True, kw_only=True, tag_field="adapter", tag="bus"):
    """A broker behind NATS."""

    shard: str | None = None
    max_calls_per_s: CallsPerS = None


class CcxtBroker(CcxtSettings, frozen=True, kw_only=True, tag_field="adapter", tag="ccxt"):
    """A wallet of an account at an exchange."""

    shard: str | None = None
    max_calls_per_s: CallsPerS = None


class EvmBroker(EvmSettings, frozen=True, kw_only=True, tag_field="adapter", tag="evm"):
    """A wallet on a chain of Ethereum's kind."""

    shard: str | None = None
    max_calls_per_s: CallsPerS = None


class DwxBroker(DwxSettings, frozen=True, kw_only=True, tag_field="adapter", tag="dwx"):
    """An account of MetaTrader 4 behind the older DWX files, echo-only: no reply names its order."""

    shard: str | None = None
    max_calls_per_s: CallsPerS = None


class Mt5Broker(Mt5Settings, frozen=True, kw_only=True, tag_field="adapter", tag="mt5"):
    """An account at a MetaTrader 5 broker."""

    shard: str | None = None
    max_calls_per_s: CallsPerS = None


class Mt4Broker(Mt4Settings, frozen=True, kw_only=True, tag_field="adapter", tag="mt4"):
    """An account in a MetaTrader 4 terminal."""

    shard: str | None = None
    max_calls_per_s: CallsPerS = None


class PluginBroker(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="adapter", tag="plugin"
):
    """A broker whose adapter another distribution publishes.

    Attributes:
        plugin: the adapter's name, which the file has as `adapter`.
        options: the section's other keys, as they stand there.
    """

    plugin: str
    options: dict[str, Any]
    shard: str | None = None
    max_calls_per_s: CallsPerS = None


AnyBroker = (
    PaperBroker
    | SyncBroker
    | BusBroker
    | CcxtBroker
    | EvmBroker
    | Mt5Broker
    | Mt4Broker
    | DwxBroker
    | PluginBroker
)
OURS: Final[dict[str, type[Struct]]] = {
    str(section.__struct_config__.tag): section
    for section in (
        PaperBroker,
        SyncBroker,
        BusBroker,
        CcxtBroker,
        EvmBroker,
        Mt5Broker,
        Mt4Broker,
        DwxBroker,
    )
}
"""The sections of the adapters that are built in, by what `adapter` says."""


def with_adapter(section: Any) -> Any:
    """A broker's table; one that names no adapter is a paper venue, one that names none of ours is another's."""
    if not isinstance(section, dict):
        return section
    adapter = section.get("adapter", "paper")
    if adapter in OURS or not isinstance(adapter, str):
        return {"adapter": adapter, **section}
    options = {key: value for key, value in section.items() if key not in ("adapter", *_OF_OURS)}
    ours = {key: section[key] for key in _OF_OURS if key in section}
    return {"adapter": "plugin", "plugin": adapter, "options": options, **ours}


def adapter_of(section: AnyBroker | None) -> str:
    """What a section says as `adapter`; None is a class that a program has handed over."""
    if isinstance(section, PluginBroker):
        return section.plugin
    return "sync" if section is None else str(type(section).__struct_config__.tag)


def check_broker_name(name: str, where: str) -> None:
    """Raises ConfigError unless a broker, and so a file, may have that name."""
    checked(parse_name, name, where)
    if "/" in name or _TAKEN.fullmatch(name):
        raise ConfigError(
            f"{where}: a broker's name is part of a file's name: write it without '/', and not with an end "
            "such as lock, audit-key, db, wal or shm"
        )


def check_broker(name: str, section: AnyBroker, where: str) -> None:
    """Raises ConfigError where a broker cannot be as it is written; `where` that is."""
    check_broker_name(name, where)
    if isinstance(section, SyncBroker) and section.path is None:
        raise ConfigError(f'{where}.class: is missing: write class = "package.module:Class"')
    if isinstance(section, CcxtBroker):
        for own in ("api_key", "secret"):
            _check_given(section, own, where, "who we are there")
    if isinstance(section, PluginBroker):
        checked_settings(section.plugin, section.options, where)
    if isinstance(section, EvmBroker):
        _check_wallet(section, where)
    if isinstance(section, Mt5Broker) and section.agent is not None:
        _check_given(section, "agent_key", where, "the key that the agent shares")
    if isinstance(section, PaperBroker):
        checked(parse_name, section.currency, f"{where}.currency")
        for key in ("cash", "slippage_bps", "fee_bps"):
            checked(parse_decimal, getattr(section, key), f"{where}.{key}")


def check_folders(brokers: Mapping[str, AnyBroker], where: str) -> None:
    """Raises ConfigError where two brokers give commands in one folder: neither could tell whose reply is whose."""
    owners: dict[str, str] = {}
    for name, section in brokers.items():
        if isinstance(section, DwxBroker):
            first = owners.setdefault(os.path.normpath(section.folder), name)
            if first != name:
                raise ConfigError(
                    f"{where}brokers.{name}.folder: is that of {first} too: nobody else may give commands there"
                )


def _check_given(section: AnyBroker, own: str, where: str, what: str) -> None:
    if place_of(section, own, where) is None:
        ways = ", ".join(setting_of(own, kind) for kind in Kind)
        raise ConfigError(f"{where}: {what} is missing: write one of {ways}")


def _check_wallet(section: EvmBroker, where: str) -> None:
    """The key is given in one way: itself, or a file and what opens that."""
    own, other = ("key", "password") if section.keystore is None else ("password", "key")
    if place_of(section, own, where) is None:
        what = "the wallet's private key" if own == "key" else "the password of its keystore"
        raise ConfigError(f"{where}: {own}_env, {own}_file or {own}_secret is missing: say where {what} is")
    if place_of(section, other, where) is not None:
        raise ConfigError(f"{where}: {other}_* is not used here: a key, or a keystore and its password")


def open_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of the file, in which a section whose adapter is none of ours may have any other keys."""
    definitions = schema["$defs"]
    definitions["PluginBroker"] = {
        "title": "PluginBroker",
        "description": "A broker whose adapter another distribution publishes: the other keys are its own.",
        "type": "object",
        "properties": {
            "adapter": {"type": "string", "not": {"enum": sorted(OURS)}},
            **{key: definitions["PluginBroker"]["properties"][key] for key in _OF_OURS},
        },
        "required": ["adapter"],
    }
    # A discriminator names every value there is: of adapters there are others.
    definitions["Config"]["properties"]["brokers"]["additionalProperties"].pop("discriminator")
    return schema
