"""One request as operations see it, and what they answer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from ordergate.api.problems import DoorCode, Failure, failure
from ordergate.application.entry import Origin
from ordergate.domain.errors import Invalid
from ordergate.domain.exact_json import parse_json
from ordergate.domain.orders.commands import check_fields

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

LARGEST_BODY: Final = 65_536
LARGEST_BATCH: Final = 1_048_576
SLOWEST_BODY_S: Final = 10
JSON: Final = b"application/json"
_BLANK: Final = " \t\n\r"
"""What JSON calls whitespace."""
_ENCODER: Final = msgspec.json.Encoder()


class Reply(Struct, frozen=True):
    """An answer, ready to be sent."""

    status: int
    body: bytes
    headers: Headers = ()
    media_type: bytes = JSON


def json_reply(status: int, document: Any, headers: Headers = ()) -> Reply:
    """An answer with a JSON document."""
    return Reply(status, _ENCODER.encode(document), headers)


class Gone(Exception):
    """The client went away while its request was read."""


class Call:
    """One request.

    Attributes:
        headers: lower-case names; of several of one name, the last.
        path: what the route's path took out of the URL, by name.
        principal: as whom the door knows the caller.
        request_id: as given by the caller, or made.
    """

    __slots__ = ("_receive", "headers", "path", "principal", "request_id", "scope")

    def __init__(
        self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes], principal: str, request_id: str
    ) -> None:
        self.scope, self._receive, self.headers = scope, receive, headers
        self.path: Mapping[str, str] = scope.get("path_params", {})
        self.principal, self.request_id = principal, request_id

    def origin(self) -> Origin:
        """Who is behind what this request asks for."""
        return Origin(actor=self.principal, principal=self.principal, source="rest", request=self.request_id)

    def header(self, name: bytes) -> str | None:
        """A header's text, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def query(self, single: Iterable[str], repeatable: Iterable[str] = ()) -> dict[str, list[str]]:
        """The query parameters, each with its values.

        Raises:
            Failure: one is unknown, or is given twice and may not be.
        """
        text = self.scope["query_string"]
        if not text:
            return {}
        single, repeatable = tuple(single), tuple(repeatable)
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(text.decode("latin-1"), keep_blank_values=True):
            if name not in single and name not in repeatable:
                known = ", ".join((*single, *repeatable)) or "none"
                raise failure(
                    400, DoorCode.BAD_PARAMETER, f"no such parameter; there are {known}", parameter=name[:64]
                )
            if name in found and name in single:
                raise failure(400, DoorCode.BAD_PARAMETER, "is given twice: once is enough", parameter=name)
            found.setdefault(name, []).append(value)
        return found

    async def body(self, most: int = LARGEST_BODY) -> bytes:
        """The body's bytes.

        Raises:
            Failure: it is larger than `most`, or takes too long.
            Gone: the client went away.
        """
        declared = self.headers.get(b"content-length")
        if declared is not None and declared.isdigit() and (len(declared) > 18 or int(declared) > most):
            raise _too_large(most)
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > most:
                raise _too_large(most)
            return body
        try:
            async with asyncio.timeout(SLOWEST_BODY_S):
                return await self._rest_of(message, most)
        except TimeoutError:
            detail = f"the body did not arrive within {SLOWEST_BODY_S} seconds"
            raise failure(408, DoorCode.BODY_TOO_SLOW, detail) from None

    async def _rest_of(self, message: MutableMapping[str, Any], most: int) -> bytes:
        parts, size = [], 0
        while True:
            if message["type"] == "http.disconnect":
                raise Gone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise _too_large(most)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await self._receive()

    async def gone(self) -> None:
        """Returns when the client has gone away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def text(self, most: int = LARGEST_BODY) -> str:
        """The body as text.

        Raises:
            Failure: it is too large, too slow, or no UTF-8.
        """
        try:
            return (await self.body(most)).decode()
        except UnicodeDecodeError:
            raise failure(400, DoorCode.NOT_JSON, "the body is not UTF-8") from None


def read_json(text: str) -> Any:
    """A body as exact JSON.

    Raises:
        Failure: it is not JSON.
    """
    try:
        return parse_json(text)
    except Invalid as error:
        raise failure(400, DoorCode.NOT_JSON, f"the body: {error}") from None


def read_fields(text: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    """The fields of a body that may be left out; none where there is no body.

    Raises:
        Failure: it is not JSON.
        Invalid: it is no object, or has another field.
    """
    return check_fields(read_json(text), known) if text.strip(_BLANK) else {}


def _too_large(most: int) -> Failure:
    return failure(413, DoorCode.BODY_TOO_LARGE, f"a body may have at most {most} bytes here")
