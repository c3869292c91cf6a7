"""A node whose clock is wrong stops itself, and nobody else."""

import asyncio
from datetime import timedelta

import pytest

from ordergate.adapters.clock import run_virtual
from ordergate.domain.errors import ClockError, OutcomeUnknown, StoreError
from ordergate.domain.orders.states import State
from tests.unit.application.gates import buy
from tests.unit.application.nodes import Node, two


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1), timedelta(seconds=6)])
def test_a_node_whose_clock_is_wrong_does_not_come_up_and_stops_nobody(off: timedelta) -> None:
    async def main() -> None:
        async with two() as (_one, first, _other, second, store):
            wrong = Node(store, "wrong", off=off)
            with pytest.raises(ClockError, match="differs from the database's"):
                await asyncio.wait_for(asyncio.shield(wrong._task), 30)
            await first.execute(buy())
            await second.execute(buy("k-2"))

    run_virtual(main())


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1), timedelta(seconds=20)])
def test_a_clock_that_is_set_wrong_stops_its_own_node_and_no_other(off: timedelta) -> None:
    async def main() -> None:
        async with two() as (_one, first, other, second, _store):
            await first.execute(buy())
            await asyncio.sleep(1)
            first.clock.start += off
            with pytest.raises((ClockError, OutcomeUnknown, StoreError)):
                await first.execute(buy("k-2"))
            await asyncio.sleep(10)
            assert (await second.execute(buy("k-3"))).order.state is State.SUBMITTED
            await asyncio.sleep(1)
            assert len(other.broker.calls) == 1

    run_virtual(main())
