"""What `ordergate doctor` checks of a database on a server."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ordergate import __version__
from ordergate.adapters.journals.location import locate
from ordergate.adapters.journals.schema import check_version
from ordergate.adapters.journals.stores import require_driver
from ordergate.adapters.journals.whole import check_whole
from ordergate.adapters.node import Node, read_node
from ordergate.application.ports.journal import Head
from ordergate.application.ports.leases import LEASE_S, PRESENCE, SEND_S
from ordergate.config import Config

if TYPE_CHECKING:
    from ordergate.adapters.journals.postgres.examining import Examined

_FAR: Final = timedelta(seconds=5)
_OFF: Final = timedelta(milliseconds=500)
_GONE: Final = timedelta(seconds=LEASE_S + SEND_S)

Check = Callable[[Config, str], tuple[str, str]]


def _database(_config: Config, url: str) -> tuple[str, str]:
    found, shown = _examined(url), locate(url).shown
    there = "no journal yet; the first node makes it"
    if found.schema is not None:
        check_version(found.schema, shown)
        check_whole(Head(found.size, found.checkpoint), shown)
        there = f"schema {found.schema}, {found.size} entries"
    said = f"{shown}: PostgreSQL {found.server}, {there}"
    if not found.writable:
        return (
            "warn",
            f"{said}; it takes no writes (a standby, or set to be read only): no node can start here",
        )
    if not found.may_add:
        return "warn", f"{said}; this user may not write entries: no node can start as it"
    return "ok", said


def _service(_config: Config, url: str) -> tuple[str, str]:
    held = _examined(url).held
    nodes = {one.node: read_node(one.detail) for one in held if one.age < _GONE}
    lost = [one for one in held if one.age >= _GONE and not one.name.startswith(PRESENCE)]
    served = "served by " + ", ".join(_told(name, node) for name, node in sorted(nodes.items()))
    if lost:
        left = "; ".join(
            f"{one.node} had {one.name} when it went without a word {one.age.total_seconds():.0f} s ago"
            for one in lost
        )
        return "warn", f"{served if nodes else 'nobody serves it'}: {left}, and nobody has taken it over"
    if not nodes:
        return "ok", "nobody serves it"
    versions = sorted({node.version for node in nodes.values() if node is not None} | {__version__})
    if len(versions) > 1:
        return (
            "warn",
            f"{served}: nodes and this program are of versions {', '.join(versions)}: bring all to one",
        )
    return "ok", served


def _told(name: str, node: Node | None) -> str:
    return name if node is None else f"{name} ({node.address or 'no address'}, {node.version})"


def _durability(_config: Config, url: str) -> tuple[str, str]:
    found = _examined(url)
    wrong = [
        name for name, on in (("fsync", found.fsync), ("full_page_writes", found.full_page_writes)) if not on
    ]
    if wrong:
        return "bad", f"{' and '.join(wrong)} of the server is off: what is committed may be lost; turn it on"
    return "ok", f"fsync and full_page_writes are on, synchronous_commit is {found.synchronous_commit}"


def _clock(_config: Config, url: str) -> tuple[str, str]:
    found = _examined(url)
    seconds = found.ahead.total_seconds()
    said = f"the server's clock is {abs(seconds):.3f} s {'ahead of' if seconds >= 0 else 'behind'} this machine's"
    if abs(found.ahead) > _FAR:
        return "bad", f"{said}: let both follow the same time servers"
    if abs(found.ahead) > _OFF + found.took / 2:
        return "warn", f"{said}: leases and entries tell different times"
    return "ok", said


def _examined(url: str) -> "Examined":
    require_driver()
    from ordergate.adapters.journals.postgres.examining import examine

    return asyncio.run(examine(url, locate(url).shown))


SERVER_CHECKS: Final[dict[str, Check]] = {
    "database": _database,
    "service": _service,
    "durability": _durability,
    "clock": _clock,
}
