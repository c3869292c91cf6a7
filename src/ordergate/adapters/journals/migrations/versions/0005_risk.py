"""What the risk gate keeps: limits, halts, strategies, accounts, volumes, overrides; and what orders wait for."""

import json
from decimal import Context, Decimal, localcontext

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
DECIMAL = sa.Text().with_variant(sa.Numeric(), "postgresql")
TIME = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Adds tables and columns; what funds and strategies have made so far is added up from positions and fills."""
    _columns()
    op.create_table(
        "limits",
        sa.Column("level", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
        sa.Column("limits", TEXT, nullable=False),
        sa.Column("set_at", TIME, nullable=False),
        sa.Column("set_by", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("configured", TEXT, nullable=True),
        sa.Column("reverts_at", TIME, nullable=True),
        sa.Column("reverts_to", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("level", "name"),
    )
    op.create_table(
        "halts",
        sa.Column("level", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("trigger", TEXT, nullable=True),
        sa.Column("lifted_at", TIME, nullable=True),
        sa.Column("lifted_by", TEXT, nullable=True),
        sa.Column("lifted_because", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("level", "name"),
    )
    op.create_table(
        "strategies",
        sa.Column("strategy_id", TEXT, nullable=False),
        sa.Column("runs", INTEGER, nullable=False),
        sa.Column("enabled_at", TIME, nullable=True),
        sa.Column("enabled_by", TEXT, nullable=True),
        sa.Column("seen_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("strategy_id"),
    )
    accounts = op.create_table(
        "accounts",
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("profits", TEXT, nullable=False),
        sa.Column("periods", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("fund_id"),
    )
    op.create_table(
        "volumes",
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("value", DECIMAL, nullable=False),
        sa.PrimaryKeyConstraint("fund_id", "symbol"),
    )
    op.create_table(
        "overrides",
        sa.Column("order_id", TEXT, nullable=False),
        sa.Column("codes", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("asked_by", TEXT, nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("approved", INTEGER, nullable=True),
        sa.Column("answered_by", TEXT, nullable=True),
        sa.Column("answered_at", TIME, nullable=True),
        sa.Column("answer", TEXT, nullable=True),
        sa.Column("made", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("order_id"),
    )
    built = op.create_table(
        "strategy_positions",
        sa.Column("fund_id", TEXT, nullable=False),
        sa.Column("symbol", TEXT, nullable=False),
        sa.Column("strategy_id", TEXT, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.PrimaryKeyConstraint("fund_id", "symbol", "strategy_id"),
    )
    if of_strategies := _of_strategies():
        op.bulk_insert(built, of_strategies)
    rows = [
        {"fund_id": fund_id, "profits": json.dumps(_shown(sums), separators=(",", ":")), "periods": "[]"}
        for fund_id, sums in sorted(_profits().items())
    ]
    if rows:
        op.bulk_insert(accounts, rows)


def _columns() -> None:
    op.add_column("orders", sa.Column("reference_price", DECIMAL, nullable=True))
    op.add_column("orders", sa.Column("awaits", TEXT, nullable=True))
    op.add_column("orders", sa.Column("decide_by", TIME, nullable=True))
    for name, kind in (("sector", TEXT), ("country", TEXT), ("average_daily_volume", DECIMAL)):
        op.add_column("instruments", sa.Column(name, kind, nullable=True))
    op.add_column("funds", sa.Column("unlimited", INTEGER, nullable=True))
    op.execute("UPDATE funds SET unlimited = 0")
    with op.batch_alter_table("funds") as funds:
        funds.alter_column("unlimited", existing_type=INTEGER, nullable=False)


def _profits() -> dict[str, dict[str, Decimal]]:
    """Realised profit less fees, by fund and currency."""
    found = op.get_bind().execute(
        sa.text(
            "SELECT p.fund_id, i.currency, p.realized_pnl, p.fees FROM positions p "
            "JOIN instruments i ON i.symbol = p.symbol"
        )
    )
    sums: dict[str, dict[str, Decimal]] = {}
    for fund_id, currency, realized, fees in found:
        amounts = [(currency, Decimal(realized)), *((c, -Decimal(fee)) for c, fee in json.loads(fees))]
        of_fund = sums.setdefault(fund_id, {})
        for name, amount in amounts:
            if amount:
                of_fund[name] = of_fund.get(name, Decimal(0)) + amount
    return {fund_id: of_fund for fund_id, of_fund in sums.items() if of_fund}


def _of_strategies() -> list[dict[str, object]]:
    """What the fills of each strategy's orders have built, by fund and symbol; also where that is flat by now."""
    found = op.get_bind().execute(
        sa.text(
            "SELECT f.fund_id, f.symbol, o.strategy_id, f.side, f.counts, f.quantity FROM fills f "
            "JOIN orders o ON o.order_id = f.order_id WHERE o.strategy_id IS NOT NULL AND f.awaited = 0"
        )
    )
    sums: dict[tuple[str, str, str], Decimal] = {}
    with localcontext(Context(prec=120)):
        for fund_id, symbol, strategy_id, side, counts, quantity in found:
            key, sign = (fund_id, symbol, strategy_id), 1 if side in ("buy", "cover") else -1
            sums[key] = sums.get(key, Decimal(0)) + (sign * Decimal(quantity) if counts else 0)
    names = ("fund_id", "symbol", "strategy_id")
    return [
        dict(zip(names, key, strict=True)) | {"quantity": _plain(quantity)}
        for key, quantity in sorted(sums.items())
    ]


def _plain(quantity: Decimal) -> str | Decimal:
    """As the column keeps it, without zeros at the end: text, and in PostgreSQL a number."""
    text = format(quantity, "f") if quantity else "0"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return Decimal(text) if op.get_bind().dialect.name == "postgresql" else text


def _shown(sums: dict[str, Decimal]) -> list[list[str]]:
    return [[currency, format(amount, "f")] for currency, amount in sorted(sums.items())]
