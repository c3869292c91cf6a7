"""Shows results on a terminal."""

from rich.console import Console
from rich.table import Table as RichTable

from bench.results import Result, Table


def show(console: Console, result: Result) -> None:
    """Prints the tables of a result."""
    for table in result.tables:
        console.print(_rich(table))
        for note in table.notes:
            console.print(note, style="dim")
        console.print()


def _rich(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left", header_style="bold")
    for number, column in enumerate(table.columns):
        shown.add_column(column.heading, justify="left" if _is_text(table, number) else "right")
    for row in table.rows:
        shown.add_row(*(column.show(cell) for column, cell in zip(table.columns, row, strict=True)))
    return shown


def _is_text(table: Table, number: int) -> bool:
    return any(isinstance(row[number], str) for row in table.rows)
