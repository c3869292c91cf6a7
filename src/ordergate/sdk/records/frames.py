"""Frames of pandas and of polars: taken apart into columns as lists, and put together again.

In pandas the index names a row; in polars, which has none, the same columns come first. Polars holds a document as
its JSON text: a struct of its own would have every key in every row.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from ordergate.domain.errors import StoreError
from ordergate.sdk.records.values import Kind

if TYPE_CHECKING:
    import polars as pl

Library = Literal["pandas", "polars"]
Columns = dict[str, list[Any]]

_ENGINES: Final = ("pandas", "polars")


def library_of(frame: object) -> Library:
    """Whose frame it is.

    Raises:
        TypeError: nobody's that is known here.
    """
    for name in _ENGINES:
        library = sys.modules.get(name)  # who has a frame has loaded its library
        if library is not None and isinstance(frame, library.DataFrame):
            return name
    raise TypeError(f"an execution frame is a DataFrame of pandas or polars, not {type(frame).__name__}")


def columns_of(frame: Any, kinds: Mapping[str, Kind], index_names: Sequence[str]) -> Columns:
    """The columns that a shape has, as lists; what else the frame has is left out.

    Args:
        kinds: of the shape's columns, by name.

    Raises:
        ValueError: the index has neither exactly the shape's names, nor are they columns; or columns are missing.
    """
    if library_of(frame) == "polars":
        _check(kinds, index_names, list(frame.columns))
        return {name: _polars_values(frame, name, kind) for name, kind in kinds.items()}
    if list(frame.index.names) == list(index_names):
        frame = frame.reset_index()
    _check(kinds, index_names, list(frame.columns))
    return {name: frame[name].tolist() for name in kinds}


def _check(kinds: Mapping[str, Kind], index_names: Sequence[str], names: Sequence[Any]) -> None:
    if not set(index_names) <= set(names):
        raise ValueError(
            f"an execution frame must be indexed by {', '.join(index_names)}, in this order, or have them as columns: "
            f"it has the columns {', '.join(map(str, names)) or 'none'}"
        )
    missing = [name for name in kinds if name not in names]
    if missing:
        raise ValueError(
            f"the execution frame lacks the columns {', '.join(missing)}: all are needed, also empty"
        )
    twice = sorted({name for name in kinds if list(names).count(name) > 1})
    if twice:
        raise ValueError(f"the execution frame has several columns of the name {', '.join(twice)}: leave one")


def _polars_values(frame: "pl.DataFrame", name: str, kind: Kind) -> list[Any]:
    values = frame.get_column(name).to_list()
    return [_parsed(value) for value in values] if kind is Kind.DOCUMENT else values


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value  # which is no document, and is refused as such


def frame_from(
    columns: Columns, kinds: Mapping[str, Kind], index_names: Sequence[str], engine: Library
) -> Any:
    """A frame of normalised columns.

    Raises:
        ValueError: there is no such engine.
        StoreError: its library is not installed.
    """
    if engine not in _ENGINES:
        raise ValueError(f"engine is {engine!r}: there are pandas and polars")
    order = [*index_names, *(name for name in kinds if name not in index_names)]
    try:
        make = _pandas if engine == "pandas" else _polars
        return make({name: columns[name] for name in order}, kinds, index_names)
    except ModuleNotFoundError as missing:
        raise StoreError(
            f"frames of {engine} need {missing.name}: pip install 'ordergate[records]'"
        ) from missing


def _pandas(columns: Columns, kinds: Mapping[str, Kind], index_names: Sequence[str]) -> Any:
    import pandas as pd

    types: Mapping[Kind, Any] = {
        Kind.TIME: "datetime64[ns, UTC]",
        Kind.TEXT: "str",
        Kind.NUMBER: "float64",
        Kind.WHOLE: "int64",
        Kind.FLAG: "bool",
        Kind.DOCUMENT: "object",
    }
    made = {name: pd.Series(values, dtype=types[kinds[name]]) for name, values in columns.items()}
    return pd.DataFrame(made).set_index(list(index_names))


def _polars(columns: Columns, kinds: Mapping[str, Kind], _index_names: Sequence[str]) -> "pl.DataFrame":
    import polars as pl

    types: Mapping[Kind, Any] = {
        Kind.TIME: pl.Datetime("us", "UTC"),
        Kind.TEXT: pl.String,
        Kind.NUMBER: pl.Float64,
        Kind.WHOLE: pl.Int64,
        Kind.FLAG: pl.Boolean,
        Kind.DOCUMENT: pl.String,
    }
    made = []
    for name, values in columns.items():
        kind = kinds[name]
        written = [_written(value) for value in values] if kind is Kind.DOCUMENT else values
        series = pl.Series(name, written, dtype=types[kind])
        made.append(series.cast(pl.Datetime("ns", "UTC")) if kind is Kind.TIME else series)
    return pl.DataFrame(made)


def _written(value: Any) -> str:
    # PostgreSQL does not keep the order of keys.
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
