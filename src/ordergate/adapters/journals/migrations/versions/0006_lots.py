"""Lot methods: lots that an order names, how far a cost has been averaged, and what a year has realised."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

from ordergate.application.entry import Entry, decode
from ordergate.application.recovery import apply
from ordergate.domain.book import Book

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
DECIMAL = sa.Text().with_variant(sa.Numeric(), "postgresql")
_AT_ONCE = 1_000
Key = tuple[str, str]


def upgrade() -> None:
    """Adds the columns. Until now every lot was taken first in, first out; what a year has realised is made out."""
    op.add_column("orders", sa.Column("lots", TEXT, nullable=True))
    op.add_column("positions", sa.Column("averaged", INTEGER, nullable=True))
    op.add_column("positions", sa.Column("year", INTEGER, nullable=True))
    op.add_column("positions", sa.Column("realized_in_year", DECIMAL, nullable=True))
    zero = Decimal(0) if op.get_bind().dialect.name == "postgresql" else "0"
    op.get_bind().execute(
        sa.text("UPDATE positions SET averaged = 0, year = 0, realized_in_year = :zero"), {"zero": zero}
    )
    years = _years()
    if _several_journals() or any(first != last for first, last in years.values()):
        _by_the_journal()
    else:
        for (fund_id, symbol), (year, _last) in years.items():
            op.get_bind().execute(
                sa.text(
                    "UPDATE positions SET year = :year, realized_in_year = realized_pnl "
                    "WHERE fund_id = :fund AND symbol = :symbol"
                ),
                {"year": year, "fund": fund_id, "symbol": symbol},
            )
    with op.batch_alter_table("positions") as positions:
        positions.alter_column("averaged", existing_type=INTEGER, nullable=False)
        positions.alter_column("year", existing_type=INTEGER, nullable=False)
        positions.alter_column("realized_in_year", existing_type=DECIMAL, nullable=False)


def _several_journals() -> bool:
    """Whether funds have come or gone: then what a position has realised is not of its fills here alone."""
    return op.get_bind().execute(sa.text("SELECT 1 FROM moves LIMIT 1")).first() is not None


def _years() -> dict[Key, tuple[int, int]]:
    """Of each position, the first and the last year in which fills of it were made or booked."""
    found = op.get_bind().execute(
        sa.text(
            "SELECT fund_id, symbol, MIN(time), MIN(booked_at), MAX(time), MAX(booked_at) FROM fills "
            "WHERE awaited = 0 AND (counts = 1 OR superseded_by IS NOT NULL) GROUP BY fund_id, symbol"
        )
    )
    return {
        (fund_id, symbol): (min(map(_year, moments)), max(map(_year, moments)))
        for fund_id, symbol, *moments in found
    }


def _year(moment: Any) -> int:
    return moment.astimezone(UTC).year if isinstance(moment, datetime) else int(moment[:4])


def _by_the_journal() -> None:
    """Folds what the journal says of orders and funds, and writes down what it makes of positions."""
    book = Book()
    for entry in _entries():
        apply(book, entry)
    update = sa.text(
        "UPDATE positions SET year = :year, realized_in_year = :realized WHERE fund_id = :fund AND symbol = :symbol"
    )
    on_server = op.get_bind().dialect.name == "postgresql"
    for (fund_id, symbol), position in book.positions.rows.items():
        realized = position.realized_in_year
        shown = realized if on_server else format(realized, "f")
        op.get_bind().execute(
            update, {"year": position.year, "realized": shown, "fund": fund_id, "symbol": symbol}
        )


def _entries() -> Iterator[Entry]:
    first = 0
    while True:
        rows = op.get_bind().execute(
            sa.text("SELECT idx, entry FROM journal WHERE idx >= :first ORDER BY idx LIMIT :most"),
            {"first": first, "most": _AT_ONCE},
        )
        found = [(index, bytes(entry)) for index, entry in rows]
        for index, data in found:
            yield decode(data, index)
        if not found:
            return
        first = found[-1][0] + 1
