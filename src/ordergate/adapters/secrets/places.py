"""Secrets in variables of the environment and in files."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ordergate.application.ports.secrets import Found, Place, Secret, SecretError

PREFIX: Final = "ORDERGATE_SECRET_"
_LARGEST: Final = 65_536
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def variable_of(name: str) -> str:
    """The variable that holds a named secret: `a/b-c#d` is in ORDERGATE_SECRET_A__B_C__D."""
    upper = name.upper().replace("/", "__").replace("#", "__")
    return PREFIX + upper.replace("-", "_").replace(".", "_")


def file_of(folder: Path, name: str) -> Path:
    """The file that holds a named secret: `a/b#c` is in `a/b/c`."""
    return folder / name.replace("#", "/")


def from_variable(name: str) -> Found | None:
    """What a variable has, without white space around it; None where that is nothing."""
    value = os.environ.get(name, "").strip()
    return Found(value=Secret(value), provider="environment", where=name) if value else None


def from_file(path: Path, place: Place) -> Found:
    """What a file has, without white space around it.

    Raises:
        SecretError: it is not there, is empty or no text, or others than its owner can change it.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if os.name == "posix" and status.st_mode & _OTHERS_WRITE:
                raise SecretError(
                    f"{place.setting}: others than its owner can write {path}: chmod go-w {path}"
                )
            content = file.read(_LARGEST + 1)
        value = content.decode().strip()
    except UnicodeDecodeError:
        raise SecretError(f"{place.setting}: {path} cannot be read: it is no text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "that is no name of a file"
        raise SecretError(f"{place.setting}: {path} cannot be read: {reason}") from None
    if len(content) > _LARGEST:
        raise SecretError(f"{place.setting}: {path} has more than {_LARGEST} bytes: it is no secret")
    if not value:
        raise SecretError(f"{place.setting}: {path} is empty: put the secret there")
    return Found(
        value=Secret(value),
        provider="files",
        where=str(path),
        since=datetime.fromtimestamp(status.st_mtime, UTC),
        warning=_open_to_all(path, status),
    )


def _open_to_all(path: Path, status: os.stat_result) -> str | None:
    """What to mend where everybody on the machine can read a file; one in a closed folder nobody else can."""
    if os.name != "posix" or not status.st_mode & stat.S_IROTH:
        return None
    try:
        if any(not folder.stat().st_mode & stat.S_IXOTH for folder in path.absolute().parents):
            return None
    except OSError:  # a folder that we may not look at is not open to everybody
        return None
    return f"everybody on this machine can read {path}: chmod o-r {path}"
