"""The server of a shared venue crashes under load and comes back: answers are honest, nothing is lost or doubled."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator

import pytest
from paperkit import Bench
from tests.services.postgres import NoPostgres, Postgres, postgres_server

from ordergate.application.ports.brokers import Answer, Presence
from ordergate.domain.orders.reports import Executed, Outcome

CRASHES = 2
CLIENTS = 20
BUY = ["buy", "10", "limit", "10.02"]


@pytest.fixture
def server() -> Iterator[Postgres]:
    try:
        with postgres_server() as server:
            yield server
    except NoPostgres as missing:
        pytest.skip(str(missing))


async def buy(bench: Bench, client_id: str) -> Answer:
    return await bench.broker.submit(bench.a_send(client_id, client_id.partition(".")[0], BUY))


async def crash_now_and_then(server: Postgres) -> None:
    for _ in range(CRASHES):
        await asyncio.sleep(0.4)
        await asyncio.to_thread(server.stop, "immediate")
        await asyncio.sleep(0.1)
        await asyncio.to_thread(server.start)
    await asyncio.sleep(0.4)


async def check(bench: Bench, client_id: str, outcome: Outcome) -> None:
    """The answer was right, and sending the order again adds nothing to one that arrived."""
    presence = (await bench.broker.lookup(client_id)).presence
    if outcome is Outcome.ACCEPTED:
        assert presence is Presence.FOUND, client_id
    elif outcome is Outcome.NOT_SENT:
        assert presence is Presence.ABSENT, client_id
    again = (await buy(bench, client_id)).outcome
    assert again == ("duplicate" if presence is Presence.FOUND else "accepted"), client_id


@pytest.mark.slow
def test_nothing_is_lost_or_doubled(server: Postgres) -> None:
    answers: dict[str, Outcome] = {}

    async def client(bench: Bench, numbers: Iterator[int], crashes: asyncio.Task[None]) -> None:
        while not crashes.done():
            client_id = f"O{next(numbers)}.1"
            answers[client_id] = (await buy(bench, client_id)).outcome
            await asyncio.sleep(0.01)

    async def main() -> None:
        bench = await Bench(path=server.database()).open()
        await bench.broker.put_quote(bench.a_quote("quote 10.00/10.02", pinned=True))
        crashes, numbers = asyncio.create_task(crash_now_and_then(server)), itertools.count()
        await asyncio.gather(*(client(bench, numbers, crashes) for _ in range(CLIENTS)))
        counts = Counter(answers.values())
        assert set(counts) == {Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.NOT_SENT}, counts
        await asyncio.gather(*(check(bench, client_id, outcome) for client_id, outcome in answers.items()))
        told = [report for report in bench.sink.reports if isinstance(report, Executed)]
        assert Counter(report.client_id for report in told) == Counter(answers.keys()), (
            "each once, in one run"
        )
        cursors = [int(report.cursor or 0) for report in bench.sink.reports]
        assert cursors == list(range(1, len(cursors) + 1)), "told in the venue's order, without a gap"
        await bench.broker.close()

    asyncio.run(main())
