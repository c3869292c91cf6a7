"""Reconciliation on the command line: a journal from a backup is found, worked on and told of, also where it is served."""

import json
import shutil
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.cli.app import app
from ordergate.domain.recon.statement import Statement
from tests.services.commands import CliRunner
from tests.services.server import serving

ORDER = {
    "idempotency_key": "kept",
    "order_id": "ord-kept",
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "market",
}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDERGATE_DB", "sqlite:///gate.db")
    for name in ("ORDERGATE_AUDIT_KEY", "ORDERGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str, code: int = 0, given: Any = None) -> str:
    result = CliRunner().invoke(app, list(arguments), input=None if given is None else json.dumps(given))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def shown(*arguments: str, code: int = 0, given: Any = None) -> Any:
    return json.loads(run(*arguments, "--json", code=code, given=given))


def restored() -> str:
    """The journal has forgotten an order that the venue has filled: which one."""
    run("quotes", "set", "AAPL", "180.40", "180.50")
    run("orders", "submit", "-", given=ORDER)
    assert run("recon", "run") == "paper: agrees\n"
    shutil.copy("gate.db", "backup.db")
    made = {name: value for name, value in ORDER.items() if name != "order_id"}
    lost = shown("orders", "submit", "-", given=made | {"idempotency_key": "lost"})
    shutil.copy("backup.db", "gate.db")
    return str(lost["order_id"])


@pytest.mark.slow
@pytest.mark.parametrize("served", [False, True])
def test_a_restored_journal_is_found_halted_and_worked_on(served: bool, tmp_path: Path) -> None:
    lost = restored()
    with serving(tmp_path / "gate.db") if served else nullcontext():
        (found,) = shown("recon", "run", "--broker", "paper", code=1)  # so that cron can tell
        assert (found["found"], found["halted"]) == ("breaks", True)
        (item,) = found["breaks"]
        assert (item["kind"], item["cause"]) == ("unknown_order", "journal_behind")
        assert f"{lost}.1" in item["detail"]
        (halt,) = shown("kill", "show")
        assert (halt["level"], halt["name"], halt["trigger"]) == ("broker", "paper", "reconciliation")
        assert item in shown("recon", "breaks")
        assert item["break_id"] in run("recon", "breaks", "--broker", "paper")
        assert "'other' is no broker" in json.dumps(shown("recon", "breaks", "--broker", "other", code=3))
        one = item["break_id"]
        assert "bea" in run("recon", "assign", one, "--to", "bea")
        done = shown("recon", "resolve", one, "--reason", "booked by hand", "--as", "bea")
        assert (done["owner"], done["resolution"], done["resolved_by"]) == ("bea", "explained", "bea")
        told = shown("recon", "show", one)
        entries = told.pop("entries")
        assert told == done
        assert entries == shown("audit", "show", one)
        kinds = [(row["event"], row["principal"]) for row in entries if row["event"] != "BreakChanged/1"]
        assert [kind for kind, _by in kinds] == ["BreakRaised/1", "BreakAssigned/1", "BreakResolved/1"]
        assert kinds[-1] == ("BreakResolved/1", "bea")
        assert "booked by hand" in run("recon", "show", one)
        assert item["break_id"] not in [row["break_id"] for row in shown("recon", "breaks")]
        assert done in shown("recon", "breaks", "--all")
        run("kill", "off", "--broker", "paper", "--reason", "seen", "--as", "bea")
        (again,) = shown("recon", "run", code=1)
        assert (again["found"], again["halted"], again["explained"]) == ("breaks", False, 1)
        held, money = sorted(again["breaks"], key=lambda row: row["kind"] != "position")
        assert (held["ours"], held["theirs"], money["kind"]) == ("100", "200", "balance")
        run(
            "recon",
            "resolve",
            held["break_id"],
            "--adjust",
            "--price",
            "180.5",
            "--reason",
            "r",
            "--as",
            "bea",
        )
        run("recon", "resolve", money["break_id"], "--adjust", "--reason", "r", "--as", "bea")
        story = shown("recon", "show", held["break_id"])["entries"]
        assert [row["event"] for row in story] == ["BreakRaised/1", "PositionAdjusted/1", "BreakResolved/1"]
        assert "adjusted by bea: buy 100 AAPL at 180.5, fund paper-momentum: r" in story[1]["detail"]
        assert "PositionAdjusted" in run("recon", "show", held["break_id"])
        assert run("recon", "run").startswith("paper: agrees")
        # What is wrong is said, in the same words.
        assert "there is no break" in CliRunner().invoke(app, ["recon", "show", "brk-9999"]).stderr
        run("recon", "resolve", "brk-9999", "--reason", "r", code=3)
        run("recon", "assign", "no/such", "--to", "bea", code=3)
        run("recon", "resolve", one, "--reason", "r", code=5)
        run("recon", "run", "--broker", "nobody", code=3)
        kinds = [entry["event"]["kind"] for entry in _events()]
        assert [kinds.count(kind) for kind in ("BreakAssigned/1", "BreakResolved/1", "TradingHalted/1")] == [
            1,
            3,
            1,
        ]


def _events() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shown("events")
    return found


def test_an_account_that_cannot_be_compared_ends_with_1_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_broker: PaperBroker, since: datetime) -> Statement:
        return Statement(as_of=since, complete=False, why="no answer [yet]")

    run("quotes", "set", "AAPL", "180.40", "180.50")
    monkeypatch.setattr(PaperBroker, "statement", away)
    assert run("recon", "run", code=1) == "paper: not compared: no answer [yet]\n"
    (found,) = shown("recon", "run", "--broker", "paper", code=1)
    assert (found["found"], found["why"], found["breaks"]) == ("not_compared", "no answer [yet]", [])
