"""A command that opens the database itself asks no source: it takes the file, and what was kept of the others."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ordergate.adapters.config.kept import keep
from ordergate.application.ports.configuration import Snapshot
from ordergate.cli.app import app
from tests.services.commands import CliRunner

FILE = """
[nats]
servers = ["nats://127.0.0.1:1"]
[config]
kv_bucket = "b"
kv_key = "k"
[funds.paper-momentum]
unlimited = true
"""


def test_an_order_of_a_command_is_measured_by_what_was_kept(tmp_path: Path) -> None:
    path, database = tmp_path / "o.toml", tmp_path / "orders.db"
    path.write_text(FILE)

    order = tmp_path / "order.json"
    order.write_text(
        '{"idempotency_key": "k-1", "symbol": "AAPL", "side": "buy", "quantity": "10", "order_type": "limit", '
        '"limit_price": "180", "tif": "gtc", "fund_id": "paper-momentum"}'
    )

    def submit() -> Any:
        words = ["orders", "submit", str(order), "--db", f"sqlite:///{database}", "--config", str(path)]
        return CliRunner().invoke(app, words)

    refused = submit()
    assert refused.exit_code == 1, refused.output
    assert "nothing that kv said earlier is kept beside the database" in refused.output
    values = {"limits": {"firm": {"max_order_qty": 5}}}
    keep(database, "kv", Snapshot(revision="7", values=values), datetime(2026, 3, 2, tzinfo=UTC))
    measured = submit()
    assert measured.exit_code == 6, measured.output
    assert "RISK_ORDER_QTY" in measured.output
