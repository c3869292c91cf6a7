"""Expiry and latency: things meet in the order of time."""

import asyncio
from datetime import timedelta

import pytest
from paperkit import START, Bench

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Presence

CLOSE = START.replace(hour=21)


def test_a_day_order_expires_by_itself_at_the_instant() -> None:
    async def main() -> None:
        bench = await Bench().open()
        assert await bench.do("A: buy 10 limit 9.00 day") == ["A rests"]
        await bench.clock.sleep_until(CLOSE - timedelta(microseconds=1))
        assert bench.news() == []
        await bench.clock.sleep_until(CLOSE)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert bench.clock.now() == CLOSE
        assert bench.news() == ["A expired"]
        assert (await bench.broker.open_orders()).client_ids == frozenset()

    run_virtual(main())


def test_expiry_comes_before_a_quote_of_the_same_time() -> None:
    async def main() -> None:
        bench = await Bench().open()

        async def quote() -> None:
            await bench.clock.sleep_until(CLOSE)
            await bench.do("quote 8.00/8.01")

        # Started before the order, so it wakes before the venue's timer.
        task = asyncio.create_task(quote())
        await asyncio.sleep(0)
        await bench.do("A: buy 10 limit 9.00 day")
        await bench.do("B: buy 10 limit 9.00 gtc")
        await task
        bench.seen = 2
        assert bench.news() == ["A expired", "B 10 @ 8.01 done"]

    run_virtual(main())


def test_a_day_order_after_the_close_lives_through_the_next_session() -> None:
    async def main() -> None:
        bench = await Bench(start=CLOSE).open()
        await bench.do("A: buy 10 limit 9.00 day")
        await bench.clock.sleep(23 * 3600)
        assert await bench.do("quote 8.00/9.00") == ["A 10 @ 9.00 done"]

    run_virtual(main())


def test_an_order_that_expired_while_the_venue_was_closed() -> None:
    async def main() -> None:
        bench = await Bench().open()
        await bench.do("A: buy 10 limit 9.00 day")
        await bench.broker.close()
        await bench.clock.sleep(24 * 3600)
        await bench.reopen("1")
        assert bench.news() == ["A expired"]

    run_virtual(main())


def test_latency_delays_the_effect_and_the_answer() -> None:
    async def main() -> None:
        bench = await Bench(PaperSettings(latency_ms=5)).open()
        await bench.do("quote 10.00/10.02")
        assert await bench.do("A: buy 10") == ["A 10 @ 10.02 done"]
        assert bench.clock.now() == START + timedelta(milliseconds=5)
        assert bench.sink.reports[0].time == START + timedelta(milliseconds=5)

    run_virtual(main())


def test_a_request_meets_the_market_as_it_was_when_it_arrived() -> None:
    """An order due 1 ms before, at, and 1 ms after a quote, whoever wakes first."""

    async def main() -> None:
        bench = await Bench(PaperSettings(latency_ms=5)).open()
        await bench.do("quote 10.00/10.02")
        quoted = START + timedelta(milliseconds=10)

        async def send(order: str, at_ms: int) -> None:
            await bench.clock.sleep_until(START + timedelta(milliseconds=at_ms))
            await bench._carry_out(f"{order}: buy 10")

        async def quote() -> None:
            await bench.clock.sleep_until(quoted)
            bench.broker.set_quote(bench.a_quote("quote 11.00/11.02"))

        await asyncio.gather(quote(), send("A", 4), send("B", 5), send("C", 6))
        assert bench.news() == ["A 10 @ 10.02 done", "B 10 @ 10.02 done", "C 10 @ 11.02 done"]
        times = [(report.time - START) / timedelta(milliseconds=1) for report in bench.sink.reports]
        assert times == [9, 10, 11]

    run_virtual(main())


def test_an_order_due_after_the_close_expires_the_next_day() -> None:
    async def main() -> None:
        bench = await Bench(PaperSettings(latency_ms=2), start=CLOSE - timedelta(milliseconds=1)).open()
        await bench.do("A: buy 10 limit 9.00 day")
        await bench.clock.sleep(3600)
        assert bench.news() == []
        await bench.clock.sleep(24 * 3600)
        assert bench.news() == ["A expired"]

    run_virtual(main())


