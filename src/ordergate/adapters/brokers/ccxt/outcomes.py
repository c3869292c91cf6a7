"""How a call to an exchange ended: one table from ccxt's errors, and the evidence that a row of it needs.

An error of ccxt's is named after what it believes. It is proof only where the exchange itself has said so, in an
answer that can be read: HTTP 200 or 4xx with a JSON object in it, which ccxt's own table of the exchange's errors knew.
Everything else may have been done.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ordergate.adapters.brokers.ccxt.known import Known
from ordergate.domain.orders.reports import Outcome

TABLE: Final[Mapping[str, Outcome]] = {
    "DuplicateOrderId": Outcome.DUPLICATE,
    "OrderNotFound": Outcome.UNKNOWN,  # of a new order it says nothing
    "InvalidOrder": Outcome.REJECTED,
    "InsufficientFunds": Outcome.REJECTED,
    "BadRequest": Outcome.REJECTED,
    "ArgumentsRequired": Outcome.REJECTED,
    "AuthenticationError": Outcome.REJECTED,
    "OperationRejected": Outcome.REJECTED,
    "NotSupported": Outcome.REJECTED,
    "ExchangeClosedByUser": Outcome.NOT_SENT,
    "InvalidNonce": Outcome.UNKNOWN,  # NOT_SENT where the exchange's row has the code
    "DDoSProtection": Outcome.UNKNOWN,  # likewise, and so is what comes under it
    "RequestTimeout": Outcome.UNKNOWN,
    "ExchangeNotAvailable": Outcome.UNKNOWN,
    "NetworkError": Outcome.UNKNOWN,
    "BadResponse": Outcome.UNKNOWN,
    "OperationFailed": Outcome.UNKNOWN,
    "ExchangeError": Outcome.UNKNOWN,
}
"""By the name of the class; of an error's classes the most special one counts, and what is not here is UNKNOWN."""
_NOT_CONNECTED: Final = "ClientConnectorError"
_LONGEST: Final = 300
_ASKED: Final = re.compile(r"(?<=\S)\?[^\s\"']*=[^\s\"']*")


class SentTwice(Exception):
    """ccxt would send a request again that may have arrived."""


class Resting(Exception):
    """The exchange wants to be left alone: nothing was asked."""


class Rest:
    """For how long an exchange wants no more calls of this broker, over whatever connection: who goes on is banned."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def left_s(self) -> float:
        """What is left of it; 0 where it wants none."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    def want(self, seconds: float) -> None:
        """The exchange has just asked for it."""
        self._until = max(self._until, asyncio.get_running_loop().time() + seconds)

    def check(self) -> None:
        """Raises Resting while it lasts."""
        if (left := self.left_s) > 0:
            raise Resting(f"the exchange wants to be left alone for {left:.0f} s")


class Evidence:
    """What was seen of one call.

    Args:
        once: no request of it that changes something may leave twice.

    Attributes:
        left: a request that changes something was handed to the network.
        status, body: of the answer, as far as one came.
        told: the error that ccxt found in the answer by the exchange's own table.
        wanted_s: for how long the exchange wants no more calls; None where it limits nobody.
    """

    def __init__(self, *, once: bool = False) -> None:
        self.left = False
        self._once = once
        self._changes: set[str] = set()
        self.status: int | None = None
        self.body: str | None = None
        self.told: BaseException | None = None
        self.wanted_s: float | None = None

    def leaves(self, method: str, url: str) -> None:
        """Notes a request that is about to be handed to the network. Raises SentTwice."""
        if method == "GET":
            return
        change = f"{method} {url.partition('?')[0]}"
        if self._once and change in self._changes:
            raise SentTwice(f"{change} was sent before and is not sent again")
        self._changes.add(change)
        self.left = True

    @property
    def said(self) -> dict[str, Any] | None:
        """The JSON object of the answer; None where there is none."""
        try:
            said = json.loads(self.body or "")
        except ValueError:
            return None
        return said if isinstance(said, dict) else None

    @property
    def code(self) -> int | None:
        """The exchange's own code in it."""
        code = (self.said or {}).get("code")
        try:
            return None if code is None else int(code)
        except (ValueError, TypeError):
            return None


def outcome_of(error: BaseException, evidence: Evidence, known: Known) -> Outcome:
    """What became of a request that raised. Pure."""
    by_class = next((TABLE[name] for name in names_of(error) if name in TABLE), Outcome.UNKNOWN)
    if not evidence.left:
        return by_class if by_class is Outcome.REJECTED else Outcome.NOT_SENT
    if evidence.status is None and any(_NOT_CONNECTED in names_of(cause) for cause in _causes(error)):
        return Outcome.NOT_SENT  # there was no connection to send it over
    if not is_proof(error, evidence):
        return Outcome.UNKNOWN
    if is_duplicate(evidence, known):
        return Outcome.DUPLICATE
    if evidence.code in known.not_taken:
        return Outcome.NOT_SENT
    return by_class


def is_proof(error: BaseException, evidence: Evidence) -> bool:
    """Whether the exchange itself has said this error."""
    readable = evidence.status is not None and (evidence.status == 200 or 400 <= evidence.status < 500)
    return readable and evidence.told is error and evidence.said is not None


def is_duplicate(evidence: Evidence, known: Known) -> bool:
    """Whether it refuses the client id, as that of an order that works."""
    return evidence.code in known.duplicate or (evidence.said or {}).get("msg") in known.duplicate


def names_of(error: BaseException) -> tuple[str, ...]:
    """Of its class and those above it, the most special first."""
    return tuple(kind.__name__ for kind in type(error).__mro__)


def reason_of(error: BaseException) -> str:
    """For people: the kind of error, and what was said; without what an address was asked, which can hold a key."""
    text = _ASKED.sub("", " ".join(str(error).split()) or repr(error))
    return f"{type(error).__name__}: {text}"[:_LONGEST]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
