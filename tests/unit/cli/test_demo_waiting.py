"""The demo waits for conditions, and no longer than it says or than it is wanted."""

import asyncio

import pytest

from ordergate.cli.demo_waiting import until
from ordergate.domain.errors import OrdergateError


def test_it_ends_when_the_condition_has_come() -> None:
    left = [False, False, True]

    async def come() -> bool:
        return left.pop(0)

    asyncio.run(until("it comes", come, 30))
    assert left == []


def test_what_does_not_come_is_named() -> None:
    async def come() -> bool:
        return False

    with pytest.raises(OrdergateError, match="it comes: not within 0 s"):
        asyncio.run(until("it comes", come, 0.1))


def test_a_cancellation_that_is_lost_on_the_way_ends_it_all_the_same() -> None:
    async def main() -> None:
        asked = asyncio.Event()

        async def loses() -> bool:
            asked.set()
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                return False
            return True

        task = asyncio.ensure_future(until("it comes", loses, 60))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(main(), 20))
