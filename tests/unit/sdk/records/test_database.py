"""Databases of the records: opened, shared, and told apart; times survive them."""

import datetime as dt
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ordergate.domain.errors import StoreError
from ordergate.sdk.records import Base, engine, start_engine
from ordergate.sdk.records.base import JSON_DOCUMENT, Timestamp, physical_name
from ordergate.sdk.records.database import close_engine, create_schemas, reading, writing
from ordergate.sdk.records.models import AssetTable, new_uid
from ordergate.sdk.records.statements import upsert
from tests.services.canaries import Canaries, told
from tests.services.postgres import name_of

EAST = dt.timezone(dt.timedelta(hours=9, minutes=30))


class Probe(Base):
    identifier = "Probe"
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime | None] = mapped_column(Timestamp)
    said: Mapped[dict | None] = mapped_column(JSON_DOCUMENT)


@pytest.fixture(autouse=True, scope="module")
def _gone():
    """A table of a test is no table of others."""
    yield
    Base.metadata.remove(Probe.__table__)


@pytest.mark.parametrize(
    ("identifier", "name"),
    [("OrderManager", "ms_markets__ordermanager"), ("OrdersTS", "ms_markets__orders_ts"),
     ("OrderEventsTS", "ms_markets__orderevents_ts"), ("TradesTS", "ms_markets__trades_ts")],
)  # fmt: skip
def test_names(identifier: str, name: str) -> None:
    assert physical_name(identifier) == name


def put(*rows: dict) -> None:
    with writing() as session:
        session.add_all(Probe(**row) for row in rows)


def test_times_come_back_as_the_same_moment_in_utc_and_sort(at: str) -> None:
    moments = [
        dt.datetime(2026, 5, 26, 1, 0, 0, 1, EAST),
        dt.datetime(2026, 5, 26, tzinfo=dt.UTC),
        dt.datetime(1, 1, 2, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, dt.UTC),
    ]
    put(*({"number": number, "at": moment} for number, moment in enumerate(moments)))
    with reading() as session:
        found = session.scalars(sa.select(Probe.at).order_by(Probe.at)).all()
        bound = session.scalars(sa.select(Probe.number).where(Probe.at < moments[1])).all()
    assert found == sorted(moments)
    assert {moment.tzinfo for moment in found} == {dt.UTC}
    assert sorted(bound) == [0, 2]


def test_a_time_without_a_zone_is_refused(at: str) -> None:
    with pytest.raises(ValueError, match=r"2026-05-26T00:00:00 has no time zone"):
        put({"number": 1, "at": dt.datetime(2026, 5, 26)})  # noqa: DTZ001


def test_none_is_null_and_json_comes_back(at: str) -> None:
    put({"number": 1, "said": None, "at": None}, {"number": 2, "said": {"price": "1.10", "legs": [1, None]}})
    with reading() as session:
        nulls = session.scalars(sa.select(Probe.number).where(Probe.said.is_(None), Probe.at.is_(None))).all()
        assert list(nulls) == [1]
        assert session.get(Probe, 2).said == {"price": "1.10", "legs": [1, None]}


def test_what_fails_in_a_block_is_undone(at: str) -> None:
    def fails() -> None:
        with writing() as session:
            session.add(Probe(number=1))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with reading() as session:
        assert session.get(Probe, 1) is None


def test_threads_write_one_after_the_other(at: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: put({"number": number}), range(40)))
    with reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Probe)) == 40


def test_foreign_keys_hold_in_sqlite() -> None:
    with reading() as session:
        assert session.scalar(sa.text("PRAGMA foreign_keys")) == 1


def test_a_file_keeps_what_memory_loses(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    put({"number": 1})
    close_engine()
    with reading() as session:
        assert session.get(Probe, 1) is None
    close_engine()
    monkeypatch.setenv("ORDERGATE_RECORDS", f"sqlite:///{tmp_path}/r.db")
    put({"number": 2})
    close_engine()
    with reading() as session:
        assert session.get(Probe, 2) is not None


def test_the_tables_of_several_who_start_at_once_are_made_once(at: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: create_schemas(), range(8)))
    assert Probe.__tablename__ in sa.inspect(engine()).get_table_names()


@pytest.mark.parametrize(
    ("url", "says"),
    [("mysql://x/y", "is no database URL known here"), ("sqlite:////no/such/folder/r.db", "cannot be set up"),
     ("postgresql://it:hush@127.0.0.1:1/x", "cannot be reached")],
)  # fmt: skip
def test_what_cannot_be_used_is_told_without_its_password_and_the_former_stays(url: str, says: str) -> None:
    before = engine()
    with pytest.raises(StoreError, match=says) as told:
        start_engine(url)
    assert "hush" not in str(told.value)
    assert engine() is before


def test_who_reads_and_then_writes_loses_nothing_to_another(tmp_path) -> None:
    start_engine(f"sqlite:///{tmp_path}/r.db")
    put({"number": 1, "said": {"count": 0}})

    def count(_: int) -> None:
        with writing() as session:
            row = session.get(Probe, 1)
            row.said = {"count": row.said["count"] + 1}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(20)))
    with reading() as session:
        assert session.get(Probe, 1).said == {"count": 20}


