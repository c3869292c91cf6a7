"""The hub that keeps configurations of many services, this one's among them."""

import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from ordergate.config.errors import ConfigError
from ordergate.config.operational import SERVICE

_SERVICE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


class HubSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the hub is, such as http://hub.example:7000, and the name that this service has there.

    What the hub says is in force before what this file says. Updates are heard on `nats.servers`, where there are some.
    """

    url: str | None = None
    service: str = SERVICE


def check_hub(section: HubSection, where: str) -> None:
    """Raises ConfigError unless the URL is one, and the name can be part of a path and a subject."""
    if section.url is not None:
        check_hub_url(section.url, f"{where}hub.url")
    check_service(section.service, f"{where}hub.service")


def check_hub_url(url: object, where: str) -> None:
    """Raises ConfigError unless it is http or https, with a host and no user, password, query or fragment."""
    such = f"{where}: is no URL of a hub: write such as http://hub.example:7000"
    if not isinstance(url, str) or not url.isprintable():
        raise ConfigError(such)
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(such) from None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ConfigError(such)
    if "@" in url:
        raise ConfigError(f"{where}: holds a user or password, which do not go here")


def check_service(service: object, where: str) -> None:
    """Raises ConfigError unless it is a name of letters, digits, '_' and '-'."""
    if not isinstance(service, str) or not _SERVICE.fullmatch(service):
        raise ConfigError(
            f"{where}: write a name of at most 100 letters, digits, '_' and '-', such as {SERVICE}"
        )
