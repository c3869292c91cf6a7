"""Broker adapters that other distributions publish: found through entry points, their settings checked.

What goes wrong in one is an error of the configuration that names the distribution.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from ordergate.adapters.brokers.plugin import GROUP, INTERFACE, BrokerPlugin
from ordergate.application.ports.secrets import Kind, Place
from ordergate.config.errors import ConfigError
from ordergate.config.secrets import check_secret, place_of, setting_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def published() -> dict[str, list["EntryPoint"]]:
    """The entry points of brokers that are installed, by the adapter's name; two of a name are one too many."""
    from importlib.metadata import entry_points  # only here: most commands never need it

    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    return found


def distribution_of(point: "EntryPoint") -> str:
    """Which one has it, for people."""
    return "an unknown distribution" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def plugin_of(adapter: str, where: str) -> BrokerPlugin:
    """The plugin of that name.

    Args:
        where: the broker's section, for errors.

    Raises:
        ConfigError: there is none, or two, or what is there cannot be used.
    """
    points = published()
    named = points.get(adapter, [])
    if not named:
        others = "".join(f", {name!r}" for name in sorted(points))
        raise ConfigError(
            f"{where}.adapter: {adapter!r} is none of ours, and no installed distribution publishes it; "
            f"`ordergate brokers list` shows what there is{f', such as{others[1:]}' if others else ''}"
        )
    if len(named) > 1:
        both = " and ".join(distribution_of(point) for point in named)
        raise ConfigError(f"{where}.adapter: {adapter!r} is published by {both}: uninstall all but one")
    return loaded(named[0], where)


def loaded(point: "EntryPoint", where: str) -> BrokerPlugin:
    """What an entry point names. Raises ConfigError where that cannot be used."""
    said = f"{where}.adapter: {point.name!r} of {distribution_of(point)}"
    try:
        plugin = point.load()
    except Exception as error:
        raise ConfigError(f"{said} cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(plugin, BrokerPlugin):
        raise ConfigError(
            f"{said}: {point.value} is a {type(plugin).__name__}: the entry point must name a BrokerPlugin"
        )
    if plugin.interface != INTERFACE:
        raise ConfigError(
            f"{said} is written for version {plugin.interface} of the interface, and this ordergate has version "
            f"{INTERFACE}: install a release of it that fits"
        )
    return plugin


def checked_settings(adapter: str, options: Mapping[str, Any], where: str) -> Struct:
    """The section's keys as the plugin's own settings; its secrets are named in one way at most.

    Raises:
        ConfigError: the plugin cannot be used, or does not take them.
    """
    plugin = plugin_of(adapter, where)
    secret = {setting_of(name, kind) for name in plugin.secrets for kind in Kind}
    given = {key: value for key, value in options.items() if key not in secret}
    for key in sorted(secret & options.keys()):
        if not isinstance(options[key], str):
            raise ConfigError(f"{where}.{key}: is no text: write where the secret is")
    for name in plugin.secrets:
        check_secret(_section(plugin, options), name, where)
    known = plugin.settings.__struct_encode_fields__
    for key in given:
        if key not in known:
            names = ", ".join(sorted({*known, *secret})) or "none"
            raise ConfigError(f"{where}.{key}: is no key of adapter {adapter!r}; there are {names}")
    try:
        return msgspec.convert(given, plugin.settings, str_keys=True)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$")
        raise ConfigError(f"{where}{path.rstrip('`')}: {said}") from error


def places_of_plugin(adapter: str, options: Mapping[str, Any], where: str) -> dict[str, Place]:
    """Where the secrets of a plugin's broker are, by the plugin's own names. Raises as `plugin_of`."""
    plugin = plugin_of(adapter, where)
    section = _section(plugin, options)
    places = {name: place_of(section, name, where) for name in plugin.secrets}
    return {name: place for name, place in places.items() if place is not None}


def _section(plugin: BrokerPlugin, options: Mapping[str, Any]) -> SimpleNamespace:
    named = {setting_of(name, kind) for name in plugin.secrets for kind in Kind}
    return SimpleNamespace(**{key: options.get(key) for key in named})
