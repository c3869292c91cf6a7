"""The command line on a PostgreSQL database: set up, used, checked; and never a password shown."""

import json

import pytest

from ordergate import __version__
from ordergate.adapters.journals.schema import REVISIONS
from ordergate.adapters.node import this_node
from ordergate.cli.app import app
from tests.services.commands import CliRunner
from tests.services.postgres import name_of, postgres_server

ORDER = {
    "idempotency_key": "first-1",
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "limit",
    "limit_price": "180.50",
    "tif": "gtc",
    "strategy_id": "momentum_v1",
}


@pytest.fixture
def cli(database, tmp_path, monkeypatch):
    secret = database.replace("@/", ":hush@/")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, url=secret, ok=True):
        done = CliRunner().invoke(app, [*arguments, "--json", *(("--db", url) if url else ())])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert (done.exit_code == 0) == ok, done.output
        assert "hush" not in done.output
        return json.loads(done.stdout)

    return run


def checks(document):
    return {each["check"]: (each["state"], each["detail"]) for each in document["checks"]}


def test_an_order_goes_through_and_the_journal_holds(cli, tmp_path):
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    assert cli("migrate", "status")["pending"] == list(REVISIONS)
    assert cli("migrate", "up") == {"from": None, "to": REVISIONS[-1], "ran": list(REVISIONS)}
    assert cli("migrate", "up")["ran"] == []
    order_id = cli("orders", "submit", "order.json")["order_id"]
    assert [order["order_id"] for order in cli("orders", "list")] == [order_id]
    assert cli("audit", "verify")["signature_checked"] is True
    assert cli("audit", "replay", "--compare")["equal"] is True
    (key,) = (tmp_path / "ordergate").iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    found = checks(cli("doctor", ok=False))
    assert found["database"][0] == found["clock"][0] == "ok"
    assert f"schema {REVISIONS[-1]}" in found["database"][1]
    assert "was made here" in found["audit key"][1]


def test_the_doctor_complains_of_a_server_that_may_lose_what_was_committed(cli):
    """As the tests' own is: it does not wait for the disk."""
    assert checks(cli("doctor", ok=False))["durability"] == (
        "bad",
        "fsync of the server is off: what is committed may be lost; turn it on",
    )


def test_the_doctor_says_once_what_is_wrong(cli, database):
    found = checks(cli("doctor", url=database.replace(name_of(database), "none"), ok=False))
    assert "there is no such database" in found["database"][1]
    assert {found[name] for name in ("service", "durability", "clock")} == {
        ("bad", "not known, see database")
    }


def test_a_shard_without_a_journal_is_listed(cli, database, tmp_path):
    (tmp_path / "shards.toml").write_text(
        f'[shards.eu]\ndatabase = "{database}"\n[funds.paper-momentum]\nshard = "eu"\n'
    )
    done = cli("shards", "--config", "shards.toml", url=None)
    assert [(shard["shard"], shard["entries"]) for shard in done] == [("eu", None)]


def test_the_doctor_says_where_no_node_can_start(cli, postgres, database):
    cli("migrate", "up")
    name = name_of(database)
    reader = f"reader_{name}"
    postgres.sql(f"CREATE ROLE {reader} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}", name)
    state, said = checks(cli("doctor", url=database.replace("oms@", f"{reader}@"), ok=False))["database"]
    assert (state, said.rpartition("; ")[2]) == (
        "warn",
        "this user may not write entries: no node can start as it",
    )
    postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    state, said = checks(cli("doctor", ok=False))["database"]
    assert state == "warn"
    assert "it takes no writes" in said


class TestTheDoctorLooksAtNodes:
    @pytest.fixture
    def service(self, cli, postgres, database):
        cli("migrate", "up")

        def asked(*leases):
            for lease, node, version, age in leases:
                detail = this_node("http://a").encoded().replace(__version__, version)
                postgres.sql(
                    f"INSERT INTO leases VALUES ('{lease}', 1, {node}, '{detail}', now() - interval '{age} s')",
                    name_of(database),
                )
            return checks(cli("doctor", ok=False))["service"]

        return asked

    def test_that_are_there(self, service):
        found = service(("node:n1", "'n1'", __version__, 0), ("broker:paper", "'n1'", __version__, 0))
        assert found == ("ok", f"served by n1 (http://a, {__version__})")

    def test_that_left_as_they_should(self, service):
        assert service(("broker:paper", "NULL", __version__, 50)) == ("ok", "nobody serves it")

    def test_that_are_gone_without_a_word(self, service):
        state, said = service(("node:n2", "'n2'", __version__, 0), ("broker:paper", "'n1'", __version__, 50))
        assert state == "warn"
        assert "n1 had broker:paper when it went without a word 5" in said

    def test_of_different_versions(self, service):
        state, said = service(("node:n1", "'n1'", "0.0.1", 0), ("node:n2", "'n2'", __version__, 0))
        assert state == "warn"
        assert f"versions 0.0.1, {__version__}: bring all to one" in said


class TestTheDoctorLooksAtTheKey:
    @pytest.fixture
    def key(self, cli, tmp_path):
        (tmp_path / "order.json").write_text(json.dumps(ORDER))
        cli("orders", "submit", "order.json")
        (key,) = (tmp_path / "ordergate").iterdir()

        def asked():
            return checks(cli("doctor", ok=False))["audit key"]

        return key, asked

    def test_that_was_made_here(self, key):
        state, said = key[1]()
        assert state == "warn"
        assert "nodes on other machines need it too" in said

    def test_that_others_may_read(self, key):
        key[0].chmod(0o640)
        assert key[1]() == ("bad", f"{key[0]} can be read by others: chmod 600 {key[0]}")

    def test_that_is_another_machines(self, key):
        key[0].write_text("A" * 43 + "=")
        assert key[1]() == ("bad", f"{key[0]} is not the key that has signed the last checkpoint")

    def test_that_is_not_here(self, key):
        key[0].unlink()
        assert "the key that signs this journal is not here" in key[1]()[1]


def test_the_demo_wants_a_file(cli):
    assert "simulated clock" in json.dumps(cli("demo", ok=False))


@pytest.mark.slow
def test_a_server_that_waits_for_the_disk_is_fine(cli):
    with postgres_server(fsync=True) as server:
        found = checks(cli("doctor", url=server.database()))
        assert found["durability"][0] == "ok"