def test_a_lookup_travels_behind_what_was_sent_before() -> None:
    async def main() -> None:
        bench = await Bench(PaperSettings(latency_ms=5)).open()
        sending = asyncio.create_task(bench.do("A: buy 10"))
        await asyncio.sleep(0)
        assert (await bench.broker.lookup("A.1")).presence is Presence.FOUND
        assert (await bench.broker.lookup("B.1")).presence is Presence.ABSENT
        await sending

    run_virtual(main())


def test_a_request_on_its_way_when_the_session_ends_is_unknown_and_never_arrives() -> None:
    async def main() -> None:
        bench = await Bench(PaperSettings(latency_ms=5)).open()
        sending = asyncio.create_task(bench.do("A: buy 10"))
        await asyncio.sleep(0)
        await bench.broker.close()
        assert await sending == ["unknown"]
        await bench.reopen()
        assert (await bench.broker.lookup("A.1")).presence is Presence.ABSENT

    run_virtual(main())


def test_a_caller_that_gives_up_does_not_take_the_request_back() -> None:
    async def main() -> None:
        bench = await Bench(PaperSettings(latency_ms=5)).open()
        sending = asyncio.create_task(bench.do("A: buy 10"))
        await asyncio.sleep(0)
        sending.cancel()
        await bench.clock.sleep(1)
        assert bench.news() == ["A rests"]

    run_virtual(main())


def test_each_day_order_ends_with_its_own_session() -> None:
    async def main() -> None:
        bench = await Bench().open()
        await bench.do("A: buy 10 limit 9.00 day")
        await bench.clock.sleep_until(CLOSE + timedelta(hours=1))
        assert bench.news() == ["A expired"]
        await bench.do("B: buy 10 limit 9.00 day")
        await bench.clock.sleep_until(CLOSE + timedelta(hours=23))
        assert bench.news() == []
        await bench.clock.sleep_until(CLOSE + timedelta(hours=25))
        assert bench.news() == ["B expired"]

    run_virtual(main())


@pytest.mark.parametrize(
    ("before_ms", "told"),
    [
        (1, ["A canceled"]),  # it arrived while the order still worked
        (0, ["A expired"]),  # at equal times the expiry comes first
        (-1, ["A expired"]),
    ],
)
def test_a_machine_that_was_stopped_catches_up_in_the_order_of_time(before_ms: int, told: list[str]) -> None:
    async def main() -> None:
        sent = CLOSE - timedelta(milliseconds=5 + before_ms)
        bench = await Bench(PaperSettings(latency_ms=5), start=sent - timedelta(milliseconds=5)).open()
        await bench.do("A: buy 10 limit 9.00 day")
        assert bench.clock.now() == sent
        canceling = asyncio.create_task(bench._carry_out("A: cancel"))
        await asyncio.sleep(0)
        bench.clock.start += timedelta(hours=1)
        bench.broker.set_quote(bench.a_quote("quote 8.00/8.01"))
        answer = await canceling
        assert bench.news() == told
        assert answer is not None
        assert answer.outcome == ("accepted" if told == ["A canceled"] else "rejected")

    run_virtual(main())


