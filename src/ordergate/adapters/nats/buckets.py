"""What stands in a bucket of keys and values."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nats.js import JetStreamContext


async def values_in(stream: "JetStreamContext", bucket: str) -> dict[str, bytes]:
    """The value of each key that is not deleted.

    The library's own list of keys watches them, and is empty where the first message has come and is not yet handled.
    Raises what the library raises.
    """
    from nats.js.errors import KeyNotFoundError

    prefix, found = f"$KV.{bucket}.", await stream.key_value(bucket)
    values: dict[str, bytes] = {}
    for subject in (await stream.stream_info(f"KV_{bucket}", subjects_filter=">")).state.subjects or ():
        key = subject.removeprefix(prefix)
        try:
            values[key] = (await found.get(key)).value or b""
        except KeyNotFoundError:
            continue  # it was deleted
    return values
