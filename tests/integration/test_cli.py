"""The command line as a user meets it: what it shows, what it refuses, and how it ends."""

import asyncio
import gzip
import json
import os
import sqlite3
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from ordergate.bootstrap import open_gate
from ordergate.cli.app import app
from ordergate.config import Config
from ordergate.sdk.signals import OrderManager
from tests.services.commands import CliRunner

ROOT = Path(__file__).parents[2]
ORDER = {
    "order_id": "ord-abc",
    "idempotency_key": "strat-v7-2026-05-23-AAPL-long",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "limit",
    "limit_price": "180.50",
    "tif": "gtc",
    "fund_id": "paper-momentum",
    "strategy_id": "momentum_v1",
    "broker": "paper",
    "actor": "research_signal_executor",
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORDERGATE_DB", raising=False)
    monkeypatch.delenv("ORDERGATE_AUDIT_KEY", raising=False)


def run(*arguments: str, given: str | None = None, code: int = 0):
    result = CliRunner().invoke(app, list(arguments), input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    return result


def document(*arguments: str, **options):
    return json.loads(run(*arguments, "--json", **options).stdout)


def submit(code: int = 0, **changes):
    body = {name: value for name, value in (ORDER | changes).items() if value is not ...}
    return document("orders", "submit", "-", given=json.dumps(body), code=code)


def test_an_order_from_submit_to_position() -> None:
    order = submit()
    assert (order["order_id"], order["state"], order["pending"]) == ("ord-abc", "SUBMITTED", [])
    assert order["broker_order_id"] == "P1"
    run("quotes", "set", "AAPL", "180.40", "180.50")
    (fill,) = document("fills")
    assert (fill["quantity"], fill["price"], fill["limit_slippage_bps"]) == ("100", "180.5", "0")
    (position,) = document("positions", "--fund", "paper-momentum")
    assert (position["quantity"], position["average_price"], len(position["lots"])) == ("100", "180.5", 1)
    assert document("orders", "show", "ord-abc")["state"] == "CLOSED"
    assert [o["order_id"] for o in document("orders", "list", "--state", "closed", "--symbol", "AAPL")] == [
        "ord-abc"
    ]
    assert document("orders", "list", "--state", "canceled") == []
    story = document("audit", "show", "ord-abc")
    assert [row["to"] for row in story if row["to"] != row["from"]] == [
        "CREATED", "PENDING_RISK", "ACCEPTED", "SUBMITTED", "FILLED", "CLOSED",
    ]  # fmt: skip
    assert story[0]["actor"] == "research_signal_executor"
    assert document("audit", "verify")["signature_checked"] is True
    assert document("audit", "replay", "--compare")["equal"] is True


def test_the_same_key_again() -> None:
    first = submit()
    again = submit()
    assert again["order_id"] == first["order_id"]
    assert len(document("orders", "list")) == 1
    assert submit(quantity="100.0", limit_price=180.5)["order_id"] == first["order_id"]
    other = submit(quantity="101", code=5)
    assert other["code"] == "idempotency_key_reused"
    assert submit(idempotency_key="another", code=5)["code"] == "order_id_taken"


def test_an_order_names_its_manager_in_the_file_or_beside_it() -> None:
    manager = "rebalance-2026-05-26"
    body = json.dumps(ORDER | {"quantity": 100.25, "symbol": "BTC/USDT", "limit_price": 1})
    first = document("orders", "submit", "-", "--order-manager", manager, given=body)
    assert (first["order_manager"], first["quantity"]) == (manager, "100.25")
    assert submit(quantity=100.25, symbol="BTC/USDT", limit_price=1, order_manager=manager) == first
    assert (
        submit(quantity=100.25, symbol="BTC/USDT", limit_price=1, code=5)["code"] == "idempotency_key_reused"
    )
    named = json.dumps(ORDER | {"order_manager": "other"})
    told = document("orders", "submit", "-", "--order-manager", manager, given=named, code=1)
    assert (told["pointer"], told["code"]) == ("#/order_manager", "bad_value")
    assert "give one of them" in told["detail"]
    assert document("orders", "list", "--order-manager", "other") == []
    assert document("orders", "list", "--order-manager", manager) == [first]


@pytest.mark.parametrize(
    ("changes", "code", "pointer", "says"),
    [
        ({"fund_id": "nobody"}, "unknown_fund", "#/fund_id", "paper-momentum"),
        ({"symbol": "DOGE/USDT"}, "unknown_symbol", "#/symbol", "DOGE/USDT"),
        ({"symbol": "USDEUR"}, "unknown_symbol", "#/symbol", "USDEUR"),
        ({"side": "long"}, "bad_value", "#/side", "buy, sell, short, cover"),
        ({"colour": "red"}, "unknown_field", "#/colour", "no such field"),
        ({"quantity": "0"}, "not_positive", "#/quantity", "above zero"),
        ({"quantity": "-5"}, "not_positive", "#/quantity", "above zero"),
        ({"quantity": "NaN"}, "bad_number", "#/quantity", "NaN"),
        ({"quantity": "Infinity"}, "bad_number", "#/quantity", "Infinity"),
        ({"quantity": "1E+999999"}, "bad_number", "#/quantity", "digits"),
        ({"quantity": "1" * 5000}, "bad_number", "#/quantity", "digits"),
        ({"quantity": "1_000"}, "bad_number", "#/quantity", "1_000"),
        ({"quantity": "١٢"}, "bad_number", "#/quantity", "digits"),
        ({"quantity": True}, "wrong_type", "#/quantity", "decimal"),
        ({"quantity": ["1"]}, "wrong_type", "#/quantity", "decimal"),
        ({"quantity": "1.5"}, "off_lot", "#/quantity", "multiple of 1"),
        ({"limit_price": "180.505"}, "off_tick", "#/limit_price", "0.01"),
        ({"limit_price": ...}, "price_missing", "#/limit_price", "needs one"),
        ({"order_type": "market"}, "price_unexpected", "#/limit_price", "has none"),
        ({"order_type": "iceberg"}, "bad_value", "#/order_type", "market, limit"),
        ({"order_type": "stop", "limit_price": ...}, "price_missing", "#/stop_price", "needs one"),
        ({"tif": "gfa"}, "bad_value", "#/tif", "day, gtc, gtd, ioc, fok, opg"),
        ({"broker": "nowhere"}, "unknown_broker", "#/broker", "paper"),
        ({"idempotency_key": ...}, "missing", "#/idempotency_key", "missing"),
        ({"idempotency_key": ""}, "bad_value", "#/idempotency_key", "1 to 255"),
        ({"order_id": "has spaces"}, "bad_value", "#/order_id", "letters"),
        (
            {"symbol": "EURUSD", "quantity": "0.005", "limit_price": "1.1"},
            "below_minimum",
            "#/quantity",
            "0.01",
        ),
        ({"expires_at": "tomorrow"}, "bad_value", "#/expires_at", "not a time"),
    ],
)
def test_bad_orders_are_refused_and_leave_nothing(changes, code: str, pointer: str, says: str) -> None:
    refused = submit(code=1, **changes)
    assert (refused["code"], refused["pointer"], refused["outcome"]) == (code, pointer, "not_sent")
    assert says in refused["detail"]
    if Path("ordergate.db").exists():
        assert document("orders", "list") == []
        assert submit()["state"] == "SUBMITTED"  # the key was not used up


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("{", "not JSON"),
        ("[1, 2]", "JSON object"),
        ('"order"', "JSON object"),
        ('{"quantity": NaN}', "NaN"),
        ('{"side": "buy", "side": "sell"}', "twice"),
        ("x" * 70_000, "longer"),
        ("[" * 60_000, "not JSON"),
    ],
)
def test_what_is_no_order_at_all(text: str, says: str) -> None:
    assert says in document("orders", "submit", "-", given=text, code=1)["detail"]
    assert not Path("ordergate.db").exists()


