"""Signals that become orders."""

from ordergate.api import problems
from ordergate.api.door import Door
from ordergate.api.orders import signal_refused
from ordergate.api.rest.call import Call, Reply, read_json
from ordergate.api.rest.orders import order_reply
from ordergate.application.decide.signaling import SignalResult
from ordergate.domain.signals import SubmitSignal, parse_signal


async def submit(door: Door, call: Call) -> Reply:
    """POST /v1/signals."""
    call.query(())
    text = await call.text()
    signal = parse_signal(read_json(text))
    result: SignalResult = await door.gate.execute(SubmitSignal(signal), call.origin(), text)
    if result.order is None:
        raise problems.Failure(signal_refused(result))
    return order_reply(result.order, replayed=result.replayed)
