"""Where alerts go, beside the log."""

import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from ordergate.config.errors import ConfigError

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_ENVIRONMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class AlertsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook for alerts, and where the secret is that signs them: a variable of the environment, or a file."""

    webhook: str | None = None
    secret_env: str | None = None
    secret_file: str | None = None


def check_alerts(section: AlertsSection, where: str) -> None:
    """Raises ConfigError unless a webhook is https (or on this machine), and one place has its secret."""
    named = [name for name in ("secret_env", "secret_file") if getattr(section, name) is not None]
    if section.webhook is None:
        if named:
            raise ConfigError(f"{where}alerts.{named[0]}: signs nothing: write alerts.webhook too")
        return
    _check_url(section.webhook, f"{where}alerts.webhook")
    if len(named) != 1:
        raise ConfigError(
            f"{where}alerts: write one of secret_env and secret_file: who is told must know it is us"
        )
    if section.secret_env is not None and not _ENVIRONMENT.fullmatch(section.secret_env):
        raise ConfigError(
            f"{where}alerts.secret_env: is no name of a variable; the secret itself does not go here"
        )


def _check_url(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"{where}: is no URL: {error}") from error
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigError(f"{where}: write such as https://example.com/alerts")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ConfigError(f"{where}: only https leaves this machine")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{where}: holds a user or password: alerts are signed instead")