def test_a_file_that_is_not_there() -> None:
    assert "No such file" in run("orders", "submit", "nothing.json", code=1).stderr


def test_an_order_that_is_only_created_can_be_shown_and_canceled() -> None:
    async def create() -> str:
        async with open_gate(Config(), "sqlite:///ordergate.db") as gate:
            signal = {"signal_id": "s1", "symbol": "AAPL", "signal_type": "buy", "position_size": 10}
            return (await OrderManager(gate).create_order(signal)).order_id

    run("--version")
    submit()
    order_id = asyncio.run(create())
    assert document("orders", "show", order_id)["state"] == "CREATED"
    assert [row["order_id"] for row in document("orders", "list", "--state", "created")] == [order_id]
    assert document("orders", "replace", order_id, "--quantity", "5", code=5)["code"] == "order_finished"
    assert document("orders", "cancel", order_id, "--reason", "no")["state"] == "CANCELED"
    run("audit", "verify")
    assert "CREATED" in run("audit", "show", order_id).stdout


def test_cancel_and_replace() -> None:
    submit()
    assert (
        document("orders", "replace", "ord-abc", "--quantity", "150", "--version", "2")["quantity"] == "150"
    )
    assert (
        "version"
        in document("orders", "replace", "ord-abc", "--quantity", "160", "--version", "2", code=5)["detail"]
    )
    assert (
        document("orders", "replace", "ord-abc", "--quantity", "150", code=1)["code"] == "nothing_to_change"
    )
    assert document("orders", "replace", "ord-abc", "--limit-price", "1.001", code=1)["code"] == "off_tick"
    assert document("orders", "replace", "ord-abc", "--stop-price", "1", code=1)["code"] == "price_unexpected"
    assert document("orders", "replace", "ord-abc", "--quantity", "x", code=1)["code"] == "bad_number"
    run("quotes", "set", "AAPL", "180.40", "180.50", "--ask-size", "40")
    assert document("orders", "show", "ord-abc")["filled_quantity"] == "40"
    assert document("orders", "replace", "ord-abc", "--quantity", "30", code=5)["code"] == "below_filled"
    assert document("orders", "cancel", "ord-abc", "--reason", "enough")["state"] == "CANCELED"
    assert document("orders", "cancel", "ord-abc", code=5)["code"] == "order_finished"
    assert document("orders", "replace", "ord-abc", "--quantity", "200", code=5)["code"] == "order_finished"
    assert document("orders", "cancel", "ord-none", code=3)["code"] == "order_not_found"
    assert document("orders", "show", "ord-none", code=3)["code"] == "order_not_found"
    assert document("audit", "show", "ord-none", code=3)["code"] == "order_not_found"


