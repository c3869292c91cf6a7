"""`ordergate analytics query`, asking a real engine over HTTP and in a folder."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ordergate.cli.app import app
from tests.services.clickhouse import ClickHouse
from tests.services.commands import CliRunner
from tests.services.server import ROOT

pytest.importorskip("chdb")
ORDERS = """
CREATE TABLE orders (order_id String, signal_id Nullable(String), symbol String, order_type String, state String,
    entry_price Nullable(Decimal(38, 18)), fill_price Nullable(Decimal(38, 18)), slippage_pips Nullable(Float64),
    created_at DateTime64(6, 'UTC'), filled_at Nullable(DateTime64(6, 'UTC')))
ENGINE = MergeTree ORDER BY order_id
"""
ROWS = """
INSERT INTO orders VALUES
    ('ord-1', 'sig-1', 'EURUSD', 'market', 'FILLED', 1.0850, 1.08508, 0.8, now64(6), now64(6)),
    ('ord-2', NULL, 'EURUSD', 'market', 'FILLED', 1.0850, 1.0849, -1, now64(6) - INTERVAL 2 DAY, now64(6)),
    ('ord-3', NULL, 'USDJPY', 'limit', 'CANCELLED', NULL, NULL, NULL, now64(6) - INTERVAL 3 DAY, NULL),
    ('ord-4', NULL, 'USDJPY', 'limit', 'REJECTED', NULL, NULL, NULL, now64(6) - INTERVAL 3 DAY, NULL)
"""


def asked(folder: Path, server: ClickHouse, question: str, *more: str) -> Any:
    config = folder / "ordergate.toml"
    config.write_text(f'[clickhouse]\nurl = "{server.url}"\ndatabase = "{server.database}"\n')
    return CliRunner().invoke(app, ["analytics", "query", question, "--config", str(config), *more])


def answer(folder: Path, server: ClickHouse, question: str) -> Any:
    done = asked(folder, server, question, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_named_questions(clickhouse: ClickHouse, tmp_path: Path) -> None:
    clickhouse.ask(ORDERS)
    clickhouse.ask(ROWS)
    recent = answer(tmp_path, clickhouse, "recent")
    names = [column["name"] for column in recent["columns"]]
    assert names[:5] == ["order_id", "signal_id", "symbol", "order_type", "state"]
    (row,) = recent["rows"]
    assert row[:8] == [
        "ord-1",
        "sig-1",
        "EURUSD",
        "market",
        "FILLED",
        "1.085000000000000000",
        "1.085080000000000000",
        0.8,
    ]
    assert row[8].endswith("Z")
    assert answer(tmp_path, clickhouse, "fill-rate")["rows"] == [[2, 1, 1, 50.0]]
    (slipped,) = answer(tmp_path, clickhouse, "slippage")["rows"]
    assert [slipped[0], *(round(one, 6) for one in slipped[1:])] == ["EURUSD", -0.1, 1.272792, 1.0]
    table = asked(tmp_path, clickhouse, "recent").stdout
    assert "ord-1" in table
    assert "1.08508 " in table


def test_sql(clickhouse: ClickHouse, tmp_path: Path) -> None:
    found = answer(
        tmp_path, clickhouse, "SELECT 1 AS a, NULL AS b, toDecimal64('1.50', 2) AS c, 0 / 0 AS d, ['x'] AS e"
    )
    assert found["rows"] == [[1, None, "1.50", None, ["x"]]]
    assert [column["type"] for column in found["columns"]][2] == "Decimal(18, 2)"
    assert asked(tmp_path, clickhouse, "SELECT 1 WHERE 0").stdout == "Answer: none\n"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP TABLE orders", "This only asks: write SELECT"),
        ("INSERT INTO orders (order_id) VALUES ('x')", "This only asks"),
        ("ALTER TABLE orders DELETE WHERE 1", "This only asks"),
        ("SELECT 1 SETTINGS readonly = 0", "readonly"),
        ("SELECT * FROM nosuch", "Tables that ordergate fills are orders, executions and positions"),
        ("SELEC 1", "or one of recent, fill-rate, slippage"),
        ("fill_rate", "or one of recent, fill-rate, slippage"),
    ],
)
def test_what_is_no_question(clickhouse: ClickHouse, tmp_path: Path, sql: str, said: str) -> None:
    clickhouse.ask(ORDERS)
    clickhouse.ask(ROWS)
    done = asked(tmp_path, clickhouse, sql)
    assert done.exit_code == 1
    assert said in " ".join(done.stderr.split())
    problem = json.loads(asked(tmp_path, clickhouse, sql, "--json").stdout)
    assert problem["error"] == "ClickHouseError"
    assert clickhouse.ask("SELECT count() FROM orders") == [["4"]]


def test_no_server(own_clickhouse: ClickHouse, tmp_path: Path) -> None:
    own_clickhouse.kill()
    done = asked(tmp_path, own_clickhouse, "recent")
    assert done.exit_code == 1
    assert f"database default at {own_clickhouse.url}" in " ".join(done.stderr.split())


def test_nothing_is_named(tmp_path: Path) -> None:
    config = tmp_path / "ordergate.toml"
    config.write_text("")
    for more, said in (
        ([], "clickhouse.url"),
        (["--chdb", str(tmp_path / "none")], "there is no such folder"),
    ):
        done = CliRunner().invoke(app, ["analytics", "query", "recent", "--config", str(config), *more])
        assert done.exit_code != 0
        assert said in done.stderr


@pytest.mark.parametrize("name", ["clickhouse_connect", "chdb"])
def test_what_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from ordergate.adapters.clickhouse import target

    found = target.find_spec
    monkeypatch.setattr(target, "find_spec", lambda one: None if one == name else found(one))
    done = CliRunner().invoke(app, ["analytics", "query", "recent", "--chdb", str(tmp_path)])
    assert done.exit_code == 1
    assert "pip install" in " ".join(done.stderr.split())


IN_A_FOLDER = """
import sys
import chdb
from ordergate.cli.app import app
from tests.services.commands import CliRunner

folder, orders, rows = sys.argv[1:]
engine = chdb.connect(folder)
engine.query(orders)
engine.query(rows)
for question in ("fill-rate", "DROP TABLE orders", "fill-rate"):
    done = CliRunner().invoke(app, ["analytics", "query", question, "--chdb", folder])
    print(done.exit_code, " ".join(done.output.split()))
"""


@pytest.mark.slow
def test_a_folder_of_the_engine(tmp_path: Path) -> None:
    """In a process of its own: an engine has one folder a process."""
    command = [sys.executable, "-c", IN_A_FOLDER, str(tmp_path), ORDERS, ROWS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180, cwd=ROOT)
    first, drop, again = done.stdout.splitlines()
    assert first == again
    assert first.startswith("0 fill-rate")
    assert first.endswith("50.0")
    assert drop.startswith("1 ")
    assert "only asks" in drop
