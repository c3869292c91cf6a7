"""What several nodes on one database need: the head's row to lock, and leases. Nothing in SQLite."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    """Makes the head's row where no batch has, and the table of leases."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("INSERT INTO head (id, size, checkpoint) VALUES (1, 0, '') ON CONFLICT (id) DO NOTHING")
    op.create_table(
        "leases",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("node", TEXT, nullable=True),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