def test_a_reader_keeps_nobody_from_writing(tmp_path) -> None:
    start_engine(f"sqlite:///{tmp_path}/r.db")
    with reading() as session:
        assert session.scalars(sa.select(Probe)).all() == []
        with ThreadPoolExecutor(1) as pool:
            pool.submit(put, {"number": 1}).result()
    with reading() as session:
        assert session.get(Probe, 1) is not None


def test_an_upsert_never_writes_over_the_primary_key(at: str) -> None:
    wanted = {"uid": new_uid(), "unique_identifier": "AAPL"}
    with writing() as session:
        name = session.get_bind().dialect.name
        kept = [
            session.execute(upsert(AssetTable, {**wanted, "uid": uid}, ["unique_identifier"], name)).one().uid
            for uid in (wanted["uid"], new_uid())
        ]
    assert kept == [wanted["uid"]] * 2


def test_a_server_that_was_away_is_found_again(postgres, database: str) -> None:
    start_engine(database)
    put({"number": 1})
    postgres.sql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name_of(database)}'"
    )
    put({"number": 2})
    with reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Probe)) == 2


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:h4nter2@127.0.0.1:1/d", "cannot be reached"),
        ("postgresql://u@127.0.0.1:1/d?password=h4nter2", "cannot be reached"),
        ("postgresql://u:h4nter2@127.0.0.1:1/d?sslmode=require", "cannot be reached"),
        ("postgresql://u:h4nter2@h:1,i:2/d", "have one host"),
        ("u:h4nter2@h/d", "is no database URL known here"),
        ("host=h password=h4nter2", "is no database URL known here"),
    ],
)
def test_no_password_is_shown(monkeypatch, url: str, said: str) -> None:
    monkeypatch.setenv("ORDERGATE_RECORDS", url)
    with pytest.raises(StoreError, match=said) as refused:
        engine()
    assert "h4nter2" not in told(refused.value)


def test_a_connection_that_is_reset_is_made_again(database: str, monkeypatch) -> None:
    from pg8000 import core

    start_engine(database)
    read, resets = core._read, [ConnectionResetError(104, "reset by peer")]

    def reset(sock, size: int) -> bytes:
        if resets:
            raise resets.pop()
        return read(sock, size)

    monkeypatch.setattr(core, "_read", reset)
    put({"number": 1})
    resets.extend([ConnectionResetError(104, "reset by peer")] * 9)
    with pytest.raises(StoreError, match="cannot be reached"):
        put({"number": 2})


@pytest.mark.parametrize("written", ["{}&password={}", "{2}:{1}@{3}"])
def test_no_password_is_shown_where_a_server_lets_nobody_in_any_more(
    postgres, database: str, written: str
) -> None:
    canaries = Canaries()
    start_engine(written.format(database, canaries.plain("password"), *database.split("@")))
    engine().dispose()
    postgres.sql(f"ALTER DATABASE {name_of(database)} ALLOW_CONNECTIONS false")
    with pytest.raises(StoreError, match="cannot be reached") as refused:
        put({"number": 1})
    raised = told(refused.value, variables=True)
    assert canaries.found_in({"raised": raised, "engine": repr(engine())}) == []


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_has_records_of_its_own_and_leaves_the_parents_alone() -> None:
    code = """
import os, warnings
from ordergate.sdk.records import Asset
warnings.simplefilter("ignore")
Asset.create(unique_identifier="parent")
child = os.fork()
if child == 0:
    Asset.create(unique_identifier="child")
print([asset.unique_identifier for asset in Asset.filter()], flush=True)
if child:
    os.waitpid(child, 0)
    print([asset.unique_identifier for asset in Asset.filter()], flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == ["['child']", "['parent']", "['parent']"]


@pytest.mark.parametrize(
    ("change", "says"),
    [("DROP COLUMN said", "lacks said"), ("RENAME COLUMN said TO meant", "lacks said"),
     ("ADD COLUMN more integer", None)],
)  # fmt: skip
def test_a_table_of_another_shape_is_told(at: str, change: str, says: str | None) -> None:
    with writing() as session:
        session.execute(sa.text(f"ALTER TABLE {Probe.__tablename__} {change}"))
    if says is None:
        create_schemas()
        return
    with pytest.raises(
        StoreError, match=f"table ms_markets__probe is of another shape: it {says}; migrate it"
    ):
        create_schemas()


def test_a_column_of_another_type_is_told(at: str) -> None:
    with writing() as session:
        session.execute(sa.text(f"ALTER TABLE {Probe.__tablename__} DROP COLUMN at"))
        session.execute(sa.text(f"ALTER TABLE {Probe.__tablename__} ADD COLUMN at integer"))
    with pytest.raises(
        StoreError, match=r"ms_markets__probe is of another shape: at is INTEGER, not (VARCHAR|TIMESTAMP)"
    ):
        create_schemas()
