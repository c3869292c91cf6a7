"""The journal as a file: what it keeps, forgets, and does when it cannot write."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.services.mt5_agent.desk import ROOT
from tests.services.small_disk import fill, small_disk

from ordergate.adapters.brokers.mt5.agent.journal import KEPT, PAGE, Journal, JournalFailed
from ordergate.adapters.brokers.mt5.agent.port import Record


def claimed(journal: Journal, id: str, at: float = 1.0) -> Record:
    made = journal.claim(id, {"volume": 0.1}, at, "claimed")
    assert made is not None
    return made


def test_what_is_written_is_there_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    first = claimed(journal, "a.1")
    assert journal.claim("a.1", {}, 2.0, "sealed", "why") is None
    done = replace(first, state="answered", result={"retcode": 10009, "volume": 0.1})
    journal.end(done)
    failed = replace(claimed(journal, "a.2"), state="failed", error=(-2, "wrong"))
    journal.end(failed)
    sealed = journal.claim("a.3", {}, 3.0, "sealed", "why")
    journal.remember_epoch(9)
    journal.close()
    again = Journal(tmp_path / "j.db")
    assert again.after(0) == [done, failed, sealed]
    assert again.after(done.position) == [failed, sealed]
    assert (again.id, again.epoch) == (journal.id, 9)
    assert again.find("a.4") is None
    assert Journal(tmp_path / "other.db").id != journal.id


def test_it_knows_since_when_it_has_been_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    assert [journal.began(5.5), journal.began(7.0)] == [5.5, 5.5]
    journal.close()
    assert Journal(tmp_path / "j.db").began(9.0) == 5.5


def test_the_last_commands_stay_whatever_the_clock_says(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    journal._file.execute("BEGIN")
    for number in range(KEPT + 1):
        journal.claim(f"a.{number}", {}, 1.0, "sealed", "why")
    journal._file.execute("COMMIT")
    journal.drop(1e9)
    assert [journal.find(id) is not None for id in ("a.0", "a.1", f"a.{KEPT}")] == [False, True, True]


def test_old_ends_are_forgotten_and_the_unknown_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordergate.adapters.brokers.mt5.agent.journal.KEPT", 0)
    journal = Journal(tmp_path / "j.db")
    journal.end(replace(claimed(journal, "answered"), state="answered", result={}))
    journal.end(replace(claimed(journal, "broken"), state="broken", error=(0, "")))
    claimed(journal, "claimed")
    journal.claim("sealed", {}, 1.0, "sealed", "why")
    last = journal.claim("young", {}, 10.0, "expired", "why")
    assert last is not None
    journal.drop(5.0)
    assert [one.id for one in journal.after(0)] == ["broken", "claimed", "young"]
    journal.drop(50.0)
    assert claimed(journal, "next").position > last.position


def test_pages(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    journal._file.execute("BEGIN")
    for number in range(PAGE + 5):
        claimed(journal, f"a.{number}")
    journal._file.execute("COMMIT")
    page = journal.after(0)
    assert len(page) == PAGE
    assert len(journal.after(page[-1].position)) == 5
    for number in range(3):
        journal.end(
            replace(claimed(journal, f"big.{number}"), state="answered", result={"comment": "x" * 5_000_000})
        )
    assert [one.id for one in journal.after(page[-1].position + 5)] == ["big.0"]


def test_nobody_else_can_have_it(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path)
    program = f"from ordergate.adapters.brokers.mt5.agent.journal import Journal; Journal(__import__('pathlib').Path({str(path)!r}))"
    other = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": str(ROOT / "src")}
    refused = subprocess.run(other, env=environment, capture_output=True, text=True, check=False)
    assert "another process has it" in refused.stderr
    journal.close()
    assert subprocess.run(other, env=environment, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("cut", [1, 40, 2_000])
def test_a_torn_end_costs_only_what_was_not_committed(tmp_path: Path, cut: int) -> None:
    """Power went in the middle of a claim: the last bytes are missing, and never was that command given."""
    journal = Journal(tmp_path / "j.db")
    claimed(journal, "a.1")
    claimed(journal, "a.2")
    log = (tmp_path / "j.db-wal").read_bytes()
    (tmp_path / "torn.db").write_bytes((tmp_path / "j.db").read_bytes())
    (tmp_path / "torn.db-wal").write_bytes(log[:-cut] + b"?" * (cut // 2))
    torn = Journal(tmp_path / "torn.db")
    assert [one.id for one in torn.after(0)] == ["a.1"]
    claimed(torn, "a.2")


def test_what_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"something else " * 100)
    with pytest.raises(JournalFailed, match="not a database"):
        Journal(tmp_path / "j.db")
    with pytest.raises(JournalFailed, match="unable to open"):
        Journal(tmp_path / "no" / "j.db")
    journal = Journal(tmp_path / "k.db")
    journal.close()
    with pytest.raises(JournalFailed, match="closed"):
        journal.find("a")


def test_a_full_disk_takes_no_claim_and_loses_no_end() -> None:
    with small_disk(1) as disk:
        journal = Journal(disk / "j.db")
        first = claimed(journal, "a.1")
        filler = fill(disk)
        with pytest.raises(JournalFailed, match="full"):
            journal.claim("b.1", {"comment": "x" * 40_000}, 1.0, "claimed")
        known = {one.id for one in journal.after(0)}
        done = replace(first, state="answered", result={"comment": "y" * 4_000})
        journal.end(done)
        assert journal.find("a.1") == done
        assert journal.after(0)[0] == done
        with pytest.raises(JournalFailed, match="full"):
            journal.claim("c.1", {}, 1.0, "claimed")
        filler.unlink()
        claimed(journal, "c.1")
        assert journal._file.execute("SELECT state FROM commands WHERE id = 'a.1'").fetchone() == (
            "answered",
        )
        journal.close()
        again = Journal(disk / "j.db")
        assert again.find("a.1") == done
        assert {one.id for one in again.after(0)} == known | {"c.1"}
        again.close()


def test_commits_wait_for_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    assert journal._file.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert not journal._file.in_transaction
