"""What reconciliation keeps: the whole story of breaks, and what was traded in each broker's account."""

from decimal import Context, Decimal, localcontext

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
DECIMAL = sa.Text().with_variant(sa.Numeric(), "postgresql")
TIME = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")

_OF_BREAKS = (
    ("key", TEXT), ("symbol", TEXT), ("cause", TEXT), ("ours", DECIMAL), ("theirs", DECIMAL), ("owner", TEXT),
    ("resolved_at", TIME), ("resolved_by", TEXT), ("resolution", TEXT), ("why", TEXT),
)  # fmt: skip


def upgrade() -> None:
    """Adds columns and a table; what was traded so far is added up from the fills."""
    for name, kind in _OF_BREAKS:
        op.add_column("breaks", sa.Column(name, kind, nullable=True))
    holdings = op.create_table(
        "account_holdings",
        sa.Column("broker", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.PrimaryKeyConstraint("broker", "kind", "name"),
    )
    if traded := _traded():
        op.bulk_insert(holdings, traded)


def _traded() -> list[dict[str, object]]:
    """What fills have moved of symbols and money, by broker; also where that is nothing by now."""
    found = op.get_bind().execute(
        sa.text(
            "SELECT f.broker, f.symbol, i.currency, i.contract_size, f.side, f.counts, f.quantity, f.price, f.fee, "
            "f.fee_currency FROM fills f JOIN instruments i ON i.symbol = f.symbol WHERE f.awaited = 0"
        )
    )
    sums: dict[tuple[str, str, str], Decimal] = {}
    with localcontext(Context(prec=120)):
        for broker, symbol, currency, size, side, counts, quantity, price, fee, fee_currency in found:
            signed = (1 if side in ("buy", "cover") else -1) * Decimal(quantity)
            moved = [
                ("position", symbol, signed),
                ("cash", currency, -signed * Decimal(price) * Decimal(size)),
            ]
            if fee_currency is not None and Decimal(fee):
                moved.append(("cash", fee_currency, -Decimal(fee)))
            for kind, name, amount in moved:
                key = broker, kind, name
                sums[key] = sums.get(key, Decimal(0)) + (amount if counts else 0)
    names = ("broker", "kind", "name")
    return [
        dict(zip(names, key, strict=True)) | {"quantity": _plain(quantity)}
        for key, quantity in sorted(sums.items())
    ]


def _plain(quantity: Decimal) -> str | Decimal:
    """As the column keeps it, without zeros at the end: text, and in PostgreSQL a number."""
    text = format(quantity, "f") if quantity else "0"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return Decimal(text) if op.get_bind().dialect.name == "postgresql" else text
