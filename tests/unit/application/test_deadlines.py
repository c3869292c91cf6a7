"""A deadline cancels a task whose time is up, once, and no other."""

import asyncio
from contextlib import suppress

import pytest

from ordergate.adapters.clock import run_virtual
from ordergate.application.deadlines import Deadline
from ordergate.domain.errors import Defect


async def late(deadline: Deadline, seconds: float) -> bool:
    """Whether a task that takes that long was late; anything but its own time being up is raised."""
    task = deadline.begin()
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if not deadline.end(task):
            raise
        return True
    finally:
        deadline.end(task)
    await asyncio.sleep(100)  # what it does afterwards is its own business
    return False


def test_each_task_has_its_own_time() -> None:
    async def main() -> None:
        deadline, loop = Deadline(5), asyncio.get_running_loop()
        first = loop.create_task(late(deadline, 4))
        await asyncio.sleep(3)
        second = loop.create_task(late(deadline, 6))
        third = loop.create_task(late(deadline, 1))
        assert (await first, await second, await third) == (False, True, False)
        assert loop.time() == 104

    run_virtual(main())


def test_a_task_that_was_late_goes_on_as_any_other() -> None:
    async def main() -> None:
        deadline = Deadline(5)

        async def work() -> list[bool]:
            return [await late(deadline, seconds) for seconds in (9, 1, 9, 4)]

        task = asyncio.create_task(work())
        assert await task == [True, False, True, False]
        assert task.cancelling() == 0

    run_virtual(main())


def test_another_cancel_is_not_taken_for_the_deadline() -> None:
    async def main() -> None:
        deadline = Deadline(5)
        task = asyncio.create_task(late(deadline, 4))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        both = asyncio.create_task(late(deadline, 9))
        await asyncio.sleep(5)
        both.cancel()
        with pytest.raises(asyncio.CancelledError):
            await both

    run_virtual(main())


def test_one_that_failed_is_not_canceled_afterwards() -> None:
    async def main() -> None:
        deadline = Deadline(5)

        async def fails() -> str:
            task = deadline.begin()
            with suppress(ValueError):
                try:
                    raise ValueError
                finally:
                    deadline.end(task)
            await asyncio.sleep(50)
            return "through"

        assert await asyncio.create_task(fails()) == "through"

    run_virtual(main())


def test_a_deadline_is_for_a_task() -> None:
    async def main() -> None:
        refused = asyncio.get_running_loop().create_future()

        def begin() -> None:
            try:
                Deadline(5).begin()
            except Defect as defect:
                refused.set_result(str(defect))

        asyncio.get_running_loop().call_soon(begin)
        assert await refused == "a deadline is for a task"

    run_virtual(main())
