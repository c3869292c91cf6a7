"""The sources of the configuration, and how what they say becomes one."""

from ordergate.application.ports.configuration import ConfigSource, Snapshot, SourceError

__all__ = ["ConfigSource", "Snapshot", "SourceError"]
