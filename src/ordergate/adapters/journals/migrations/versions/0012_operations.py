"""Orders say what they do, fills what they have moved, instruments whether they are perpetuals."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Adds columns; every order of an older database is a trade."""
    op.add_column("orders", sa.Column("operation", TEXT, nullable=False, server_default="spot_trade"))
    op.add_column("orders", sa.Column("terms", TEXT, nullable=True))
    op.add_column("fills", sa.Column("told", TEXT, nullable=True))
    op.add_column("instruments", sa.Column("perpetual", INTEGER, nullable=True))
