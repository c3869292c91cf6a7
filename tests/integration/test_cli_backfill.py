"""`ordergate analytics backfill`, and what `ordergate doctor` says of ClickHouse."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ordergate.bootstrap import open_gate
from ordergate.cli.app import app
from ordergate.config import load
from tests.services.analytics import dump, kept
from tests.services.archive import quote, trade
from tests.services.clickhouse import ClickHouse
from tests.services.commands import CliRunner

MARKS = "ordergate_marks"


class Kept:
    """A journal, and its tables."""

    def __init__(self, clickhouse: ClickHouse, folder: Path, name: str = "orders") -> None:
        self.database, self.config, self.clickhouse = (
            folder / f"{name}.db",
            folder / "ordergate.toml",
            clickhouse,
        )
        self.config.write_text(
            "[funds.paper-momentum]\nunlimited = true\n"
            f'[clickhouse]\nurl = "{clickhouse.url}"\ndatabase = "{clickhouse.database}"\nbatch_age_ms = 20\n'
        )

    def trade(self, count: int, *, keep: bool = True) -> None:
        async def main() -> None:
            async with open_gate(load(self.config), f"sqlite:///{self.database}") as gate:
                await quote(gate)
                await trade(gate, 0, count)
                if keep:
                    await kept(gate)

        asyncio.run(main())

    def run(self, *arguments: str, code: int = 0) -> Any:
        at = ("--db", f"sqlite:///{self.database}", "--config", str(self.config), "--json")
        done = CliRunner().invoke(app, [*arguments, *at])
        assert done.exit_code == code, (done.exit_code, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def doctor(self, code: int = 0) -> dict[str, tuple[str, str]]:
        found = self.run("doctor", code=code)["checks"]
        return {c["check"]: (c["state"], c["detail"]) for c in found if c["check"].startswith("clickhouse")}


@pytest.fixture
def journal(clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ORDERGATE_DB", raising=False)
    return Kept(clickhouse, tmp_path)


@pytest.mark.slow
def test_rows_that_somebody_has_changed_are_made_again(journal: Kept) -> None:
    journal.trade(20)
    before = dump(journal.clickhouse, "journal_index")
    journal.clickhouse.ask("DELETE FROM orders_versions WHERE symbol = 'AAPL'")
    journal.clickhouse.ask(
        "INSERT INTO positions_versions (log, fund_id, journal_index) VALUES ('ordergate.local/journal', 'x', 1)"
    )
    assert dump(journal.clickhouse, "journal_index") != before
    (told,) = journal.run("analytics", "backfill")["journals"]
    assert told["log"] == "ordergate.local/journal"
    assert told["rows"]["orders"] == len(before["orders"]) == 20
    assert dump(journal.clickhouse, "journal_index") == before
    assert journal.doctor()["clickhouse tables"] == (
        "ok",
        f"{told['journal_index'] + 1} entries are in the tables",
    )


def test_doctor(journal: Kept) -> None:
    found = journal.doctor()
    assert found["clickhouse"][0] == "ok"
    assert (
        f"database {journal.clickhouse.database} at {journal.clickhouse.url}: ClickHouse "
        in found["clickhouse"][1]
    )
    assert found["clickhouse tables"] == ("ok", "none yet, or not all; the gate makes them")
    journal.trade(3)
    state, detail = journal.doctor()["clickhouse tables"]
    assert (state, "entries are in the tables" in detail) == ("ok", True)
    journal.clickhouse.ask("RENAME TABLE orders TO theirs")
    journal.clickhouse.ask("CREATE TABLE orders (order_id UUID) ENGINE MergeTree ORDER BY order_id")
    state, detail = journal.doctor(code=1)["clickhouse tables"]
    assert state == "bad"
    assert "column order_id of orders is UUID, not String" in detail
    assert "orders is there as MergeTree" in detail


@pytest.mark.slow
def test_another_journal_of_the_same_origin_goes_only_where_it_is_said(journal: Kept, tmp_path: Path) -> None:
    journal.trade(4)
    other = Kept(journal.clickhouse, tmp_path, "other")
    other.trade(2, keep=False)
    assert (
        "rows of another journal of 'ordergate.local/journal'" in other.doctor(code=1)["clickhouse tables"][1]
    )
    refused = other.run("analytics", "backfill", code=1)
    assert "--replace" in json.dumps(refused)
    assert len(dump(journal.clickhouse)["orders"]) == 4
    (told,) = other.run("analytics", "backfill", "--replace")["journals"]
    assert (told["rows"]["orders"], len(dump(journal.clickhouse)["orders"])) == (2, 2)


def test_where_there_is_nothing(journal: Kept) -> None:
    journal.config.write_text("")
    assert "clickhouse.url" in json.dumps(journal.run("analytics", "backfill", code=1))
    assert journal.doctor() == {}


def test_a_server_that_cannot_be_reached_is_said_once(journal: Kept) -> None:
    journal.config.write_text('[clickhouse]\nurl = "http://127.0.0.1:1"\n')
    found = journal.doctor(code=1)
    assert found["clickhouse"] == (
        "bad",
        "database default at http://127.0.0.1:1 cannot be reached: Connection refused",
    )
    assert found["clickhouse tables"] == ("bad", "not known, see clickhouse")
