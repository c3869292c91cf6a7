"""The configuration through the door."""

from ordergate.api import configuring
from ordergate.api.door import Door
from ordergate.api.rest.call import Call, Reply, json_reply, read_fields


async def show(door: Door, call: Call) -> Reply:
    """GET /v1/config."""
    call.query(())
    return json_reply(200, configuring.show(door))


async def reload(door: Door, call: Call) -> Reply:
    """POST /v1/config/reload."""
    call.query(())
    read_fields(await call.text(), ())
    return json_reply(200, await configuring.reload(door, call.origin()))
