"""Where a database is, as its URL says."""

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from msgspec import Struct

from ordergate.domain.errors import StoreError

_FILE: Final = "sqlite:///"
_MEMORY: Final = ("sqlite://", "sqlite:///:memory:")
_SERVER: Final = ("postgresql://", "postgres://")
_SECRETS: Final = ("password", "sslpassword")
_UNCLEAR: Final = (
    "cannot be read as a URL: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, PORT a number, and in user and "
    "password %40 for @, %3A for :, %2F for /, %3F for ?, %23 for #"
)


class Location(Struct, frozen=True, kw_only=True):
    """Where a database is.

    Attributes:
        kind: `memory` ends with its process; a `file` has one writer; a `server` may have several.
        path: of the file, behind all links; None for the others.
        shown: how people are told; never with a password.
    """

    kind: Literal["memory", "file", "server"]
    path: Path | None
    shown: str


def locate(url: str) -> Location:
    """Where the database of a URL is.

    What stands beside a file is found by its name, the lock too: a file must have one name only.

    Raises:
        StoreError: no URL of a database that is known here, or no name that a file can have.
    """
    if url in _MEMORY:
        return Location(kind="memory", path=None, shown=url)
    if on_server(url):
        if _split(url) is None:
            raise StoreError(f"{_shown(url)} {_UNCLEAR}")
        return Location(kind="server", path=None, shown=_shown(url))
    if not url.startswith(_FILE) or not url.removeprefix(_FILE):
        raise StoreError(
            f"{safe_to_show(url)!r} is no database URL known here: write sqlite:///PATH or postgresql://USER@HOST/DATABASE"
        )
    written = Path(url.removeprefix(_FILE))
    try:
        path = written.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a ring are RuntimeError, a NUL ValueError
        raise _unusable(written, error) from error
    if stat.S_ISDIR(_mode(path)):
        raise StoreError(f"{path} is a folder: name a file in it")
    return Location(kind="file", path=path, shown=str(path))


def on_server(url: str) -> bool:
    """Whether a URL names a database on a server; says nothing of whether it can be used."""
    return url.startswith(_SERVER)


def path_of(url: str) -> Path | None:
    """The file of a database URL, behind all links; None for one in memory, and for one on a server.

    Raises:
        StoreError: as `locate`.
    """
    return locate(url).path


def place_beside(url: str) -> Path | None:
    """What files are named after that belong to a database and stand beside it, such as the signing key.

    Its own file, or for one on a server a file in the user's state folder, which the nodes of one machine share;
    None for one in memory.

    Raises:
        StoreError: as `locate`.
    """
    found = locate(url)
    if found.kind != "server":
        return found.path
    parts = urlsplit(found.shown)
    host = dict(parse_qsl(parts.query)).get("host") or parts.netloc.rpartition("@")[2]
    name = re.sub(r"[^A-Za-z0-9_-]", "_", parts.path.strip("/")) or "default"
    digest = hashlib.sha256(f"{host}/{parts.path.strip('/')}".encode()).hexdigest()[:12]
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "ordergate" / f"{name}-{digest}"


def safe_to_show(url: str) -> str:
    """The URL, without a password; nothing of what is none and may have one."""
    if url.startswith("sqlite:"):
        return url
    if "://" in url:
        return _shown(url)
    return "..." if "@" in url or "password" in url else url


def exists(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        StoreError: that cannot be told, as in a folder that may not be read.
    """
    return bool(_mode(path))


def _mode(path: Path) -> int:
    """The type and rights of what is there; 0 where nothing is."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> StoreError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return StoreError(f"{str(path)!r} cannot be used: {reason}; name another database with --db")


def secrets_in(url: str) -> tuple[str, ...]:
    """What of a URL nobody may be shown, as written and as meant."""
    try:
        parts = urlsplit(url)
        found = [parts.password or "", *(v for n, v in parse_qsl(parts.query) if n in _SECRETS)]
    except ValueError:
        found = []
    return tuple({secret for one in found for secret in (one, unquote(one)) if secret})


def _shown(url: str) -> str:
    """A URL without its passwords; little of one in which a password may stand anywhere."""
    scheme = url.partition("://")[0]
    parts = _split(url)
    if parts is None:
        return f"{scheme}://..."
    user, at, host = parts.netloc.rpartition("@")
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in _SECRETS]
    asked = f"?{urlencode(query, safe='/,:')}" if query else ""
    return f"{scheme}://{user.partition(':')[0]}{at}{host}{parts.path}{asked}"


def _split(url: str) -> SplitResult | None:
    """The parts of a URL; None where it does not say clearly who asks whom.

    Readers of URLs end a password at other characters than its owner, and tell the rest of it as a host or a port.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    user, _, hosts = parts.netloc.rpartition("@")
    ports = (host.rpartition("]")[2].partition(":")[2] for host in hosts.split(","))
    clear = (
        "@" not in user + parts.path + parts.query.partition("=")[0]
        and not parts.fragment
        and all(not port or (port.isascii() and port.isdigit()) for port in ports)
    )
    return parts if clear else None
