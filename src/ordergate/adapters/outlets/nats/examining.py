"""What a NATS server says of itself and of the streams that we write and read: for `ordergate doctor`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from ordergate.adapters.nats import Connection, NatsError

if TYPE_CHECKING:
    from nats.aio.client import Client


class StreamFound(Struct, frozen=True, kw_only=True):
    """A stream as it is set.

    Attributes:
        published: we publish to it what happens; else it has what is meant for us, or dead letters.
        window_s: how long it knows a message's id again.
        batched: it acknowledges before a message is written (`persist_mode: async`).
        drops: it refuses or removes messages that nobody has read, by its `retention` or `discard`, as that says.
    """

    name: str
    published: bool
    on_file: bool
    replicas: int
    window_s: float
    batched: bool
    drops: str | None


class Examined(Struct, frozen=True, kw_only=True):
    """A server, and its streams.

    Attributes:
        streams: those of our subjects that are there; what is missing is made when it is needed.
    """

    version: str
    jetstream: bool
    streams: tuple[StreamFound, ...]


async def examine(connection: Connection, published: Sequence[str], others: Sequence[str] = ()) -> Examined:
    """Asks the server.

    Args:
        published: what we publish on.
        others: what is read, and where dead letters go.

    Raises:
        NatsError: it cannot be reached, or does not answer.
    """
    client = await connection.client()
    from nats.errors import Error

    try:
        return await _examined(client, published, others)
    except Error as error:
        raise NatsError(f"{connection.shown} does not say how it is set: {error!r}") from error


async def _examined(client: "Client", published: Sequence[str], others: Sequence[str]) -> Examined:
    from nats.js.errors import NotFoundError, ServiceUnavailableError

    said = client.connected_server_version
    version = f"{said.major}.{said.minor}.{said.patch}"
    manager = client.jsm()
    names: dict[str, bool] = {}
    try:
        await manager.account_info()
        for subject in (*others, *published):
            try:
                name = await manager.find_stream_name_by_subject(subject)
            except NotFoundError:
                continue
            names[name] = names.get(name, False) or subject in published
    except ServiceUnavailableError:
        return Examined(version=version, jetstream=False, streams=())
    streams = [await _stream(client, name, published=ours) for name, ours in sorted(names.items())]
    return Examined(version=version, jetstream=True, streams=tuple(streams))


async def _stream(client: "Client", name: str, *, published: bool) -> StreamFound:
    """As the server says it, for the library does not know all of it."""
    answer = await client.request(f"$JS.API.STREAM.INFO.{name}", b"", timeout=5)
    found: dict[str, Any] = msgspec.json.decode(answer.data)["config"]
    return StreamFound(
        name=name,
        published=published,
        on_file=found["storage"] == "file",
        replicas=found["num_replicas"],
        window_s=found.get("duplicate_window", 0) / 1e9,
        batched=found.get("persist_mode") == "async",
        drops=_drops(found, published=published),
    )


def _drops(found: dict[str, Any], *, published: bool) -> str | None:
    if found["retention"] != "limits" and (published or found["retention"] != "workqueue"):
        return f"retention is {found['retention']}"
    if name := next((k for k in ("max_msgs", "max_bytes") if found.get(k, -1) > 0), None):
        return f"{name} is {found[name]}, and discard {found['discard']}"
    return None


def synced(monitor: str) -> bool | None:
    """Whether a server writes through to the disk before it acknowledges; None where it does not say.

    Args:
        monitor: its monitoring address, such as http://127.0.0.1:8222.

    Raises:
        NatsError: it cannot be asked.
    """
    import httpx2

    try:
        answer = httpx2.get(f"{monitor.rstrip('/')}/varz", timeout=5, trust_env=False).raise_for_status()
        said = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise NatsError(
            f"the monitor {monitor} cannot be asked: {str(error) or type(error).__name__}"
        ) from None
    jetstream = said.get("jetstream", {}).get("config") if isinstance(said, dict) else None
    if not jetstream or "sync_interval" not in jetstream:
        return None
    return bool(jetstream.get("sync_always", False))
