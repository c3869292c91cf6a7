"""Errors as RFC 9457 problems, one shape for every status."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
import structlog
from msgspec import UNSET, Struct, UnsetType

from ordergate.domain.errors import (
    AuditError,
    Code,
    Conflict,
    Invalid,
    NotFound,
    OutcomeUnknown,
    Refused,
    StoreError,
)

MEDIA_TYPE: Final = b"application/problem+json"
RETRY_AFTER_S: Final = 1
_log = structlog.get_logger("ordergate.door")


class DoorCode(StrEnum):
    """Codes of the door itself, beside those of `ordergate.domain.errors.Code`."""

    NOT_JSON = "not_json"
    NOT_PROTOBUF = "not_protobuf"
    KEY_MISSING = "idempotency_key_missing"
    BAD_PARAMETER = "bad_parameter"
    BAD_PAGE_TOKEN = "bad_page_token"  # noqa: S105 - no password
    IF_MATCH_MISSING = "if_match_missing"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TOO_SLOW = "body_too_slow"
    FOREIGN_ORIGIN = "foreign_origin"
    FOREIGN_HOST = "foreign_host"
    NO_SUCH_RESOURCE = "no_such_resource"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_READY = "not_ready"
    TOO_MANY_STREAMS = "too_many_streams"
    STORE_UNAVAILABLE = "store_unavailable"
    JOURNAL_DAMAGED = "journal_damaged"
    OUTCOME_UNKNOWN = "outcome_unknown"
    NO_QUOTE = "no_quote"
    NO_LIMITS = "no_limits"
    INTERNAL_ERROR = "internal_error"


TITLES: Final = {
    400: "The request cannot be read",
    403: "Not from here",
    404: "There is no such thing",
    405: "Not with this method",
    408: "The request took too long",
    409: "It contradicts what is there",
    412: "It has changed since",
    413: "The request is too large",
    421: "Not under this name",
    422: "It cannot be done as asked",
    428: "A condition is needed",
    500: "A mistake of ordergate's own",
    503: "Not now",
}


class Detail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was wrong: `pointer` is a JSON Pointer into the body, `parameter` a parameter or header."""

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(Struct, frozen=True, kw_only=True):
    """The body of an error.

    Attributes:
        outcome: for orders: not_sent (nothing has left), rejected (the order is kept, and over), unknown.
        retry: never (the same content will be refused again), same_key (repeat it as it is).
        order_id: of the order that was kept.
        risk: what the gate said, where it was only asked.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    errors: tuple[Detail, ...] = ()
    outcome: str | UnsetType = UNSET
    retry: str | UnsetType = UNSET
    order_id: str | UnsetType = UNSET
    risk: dict[str, Any] | UnsetType = UNSET


class Failure(Exception):
    """A request that the door answers with a problem.

    Args:
        headers: that the answer has besides.
    """

    def __init__(self, problem: Problem, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(problem.detail)
        self.problem, self.headers = problem, headers


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: tuple[Detail, ...] = (),
    outcome: str | UnsetType = UNSET,
    retry: str | UnsetType = UNSET,
    order_id: str | UnsetType = UNSET,
    risk: dict[str, Any] | UnsetType = UNSET,
) -> Problem:
    """A problem of that status and code."""
    return Problem(
        type=f"urn:ordergate:problem:{code.lower()}",
        title=TITLES[status],
        status=status,
        detail=detail,
        code=code,
        errors=errors,
        outcome=outcome,
        retry=retry,
        order_id=order_id,
        risk=risk,
    )


def failure(status: int, code: str, detail: str, *, parameter: str | None = None) -> Failure:
    """What the door itself refuses, naming the parameter or header where it is about one."""
    if parameter is None:
        return Failure(problem(status, code, detail))
    errors = (Detail(code=code, detail=detail, parameter=parameter),)
    return Failure(problem(status, code, f"{parameter}: {detail}", errors=errors))


_STATUS_OF_CODE: Final = {
    Code.KEY_REUSED: 422,
    Code.ORDER_VERSION: 412,
    Code.LIMITS_VERSION: 412,
    Code.INBOX_FULL: 503,
}
HEADERS: Final = {"version": "If-Match"}
"""What the gate calls a field, and the header that it stands in."""
_STATUS_OF_KIND: Final = ((NotFound, 404), (Conflict, 409), (Invalid, 422))


def of_error(
    error: Exception,
    *,
    about_orders: bool,
    parameters: Collection[str] = (),
    headers: Mapping[str, str] = HEADERS,
) -> Problem:
    """The problem that an error is told as.

    Args:
        about_orders: whether an order may have been sent.
        parameters: of the request's path and query; what the gate says of a field of that name is about these.
        headers: in which a door has what the gate calls a field.
    """
    if isinstance(error, Failure):
        return _with_outcome(error.problem, about_orders=about_orders)
    if isinstance(error, Refused):
        return _of_refusal(error, about_orders=about_orders, parameters=parameters, headers=headers)
    outcome, retry = ("not_sent", "same_key") if about_orders else (UNSET, UNSET)
    if isinstance(error, StoreError):
        return problem(503, DoorCode.STORE_UNAVAILABLE, str(error), outcome=outcome, retry=retry)
    unknown = "unknown" if about_orders else UNSET
    if isinstance(error, OutcomeUnknown):
        detail = f"it may or may not have happened: {error}"
        return problem(503, DoorCode.OUTCOME_UNKNOWN, detail, outcome=unknown, retry=retry)
    if isinstance(error, AuditError):
        return problem(500, DoorCode.JOURNAL_DAMAGED, str(error), outcome=unknown, retry=retry)
    detail = "an unexpected error; the log of ordergate has it under the request id"
    return problem(500, DoorCode.INTERNAL_ERROR, detail, outcome=unknown, retry=retry)


def _with_outcome(given: Problem, *, about_orders: bool) -> Problem:
    if not about_orders or given.outcome is not UNSET:
        return given
    return msgspec.structs.replace(given, outcome="not_sent", retry="never")


def _place(error: Refused, pointer: str, parameters: Collection[str], headers: Mapping[str, str]) -> Detail:
    name = pointer.removeprefix("#/")
    parameter = headers.get(name) or (name if name in parameters else None)
    return Detail(
        code=error.code,
        detail=error.detail,
        pointer=pointer if parameter is None else None,
        parameter=parameter,
    )


def _of_refusal(
    error: Refused, *, about_orders: bool, parameters: Collection[str], headers: Mapping[str, str]
) -> Problem:
    status = _STATUS_OF_CODE.get(error.code) or next(
        (status for kind, status in _STATUS_OF_KIND if isinstance(error, kind)), 422
    )
    errors = (_place(error, error.pointer, parameters, headers),) if error.pointer else ()
    again = "same_key" if status == 503 else "never"
    outcome, retry = (error.outcome, again) if about_orders else (UNSET, UNSET)
    return problem(status, error.code, str(error), errors=errors, outcome=outcome, retry=retry)


def log_unexpected(error: Exception, request_id: str) -> None:
    """Writes down what the caller is not told."""
    _log.error("a request failed", request=request_id, exc_info=error)


_ENCODER: Final = msgspec.json.Encoder()


def encode(given: Problem, instance: str, request_id: str) -> bytes:
    """The body of a problem as answered to one request."""
    return _ENCODER.encode(msgspec.structs.replace(given, instance=instance, request_id=request_id))
