"""The agent's configuration: one TOML file."""

from __future__ import annotations

import os
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import wire
from .link import Login


class Wrong(Exception):
    """The configuration cannot be used: what is wrong, and what would be right."""


@dataclass(frozen=True)
class Settings:
    """What the file says, with the secrets that it names."""

    login: Login
    module: str
    journal: Path
    retention_days: float
    deadline_s: float
    start_s: float
    host: str
    port: int
    key: str
    tls: ssl.SSLContext | None


_FIELDS: dict[str, tuple[type | tuple[type, ...], Any]] = {
    "path": (str, None),
    "login": (int, None),
    "password_env": (str, None),
    "server": (str, None),
    "portable": (bool, False),
    "module": (str, "MetaTrader5"),
    "journal": (str, "journal.db"),
    "retention_days": ((int, float), 90),
    "deadline_s": ((int, float), 20),
    "start_s": ((int, float), 60),
    "host": (str, "127.0.0.1"),
    "port": (int, 18_850),
    "key_env": (str, None),
    "key_file": (str, None),
    "certificate": (str, None),
    "certificate_key": (str, None),
}
"""Names, types and defaults."""
_WORDS: dict[Any, str] = {str: "text", int: "an integer", bool: "true or false", (int, float): "a number"}


def read(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Reads the file; paths in it are relative to it. Raises Wrong."""
    try:
        said = tomllib.loads(_text(path))
    except (OSError, ValueError) as error:
        raise Wrong(f"{path}: {error}") from error
    for name, value in said.items():
        _check(name, value)
    given = {name: said.get(name, default) for name, (_type, default) in _FIELDS.items()}
    key = _key(given, path.parent, environment)
    return Settings(
        login=Login(
            path=given["path"],
            login=given["login"],
            password=None if given["password_env"] is None else _variable(given, "password_env", environment),
            server=given["server"],
            portable=given["portable"],
        ),
        module=given["module"],
        journal=path.parent / given["journal"],
        retention_days=given["retention_days"],
        deadline_s=given["deadline_s"],
        start_s=given["start_s"],
        host=given["host"],
        port=given["port"],
        key=key,
        tls=_tls(given, path.parent),
    )


def _text(path: Path) -> str:
    """A file's; a byte order mark is none of it. Raises Wrong, and OSError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Wrong(f"{path} is not in UTF-8: write it so, which > of Windows PowerShell does not") from error


def _check(name: str, value: Any) -> None:
    if name not in _FIELDS:
        raise Wrong(f"{name} is unknown: must be one of {', '.join(_FIELDS)}")
    kind: Any = _FIELDS[name][0]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Wrong(f"{name} is {value!r}: must be {_WORDS[kind]}")
    if name == "port" and not 0 <= value <= 65_535:
        raise Wrong(f"port is {value}: must be 0 to 65535")
    if isinstance(kind, tuple) and not 0 < value < 1e6:
        raise Wrong(f"{name} is {value}: must be above 0 and below 1000000")


def _variable(given: dict[str, Any], name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(given[name])
    if not value:
        raise Wrong(f"{name} names the variable {given[name]!r}, which is not set")
    return value


def _key(given: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> str:
    if (given["key_env"] is None) == (given["key_file"] is None):
        raise Wrong("either key_env or key_file must say where the key is")
    try:
        if given["key_env"] is not None:
            key = _variable(given, "key_env", environment)
        else:
            key = _text(folder / given["key_file"]).strip()
        wire.checked_key(key)
    except OSError as error:
        raise Wrong(str(error)) from error
    except ValueError as error:
        raise Wrong(f"{given['key_file'] or given['key_env']}: {error}") from error
    return key


def _tls(given: dict[str, Any], folder: Path) -> ssl.SSLContext | None:
    if given["certificate"] is None and given["certificate_key"] is None:
        return None
    if given["certificate"] is None or given["certificate_key"] is None:
        raise Wrong("certificate and certificate_key belong together")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        made.load_cert_chain(folder / given["certificate"], folder / given["certificate_key"])
    except OSError as error:
        raise Wrong(f"certificate and certificate_key: {error}") from error
    return made
