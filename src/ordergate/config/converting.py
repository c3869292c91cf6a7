"""A file's tables made values; an error says in which of several tables of a kind it is."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")
_UNNAMED: Final = re.compile(r"`\$\.(?P<path>[A-Za-z_.]+)\[\.\.\.\]")


def convert(raw: Mapping[str, Any], kind: type[T]) -> T:
    """The value of that kind.

    Raises:
        msgspec.ValidationError: the file says what cannot be.
    """
    try:
        return msgspec.convert(raw, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(_named(str(error), raw, kind)) from None


def _named(said: str, raw: Mapping[str, Any], kind: type) -> str:
    """The text, with the name of the table where msgspec only says that it is one of several."""
    found = _UNNAMED.search(said)
    if found is None:
        return said
    path = found["path"].split(".")
    tables: Any = raw
    for part in path:
        tables = tables[part]
    for name, table in tables.items():
        alone: Any = {name: table}
        for part in reversed(path):
            alone = {part: alone}
        try:
            msgspec.convert(alone, kind, str_keys=True)
        except msgspec.ValidationError as error:
            if str(error) == said:
                shown = name if name.isprintable() and name else repr(name)
                return said.replace("[...]", f".{shown}", 1)
    return said
