"""Where alerts go, beside the log."""

from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from ordergate.config.errors import ConfigError
from ordergate.config.secrets import check_secret, place_of

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class AlertsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook for alerts, and where the secret is that signs them: a variable of the environment, a file, a name."""

    webhook: str | None = None
    secret_env: str | None = None
    secret_file: str | None = None
    secret: str | None = None


def check_alerts(section: AlertsSection, where: str) -> None:
    """Raises ConfigError unless a webhook is https (or on this machine), and one place has its secret."""
    check_secret(section, "secret", f"{where}alerts")
    place = place_of(section, "secret", "alerts")
    if section.webhook is None:
        if place is not None:
            raise ConfigError(f"{where}{place.setting}: signs nothing: write alerts.webhook too")
        return
    _check_url(section.webhook, f"{where}alerts.webhook")
    if place is None:
        raise ConfigError(
            f"{where}alerts: write one of secret_env, secret_file and secret: who is told must know it is us"
        )


def _check_url(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:  # its text may hold a password
        raise ConfigError(f"{where}: is no URL: write such as https://example.com/alerts") from None
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigError(f"{where}: write such as https://example.com/alerts")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ConfigError(f"{where}: only https leaves this machine")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{where}: holds a user or password: alerts are signed instead")