def test_an_order_that_the_gate_refuses() -> None:
    Path("funds.toml").write_text(
        '[funds.fx-only]\nunlimited = true\nasset_classes = ["fx"]\nstrategies = ["momentum_v1"]\n[signals]\nfund = "fx-only"\n'
    )
    body = json.dumps(ORDER | {"fund_id": "fx-only"})
    refused = document("orders", "submit", "-", "--config", "funds.toml", given=body, code=6)
    assert (refused["state"], refused["reason_code"]) == ("REJECTED", "RISK_ASSET_CLASS")
    again = document("orders", "submit", "-", "--config", "funds.toml", given=body, code=6)
    assert again["order_id"] == refused["order_id"]
    other = json.dumps(ORDER | {"fund_id": "fx-only", "symbol": "EURUSD", "quantity": "1", "limit_price": "1.1",
                                "strategy_id": "rogue", "idempotency_key": "k2", "order_id": "ord-2"})  # fmt: skip
    assert document("orders", "submit", "-", "--config", "funds.toml", given=other, code=6)[
        "reason_code"
    ] == ("RISK_STRATEGY")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1\n", "prot"),
        ("[server\n", "not TOML"),
        ("[server]\nport = 'x'\n", "server.port"),
        ('[funds.a]\nbroker = "nowhere"\n[signals]\nfund = "a"\n', "no broker"),
        ('[signals]\nfund = "nobody"\n', "no fund"),
        ('[funds.paper-momentum]\ndedupe_window = "soon"\n', "5m, 24h"),
        ('[funds.paper-momentum]\ntax_lot_method = "best"\n', "tax_lot_method"),
        ('[brokers.paper]\nadapter = "exchange"\n', "adapter"),
        ('[brokers.paper]\nadapter = "paper"\nfaults = { reject = 2 }\n', "reject"),
        ('[instruments.X]\nclass = "fx"\n', "unit"),
        (
            '[instruments.X]\nclass="fx"\nunit="lots"\ntick=0\nlot_step=1\ncurrency="USD"\n',
            "above zero",
        ),
    ],
)
def test_bad_configuration_names_file_and_key(text: str, says: str) -> None:
    Path("bad.toml").write_text(text)
    message = run("config", "show", "--config", "bad.toml", code=1).stderr
    assert "bad.toml" in message
    assert says in message


