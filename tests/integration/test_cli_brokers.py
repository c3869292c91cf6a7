"""`ordergate brokers`: what there is, what it can do, and a venue asked with the configured key beside a service."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from ordergate.application.ports.brokers import Health
from ordergate.bootstrap.checking import Finding, State, findings
from ordergate.cli.app import app
from tests.services.acme import Acme
from tests.services.commands import CliRunner


@pytest.fixture
def venue() -> Iterator[Acme]:
    made = Acme()
    yield made
    made.end()


@pytest.fixture(autouse=True)
def _set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORDERGATE_DB", raising=False)
    monkeypatch.setenv("ACME_KEY", "letmein")
    points = [
        EntryPoint("acme", "acme_broker:PLUGIN", "ordergate.brokers"),
        EntryPoint("bad", "no.such.module:X", "ordergate.brokers"),
        EntryPoint("paper", "acme_broker:PLUGIN", "ordergate.brokers"),
    ]
    for point in points:
        vars(point)["dist"] = SimpleNamespace(name="acme-broker", version="0.1.0")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)


def configured(port: int = 7500) -> None:
    Path("own.toml").write_text(
        f'[brokers.mine]\nadapter = "acme"\nport = {port}\ndeadline_ms = 2000\napi_key_env = "ACME_KEY"\n'
        '[brokers.paper]\nadapter = "paper"\n[brokers.home]\nadapter = "sync"\nclass = "no.such:Class"\n'
    )


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["brokers", *arguments, "--config", "own.toml"])
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr, result.exception)
    return result.stdout + result.stderr


def checked(code: int = 0) -> dict[str, tuple[str, str]]:
    said = json.loads(run("check", "mine", "--json", code=code))
    assert said["broker"] == "mine"
    return {one["what"]: (one["state"], one["detail"]) for one in said["findings"]}


def test_every_adapter_is_listed() -> None:
    configured()
    said = {(one["name"], one["from"]): one for one in json.loads(run("list", "--json"))["adapters"]}
    assert said["paper", "ordergate"]["brokers"] == ["paper"]
    assert (said["acme", "acme-broker 0.1.0"]["installed"], said["acme", "acme-broker 0.1.0"]["brokers"]) == (
        True,
        ["mine"],
    )
    assert "cannot be imported" in said["bad", "acme-broker 0.1.0"]["wrong"]
    assert "needs another name" in said["paper", "acme-broker 0.1.0"]["wrong"]


def test_what_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    configured()
    monkeypatch.setattr("ordergate.bootstrap.adapters.find_spec", lambda module: None)
    said = {
        one["name"]: one
        for one in json.loads(run("list", "--json"))["adapters"]
        if one["from"] == "ordergate"
    }
    assert (said["bus"]["installed"], said["bus"]["install"]) == (False, 'pip install "ordergate[nats]"')
    assert said["paper"]["installed"]


def test_capabilities() -> None:
    configured()
    can = json.loads(run("show", "mine", "--json"))["capabilities"]
    assert (can["deduplication"], can["operations"], can["grace_s"]) == (
        "forever",
        ["spot_trade", "transfer"],
        2,
    )
    assert json.loads(run("show", "acme", "--json"))["capabilities"] == can
    assert json.loads(run("show", "home", "--json"))["capabilities"] == "as the class says, once it is made"
    assert "'nope' is no broker of the configuration; there are mine, paper, home, and the adapters" in run(
        "show", "nope", code=3
    )


@pytest.mark.parametrize("name", ["acme", "mine"])
def test_the_schema_of_a_section(name: str) -> None:
    configured()
    schema = json.loads(run("show", name, "--schema"))
    keys = schema["$defs"]["AcmeSettings"]["properties"]
    assert {"adapter", "port", "shard", "api_key_env", "api_key_file", "api_key_secret"} <= set(keys)


def test_the_older_files_are_called_echo_only() -> None:
    Path("own.toml").write_text(
        '[brokers.paper]\nadapter = "paper"\n[brokers.old]\nadapter = "dwx"\nfolder = "nowhere/DWX"\nsymbols = { EURUSD = "EURUSD.r" }\n'
    )
    for said in (run("show", "old"), run("list"), run("check", "old", code=1)):
        assert "echo-only" in said
    assert json.loads(run("show", "old", "--json"))["capabilities"]["proves_absence"] is False
    assert "nowhere/DWX: start the expert advisor once" in run("check", "old", code=1)


def test_a_venue_that_is_well(venue: Acme) -> None:
    configured(venue.port)
    found = checked()
    assert {what: state for what, (state, _) in found.items()} == dict.fromkeys(
        ("connection", "login", "clock", "permissions", "open orders"), "ok"
    )
    assert found["permissions"] == ("ok", "may trade (read, trade)")
    assert {request["do"] for request in venue.acme.requests} == {"hello", "open"}  # nothing else was asked
    assert not Path("ordergate.db").exists()


def test_a_key_that_may_withdraw_is_a_warning(venue: Acme) -> None:
    venue.acme.permissions = ("read", "trade", "withdraw")
    configured(venue.port)
    assert checked()["withdrawals"] == (
        "warn",
        "the key may take money out of the account: use one that may only trade",
    )


def _no_trading(venue: Acme) -> None:
    venue.acme.permissions = ("read",)


def _far_clock(venue: Acme) -> None:
    venue.acme.ahead_us = 3_000_000


def _other_key(venue: Acme) -> None:
    venue.acme.key = "changed"


def _away(venue: Acme) -> None:
    venue.call(venue.acme.stop())


@pytest.mark.parametrize(
    ("wrong", "what", "said"),
    [
        (_no_trading, "permissions", "may not trade (read): give it a key that may"),
        (_far_clock, "clock", "ahead of ours; it takes at most 2 s: set this machine's clock"),
        (_other_key, "login", "refused"),
        (_away, "connection", "cannot be reached"),
    ],
)
def test_what_is_bad_ends_with_1(venue: Acme, wrong: Callable[[Acme], None], what: str, said: str) -> None:
    wrong(venue)
    configured(venue.port)
    state, detail = checked(code=1)[what]
    assert state == "bad"
    assert said in detail


def test_a_secret_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACME_KEY")
    configured()
    assert "brokers.mine.api_key_env" in run("check", "mine", code=1)


def test_what_cannot_be_asked_says_so() -> None:
    configured()
    for name in ("paper", "home"):
        said = json.loads(run("check", name, "--json"))
        assert [one["state"] for one in said["findings"]] == ["unknown"]
    assert "is no broker of the configuration" in run("check", "nope", code=3)


@pytest.mark.parametrize(
    ("ahead", "most", "state"),
    [
        ("0.5", None, "ok"),
        ("-1.5", None, "warn"),
        ("1", "2", "ok"),
        ("1.1", "2", "warn"),
        ("-2.1", "2", "bad"),
    ],
)
def test_clocks(ahead: str, most: str | None, state: str) -> None:
    health = Health(reached=True, clock_ahead_s=Decimal(ahead), clock_most_s=most and Decimal(most))
    (clock,) = (one for one in findings(health) if one.what == "clock")
    assert clock.state == state


def test_what_a_venue_does_not_say_is_unknown() -> None:
    unknown = {one.what for one in findings(Health(reached=True)) if one.state is State.UNKNOWN}
    assert unknown == {"clock", "permissions", "open orders"}
    assert list(findings(Health(reached=False, notes=("it is only told",)))) == [
        Finding("connection", State.UNKNOWN, "was not asked"),
        Finding("note", State.OK, "it is only told"),
    ]


def test_a_refused_login_is_tried_again(venue: Acme, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(venue.port)
    text = Path("own.toml").read_text()
    Path("own.toml").write_text(text.split("[brokers.home]")[0])
    assert "nothing to try again" in run("reconnect", "mine", code=5)
    assert "is no broker; there are mine, paper" in run("reconnect", "none", code=3)
    monkeypatch.setenv("ACME_KEY", "wrong")
    said, _end = json.JSONDecoder().raw_decode(run("reconnect", "mine", "--json", code=1))
    assert (said["name"], said["session_open"]) == ("mine", False)
    assert said["down"] == f"it refuses our login: {said['login_refused']}"
    assert "login refused" in run("reconnect", "mine", code=1)
