"""Commands on a served database: the same words, the same answers, the same exit codes; and nothing is sent twice."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ordergate.adapters.journals.door import DoorFile, door_path, read_door, write_door
from ordergate.cli import desk, door, orders
from ordergate.cli.app import app
from tests.services.commands import CliRunner
from tests.services.false_door import (
    CUT,
    HEALTHY,
    SILENCE,
    false_door,
    http,
    in_use,
    problem,
)
from tests.services.server import ROOT, Served, serving

ORDER = {
    "idempotency_key": "k-1",
    "order_id": "ord-1",
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "limit",
    "limit_price": "180.50",
    "tif": "gtc",
    "strategy_id": "momentum_v1",
}
SLOW = '[brokers.paper]\nadapter = "paper"\nlatency_ms = 600\n'
FUNDS = (
    '[funds.paper-momentum]\n[funds.fx-only]\nunlimited = true\nasset_classes = ["fx"]\n'
    "[funds.load]\nunlimited = true\n"
)
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+Z)?")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ORDERGATE_DB", "ORDERGATE_AUDIT_KEY", "ORDERGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "funds.toml").write_text(FUNDS)
    with serving(folder / "gate.db", "--config", str(folder / "funds.toml")) as made:
        yield made


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def run(database: Path, *arguments: str, given: str | None = None) -> Said:
    """Runs a command on a database; times become equal."""
    result = CliRunner().invoke(app, [*arguments, "--db", f"sqlite:///{database}"], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    texts = [
        TIME.sub("TIME", text).replace(str(database), "DATABASE") for text in (result.stdout, result.stderr)
    ]
    return Said(result.exit_code, *texts)


def submit(database: Path, *options: str, **changes: Any) -> Said:
    body = {name: value for name, value in (ORDER | changes).items() if value is not ...}
    return run(database, "orders", "submit", "-", *options, given=json.dumps(body))


def shell(*arguments: str, database: Path, **more: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(
        [sys.executable, "-m", "ordergate", *arguments, "--db", f"sqlite:///{database}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **more,
    )


TALK: list[tuple[int, tuple[str, ...], dict[str, Any] | None]] = [
    (0, ("orders", "submit", "-"), {}),
    (0, ("orders", "submit", "-"), {}),
    (0, ("orders", "submit", "-", "--json"), {}),
    (5, ("orders", "submit", "-"), {"quantity": "101"}),
    (5, ("orders", "submit", "-", "--json"), {"quantity": "101"}),
    (5, ("orders", "submit", "-", "--json"), {"idempotency_key": "k-2"}),
    (1, ("orders", "submit", "-", "--json"), {"fund_id": "nobody", "idempotency_key": "k-3"}),
    (1, ("orders", "submit", "-"), {"symbol": "DOGE/USDT", "idempotency_key": "k-3"}),
    (1, ("orders", "submit", "-", "--json"), {"limit_price": "180.505", "idempotency_key": "k-3"}),
    (1, ("orders", "submit", "-", "--json"), {"broker": "nowhere", "idempotency_key": "k-3"}),
    (1, ("orders", "submit", "-", "--json"), {"colour": "red"}),
    (1, ("orders", "submit", "-", "--json"), {"idempotency_key": ...}),
    (6, ("orders", "submit", "-"), {"fund_id": "fx-only", "order_id": "ord-2", "idempotency_key": "k-4"}),
    (6, ("orders", "submit", "-", "--json"), {"fund_id": "fx-only", "order_id": "ord-2", "idempotency_key": "k-4"}),
    (5, ("orders", "replace", "ord-1", "--quantity", "90", "--version", "77"), None),
    (5, ("orders", "replace", "ord-1", "--quantity", "90", "--version", "77", "--json"), None),
    (0, ("orders", "replace", "ord-1", "--quantity", "90", "--version", "2"), None),
    (1, ("orders", "replace", "ord-1", "--json"), None),
    (1, ("orders", "replace", "ord-1", "--limit-price", "1.001", "--json"), None),
    (1, ("orders", "replace", "ord-1", "--limit-price", "-1"), None),
    (2, ("orders", "replace", "ord-1", "--limit-price", "1", "--version", "-1"), None),
    (3, ("orders", "replace", "ord-9", "--limit-price", "1"), None),
    (0, ("quotes", "set", "AAPL", "180.40", "180.60", "--ask-size", "0"), None),
    (0, ("quotes", "set", "BTC/USDT", "67000", "67001.5", "--json"), None),
    (1, ("quotes", "set", "AAPL", "0", "180.60", "--json"), None),
    (1, ("quotes", "set", "AAPL", "1", "2", "--bid-size", "-1", "--json"), None),
    (1, ("quotes", "set", "AAPL", "5", "1", "--json"), None),
    (3, ("quotes", "set", "DOGE/USDT", "1", "2", "--json"), None),
    (3, ("quotes", "set", "../orders", "1", "2"), None),
    (3, ("quotes", "set", "AAPL", "1", "2", "--broker", "no&where", "--json"), None),
    (0, ("quotes", "set", "AAPL", "180.40", "180.50", "--ask-size", "40"), None),
    (5, ("orders", "replace", "ord-1", "--quantity", "30", "--json"), None),
    (0, ("orders", "cancel", "ord-1", "--reason", "the signal is „off”"), None),
    (1, ("orders", "cancel", "ord-1", "--reason", "x" * 1_001, "--json"), None),
    (5, ("orders", "cancel", "ord-1"), None),
    (5, ("orders", "replace", "ord-1", "--quantity", "95", "--json"), None),
    (3, ("orders", "cancel", "..", "--json"), None),
    (3, ("orders", "cancel", "a/b", "--json"), None),
    (3, ("orders", "cancel", "", "--json"), None),
    (3, ("orders", "cancel", "é?x=1#y", "--json"), None),
    (0, ("orders", "submit", "-", "--json"), {"order_id": "ord-5", "idempotency_key": "k-5", "tif": "ioc"}),
    (0, ("orders", "show", "ord-5", "--json"), None),
    (0, ("orders", "list"), None),
    (0, ("fills",), None),
    (0, ("positions", "--json"), None),
    (0, ("audit", "replay", "--compare"), None),
]  # fmt: skip


def _without_market(position: dict[str, Any]) -> dict[str, Any]:
    of_the_market = (
        "unrealized_pnl",
        "price",
        "priced_at",
        "market_value",
        "market_value_usd",
        "unrealized_pl_usd",
        "market_value_fund",
        "unrealized_pl_fund",
    )
    return {name: value for name, value in position.items() if name not in of_the_market}


EUROS = """
[funds.paper-momentum]
base_currency = "EUR"
"""


@pytest.mark.slow
def test_tables_show_the_currency_of_the_fund_with_the_rate(tmp_path: Path) -> None:
    database = tmp_path / "gate.db"
    Path("euros.toml").write_text(EUROS)
    with serving(database, "--config", "euros.toml"):
        run(database, "quotes", "set", "EURUSD", "1.25", "1.25")
        run(database, "quotes", "set", "AAPL", "180", "180.50")
        assert submit(database, quantity="10").code == 0
        held, worth = run(database, "positions").out, run(database, "nav").out
        (nav,) = run(database, "nav", "--json").document
    lines = [" ".join(line.split()) for line in (held + worth).splitlines()]
    (other,) = [line for line in lines if "1 / EURUSD" in line and "AAPL" in line]
    assert other.startswith("paper-momentum AAPL 1440 -4 0 0 EUR 0.8 1 / EURUSD TIME")
    assert "paper-momentum AAPL 10 shares 180.5 180 1800 -5 0 0 USD" in lines
    (in_euros,) = [line for line in lines if "1 / EURUSD" in line and "AAPL" not in line]
    assert in_euros.startswith(f"paper-momentum {nav['nav_fund']} 0 -2 ")
    assert Decimal(nav["nav_fund"]) == Decimal(nav["nav_usd"]) * Decimal("0.8")


@pytest.mark.slow
def test_net_asset_value_takes_the_quotes_of_who_serves(tmp_path: Path) -> None:
    database = tmp_path / "gate.db"
    Path("funds.toml").write_text(FUNDS)
    with serving(database, "--config", "funds.toml"):
        run(database, "quotes", "set", "AAPL", "180.40", "180.50")
        assert submit(database, quantity="10").code == 0
        (nav,) = run(database, "nav", "paper-momentum", "--json").document
        assert (nav["unrealized_usd"], nav["missing"]) == ("-0.5", [])
        shown = run(database, "nav")
        told = run(database, "nav", "nobody", "--json")
    assert "paper-momentum" in shown.out
    assert "fx-only cannot be valued in full. What is missing: nav_usd among the fund's limits" in " ".join(
        shown.err.split()
    )
    assert (told.code, "'nobody' is no fund" in told.out) == (3, True)
    (alone,) = run(database, "nav", "paper-momentum", "--json").document
    assert (alone["nav_usd"], alone["missing"]) == (None, ["a quote of AAPL"])


@pytest.mark.slow
def test_every_command_says_the_same_both_ways(served: Served, tmp_path: Path) -> None:
    Path("funds.toml").write_text(FUNDS)
    for number, (code, arguments, changes) in enumerate(TALK):
        body = None
        if changes is not None:
            body = json.dumps({n: v for n, v in (ORDER | changes).items() if v is not ...})
        here = run(tmp_path / "own.db", *arguments, *("--config", "funds.toml"), given=body)
        there = run(served.database, *arguments, given=body)
        assert here.code == code, (number, arguments, changes, here)
        if arguments[0] == "positions":  # who serves has quotes, and says what these are worth
            assert not any(position["market_value_usd"] for position in here.document)
            assert all(position["market_value_usd"] for position in there.document)
            assert [_without_market(p) for p in there.document] == [_without_market(p) for p in here.document]
        elif arguments[:2] != ("audit", "replay"):  # a served journal has fewer sessions
            assert there == here, (number, arguments, changes)
        assert there.code == code
        if "--json" in arguments:
            assert isinstance(there.document, dict | list)
    assert served.process.poll() is None


def test_the_journal_says_who_and_through_which_door(served: Served, tmp_path: Path) -> None:
    def behind(database: Path, order_id: str) -> dict[str, str]:
        submit(database, order_id=order_id, idempotency_key=order_id)
        return run(database, "audit", "show", order_id, "--json").document[0]

    here, there = behind(tmp_path / "own.db", "who-1"), behind(served.database, "who-1")
    assert (here["actor"], here["source"], there["source"]) == ("cli", "cli", "rest")
    assert here["principal"] == there["principal"] == there["actor"] == desk.principal()


@pytest.mark.parametrize(
    ("login", "known"), [("anna", "anna"), ("an na", "local"), ("", "local"), ("ännä", "local")]
)
def test_the_principal_is_the_login_name(login: str, known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.getpass, "getuser", lambda: login)
    assert desk.principal() == known


def test_without_a_login_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError("no username set in the environment")

    monkeypatch.setattr(desk.getpass, "getuser", nobody)
    assert desk.principal() == "local"


@pytest.mark.slow
def test_a_broker_that_answers_late_is_waited_for_and_then_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("slow.toml").write_text(SLOW)
    options, other = ("--json", "--config", "slow.toml"), {"order_id": "ord-2", "idempotency_key": "k-2"}
    with serving(tmp_path / "gate.db", "--config", "slow.toml"):
        late = submit(tmp_path / "gate.db", *options)
        assert (late.code, late.document["pending"], late.document["broker_order_id"]) == (0, [], "P1")
        monkeypatch.setattr(orders, "ANSWER_WITHIN_S", 0.15)
        there = submit(tmp_path / "gate.db", *options, **other)
    here = submit(tmp_path / "own.db", *options, **other)
    assert here.code == 7
    assert there == here
    assert there.document["pending"] == ["submit:sent"]


@pytest.mark.slow
def test_a_killed_server_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    database = tmp_path / "gate.db"
    with serving(database) as made:
        first = submit(database, "--json")
        checks = {c["check"]: c for c in run(database, "doctor", "--json").document["checks"]}
        assert checks["service"]["state"] == "ok"
        assert f"process {made.process.pid} serves it at {made.url}" in checks["service"]["detail"]
        for command in (("migrate", "up"), ("serve", "--port", "0"), ("demo",)):
            refused = run(database, *command)
            assert refused.code == 1, command
            assert f"process {made.process.pid} serves it at {made.url}" in refused.err
        made.end(signal.SIGKILL)
    assert read_door(database) is not None
    again = submit(database, "--json")
    assert again.code == 0
    assert again.document["order_id"] == first.document["order_id"]
    assert "used before" in again.err
    assert run(database, "orders", "cancel", "ord-1").code == 0
    (service,) = (c for c in run(database, "doctor", "--json").document["checks"] if c["check"] == "service")
    assert service["state"] == "warn"
    assert "harmless" in service["detail"]
    assert run(database, "audit", "verify").code == 0


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_no_proxy_is_asked(served: Served, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with false_door(lambda _request: CUT) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        said = submit(served.database, order_id=f"via-{variable}", idempotency_key=variable)
        assert said.code == 0, said
        assert proxy.asked == []


@pytest.mark.slow
def test_two_at_once(served: Served, tmp_path: Path) -> None:
    """On a free database one waits for the other, on a served one neither does."""
    Path("order.json").write_text(json.dumps(ORDER | {"order_id": "both", "idempotency_key": "both"}))
    submit(tmp_path / "own.db")
    for database in (tmp_path / "own.db", served.database):
        commands = [shell("orders", "submit", "order.json", "--json", database=database) for _ in range(2)]
        said = [(*command.communicate(timeout=60), command.returncode) for command in commands]
        assert [code for _out, _err, code in said] == [0, 0], said
        assert {json.loads(out)["order_id"] for out, _err, _code in said} == {"both"}
        assert sum("used before" in err for _out, err, _code in said) == 1
        assert json.dumps(run(database, "orders", "list", "--json").document).count('"both"') == 2


def test_who_has_it_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    submit(tmp_path / "own.db")
    taken = in_use(tmp_path / "own.db")
    taken.__enter__()
    timer = threading.Timer(0.3, taken.__exit__, (None, None, None))
    timer.start()
    assert run(tmp_path / "own.db", "orders", "cancel", "ord-1").code == 0
    timer.join()


def test_a_door_that_is_just_being_opened_is_waited_for(served: Served) -> None:
    hidden = door_path(served.database).rename(served.database.with_name("hidden"))
    timer = threading.Timer(0.3, hidden.rename, (door_path(served.database),))
    timer.start()
    assert submit(served.database, order_id="late", idempotency_key="late").code == 0
    timer.join()


WRITES = {
    "submit": ("orders", "submit", "order.json"),
    "cancel": ("orders", "cancel", "ord-1"),
    "replace": ("orders", "replace", "ord-1", "--quantity", "5"),
    "quotes": ("quotes", "set", "AAPL", "1", "2"),
}
each_write = pytest.mark.parametrize("command", WRITES.values(), ids=WRITES)


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database, and a command line of little patience."""
    monkeypatch.setattr(desk, "PATIENCE_S", 0.15)
    Path("order.json").write_text(json.dumps(ORDER))
    return tmp_path / "own.db"


