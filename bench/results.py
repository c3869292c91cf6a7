"""What a bench found: tables of figures, and what a test can check that the work was really done."""

import statistics
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

Cell = str | int | float | None


class Column(Struct, frozen=True):
    """A column: its heading, and how its numbers are written (a format such as `,.0f`)."""

    heading: str
    form: str = ""

    def show(self, cell: Cell) -> str:
        """The cell as text."""
        if cell is None:
            return "-"
        return cell if isinstance(cell, str) else format(cell, self.form)


class Table(Struct, kw_only=True):
    """Figures side by side.

    Attributes:
        notes: a sentence each, on how to read it.
    """

    title: str
    columns: Sequence[Column]
    rows: list[list[Cell]]
    notes: Sequence[str] = ()


class Result(Struct, kw_only=True):
    """What one bench found.

    Attributes:
        proof: what shows that the work was done; not printed.
    """

    name: str
    tables: list[Table]
    proof: dict[str, Any] = field(default_factory=dict)


def check(result: Result, *, done: bool) -> Result:
    """The result of work that was done.

    Raises:
        RuntimeError: it was not, so that its figures mean nothing.
    """
    if not done:
        raise RuntimeError(f"{result.name}: the work was not done: {result.proof}")
    return result


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
