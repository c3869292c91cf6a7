"""Order managers as rows: made, made again, read, changed, deleted."""

import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ValidationError

from ordergate.domain.errors import StoreError
from ordergate.sdk.records import (
    Account,
    AccountTable,
    Asset,
    OrderManager,
    OrderManagerCreate,
    OrderManagerTable,
    OrderManagerUpdate,
    start_engine,
)
from ordergate.sdk.records.database import engine, reading
from ordergate.sdk.records.registry import register_identifiers
from ordergate.sdk.records.statements import table_of

ACCOUNT = uuid.UUID("00000000-0000-0000-0000-000000000000")
AT = dt.datetime(2026, 5, 26, 14, 30, tzinfo=dt.UTC)
NAIVE = AT.replace(tzinfo=None)
LATER = AT + dt.timedelta(hours=1)


def wanted(name: str = "rebalance", **more: object) -> dict:
    return {"unique_identifier": name, "target_account_uid": ACCOUNT, "target_time": AT, **more}


def test_the_table_is_as_stated(at: str) -> None:
    table = table_of(OrderManagerTable)
    assert table.name == "ms_markets__ordermanager"
    assert [(c.name, c.nullable) for c in table.columns] == [
        ("uid", False), ("unique_identifier", False), ("target_account_uid", False), ("target_time", False),
        ("order_received_time", True), ("execution_end", True), ("status", True), ("metadata_json", True),
    ]  # fmt: skip
    seen = sa.inspect(engine())
    (key,) = seen.get_foreign_keys(table.name)
    assert (key["referred_table"], key["referred_columns"]) == ("ms_markets__account", ["uid"])
    assert key["options"]["ondelete"] == "CASCADE"
    indexed = {tuple(i["column_names"]): bool(i["unique"]) for i in seen.get_indexes(table.name)}
    assert indexed == {("unique_identifier",): True, ("target_account_uid",): False, ("status",): False}
    lengths = {
        c["name"]: c["type"].length
        for c in seen.get_columns(table.name)
        if c["name"] in ("unique_identifier", "status")
    }
    assert lengths == {"unique_identifier": 255, "status": 64}


def test_create_batch_is_an_upsert_that_keeps_the_uid(at: str) -> None:
    first = OrderManager.create_batch(**wanted(status="created", metadata_json={"why": "drift"}))
    again = OrderManager.create_batch(wanted(target_time=LATER))
    assert again.uid == first.uid
    assert again.target_time == LATER
    assert (again.status, again.metadata_json) == ("created", {"why": "drift"}), "what was not supplied stays"
    cleared = OrderManager.create_batch(wanted(status=None))
    assert (cleared.status, cleared.metadata_json) == (None, {"why": "drift"})
    assert OrderManager.filter() == [cleared]


def test_an_upsert_of_nothing_but_its_key_returns_the_row(at: str) -> None:
    first = Asset.upsert(unique_identifier="BTC")
    assert Asset.upsert(unique_identifier="BTC") == first
    assert Asset.upsert(unique_identifier="BTC", metadata_json={"a": 1}).uid == first.uid


def test_twenty_threads_that_begin_one_batch_make_one_row(at: str) -> None:
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda n: OrderManager.upsert(**wanted(status=f"s{n}")), range(20)))
    assert len({manager.uid for manager in made}) == 1
    (row,) = OrderManager.filter()
    assert row in made
    assert len(Account.filter()) == 1


def test_payloads_are_models_mappings_or_fields_by_name(at: str) -> None:
    class Their(BaseModel):
        unique_identifier: str
        target_account_uid: str
        target_time: dt.datetime

    ours = OrderManager.create(OrderManagerCreate(**wanted("a", status="new")))
    theirs = OrderManager.create(Their(**wanted("b") | {"target_account_uid": str(ACCOUNT)}))
    assert (ours.status, theirs.target_account_uid) == ("new", ACCOUNT)


@pytest.mark.parametrize("method", [OrderManager.create, OrderManager.upsert, OrderManager.create_batch])
def test_a_payload_and_fields_is_a_mistake_of_the_caller(method) -> None:
    with pytest.raises(TypeError, match="a payload and status: give the payload, or the fields by name"):
        method(wanted(), status="x")
    with pytest.raises(TypeError, match="the payload is a list: give a model or a mapping"):
        method([wanted()])
    with pytest.raises(TypeError, match="a payload and status"):
        OrderManager.update(uuid.uuid4(), {}, status="x")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"unique_identifier": ""}, "unique_identifier"),
        ({"unique_identifier": "x" * 256}, "unique_identifier"),
        ({"unique_identifier": "a\0b"}, "unique_identifier"),
        ({"unique_identifier": None}, "unique_identifier"),
        ({"target_account_uid": "acct-1"}, "target_account_uid"),
        ({"target_time": NAIVE}, "target_time"),
        ({"order_received_time": "2026-05-26T00:00:00"}, "order_received_time"),
        ({"execution_end": NAIVE}, "execution_end"),
        ({"status": "x" * 65}, "status"),
        ({"metadata_json": ["a"]}, "metadata_json"),
        ({"metadata_json": {"a": object()}}, "metadata_json"),
        ({"uid": uuid.uuid4()}, "uid"),
        ({"fund_identifier": "f"}, "fund_identifier"),
    ],
)
def test_wrong_fields_are_named_and_nothing_is_written(more: dict, field: str) -> None:
    with pytest.raises(ValidationError) as told:
        OrderManager.create_batch(**{**wanted(), **more})
    assert told.value.errors()[0]["loc"][0] == field
    assert OrderManager.filter() == []
    assert Account.filter() == []