def test_no_such_configuration() -> None:
    assert "cannot be read" in run("config", "show", "--config", "none.toml", code=1).stderr


def test_what_may_be_secret_is_not_shown() -> None:
    Path("o.toml").write_text("""
[alerts]
webhook = "https://hooks.example/T0/canary"
secret = "alerts/hook#key"
[gates.own]
class = "desk:Gate"
options = { key = "canary" }
[brokers.paper]
[brokers.own]
adapter = "sync"
class = "desk:Broker"
options = { key = "canary" }
""")
    assert "canary" not in run("config", "show", "--config", "o.toml").stdout
    shown = document("config", "show", "--config", "o.toml")
    assert shown["alerts"]["webhook"] == shown["gates"]["own"]["options"] == "hidden"
    assert "canary" not in json.dumps(shown)


def test_configuration_is_shown_with_a_schema() -> None:
    assert document("config", "show")["server"]["port"] == 8012
    assert "funds.paper-momentum.broker" in run("config", "show").stdout
    schema = json.loads(run("config", "schema").stdout)
    assert "Config" in schema["$defs"]


def test_a_configured_instrument_trades() -> None:
    Path("own.toml").write_text(
        '[instruments."SOL/USDT"]\nclass = "crypto"\nunit = "coins"\ntick = 0.01\nlot_step = 0.001\ncurrency = "USDT"\n'
    )
    body = json.dumps(ORDER | {"symbol": "SOL/USDT", "quantity": "0.125", "limit_price": "140.05"})
    assert document("orders", "submit", "-", "--config", "own.toml", given=body)["quantity"] == "0.125"


@pytest.mark.parametrize(
    "command", [("orders", "list"), ("fills",), ("positions",), ("events",), ("audit", "verify")]
)
def test_no_database_at_all(command) -> None:
    assert "no database" in run(*command, "--db", "sqlite:///none.db", code=1).stderr
    assert not Path("none.db").exists()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://x", "sqlite:///PATH"),
        ("orders.db", "sqlite:///PATH"),
        ("sqlite:///", "sqlite:///PATH"),
        ("sqlite:///.", "folder"),
        ("sqlite:///no/such/folder/x.db", "no/such/folder"),
    ],
)
def test_bad_database_names(url: str, says: str) -> None:
    assert says in run("orders", "submit", "-", "--db", url, given=json.dumps(ORDER), code=1).stderr


