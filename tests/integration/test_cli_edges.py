"""The command line where its surroundings fail: closed pipes, full disks, foreign files, Ctrl-C."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog
import typer

from ordergate.adapters.journals import database
from ordergate.application.session import BrokerSession
from ordergate.cli import orders, terminal
from ordergate.cli.app import app
from tests.integration.test_cli import ORDER, QUOTES, SIGNAL, document, run, submit
from tests.services.commands import CliRunner

POSIX = pytest.mark.skipif(os.name == "nt", reason="it is about Unix systems")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORDERGATE_DB", raising=False)
    monkeypatch.delenv("ORDERGATE_AUDIT_KEY", raising=False)


def shell(command: str, **options) -> subprocess.CompletedProcess[str]:
    """A command of a shell in which `og` is ordergate; says the exit code of each part of a pipe at its end."""
    script = (
        f'og() {{ "{sys.executable}" -m ordergate "$@"; }}\n{command}\necho "codes ${{PIPESTATUS[*]}}" >&2'
    )
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=180, check=False, **options
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    return done


def order_file(**changes) -> str:
    Path("order.json").write_text(json.dumps(ORDER | changes))
    return "order.json"


# --- Databases ------------------------------------------------------------------------------------------------


def test_an_empty_database_name_is_no_other_database(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(ORDER)
    for command in (("orders", "submit", "-"), ("orders", "list"), ("demo",), ("doctor",), ("migrate", "up")):
        assert "sqlite:///PATH" in run(*command, "--db", "", given=body, code=1).stderr
    assert list(Path().iterdir()) == []
    monkeypatch.setenv("ORDERGATE_DB", "")
    submit()
    assert Path("ordergate.db").exists()


@pytest.mark.slow
def test_the_demo_leaves_the_database_of_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERGATE_DB", "sqlite:///real.db")
    assert "ordergate-demo-" in document("demo")["database"]
    assert not Path("real.db").exists()
    submit()
    assert Path("real.db").exists()


@POSIX
def test_one_database_under_two_names_is_one(tmp_path: Path) -> None:
    submit()
    Path("link.db").symlink_to(tmp_path / "ordergate.db")
    run("quotes", "set", "AAPL", "180.40", "180.50", "--db", "sqlite:///link.db")
    assert document("orders", "show", "ord-abc")["filled_quantity"] == "100"
    assert not [path for path in Path().iterdir() if path.name.startswith("link.db.")]


@pytest.mark.parametrize("name", ["x" * 300, "nul\0"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    url = f"sqlite:///{name}"
    for command in (("orders", "list"), ("orders", "submit", "-"), ("migrate", "up"), ("audit", "verify")):
        assert "cannot be used" in run(*command, "--db", url, given=json.dumps(ORDER), code=1).stderr
    checks = {c["check"]: c for c in document("doctor", "--db", url, code=1)["checks"]}
    assert "cannot be used" in checks["database"]["detail"]


def test_what_sqlite_says_in_migrate_and_doctor_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    submit()
    connect = database.connect

    def full(path, *, read_only=False):
        connection = connect(path, read_only=read_only)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(database, "connect", full)
        assert "disk is full" in run("migrate", "up", "--db", "sqlite:///new.db", code=1).stderr
    with sqlite3.connect("ordergate.db") as connection:
        connection.execute("DROP TABLE head")
    checks = {c["check"]: c for c in document("doctor", code=1)["checks"]}
    assert "no such table: head" in checks["database"]["detail"]


def test_a_doctor_whose_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    checks = {c["check"]: c for c in document("doctor", code=1)["checks"]}
    assert "No space left" in checks["durability"]["detail"]


# --- Files ----------------------------------------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("option", ["--quotes", "--signals"])
def test_files_in_a_folder_that_may_not_be_read(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path, *_arguments, **_options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    assert (
        "closed/file: cannot be read: Permission denied" in run("demo", option, "closed/file", code=1).stderr
    )


@pytest.mark.parametrize("date", ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"])
@pytest.mark.parametrize("of", ["quotes", "signals"])
def test_moments_that_cannot_be_simulated(date: str, of: str) -> None:
    texts = {"quotes": QUOTES, "signals": SIGNAL}
    texts[of] = texts[of].replace("2026-03-02", date)
    Path("quotes").write_text(texts["quotes"])
    Path("signals").write_text(texts["signals"])
    result = run("demo", "--quotes", "quotes", "--signals", "signals", "--db", "sqlite:///d.db", code=1)
    assert date in result.stderr
    assert "1970 to 2199" in result.stderr
    assert not Path("d.db").exists()


def test_signals_years_away_from_the_quotes() -> None:
    late = SIGNAL.replace("2026", "2036").replace("s1", "s2")
    Path("quotes").write_text(QUOTES)
    Path("signals").write_text(SIGNAL.replace("2026", "1996") + late)
    shown = document("demo", "--quotes", "quotes", "--signals", "signals")
    assert shown["audit"]["verified"] is True
    assert len(shown["orders"]) + len(shown["refused"]) == 2


# --- Input and output -----------------------------------------------------------------------------------------


@pytest.mark.slow
@POSIX
def test_a_closed_standard_input() -> None:
    done = shell("og orders submit - <&-")
    assert "standard input is closed" in done.stderr
    assert "codes 1" in done.stderr


@pytest.mark.slow
@POSIX
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "command",
    [
        "orders list",
        "config schema",
        "orders show nothing --json",
        *(
            pytest.param(command, marks=pytest.mark.slow)
            for command in (
                "orders list --json",
                "events",
                "config show",
                "doctor --json",
                "doctor",
                "demo",
                "demo --json",
                "orders cancel ord-abc",
            )
        ),
    ],
)
def test_an_output_that_cannot_be_written(command: str) -> None:
    submit()
    done = shell(f"og {command} >/dev/full")
    assert "error: " in done.stderr
    assert "No space left" in done.stderr or "nothing" in command
    assert f"codes {3 if 'nothing' in command else 1}" in done.stderr


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("options", ["", "--json"])
def test_an_order_whose_answer_nobody_reads_is_sent_all_the_same(options: str) -> None:
    done = shell(f"og orders submit {order_file()} {options} | true")
    assert "codes 0 0" in done.stderr
    assert document("orders", "show", "ord-abc")["state"] == "SUBMITTED"


@pytest.mark.slow
@POSIX
def test_a_refused_order_keeps_its_exit_code_where_nobody_reads() -> None:
    Path("own.toml").write_text(
        '[funds.fx]\nunlimited = true\nasset_classes = ["fx"]\n[signals]\nfund = "fx"\n'
    )
    done = shell(f"og orders submit {order_file(fund_id='fx')} --config own.toml | true")
    assert "codes 6 0" in done.stderr


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("options", ["", "--follow", pytest.param("--follow --json", marks=pytest.mark.slow)])
def test_a_reader_that_has_enough_ends_the_events(options: str) -> None:
    submit()
    assert "codes 0 0" in shell(f"og events {options} | true").stderr


@pytest.mark.slow
@POSIX
def test_a_closed_standard_output() -> None:
    submit()
    for options in ("", "--json"):
        assert "codes 0" in shell(f"og orders list {options} >&-").stderr


@pytest.mark.slow
@POSIX
def test_characters_that_the_terminal_does_not_have() -> None:
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    submit(thesis="größer als µ")
    done = shell("og orders show ord-abc --json", env=ascii_only)
    assert "codes 0" in done.stderr
    assert json.loads(done.stdout)["order_id"] == "ord-abc"
    assert "codes 1" in shell("og orders submit nicht-größer.json --json", env=ascii_only).stderr


def test_half_a_character() -> None:
    result = run("orders", "submit", "-", given=json.dumps(ORDER | {"thesis": "\ud800"}), code=1)
    assert "error: " in result.stderr
    assert submit()["state"] == "SUBMITTED"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_text_that_cannot_be_written_is_an_error_like_others(as_json: bool, capsys) -> None:
    with pytest.raises(typer.Exit) as ended, terminal.failing(as_json=as_json):
        "half \ud800".encode()
    assert ended.value.exit_code == 1
    said = capsys.readouterr()
    assert "'\\ud800' cannot be written as utf-8" in said.err
    assert not as_json or json.loads(said.out)["error"] == "InputError"


def test_a_comparison_that_finds_something_is_one_document() -> None:
    submit()
    with sqlite3.connect("ordergate.db") as connection:
        connection.execute("UPDATE orders SET symbol = 'MSFT'")
    found = document("audit", "replay", "--compare", code=1)
    assert found["equal"] is False
    assert {row["table"] for row in found["differences"]} == {"orders"}
    refused = document("audit", "replay", "--db", "sqlite:///none.db", code=1)
    assert refused["error"] == "StoreError"


# --- Answers that do not come ---------------------------------------------------------------------------------

SLOW = '[brokers.paper]\nadapter = "paper"\nlatency_ms = 2500\n'


def test_a_broker_that_does_not_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("slow.toml").write_text('[brokers.paper]\nadapter = "paper"\nlatency_ms = 300\n')
    monkeypatch.setattr(orders, "ANSWER_WITHIN_S", 0.05)
    result = run("orders", "submit", "-", "--config", "slow.toml", "--json", given=json.dumps(ORDER), code=7)
    assert json.loads(result.stdout)["pending"]
    assert "has not answered clearly" in result.stderr
    again = submit()
    assert (again["order_id"], again["state"], again["pending"]) == ("ord-abc", "SUBMITTED", [])


def test_an_answer_that_is_lost_is_looked_up() -> None:
    Path("lossy.toml").write_text('[brokers.paper]\nadapter = "paper"\nfaults = { drop_answer = 1 }\n')
    order = document("orders", "submit", "-", "--config", "lossy.toml", given=json.dumps(ORDER))
    assert (order["state"], order["pending"]) == ("SUBMITTED", [])


def test_an_order_that_no_session_takes_along_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "ANSWER_WITHIN_S", 0.05)
    monkeypatch.setattr(BrokerSession, "begin", _nobody_connects)
    result = run("orders", "submit", "-", "--json", given=json.dumps(ORDER))
    assert json.loads(result.stdout)["pending"] == ["submit:ready"]
    assert "not sent yet: no session at paper is open" in result.stderr


async def _nobody_connects(_session: BrokerSession, _tenure: object) -> None:
    """As while another node has the broker, and stands still."""


@pytest.mark.slow
@POSIX
def test_control_c_while_an_answer_is_awaited() -> None:
    Path("slow.toml").write_text(SLOW)
    command = [sys.executable, "-m", "ordergate", "orders", "submit", order_file(), "--config", "slow.toml"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _await_order()
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said + complained
    assert submit()["order_id"] == "ord-abc"
    assert document("audit", "verify")["signature_checked"] is True
    assert document("audit", "replay", "--compare")["equal"] is True


def _await_order() -> None:
    for _ in range(1_000):
        time.sleep(0.05)
        if Path("ordergate.db").exists():
            with sqlite3.connect("ordergate.db") as connection:
                tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'orders'").fetchall()
                if tables and connection.execute("SELECT count(*) FROM orders").fetchone()[0]:
                    return
    raise AssertionError("the order was never journalled")


def test_a_traceback_in_the_log_shows_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        assert CliRunner().invoke(app, ["config", "show"]).exit_code == 0
        _fail_with(password="hunter2")
    finally:
        structlog.configure(**before)
    told = capsys.readouterr().err
    assert "a part failed" in told
    assert "KeyError" in told
    assert "hunter2" not in told
    assert "\x1b" not in told  # colors are for terminals


def _fail_with(**secrets: str) -> None:
    try:
        raise KeyError("nothing")
    except KeyError as error:
        structlog.get_logger().error("a part failed", exc_info=error)
        assert secrets
