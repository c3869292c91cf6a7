"""What each error code of MQL4 says of a call that trades; see the table in `docs/reference/mt4-bridge.md`."""

from typing import Final

REJECTED: Final = frozenset(
    {3, 5, 7, 8, 64, 65, 129, 130, 131, 132, 133, 134, 135, 136, 138, 139, 140, 141, 145, 147, 148, 149, 150}
)
LOCAL: Final = frozenset({146, 4051, 4062, 4063, 4105, 4106, 4107, 4108, 4109, 4110, 4111, 4112})


def outcome_of(code: int, op: str) -> tuple[str, str]:
    """State and why."""
    if code == 0 or (code == 1 and op == "modify"):
        return "done", ""
    if code in REJECTED:
        return "rejected", ""
    if code in LOCAL:
        return "not_sent", "local"
    return "unknown", ""
