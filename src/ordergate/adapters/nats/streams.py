"""Streams and consumers: taken as they are where they exist, and made where they do not.

A stream of ours, as its name says, gets the subjects that it lacks; what somebody else has made stays as it is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ordergate.adapters.nats.connection import NatsError
from ordergate.protocols.subjects import covers

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo

OURS: Final = "ORDERGATE_"
"""How the names of the streams begin that we make, as left out of the configuration."""
DAY_S: Final = 86_400
DUPLICATES_S: Final = 120
"""Within which the server knows a message id again."""


async def find_or_make(
    stream: "JetStreamContext", name: str, subjects: Sequence[str], *, max_age_s: int
) -> "StreamInfo":
    """The stream that keeps those subjects: of that name, else whichever does, else a new one, in files.

    Raises:
        NatsError: a stream of somebody's has some of them and not all; or the server cannot do it now.
    """
    found = await info(stream, name)
    if found is None:
        other = await _keeping(stream, subjects[0])
        found = None if other is None else await info(stream, other)
    if found is None:
        return await _make(stream, name, subjects, max_age_s)
    kept = found.config.subjects or []
    lacks = [subject for subject in subjects if not any(covers(pattern, subject) for pattern in kept)]
    if not lacks:
        return found
    if found.config.name == name and name.startswith(OURS):
        return await _widen(stream, found, lacks)
    raise NatsError(
        f"stream {found.config.name} keeps {', '.join(kept)} and not {lacks[0]}: let it keep all of "
        f"{', '.join(subjects)}"
    )


async def _widen(stream: "JetStreamContext", found: "StreamInfo", lacks: Sequence[str]) -> "StreamInfo":
    kept = found.config.subjects or []
    narrow = [pattern for pattern in kept if not any(covers(wider, pattern) for wider in lacks)]
    try:
        return await stream.update_stream(found.config.evolve(subjects=[*narrow, *lacks]))
    except Exception as error:
        why = f"stream {found.config.name} keeps {', '.join(kept)}, and {', '.join(lacks)} cannot be added"
        raise _failed(why, error) from error


async def info(stream: "JetStreamContext", name: str) -> "StreamInfo | None":
    """What the server says of a stream; None where it has none of that name.

    Raises:
        NatsError: it cannot be asked now.
    """
    from nats.js.errors import NotFoundError

    try:
        return await stream.stream_info(name)
    except NotFoundError:
        return None
    except Exception as error:
        raise _failed(f"stream {name} cannot be looked at", error) from error


async def _keeping(stream: "JetStreamContext", subject: str) -> str | None:
    from nats.js.errors import NotFoundError

    try:
        return await stream.find_stream_name_by_subject(subject)
    except NotFoundError:
        return None
    except Exception as error:
        raise _failed(f"the stream of {subject} cannot be looked for", error) from error


async def _make(
    stream: "JetStreamContext", name: str, subjects: Sequence[str], max_age_s: int
) -> "StreamInfo":
    from nats.js.api import StorageType, StreamConfig

    config = StreamConfig(
        name=name,
        subjects=list(subjects),
        storage=StorageType.FILE,
        max_age=max_age_s,
        duplicate_window=min(DUPLICATES_S, max_age_s),
    )
    try:
        return await stream.add_stream(config)
    except Exception as error:  # perhaps another node was faster
        found = await info(stream, name)
        if found is None:
            raise _failed(f"stream {name} cannot be made", error) from error
        return found


async def pull(stream: "JetStreamContext", name: str, config: Any) -> Any:
    """A pull subscription to a consumer of stream `name`, which is made where it is not there.

    Raises:
        NatsError: the server cannot do it now, or has another consumer of that name.
    """
    try:
        made = await stream.add_consumer(name, config)
        return await stream.pull_subscribe_bind(made.name, name)
    except Exception as error:
        raise _failed(f"no consumer of stream {name} can be had", error) from error


def _failed(what: str, error: Exception) -> NatsError:
    return NatsError(f"{what}: {str(error) or type(error).__name__}")
