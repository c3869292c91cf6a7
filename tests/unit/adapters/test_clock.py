"""Simulated time: exact over years, in one order, and never at a standstill."""

import asyncio
import contextvars
import time
from datetime import UTC, datetime, timedelta

import pytest

from ordergate.adapters.clock import ShiftedClock, VirtualClock, VirtualLoop, run_virtual

START = datetime(2020, 1, 1, tzinfo=UTC)
YEARS = timedelta(days=3652)


def test_ten_years_pass_and_every_timer_fires_at_its_microsecond() -> None:
    clock = VirtualClock(START)

    async def main() -> None:
        for day in range(0, YEARS.days, 7):
            at = START + timedelta(days=day, microseconds=day)
            await clock.sleep_until(at)
            assert clock.now() == at
            await clock.sleep(0.000_001)
            assert clock.now() == at + timedelta(microseconds=1)
            await clock.sleep(1.25)
            assert clock.now() == at + timedelta(seconds=1.25, microseconds=1)

    run_virtual(main())


def test_a_wait_however_short_moves_the_clock_after_years_too() -> None:
    clock = VirtualClock(START)

    async def main() -> None:
        await clock.sleep_until(START + 10 * YEARS)
        before = clock.now()
        await clock.sleep(1e-9)
        assert clock.now() == before + timedelta(microseconds=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.Event().wait()
        assert clock.now() - before == timedelta(seconds=0.5, microseconds=1)

    run_virtual(main())


def test_ten_thousand_waits_for_one_moment_end_at_it_in_the_order_in_which_they_began() -> None:
    clock, ended = VirtualClock(START), []
    at = START + YEARS

    async def wait(number: int) -> None:
        await clock.sleep_until(at)
        assert clock.now() == at
        ended.append(number)

    async def main() -> None:
        await asyncio.gather(*(wait(number) for number in range(10_000)))

    run_virtual(main())
    assert ended == list(range(10_000))


@pytest.mark.parametrize("after", [timedelta(0), timedelta(seconds=2), YEARS])
def test_sleeping_until_a_moment_comes_after_all_that_the_moment_causes(after: timedelta) -> None:
    clock, done = VirtualClock(START), []

    async def chain() -> None:
        await clock.sleep(after.total_seconds())
        for step in range(50):
            await asyncio.sleep(0)
            done.append(step)

    async def main() -> None:
        sleeper = asyncio.create_task(clock.sleep_until(START + after))
        await asyncio.sleep(0)
        chains = [asyncio.create_task(chain()) for _ in range(3)]
        await sleeper
        assert (clock.now(), len(done)) == (START + after, 150)
        await clock.sleep_until(START)  # a moment that has passed
        assert clock.now() == START + after
        await asyncio.gather(*chains)

    run_virtual(main())


def test_time_does_not_move_for_what_was_canceled() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(1_000, print).cancel()
        sleeper = asyncio.create_task(VirtualClock(START).sleep_until(START + YEARS))
        await asyncio.sleep(1)
        sleeper.cancel()
        await asyncio.gather(sleeper, return_exceptions=True)
        await asyncio.sleep(1)
        return loop.time()

    assert run_virtual(main()) == 2


def test_when_nothing_can_happen_any_more_it_says_so() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    loop = VirtualLoop()
    task = loop.create_task(main())
    with pytest.raises(RuntimeError, match="nothing left to do"):
        loop.run_until_complete(task)
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()


def test_a_virtual_clock_needs_a_virtual_loop() -> None:
    async def main() -> None:
        VirtualClock(START).now()

    with pytest.raises(TypeError, match="run_virtual"):
        asyncio.run(main())


def test_a_timer_calls_back_in_the_context_that_set_it() -> None:
    who = contextvars.ContextVar("who", default="nobody")

    async def main() -> None:
        loop, heard = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
        asked = contextvars.copy_context()
        asked.run(who.set, "ann")
        asked.run(loop.call_later, 1.0, lambda: heard.set_result(who.get()))
        assert await heard == "ann"

    run_virtual(main())


def test_a_shifted_clock_goes_on_as_time_passes() -> None:
    start = datetime(2026, 3, 2, 21, tzinfo=UTC)
    clock = ShiftedClock(start)
    began = time.monotonic()
    asyncio.run(clock.sleep(0.02))
    now = clock.now()
    assert timedelta(milliseconds=20) <= now - start <= timedelta(seconds=time.monotonic() - began + 0.1)
    assert now <= clock.now()


def test_what_would_run_in_a_thread_runs_at_once() -> None:
    async def main() -> None:
        later = asyncio.get_running_loop().call_later(1, print)
        assert await asyncio.to_thread(sum, (1, 2)) == 3
        assert asyncio.get_running_loop().time() == 0
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        later.cancel()

    run_virtual(main())
