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
