"""What `ordergate doctor` checks of NATS: whether an acknowledged message is safe, as far as that can be seen."""

import asyncio
from collections.abc import Callable
from typing import Final

from ordergate.adapters.brokers.bus import BusSettings
from ordergate.adapters.brokers.bus.settings import PUBLISHED, Way, subjects_of
from ordergate.adapters.nats import Connection
from ordergate.adapters.outlets.nats import ALERT_SUBJECTS, RETRY_S, bucket_subject, subjects
from ordergate.adapters.outlets.nats.examining import Examined, StreamFound, examine, synced
from ordergate.bootstrap.secrets import secrets_of
from ordergate.config import Config
from ordergate.protocols.subjects import DEAD

Check = Callable[[Config, str], tuple[str, str]]
_SAFE: Final = 3
"""Replicas of which one may be lost, with all that it had not written to its disk."""


def _server(config: Config, _url: str) -> tuple[str, str]:
    found, connection = _examined(config)
    said = f"{connection.shown}: nats-server {found.version}"
    if not found.jetstream:
        return "bad", f"{said} without JetStream: turn it on (nats-server --jetstream)"
    return "ok", f"{said} with JetStream"


def _streams(config: Config, _url: str) -> tuple[str, str]:
    found, _connection = _examined(config)
    if not found.streams:
        return "ok", "none yet; the first message makes it"
    bad = [f"{one.name}: {why}" for one in found.streams for why in _wrong(one)]
    odd = [f"{one.name}: {why}" for one in found.streams for why in _odd(one)]
    if bad or odd:
        return "bad" if bad else "warn", "; ".join(bad + odd)
    return "ok", ", ".join(
        f"{one.name}: on file, {one.replicas} replica{'s' if one.replicas > 1 else ''}, window {one.window_s:.0f} s"
        for one in found.streams
    )


def _wrong(stream: StreamFound) -> list[str]:
    said = []
    if not stream.on_file:
        said.append("it is kept in memory: a restart loses it; make it anew with file storage")
    if stream.batched:
        said.append("it acknowledges before it writes: set persist_mode to default")
    return said


def _odd(stream: StreamFound) -> list[str]:
    said = []
    if stream.published and stream.window_s < RETRY_S and not stream.name.startswith("KV_"):
        said.append(
            f"its duplicate window is {stream.window_s:.0f} s, and a message may come again after {RETRY_S:.0f} s: "
            "raise it; readers must count by id in any case"
        )
    if stream.drops is not None and not stream.name.startswith("KV_"):
        said.append(f"{stream.drops}: messages may be gone before they are read")
    return said


def _durability(config: Config, _url: str) -> tuple[str, str]:
    found, _connection = _examined(config)
    monitor = config.nats.monitor
    least = min((one.replicas for one in found.streams), default=config.nats.replicas)
    always = None if monitor is None else synced(monitor)
    if always:
        return (
            "ok",
            f"sync_interval is always, by {monitor}; a cluster's other servers each say so for themselves",
        )
    if always is None:
        why = "write nats.monitor" if monitor is None else f"{monitor} does not say"
        unseen = f"whether the server syncs before it acknowledges cannot be seen from here ({why})"
        if least >= _SAFE:
            return "ok", f"{least} replicas; {unseen}"
        return (
            "warn",
            f"{unseen}: set sync_interval: always in its jetstream section, or use {_SAFE} replicas",
        )
    if least >= _SAFE:
        return (
            "ok",
            f"{least} replicas; each syncs only now and then: all of them losing power at once loses messages",
        )
    said = (
        f"the server acknowledges before it syncs, and there are {least} replicas: a loss of power loses messages that "
        f"count as delivered; set sync_interval: always in its jetstream section, or use {_SAFE} replicas"
    )
    return "bad", said


def _examined(config: Config) -> tuple[Examined, Connection]:
    section = config.nats
    connection = Connection(section.servers, section.login(secrets_of(config)))
    wanted = subjects(section.dialects, fund_suffix=section.fund_suffix)
    if section.alerts:
        wanted += ALERT_SUBJECTS
    if section.positions_bucket is not None:
        wanted.append(bucket_subject(section.positions_bucket))

    async def main() -> Examined:
        try:
            return await examine(connection, wanted, _others(config))
        finally:
            await connection.close()

    return asyncio.run(main()), connection


def _others(config: Config) -> list[str]:
    """What comes in, what is sent to brokers, and where dead letters go, as far as it goes through streams."""
    from ordergate.api.nats import ordering, signals  # only here: other commands need not wait for it

    inputs = config.nats.inputs
    found = [*([signals.SUBJECT] if inputs.signals else []), *(ordering.SUBJECTS if inputs.commands else [])]
    for name, settings in config.brokers.items():
        if isinstance(settings, BusSettings):
            named = subjects_of(name, settings)
            found += [named.reports, named.raw_fills, *settings.subjects]
            if settings.sends is Way.PUBLISH:
                found.append(f"{PUBLISHED}.*")
    return [*found, f"{DEAD}.>"] if found else []


NATS_CHECKS: Final[dict[str, Check]] = {
    "nats": _server,
    "nats streams": _streams,
    "nats durability": _durability,
}