class TestGoodTillDate:
    def test_it_expires_at_its_instant_and_not_with_the_session(self) -> None:
        async def main() -> None:
            bench = await Bench().open()
            bench.expires_at = CLOSE + timedelta(hours=3)
            await bench.do("A: buy 10 limit 9.00 gtd")
            await bench.clock.sleep_until(CLOSE + timedelta(hours=3) - timedelta(microseconds=1))
            bench.seen = 1
            assert bench.news() == []
            await bench.clock.sleep(1)
            assert bench.news() == ["A expired"]
            assert bench.sink.reports[-1].reason == "its time ended at 2026-01-15T00:00:00.000000Z"

        run_virtual(main())

    def test_one_that_comes_too_late_is_refused(self) -> None:
        async def main() -> None:
            bench = await Bench().open()
            for expires_at in (None, START):
                bench.expires_at = expires_at
                assert await bench.do("A: buy 10 limit 9.00 gtd") == ["rejected"]

        run_virtual(main())

    def test_it_expires_though_the_venue_was_closed_meanwhile(self, tmp_path) -> None:
        async def main() -> None:
            bench = await Bench(path=tmp_path / "venue").open()
            await bench.do("A: buy 10 limit 9.00 gtd")
            await bench.broker.close()
            await bench.clock.sleep(2 * 3600)
            await bench.reopen("1")
            assert bench.news() == ["A expired"]
            await bench.broker.close()

        run_virtual(main())


class TestAtTheOpening:
    """START is in Wednesday's session: Thursday opens at 14:30 UTC."""

    OPENING = START.replace(day=15, hour=14, minute=30)

    def test_it_takes_the_first_market_of_the_next_session_and_no_other(self) -> None:
        async def main() -> None:
            bench = await Bench().open()
            assert await bench.do("quote 9.00/9.01") == []
            assert await bench.do("A: buy 10 opg") == ["A rests"]
            assert await bench.do("B: buy 10 limit 9.50 opg") == ["B rests"]
            assert await bench.do("C: buy 10 limit 8.00 opg") == ["C rests"]
            await bench.clock.sleep_until(self.OPENING - timedelta(microseconds=1))
            assert await bench.do("quote 9.00/9.02") == [], "before the opening"
            await bench.clock.sleep_until(self.OPENING + timedelta(seconds=1))
            assert await bench.do("quote 9.00/9.03") == ["A 10 @ 9.03 done", "B 10 @ 9.03 done", "C expired"]
            assert await bench.do("quote 7.00/7.01") == []

        run_virtual(main())

    def test_what_the_opening_does_not_fill_expires(self) -> None:
        async def main() -> None:
            bench = await Bench().open()
            await bench.do("A: buy 10 opg")
            await bench.clock.sleep_until(self.OPENING)
            assert await bench.do("quote 9.00/9.01 5x4") == ["A 4 @ 9.01", "A expired"]

        run_virtual(main())

    def test_without_a_market_it_expires_with_its_session(self) -> None:
        async def main() -> None:
            bench = await Bench().open()
            await bench.do("A: buy 10 opg")
            await bench.clock.sleep_until(CLOSE.replace(day=15) - timedelta(seconds=1))
            assert bench.news() == []
            await bench.clock.sleep(2)
            assert bench.news() == ["A expired"]

        run_virtual(main())

    def test_a_pinned_market_stands_at_the_opening(self) -> None:
        async def main() -> None:
            bench = await Bench().open()
            bench.broker.set_quote(bench.a_quote("quote 9.00/9.01", pinned=True))
            await bench.do("A: buy 10 opg")
            await bench.clock.sleep_until(self.OPENING + timedelta(microseconds=1))
            assert bench.news() == ["A 10 @ 9.01 done"]

        run_virtual(main())

    def test_it_waits_through_a_restart_a_change_and_a_cancel(self, tmp_path) -> None:
        async def main() -> None:
            bench = await Bench(path=tmp_path / "venue").open()
            await bench.do("A: buy 10 limit 9.00 opg")
            await bench.do("B: buy 10 opg")
            assert await bench.do("B: cancel") == ["B canceled"]
            assert await bench.do("A: replace quantity 7 limit 9.50") == ["A now 7 limit 9.50"]
            await bench.reopen("4")
            assert await bench.do("quote 9.00/9.01") == []
            await bench.clock.sleep_until(self.OPENING)
            assert await bench.do("quote 9.00/9.01") == ["A 7 @ 9.01 done"]
            await bench.broker.close()

        run_virtual(main())

    def test_a_stop_is_refused(self) -> None:
        async def main() -> None:
            bench = await Bench().open()
            assert await bench.do("A: buy 10 stop 9.00 opg") == ["rejected"]

        run_virtual(main())
