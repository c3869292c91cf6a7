"""`ordergate nodes`: which nodes a database has, and who owns what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ordergate.adapters.journals.database import busy
from ordergate.adapters.journals.door import read_door
from ordergate.adapters.journals.location import exists, locate
from ordergate.adapters.journals.schema import check_version
from ordergate.adapters.journals.stores import open_leases, version_at
from ordergate.adapters.node import read_node
from ordergate.application.ports.leases import PRESENCE, Held
from ordergate.cli import terminal as t
from ordergate.cli.places import Place, ShardName, places
from ordergate.domain.errors import StoreError
from ordergate.domain.times import format_time

_COLUMNS = ("node", "state", "host", "pid", "version", "address", "owns", "since", "seen")


def nodes(
    shard: ShardName = None, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False
) -> None:
    """Show which nodes a database has, and which of them owns which broker's session or outlet.

    Nodes that have been gone for a day are forgotten. A file has one process, or none.
    """

    async def main() -> None:
        found = [(at, await _found(at.url)) for at in places(db, t.read_config(config), shard)]
        if not as_json:
            for at, there in found:
                _show(at, there)
        elif found[0][0].shard is None:
            t.print_json(found[0][1])
        else:
            t.print_json([{"shard": at.shard, **there} for at, there in found])

    t.run(main, as_json=as_json)


async def _found(url: str) -> dict[str, Any]:
    return await _of_server(url) if locate(url).kind == "server" else _of_file(url)


def _show(at: Place, found: dict[str, Any]) -> None:
    where = locate(at.url)
    if where.kind != "server":
        t.out.print(f"{at.title}{where.shown}: {_told(found['nodes'])}", soft_wrap=True)
        return
    t.print_table(f"{at.title}Nodes", _COLUMNS, [_cells(node) for node in found["nodes"]])
    for duty in found["leases"]:
        if duty["node"] is None:
            said = f"nobody has {duty['lease']} now; the last to have it was seen at {duty['seen']}"
            t.say(f"{at.title}{said}", style="yellow")


def _told(nodes: Sequence[dict[str, Any]]) -> str:
    if not nodes:
        return "nobody has it"
    if "pid" not in nodes[0]:
        return "a process has it that does not serve it"
    return f"process {nodes[0]['pid']} serves it at {nodes[0]['address']}"


def _of_file(url: str) -> dict[str, Any]:
    path = locate(url).path
    if path is None or not exists(path):
        raise StoreError(f"there is no database at {path or url}: --db names another")
    door = read_door(path)
    said = {} if door is None else {"pid": door.pid, "address": door.url}
    return {"nodes": [{"node": None, "state": "alive", **said}] if busy(path) else [], "leases": []}


async def _of_server(url: str) -> dict[str, Any]:
    shown = locate(url).shown
    version = await version_at(url)
    if version is None:
        raise StoreError(f"there is no journal in {shown}: `ordergate migrate up` makes one")
    check_version(version, shown)
    leases = open_leases(url)
    try:
        held = await leases.all()
    finally:
        await leases.close()
    duties = [_duty(lease) for lease in held if not lease.name.startswith(PRESENCE)]
    return {"nodes": nodes_of(held), "leases": duties}


def nodes_of(held: Sequence[Held]) -> list[dict[str, Any]]:
    """Every node that the leases tell of: those that are alive first, each with what it owns."""
    owned: dict[str, list[Held]] = {}
    for lease in held:
        if lease.node is not None and not lease.name.startswith(PRESENCE):
            owned.setdefault(lease.node, []).append(lease)
    there = {lease.name.removeprefix(PRESENCE): lease for lease in held if lease.name.startswith(PRESENCE)}
    known = {**{name: leases[0] for name, leases in owned.items()}, **there}
    found = [_node(name, lease, owned.get(name, [])) for name, lease in known.items()]
    return sorted(found, key=lambda node: (node["state"], node["node"]))


def _node(name: str, lease: Held, owned: Sequence[Held]) -> dict[str, Any]:
    shown: dict[str, Any] = dict.fromkeys(_COLUMNS)
    said = read_node(lease.detail)
    if said is not None:
        shown |= {field: getattr(said, field) for field in ("host", "pid", "version", "address")}
        shown["since"] = _time(said.since)
    return shown | {
        "node": name,
        "state": "gone" if lease.node is None else "alive",
        "owns": [{"lease": one.name, "epoch": one.epoch} for one in owned],
        "seen": _time(lease.renewed_at),
    }


def _duty(lease: Held) -> dict[str, Any]:
    return {
        "lease": lease.name,
        "epoch": lease.epoch,
        "node": lease.node,
        "seen": _time(lease.renewed_at),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else format_time(at)


def _cells(node: dict[str, Any]) -> list[Any]:
    owns = ", ".join(f"{one['lease']} (epoch {one['epoch']})" for one in node["owns"])
    shown = {**node, "owns": owns, "since": t.second(node["since"] or ""), "seen": t.second(node["seen"])}
    return [shown[column] for column in _COLUMNS]
