"""One call as methods see it: its message as the body that REST would have, and who asks."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from ordergate.api.problems import DoorCode, failure
from ordergate.application.entry import Origin
from ordergate.domain.errors import Code, Invalid
from ordergate.domain.identifiers import parse_name

LARGEST_MESSAGE: Final = 65_536
PRINCIPAL: Final = "x-ordergate-principal"
NOBODY: Final = "local"
_ENCODER: Final = msgspec.json.Encoder()


class Call:
    """One call.

    Attributes:
        body: the fields that were given, by name.
        principal: as whom the door knows the caller.
        request_id: as given by the caller, or made.
        replayed: whether the answer is of an earlier request with the same key.
    """

    __slots__ = ("body", "principal", "replayed", "request_id")

    def __init__(self, body: Mapping[str, Any], principal: str, request_id: str) -> None:
        self.body, self.principal, self.request_id = body, principal, request_id
        self.replayed = False

    def origin(self) -> Origin:
        """Who is behind what this call asks for."""
        return Origin(actor=self.principal, principal=self.principal, source="grpc", request=self.request_id)

    def raw(self) -> str:
        """The body as JSON, for the journal."""
        return _ENCODER.encode(self.body).decode()

    def text(self, name: str) -> str:
        """A field that is needed.

        Raises:
            Invalid: it is missing.
        """
        value: str | None = self.body.get(name)
        if value is None:
            raise Invalid(Code.MISSING, "is missing", f"#/{name}")
        return value

    def texts(self) -> dict[str, str]:
        """The body as parameters of a URL would have it."""
        return {name: str(value) for name, value in self.body.items()}


def read(kind: type[Message], data: bytes) -> dict[str, Any]:
    """The fields that a message of that kind has.

    Raises:
        Failure: the bytes are no such message.
        Invalid: it has a field that this version does not know, which may change what the others mean.
    """
    try:
        message = kind.FromString(data)
    except DecodeError:
        detail = f"the message cannot be read as {kind.DESCRIPTOR.full_name}"
        raise failure(400, DoorCode.NOT_PROTOBUF, detail) from None
    return _fields(message)


def _fields(message: Message) -> dict[str, Any]:
    for unknown in UnknownFieldSet(message):
        detail = f"has a field with the number {unknown.field_number}, which this version does not know"
        raise Invalid(Code.UNKNOWN_FIELD, f"{message.DESCRIPTOR.full_name} {detail}")
    return {field.name: _plain(value) for field, value in message.ListFields()}


def _plain(value: Any) -> Any:
    if isinstance(value, str | int):
        return value
    return _fields(value) if isinstance(value, Message) else [_plain(one) for one in value]


def principal_of(metadata: Mapping[str, Any]) -> str:
    """As whom the caller is known.

    Raises:
        Failure: the metadata names nobody that could be.
    """
    given = metadata.get(PRINCIPAL)
    if given is None:
        return NOBODY
    try:
        return parse_name(given, PRINCIPAL)
    except Invalid as error:
        raise failure(400, DoorCode.BAD_PARAMETER, error.detail, parameter=PRINCIPAL) from None
