"""What sources said last that was taken over: for a start at which they cannot be asked."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ordergate.adapters.files import write_private
from ordergate.application.ports.configuration import Snapshot


class Kept(Struct, frozen=True, kw_only=True):
    """One snapshot, and when it was taken over."""

    revision: str
    kept_at: datetime
    values: Mapping[str, Any]

    @property
    def snapshot(self) -> Snapshot:
        """As its source gave it."""
        return Snapshot(revision=self.revision, values=self.values)


def _path(place: Path, source: str) -> Path:
    return place.with_name(f"{place.name}.config-{source}")


def keep(place: Path, source: str, snapshot: Snapshot, now: datetime) -> None:
    """Writes it beside the database, for its owner alone.

    Raises:
        FilesError: it cannot be written.
    """
    plain = msgspec.to_builtins(snapshot.values, builtin_types=(Decimal,))
    kept = Kept(revision=snapshot.revision, kept_at=now, values=plain)
    write_private(_path(place, source), msgspec.json.encode(kept))


def kept(place: Path, source: str) -> Kept | None:
    """What was kept of a source; None where nothing was, or it cannot be read."""
    try:
        return msgspec.json.decode(_path(place, source).read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
