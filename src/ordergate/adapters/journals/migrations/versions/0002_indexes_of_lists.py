"""Indexes that end with the primary key, so that lists are read page by page without a sort."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NEW = (
    ("orders", ("state", "order_id")),
    ("orders", ("fund_id", "order_id")),
    ("orders", ("symbol", "order_id")),
    ("fills", ("fund_id", "order_id", "exec_id")),
    ("fills", ("symbol", "order_id", "exec_id")),
)
_OF_SOME = (
    (("strategy_id", "order_id"), "strategy_id IS NOT NULL"),
    (("broker", "broker_order_id"), "broker_order_id IS NOT NULL"),
)


def upgrade() -> None:
    """Replaces the indexes that led to a sort, or held rows that nobody looks for by them."""
    op.drop_index("orders_state", "orders")
    op.drop_index("orders_fund_id_symbol", "orders")
    op.drop_index("orders_broker_broker_order_id", "orders")
    op.drop_index("fills_fund_id_symbol", "fills")
    for table, columns in _NEW:
        op.create_index("_".join((table, *columns)), table, list(columns), unique=False)
    for columns, where in _OF_SOME:
        name, some = "_".join(("orders", *columns)), sa.text(where)
        op.create_index(name, "orders", list(columns), unique=False, sqlite_where=some, postgresql_where=some)
