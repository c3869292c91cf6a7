"""Signals that become orders."""

from ordergate.api.rest import problems
from ordergate.api.rest.call import Call, Reply, read_json
from ordergate.api.rest.door import Door
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
        raise _refused(result)
    return order_reply(result.order, replayed=result.replayed)


def _refused(result: SignalResult) -> Exception:
    """The refusal, which stands in the journal by now: whatever it was, the signal cannot be done."""
    refusal = result.refusal
    if refusal is None:
        return RuntimeError("a signal led to neither an order nor a refusal")
    told = problems.of_error(refusal, about_orders=True)
    return problems.Failure(
        problems.problem(422, told.code, told.detail, errors=told.errors, outcome=told.outcome, retry="never")
    )
