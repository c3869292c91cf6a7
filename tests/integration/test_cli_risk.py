"""Risk on the command line: the same words on a database and on one that is served, and the same exit codes."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ordergate.application.decide import halting
from ordergate.cli.app import app
from tests.services.commands import CliRunner
from tests.services.server import serving, serving_in

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
LIMITED = """
[limits.funds.paper-momentum]
nav_usd = 1_000_000
max_position_pct = "none"
max_order_notional_usd = "none"
allowed_order_types = "none"
allowed_asset_classes = "none"
approve_above_usd = 20_000
"""
SHARDS = """
[shards.eu]
[shards.us]
[brokers.paper]
adapter = "paper"
[brokers.paper-us]
adapter = "paper"
[funds.alpha]
shard = "eu"
unlimited = true
[funds.beta]
shard = "us"
broker = "paper-us"
unlimited = true
[signals]
fund = "alpha"
"""
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+Z)?")
FUND = ("--fund", "paper-momentum")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ORDERGATE_DB", "ORDERGATE_AUDIT_KEY", "ORDERGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    Path("gate.toml").write_text(LIMITED)


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str, given: Any = None, config: str = "gate.toml") -> Said:
    """Runs a command; times become equal."""
    result = CliRunner().invoke(
        app, [*arguments, "--config", config], input=None if given is None else json.dumps(given)
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, TIME.sub("TIME", result.stdout), TIME.sub("TIME", result.stderr))


def fund(*limits: str) -> tuple[str, ...]:
    return ("risk", "set", "fund:paper-momentum", *limits, "--reason", "quiet days")


TALK: list[tuple[int, tuple[str, ...], dict[str, Any] | None]] = [
    (0, ("risk", "check", "-"), {}),
    (0, ("risk", "check", "-", "--json"), {"idempotency_key": None, "quantity": 100}),
    (6, ("risk", "check", "-"), {"quantity": "6000"}),
    (6, ("risk", "check", "-", "--json"), {"order_type": "market", "limit_price": None}),
    (1, ("risk", "check", "-", "--json"), {"colour": "red"}),
    (1, ("risk", "check", "-"), {"fund_id": "nobody"}),
    (0, ("orders", "submit", "-", "--json"), {}),
    (0, fund("max_order_qty=120", "allowed_brokers=paper", "leverage=fx:10,metals:5", "--as", "ann"), None),
    (0, fund("max_order_qty=none", "max_orders_per_s=50", "--until", "2099-01-01T00:00:00Z", "--json"), None),
    (0, fund("max_orders_per_s=none", "max_order_qty=120", "enable_shorting=yes", "--json"), None),
    (1, fund("max_order=1", "--json"), None),
    (1, fund("max_order_qty=many", "--json"), None),
    (1, fund("max_order_qty"), None),
    (1, fund("max_order_qty=1", "max_order_qty=2"), None),
    (1, fund("max_order_qty=1", "--as", "no such name"), None),
    (1, fund("max_order_qty=1", "--until", "tomorrow", "--json"), None),
    (1, ("risk", "set", "planet:earth", "max_order_qty=1", "--reason", "r", "--json"), None),
    (1, ("risk", "set", "fund:nobody", "max_order_qty=1", "--reason", "r", "--json"), None),
    (1, ("risk", "set", "firm", "max_order_qty=1", "--reason", " ", "--json"), None),
    (0, ("risk", "set", "firm", "max_order_qty=1000", "--reason", "r"), None),
    (0, ("risk", "set", "symbol:BTC/USDT", "max_position_qty=5", "--reason", "r", "--json"), None),
    (6, ("orders", "submit", "-"), {"order_id": "ord-2", "idempotency_key": "k-2", "quantity": "121"}),
    (6, ("orders", "submit", "-"), {"order_id": "ord-2", "idempotency_key": "k-2", "quantity": "121"}),
    (6, ("orders", "replace", "ord-1", "--quantity", "121"), None),
    (6, ("orders", "replace", "ord-1", "--quantity", "121", "--json"), None),
    (0, ("orders", "submit", "-"), {"order_id": "ord-3", "idempotency_key": "k-3", "quantity": "115"}),
    (0, ("approvals",), None),
    (0, ("approvals", "list", "--json"), None),
    (0, ("approvals", "approve", "ord-3", "--reason", "as agreed", "--as", "ann"), None),
    (5, ("approvals", "approve", "ord-3", "--json"), None),
    (3, ("approvals", "reject", "ord-9"), None),
    (3, ("approvals", "reject", "a/b"), None),
    (0, ("orders", "submit", "-"), {"order_id": "ord-4", "idempotency_key": "k-4", "quantity": "116"}),
    (0, ("approvals", "reject", "ord-4", "--json"), None),
    (1, ("overrides", "ask", "ord-2", "--reason", "r", "--until", "2001-01-01T00:00:00Z"), None),
    (3, ("overrides", "ask", "ord-99", "--reason", "r", "--json"), None),
    (5, ("overrides", "ask", "ord-1", "--reason", "r", "--json"), None),
    (0, ("overrides", "ask", "ord-2", "--reason", "a hedge", "--as", "ann"), None),
    (0, ("overrides",), None),
    (5, ("overrides", "approve", "ord-2", "--as", "ann"), None),
    (3, ("overrides", "approve", "a/b"), None),
    (0, ("overrides", "reject", "ord-2", "--as", "ann", "--json"), None),
    (0, ("overrides", "ask", "ord-2", "--reason", "a hedge", "--as", "ann", "--json"), None),
    (0, ("overrides", "approve", "ord-2", "--reason", "seen", "--as", "bob"), None),
    (0, ("overrides", "list", "--all", "--json"), None),
    (0, ("risk", "set", "strategy:momentum_v1", "max_runs=1", "--reason", "r"), None),
    (3, ("risk", "enable", "momentum_v1", "--reason", "r", "--json"), None),
    (0, ("orders", "submit", "-", "--json"), {"order_id": "ord-5", "idempotency_key": "k-5", "quantity": "1"}),
    (6, ("orders", "submit", "-"), {"order_id": "ord-6", "idempotency_key": "k-6", "quantity": "1"}),
    (0, ("risk", "strategies"), None),
    (0, ("risk", "enable", "momentum_v1", "--reason", "meant", "--as", "ann"), None),
    (5, ("risk", "heartbeat", "momentum_v1", "--json"), None),
    (0, ("risk", "set", "strategy:momentum_v1", "max_silence_s=100000", "max_position_qty=250", "--reason", "r"), None),
    (0, ("risk", "heartbeat", "momentum_v1", "--as", "ann", "--json"), None),
    (0, ("risk", "heartbeat", "momentum_v1"), None),
    (5, ("risk", "heartbeat", "nobody"), None),
    (1, ("risk", "heartbeat", "no such name", "--json"), None),
    (0, ("risk", "strategies", "--json"), None),
    (0, ("kill", "on", *FUND, "--reason", "drill", "--mode", "reduce-only", "--as", "ann", "--json"), None),
    (0, ("kill", "on", *FUND, "--reason", "drill", "--as", "ann"), None),
    (5, ("kill", "on", *FUND, "--reason", "drill", "--mode", "reduce-only", "--json"), None),
    (6, ("orders", "submit", "-", "--json"), {"order_id": "ord-7", "idempotency_key": "k-7", "quantity": "1"}),
    (5, (*fund("max_order_qty=200"), "--json"), None),
    (0, ("kill", "show"), None),
    (0, ("kill", "show", "--json"), None),
    (5, ("kill", "off", *FUND, "--reason", "over", "--as", "ann"), None),
    (0, ("kill", "off", *FUND, "--reason", "over", "--as", "bob"), None),
    (3, ("kill", "off", "--firm", "--reason", "over", "--json"), None),
    (0, ("kill", "on", "--broker", "paper", "--reason", "drill"), None),
    (0, ("kill", "off", "--broker", "paper", "--reason", "over", "--as", "bob", "--json"), None),
    (1, ("kill", "on", "--broker", "gone", "--reason", "drill", "--json"), None),
    (1, ("kill", "on", "--firm", "--reason", "drill", "--mode", "gently"), None),
    (2, ("kill", "on", "--reason", "drill"), None),
    (2, ("kill", "on", "--firm", *FUND, "--reason", "drill"), None),
    (0, ("kill", "show", "--all"), None),
    (0, ("orders", "list"), None),
    (0, ("risk", "limits", "--level", "fund"), None),
    (0, ("risk", "limits", "--level", "firm", "--json"), None),
    (0, ("audit", "replay", "--compare"), None),
]  # fmt: skip


def talk() -> list[Said]:
    said = []
    for code, arguments, changes in TALK:
        body = None if changes is None else {n: v for n, v in (ORDER | changes).items() if v is not None}
        said.append(run(*arguments, given=body))
        assert said[-1].code == code, (arguments, said[-1])
    return said


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Said]:
    monkeypatch.setenv("ORDERGATE_DB", f"sqlite:///{tmp_path}/gate.db")
    return talk()


@pytest.mark.slow
def test_the_talk_is_the_same_on_a_database_that_is_served(
    own: list[Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    database = tmp_path / "there" / "gate.db"
    with serving(database, "--config", "gate.toml"):
        monkeypatch.setenv("ORDERGATE_DB", f"sqlite:///{database}")
        served = talk()
    for (_code, arguments, _changes), here, there in zip(TALK, own, served, strict=True):
        if arguments[0] in ("risk", "kill", "approvals"):
            assert here == there, arguments


def said_by(own: list[Said], *arguments: str) -> Said:
    return next(said for (_code, known, _c), said in zip(TALK, own, strict=True) if known == arguments)


def test_what_is_said(own: list[Said]) -> None:
    checked = said_by(own, "risk", "check", "-", "--json").document
    assert (checked["approved"], checked["margin_before"], checked["margin_after"]) == (True, "0", "18050")
    assert "RISK_MARGIN: Insufficient margin" in own[2].err
    assert own[3].document["code"] == "RISK_NO_PRICE"
    refused = said_by(own, "orders", "replace", "ord-1", "--quantity", "121", "--json").document
    assert (refused["code"], refused["outcome"]) == ("RISK_ORDER_QTY", "not_sent")
    (waiting,) = said_by(own, "approvals", "list", "--json").document
    assert (waiting["order_id"], waiting["awaits"]) == ("ord-3", ["approval"])
    assert "ord-3" in said_by(own, "approvals").out
    rejected = said_by(own, "approvals", "reject", "ord-4", "--json").document
    assert (rejected["state"], rejected["reason_code"]) == ("REJECTED", "RISK_NOT_APPROVED")
    (halt,) = said_by(own, "kill", "show", "--json").document
    assert (halt["mode"], halt["by"], halt["name"]) == ("halt", "ann", "paper-momentum")
    assert (
        "'ann' ordered the halt of fund paper-momentum: another principal"
        in said_by(own, "kill", "off", *FUND, "--reason", "over", "--as", "ann").err
    )
    assert "max_order_qty" in own[10].document["detail"]
    (granted,) = said_by(own, "overrides", "list", "--all", "--json").document
    assert (granted["order_id"], granted["asked_by"], granted["answered_by"]) == ("ord-2", "ann", "bob")
    assert granted["codes"] == ["RISK_ORDER_QTY"]
    unwatched = said_by(own, "risk", "heartbeat", "momentum_v1", "--json").document
    assert (unwatched["code"], unwatched["pointer"]) == ("not_watched", "#/strategy_id")
    assert "max_silence_s" in unwatched["detail"]
    beat = said_by(own, "risk", "heartbeat", "momentum_v1", "--as", "ann", "--json").document
    assert (beat["seen_at"], beat["max_silence_s"], beat["stopped"]) == ("TIME", 100_000, False)
    assert said_by(own, "risk", "strategies", "--json").document == [beat]
    halted = next(said for (_code, known, _c), said in zip(TALK, own, strict=True) if "reduce-only" in known)
    assert (halted.document["asked"], halted.document["left"]) == (3, 0)


def test_the_switch_is_thrown_until_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halting, "MOST_AT_ONCE", 2)
    for number in range(5):
        run(
            "orders",
            "submit",
            "-",
            given=ORDER | {"order_id": f"ord-{number}", "idempotency_key": f"k-{number}"},
        )
    said = run("kill", "on", "--firm", "--reason", "drill", "--json").document
    assert (said["asked"], said["canceled"], said["left"]) == (5, 0, 0)
    states = {order["state"] for order in run("orders", "list", "--json").document}
    assert states == {"CANCELED"}


@pytest.fixture
def shards() -> None:
    Path("shards.toml").write_text(SHARDS)


def both(*arguments: str, given: Any = None) -> Said:
    return run(*arguments, given=given, config="shards.toml")


def of_shards() -> None:
    """What is of a fund or broker is in its shard; what is of the firm or a strategy in every one."""
    assert both("risk", "set", "fund:beta", "max_order_qty=5", "--reason", "r").code == 0
    assert both("risk", "set", "strategy:s", "max_order_qty=7", "--reason", "r").code == 0
    rows = both("risk", "limits", "--json").document
    assert [(r["shard"], r["level"], r["name"]) for r in rows] == [
        ("eu", "strategy", "s"), ("us", "fund", "beta"), ("us", "strategy", "s"),
    ]  # fmt: skip
    assert both("risk", "set", "firm", "max_order_qty=9", "--reason", "r", "--shard", "eu").code == 0
    firm = both("risk", "limits", "--level", "firm", "--json").document
    assert [row["shard"] for row in firm] == ["eu"]
    assert both("risk", "heartbeat", "s").code == 5
    assert both("risk", "set", "strategy:s", "max_silence_s=1000", "--reason", "r", "--shard", "us").code == 0
    assert both("risk", "heartbeat", "s", "--json").document["shard"] == "us"
    assert both("risk", "set", "strategy:s", "max_silence_s=1000", "--reason", "r", "--shard", "eu").code == 0
    assert both("risk", "heartbeat", "s").code == 0
    rows = both("risk", "strategies", "--json").document
    assert [(r["shard"], r["seen_at"], r["max_silence_s"]) for r in rows] == [
        ("eu", "TIME", 1_000), ("us", "TIME", 1_000),
    ]  # fmt: skip
    assert both("kill", "on", "--fund", "beta", "--reason", "drill", "--as", "ann").code == 0
    assert both("kill", "on", "--firm", "--reason", "drill", "--as", "ann").code == 0
    halts = both("kill", "show", "--json").document
    assert [(h["shard"], h["level"]) for h in halts] == [("eu", "firm"), ("us", "firm"), ("us", "fund")]
    assert both("kill", "off", "--firm", "--reason", "over", "--as", "ann").code == 5
    for scope in (("--firm",), ("--fund", "beta")):
        assert both("kill", "off", *scope, "--reason", "over", "--as", "bob").code == 0
    assert both("kill", "show", "--json").document == []


@pytest.mark.usefixtures("shards")
def test_shards() -> None:
    said = both("orders", "submit", "-", given=ORDER | {"fund_id": "beta", "broker": "paper-us"})
    assert said.code == 0, said
    of_shards()


@pytest.mark.slow
@pytest.mark.usefixtures("shards")
def test_shards_that_are_served(tmp_path: Path) -> None:
    with serving_in(tmp_path, tmp_path / "orders-eu.db", "--config", "shards.toml") as served:
        of_shards()
        with served.client() as client:
            row = client.get("/v1/risk/limits/firm/-?shard=eu")
            assert (row.status_code, row.json()["shard"]) == (200, "eu")
            told = client.get("/v1/risk/limits/firm/-")
            assert (told.status_code, told.json()["errors"][0]["parameter"]) == (400, "shard")
