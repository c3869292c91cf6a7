"""How the configuration looks in answers, for the OpenAPI document alone."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ordergate.api.rest.schema_types import Instant
from ordergate.application.reloading import Outcome
from ordergate.domain.configuration import KeyClass


class ReloadRequest(BaseModel):
    """Nothing needs to be said."""

    model_config = ConfigDict(extra="forbid")


class ChangedKey(BaseModel):
    """A key that is another, or shall be; values are JSON, and secrets are hidden."""

    key: str
    key_class: KeyClass = Field(alias="class")
    old: str | None
    new: str | None


class PendingKey(ChangedKey):
    """A key that the sources say otherwise than what is in force."""

    reason: str = Field(description="Why it does not count yet.")


class Source(BaseModel):
    """Where a part of the configuration comes from."""

    name: str
    revision: str
    read_at: Instant
    age_s: float
    kept: bool = Field(description="It is what it said in an earlier run.")
    error: str | None = Field(description="Why the last try changed nothing.")


class Reload(BaseModel):
    """The last look at the sources that changed or refused something, or was the first to be well again."""

    at: Instant
    outcome: Outcome
    changed: list[ChangedKey]
    reason: str | None


class Configuration(BaseModel):
    """How the configuration stands."""

    in_force: dict[str, Any]
    sources: list[Source]
    pending: list[PendingKey]
    last_reload: Reload | None


_CHANGE: Final = {
    "key": "limits.funds.paper-momentum.max_order_qty",
    "class": "hot",
    "old": '"1000"',
    "new": '"500"',
}
CONFIGURATION: Final = {
    "in_force": {"signals": {"fund": "paper-momentum", "order_type": "market", "protect": "none"}},
    "sources": [
        {
            "name": "file",
            "revision": "2026-05-23T14:00:00+00:00",
            "read_at": "2026-05-23T14:00:00.100000Z",
            "age_s": 12.5,
            "kept": False,
            "error": None,
        }
    ],
    "pending": [
        {"key": "server.port", "class": "restart", "old": "8012", "new": "8013",
         "reason": "it counts after a restart"}
    ],
    "last_reload": {
        "at": "2026-05-23T14:00:00.100000Z", "outcome": "applied", "changed": [_CHANGE], "reason": None
    },
}  # fmt: skip
