"""What the door can do, one value an operation: how it is called, who answers, and what it may answer."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from pydantic import BaseModel

from ordergate.api.door import Door
from ordergate.api.rest.call import Call, Reply, Send


class Stream(Struct, frozen=True):
    """An answer that goes on: sends what it has until it ends."""

    run: Callable[[Send], Awaitable[None]]
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media_type: bytes = b"text/event-stream"


Handler = Callable[[Door, Call], Awaitable[Reply | Stream]]


class Parameter(Struct, frozen=True, kw_only=True):
    """A parameter in the path, the query or a header, with its JSON schema."""

    name: str
    place: str
    meaning: str
    schema: Mapping[str, Any]
    example: Any
    required: bool = False


class Header(Struct, frozen=True, kw_only=True):
    """A header of an answer."""

    name: str
    meaning: str
    example: str
    required: bool = True


class Answer(Struct, frozen=True, kw_only=True):
    """What one status means. `model` describes a JSON body; `media_type` with `example` any other."""

    status: int
    meaning: str
    model: type[BaseModel] | None = None
    example: Any = None
    media_type: str = "application/json"
    headers: tuple[Header, ...] = ()
    binary: bool = False


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path.

    Attributes:
        path: as Starlette and OpenAPI write it; `{symbol:path}` also takes slashes.
        about_orders: whether its errors say what became of the order.
        problems: per status, the codes that its errors can have.
        body: describes the request's body; `body_example` is one.
    """

    method: str
    path: str
    id: str
    tag: str
    title: str
    meaning: str
    handler: Handler
    answers: tuple[Answer, ...]
    problems: Mapping[int, tuple[str, ...]]
    parameters: tuple[Parameter, ...] = ()
    body: type[BaseModel] | None = None
    body_example: Any = None
    body_required: bool = True
    about_orders: bool = False

    @property
    def in_url(self) -> frozenset[str]:
        """The names of the parameters in its path and query."""
        return frozenset(p.name for p in self.parameters if p.place in ("path", "query"))


TAGS: Final = {
    "orders": "Submit, change and follow orders.",
    "books": "What was traded and what is held.",
    "risk": "What may be traded: limits, the kill switch, approvals.",
    "recon": "Our record against the brokers' own, and what does not fit.",
    "brokers": "How the brokers are.",
    "events": "The journal, as it grows.",
    "paper": "The market of the paper venues.",
    "audit": "The Merkle log, for anybody's tlog client.",
    "service": "How the service is.",
}
