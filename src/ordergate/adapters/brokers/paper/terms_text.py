"""Operations, their terms and what they moved, as the columns that both kinds of record keep: text, or NULL."""

from typing import Final

import msgspec

from ordergate.domain.operations import Operation
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.operations import OperationTerms

_encode: Final = msgspec.json.Encoder().encode
_terms: Final = msgspec.json.Decoder(OperationTerms)
_deltas: Final = msgspec.json.Decoder(tuple[Delta, ...])


def operation_name(operation: Operation) -> str | None:
    """Its name; NULL is a trade, as most are."""
    return None if operation is Operation.SPOT_TRADE else str(operation.value)


def read_operation(name: str | None) -> Operation:
    """Of its name."""
    return Operation.SPOT_TRADE if name is None else Operation(name)


def terms_text(terms: OperationTerms | None) -> str | None:
    """As JSON."""
    return None if terms is None else _encode(terms).decode()


def read_terms(body: str | None) -> OperationTerms | None:
    """Of JSON."""
    return None if body is None else _terms.decode(body)


def deltas_text(deltas: tuple[Delta, ...] | None) -> str | None:
    """As JSON."""
    return None if deltas is None else _encode(deltas).decode()


def read_deltas(body: str | None) -> tuple[Delta, ...] | None:
    """Of JSON."""
    return None if body is None else _deltas.decode(body)
