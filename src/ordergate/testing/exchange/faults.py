"""What the fake exchange lets go wrong, on requests and on user data streams."""

from enum import StrEnum

from msgspec import Struct


class Fault(StrEnum):
    """Of a request that trades, unless it says otherwise.

    DROP: done, and the connection closed without an answer. REFUSE: the connection is closed before anything is done.
    SERVER: done, and answered with HTTP 502 and a gateway's page. TIMEOUT: done, and answered with 504 and -1007.
    GATEWAY: done, and answered with 403 and a firewall's page. UNKNOWN_CODE: done, and answered with 400 and a code
    that no document has. GARBLED: done, and answered with what is no JSON. CUT: done, and the answer cut off.
    SLOW: done, and answered after `slow_s`. LATE: done after `slow_s`; on spot only where its time is not over by then.
    CROWDED: not done, 429 and -1015. POOR: a new order is refused for want of money.
    LIMITED: every request that is signed gets 429 and -1003. BANNED: every request gets 418.
    STRANGER: no key is known any more.
    HALF: lists of orders, positions and trades are answered with 503. BLIND: every question is that is signed.
    MUTE: events of the streams are lost. TWICE: each comes twice. REORDER: every other one after its successor.
    TORN: the next events are cut off in the middle.
    """

    DROP = "drop"
    REFUSE = "refuse"
    SERVER = "server"
    TIMEOUT = "timeout"
    GATEWAY = "gateway"
    UNKNOWN_CODE = "unknown_code"
    GARBLED = "garbled"
    CUT = "cut"
    SLOW = "slow"
    LATE = "late"
    CROWDED = "crowded"
    POOR = "poor"
    LIMITED = "limited"
    BANNED = "banned"
    STRANGER = "stranger"
    HALF = "half"
    BLIND = "blind"
    MUTE = "mute"
    TWICE = "twice"
    REORDER = "reorder"
    TORN = "torn"


class Faults(Struct):
    """Those that are on.

    Attributes:
        slow_s: how long SLOW and LATE wait.
        skew_ms: how far the exchange's clock is ahead of this machine's.
    """

    on: frozenset[Fault] = frozenset()
    slow_s: float = 8.0
    skew_ms: int = 0

    def __contains__(self, fault: Fault) -> bool:
        return fault in self.on

    def inject(self, *faults: Fault) -> None:
        """Exactly these from now on."""
        self.on = frozenset(faults)
