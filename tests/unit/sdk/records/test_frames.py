"""Frames of observed facts: what they become, what is refused, and that nothing of a refused one is written."""

import datetime as dt
import json
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sqlalchemy as sa

from ordergate.sdk import records
from ordergate.sdk.records import AccountTable, AssetTable, OrderEvents, Orders, Trades
from ordergate.sdk.records.database import writing
from ordergate.sdk.records.execution import OrderEventsTS, OrdersTS, TradesTS
from ordergate.sdk.records.registry import register_identifiers

AT = dt.datetime(2026, 5, 26, 14, 30, 0, 123456, tzinfo=dt.UTC)
ORDER = {
    "order_time": AT, "order_identifier": "ord-1", "account_identifier": "paper", "order_manager_identifier": None,
    "asset_identifier": "AAPL", "order_remote_id": "B1", "client_order_id": "c1", "order_type": "market",
    "order_side": 1, "quantity": 10.0, "status": "open", "filled_quantity": 0.0, "filled_price": 0.0,
    "expires_time": None, "limit_price": None, "time_in_force": "gtc", "comments": None, "venue_metadata": None,
}  # fmt: skip
INDEX = ["order_time", "order_identifier", "account_identifier", "asset_identifier"]
NODES = {"orders": Orders, "events": OrderEvents, "trades": Trades}


@pytest.fixture
def registered(at: str) -> None:
    with writing() as session:
        register_identifiers(session, AccountTable, ["paper", "live"])
        register_identifiers(session, AssetTable, ["AAPL", "MSFT", "USD"])


def of(engine: str, *rows: dict) -> pd.DataFrame | pl.DataFrame:
    """Orders that are all right but for what is given; in polars a column that holds anything is one of objects."""
    whole = [ORDER | row for row in rows]
    if engine == "pandas":
        return pd.DataFrame(
            {name: pd.Series([row[name] for row in whole], dtype=object) for name in whole[0]}
        )
    return pl.DataFrame([_series(name, [row[name] for row in whole]) for name in whole[0]])


