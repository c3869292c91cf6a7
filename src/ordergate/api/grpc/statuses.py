"""Errors as gRPC tells them: a status, and google.rpc details with the codes that every door has."""

from collections.abc import Mapping
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from msgspec import UNSET

from ordergate.api.problems import HEADERS, RETRY_AFTER_S, DoorCode, Problem
from ordergate.domain.errors import Code
from ordergate.domain.orders.decision import RiskCode

DOMAIN: Final = "ordergate"
DETAILS: Final = "grpc-status-details-bin"
STATUS_OF_HTTP: Final[Mapping[int, Any]] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.UNIMPLEMENTED,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    412: grpc.StatusCode.ABORTED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    421: grpc.StatusCode.PERMISSION_DENIED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    428: grpc.StatusCode.INVALID_ARGUMENT,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}
STATUS_OF_CODE: Final[Mapping[str, Any]] = {
    Code.KEY_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    Code.ORDER_ID_TAKEN: grpc.StatusCode.ALREADY_EXISTS,
    DoorCode.JOURNAL_DAMAGED: grpc.StatusCode.DATA_LOSS,
    DoorCode.TOO_MANY_STREAMS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    **dict.fromkeys(RiskCode, grpc.StatusCode.FAILED_PRECONDITION),
}
"""Codes whose status says more than that of their HTTP status; a refusal by the gate is nothing wrong with the text."""
_FIELDS: Final = {header: field for field, header in HEADERS.items()}
_LONGEST_MESSAGE: Final = 200
_LONGEST_TEXT: Final = 500
"""Characters: clients take 8 KiB of trailing metadata, all in all, percent-encoded and in base64."""
_MOST_VIOLATIONS: Final = 4


def status_of(told: Problem) -> Any:
    """The status of a problem."""
    if told.outcome == "rejected":
        return grpc.StatusCode.FAILED_PRECONDITION
    return STATUS_OF_CODE.get(told.code) or STATUS_OF_HTTP[told.status]


def message_of(told: Problem) -> str:
    """The words of a status."""
    return _short(told.detail, _LONGEST_MESSAGE)


def details_of(told: Problem, request_id: str) -> bytes:
    """The google.rpc.Status of a problem, as trailing metadata carries it."""
    about = {"outcome": told.outcome, "retry": told.retry, "order_id": told.order_id}
    metadata = {name: value for name, value in about.items() if isinstance(value, str)}
    info = ErrorInfo(reason=told.code, domain=DOMAIN, metadata={**metadata, "request_id": request_id})
    details = [info, *_violations(told), *_retry(told)]
    status = Status(
        code=status_of(told).value[0],
        message=_short(told.detail, _LONGEST_TEXT),
        details=map(_packed, details),
    )
    written: bytes = status.SerializeToString()
    return written


def field_of(pointer: str) -> str:
    """A JSON Pointer as gRPC names fields: `#/lots/0` is `lots[0]`."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("#/").split("/")]
    return parts[0] + "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts[1:])


def _violations(told: Problem) -> list[Any]:
    wrong = [
        BadRequest.FieldViolation(
            field=field_of(one.pointer)
            if one.pointer
            else _FIELDS.get(one.parameter or "", one.parameter or ""),
            description=_short(one.detail, _LONGEST_TEXT),
            reason=one.code,
        )
        for one in told.errors[:_MOST_VIOLATIONS]
    ]
    return [BadRequest(field_violations=wrong)] if wrong else []


def _retry(told: Problem) -> list[Any]:
    again = told.status == 503 or (told.retry is not UNSET and told.retry == "same_key")
    return [RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER_S))] if again else []


def _packed(detail: Any) -> Any:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"
