"""How a request to a terminal ended: one table of its return codes, one of the package's errors.

A code is proof only where MetaQuotes' reference says that the request was refused. What the server, or the way to it,
says of itself (an error, a timeout, a lock, no connection) may have been said of a request that was carried out.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from ordergate.adapters.brokers.mt5.agent.port import ANSWERED, FAILED, NEVER_GIVEN, Record
from ordergate.application.ports.brokers import Answer
from ordergate.domain.orders.reports import Outcome


class Verdict(StrEnum):
    """DONE: carried out, as far as the server knows. TAKEN: it is at the server, or beyond. NOT_TAKEN: it is not, and
    the same may be tried again. NOTHING: there was nothing to do."""

    DONE = "done"
    TAKEN = "taken"
    NOTHING = "nothing"
    REFUSED = "refused"
    NOT_TAKEN = "not_taken"
    UNKNOWN = "unknown"


DONE, TAKEN, NOTHING = Verdict.DONE, Verdict.TAKEN, Verdict.NOTHING
REFUSED, NOT_TAKEN, UNKNOWN = Verdict.REFUSED, Verdict.NOT_TAKEN, Verdict.UNKNOWN

RETCODES: Final[Mapping[int, tuple[Verdict, str]]] = {
    0: (UNKNOWN, "no return code"),  # of order_check it is "done"; of order_send it says nothing
    10004: (REFUSED, "requote"),
    10006: (REFUSED, "rejected"),
    10007: (REFUSED, "canceled by the dealer"),
    10008: (TAKEN, "placed"),  # not necessarily executed
    10009: (DONE, "done"),
    10010: (DONE, "done in part"),
    10011: (UNKNOWN, "the server failed at it"),
    10012: (UNKNOWN, "timed out"),  # executions may come all the same
    10013: (REFUSED, "invalid request"),
    10014: (REFUSED, "invalid volume"),
    10015: (REFUSED, "invalid price"),
    10016: (REFUSED, "invalid stops"),
    10017: (REFUSED, "trading is disabled"),
    10018: (REFUSED, "the market is closed"),
    10019: (REFUSED, "Insufficient margin"),
    10020: (REFUSED, "the price changed"),
    10021: (REFUSED, "there are no prices"),
    10022: (REFUSED, "invalid expiration"),
    10023: (REFUSED, "the order changed meanwhile"),
    10024: (NOT_TAKEN, "too many requests"),
    10025: (NOTHING, "no changes"),
    10026: (REFUSED, "automated trading is disabled by the server"),
    10027: (REFUSED, "automated trading is disabled in the terminal"),
    10028: (UNKNOWN, "locked, it is being processed"),
    10029: (REFUSED, "frozen, so close to the market"),
    10030: (REFUSED, "invalid filling mode"),
    10031: (UNKNOWN, "no connection to the server"),
    10032: (REFUSED, "allowed for real accounts alone"),
    10033: (REFUSED, "the number of pending orders has reached its limit"),
    10034: (REFUSED, "the volume of orders and positions has reached its limit"),
    10035: (REFUSED, "invalid or prohibited type of order"),
    10036: (REFUSED, "the position is closed"),
    10038: (REFUSED, "more than the position's volume"),
    10039: (REFUSED, "an order that closes the position is there already"),
    10040: (REFUSED, "the number of positions has reached its limit"),
    10041: (REFUSED, "rejected and canceled"),
    10042: (REFUSED, "only long positions are allowed"),
    10043: (REFUSED, "only short positions are allowed"),
    10044: (REFUSED, "only closing is allowed"),
    10045: (REFUSED, "positions are closed first in, first out here"),
    10046: (REFUSED, "opposite positions are prohibited"),
}
"""Of order_send. A code that is not here is UNKNOWN."""

ERRORS: Final[Mapping[int, tuple[Verdict, str]]] = {
    -1: (UNKNOWN, "the terminal failed at it"),
    -2: (REFUSED, "invalid arguments"),  # the package looks at them before it sends
    -3: (UNKNOWN, "no memory"),
    -4: (UNKNOWN, "not found"),
    -5: (UNKNOWN, "invalid version"),
    -6: (NOT_TAKEN, "the terminal is not logged in"),
    -7: (REFUSED, "unsupported"),
    -8: (REFUSED, "automated trading through Python is disabled in the terminal"),
    -10000: (UNKNOWN, "the terminal's answer could not be read"),
    -10001: (UNKNOWN, "sending to the terminal failed"),
    -10002: (UNKNOWN, "no answer came from the terminal"),
    -10003: (NOT_TAKEN, "the terminal could not be begun with"),
    -10004: (NOT_TAKEN, "no connection to the terminal"),
    -10005: (UNKNOWN, "the terminal took too long"),
}
"""Of last_error(), where order_send returned nothing. A code that is not here is UNKNOWN."""

_OUTCOMES: Final = {
    DONE: Outcome.ACCEPTED,
    TAKEN: Outcome.ACCEPTED,
    NOTHING: Outcome.REJECTED,
    REFUSED: Outcome.REJECTED,
    NOT_TAKEN: Outcome.NOT_SENT,
    UNKNOWN: Outcome.UNKNOWN,
}
_TOO_MANY: Final = 10024
_PAUSE_S: Final = 1.0
NO_SERVER: Final = (10024, 10031, 10012, 10011, 10028)
"""Return codes of order_check that say nothing of the order."""


def verdict_of(record: Record) -> Verdict:
    """What a command's record says became of it. Pure."""
    if record.state in NEVER_GIVEN:
        return NOT_TAKEN
    if record.state == FAILED:
        code = None if record.error is None else record.error[0]
        return ERRORS.get(code or 0, (UNKNOWN, ""))[0]
    if record.state != ANSWERED or record.result is None:
        return UNKNOWN
    verdict = RETCODES.get(code_of(record.result), (UNKNOWN, ""))[0]
    dealt = verdict in (REFUSED, NOT_TAKEN, NOTHING) and record.result.get("deal")
    return UNKNOWN if dealt else verdict  # it says that it refused, and names a deal


