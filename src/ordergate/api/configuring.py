"""The configuration as doors show it, and reloading it."""

from typing import Any, Final

import msgspec

from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, failure
from ordergate.application.entry import Origin
from ordergate.application.reloading import Outcome, Reload, Reloading, SourceState, Standing
from ordergate.domain.configuration import ChangedKey
from ordergate.domain.errors import Code, Conflict
from ordergate.domain.times import format_time

Shown = dict[str, Any]
_NO_SOURCES: Final = "this gate was opened without sources of a configuration: there is nothing to reload"


def reloading_of(door: Door) -> Reloading:
    """Who keeps the configuration. Raises Failure where a program has opened the gate with one of its own."""
    if door.reloading is None:
        raise failure(404, DoorCode.NO_SUCH_RESOURCE, _NO_SOURCES)
    return door.reloading


async def reload(door: Door, origin: Origin) -> Shown:
    """Reloads, and shows what it came to.

    Raises:
        Conflict: it was refused, or the store failed; what was in force stays.
    """
    done = await reloading_of(door).reload(origin)
    if done.outcome in (Outcome.REFUSED, Outcome.FAILED):
        raise Conflict(Code.CONFIGURATION, done.reason or done.outcome)
    return show(door)


def show(door: Door) -> Shown:
    """How the configuration stands."""
    standing = reloading_of(door).standing
    now = door.gate.clock.now()
    return {
        "in_force": msgspec.to_builtins(standing.in_force, str_keys=True),
        "sources": [
            _source(one, age_s=max((now - one.read_at).total_seconds(), 0.0)) for one in standing.sources
        ],
        "pending": [{**_change(one.change), "reason": one.reason} for one in standing.pending],
        "last_reload": _reload(standing),
    }


def _source(state: SourceState, age_s: float) -> Shown:
    return {
        "name": state.name,
        "revision": state.revision,
        "read_at": format_time(state.read_at),
        "age_s": round(age_s, 3),
        "kept": state.kept,
        "error": state.error,
    }


def _change(change: ChangedKey) -> Shown:
    return {"key": change.key, "class": change.key_class, "old": change.old, "new": change.new}


def _reload(standing: Standing) -> Shown | None:
    done: Reload | None = standing.last
    if done is None:
        return None
    return {
        "at": format_time(done.at),
        "outcome": done.outcome,
        "changed": [_change(one) for one in done.changed],
        "reason": done.reason,
    }
