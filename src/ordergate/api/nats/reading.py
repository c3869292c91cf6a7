"""What a message says of itself: its text, and who is behind it."""

from collections.abc import Mapping
from typing import Any, Final

from ordergate.api.nats.link import Message
from ordergate.api.problems import DoorCode, failure
from ordergate.application.entry import Origin
from ordergate.domain.errors import Invalid
from ordergate.domain.exact_json import parse_json
from ordergate.domain.identifiers import parse_name

PRINCIPAL: Final = "Ordergate-Principal"
NOBODY: Final = "local"
"""As whom somebody is known who does not say; as at the other doors."""


def text_of(data: bytes) -> str:
    """The text of a message. Raises Failure."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise failure(400, DoorCode.NOT_JSON, "the message is not UTF-8") from None


def json_of(text: str) -> Any:
    """What it says, as exact JSON. Raises Failure."""
    try:
        return parse_json(text)
    except Invalid as error:
        raise failure(400, DoorCode.NOT_JSON, f"the message: {error}") from None


def origin_of(message: Message) -> Origin:
    """Who is behind it. Raises Failure."""
    principal = principal_of(message.headers)
    return Origin(actor=principal, principal=principal, source="nats", request=message.came_from)


def principal_of(headers: Mapping[str, str] | None) -> str:
    """As whom the sender wants to be known: the server let them in. Raises Failure."""
    given = (headers or {}).get(PRINCIPAL)
    if given is None:
        return NOBODY
    try:
        return parse_name(given, PRINCIPAL)
    except Invalid as error:
        raise failure(400, DoorCode.BAD_PARAMETER, error.detail, parameter=PRINCIPAL) from None
