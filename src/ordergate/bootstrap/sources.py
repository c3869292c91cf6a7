"""The sources of a service's configuration, and how it starts while one of them cannot be used."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from ordergate.adapters.config.file import FileSource, written_at
from ordergate.adapters.config.hub import HubSource
from ordergate.adapters.config.kept import Kept, kept
from ordergate.adapters.config.kv import KvSource
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.configuration import ConfigSource, Snapshot, SourceError
from ordergate.application.reloading import SourceState
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.connecting import connection_of
from ordergate.bootstrap.hub import NEVER_SAID, hub_source
from ordergate.bootstrap.secrets import secrets_of
from ordergate.config import Config, load, tables_of
from ordergate.config.errors import ConfigError
from ordergate.config.sources import whole
from ordergate.config.sourcing import StartMode

_ANSWER_S: Final = 30.0
_log = structlog.get_logger("ordergate.config")


class Begun(Struct, frozen=True):
    """What a service starts with.

    Attributes:
        config: what all sources say together.
        sources: a later one over those before it.
        states: of each, what it said and when.
        place: beside which what they say is kept.
        secrets: those that lead to the sources.
    """

    config: Config
    sources: Sequence[ConfigSource]
    states: Mapping[str, tuple[Snapshot, SourceState]]
    place: Path | None
    secrets: Secrets


@asynccontextmanager
async def begun(path: Path | None, place: Path | None, clock: Clock) -> AsyncIterator[Begun]:
    """The sources, which are let go of at the end: the file, over it a hub, over that a key-value bucket.

    One that cannot be used is taken as it was kept, unless `config.mode` wants none of that.

    Raises:
        ConfigError: what the sources say cannot be, or one says nothing now and nothing of it is kept.
    """
    base = load(path)
    secrets = secrets_of(base)
    sources = _sources(path, base, secrets)
    try:
        states = await _states(path, sources, _Keeper(base, place), clock)
        config, states = _whole(states, _Keeper(base, place))
        yield Begun(config, sources, states, place, secrets)
    finally:
        for source in sources:
            await source.close()


def as_kept(path: Path | None, place: Path | None) -> Config:
    """The configuration for a command that asks no source: the file, and what was kept of the others.

    Raises:
        ConfigError: there are others, and nothing is kept; or what they say cannot be.
    """
    base = load(path)
    if path is None or not _others(base):
        return base
    found = {name: _Keeper(base, place).one(name, "it is not asked here").snapshot for name in _others(base)}
    return whole({"file": Snapshot(revision="", values=tables_of(path)), **found})


def _others(base: Config) -> list[str]:
    """The sources beside the file, by their names."""
    named = {"hub": base.hub.url, "kv": base.sources.kv_bucket}
    return [name for name, where in named.items() if where is not None]


def _sources(path: Path | None, base: Config, secrets: Secrets) -> list[ConfigSource]:
    sources: list[ConfigSource] = [] if path is None else [FileSource(path)]
    hub = hub_source(base, secrets)
    if hub is not None:
        sources.append(hub)
    bucket, key = base.sources.kv_bucket, base.sources.kv_key
    if bucket is not None and key is not None:
        sources.append(KvSource(connection_of(base.nats, secrets, "ordergate configuration"), bucket, key))
    return sources


class _Keeper:
    """Finds what was kept."""

    def __init__(self, base: Config, place: Path | None) -> None:
        self._mode, self._place = base.sources.mode, place

    def one(self, source: str, why: str) -> Kept:
        """What was kept of a source that says nothing. Raises ConfigError, beginning with why, where nothing was."""
        if self._mode is StartMode.FAIL_CLOSED:
            raise ConfigError(f'{why}; with config.mode = "fail_closed" nothing starts without it')
        found = None if self._place is None else kept(self._place, source)
        if found is None and source == HubSource.name:
            return NEVER_SAID
        if found is None:
            raise ConfigError(f"{why}; and nothing that {source} said earlier is kept beside the database")
        return found

    def state(self, source: str, why: str, now: datetime) -> tuple[Snapshot, SourceState]:
        """The same, as a source's state; said aloud, with its age."""
        found = self.one(source, why)
        if found is NEVER_SAID:
            _log.warning("the hub has said nothing yet: the defaults of its settings are in force", why=why)
            said = SourceState(name=source, revision=found.revision, read_at=now, kept=True, error=why)
            return found.snapshot, said
        age_s = int((now - found.kept_at).total_seconds())
        _log.warning(
            "the service starts with what a source said earlier", source=source, age_s=age_s, why=why
        )
        state = SourceState(name=source, revision=found.revision, read_at=found.kept_at, kept=True, error=why)
        return found.snapshot, state


async def _states(
    path: Path | None, sources: Sequence[ConfigSource], keeper: _Keeper, clock: Clock
) -> dict[str, tuple[Snapshot, SourceState]]:
    async def one(source: ConfigSource) -> tuple[Snapshot, SourceState]:
        try:
            if path is not None and isinstance(source, FileSource):
                found = Snapshot(revision=written_at(path), values=tables_of(path))
            else:
                async with asyncio.timeout(_ANSWER_S):
                    found = await source.fetch()
        except (SourceError, TimeoutError) as error:
            why = str(error) or f"{source.name} did not answer within {_ANSWER_S:.0f} s"
            return keeper.state(source.name, why, clock.now())
        return found, SourceState(name=source.name, revision=found.revision, read_at=clock.now())

    found = await asyncio.gather(*(one(source) for source in sources))
    return {source.name: state for source, state in zip(sources, found, strict=True)}


def _whole(
    states: dict[str, tuple[Snapshot, SourceState]], keeper: _Keeper
) -> tuple[Config, dict[str, tuple[Snapshot, SourceState]]]:
    """What they say together; where that cannot be, with what was kept of one of the others, else of all of them."""
    try:
        return _together(states, {}), states
    except ConfigError as error:
        wrong = error
    asked = [name for name, (_, state) in states.items() if name != "file" and not state.kept]
    if not asked:
        raise wrong
    config, spoiled = _spared(states, asked, keeper, str(wrong))
    earlier = {name: keeper.state(name, str(wrong), states[name][1].read_at) for name in spoiled}
    return config, {**states, **earlier}


def _spared(
    states: Mapping[str, tuple[Snapshot, SourceState]], asked: Sequence[str], keeper: _Keeper, why: str
) -> tuple[Config, Sequence[str]]:
    """What can be, and whose kept configuration it takes for that: the uppermost source's before that of one below."""
    for name in reversed(asked):
        try:
            return _together(states, {name: keeper.one(name, why)}), [name]
        except ConfigError:
            pass
    return _together(states, {name: keeper.one(name, why) for name in asked}), asked


def _together(states: Mapping[str, tuple[Snapshot, SourceState]], earlier: Mapping[str, Kept]) -> Config:
    said = {name: snapshot for name, (snapshot, _) in states.items()}
    return whole({**said, **{name: found.snapshot for name, found in earlier.items()}})
