"""How the service is: alive, ready, and its figures."""

from ordergate.api import brokers
from ordergate.api.door import Door
from ordergate.api.metrics import MEDIA_TYPE
from ordergate.api.readiness import check_ready
from ordergate.api.rest.call import Call, Reply, json_reply


async def health(door: Door, call: Call) -> Reply:
    """GET /health."""
    call.query(())
    return json_reply(200, {"status": "alive", "instance": door.instance})


async def ready(door: Door, call: Call) -> Reply:
    """GET /ready."""
    call.query(())
    await check_ready(door)
    down = brokers.down(door.gate)
    return json_reply(200, {"status": "ready", **({"brokers_down": down} if down else {})})


async def metrics(door: Door, call: Call) -> Reply:
    """GET /metrics."""
    call.query(())
    return Reply(200, door.metrics.text(), (), MEDIA_TYPE)
