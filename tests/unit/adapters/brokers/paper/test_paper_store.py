"""What is on disk, when, and what survives."""

import asyncio
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from paperkit import START, Bench, Sink, faults

from ordergate.adapters.brokers.paper import PaperBroker, PaperSettings
from ordergate.adapters.brokers.paper.store import Store
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Presence, Withdraw
from ordergate.domain.errors import Invalid, StoreBusy, StoreError
from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import AnyReport, Executed


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_everything_survives_a_reopen(kept: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=kept.place).open()
        await bench.do("quote 10.00/10.02 0x40")
        await bench.do("A: buy 100 limit 10.02")
        await bench.do("B: buy 100 limit 10.02")
        await bench.do("C: buy 100 stop 10.20 limit 10.30")
        await bench.do("A: replace quantity 90")
        await bench.reopen("0")
        assert bench.news() == ["A 40 @ 10.02", "B rests", "C rests", "A now 90 limit 10.02"]
        assert (await bench.broker.open_orders()).client_ids == {"A.2", "B.1", "C.1"}
        told = await bench.do("quote 10.00/10.01 0x70")
        assert told == ["A 50 @ 10.01 done", "B 20 @ 10.01"]
        assert await bench.do("quote 10.19/10.20 0x10") == ["C triggered", "C 10 @ 10.20"]
        await bench.reopen("8")
        assert await bench.do("quote 10.19/10.30 0x10") == ["C 10 @ 10.30"]

    kept.run(main())


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "memory"])
def test_client_ids_count_once_for_ever(kept: Any, stored: bool) -> None:
    async def main() -> None:
        bench = await Bench(path=kept.place if stored else None).open()
        await bench.do("quote 10.00/10.02")
        send = bench.a_send("A.1", "A", ["buy", "10"])
        first, second = await asyncio.gather(bench.broker.submit(send), bench.broker.submit(send))
        assert (first.outcome, second.outcome) == ("accepted", "duplicate")
        await bench.reopen("1")
        third = await bench.broker.submit(send)
        assert (third.outcome, third.broker_order_id) == ("duplicate", "P1")
        assert bench.news() == []

    kept.run(main()) if stored else run_virtual(main())


def test_cancels_and_replaces_are_not_done_twice(kept: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=kept.place).open()
        await bench.do("A: buy 10 limit 10.00")
        await bench.do("A: replace limit 10.01")
        bench.requests["A"] = 1
        assert await bench.do("A: replace limit 10.05") == ["duplicate"]
        await bench.do("A: cancel")
        bench.requests["A"] = 2
        assert await bench.do("A: cancel") == ["duplicate"]
        assert await bench.do("A: cancel") == ["rejected"]
        bench.requests["A"] = 3
        assert await bench.do("A: cancel") == ["rejected"], "the same refusal again"
        bench.requests["A"] = 0
        assert await bench.do("A: cancel") == ["rejected"], "its id names a submit"

    kept.run(main())


def test_what_is_told_is_on_disk(kept: Any) -> None:
    """At the moment of each report the file has it, and the answer comes after the reports."""

    class Checking(Sink):
        def report(self, report: AnyReport) -> None:
            super().report(report)
            assert isinstance(report, Executed)
            (found,) = kept.rows(f"SELECT body FROM reports WHERE sequence = {report.cursor}")
            assert found[0] == report.raw
            assert kept.rows(f"SELECT exec_id FROM executions WHERE exec_id = '{report.exec_id}'")

    async def main() -> None:
        bench = Bench(path=kept.place)
        bench.sink = Checking()
        await bench.open()
        await bench.do("quote 10.00/10.02")
        answers = await asyncio.gather(*(bench._carry_out(f"{order}: buy 10") for order in "ABCDE"))
        assert len(bench.sink.reports) == 5
        assert {answer.broker_order_id for answer in answers if answer} == {"P1", "P2", "P3", "P4", "P5"}

    kept.run(main())


def test_requests_of_one_turn_share_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    write = Store.write
    monkeypatch.setattr(Store, "write", lambda self, b: (writes.append(len(b.requests)), write(self, b))[1])

    async def main() -> None:
        bench = await Bench().open()
        await asyncio.gather(*(bench._carry_out(f"O{n}: buy 10") for n in range(256)))
        assert writes == [256]

    run_virtual(main())


