"""Brokers through the door."""

from ordergate.api import brokers
from ordergate.api.door import Door
from ordergate.api.rest.call import Call, Reply, json_reply, read_fields
from ordergate.domain.identifiers import parse_name


async def list_brokers(door: Door, call: Call) -> Reply:
    """GET /v1/brokers."""
    call.query(())
    return json_reply(200, {"items": brokers.list_brokers(door.gate)})


async def reconnect(door: Door, call: Call) -> Reply:
    """POST /v1/brokers/{broker}/reconnect."""
    call.query(())
    read_fields(await call.text(), ())
    broker = parse_name(call.path["broker"], "#/broker")
    return json_reply(200, await brokers.reconnect(door.gate, broker))
