"""The operational settings of a service, from a hub, from what is safe, or from defaults."""

from ordergate.sdk.config.client import ConfigClient

__all__ = ["ConfigClient"]
