"""Orders that are worked in slices, and funds that say when; children are found by their parent."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Adds columns and an index; no order of an older database is worked so."""
    op.add_column("orders", sa.Column("slice", INTEGER, nullable=True))
    op.add_column("orders", sa.Column("algo", TEXT, nullable=True))
    op.add_column("funds", sa.Column("split", TEXT, nullable=True))
    some = sa.text("parent_order_id IS NOT NULL")
    op.create_index(
        "orders_parent_order_id_order_id",
        "orders",
        ["parent_order_id", "order_id"],
        unique=False,
        sqlite_where=some,
        postgresql_where=some,
    )
