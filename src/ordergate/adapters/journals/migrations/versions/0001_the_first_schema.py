"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
DECIMAL = sa.Text().with_variant(sa.Numeric(), "postgresql")
TIME = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """The first schema."""
    op.create_table(
        "balances",
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("position_key", TEXT, nullable=False),
        sa.Column("amount", DECIMAL, nullable=False),
        sa.PrimaryKeyConstraint("fund_id", "position_key"),
    )
    op.create_table(
        "breaks",
        sa.Column("break_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("broker", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("raised_at", TIME, nullable=False),
        sa.Column("order_id", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("break_id"),
    )
    op.create_table(
        "cursors",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("next", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "fills",
        sa.Column("fill_id", TEXT, nullable=False),
        sa.Column("order_id", TEXT, nullable=False),
        sa.Column("exec_id", TEXT, nullable=False),
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("broker", TEXT, nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.Column("booked_at", TIME, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("price", DECIMAL, nullable=False),
        sa.Column("fee", DECIMAL, nullable=False),
        sa.Column("fee_currency", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("refers_to", TEXT, nullable=True),
        sa.Column("ratio", DECIMAL, nullable=False),
        sa.Column("counts", INTEGER, nullable=False),
        sa.Column("superseded_by", TEXT, nullable=True),
        sa.Column("awaited", INTEGER, nullable=False),
        sa.Column("late", INTEGER, nullable=False),
        sa.Column("deltas", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "exec_id"),
    )
    op.create_index("fills_fund_id_symbol", "fills", ["fund_id", "symbol"], unique=False)
    op.create_table(
        "funds",
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("broker", TEXT, nullable=False),
        sa.Column("base_currency", TEXT, nullable=False),
        sa.Column("asset_classes", TEXT, nullable=False),
        sa.Column("strategies", TEXT, nullable=False),
        sa.Column("tax_lot_method", TEXT, nullable=False),
        sa.Column("dedupe_window", INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("fund_id"),
    )
    op.create_table(
        "head",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("size", INTEGER, nullable=False),
        sa.Column("checkpoint", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "instruments",
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("asset_class", TEXT, nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("tick", DECIMAL, nullable=False),
        sa.Column("lot_step", DECIMAL, nullable=False),
        sa.Column("minimum", DECIMAL, nullable=False),
        sa.Column("contract_size", DECIMAL, nullable=False),
        sa.Column("base", TEXT, nullable=False),
        sa.Column("currency", TEXT, nullable=False),
        sa.Column("pip_size", DECIMAL, nullable=True),
        sa.PrimaryKeyConstraint("symbol"),
    )
    op.create_table(
        "journal",
        sa.Column("idx", INTEGER, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("order_id", TEXT, nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("idx"),
    )
    has_order = sa.text("order_id IS NOT NULL")
    op.create_index(
        "journal_order",
        "journal",
        ["order_id"],
        unique=False,
        sqlite_where=has_order,
        postgresql_where=has_order,
    )
    op.create_table(
        "keys",
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("order_id", TEXT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("fund_id", "kind", "key"),
    )
    op.create_table(
        "lots",
        sa.Column("lot_id", TEXT, nullable=False),
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("remaining", DECIMAL, nullable=False),
        sa.Column("price", DECIMAL, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("close_price", DECIMAL, nullable=True),
        sa.Column("realized_pnl", DECIMAL, nullable=False),
        sa.PrimaryKeyConstraint("fund_id", "symbol", "number"),
    )
    op.create_table(
        "nodes",
        sa.Column("level", INTEGER, nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number"),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", TEXT, nullable=False),
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("order_type", TEXT, nullable=False),
        sa.Column("tif", TEXT, nullable=False),
        sa.Column("broker", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("limit_price", DECIMAL, nullable=True),
        sa.Column("stop_price", DECIMAL, nullable=True),
        sa.Column("cash_quantity", DECIMAL, nullable=True),
        sa.Column("strategy_id", TEXT, nullable=True),
        sa.Column("actor", TEXT, nullable=True),
        sa.Column("idempotency_key", TEXT, nullable=True),
        sa.Column("signal_id", TEXT, nullable=True),
        sa.Column("retry_of", TEXT, nullable=True),
        sa.Column("thesis", TEXT, nullable=True),
        sa.Column("entry_price", DECIMAL, nullable=True),
        sa.Column("stop_loss", DECIMAL, nullable=True),
        sa.Column("take_profit", DECIMAL, nullable=True),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("arrival_bid", DECIMAL, nullable=True),
        sa.Column("arrival_ask", DECIMAL, nullable=True),
        sa.Column("version", INTEGER, nullable=False),
        sa.Column("filled_quantity", DECIMAL, nullable=False),
        sa.Column("filled_value", DECIMAL, nullable=False),
        sa.Column("ratio", DECIMAL, nullable=False),
        sa.Column("client_id", TEXT, nullable=True),
        sa.Column("broker_order_id", TEXT, nullable=True),
        sa.Column("accepted_at", TIME, nullable=True),
        sa.Column("submitted_at", TIME, nullable=True),
        sa.Column("acknowledged_at", TIME, nullable=True),
        sa.Column("filled_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("confirmed", INTEGER, nullable=False),
        sa.Column("marks", TEXT, nullable=False),
        sa.Column("reason_code", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("request_count", INTEGER, nullable=False),
        sa.Column("requests", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
    )
    op.create_index("orders_broker_broker_order_id", "orders", ["broker", "broker_order_id"], unique=False)
    op.create_index("orders_fund_id_symbol", "orders", ["fund_id", "symbol"], unique=False)
    op.create_index("orders_state", "orders", ["state"], unique=False)
    op.create_table(
        "payloads",
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_table(
        "positions",
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("cost", DECIMAL, nullable=False),
        sa.Column("realized_pnl", DECIMAL, nullable=False),
        sa.Column("fees", TEXT, nullable=False),
        sa.Column("oldest_open", INTEGER, nullable=False),
        sa.Column("lot_count", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("fund_id", "symbol"),
    )
    op.create_table(
        "refusals",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("signal_id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("refused_at", TIME, nullable=False),
        sa.Column("fund_id", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "sessions",
        sa.Column("broker", TEXT, nullable=False),
        sa.Column("epoch", INTEGER, nullable=False),
        sa.Column("cursor", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("broker"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _append_only_in_postgresql()
    else:
        _append_only_in_sqlite()


def _append_only_in_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER journal_no_{verb.lower()} BEFORE {verb} ON journal "
            "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )
    # INSERT OR REPLACE deletes without asking the trigger on DELETE.
    op.execute(
        "CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal "
        "WHEN EXISTS (SELECT 1 FROM journal WHERE idx = NEW.idx) "
        "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    )


def _append_only_in_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION journal_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal "
        "FOR EACH STATEMENT EXECUTE FUNCTION journal_append_only()"
    )
    # A session that plays a replica asks no other triggers than these.
    op.execute("ALTER TABLE journal ENABLE ALWAYS TRIGGER journal_append_only")
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON journal FROM CURRENT_USER, PUBLIC")
