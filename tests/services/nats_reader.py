"""What a reader of NATS has, beside what the journal says that it should have."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeout

from ordergate.adapters.outlets.nats import Dialect, renderers
from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.application.entry import decode
from ordergate.application.naming import Naming
from ordergate.application.telling import Teller
from ordergate.bootstrap import Gate

STREAM = "ORDERGATE_EVENTS"
EVERYTHING = tuple(Dialect)


async def connected(url: str) -> Client:
    client = Client()
    await client.connect(url, connect_timeout=5, error_cb=_quiet)
    return client


async def _quiet(_error: Exception) -> None:
    pass


async def read(url: str, stream: str = STREAM) -> list:
    """Every message of a stream, in its order."""
    client = await connected(url)
    try:
        context = client.jetstream()
        count = (await context.stream_info(stream)).state.messages
        reader = await context.subscribe(">", stream=stream, ordered_consumer=True)
        found = [await reader.next_msg(10) for _ in range(count)]
        await reader.unsubscribe()
        return found
    finally:
        await client.close()


async def expected(gate: Gate, dialects: Sequence[Dialect] = EVERYTHING) -> list[Letter]:
    """What the journal says, told from its beginning."""
    size = (await gate.journal.head()).size
    entries = [decode(line.data, index) for index, line in enumerate(await gate.journal.lines(0, size))]
    told = await Teller(gate.journal).tell(entries)
    name = await Naming(gate.journal, gate.config.audit.origin).name()
    return [
        letter
        for one in told
        for make in renderers(dialects, fund_suffix=False)
        for letter in make(one, name)
    ]


async def caught_up(gate: Gate, outlet: str = "nats", within_s: float = 60) -> None:
    """Returns once the outlet has taken the whole journal."""
    async with asyncio.timeout(within_s):
        while await gate.journal.cursor(outlet) < (await gate.journal.head()).size:
            await asyncio.sleep(0.02)


async def check_view(gate: Gate, url: str, dialects: Sequence[Dialect] = EVERYTHING) -> int:
    """The reader's view, de-duplicated by id, is the journal's: same messages, in order per order; how many came."""
    wanted, came, seen = await expected(gate, dialects), await read(url), {}
    for message in came:
        identity = message.headers["Nats-Msg-Id"]
        assert seen.setdefault(identity, message).data == message.data, "what comes again says the same"
    assert {letter.id for letter in wanted} == set(seen)
    for letter in wanted:
        message = seen[letter.id]
        assert (message.subject, message.data) == (letter.subject, letter.payload)
        assert message.headers["Ordergate-Index"] == str(letter.index)
    chains, by_id = defaultdict(list), {letter.id: letter for letter in wanted}
    for identity in seen:
        chains[by_id[identity].chain].append(identity)
    for chain, identities in chains.items():
        assert identities == [letter.id for letter in wanted if letter.chain == chain], chain
    return len(came)


__all__ = ["EVERYTHING", "STREAM", "NatsTimeout", "caught_up", "check_view", "connected", "expected", "read"]