@pytest.mark.parametrize("missing", ["unique_identifier", "target_account_uid", "target_time"])
def test_what_must_be_there(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        OrderManager.create_batch({k: v for k, v in wanted().items() if k != missing})


def test_what_the_database_cannot_keep_is_refused(at: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        OrderManager.create_batch(**wanted(metadata_json={"a": float("nan")}))
    assert OrderManager.filter() == []


def test_the_longest_are_taken(at: str) -> None:
    made = OrderManager.create(**wanted("é" * 255, status="s" * 64))
    assert OrderManager.get_by_unique_identifier("é" * 255) == made


def test_create_refuses_what_is_there(at: str) -> None:
    first = OrderManager.create(**wanted(status="a"))
    with pytest.raises(
        ValueError, match=r"OrderManager \{'unique_identifier': 'rebalance'\} exists already: upsert"
    ):
        OrderManager.create(**wanted(status="b"))
    assert OrderManager.get_by_uid(first.uid) == first


def test_update_writes_what_was_supplied(at: str) -> None:
    made = OrderManager.create(**wanted(status="created", metadata_json={"a": 1}))
    east = dt.timezone(dt.timedelta(hours=9))
    changed = OrderManager.update(str(made.uid), execution_end=LATER.astimezone(east))
    assert changed == made.model_copy(update={"execution_end": LATER})
    assert OrderManager.update(made.uid, OrderManagerUpdate(metadata_json=None)).metadata_json is None
    assert OrderManager.update(made.uid).status == "created"
    for fixed in ("unique_identifier", "target_account_uid", "target_time", "uid"):
        with pytest.raises(ValidationError, match=fixed):
            OrderManager.update(made.uid, {fixed: wanted().get(fixed)})
    with pytest.raises(LookupError, match=f"no OrderManager has the uid {ACCOUNT}"):
        OrderManager.update(ACCOUNT, status="x")
    with pytest.raises(LookupError):
        OrderManager.update(ACCOUNT)


def test_reading(at: str) -> None:
    made = {
        name: OrderManager.create(**wanted(name, status=status)) for name, status in (("b", "x"), ("a", None))
    }
    assert OrderManager.get_by_uid(made["a"].uid) == made["a"]
    assert OrderManager.get_by_uid(str(ACCOUNT)) is None
    assert OrderManager.get_by_unique_identifier("c") is None
    assert OrderManager.get_many_by_unique_identifier(["b", "a", "c", "b"]) == [made["a"], made["b"]]
    assert OrderManager.get_many_by_unique_identifier([]) == []
    assert OrderManager.filter(status=None) == [made["a"]]
    assert OrderManager.filter(limit=1) == [made["a"]]
    assert OrderManager.filter(target_account_uid=str(ACCOUNT), target_time=AT, status="x") == [made["b"]]
    assert OrderManager.get(status="x") == made["b"]
    with pytest.raises(LookupError, match="more than one OrderManager has"):
        OrderManager.get(target_time=AT)
    with pytest.raises(LookupError, match="no OrderManager has"):
        OrderManager.get(status="y")


def test_wrong_questions() -> None:
    with pytest.raises(ValueError, match="OrderManager has no column 'fund'; it has uid, unique_identifier"):
        OrderManager.filter(fund="f")
    with pytest.raises(ValidationError, match="timezone"):
        OrderManager.filter(target_time=NAIVE)
    with pytest.raises(ValidationError, match="UUID"):
        OrderManager.get_by_uid("7")
    with pytest.raises(TypeError, match="'abc' is one identifier"):
        OrderManager.get_many_by_unique_identifier("abc")
    for limit in (0, -1, True, 2.0):
        with pytest.raises(ValueError, match="whole number of at least 1"):
            OrderManager.filter(limit=limit)


def test_many_identifiers_are_asked_for_in_parts() -> None:
    names = [f"n{number:04d}" for number in range(1100)]
    with reading() as session:
        register_identifiers(session, AccountTable, names)
        session.commit()
    assert [row.unique_identifier for row in Account.get_many_by_unique_identifier(names)] == names
    assert len(Account.filter()) == 500


def test_delete_and_what_goes_with_it(at: str) -> None:
    made = OrderManager.create(**wanted())
    assert OrderManager.delete(made.uid) is True
    assert OrderManager.delete(made.uid) is False
    OrderManager.create(**wanted())
    assert Account.delete(ACCOUNT) is True
    assert OrderManager.filter() == []


def test_a_known_account_stays_as_it_is(at: str) -> None:
    mine = Account.create(unique_identifier="main", account_name="Main", is_paper=False)
    OrderManager.create(**wanted() | {"target_account_uid": mine.uid})
    assert Account.filter() == [mine]
    assert Account.update(mine.uid, account_is_active=False).account_name == "Main"
    OrderManager.create(**wanted("other"))
    assert Account.get_by_uid(ACCOUNT).unique_identifier == str(ACCOUNT)


def test_create_schemas_is_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="opening the database makes the tables"):
        OrderManager.create_schemas()


def test_start_engine_of_the_class_is_that_of_the_process(tmp_path) -> None:
    assert OrderManager.start_engine(f"sqlite:///{tmp_path}/r.db") is engine()
    with pytest.raises(StoreError):
        OrderManager.start_engine("sqlite:////no/such/folder/r.db")


def test_a_database_that_goes_away_is_told(tmp_path) -> None:
    path = tmp_path / "r.db"
    start_engine(f"sqlite:///{path}").dispose()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="the records cannot be used: file is not a database"):
        OrderManager.filter()