def _series(name: str, values: list) -> pl.Series:
    if name == "venue_metadata":
        values = [json.dumps(value) if isinstance(value, dict | list) else value for value in values]
    try:
        return pl.Series(name, values, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series(name, values, dtype=pl.Object)


def cell(frame: pd.DataFrame | pl.DataFrame, name: str) -> object:
    flat = frame.reset_index() if isinstance(frame, pd.DataFrame) else frame
    return flat[name].to_list()[0]


UTC_1 = dt.timezone(dt.timedelta(hours=1))
BECOMES = [
    ("order_time", AT.astimezone(UTC_1), AT),
    ("order_time", AT.replace(tzinfo=None), AT),
    ("order_time", "2026-05-26T14:30:00.123456Z", AT),
    ("order_time", "2026-05-26", dt.datetime(2026, 5, 26, tzinfo=dt.UTC)),
    ("order_time", dt.date(2026, 5, 26), dt.datetime(2026, 5, 26, tzinfo=dt.UTC)),
    ("order_time", pd.Timestamp("2026-05-26 14:30:00.123456789", tz="Europe/Berlin"), AT - dt.timedelta(hours=2)),
    ("expires_time", AT, AT),
    ("client_order_id", None, ""),
    ("client_order_id", 17, "17"),
    ("client_order_id", float("nan"), ""),
    ("quantity", None, 0.0),
    ("quantity", "ten", 0.0),
    ("quantity", "1_000", 0.0),
    ("quantity", " 2.5 ", 2.5),
    ("quantity", float("nan"), 0.0),
    ("quantity", Decimal("1.25"), 1.25),
    ("quantity", 7, 7.0),
    ("quantity", [], 0.0),
    ("limit_price", None, 0.0),
    ("order_side", None, 0),
    ("order_side", "-1", -1),
    ("order_side", "none", 0),
    ("order_side", 1.9, 1),
    ("order_side", True, 1),
    ("venue_metadata", None, {}),
    ("venue_metadata", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
    ("venue_metadata", ["x"], ["x"]),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["pandas", "polars"])
@pytest.mark.parametrize(("name", "given", "becomes"), BECOMES, ids=lambda value: repr(value)[:30])
def test_what_a_value_becomes(engine: str, name: str, given: object, becomes: object) -> None:
    found = cell(Orders().validate_frame(of(engine, {name: given})), name)
    if name == "venue_metadata" and engine == "polars":
        found = json.loads(found)
    assert (type(found), found) == (type(becomes), becomes) or found == becomes


@pytest.mark.parametrize("engine", ["pandas", "polars"])
def test_a_time_that_is_not_there(engine: str) -> None:
    found = cell(Orders().validate_frame(of(engine, {"expires_time": None})), "expires_time")
    assert found is (pd.NaT if engine == "pandas" else None)


NULLS = [None, pd.NA, pd.NaT, float("nan"), np.float64("nan"), Decimal("NaN"), Decimal("sNaN")]


@pytest.mark.parametrize("null", NULLS, ids=repr)
def test_every_word_for_nothing(null: object) -> None:
    given = {
        "comments": null,
        "quantity": null,
        "order_side": null,
        "venue_metadata": null,
        "expires_time": null,
    }
    row = Orders().validate_frame(of("pandas", given)).reset_index().iloc[0]
    assert (row.comments, row.quantity, row.order_side, row.venue_metadata) == ("", 0.0, 0, {})
    assert row.expires_time is pd.NaT


def test_dtypes_of_pandas() -> None:
    given = of("pandas", {}).convert_dtypes().assign(extra=1)
    found = Orders().validate_frame(given)
    assert found.index.names == INDEX
    assert [name for name in ORDER if name not in INDEX] == list(found.columns)
    kinds = found.reset_index().dtypes
    assert str(kinds["order_time"]) == str(kinds["expires_time"]) == "datetime64[ns, UTC]"
    assert (kinds["quantity"], kinds["order_side"], kinds["venue_metadata"]) == ("float64", "int64", "object")
    assert pd.api.types.is_string_dtype(kinds["comments"])


def test_dtypes_of_polars() -> None:
    found = Orders().validate_frame(of("polars", {}).with_columns(extra=1))
    assert found.columns == [*INDEX, *(name for name in ORDER if name not in INDEX)]
    kinds = found.schema
    assert kinds["order_time"] == kinds["expires_time"] == pl.Datetime("ns", "UTC")
    assert (kinds["quantity"], kinds["order_side"], kinds["venue_metadata"]) == (
        pl.Float64,
        pl.Int64,
        pl.String,
    )


def test_the_documents_of_polars_may_be_structs() -> None:
    given = of("polars", {}).with_columns(venue_metadata=pl.struct(a=pl.lit(1), b=pl.lit("x")))
    assert cell(Orders().validate_frame(given), "venue_metadata") == '{"a": 1, "b": "x"}'


REFUSED = [
    ("venue_metadata", "text", "Invalid jsonb execution value.*venue_metadata, row 1"),
    ("venue_metadata", 7, "Invalid jsonb execution value"),
    ("venue_metadata", {"a": math.nan}, "Invalid jsonb execution value"),
    ("venue_metadata", {"a": AT}, "Invalid jsonb execution value"),
    ("venue_metadata", {"a": ["\0"]}, "Invalid jsonb execution value: it has a NUL.*venue_metadata, row 1"),
    ("comments", "a\0", "Invalid execution text: it has a NUL.*comments, row 1"),
    ("order_identifier", "a\0", "Invalid execution text"),
    ("order_time", None, "no order_time in row 1"),
    ("order_time", pd.NaT, "no order_time in row 1"),
    ("order_time", "soon", "Invalid execution time.*order_time, row 1: 'soon'"),
    ("order_time", 1_700_000_000, "Invalid execution time"),
    ("expires_time", dt.datetime(2300, 1, 1, tzinfo=dt.UTC), "from 1678 to 2262"),
    ("order_side", 1e30, "64 bits.*order_side, row 1"),
    ("order_side", math.inf, "64 bits"),
    ("order_identifier", "ord-1", "duplicate index.*ord-1.*rows 0 and 1"),
    ("account_identifier", "nobody", "account_identifier names what is not registered.*'nobody'"),
    ("asset_identifier", "nothing", "asset_identifier names what is not registered"),
    ("asset_identifier", None, "asset_identifier names what is not registered.*''"),
    ("order_manager_identifier", "nobody", "order_manager_identifier names what is not registered"),
]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("at", ["memory"], indirect=True)
@pytest.mark.parametrize(("name", "given", "told"), REFUSED)
def test_nothing_of_a_refused_frame_is_written(name: str, given: object, told: str) -> None:
    frame = of("pandas", {}, {"order_identifier": "ord-2", name: given})
    with pytest.raises(ValueError, match=told):
        Orders().set_frame(frame).update()
    assert Orders().frame().empty


@pytest.mark.parametrize("engine", ["pandas", "polars"])
def test_a_missing_column_is_named_though_it_may_be_empty(engine: str) -> None:
    frame = of(engine, {})
    short = (
        frame.drop(columns=["comments", "quantity"])
        if engine == "pandas"
        else frame.drop("comments", "quantity")
    )
    with pytest.raises(ValueError, match="lacks the columns quantity, comments"):
        Orders().validate_frame(short)


def test_an_index_of_the_exact_names_or_columns() -> None:
    frame = of("pandas", {})
    assert Orders().validate_frame(frame.set_index(INDEX)).equals(Orders().validate_frame(frame))
    for names in (INDEX[::-1], INDEX[:2]):
        with pytest.raises(ValueError, match="must be indexed by order_time, order_identifier"):
            Orders().validate_frame(frame.set_index(names))


def test_two_columns_of_a_name() -> None:
    frame = of("pandas", {})
    with pytest.raises(ValueError, match="several columns of the name quantity"):
        Orders().validate_frame(pd.concat([frame, frame[["quantity"]]], axis=1))


def test_times_that_differ_by_nanoseconds_are_the_same() -> None:
    times = [pd.Timestamp(AT), pd.Timestamp(AT) + pd.Timedelta(1, "ns")]
    with pytest.raises(ValueError, match=r"duplicate index.*to the microsecond"):
        Orders().validate_frame(of("pandas", *({"order_time": time} for time in times)))


def test_rows_come_out_in_the_order_of_the_index() -> None:
    rows = [
        {"order_identifier": name, "order_time": AT + dt.timedelta(seconds=s)}
        for name, s in (("b", 1), ("b", 0), ("a", 0))
    ]
    found = Orders().validate_frame(of("pandas", *rows)).reset_index()
    assert list(found.order_identifier) == ["a", "b", "b"]
    assert list(found.order_time) == [AT, AT, AT + dt.timedelta(seconds=1)]


@pytest.mark.parametrize("node", NODES.values())
def test_without_a_frame(node: type) -> None:
    for one in (node(), node().set_frame(pd.DataFrame()).set_frame(None)):
        with pytest.raises(ValueError, match="requires a real execution frame"):
            one.update()


@pytest.mark.parametrize(
    "given", [[], {"a": [1]}, pl.LazyFrame(), pd.Series([1])], ids=lambda given: type(given).__name__
)
def test_what_is_no_frame(given: object) -> None:
    with pytest.raises(TypeError, match="DataFrame of pandas or polars, not"):
        Orders().set_frame(given)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("engine", ["pandas", "polars"])
def test_what_was_published_is_read_back(engine: str) -> None:
    rows = [
        {
            "order_identifier": "ord-1",
            "venue_metadata": {"raw": "ü 'quoted' \\ \n", "n": [1, 2.5]},
            "expires_time": AT,
        },
        {"order_identifier": "ord-2", "quantity": 0.1, "limit_price": 180.25, "comments": "x" * 10_000},
    ]
    done = Orders().set_frame(of(engine, *rows)).update()
    assert type(done) is type(of(engine, {}))
    found = Orders().frame(engine)
    if engine == "pandas":
        pd.testing.assert_frame_equal(found, done)
    else:
        assert found.equals(done)
        assert found.schema == done.schema
    again = Orders().set_frame(found).update()
    assert again.equals(done)
    assert len(Orders().frame()) == 2
    assert Orders().frame("pandas").reset_index().limit_price.tolist() == [0.0, 180.25]


@pytest.mark.usefixtures("registered")
def test_the_same_index_replaces_the_row() -> None:
    Orders().set_frame(
        of("pandas", {"comments": "first", "order_remote_id": "B1"}, {"order_identifier": "ord-2"})
    ).update()
    Orders().set_frame(of("pandas", {"status": "filled", "comments": None, "order_remote_id": "B2"})).update()
    found = Orders().frame().reset_index()
    assert list(found.status) == ["filled", "open"]
    assert (found.comments[0], found.order_remote_id[0]) == ("", "B2")


@pytest.mark.usefixtures("registered")
def test_a_reference_that_is_not_there_is_null() -> None:
    Orders().set_frame(of("pandas", {})).update()
    with writing() as session:
        assert session.scalar(sa.select(OrdersTS.order_manager_identifier)) is None
        assert session.scalar(sa.select(OrdersTS.comments)) == ""
    assert Orders().frame().order_manager_identifier.tolist() == [""]


@pytest.mark.usefixtures("registered")
def test_what_is_referred_to_cannot_go() -> None:
    Orders().set_frame(of("pandas", {})).update()
    with pytest.raises(sa.exc.IntegrityError), writing() as session:
        session.execute(sa.delete(AccountTable).where(AccountTable.unique_identifier == "paper"))


@pytest.mark.usefixtures("registered")
def test_a_frame_that_fails_in_its_second_part_is_not_there_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordergate.sdk.records.storing._AT_ONCE", 2)
    monkeypatch.setattr("ordergate.sdk.records.storing._check_references", lambda *_: None)
    rows = [{"order_identifier": f"ord-{n}"} for n in range(4)]
    with pytest.raises(ValueError, match="OrdersTS cannot hold these rows"):
        Orders().set_frame(
            of("pandas", *rows, {"order_identifier": "ord-9", "account_identifier": "nobody"})
        ).update()
    assert Orders().frame().empty


@pytest.mark.usefixtures("registered")
def test_a_part_is_read_by_time_and_by_columns() -> None:
    second = dt.timedelta(seconds=1)
    rows = [
        {"order_identifier": f"ord-{n}", "order_time": AT + n * second, "order_side": -1 if n else 1}
        for n in range(4)
    ]
    Orders().set_frame(of("pandas", *rows)).update()

    def names(**asked: object) -> list[str]:
        return Orders().frame(**asked).index.get_level_values("order_identifier").tolist()

    assert names(since=AT + second, until=AT + 3 * second) == ["ord-1", "ord-2"]
    assert names(order_side=-1, until=AT + 2 * second) == ["ord-1"]
    assert names(order_identifier="ord-3", account_identifier="paper") == ["ord-3"]
    with pytest.raises(ValueError, match="OrdersTS has no column 'symbol': it has order_time"):
        names(symbol="AAPL")
    with pytest.raises(ValueError, match="engine is 'arrow': there are pandas and polars"):
        Orders().frame("arrow")


@pytest.mark.usefixtures("registered")
def test_events_and_trades_of_orders_that_nobody_knows() -> None:
    event = {
        "event_time": AT,
        "order_identifier": "unknown",
        "order_status": "open",
        "event_metadata": {"raw": "35=8"},
    }
    OrderEvents().set_frame(pl.DataFrame([event | {"event_metadata": '{"raw": "35=8"}'}])).update()
    trade = {
        "trade_time": AT, "trade_identifier": "T1", "account_identifier": "live", "order_identifier": "unknown",
        "asset_identifier": "MSFT", "trade_side": -1, "quantity": 2.0, "price": 410.5, "commission": 0.35,
        "commission_asset_identifier": "USD", "settlement_cost": 821.0, "settlement_asset_identifier": "",
        "comments": "", "venue_metadata": {},
    }  # fmt: skip
    Trades().set_frame(pd.DataFrame([trade])).update()
    assert OrderEvents().frame().event_metadata.tolist() == [{"raw": "35=8"}]
    assert Trades().frame().reset_index().to_dict("records") == [trade]
    seen = records.observed_of("unknown")
    assert [one.order_status for one in seen.events] == ["open"]
    assert [(one.price, one.settlement_asset_identifier) for one in seen.trades] == [(410.5, None)]


def test_an_empty_frame_is_a_frame() -> None:
    done = Orders().set_frame(of("pandas", {}).iloc[:0]).update()
    assert done.empty
    assert done.index.names == INDEX


SHAPES = {
    OrdersTS: (
        "ms_markets__orders_ts",
        ("order_time* order_identifier* account_identifier*>account order_manager_identifier>ordermanager "
        "asset_identifier*>asset order_remote_id client_order_id order_type order_side quantity status filled_quantity "
        "filled_price expires_time limit_price time_in_force comments venue_metadata"),
        INDEX,
    ),
    OrderEventsTS: (
        "ms_markets__orderevents_ts",
        "event_time* order_identifier* order_status event_metadata",
        ["event_time", "order_identifier"],
    ),
    TradesTS: (
        "ms_markets__trades_ts",
        ("trade_time* trade_identifier* account_identifier*>account order_identifier asset_identifier*>asset trade_side "
        "quantity price commission commission_asset_identifier>asset settlement_cost settlement_asset_identifier>asset "
        "comments venue_metadata"),
        ["trade_time", "trade_identifier", "account_identifier", "asset_identifier"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.identifier)
def test_the_tables_are_as_stated(shape: type, at: str) -> None:
    name, columns, index = SHAPES[shape]
    inspected = sa.inspect(records.engine())
    refers = {key["constrained_columns"][0]: key for key in inspected.get_foreign_keys(name)}
    assert all(key["options"]["ondelete"] == "RESTRICT" for key in refers.values())
    assert all(key["referred_columns"] == ["unique_identifier"] for key in refers.values())
    found = [
        column["name"]
        + ("" if column["nullable"] else "*")
        + (
            f">{refers[column['name']]['referred_table'].removeprefix('ms_markets__')}"
            if column["name"] in refers
            else ""
        )
        for column in inspected.get_columns(name)
    ]
    assert " ".join(found) == columns
    assert [one["column_names"] for one in inspected.get_indexes(name) if one["unique"]] == [index]
