"""Duties that are left: nothing of them goes on, however they are interrupted."""

import asyncio

from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Answer
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.reports import Outcome
from tests.unit.application.gates import buy
from tests.unit.application.nodes import two


def test_a_node_that_closes_while_it_leaves_a_broker_leaves_nothing_running() -> None:
    """The leaving waits for a call under way; closing waits for the leaving."""

    async def main() -> None:
        before = asyncio.all_tasks()
        async with two() as (one, first, _other, _second, _store):
            one.broker.answers.append(Answer(outcome=Outcome.UNKNOWN))
            await first.execute(buy("unsettled"))
            await asyncio.sleep(1)

            async def hangs(_send) -> Answer:
                await asyncio.Event().wait()
                raise NotImplementedError

            one.broker.submit = hangs
            await first.execute(buy("under way"))
            await asyncio.sleep(0.1)
            first.sessions[0]._dispatcher._tenure.end()
            await asyncio.sleep(1)
            assert first.runner.engine.view.sessions == {}
            await one.close()
        await asyncio.sleep(60)
        assert asyncio.all_tasks() == before

    run_virtual(main())


def test_a_broker_that_cannot_be_opened_does_not_fill_the_journal() -> None:
    """Each try to open a session is journalled: they become fewer, and it is opened once it can be."""

    async def main() -> None:
        async with two() as (one, _first, other, second, store):
            connect = other.broker.connect

            async def fails(_sink, _cursor) -> None:
                raise StoreError("the venue's record is gone")

            other.broker.connect = fails
            await one.close()
            size = (await store.kept.head()).size
            await asyncio.sleep(600)
            assert 5 < (await store.kept.head()).size - size < 40
            other.broker.connect = connect
            await asyncio.sleep(40)
            assert "paper" in second.runner.engine.view.sessions

    run_virtual(main())
