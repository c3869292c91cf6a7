"""What the table `trading_signals` must have, and how its columns are read."""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ordergate.adapters.clickhouse.target import ClickHouseError

TABLE: Final = "trading_signals"
PRICES: Final = ("entry_price", "stop_loss", "take_profit")
STATUSES: Final = ("pending", "submitted", "filled", "cancelled", "failed")
_TEXT: Final = ("String", "FixedString", "UUID", "Enum8", "Enum16")
_NUMBER: Final = (
    "Float32", "Float64", "Decimal", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "String",
)  # fmt: skip
_TIME: Final = ("DateTime", "DateTime64")
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "signal_id": _TEXT,
    "symbol": _TEXT,
    "signal_type": _TEXT,
    "created_at": _TIME,
    "risk_approval_status": _TEXT,
    "execution_status": _TEXT,
}
_QUANTITIES: Final = ("position_size", "position_size_recommended")
_WELCOME: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys((*_QUANTITIES, *PRICES, "confidence_score"), _NUMBER),
    **dict.fromkeys(("strategy_id", "fund_id", "timeframe", "model_version"), _TEXT),
    **dict.fromkeys(("signal_timestamp", "expires_at", "valid_until"), _TIME),
}
_NAMES: Final = {"signal_timestamp": "timestamp"}
"""Where a signal's field has another name than the column."""
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "risk_approval_status": ("approved",),
    "execution_status": ("pending",),
}
_KEEPS_LAST: Final = ("Replacing", "Collapsing")
_WRAPPED: Final = re.compile(r"(?:LowCardinality|Nullable)\((.*)\)", re.DOTALL)


class Schema(Struct, frozen=True, kw_only=True):
    """How the table is read.

    Attributes:
        source: what is selected from.
        fields: the expressions of a signal's fields, by name.
        types: of all columns.
        nullable: fields that can be NULL.
        tells_order: whether `order_id` can hold ours.
        unwritable: why nothing can be written back; None where that can be.
    """

    source: str
    fields: Mapping[str, str]
    types: Mapping[str, str]
    nullable: frozenset[str]
    tells_order: bool
    unwritable: str | None


def check_schema(types: Mapping[str, str], engine: str, shown: str) -> Schema:
    """How to read a table of those columns.

    Raises:
        ClickHouseError: it is not there, or a column is not there or of another kind.
    """
    where = f"{shown}: table {TABLE}"
    if not types:
        raise ClickHouseError(
            f"{where}: is not there; a risk service makes it: see docs/howto/clickhouse-signals.md"
        )
    for name, kinds in _NEEDED.items():
        if name not in types:
            raise ClickHouseError(f"{where}: has no column {name}, of type {kinds[0]} or the like")
    if not any(name in types for name in _QUANTITIES):
        raise ClickHouseError(
            f"{where}: has neither column {' nor '.join(_QUANTITIES)}, of type Float64 or the like"
        )
    present = {name: kinds for name, kinds in {**_NEEDED, **_WELCOME}.items() if name in types}
    for name, kinds in present.items():
        if _kind(types[name]) not in kinds:
            raise ClickHouseError(f"{where}: column {name} is {types[name]}: write one of {', '.join(kinds)}")
    for name, words in _WORDS.items():
        missing = _missing(types[name], words)
        if missing:
            raise ClickHouseError(f"{where}: column {name} is {types[name]}, and cannot be {missing[0]!r}")
    read = [name for name in present if name not in ("created_at", "execution_status")]
    return Schema(
        source=f"{TABLE} FINAL" if any(word in engine for word in _KEEPS_LAST) else TABLE,
        fields={_NAMES.get(name, name): _expression(name) for name in read},
        types=types,
        nullable=frozenset(name for name in read if "Nullable(" in types[name]),
        tells_order="order_id" in types and _kind(types["order_id"]) == "String",
        unwritable=_unwritable(types, engine, where),
    )


def _unwritable(types: Mapping[str, str], engine: str, where: str) -> str | None:
    missing = _missing(types["execution_status"], STATUSES)
    if missing:
        return (
            f"{where}: column execution_status is {types['execution_status']}, and cannot be {missing[0]!r}"
        )
    return None if engine.endswith("MergeTree") else f"{where}: is a {engine}, which cannot be changed"


def _missing(type_: str, words: tuple[str, ...]) -> list[str]:
    if not _kind(type_).startswith("Enum"):
        return []
    return [word for word in words if f"'{word}'" not in type_]


def _expression(name: str) -> str:
    if _WELCOME.get(name) is _TIME:
        return f"toUnixTimestamp64Micro(toDateTime64({name}, 6, 'UTC'))"
    return f"toString({name})"


def _kind(type_: str) -> str:
    """Such as DateTime64 of `Nullable(DateTime64(3, 'UTC'))`."""
    while wrapped := _WRAPPED.fullmatch(type_):
        type_ = wrapped[1]
    return type_.partition("(")[0]


def literal(value: str) -> str:
    """Text as a literal of ClickHouse's SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
