"""A batch as one statement: every table's part is a common table expression that inserts or updates from arrays.

So a batch of any size takes one round trip; and as the text of the statement says only which tables and columns
it writes, there are few texts, each prepared once a connection.
"""

from collections.abc import Sequence
from functools import cache
from itertools import repeat
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.journals.postgres.reader import quoted
from ordergate.adapters.journals.postgres.rows import codec, column_types, text_in
from ordergate.adapters.journals.schema import KEYS
from ordergate.application.ports.journal import Batch, Line, Node

_INSERT, _UPDATE = "insert", "update"


class _Part(Struct, frozen=True):
    """What is written to one table: into which columns, by their places."""

    verb: str
    table: str
    places: tuple[int, ...] = ()


_JOURNAL: Final = _Part(_INSERT, "journal")
_NODES: Final = _Part(_INSERT, "nodes")
_PAYLOADS: Final = _Part(_INSERT, "payloads")
_HEAD: Final = _Part(_UPDATE, "head")

_FIXED: Final = {
    _JOURNAL: (
        ("bigint", "text[]", "text[]", "bytea[]", "bytea[]"),
        (
            "INSERT INTO journal (idx, kind, order_id, hash, entry) "
            "SELECT {0} + place - 1, kind, order_id, hash, entry FROM unnest({1}, {2}, {3}, {4}) "
            "WITH ORDINALITY AS given (kind, order_id, hash, entry, place)"
        ),
    ),
    _NODES: (
        ("bigint[]", "bigint[]", "bytea[]"),
        "INSERT INTO nodes (level, number, hash) SELECT * FROM unnest({0}, {1}, {2})",
    ),
    _PAYLOADS: (
        ("text[]", "bytea[]"),
        "INSERT INTO payloads (sha256, body) SELECT * FROM unnest({0}, {1}) ON CONFLICT DO NOTHING",
    ),
    _HEAD: (
        ("bigint", "bigint", "text"),
        "UPDATE head SET size = {1}, checkpoint = {2} WHERE id = 1 AND size = {0}",
    ),
}


class Statement(Struct, frozen=True):
    """What writes a batch, and how many rows each of its parts must reach, as its answer tells.

    Attributes:
        tables: one for each number of the answer.
    """

    sql: str
    values: Sequence[Any]
    tables: Sequence[str]
    counts: Sequence[int]


class Writing:
    """Makes statements of batches.

    Of rows that are in the store, those columns are written that have changed in any row of their table since
    this began: a few more than need be, but in one of few texts.
    """

    def __init__(self) -> None:
        self._changing: dict[str, set[int]] = {}

    def statement(self, batch: Batch) -> Statement:
        """What writes this one."""
        parts, values, counts = list[_Part](), list[Any](), list[int]()

        def add(part: _Part, some: Sequence[Any], count: int) -> None:
            parts.append(part)
            values.extend(some)
            counts.append(count)

        end = batch.first + len(batch.lines)
        add(_HEAD, (batch.first, end, batch.checkpoint), 1)
        if batch.lines:
            add(_JOURNAL, (batch.first, *_columns_of_lines(batch.lines)), len(batch.lines))
        if batch.nodes:
            add(_NODES, _columns_of_nodes(batch.nodes), len(batch.nodes))
        for table, rows in batch.rows.items():
            new, changed = self._sort(table, rows, batch.before.get(table))
            if new:
                part = _Part(_INSERT, table)
                add(part, codec(table).columns(new, range(len(codec(table).names))), len(new))
            if changed:
                part = self._update(table)
                places = (*codec(table).key_places, *part.places)
                add(part, codec(table).columns(changed, places), len(changed))
        counted = tuple(parts)
        if batch.payloads:  # which may be there already: not counted
            parts.append(_PAYLOADS)
            values += [list(batch.payloads), list(batch.payloads.values())]
        sql = _text(tuple(parts), len(counted))
        return Statement(sql, values, [part.table for part in counted], counts)

    def _sort(
        self, table: str, rows: Sequence[Struct], before: Sequence[Struct | None] | None
    ) -> tuple[list[Struct], list[Struct]]:
        """Rows that may be new, and rows that are there and have changed."""
        new, changed = list[Struct](), list[Struct]()
        changing = self._changing.setdefault(table, set())
        for row, old in zip(rows, repeat(None) if before is None else before, strict=False):
            if old is None:
                new.append(row)
            elif places := codec(table).changed(old, row):
                changing.update(places)
                changed.append(row)
        return new, changed

    def _update(self, table: str) -> _Part:
        keys = codec(table).key_places
        return _Part(_UPDATE, table, tuple(sorted(self._changing[table].difference(keys))))


def _columns_of_lines(lines: Sequence[Line]) -> Sequence[list[Any]]:
    return (
        [line.kind for line in lines],
        [None if line.order_id is None else text_in(line.order_id) for line in lines],
        [line.hash for line in lines],
        [line.data for line in lines],
    )


def _columns_of_nodes(nodes: Sequence[Node]) -> Sequence[list[Any]]:
    return [n.level for n in nodes], [n.number for n in nodes], [n.hash for n in nodes]


@cache
def _text(parts: Sequence[_Part], counted: int) -> str:
    """The statement; its answer is how many rows each of the first `counted` parts has written."""
    expressions, first = list[str](), 1
    for number, part in enumerate(parts):
        types, pattern = _FIXED[part] if part in _FIXED else _projection(part)
        marks = [f"${first + at}::{kind}" for at, kind in enumerate(types)]
        expressions.append(f"part{number} AS ({pattern.format(*marks)} RETURNING 1)")
        first += len(types)
    answer = ", ".join(f"(SELECT count(*) FROM part{number})" for number in range(counted))
    return f"WITH {', '.join(expressions)} SELECT {answer}"


def _projection(part: _Part) -> tuple[Sequence[str], str]:
    names, keys = codec(part.table).names, KEYS[part.table]
    types = [f"{kind}[]" for kind in column_types(part.table)]
    if part.verb == _INSERT:
        marks = ", ".join(f"{{{at}}}" for at in range(len(names)))
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in keys)
        return types, (
            f"INSERT INTO {part.table} ({quoted(names)}) SELECT * FROM unnest({marks}) "
            f"ON CONFLICT ({quoted(keys)}) DO UPDATE SET {changes}"
        )
    written = (*codec(part.table).key_places, *part.places)
    marks = ", ".join(f"{{{at}}}" for at in range(len(written)))
    changes = ", ".join(f'"{names[at]}" = given."{names[at]}"' for at in part.places)
    same = " AND ".join(f'there."{key}" = given."{key}"' for key in keys)
    return [types[at] for at in written], (
        f"UPDATE {part.table} AS there SET {changes} FROM unnest({marks}) "
        f"AS given ({quoted([names[at] for at in written])}) WHERE {same}"
    )
