"""What becomes of something that was taken in, where nobody waits for an answer: it cannot be used, or not now."""

from ordergate.api.problems import Failure
from ordergate.domain.errors import Code, OrdergateError, OutcomeUnknown, Refused, StoreError


class Dead(Exception):
    """It cannot be used, and why.

    Args:
        order_id: of the order that it is about, where there is one.
    """

    def __init__(self, code: str, reason: str, order_id: str | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.order_id = code, reason, order_id


class NotNow(Exception):
    """It cannot be done at present: it comes again."""


def judged(error: Exception) -> Dead | NotNow | None:
    """What an error means for what was taken in; None for one that nobody expects."""
    match error:
        case StoreError() | OutcomeUnknown():
            return NotNow(str(error))
        case Refused():
            full = error.code is Code.INBOX_FULL
            return NotNow(str(error)) if full else Dead(error.code, str(error))
        case Failure():
            return Dead(error.problem.code, error.problem.detail)
        case OrdergateError():
            return NotNow(str(error))
        case _:
            return None
