"""What there is of broker adapters: ours and those that others publish, installed or not, and who is configured."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from ordergate.adapters.brokers.paper.capabilities import CAPABILITIES as OF_PAPER
from ordergate.application.ports.brokers import Capabilities
from ordergate.application.ports.secrets import Kind, SecretError
from ordergate.bootstrap.brokers import Opening, make_broker
from ordergate.config import BusBroker, Config, ConfigError, PaperBroker, PluginBroker, SyncBroker
from ordergate.config.brokers import OURS
from ordergate.config.plugins import distribution_of, loaded, plugin_of, published
from ordergate.config.secrets import setting_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

NEEDS: Final = {"bus": ("nats", "nats"), "ccxt": ("ccxt", "ccxt"), "evm": ("evm", "web3")}
"""The extra that brings the library of an adapter of ours, and its module."""


class Adapter(Struct, frozen=True, kw_only=True):
    """An adapter.

    Attributes:
        source: ordergate, or the distribution that publishes it.
        installed: it can be used as it is.
        install: what to run where it cannot; None where that would not help.
        wrong: why what is installed cannot be used.
        brokers: the names of the brokers that are configured with it.
    """

    name: str
    about: str
    source: str
    installed: bool
    install: str | None
    wrong: str | None
    brokers: tuple[str, ...]


def adapter_of(section: Any) -> str:
    """What the file has as `adapter`."""
    if isinstance(section, PluginBroker):
        return section.plugin
    return str(type(section).__struct_config__.tag)


def adapters(config: Config) -> list[Adapter]:
    """All that there are: ours, then those of others by name."""
    used: dict[str, list[str]] = {}
    for name, section in config.brokers.items():
        used.setdefault(adapter_of(section), []).append(name)
    ours = [_ours(name, tuple(used.get(name, ()))) for name in OURS]
    theirs = [
        _published(point, tuple(used.get(name, ())) if name not in OURS else (), len(points))
        for name, points in sorted(published().items())
        for point in points
    ]
    return ours + theirs


def _ours(name: str, brokers: tuple[str, ...]) -> Adapter:
    extra, module = NEEDS.get(name, (None, None))
    installed = module is None or find_spec(module) is not None
    return Adapter(
        name=name,
        about=(OURS[name].__doc__ or "").partition("\n")[0],
        source="ordergate",
        installed=installed,
        install=None if installed else f'pip install "ordergate[{extra}]"',
        wrong=None,
        brokers=brokers,
    )


def _published(point: "EntryPoint", brokers: tuple[str, ...], count: int) -> Adapter:
    about, wrong = "", None
    try:
        about = loaded(point, "").about
    except ConfigError as error:
        wrong = str(error).removeprefix(".adapter: ")
    if point.name in OURS:
        wrong = f"{point.name!r} is an adapter of ordergate's own, which counts: it needs another name"
    elif count > 1:
        wrong = f"{count} distributions publish {point.name!r}: uninstall all but one"
    return Adapter(
        name=point.name,
        about=about,
        source=distribution_of(point),
        installed=wrong is None,
        install=None,
        wrong=wrong,
        brokers=brokers,
    )


def settings_schema(adapter: str) -> dict[str, Any]:
    """The JSON Schema of a broker's section with that adapter.

    Raises:
        ConfigError: there is none, or it cannot be used.
    """
    if adapter in OURS:
        return msgspec.json.schema(OURS[adapter])
    plugin = plugin_of(adapter, "brokers")
    schema = msgspec.json.schema(plugin.settings)
    whole: dict[str, Any] = schema["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    text = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    names = ["shard", *(setting_of(name, kind) for name in plugin.secrets for kind in Kind)]
    whole["properties"] = {
        "adapter": {"enum": [adapter]},
        **whole.get("properties", {}),
        **dict.fromkeys(names, text),
    }
    whole["required"] = ["adapter", *whole.get("required", ())]
    whole["additionalProperties"] = False
    return schema


def capabilities_of(opening: Opening, name: str) -> Capabilities | str:
    """What a configured broker can do, or why that cannot be told. Nothing is connected to.

    Raises:
        ConfigError: it cannot be as it is configured.
    """
    section = opening.in_force.config.brokers[name]
    if isinstance(section, PaperBroker):
        return OF_PAPER
    if isinstance(section, BusBroker):
        return section.capabilities()
    if isinstance(section, SyncBroker):
        return "as the class says, once it is made"
    if isinstance(section, PluginBroker):
        declared = plugin_of(section.plugin, f"brokers.{name}").capabilities
        if declared is not None:
            return declared
    try:
        return make_broker(opening, name).capabilities
    except SecretError as error:
        return str(error)


def declared_by(adapter: str) -> Capabilities | str:
    """What an adapter declares of every broker of its, or that there is no such thing. Raises as `settings_schema`."""
    if adapter in OURS:
        return OF_PAPER if OURS[adapter] is PaperBroker else "as it is configured"
    return plugin_of(adapter, "brokers").capabilities or "as it is configured"


def written(can: Capabilities | str) -> dict[str, Any] | str:
    """Capabilities as JSON, sets in the order of their names; or why they are not known."""
    if isinstance(can, str):
        return can
    values = {name: getattr(can, name) for name in can.__struct_fields__}
    return {
        name: sorted(map(str, value)) if isinstance(value, frozenset) else value
        for name, value in values.items()
    }