def has_ended(record: Record) -> bool:
    """Whether the call came back: then nothing more is on its way from the terminal."""
    return record.state in (ANSWERED, FAILED)


def code_of(result: Mapping[str, Any]) -> int:
    """A result's return code; -1 where it has none."""
    code = result.get("retcode")
    return code if isinstance(code, int) else -1


def answer_of(record: Record) -> Answer:
    """The answer to a request whose record that is."""
    verdict, reason = verdict_of(record), reason_of(record)
    wait_s = None
    if record.result is not None and code_of(record.result) == _TOO_MANY:
        wait_s = _PAUSE_S
    taken = verdict in (DONE, TAKEN)
    return Answer(
        outcome=_OUTCOMES[verdict],
        broker_order_id=ticket_of(record) if taken else None,
        reason=None if taken else reason,
        raw=_raw(record),
        retry_after_s=wait_s,
    )


def ticket_of(record: Record) -> str | None:
    """The order's ticket, where the result names one."""
    ticket = (record.result or {}).get("order")
    return str(ticket) if isinstance(ticket, int) and ticket > 0 else None


def reason_of(record: Record) -> str:
    """For people: what was said, with its code."""
    if record.result is not None:
        return said_by(record.result)
    if record.error is not None:
        code, text = record.error
        known = ERRORS.get(code)
        return f"{text} ({code})" if known is None else f"{known[1]}: {text} ({code})"
    return f"the terminal never said what became of it ({record.state})"


def said_by(result: Mapping[str, Any]) -> str:
    """A result in words: ours, then the server's own."""
    code = code_of(result)
    known, theirs = RETCODES.get(code, (UNKNOWN, "an unknown return code"))[1], result.get("comment")
    return f"{known} ({code}{f': {theirs}' if theirs else ''})"


def _raw(record: Record) -> str | None:
    if record.result is None:
        return None if record.error is None else f"{record.error[0]}: {record.error[1]}"
    kept = {name: value for name, value in record.result.items() if name != "request"}
    return str(kept)
