"""Reconciliation through the door: comparisons on demand, and the breaks."""

from typing import Final

from ordergate.api import recon
from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, failure
from ordergate.api.rest.call import Call, Reply, json_reply, read_fields, read_json
from ordergate.api.shards import SHARD, only, shard_of
from ordergate.domain.errors import quoted
from ordergate.domain.identifiers import parse_name

_LIST: Final = ("all", "broker")


async def run(door: Door, call: Call) -> Reply:
    """POST /v1/recon/runs."""
    call.query(())
    broker = read_fields(await call.text(), ("broker",)).get("broker")
    named = None if broker is None else parse_name(broker, "#/broker")
    return json_reply(200, {"items": await recon.compare(door.gate, named)})


async def list_breaks(door: Door, call: Call) -> Reply:
    """GET /v1/recon/breaks."""
    given = call.query(_LIST)
    every, broker = given.get("all", ["false"])[0], given.get("broker", [None])[0]
    if every not in ("true", "false"):
        detail = f"{quoted(every)} is neither true nor false"
        raise failure(400, DoorCode.BAD_PARAMETER, detail, parameter="all")
    found = await recon.breaks(door.gate.lists.reader, every=every == "true", broker=broker)
    return json_reply(200, {"items": found})


async def show_break(door: Door, call: Call) -> Reply:
    """GET /v1/recon/breaks/{break_id}."""
    shard = shard_of(door, only(call.query((SHARD,))))
    item = await recon.break_of(shard.journal, call.path["break_id"])
    return json_reply(200, recon.show_break(item))


async def assign(door: Door, call: Call) -> Reply:
    """POST /v1/recon/breaks/{break_id}/assign."""
    shard = shard_of(door, only(call.query((SHARD,))))
    command = recon.parse_assign(call.path["break_id"], read_json(await call.text()))
    return json_reply(200, await recon.work_on(shard, command, call.origin()))


async def resolve(door: Door, call: Call) -> Reply:
    """POST /v1/recon/breaks/{break_id}/resolve."""
    shard = shard_of(door, only(call.query((SHARD,))))
    command = recon.parse_resolve(call.path["break_id"], read_json(await call.text()))
    return json_reply(200, await recon.work_on(shard, command, call.origin()))
