"""Parquet, a file a day."""

import asyncio
import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest

from ordergate.adapters.files import FilesError
from ordergate.cli.app import app
from ordergate.sdk import records
from ordergate.sdk.records import AccountTable, AssetTable, OrderEvents, Orders, Trades, export
from ordergate.sdk.records.database import writing
from ordergate.sdk.records.registry import register_identifiers
from tests.services.commands import CliRunner
from tests.unit.sdk.records.days import work

DAYS = [dt.datetime(2026, 5, day, hour, tzinfo=dt.UTC) for day, hour in ((3, 0), (3, 23), (4, 0), (9, 12))]


@pytest.fixture
def kept(at: str) -> str:
    with writing() as session:
        register_identifiers(session, AccountTable, ["paper"])
        register_identifiers(session, AssetTable, ["AAPL"])
    rows = [
        dict.fromkeys((column.name for column in Orders.storage.__table__.columns), "")
        | {
            "order_time": at_, "order_identifier": f"ord-{n}", "account_identifier": "paper", "asset_identifier": "AAPL",
            "expires_time": None, "quantity": 0.1, "venue_metadata": '{"quantity": "0.10"}',
        }
        for n, at_ in enumerate(DAYS)
    ]  # fmt: skip
    Orders().set_frame(pl.DataFrame(rows)).update()
    event = {
        "event_time": DAYS[1],
        "order_identifier": "ord-0",
        "order_status": "live",
        "event_metadata": "{}",
    }
    OrderEvents().set_frame(pl.DataFrame([event])).update()
    return at


def test_each_day_that_has_rows_is_a_file(kept: str, tmp_path: Path) -> None:
    written = export(tmp_path / "out")
    assert [str(file.relative_to(tmp_path / "out")) for file in written] == [
        "orders/date=2026-05-03/part.parquet", "orders/date=2026-05-04/part.parquet",
        "orders/date=2026-05-09/part.parquet", "order_events/date=2026-05-03/part.parquet",
    ]  # fmt: skip
    assert [file.name for file in (tmp_path / "out").rglob("*") if file.is_file()] == ["part.parquet"] * 4
    found = pl.read_parquet(tmp_path / "out" / "orders", hive_partitioning=True)
    assert found.drop("date").equals(Orders().frame("polars"))
    assert found["date"].to_list() == [at.date() for at in DAYS]
    assert {json.loads(text)["quantity"] for text in found["venue_metadata"]} == {"0.10"}


def test_a_later_export_replaces_its_days_and_leaves_others(kept: str, tmp_path: Path) -> None:
    first = export(str(tmp_path))
    for file in first:
        file.write_bytes(b"old")
    assert export(tmp_path, since=dt.date(2026, 5, 4)) == first[1:3]
    assert [file.read_bytes() == b"old" for file in first] == [True, False, False, True]


def test_a_folder_that_cannot_be_written(kept: str, tmp_path: Path) -> None:
    (tmp_path / "orders").write_text("a file")
    with pytest.raises(FilesError, match=r"part\.parquet cannot be written: .*name another folder"):
        export(tmp_path)


def test_nothing_is_no_file(at: str, tmp_path: Path) -> None:
    assert export(tmp_path) == []
    assert Trades().frame("polars").is_empty()


def run(*arguments: str) -> object:
    return CliRunner().invoke(app, ["records", *arguments])


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(work("sqlite:///demo.db", 150))
    kept = ("--records", "sqlite:///records.db")
    done = run("feed", "--db", "sqlite:///demo.db", *kept)
    assert done.exit_code == 0, done.output
    assert "events and" in done.stdout
    (again,) = json.loads(run("feed", "--db", "sqlite:///demo.db", *kept, "--json").stdout)
    assert (again["events"], again["first"]) == (0, again["next"])
    monkeypatch.setenv("ORDERGATE_RECORDS", "sqlite:///records.db")
    done = run("export", "out", "--json")
    files = json.loads(done.stdout)["files"]
    assert {Path(file).parts[1] for file in files} == {"orders", "order_events", "trades"}
    assert json.loads(run("export", "out", "--since", "2999-01-01", "--json").stdout)["files"] == []
    assert run("export", "out").stdout == f"{len(files)} files below out\n"
    records.start_engine("sqlite:///records.db")
    assert pl.read_parquet("out/trades/*/part.parquet").height == len(Trades().frame())


def test_commands_that_are_given_what_they_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "ORDERGATE_RECORDS" in run("export", "out").output  # none is named
    done = run("feed", "--db", "sqlite:///none.db", "--records", "")
    assert (done.exit_code, "--records (or ORDERGATE_RECORDS) is empty" in done.stderr) == (1, True)
    done = run("feed", "--db", "sqlite:///none.db", "--records", "sqlite:///records.db", "--json")
    assert (done.exit_code, json.loads(done.stdout)["error"]) == (1, "StoreError")
    assert run("export", "out", "--since", "soon", "--records", "sqlite:///records.db").exit_code == 2
