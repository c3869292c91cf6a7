"""What the section of a broker at the Acme venue says."""

from msgspec import Struct


class AcmeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings.

    Attributes:
        host, port: where the venue is.
        deadline_ms: how long an answer may take before what became of the request counts as unknown.
    """

    host: str = "127.0.0.1"
    port: int
    deadline_ms: int = 5_000

    def __post_init__(self) -> None:
        if not 0 < self.port < 65_536:
            raise ValueError(f"port is {self.port}: it must be from 1 to 65535")
        if self.deadline_ms < 1:
            raise ValueError(f"deadline_ms is {self.deadline_ms}: it must be above 0")
