"""Orders and refusals are found by their signal without reading all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the indexes."""
    some = sa.text("signal_id IS NOT NULL")
    op.create_index(
        "orders_signal_id_order_id",
        "orders",
        ["signal_id", "order_id"],
        unique=False,
        sqlite_where=some,
        postgresql_where=some,
    )
    op.create_index("refusals_signal_id_number", "refusals", ["signal_id", "number"], unique=False)