def test_a_failed_write_ends_the_session_until_the_file_can_be_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(_store: Store) -> None:
        raise StoreError("the disk is full")

    async def main() -> None:
        bench = await Bench(path=tmp_path / "venue.db").open()
        await bench.do("quote 10.00/10.02")
        with monkeypatch.context() as broken:
            broken.setattr(
                "ordergate.adapters.brokers.paper.store._PUT_EXECUTION", "INSERT INTO nowhere VALUES (?)"
            )
            assert await bench.do("A: buy 10") == ["unknown"]
            broken.setattr(Store, "open", cannot)
            assert await bench.do("B: buy 10") == ["not_sent"]
            assert (await bench.broker.lookup("A.1")).presence is Presence.UNAVAILABLE
            assert not (await bench.broker.open_orders()).complete
        assert (await bench.broker.lookup("A.1")).presence is Presence.ABSENT
        bench.requests["A"] = 0
        assert await bench.do("A: buy 10") == ["A 10 @ 10.02 done"]

    run_virtual(main())


def test_a_quote_mends_a_session_that_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        bench = await Bench(path=tmp_path / "venue.db").open()
        assert await bench.do("A: buy 10 limit 10.00") == ["A rests"]
        with monkeypatch.context() as broken:
            broken.setattr(
                "ordergate.adapters.brokers.paper.store._PUT_EXECUTION", "INSERT INTO nowhere VALUES (?)"
            )
            with pytest.raises(StoreError):
                bench.broker.set_quote(bench.a_quote("quote 9.99/10.00", pinned=True))
        bench.news()
        bench.broker.set_quote(bench.a_quote("quote 9.98/9.99", pinned=True))
        while not (said := bench.news()):
            await asyncio.sleep(0.01)
        assert said == ["A 10 @ 9.99 done"], "once, and nothing of what was told before"

    run_virtual(main())


def test_an_execution_records_the_market_it_was_done_at(kept: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=kept.place).open()
        await bench.do("quote 10.00/10.02")
        await bench.do("A: buy 10")
        await bench.broker.close()

    kept.run(main())
    found = kept.rows("SELECT exec_id, price, bid, ask, quote_time FROM executions")
    assert [row[:4] for row in found] == [("P1-1", "10.02", "10.00", "10.02")]
    assert found[0][4].replace(" ", "T").startswith("2026-01-14T15:00:00")
    assert kept.rows("SELECT symbol, bid FROM quotes WHERE NOT pinned") == [("ACME", "10.00")]


def test_pinned_quotes_are_live_again_and_stream_quotes_are_not(kept: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=kept.place).open()
        pinned = bench.a_quote("quote 10.00/10.02 100x100", pinned=True)
        await bench.broker.put_quote(pinned)
        assert len(kept.rows("SELECT * FROM quotes")) == 1, "durable before it returns"
        await bench.do("A: buy 60")
        bench.broker.set_quote(Quote("OTHR", START, Decimal(5), Decimal(6)))
        await bench.reopen()
        assert bench.sink.quotes == [pinned]
        bench.news()
        assert await bench.do("B: buy 60") == ["B 40 @ 10.02"], "what is left of the size"

    kept.run(main())


