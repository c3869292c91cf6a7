"""Orders name the manager that emitted them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds the column, and the index of its list; orders of an older database name none."""
    op.add_column("orders", sa.Column("order_manager", TEXT, nullable=True))
    some = sa.text("order_manager IS NOT NULL")
    op.create_index(
        "orders_order_manager_order_id",
        "orders",
        ["order_manager", "order_id"],
        unique=False,
        sqlite_where=some,
        postgresql_where=some,
    )
