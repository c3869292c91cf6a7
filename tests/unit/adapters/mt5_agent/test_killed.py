"""kill -9 of the agent at every step of a command: nothing is given twice, and nothing known is untrue."""

import asyncio
import os

import pytest
from tests.services.mt5_agent.desk import KEY, Desk, command, until
from tests.services.mt5_agent.running import Agent

from ordergate.adapters.brokers.mt5.agent import RemoteTerminal, Unreachable

STEPS = {
    "unclaimed": (None, 0),
    "claimed": ("claimed", 0),
    "in the call": ("claimed", 1),
    "called": ("claimed", 1),
    "recorded": ("answered", 1),
}
"""What the journal knows after it, and how often order_send was called."""


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:  # ours to bury, where the agent cannot any more
        return file.read().rpartition(")")[2].split()[0] == "Z"


async def sent_until_killed(desk: Desk, agent: Agent, step: str) -> None:
    client = RemoteTerminal("127.0.0.1", agent.port, KEY, 1)
    await client.open()
    sending = asyncio.create_task(client.send(command()))
    stands = desk.folder / "stands"
    await asyncio.to_thread(until, lambda: desk.sent() if step == "in the call" else stands.exists())
    agent.kill()
    with pytest.raises(Unreachable) as caught:
        await sending
    assert caught.value.sent is True
    await client.close()


async def looked_at(desk: Desk, agent: Agent, step: str) -> None:
    state, times = STEPS[step]
    client = RemoteTerminal("127.0.0.1", agent.port, KEY, 1)
    await client.open()
    found = await client.record("a.1")
    assert (found and found.state) == state
    assert len(desk.sent()) == times
    again = await client.send(command())
    assert again.state == (state or "answered")
    assert len(desk.sent()) == (times or (0 if state else 1))
    assert (await client.send(command("a.2"))).state == "answered"
    await client.close()


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_the_agent_dies(desk: Desk, step: str) -> None:
    if step == "in the call":
        desk.how(order_send=["hang"])
    agent = Agent(desk, step=step)
    asyncio.run(sent_until_killed(desk, agent, step))
    orphan = desk.pid()
    desk.how()
    agent = Agent(desk)
    try:
        assert agent.line() == "terminal 500 6231 27 Sep 2026: account 5 on Demo"
        assert desk.pid() != orphan
        until(lambda: ended(orphan))
        asyncio.run(looked_at(desk, agent, step))
    finally:
        agent.kill()
    until(lambda: ended(desk.pid()))


@pytest.mark.slow
def test_commands_without_end_and_kills_without_end(desk: Desk) -> None:
    """Whenever it dies: each id is given at most once, and what was answered was given exactly once."""
    answered = set[str]()

    async def send(agent: Agent, first: int) -> int:
        client = RemoteTerminal("127.0.0.1", agent.port, KEY, 1)
        await client.open()
        number = first
        while True:
            try:
                record = await client.send(command(f"a.{number}", comment=f"a.{number}"))
            except Unreachable:
                return max(first, number - 2)  # and some of them once more
            answered.update([record.id] if record.state == "answered" else [])
            number += 1
            if number == first + 7:
                asyncio.get_running_loop().call_later(0.003 * (number % 5), agent.kill)

    number = 0
    for _ in range(8):
        number = asyncio.run(send(Agent(desk), number))
    given = [request["comment"] for request in desk.sent()]
    assert len(given) == len(set(given))
    assert answered <= set(given)
    assert len(answered) > 30
