"""Where secrets are: how every section names one, and the providers that have those with a name.

A setting `NAME` of a section is given in one of three ways: `NAME_env` is a variable of the environment, `NAME_file` a
file, `NAME_secret` a name such as `mts1b/brokers/alpaca#api_key` that the providers of `[secrets]` know. Where `NAME`
is `secret` itself the last is `secret`. None of them is the value.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from ordergate.adapters.secrets.places import variable_of
from ordergate.adapters.secrets.providers import ProviderName
from ordergate.adapters.secrets.vault import VaultTarget
from ordergate.application.ports.secrets import Kind, Place
from ordergate.config.errors import ConfigError

LEAST_SIGNING: Final = 16
"""Characters of a secret that signs."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART: Final = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_NAME: Final = re.compile(rf"{_PART}(?:/{_PART})*#{_PART}")
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
SUCH: Final = "mts1b/brokers/alpaca#api_key"


class VaultSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Vault or OpenBao: where it is, the key-value engine (version 2) at `mount`, and how we are let in.

    Either by a token, or by the AppRole `role_id`, at `role_mount`, with its secret id. `ca_file` has the certificates
    that its own is checked with, where it is none of the system's.
    """

    address: str | None = None
    mount: str = "secret"
    namespace: str | None = None
    ca_file: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    role_id: str | None = None
    role_mount: str = "approle"
    secret_id_env: str | None = None
    secret_id_file: str | None = None

    def target(self) -> VaultTarget | None:
        """Where Vault is; None where there is none."""
        if self.address is None:
            return None
        return VaultTarget(
            address=self.address,
            mount=self.mount,
            namespace=self.namespace,
            ca_file=self.ca_file,
            role_id=self.role_id,
            role_mount=self.role_mount,
        )

    def word(self) -> Place | None:
        """Where the token is, or the AppRole's secret id; None for a role that needs none."""
        return place_of(self, "secret_id" if self.role_id is not None else "token", "secrets.vault")


class SecretsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is asked for a secret that is given by its name, and how often they are read again.

    The first provider of `order` that has one counts. `environment` has `a/b#c` in the variable
    `ORDERGATE_SECRET_A__B__C`, `files` in the file `a/b/c` of `folder`, `vault` as the key `c` of `a/b`.
    """

    order: tuple[ProviderName, ...] = ("environment", "files", "vault")
    folder: str = "/run/secrets"
    refresh_s: Annotated[int, Meta(ge=1, le=86_400)] = 60
    vault: VaultSection = VaultSection()


def setting_of(field: str, kind: Kind) -> str:
    """The name of the setting: `token_env`, `token_file`, `token_secret`; of the field `secret`, `secret` alone."""
    return "secret" if kind is Kind.NAME and field == "secret" else f"{field}_{kind}"


def place_of(section: Any, field: str, where: str, least: int = 1) -> Place | None:
    """Where a section says that a secret of its is; None where it says nothing.

    Args:
        where: the section, such as `nats`.
        least: characters that it must have.
    """
    for kind in Kind:
        name = setting_of(field, kind)
        text = getattr(section, name, None)
        if text is not None:
            return Place(f"{where}.{name}", kind, text, least)
    return None


def check_secret(section: Any, field: str, where: str) -> None:
    """Raises ConfigError unless a secret is given in one way at most, and none is the value itself; shows no value."""
    names = {kind: setting_of(field, kind) for kind in Kind if hasattr(section, setting_of(field, kind))}
    given = [kind for kind, name in names.items() if getattr(section, name) is not None]
    if len(given) > 1:
        raise ConfigError(f"{where}: write one of {', '.join(names.values())}")
    for kind in given:
        text = getattr(section, names[kind])
        if kind is Kind.VARIABLE and not _VARIABLE.fullmatch(text):
            raise ConfigError(
                f"{where}.{names[kind]}: is no name of a variable; the secret itself does not go here"
            )
        if kind is Kind.NAME:
            check_name(text, f"{where}.{names[kind]}")


def check_name(text: str, where: str) -> None:
    """Raises ConfigError unless it can be the name of a secret; shows nothing of it."""
    if not _NAME.fullmatch(text):
        raise ConfigError(
            f"{where}: is no name of a secret: write such as {SUCH}; the secret itself does not go here"
        )


def check_secrets(section: SecretsSection, names: Mapping[str, str], where: str) -> None:
    """Raises ConfigError unless the providers can be as they are written, and no two names mean one variable.

    Args:
        names: of secrets, by the settings that name them.
    """
    if not section.order or len(set(section.order)) < len(section.order):
        raise ConfigError(f"{where}secrets.order: write each provider once, and one at least")
    if section.order == ("vault",) and section.vault.address is None:
        raise ConfigError(f"{where}secrets.order: only Vault is to be asked: write secrets.vault.address too")
    seen: dict[str, str] = {}
    for setting, name in names.items():
        other = seen.setdefault(variable_of(name), name)
        if "environment" in section.order and other != name:
            raise ConfigError(
                f"{where}{setting}: {name} and {other} would be in one variable, {variable_of(name)}: rename one"
            )
    _check_vault(section.vault, f"{where}secrets.vault")


def _check_vault(vault: VaultSection, where: str) -> None:
    check_secret(vault, "token", where)
    check_secret(vault, "secret_id", where)
    if vault.address is None:
        if vault != VaultSection():
            raise ConfigError(f"{where}.address: is missing: write such as https://vault.example:8200")
        return
    _check_address(vault.address, f"{where}.address")
    token = place_of(vault, "token", where)
    if (token is None) == (vault.role_id is None):
        raise ConfigError(f"{where}: write one of token_env, token_file and role_id: Vault must know us")
    if vault.role_id is None and place_of(vault, "secret_id", where) is not None:
        raise ConfigError(f"{where}: a secret id is of an AppRole: write role_id too")
    for name in ("mount", "role_mount"):
        if not re.fullmatch(rf"{_PART}(?:/{_PART})*", getattr(vault, name)):
            raise ConfigError(f"{where}.{name}: write the path of a mount, such as secret")


def _check_address(address: str, where: str) -> None:
    """Raises ConfigError unless it is an address without a password; shows nothing of it."""
    such = "write such as https://vault.example:8200"
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{where}: is no URL: {such}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"{where}: is no URL with https: {such}")
    if "@" in address or parts.query or parts.fragment:
        raise ConfigError(f"{where}: holds more than an address: {such}")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ConfigError(f"{where}: only https leaves this machine")
