"""Records from a journal: the same however often and in whatever pieces it is read, and what a broker took back shown so."""

import asyncio
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import msgspec
import pandas as pd
import polars as pl
import pytest

from ordergate.adapters.journals.stores import open_journal
from ordergate.application.audit.story import story
from ordergate.application.ports.journal import Journal
from ordergate.bootstrap import MEMORY, open_gate
from ordergate.config import Config
from ordergate.domain.errors import NotFound, StoreError
from ordergate.domain.orders.states import State
from ordergate.sdk import default_gate, records
from ordergate.sdk.line import WrongLoop
from ordergate.sdk.oms import Order, OrderService
from ordergate.sdk.paper import PaperMarket
from ordergate.sdk.records import OrderEvents, OrderManager, Orders, Trades, feed_from, follow
from ordergate.sdk.records import feed as feeding
from tests.unit.sdk.records.days import work

SIZE = 400
AT = dt.datetime(2026, 5, 26, tzinfo=dt.UTC)
NODES = (Orders, OrderEvents, Trades)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a busy day's journal."""
    url = f"sqlite:///{tmp_path_factory.mktemp('busy')}/orders.db"
    asyncio.run(work(url, SIZE))
    return url


def _look(url: str, what: Callable) -> object:
    async def look() -> object:
        journal = await open_journal(url)
        try:
            return await what(journal)
        finally:
            await journal.close()

    return asyncio.run(look())


def frames(engine: str = "pandas") -> list:
    return [node().frame(engine) for node in NODES]


def equal(ours: list[pd.DataFrame], theirs: list[pd.DataFrame]) -> bool:
    return all(one.equals(other) for one, other in zip(ours, theirs, strict=True))


