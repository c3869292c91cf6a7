"""The sources of the configuration, and how what they say becomes one."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ordergate.application.ports.configuration import ConfigSource, Snapshot, SourceError
from ordergate.config import Config, assembled
from ordergate.config.errors import ConfigError

__all__ = ["FILE_ALONE", "ConfigSource", "Snapshot", "SourceError", "merged", "whole"]

FILE_ALONE: Final = ("config", "hub", "server", "grpc", "database", "audit", "shards", "secrets")
"""Tables that count before other sources are asked: where those are, where the service listens and what it opens, and
who has the secrets that this takes."""


def merged(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One set of tables: a later one adds to the tables before it, and takes the place of any other value."""
    result: dict[str, Any] = {}
    for one in tables:
        result = _over(result, one)
    return result


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        known = result.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[key] = _over(known, value) if both else value  # type: ignore[arg-type]
    return result


def whole(snapshots: Mapping[str, Snapshot]) -> Config:
    """The configuration that sources say together, by their names; a later one over those before it.

    Raises:
        ConfigError: they say what cannot be; the text names the sources.
    """
    for name, snapshot in list(snapshots.items())[1:]:
        for table in FILE_ALONE:
            if table in snapshot.values:
                raise ConfigError(f"{name}: {table}: stands in the file alone")
    return assembled(merged(one.values for one in snapshots.values()), " with ".join(snapshots))
