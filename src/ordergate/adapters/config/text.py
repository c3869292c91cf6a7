"""What a source says, from its bytes: TOML, or JSON that begins with a brace."""

import json
import tomllib
from decimal import Decimal
from typing import Any, Final, NoReturn

from ordergate.application.ports.configuration import SourceError

LARGEST: Final = 1_000_000
"""Bytes."""


def tables_in(data: bytes, where: str) -> dict[str, Any]:
    """The tables; decimals as they are written.

    Raises:
        SourceError: there are none, or too many bytes. An empty text is no configuration: whoever wants the defaults
            alone says so with a comment.
    """
    if len(data) > LARGEST:
        raise SourceError(f"{where} has more than {LARGEST} bytes: it is no configuration")
    try:
        text = data.decode()
        tables: Any = json.loads(
            text, parse_float=Decimal, parse_constant=_no_number
        ) if text.lstrip().startswith("{") else tomllib.loads(text, parse_float=Decimal)  # fmt: skip
    except (ValueError, ArithmeticError, RecursionError) as error:  # also numbers that are too long to read
        raise SourceError(f"{where} is neither TOML nor a JSON object: {error}") from None
    if not text.strip():
        raise SourceError(f"{where} is empty: what was read before stays in force")
    return tables  # type: ignore[no-any-return]


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
