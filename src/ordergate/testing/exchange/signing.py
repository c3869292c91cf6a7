"""Who asks, and whether in time: the API key, the signature over exactly what was sent, timestamp and window."""

import hashlib
import hmac

from ordergate.testing.exchange.faults import Fault
from ordergate.testing.exchange.venue import Exchange, Refused

_AHEAD_MS = 1_000


def check_signed(exchange: Exchange, key: str, query: str, signature: str, given: dict[str, str]) -> str:
    """The key, where the request is signed with its secret and in time. Raises Refused."""
    if not key:
        raise Refused(-2014, "API-key format invalid.", 401)
    account = exchange.accounts.get(key)
    if account is None or Fault.STRANGER in exchange.faults:
        raise Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    right = hmac.new(account.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right, signature):
        raise Refused(-1022, "Signature for this request is not valid.")
    check_time(exchange, given)
    return key


def check_time(exchange: Exchange, given: dict[str, str]) -> None:
    """On arrival, and on spot again before matching. Raises Refused."""
    if not given.get("timestamp", "").isdecimal():
        raise Refused(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
    at, window, now = int(given["timestamp"]), int(given.get("recvWindow", "5000")), exchange.now()
    if window > 60_000:
        raise Refused(-1131, "recvWindow must be less than 60000.")
    if at >= now + _AHEAD_MS:
        raise Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - at > window:
        raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")
