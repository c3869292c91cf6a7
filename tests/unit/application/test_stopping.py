"""A task ends, also one that a cancellation was lost in."""

import asyncio

from ordergate.application.stopping import stopped


def test_a_task_that_loses_a_cancellation_ends() -> None:
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    async def failing() -> None:
        raise RuntimeError

    async def main() -> None:
        tasks = [asyncio.create_task(stubborn()), asyncio.create_task(failing())]
        await asyncio.sleep(0)
        await stopped(*tasks)
        await stopped()
        assert all(task.done() for task in tasks)

    asyncio.run(main())
    assert lost == 3
