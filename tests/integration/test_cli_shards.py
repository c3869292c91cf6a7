"""Shards on the command line, and served."""

import json
from pathlib import Path

import pytest

from ordergate.cli.app import app
from tests.services.commands import CliRunner
from tests.services.server import Events, serving_in
from tests.services.sharded import TOML, body

CONFIG = ("--config", "shards.toml")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ORDERGATE_DB", "ORDERGATE_AUDIT_KEY"):
        monkeypatch.delenv(name, raising=False)
    lay("us")


def lay(beta: str) -> None:
    Path("shards.toml").write_text(TOML.format(beta=beta))


def run(*arguments: str, given: str | None = None, code: int = 0):
    result = CliRunner().invoke(app, [*arguments, *CONFIG], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    return result


def document(*arguments: str, **options):
    return json.loads(run(*arguments, "--json", **options).stdout)


def traded():
    for shard in ("eu", "us"):
        run("quotes", "set", "AAPL", "180.40", "180.50", "--broker", f"paper-{shard}")
    for fund in ("alpha", "beta"):
        given = json.dumps(body(fund, "k1", f"ord-{fund}"))
        assert document("orders", "submit", "-", given=given)["state"] == "CLOSED"


def test_everything_is_found_without_naming_a_shard():
    traded()
    assert [order["order_id"] for order in document("orders", "list")] == ["ord-alpha", "ord-beta"]
    assert document("orders", "show", "ord-beta")["fund_id"] == "beta"
    assert len(document("fills")) == 2
    assert [p["fund_id"] for p in document("positions")] == ["alpha", "beta"]
    assert [p["fund_id"] for p in document("positions", "--shard", "us")] == ["beta"]
    assert document("audit", "show", "ord-beta")[-1]["to"] == "CLOSED"
    assert document("audit", "proof", "ord-beta", "--out", "receipt")["order_id"] == "ord-beta"
    assert "ordergate.local/journal/us" in next(Path("receipt").glob("*.tlog-proof")).read_text()


def test_a_list_of_the_shards():
    traded()
    eu, us = document("shards")
    assert (eu["shard"], eu["database"], eu["origin"]) == (
        "eu",
        "sqlite:///orders-eu.db",
        "ordergate.local/journal/eu",
    )
    assert (us["funds"], us["entries"]) == (["beta"], document("audit", "verify", "--shard", "us")["size"])
    Path("shards.toml").write_text("")
    assert document("shards") == []


def test_no_password_of_a_shard_is_shown():
    named = '[shards.us]\ndatabase = "postgresql://me:hush@host/us"'
    Path("shards.toml").write_text(TOML.format(beta="us").replace("[shards.us]", named))
    assert document("config", "show")["shards"]["us"]["database"] == "postgresql://me@host/us"
    assert "hush" not in run("config", "show").stdout


def test_what_is_of_one_journal_needs_its_name():
    traded()
    for command in (("events",), ("audit", "replay"), ("audit", "export", "there")):
        said = run(*command, code=1).stderr
        assert "every shard has a journal of its own: name one with --shard; there are eu, us" in said
        run(*command, "--shard", "us")
    assert "is no shard; there are eu, us" in run("events", "--shard", "asia", code=1).stderr


def test_a_database_is_not_named_beside_shards(monkeypatch):
    for command in (
        ("orders", "list"),
        ("audit", "verify"),
        ("serve",),
        ("doctor",),
        ("orders", "cancel", "x"),
    ):
        said = run(*command, "--db", "sqlite:///orders-eu.db", code=1).stderr
        assert "--db (or ORDERGATE_DB) names one database, and the configuration has shards" in said
    monkeypatch.setenv("ORDERGATE_DB", "sqlite:///orders-eu.db")
    run("fills", code=1)
    assert not list(Path().glob("*.db"))


def test_a_shard_is_not_named_where_there_are_none():
    Path("shards.toml").write_text("")
    assert "the configuration has no shards" in run("fills", "--shard", "eu", code=1).stderr


def test_verify_doctor_and_migrate_do_all_or_one():
    traded()
    found = document("audit", "verify")
    assert found["parts_moved"] == 0
    assert {name: one["signature_checked"] for name, one in found["shards"].items()} == {
        "eu": True,
        "us": True,
    }
    assert document("audit", "verify", "--shard", "us") == found["shards"]["us"]
    assert set(document("doctor")["shards"]) == {"eu", "us"}
    assert len(document("doctor", "--shard", "eu")["checks"]) == 6
    for command in ("up", "status"):
        assert set(document("migrate", command)["shards"]) == {"eu", "us"}
    kept = document("audit", "export", "there", "--shard", "us", "--vkey", "vkey")
    assert kept["size"] == found["shards"]["us"]["size"]
    run("audit", "verify", "--old", "there/checkpoint", "--vkey", "vkey", code=1)
    run("audit", "verify", "--old", "there/checkpoint", "--vkey", "vkey", "--shard", "us")


def test_a_move():
    traded()
    assert "write first, under [funds.beta]" in run("funds", "move", "beta", "--to", "eu", code=1).stderr
    lay("eu")
    given = json.dumps(body("beta", "k1", "ord-beta"))
    said = run("orders", "submit", "-", given=given, code=1).stderr
    assert "the fund lies in us, not in eu: ordergate funds move beta --to eu moves it" in said
    told = document("funds", "move", "beta", "--to", "eu")
    assert (told["source"], told["target"], told["done_before"]) == ("us", "eu", False)
    again = run("orders", "submit", "-", given=given)
    assert "this key was used before" in again.stderr
    assert document("audit", "verify")["parts_moved"] == 2
    assert [p["quantity"] for p in document("positions", "--fund", "beta")] == ["10"]


def test_one_shard_alone_knows_that_a_fund_lies_elsewhere():
    traded()
    lay("eu")
    given = json.dumps(body("alpha", "k2"))
    assert "the fund lies in us" in run("orders", "submit", "-", "--shard", "eu", given=given, code=1).stderr
    lay("us")
    document("orders", "submit", "-", "--shard", "eu", given=given)
    said = run("orders", "submit", "-", "--shard", "eu", given=json.dumps(body("beta", "k2")), code=1).stderr
    assert "'beta' is no fund" in said


@pytest.mark.slow
def test_one_service_serves_all_shards(tmp_path):
    with serving_in(tmp_path, tmp_path / "orders-us.db", *CONFIG) as served:
        traded()  # through the door
        assert served.process.poll() is None
        with served.client() as client:
            assert client.get("/v1/orders/ord-beta").json()["broker"] == "paper-us"
            assert client.get("/v1/events").json()["errors"][0]["parameter"] == "shard"
            listed = client.get("/v1/orders").json()["items"]
            assert [order["order_id"] for order in listed] == ["ord-alpha", "ord-beta"]
        stream = Events(served.url, -1, "?shard=us")
        stream.wait_for("OrderFilled")
        stream.cut()
        lay("eu")
        assert "in use" in run("funds", "move", "beta", "--to", "eu", code=1).stderr
        assert served.end() == 0
    assert not list(tmp_path.glob("*.door"))
    run("funds", "move", "beta", "--to", "eu")


@pytest.mark.slow
def test_each_shard_can_have_a_service(tmp_path):
    with (
        serving_in(tmp_path, tmp_path / "orders-eu.db", *CONFIG, "--shard", "eu") as eu,
        serving_in(tmp_path, tmp_path / "orders-us.db", *CONFIG, "--shard", "us") as us,
    ):
        for served, fund in ((eu, "alpha"), (us, "beta")):
            with served.client() as client:
                client.put("/v1/paper/quotes/AAPL", json={"bid": "1", "ask": "2"})
                assert client.post("/v1/orders", json=body(fund, "k1", "ord-1")).status_code == 202
                other = {"alpha": "beta", "beta": "alpha"}[fund]
                told = client.post("/v1/orders", json=body(other, "k2")).json()
                assert told["code"] == "unknown_fund"
                checkpoint = client.get("/v1/audit/checkpoint").text
                assert checkpoint.startswith(f"ordergate.local/journal/{served.database.stem[-2:]}")
