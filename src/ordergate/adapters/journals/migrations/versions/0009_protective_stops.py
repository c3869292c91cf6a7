"""Orders that protect what another has filled."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds columns; no order of an older database is protected or protects."""
    op.add_column("orders", sa.Column("protect", TEXT, nullable=True))
    op.add_column("orders", sa.Column("parent_order_id", TEXT, nullable=True))