def test_quotes_without_a_session(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(path=tmp_path / "venue.db")
        bench.broker.set_quote(bench.a_quote("quote 10.00/10.02", pinned=True))
        bench.broker.set_quote(Quote("OTHR", START, Decimal(5), Decimal(6)))
        await bench.open()
        assert [quote.symbol for quote in bench.sink.quotes] == ["ACME", "OTHR"]

    run_virtual(main())


def test_stream_quotes_stay_live_over_sessions_of_one_run() -> None:
    async def main() -> None:
        bench = await Bench().open()
        await bench.do("quote 10.00/10.02 100x100")
        await bench.do("A: buy 60")
        await bench.reopen("1")
        assert await bench.do("B: buy 60") == ["B 40 @ 10.02"]

    run_virtual(main())


@pytest.mark.parametrize(
    ("bid", "ask", "size"), [("0", "1", None), ("1", "NaN", None), ("1", "Infinity", None), ("1", "2", "-1")]
)
def test_quotes_that_nothing_can_trade_at_are_refused(bid: str, ask: str, size: str | None) -> None:
    quote = Quote("ACME", START, Decimal(bid), Decimal(ask), None if size is None else Decimal(size))

    async def main() -> None:
        bench = await Bench().open()
        with pytest.raises(Invalid, match="ACME"):
            bench.broker.set_quote(quote)

    run_virtual(main())


def test_resume_from_every_cursor(kept: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=kept.place).open()
        for order in "ABCD":
            await bench.do(f"{order}: buy 10 limit 10.00")
        told = [(report.cursor, report.client_id) for report in bench.sink.reports]
        for cursor in [None, "0", "1", "2", "3", "4"]:
            await bench.reopen(cursor)
            assert [(r.cursor, r.client_id) for r in bench.sink.reports] == told[int(cursor or 0) :]

    kept.run(main())


def test_a_long_replay_is_complete_and_in_order(kept: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=kept.place).open()
        await asyncio.gather(*(bench._carry_out(f"O{n}: buy 10 limit 1.00") for n in range(1234)))
        await bench.reopen("17")
        assert [int(report.cursor or 0) for report in bench.sink.reports] == list(range(18, 1235))

    kept.run(main())


@pytest.mark.parametrize("cursor", ["1", "x", "-1", "", "٣"])
def test_a_cursor_that_the_file_never_gave_out_is_refused(kept: Any, cursor: str) -> None:
    async def main() -> None:
        bench = Bench(path=kept.place)
        with pytest.raises(StoreError, match="cursor"):
            await bench.open(cursor)
        await bench.open()

    kept.run(main())


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        bench = await Bench(path=tmp_path / "venue.db").open()
        other = bench.another()
        with pytest.raises(StoreBusy, match="is open already"):
            await other.connect(Sink(), None)
        await bench.broker.close()
        await other.connect(Sink(), None)
        await other.close()

    run_virtual(main())


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        bench = await Bench(path=tmp_path / "venue.db").open()
        await bench.broker.close()
        with pytest.raises(StoreError, match="of paper venue 'paper', not of 'other'"):
            await bench.another(name="other").connect(Sink(), None)
        connection = sqlite3.connect(tmp_path / "foreign.db")
        connection.execute("CREATE TABLE x (y)")
        connection.close()
        broker = PaperBroker("paper", PaperSettings(), tmp_path / "foreign.db", bench.clock, built_in)
        with pytest.raises(StoreError, match="no paper venue's file"):
            await broker.connect(Sink(), None)
        (tmp_path / "text.db").write_text("not a database, but long enough to be read as one" * 40)
        broker = PaperBroker("paper", PaperSettings(), tmp_path / "text.db", bench.clock, built_in)
        with pytest.raises(StoreError, match="cannot be used"):
            await broker.connect(Sink(), None)

    run_virtual(main())


def test_an_instrument_that_nobody_knows_any_more(kept: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=kept.place).open()
        await bench.do("A: buy 10 limit 10.00")
        await bench.broker.close()
        known = False
        bench.broker = bench.another(instruments=lambda symbol: built_in(symbol) if known else None)
        bench.sink, bench.seen = Sink(), 0
        await bench.open("1")
        assert await bench.do("quote 9.00/9.01") == []
        assert await bench.do("B: buy 10") == ["rejected"]
        assert await bench.do("A: replace limit 9.00") == ["rejected"]
        known = True
        assert await bench.do("quote 9.00/9.02") == ["A 10 @ 9.02 done"]

    kept.run(main())


def test_lookups(kept: Any) -> None:
    async def main() -> None:
        bench = await Bench(faults(), path=kept.place).open()
        await bench.do("quote 10.00/10.02 0x40")
        await bench.do("A: buy 100 limit 10.02")  # .1
        await bench.do("A: replace quantity 90")  # .2
        await bench.do("A: replace limit 10.001")  # .3, refused
        await bench.do("A: cancel")  # .4
        await bench.do("A: cancel")  # .5, refused

        async def told(client_id: str) -> list[str]:
            found = await bench.broker.lookup(client_id)
            assert found.presence is Presence.FOUND
            assert all(report.cursor is None and report.raw for report in found.reports)
            return [type(report).__name__ for report in found.reports]

        history = ["Acknowledged", "Executed", "Replaced", "Ended"]
        assert await told("A.1") == await told("A.2") == await told("A.4") == history
        assert await told("A.3") == await told("A.5") == [*history, "RequestRefused"]
        assert (await bench.broker.lookup("A.6")).presence is Presence.ABSENT

    kept.run(main())


def test_nothing_is_sent_without_a_session(kept: Any) -> None:
    async def main() -> None:
        bench = Bench(path=kept.place)
        assert await bench.do("A: buy 10") == ["not_sent"]
        assert await bench.do("A: cancel") == ["not_sent"]
        assert (await bench.broker.lookup("A.1")).presence is Presence.UNAVAILABLE
        await bench.broker.close()

    kept.run(main())


def test_a_request_may_name_the_order_by_the_venues_id(kept: Any) -> None:
    async def main() -> None:
        bench = await Bench(path=kept.place).open()
        await bench.do("A: buy 10 limit 10.00")
        wrong = await bench.broker.cancel(Withdraw(client_id="X.1", order="X", broker_order_id="P9"))
        assert (wrong.outcome, wrong.reason) == ("rejected", "unknown order 'X'")
        right = await bench.broker.cancel(Withdraw(client_id="X.2", order="X", broker_order_id="P1"))
        assert right.outcome == "accepted"
        assert bench.news() == ["A canceled"]

    kept.run(main())


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    store = Store("paper", tmp_path / "venue.db")
    store.open()
    pragma = {
        name: store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")
    }
    assert pragma == {"synchronous": 2, "journal_mode": "wal"}
