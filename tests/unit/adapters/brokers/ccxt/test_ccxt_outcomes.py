"""What became of a request: the table, and the evidence without which no row of it counts."""

import json

import pytest

from ordergate.adapters.brokers.ccxt.known import KNOWN, UNKNOWN
from ordergate.adapters.brokers.ccxt.outcomes import TABLE, Evidence, outcome_of, reason_of
from ordergate.domain.orders.reports import Outcome

errors = pytest.importorskip("ccxt.base.errors")
BINANCE = KNOWN["binance"]


def evidence(
    error: Exception | None, status: int | None = 400, body: object = None, left: bool = True
) -> Evidence:
    found = Evidence()
    found.left, found.status, found.told = left, status, error
    found.body = body if isinstance(body, str) else json.dumps(body or {"code": -1, "msg": "no"})
    return found


@pytest.mark.parametrize("name", TABLE)
def test_every_row_is_a_class_of_ccxt_and_counts_with_proof(name: str) -> None:
    error = getattr(errors, name)("no")
    assert outcome_of(error, evidence(error), UNKNOWN) is TABLE[name]


def test_only_these_are_rejections() -> None:
    assert {name for name, outcome in TABLE.items() if outcome is Outcome.REJECTED} == {
        "ArgumentsRequired",
        "AuthenticationError",
        "BadRequest",
        "InsufficientFunds",
        "InvalidOrder",
        "NotSupported",
        "OperationRejected",
    }


def test_what_ccxt_has_tomorrow_is_unknown() -> None:
    class Invented(Exception): ...

    error = Invented("?")
    assert outcome_of(error, evidence(error), BINANCE) is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [None, 500, 502, 503, 504, 302])
def test_no_answer_or_a_server_s_is_no_rejection(status: int | None) -> None:
    error = errors.InvalidOrder("no")
    assert outcome_of(error, evidence(error, status), BINANCE) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "body", ["", "<html>403</html>", '{"code": -1013, "msg": "Filter failure: LOT_S', "[]"]
)
def test_what_cannot_be_read_is_no_rejection(body: str) -> None:
    error = errors.InvalidOrder("LOT_SIZE")
    found = evidence(error)
    found.body = body
    assert outcome_of(error, found, BINANCE) is Outcome.UNKNOWN


def test_an_error_that_the_exchange_did_not_say_is_no_rejection() -> None:
    assert outcome_of(errors.InvalidOrder("while parsing"), evidence(None, 200), BINANCE) is Outcome.UNKNOWN
    assert outcome_of(errors.AuthenticationError("401"), evidence(None, 401), BINANCE) is Outcome.UNKNOWN


def test_what_never_left() -> None:
    error = errors.InvalidOrder("ccxt itself refuses")
    assert outcome_of(error, evidence(error, None, left=False), BINANCE) is Outcome.REJECTED
    for error in (errors.RequestTimeout("markets"), TimeoutError(), KeyError("x")):
        assert outcome_of(error, evidence(None, None, left=False), BINANCE) is Outcome.NOT_SENT


def test_no_connection_is_not_sent_and_a_broken_one_is_unknown() -> None:
    aiohttp = pytest.importorskip("aiohttp")
    unreachable = errors.ExchangeNotAvailable("POST")
    unreachable.__cause__ = aiohttp.ClientConnectorError(None, OSError("refused"))
    assert outcome_of(unreachable, evidence(None, None), BINANCE) is Outcome.NOT_SENT
    broken = errors.ExchangeNotAvailable("POST")
    broken.__cause__ = aiohttp.ServerDisconnectedError()
    assert outcome_of(broken, evidence(None, None), BINANCE) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "status", "code", "text", "right"),
    [
        ("InvalidOrder", 400, -2010, "Duplicate order sent.", Outcome.DUPLICATE),
        ("InvalidOrder", 400, -4116, "ClientOrderId is duplicated.", Outcome.DUPLICATE),
        ("InsufficientFunds", 400, -2010, "Account has insufficient balance", Outcome.REJECTED),
        ("BadRequest", 400, -1013, "Filter failure: LOT_SIZE", Outcome.REJECTED),
        ("InvalidNonce", 400, -1021, "outside of the recvWindow.", Outcome.NOT_SENT),
        ("DDoSProtection", 429, -1003, "Too much request weight", Outcome.NOT_SENT),
        ("RateLimitExceeded", 429, -1015, "Too many new orders", Outcome.NOT_SENT),
        ("DDoSProtection", 429, -9000, "slow down", Outcome.UNKNOWN),
        ("AuthenticationError", 401, -2015, "Invalid API-key", Outcome.REJECTED),
        ("RequestTimeout", 400, -1007, "execution status unknown", Outcome.UNKNOWN),
        ("OperationFailed", 400, -1006, "execution status unknown", Outcome.UNKNOWN),
        ("ExchangeError", 400, -9999, "nobody knows", Outcome.UNKNOWN),
    ],
)
def test_codes_of_binance(kind: str, status: int, code: int, text: str, right: Outcome) -> None:
    error = getattr(errors, kind)(text)
    assert outcome_of(error, evidence(error, status, {"code": code, "msg": text}), BINANCE) is right


def test_codes_of_binance_say_nothing_of_another_exchange() -> None:
    error = errors.InvalidNonce("x")
    assert outcome_of(error, evidence(error, 400, {"code": -1021}), UNKNOWN) is Outcome.UNKNOWN


def test_no_reason_shows_what_an_address_was_asked() -> None:
    said = errors.RequestTimeout(
        "binance GET https://api.binance.com/api/v3/account?apiKey=k&signature=abc 504"
    )
    assert reason_of(said) == "RequestTimeout: binance GET https://api.binance.com/api/v3/account 504"
    assert reason_of(KeyError("id")) == "KeyError: 'id'"
