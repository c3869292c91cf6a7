"""How a class is called."""

from typing import Any

from msgspec import Struct, field

_LONGEST_DEADLINE_MS = 25_000
LOOK_EVERY_MS = 1_000
"""Where nobody says otherwise."""


class SyncSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A class of somebody's own.

    Attributes:
        path: where the class is, `package.module:Class`; None where an instance is handed in.
        options: its keyword arguments.
        secrets: names of secrets, such as `mts1b/brokers/alpaca#api_key`, by what the class calls them; where there are
            some, its keyword argument `secrets` is a mapping that gives each one's present value.
        poll_ms: how long between two looks at what works; left out, as `fills.look_every_ms` says.
        deadline_ms: how long a call may take before what became of it counts as unknown; at most 25 s.
        grace_ms: how long a request without an answer may still turn up.
    """

    path: str | None = field(default=None, name="class")
    options: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    poll_ms: int | None = None
    deadline_ms: int = 10_000
    grace_ms: int = 30_000

    def __post_init__(self) -> None:
        for name, most in (("poll_ms", 3_600_000), ("deadline_ms", _LONGEST_DEADLINE_MS), ("grace_ms", None)):
            value: int | None = getattr(self, name)
            if value is not None and (value < 1 or (most is not None and value > most)):
                limit = "" if most is None else f", at most {most}"
                raise ValueError(f"{name} is {value}: it must be above 0{limit}")
