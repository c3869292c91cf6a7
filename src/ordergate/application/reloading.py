"""What doors ask of whoever keeps the configuration, and are told."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from ordergate.application.entry import Origin
from ordergate.domain.configuration import ChangedKey


class Outcome(StrEnum):
    """What a reload came to. FAILED: the store could not take it. REFUSED and FAILED leave what was in force."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"


class PendingKey(Struct, frozen=True, kw_only=True):
    """A key that the sources say otherwise than what is in force, and why it does not count yet."""

    change: ChangedKey
    reason: str


class Reload(Struct, frozen=True, kw_only=True):
    """One reload.

    Attributes:
        changed: what is in force since.
        reason: why not, where it was refused or failed; it names the key.
    """

    at: datetime
    outcome: Outcome
    changed: tuple[ChangedKey, ...] = ()
    reason: str | None = None


class SourceState(Struct, frozen=True, kw_only=True):
    """How a source is.

    Attributes:
        revision: of what is in force of it; read_at: when the source said so last.
        kept: it is what the source said in an earlier run, for it cannot be asked.
        error: why the last try to read it, or to take it over, failed.
    """

    name: str
    revision: str
    read_at: datetime
    kept: bool = False
    error: str | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """How the configuration stands.

    Attributes:
        last: the last reload that changed or refused something, or was the first to be well again after that.
        in_force: in the shape of the file, without secrets.
    """

    in_force: Mapping[str, Any]
    sources: tuple[SourceState, ...]
    pending: tuple[PendingKey, ...]
    last: Reload | None


class Reloading(Protocol):
    """Keeps the configuration of a running service."""

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        ...

    @property
    def is_sound(self) -> bool:
        """Whether the last look could read all sources, and nothing was refused."""
        ...

    async def reload(self, origin: Origin) -> Reload:
        """Reads all sources, and takes over what they say, whole or not at all."""
        ...