def test_a_journal_that_is_read_twice_gives_the_same_frames(busy: str) -> None:
    seen = []
    for _ in range(2):
        records.start_engine("sqlite://")
        fed = feed_from(busy)
        assert (fed.first, fed.next) == (0, _look(busy, lambda journal: journal.head()).size)
        seen.append(frames())
    assert equal(*seen)
    assert [len(frame) > 50 for frame in seen[0]] == [True, True, True]


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [29, 150])
def test_pieces_give_the_same_as_the_whole(busy: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    records.start_engine("sqlite://")
    feed_from(busy)
    whole = frames()
    monkeypatch.setattr(feeding, "_AT_ONCE", at_once)
    records.start_engine("sqlite://")
    told: list[tuple[int, int]] = []
    feed_from(busy, lambda done, total: told.append((done, total)))
    assert equal(frames(), whole)
    assert told[-1][0] == told[-1][1]
    assert len(told) == -(-told[-1][1] // at_once)


def test_what_has_come_does_not_come_again_and_what_is_new_does(at: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    asyncio.run(work(url, 100))
    first = feed_from(url)
    asyncio.run(work(url, 200, seed=6))
    second, third = feed_from(url), feed_from(url)
    assert (second.first, third.first, third.orders, third.events) == (first.next, second.next, 0, 0)
    piecewise = frames()
    if at == "sqlite://":
        records.start_engine(at)
        feed_from(url)
        assert equal(frames(), piecewise)
    else:
        assert len(piecewise[1]) == first.events + second.events


def test_orders_are_as_the_journal_has_them(busy: str) -> None:
    records.start_engine("sqlite://")
    feed_from(busy)
    found = Orders().frame("polars").to_dicts()
    orders = {order.order_id: order for order in _look(busy, lambda journal: journal.select("orders"))}
    assert {row["order_identifier"] for row in found} == set(orders)
    for row in found:
        order = orders[row["order_identifier"]]
        said = msgspec.json.decode(row["venue_metadata"])
        assert row["order_time"] == order.created_at
        assert (row["account_identifier"], row["asset_identifier"]) == (order.broker, order.symbol)
        assert row["order_side"] == (1 if order.side in ("buy", "cover") else -1)
        assert (row["order_remote_id"], row["client_order_id"]) == (
            order.broker_order_id or "",
            order.client_id or "",
        )
        assert (Decimal(said["quantity"]), Decimal(said["filled_quantity"])) == (
            order.quantity,
            order.filled_quantity,
        )
        assert (row["quantity"], row["filled_quantity"]) == (
            float(order.quantity),
            float(order.filled_quantity),
        )
        assert row["limit_price"] == float(order.limit_price or 0)
        assert (said["state"], said["side"], said["fund_id"]) == (order.state, order.side, order.fund_id)


WORDS = {
    State.CREATED: "not_placed", State.PENDING_RISK: "not_placed", State.ACCEPTED: "not_placed",
    State.REJECTED: "not_placed", State.SUBMITTED: "live", State.PARTIALLY_FILLED: "partially_filled",
    State.FILLED: "filled", State.CLOSED: "filled", State.CANCELED: "canceled", State.EXPIRED: "canceled",
    State.FAILED: "canceled",
}  # fmt: skip


def test_every_step_of_every_order_is_an_event(busy: str) -> None:
    records.start_engine("sqlite://")
    feed_from(busy)
    assert set(WORDS) == set(State)
    found: dict[str, list] = {}
    for row in OrderEvents().frame("polars").to_dicts():
        said = msgspec.json.decode(row["event_metadata"])
        assert row["order_status"] == WORDS[said["to"]]
        found.setdefault(row["order_identifier"], []).append((row["event_time"], said))

    async def compare(journal: Journal) -> None:
        for order_id, events in found.items():
            steps = [step for step in await story(journal, order_id) if not step.kind.startswith("Break")]
            assert [(at, said["index"], said["event"], said["to"]) for at, said in events] == [
                (step.time, step.index, step.kind, step.to_state) for step in steps if step.to_state
            ]

    _look(busy, compare)
    raws = [len(said["raw"]) for events in found.values() for _, said in events if "raw_sha256" in said]
    assert raws
    assert set(raws) == {70_000}  # what did not fit into its entry is there all the same


def test_trades_add_up_and_what_was_taken_back_says_so(busy: str) -> None:
    records.start_engine("sqlite://")
    feed_from(busy)
    found = {row["trade_identifier"]: row for row in Trades().frame("polars").to_dicts()}
    fills = [
        fill
        for fill in _look(busy, lambda journal: journal.select("fills"))
        if not fill.awaited and fill.order_id
    ]
    assert set(found) == {fill.fill_id for fill in fills}
    for fill in fills:
        row = found[fill.fill_id]
        said = msgspec.json.decode(row["venue_metadata"])
        assert row["trade_time"] == fill.time
        assert Decimal(said.get("quantity", "0")) == fill.quantity
        assert row["quantity"] == (float(fill.quantity) if fill.counts else 0.0)
        assert row["commission"] == (float(fill.fee) if fill.counts else 0.0)
        assert said.get("counts", True) is fill.counts
        assert (fill.superseded_by is not None) == (f"superseded by {fill.superseded_by}" in row["comments"])
        assert (fill.refers_to is not None) == (f" of {fill.refers_to}" in row["comments"])
    assert sum(not fill.counts for fill in fills) > 10
    assert any(row["comments"].startswith("correction of") and row["quantity"] for row in found.values())
    sums = pl.DataFrame(list(found.values())).group_by("order_identifier").agg(pl.col("quantity").sum())
    booked = Orders().frame("polars").join(sums, on="order_identifier", how="left", suffix="_traded")
    plain = booked.filter(
        ~pl.col("venue_metadata").str.contains('"ratio"|"algo"')
    )  # a parent's are its children's
    assert (
        plain.select((pl.col("filled_quantity") - pl.col("quantity_traded").fill_null(0)).abs().max()).item()
        < 1e-9
    )


def test_records_that_are_ahead_of_the_journal_or_of_another(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    asyncio.run(work(url, 100))
    records.start_engine("sqlite://")
    fed = feed_from(url)
    seen = frames()

    def set_to(**columns: object) -> None:
        with records.database.writing() as session:
            row = session.get(feeding.FeedCursorTable, fed.log)
            for name, value in columns.items():
                setattr(row, name, value)

    set_to(next_index=10_000)
    with pytest.raises(
        StoreError, match=f"the records have 10000 entries of the journal, which has {fed.next}"
    ):
        feed_from(url)
    set_to(next_index=fed.next, last_hash="00" * 32)
    with pytest.raises(StoreError, match=f"entry {fed.next - 1} is not the one that the records have"):
        feed_from(url)
    assert equal(frames(), seen)


def test_a_feed_that_is_overtaken_by_another_writes_nothing(
    busy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.start_engine("sqlite://")
    write = feeding._write

    def overtaken(piece: object) -> None:
        write(piece)
        write(piece)

    monkeypatch.setattr(feeding, "_write", overtaken)
    with pytest.raises(StoreError, match=r"another feed of test.example/journal/.* is under way"):
        feed_from(busy)


def test_a_piece_that_cannot_be_written_leaves_the_cursor(busy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    records.start_engine("sqlite://")
    put, calls = feeding._put, []

    def failing(session: object, storage: object, rows: object) -> None:
        calls.append(storage)
        if len(calls) == 3:
            raise StoreError("the disk is full")
        put(session, storage, rows)

    monkeypatch.setattr(feeding, "_put", failing)
    with pytest.raises(StoreError, match="the disk is full"):
        feed_from(busy)
    assert [len(frame) for frame in frames()] == [0, 0, 0]
    fed = feed_from(busy)
    assert fed.first == 0


def test_a_journal_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        feed_from(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(StoreError, match="no database URL known here"):
        feed_from("orders.db")


def buy(key: str, manager: str | None = None) -> Order:
    return Order(
        quantity=10,
        order_manager=manager,
        idempotency_key=key, symbol="AAPL", side="buy", fund_id="paper-momentum",
        order_type="limit", limit_price="181",
    )  # fmt: skip


def test_the_process_has_one_gate_and_one_set_of_records() -> None:
    try:

        async def trade() -> str:
            await PaperMarket().set_quote("AAPL", 180.40, 180.50)
            return (await OrderService().submit(buy("k-1"))).order_id

        assert feed_from().log is not None  # the gate has configured itself
        order_id = asyncio.run(trade())
        asyncio.run(_until(lambda: _filled(order_id)))
    finally:
        default_gate.close()
    account, asset = records.target_of(order_id)
    assert (account.unique_identifier, asset.unique_identifier) == ("paper", "AAPL")
    assert records.manager_of(order_id) is None
    events, trades = records.observed_of(order_id)
    assert [event.order_status for event in events][:4] == ["not_placed"] * 3 + ["live"]
    assert sum(trade.quantity for trade in trades) == 10.0
    assert trades[0].settlement_cost == trades[0].quantity * trades[0].price
    with pytest.raises(NotFound, match="the records have no order 'ord-none'"):
        records.target_of("ord-none")


def _filled(order_id: str) -> bool:
    feed_from()
    return Orders().frame("polars", order_identifier=order_id)["status"].to_list() == ["filled"]


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.01)


def test_records_that_follow_a_gate() -> None:
    async def main() -> None:
        async with open_gate(Config(), MEMORY) as gate:
            with pytest.raises(WrongLoop):
                feed_from(gate)
            await follow(gate)
            await PaperMarket(gate).set_quote("AAPL", 180.40, 180.50)
            made = await OrderService(gate=gate).submit(buy("k-2", "rebalance-7"))
            await _until(
                lambda: (
                    Orders().frame("polars", order_identifier=made.order_id)["status"].to_list() == ["filled"]
                )
            )
            await gate.quiet()
            size = (await gate.journal.head()).size
            await _until(lambda: _cursor() == size)
            assert (await asyncio.to_thread(feed_from, gate)).first == size
            manager = records.manager_of(made.order_id)
            account, _asset = records.target_of(made.order_id)
            assert manager.unique_identifier == "rebalance-7"
            assert (manager.target_account_uid, manager.target_time) == (account.uid, made.created_at)

    asyncio.run(main())


def test_a_manager_that_is_registered_stays_as_it_is(busy: str) -> None:
    records.start_engine("sqlite://")
    managers = {order.order_manager for order in _look(busy, lambda journal: journal.select("orders"))} - {
        None
    }
    assert managers
    name = sorted(managers)[0]
    kept = OrderManager.create_batch(unique_identifier=name, target_account_uid=UUID(int=0), target_time=AT)
    feed_from(busy)
    assert OrderManager.get_by_unique_identifier(name) == kept
    assert {one.unique_identifier for one in OrderManager.filter()} == managers
    assert set(Orders().frame().order_manager_identifier) == managers | {""}


def _cursor() -> int:
    with records.database.reading() as session:
        return session.query(feeding.FeedCursorTable).one().next_index


def test_times_of_an_order_are_never_the_same_twice(busy: str) -> None:
    records.start_engine("sqlite://")
    fed = feed_from(busy)
    assert len(OrderEvents().frame()) == fed.events  # none has replaced another
    assert OrderEvents().frame().index[0][0] >= dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def test_what_people_and_brokers_write_stops_no_feed(at: str) -> None:
    async def main() -> str:
        async with open_gate(Config(), MEMORY) as gate:
            await PaperMarket(gate).set_quote("AAPL", 180.40, 180.50)
            order = Order(
                idempotency_key="k-3", symbol="AAPL", side="buy", fund_id="paper-momentum", quantity=10,
                order_type="limit", limit_price="170", tif="gtd", thesis="before\0after",
                expires_at=dt.datetime(9999, 12, 31, tzinfo=dt.UTC),
            )  # fmt: skip
            made = await OrderService(gate=gate).submit(order)
            await gate.quiet()
            await asyncio.to_thread(feed_from, gate)
            return made.order_id

    order_id = asyncio.run(main())
    (row,) = Orders().frame("polars", order_identifier=order_id).to_dicts()
    said = msgspec.json.decode(row["venue_metadata"])
    assert (row["comments"], said["thesis"]) == (r"before\u0000after",) * 2
    assert (row["expires_time"].year, said["expires_at"]) == (2261, "9999-12-31T00:00:00Z")