def test_what_is_not_our_database() -> None:
    Path("text.db").write_text("this is no database " * 100)
    sqlite3.connect("other.db").execute("CREATE TABLE theirs (x)")
    submit()
    with sqlite3.connect("ordergate.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for name, says in (("text", "not a SQLite"), ("other", "another program"), ("ordergate", "newer than")):
        before = Path(f"{name}.db").read_bytes()
        for command in (("orders", "submit", "-"), ("orders", "list"), ("migrate", "up")):
            message = run(*command, "--db", f"sqlite:///{name}.db", given=json.dumps(ORDER), code=1).stderr
            assert says in message, (name, command)
        assert Path(f"{name}.db").read_bytes() == before


@pytest.mark.slow
def test_a_database_in_use_is_refused_and_reading_goes_on() -> None:
    submit()
    code = "import asyncio, sys\nfrom ordergate.bootstrap import open_gate\nfrom ordergate.config import Config\n"
    code += (
        "async def main():\n async with open_gate(Config()):\n  print('open', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code + "asyncio.run(main())"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "open\n"
        assert "in use by another" in run("orders", "cancel", "ord-abc", code=1).stderr
        assert len(document("orders", "list")) == 1
        assert document("audit", "verify")["size"] > 0
    finally:
        holder.communicate(input="")
    assert document("orders", "cancel", "ord-abc")["state"] == "CANCELED"


def test_events_are_shown_filtered_and_followed() -> None:
    submit()
    assert [e["event"]["kind"] for e in document("events", "--order", "ord-abc")] == [
        "OrderEntered/1", "OrderAcknowledged/1",
    ]  # fmt: skip
    assert len(document("events", "--kind", "OrderEntered")) == 1
    assert document("events", "--after", "10000") == []
    follower = subprocess.Popen(
        [sys.executable, "-m", "ordergate", "events", "--follow", "--json", "--order", "ord-abc"],
        stdout=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    try:
        assert "OrderEntered" in follower.stdout.readline()
        assert "OrderAcknowledged" in follower.stdout.readline()
        run("orders", "cancel", "ord-abc")
        assert "RequestOpened" in follower.stdout.readline()
        assert "OrderCanceled" in follower.stdout.readline()
    finally:
        follower.kill()
        follower.communicate()


def test_doctor_says_what_to_mend() -> None:
    checks = {c["check"]: c for c in document("doctor")["checks"]}
    assert checks["database"]["state"] == "ok"
    submit()
    checks = {c["check"]: c for c in document("doctor")["checks"]}
    assert "production wants its own" in checks["audit key"]["detail"]
    Path("ordergate.db.audit-key").chmod(0o644)
    assert "chmod 600" in run("doctor", code=1).stdout
    seed = Path("ordergate.db.audit-key").read_text().strip()
    for shown in (run("doctor", code=1).stdout, run("config", "show").stdout, run("events").stdout):
        assert seed not in shown


def test_the_generated_key_is_private_and_kept() -> None:
    submit()
    key = Path("ordergate.db.audit-key")
    if os.name == "posix":
        assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    run("orders", "cancel", "ord-abc")
    assert key.read_bytes() == before
    key.write_text("not a key")
    message = (
        run("orders", "list").stderr + run("orders", "submit", "-", given=json.dumps(ORDER), code=1).stderr
    )
    assert "no audit key" in message
    assert "not a key" not in message


def test_migrate() -> None:
    submit()
    assert document("migrate", "status")["pending"] == []
    assert document("migrate", "up")["ran"] == []
    assert "no database" in run("migrate", "status", "--db", "sqlite:///none.db", code=1).stderr


# --- demo -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_demo_without_files_is_the_same_every_time() -> None:
    first = document("demo", "--db", "sqlite:///one.db")
    second = document("demo", "--db", "sqlite:///two.db")
    assert first.pop("database") != second.pop("database")
    assert first == second
    assert first["audit"]["verified"] is True
    assert {"orders", "fills", "positions", "refused", "audit"} == set(first)
    one, two = (
        sqlite3.connect(f"{name}.db").execute("SELECT entry FROM journal").fetchall()
        for name in ("one", "two")
    )
    assert one == two


@pytest.mark.slow
def test_the_demo_takes_only_an_empty_database() -> None:
    run("demo", "--db", "sqlite:///one.db")
    assert "not empty" in run("demo", "--db", "sqlite:///one.db", code=1).stderr


def test_the_demo_makes_a_file_of_its_own() -> None:
    url = document("demo")["database"]
    assert document("audit", "verify", "--db", url)["signature_checked"] is True


QUOTES = "time,symbol,bid,ask,bid_size,ask_size\n2026-03-02T15:00:00Z,AAPL,180.40,180.50,100,60\n"
SIGNAL = '{"time": "2026-03-02T15:00:00Z", "signal_id": "s1", "symbol": "AAPL", "signal_type": "buy", "position_size": 100}\n'


@pytest.mark.parametrize(
    ("quotes", "signals", "says"),
    [
        ("", SIGNAL, "quotes.csv"),
        ("time,symbol\n", SIGNAL, "line 1"),
        (QUOTES.split("\n")[0] + "\n", SIGNAL, "no quotes"),
        (QUOTES + "2026-03-02T15:00:01Z,AAPL,180.40\n", SIGNAL, "line 3"),
        (QUOTES + "2026-03-02T14:00:01Z,AAPL,180.40,180.50,,\n", SIGNAL, "line 3"),
        (QUOTES + "2026-03-02T15:00:01Z,AAPL,NaN,180.50,,\n", SIGNAL, "line 3"),
        (QUOTES, "", "signals.jsonl"),
        (QUOTES, "{\n", "line 1"),
        (QUOTES, SIGNAL.replace("time", "when"), "line 1"),
        (QUOTES, SIGNAL.replace("100", "-1"), "position_size"),
    ],
)
def test_bad_files_are_named_before_anything_is_done(quotes: str, signals: str, says: str) -> None:
    Path("quotes.csv").write_text(quotes)
    Path("signals.jsonl").write_text(signals)
    result = run(
        "demo", "--quotes", "quotes.csv", "--signals", "signals.jsonl", "--db", "sqlite:///demo.db", code=1
    )
    assert says in result.stderr
    assert not Path("demo.db").exists()


def test_a_truncated_gzip_is_named() -> None:
    data = gzip.compress((QUOTES + "2026-03-02T15:00:01Z,AAPL,180.40,180.50,,\n" * 500).encode())
    Path("cut.csv.gz").write_bytes(data[: len(data) // 2])
    assert "cut.csv.gz" in run("demo", "--quotes", "cut.csv.gz", code=1).stderr


@pytest.mark.slow
def test_the_demo_with_protective_stops_is_the_same_every_time() -> None:
    Path("protect.toml").write_text('[signals]\nprotect = "stop"\n')
    one, two = (document("demo", "--config", "protect.toml", "--db", f"sqlite:///{name}.db") for name in "ab")
    assert one["audit"] == two["audit"]
    stops = [order for order in one["orders"] if order["parent_order_id"] is not None]
    assert {stop["order_type"] for stop in stops} == {"stop"}
    assert {stop["state"] for stop in stops} == {"SUBMITTED", "CANCELED"}
    for position in one["positions"]:
        works = [Decimal(stop["leaves_quantity"]) for stop in stops if stop["symbol"] == position["symbol"]]
        assert sum(works) == Decimal(position["quantity"])
    plain = document("demo", "--db", "sqlite:///c.db")
    assert not [order for order in plain["orders"] if order["parent_order_id"] or order["protect"]]


def test_small_sizes_fill_in_parts_and_the_rest_waits() -> None:
    Path("quotes.csv").write_text(QUOTES)
    Path("signals.jsonl").write_text(SIGNAL)
    shown = document("demo", "--quotes", "quotes.csv", "--signals", "signals.jsonl")
    (order,) = shown["orders"]
    assert (order["state"], order["filled_quantity"], order["leaves_quantity"]) == (
        "PARTIALLY_FILLED",
        "60",
        "40",
    )


DATA = ROOT.parent / "shared" / "data"


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        pytest.param("eurusd-2014-05-08", "EURUSD", marks=pytest.mark.slow),
        ("aig-2013-10-07", "AIG"),
    ],
)
def test_real_days_fill_at_prices_that_the_file_had_at_that_time(name: str, symbol: str) -> None:
    quotes = DATA / f"{name}.quotes.csv.gz"
    if not quotes.exists():
        pytest.skip(f"{quotes.name} is not on this machine")
    started = time.monotonic()
    signals = ROOT / "examples" / f"{name}.signals.jsonl"
    shown = document("demo", "--quotes", str(quotes), "--signals", str(signals), "--db", "sqlite:///day.db")
    assert time.monotonic() - started < 60
    assert len(shown["fills"]) >= 7
    assert len(shown["refused"]) == 1
    seen: dict[str, set[tuple[str, str]]] = {}
    with gzip.open(quotes, "rt") as file:
        next(file)
        rows = [line.rstrip("\n").split(",") for line in file]
    last = -1
    for fill in sorted(shown["fills"], key=lambda f: f["time"]):
        while last + 1 < len(rows) and rows[last + 1][0].rstrip("Z") <= fill["time"].rstrip("Z"):
            last += 1
        moment = rows[last][0]
        seen = {float(row[3 if fill["side"] == "buy" else 2]) for row in rows[max(0, last - 200) : last + 1]
                if row[0] == moment or row is rows[last] or row[0][:19] == moment[:19]}  # fmt: skip
        assert float(fill["price"]) in seen, fill
    assert document("audit", "verify", "--db", "sqlite:///day.db")["signature_checked"] is True
    assert document("audit", "replay", "--compare", "--db", "sqlite:///day.db")["equal"] is True
    assert {p["symbol"] for p in shown["positions"]} == {symbol}
