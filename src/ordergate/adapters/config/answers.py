"""What a hub says of a service's configuration: an object with `config` and `version`, by HTTP or as a message."""

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from ordergate.domain.errors import Invalid, OrdergateError
from ordergate.domain.exact_json import parse_json

LARGEST: Final = 1_048_576
"""Bytes of an answer or a message."""
_DOTTED: Final = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,4})")


class HubError(OrdergateError):
    """A hub gives no usable answer; the text says where, what came, and what would be right.

    Attributes:
        outcome: in a word, for the figures: away, slow, status, missing, large, unreadable, older.
        again: whether the same question may have another answer soon.
    """

    def __init__(self, outcome: str, text: str, *, again: bool = False) -> None:
        super().__init__(text)
        self.outcome, self.again = outcome, again


class Answer(Struct, frozen=True, kw_only=True):
    """A configuration as a hub has it.

    Attributes:
        config: JSON's objects as mappings, its numbers as int and Decimal.
        version: as the hub writes it; None where it does not.
        updated_at: when it was changed, in milliseconds since 1970; None where the hub does not say.
    """

    config: Mapping[str, Any]
    version: str | int | None = None
    updated_at: int | None = None

    @property
    def revision(self) -> str:
        """Another for each other content, with the hub's version where there is one."""
        content = json.dumps(self.config, default=str, sort_keys=True).encode()
        digest = hashlib.sha256(content).hexdigest()[:12]
        return digest if self.version is None else f"{self.version} ({digest})"

    def is_older_than(self, other: "Answer | None") -> bool:
        """Whether it was superseded by the other: by version where both have comparable ones, else by time."""
        if other is None:
            return False
        mine, theirs = _parts(self.version), _parts(other.version)
        if mine is not None and theirs is not None and mine != theirs:
            return mine < theirs
        if self.updated_at is None or other.updated_at is None:
            return False
        return self.updated_at < other.updated_at


def _parts(version: str | int | None) -> tuple[int, ...] | None:
    """`7`, `1.4.0` or `v1.4` as numbers, without zeros at their end; None for anything else."""
    if isinstance(version, int):
        return (version,)
    match = None if version is None else _DOTTED.fullmatch(version)
    if match is None:
        return None
    parts = [int(part) for part in match[1].split(".")]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return tuple(parts)


def read_answer(data: bytes, where: str) -> Answer:
    """An answer or a message of a hub.

    Raises:
        HubError: it is none; `where` begins the text.
    """
    if len(data) > LARGEST:
        raise HubError("large", f"{where}: more than {LARGEST:,} bytes, which no configuration has")
    body = _object(data.decode("utf-8", "replace"), where)
    if "config" not in body:
        raise HubError("unreadable", f"{where}: has no `config`")
    config = body["config"]
    if isinstance(config, str):
        config = _object(config, f"{where}: config")
    if not isinstance(config, Mapping):
        raise HubError("unreadable", f"{where}: config is no JSON object, nor the text of one")
    version, updated_at = body.get("version"), body.get("updated_at")
    if isinstance(version, bool) or not isinstance(version, str | int | None):
        raise HubError("unreadable", f"{where}: version is neither text nor a whole number")
    if isinstance(updated_at, bool) or not isinstance(updated_at, int):
        updated_at = None
    return Answer(config=config, version=version, updated_at=updated_at)


def _object(text: str, where: str) -> Mapping[str, Any]:
    try:
        found = parse_json(text)
    except Invalid as error:
        named = "" if error.pointer is None else f"{error.pointer} "
        raise HubError("unreadable", f"{where}: {named}{error.detail}") from None
    if not isinstance(found, Mapping):
        raise HubError("unreadable", f"{where}: is no JSON object")
    return found


def plain(value: Any) -> Any:
    """A copy in the types of `json`: numbers with a fraction are floats, all objects dicts."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value
