"""How a request ended, from what the expert wrote of it: pure."""

from typing import Final

from ordergate.adapters.brokers.mt4.codes import TABLE, outcome_of, text_of
from ordergate.adapters.brokers.mt4.desk import DONE, NOT_SENT, REJECTED, is_dead
from ordergate.adapters.brokers.mt4.wire import Result
from ordergate.application.ports.brokers import Answer
from ordergate.domain.orders.reports import Outcome

_INVALID: Final = "invalid"
_LOCAL: Final = "local"
SILENT: Final = Answer(outcome=Outcome.UNKNOWN, reason="the expert has not told what became of it")


def outcome(result: Result) -> Outcome:
    """What a result proves. Its state is the expert's word; where its code proves less, that counts."""
    if result.state == DONE:
        return Outcome.ACCEPTED
    if result.state == REJECTED:
        return Outcome.REJECTED if outcome_of(result.code) is Outcome.REJECTED else Outcome.UNKNOWN
    if not is_dead(result):
        return Outcome.UNKNOWN
    if result.why == _INVALID:
        return Outcome.REJECTED
    if result.why == _LOCAL and outcome_of(result.code) is Outcome.REJECTED:
        return Outcome.REJECTED
    return Outcome.NOT_SENT


def reason(result: Result) -> str:
    """For people: what was said."""
    said = text_of(result.code) if result.code in TABLE and result.code else ""
    parts = [said or result.why or result.state]
    if result.text and result.text not in parts[0]:
        parts.append(result.text)
    return ": ".join(parts)


def answer(result: Result | None, broker_order_id: str | None = None) -> Answer:
    """The answer to a request with that result."""
    if result is None:
        return SILENT
    found = outcome(result)
    return Answer(
        outcome=found,
        broker_order_id=broker_order_id if found is Outcome.ACCEPTED else None,
        reason=None if found is Outcome.ACCEPTED else reason(result),
        raw=f"{result.state} {result.why} {result.code} {result.text} {result.ticket}",
    )


def is_not_done(result: Result | None) -> bool:
    """Whether it is proven that nothing was done."""
    return result is not None and (
        (result.state == NOT_SENT and is_dead(result)) or outcome(result) is Outcome.REJECTED
    )
