"""Which funds have moved to another shard, or come from one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Adds a table; no fund of an older database has moved."""
    op.create_table(
        "moves",
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("phase", TEXT, nullable=False),
        sa.Column("shard", TEXT, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("first", INTEGER, nullable=False),
        sa.Column("parts", INTEGER, nullable=False),
        sa.Column("key_kind", TEXT, nullable=True),
        sa.Column("key", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("fund_id"),
    )