def test_busy_without_a_door(hasty: Path) -> None:
    with in_use(hasty):
        said = run(hasty, "orders", "submit", "order.json", "--json")
    assert (said.code, said.document["error"]) == (1, "StoreBusy")
    assert "in use by another ordergate process" in said.err


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:{port}", "nobody answers there"),
        ("http://192.0.2.1:80", "no address of this machine"),
        ("http://localhost.example.com:80", "no address of this machine"),
        ("http://127.0.0.1:{port}@example.com", "no address of this machine"),
        ("file:///etc/passwd", "no address of this machine"),
        ("", "no address of this machine"),
    ],
)
def test_a_door_where_nobody_is(hasty: Path, url: str, says: str) -> None:
    with in_use(hasty, url.format(port=closed_port())):
        said = run(hasty, "orders", "submit", "order.json", "--json")
        (service,) = (c for c in run(hasty, "doctor", "--json").document["checks"] if c["check"] == "service")
    assert (said.code, said.document["error"]) == (1, "StoreBusy")
    assert "process 4711" in said.err
    assert says in said.err
    assert "Nothing was sent" in said.err
    assert service["state"] == "ok"  # there is no database yet


NO_ANSWER = "no answer within"

STRANGERS = {
    "another program": (http(200, b"<h1>hello</h1>"), "another program"),
    "another interface": (http(200, {"status": "UP"}), "another program"),
    "not found": (http(404, b"no such page"), "another program"),
    "a redirect": (http(302, b"", "Location: http://127.0.0.1:9/health"), "another program"),
    "another database": (http(200, {"status": "alive", "instance": "other"}), "door of another database"),
    "nothing": (CUT, "broke off"),
    "silence": (SILENCE, NO_ANSWER),
    "no HTTP": (b"220 mail ESMTP\r\n\r\n", "broke off"),
    "too much": (http(200, b"x" * 1_100_000), "larger than"),
    "deep": (http(200, b"[" * 100_000), "another program"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "says"), STRANGERS.values(), ids=STRANGERS)
