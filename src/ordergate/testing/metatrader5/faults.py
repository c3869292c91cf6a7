"""What the simulated terminal lets go wrong."""

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field


class Fault(StrEnum):
    """Each has a value; where nothing else is said it concerns `order_send`.

    NONE_AFTER: done, and the call fails with this `last_error` code. NONE_BEFORE: the same, and nothing is done.
    RETCODE_AFTER: done, and answered with this return code and no tickets. REJECT: not done, this return code.
    LATE: accepted and answered with return code `retcode` (10008) and no deal; executed `after_ms` later (0: with the
    next quote or turn of the clock; None: when `release` says so).
    COMMENT: what the server stores: `{"cut": n}` characters of it, or `{"text": "..."}` in its place.
    HISTORY_LAG: orders and deals are in the history only this many seconds after they happened.
    DISCONNECTED: the terminal has no server: it shows what it last saw, requests get 10031.
    CLIENT_OFF: the AutoTrading button (10027). SERVER_OFF: the server allows no programs (10026).
    API_OFF: no trading through Python (-8). LOGIN_REFUSED: -6.
    CHECK: `order_check` answers with this return code.
    Of any calls, those named where it is injected (`order_send`), `when` "before" or "after" it is done:
    HANG: no answer for ever. CUT: the pipe is cut. GARBLED: an answer that is none (-10000). DIE: the terminal ends.
    SLOW: this many seconds pass. FAIL: the call gives None with this code; of the history, it is incomplete.
    """

    NONE_AFTER = "none_after"
    NONE_BEFORE = "none_before"
    RETCODE_AFTER = "retcode_after"
    REJECT = "reject"
    LATE = "late"
    COMMENT = "comment"
    HISTORY_LAG = "history_lag"
    DISCONNECTED = "disconnected"
    CLIENT_OFF = "client_off"
    SERVER_OFF = "server_off"
    API_OFF = "api_off"
    LOGIN_REFUSED = "login_refused"
    CHECK = "check"
    HANG = "hang"
    CUT = "cut"
    GARBLED = "garbled"
    DIE = "die"
    SLOW = "slow"
    FAIL = "fail"


FATES: Final = (Fault.HANG, Fault.CUT, Fault.GARBLED, Fault.DIE)


class Switch(Struct, kw_only=True):
    """One that is on. `left`: how many times more; None: until it is cleared. `calls` empty: any."""

    value: Any = True
    left: int | None = None
    calls: frozenset[str] = frozenset({"order_send"})
    when: str = "after"


class Faults(Struct):
    """Those that are on."""

    on: dict[Fault, Switch] = field(default_factory=dict)

    def inject(self, fault: Fault, switch: Switch) -> None:
        """From now on."""
        self.on[fault] = switch

    def clear(self, fault: Fault | None = None) -> None:
        """This one, or all, no more."""
        if fault is None:
            self.on.clear()
        else:
            self.on.pop(fault, None)

    def of(self, fault: Fault) -> Any:
        """Its value while it is on, else None. Is not counted."""
        switch = self.on.get(fault)
        return None if switch is None else switch.value

    def take(self, fault: Fault, call: str = "order_send", when: str = "") -> Any:
        """Its value, counted, where it is on for this call, at this point of it; else None."""
        switch = self.on.get(fault)
        if switch is None or (switch.calls and call not in switch.calls) or (when and when != switch.when):
            return None
        if switch.left is not None:
            switch.left -= 1
            if switch.left <= 0:
                del self.on[fault]
        return switch.value
