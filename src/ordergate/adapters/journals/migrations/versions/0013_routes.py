"""Which brokers a fund's rules name, and which of them an order may go to."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds columns; no fund of an older database has rules, and no order was sent by any."""
    op.add_column("funds", sa.Column("routes", TEXT, nullable=True))
    op.add_column("orders", sa.Column("route", TEXT, nullable=True))