def test_nothing_is_sent_to_a_stranger(
    hasty: Path, answer: bytes | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if says == NO_ANSWER:
        monkeypatch.setattr(door, "PROBE_S", 0.3)
    with false_door(lambda _request: answer) as stranger, in_use(hasty, stranger.url):
        said = run(hasty, "orders", "submit", "order.json", "--json")
        assert set(stranger.asked) == {"GET /health"}
    assert (said.code, said.document["error"]) == (1, "StoreBusy"), said
    assert says in said.err
    assert "Nothing was sent" in said.err


UNCLEAR = {
    "cut off": (CUT, "broke off"),
    "silence": (SILENCE, NO_ANSWER),
    "half an answer": (b"HTTP/1.1 202 Accepted\r\nContent-Length: 50\r\n\r\n{", NO_ANSWER),
    "too much": (http(202, b"x" * 1_100_000), "larger than"),
    "a redirect": (http(307, b"", "Location: http://127.0.0.1:9/v1/orders"), "answered 307"),
    "nonsense": (http(202, b"{}}"), "nothing that can be read"),
    "no order": (http(202, {"order_id": 5}), "nothing that can be read"),
    "an error page": (http(502, b"<h1>Bad gateway</h1>"), "answered 502"),
    "a mistake": (problem(500, "internal_error", "look into the log", outcome="unknown"), "look into the log"),
    "unknown": (problem(503, "outcome_unknown", "no telling", outcome="unknown"), "no telling"),
}  # fmt: skip


@each_write
@pytest.mark.parametrize(("answer", "says"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_may_have_left_is_unknown_and_sent_once(
    hasty: Path, command: tuple[str, ...], answer: bytes | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if says == NO_ANSWER:
        monkeypatch.setattr(door, "ANSWER_S", 0.5)
    if command[0] == "quotes" and answer is not None and b'"outcome": "unknown"' in answer:
        answer = problem(503, "outcome_unknown", says)  # a quote is no order
    with (
        false_door(lambda request: HEALTHY if request == "GET /health" else answer) as made,
        in_use(hasty, made.url),
    ):
        said = run(hasty, *command, "--json")
        assert len(made.written()) == 1, made.asked
    assert (said.code, said.document["error"]) == (7, "OutcomeUnknown"), said
    assert says in said.err
    again = {"submit": "submit the same again", "quotes": "set the quote again"}.get(
        command[1] if command[0] == "orders" else "quotes", "ordergate orders show ord-1"
    )
    assert again in said.err


TAKEN = http(202, {"order_id": "ord-1", "state": "SUBMITTED", "pending": ["submit:sent"]})


@pytest.mark.parametrize(
    "later", [CUT, SILENCE, http(404, b""), problem(503, "store_unavailable")], ids=["cut", "still", "404", "503"]
)  # fmt: skip
def test_an_order_that_was_taken_and_then_lost_from_sight(
    hasty: Path, later: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if later == SILENCE:
        monkeypatch.setattr(door, "ANSWER_S", 0.5)

    def answer(request: str) -> bytes | None:
        return HEALTHY if request == "GET /health" else TAKEN if request.startswith("POST") else later

    with false_door(answer) as made, in_use(hasty, made.url):
        said = run(hasty, "orders", "submit", "order.json", "--json")
        assert made.written() == ["POST /v1/orders"]
    assert (said.code, said.document["error"]) == (7, "OutcomeUnknown"), said
    assert "order ord-1 was taken" in said.err


REFUSALS = {
    "full": (problem(503, "inbox_full", "wait", outcome="not_sent"), 5, "Conflict"),
    "store": (problem(503, "store_unavailable", "the disk is full", outcome="not_sent"), 1, "StoreError"),
    "damaged": (problem(500, "journal_damaged", "entry 5", outcome="unknown"), 7, "OutcomeUnknown"),
    "too large": (problem(413, "body_too_large", outcome="not_sent"), 1, "DoorError"),
    "of tomorrow": (problem(422, "market_closed", outcome="not_sent"), 1, "DoorError"),
    "of today": (problem(422, "off_lot", outcome="not_sent"), 1, "Invalid"),
}


@pytest.mark.parametrize(("answer", "code", "kind"), REFUSALS.values(), ids=REFUSALS)
def test_refusals_keep_their_kind(hasty: Path, answer: bytes, code: int, kind: str) -> None:
    with (
        false_door(lambda request: HEALTHY if request == "GET /health" else answer) as made,
        in_use(hasty, made.url),
    ):
        said = run(hasty, "orders", "submit", "order.json", "--json")
    assert (said.code, said.document["error"]) == (code, kind), said


def test_a_door_that_closes_before_the_order_leaves(hasty: Path) -> None:
    """Its last word was that it closes the connection, and then nobody listens."""

    def answer(_request: str) -> bytes:
        closing.append(threading.Thread(target=made._listener.close))
        made._ended.set()
        with socket.create_connection(("127.0.0.1", made.port)):
            pass
        made._listener.close()
        return HEALTHY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)

    closing: list[threading.Thread] = []
    with false_door(answer) as made, in_use(hasty, made.url):
        said = run(hasty, "orders", "submit", "order.json", "--json")
        made.close = lambda: None
    assert (said.code, said.document["error"]) == (1, "StoreBusy"), said
    assert "Nothing was sent" in said.err


def test_doctor_on_a_door_that_is_wrong(hasty: Path) -> None:
    def service() -> tuple[str, str]:
        checks = run(hasty, "doctor", "--json").document["checks"]
        return next((c["state"], c["detail"]) for c in checks if c["check"] == "service")

    submit(hasty)
    assert service() == ("ok", "nobody serves it")
    with in_use(hasty):
        state, detail = service()
        assert state == "warn"
        assert "does not serve it" in detail
    with false_door(lambda _request: http(200, {})) as made, in_use(hasty, made.url):
        state, detail = service()
        assert (state, "another program" in detail) == ("bad", True)
    closing = problem(503, "not_ready", "the service is closing")
    with false_door(lambda r: HEALTHY if "health" in r else closing) as made, in_use(hasty, made.url):
        state, detail = service()
        assert (state, "the service is closing" in detail) == ("bad", True)


@pytest.mark.slow
def test_reading_goes_on_beside_a_busy_server(served: Served, tmp_path: Path) -> None:
    stop, sent, failed = threading.Event(), [], []

    def load(name: str) -> None:
        with served.client() as client:
            while not stop.is_set():
                key = f"{name}-{len(sent)}"
                body = ORDER | {"order_id": key, "idempotency_key": key, "fund_id": "load"}
                answer = client.post("/v1/orders", json=body)
                (sent if answer.status_code == 202 else failed).append(key)

    size = sqlite3.connect(served.database).execute("SELECT max(size) FROM head").fetchone()[0]
    follower = shell("events", "--follow", "--json", "--after", str(size - 1), database=served.database)
    threads = [threading.Thread(target=load, args=(name,)) for name in ("x", "y")]
    for thread in threads:
        thread.start()
    try:
        assert follower.stdout is not None
        seen = [json.loads(follower.stdout.readline())["index"] for _ in range(200)]
        assert seen == list(range(size, size + 200))
        for command in (
            ("orders", "list"), ("orders", "show", "x-0"), ("fills",), ("positions",), ("events", "--after", str(size)),
            ("audit", "verify"), ("audit", "export", str(tmp_path / "log")), ("audit", "show", "x-0"),
            ("audit", "proof", "x-0", "--out", str(tmp_path / "proof")),
            ("migrate", "status"), ("orders", "cancel", "x-0"), ("quotes", "set", "EURUSD", "1.08", "1.09"),
        ):  # fmt: skip
            said = run(served.database, *command, "--json")
            assert said.code == 0, (command, said)
            assert said.document is not None
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        follower.kill()
        follower.communicate()
    assert sent
    assert not failed


@pytest.mark.slow
def test_a_stale_file_while_another_command_has_it(hasty: Path) -> None:
    """The address that it names is another database's by now: the order must not go there."""
    submit(hasty)
    with serving(hasty.with_name("other.db")) as other:
        with in_use(hasty):
            write_door(hasty, DoorFile(url=other.url, pid=1, instance="of-one-that-was-killed"))
            said = submit(hasty, "--json", order_id="astray", idempotency_key="astray")
        with other.client() as client:
            assert client.get("/v1/orders").json()["items"] == []
    assert (said.code, said.document["error"]) == (1, "StoreBusy")
    assert "another database" in said.err
