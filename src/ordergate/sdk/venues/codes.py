"""The error codes of failed handshakes, and what each means."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why an order failed; the text beside it says more."""

    ROUTING = "VIM-001"
    OPERATION = "VIM-002"
    NO_VENUE = "VIM-003"
    ATOMIC_GROUP = "VIM-006"
    EXECUTION = "VIM-007"
    CONTENT = "VIM-012"
    TIME_OVER = "EXEC-002"
    SYSTEM_FAILURE = "EXEC-004"
    NO_PRICE = "DATA-001"


MEANING = {
    ErrorCode.ROUTING: "something failed before the order was made",
    ErrorCode.OPERATION: "there is no such operation",
    ErrorCode.NO_VENUE: "no broker has that name, and no venue is known by it",
    ErrorCode.ATOMIC_GROUP: "another order of its group failed, so that this one was not sent",
    ErrorCode.EXECUTION: "the risk gate refused it, the venue rejected it, or it ended otherwise unexecuted",
    ErrorCode.CONTENT: "it can be no order: a field is wrong for that venue",
    ErrorCode.TIME_OVER: "the time of its batch was over, so that it was not sent",
    ErrorCode.SYSTEM_FAILURE: "an order before it could not be reconciled, so that it was not sent",
    ErrorCode.NO_PRICE: "the paper venue has no price for it, or the risk gate no price or rate",
}
