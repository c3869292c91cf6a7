"""Delays that were noticed of orders, and how much slippage orders and funds bear."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
DECIMAL = sa.Text().with_variant(sa.Numeric(), "postgresql")


def upgrade() -> None:
    """Adds columns; nobody has noticed or said anything of the kind in an older database."""
    op.add_column("orders", sa.Column("max_slippage_bps", DECIMAL, nullable=True))
    op.add_column("orders", sa.Column("max_slippage_pips", DECIMAL, nullable=True))
    op.add_column("orders", sa.Column("overdue", TEXT, nullable=True))
    op.add_column("funds", sa.Column("slippage", TEXT, nullable=True))
