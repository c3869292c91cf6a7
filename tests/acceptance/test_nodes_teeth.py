"""Mistakes that are planted into the nodes, each found by what the tests of this folder do and compare."""

import asyncio
import base64
import random
import re
from collections.abc import Awaitable, Callable

import pytest
from tests.acceptance.nodes.auditor import differences, verified
from tests.acceptance.nodes.load import Load
from tests.acceptance.nodes.node import NotReady
from tests.acceptance.nodes.rig import SHORT_LEASES, Rig, kill_at_random, rig_on
from tests.acceptance.test_nodes_paused import stop_owner
from tests.services.postgres import Postgres
from tests.services.proxy import proxy_of, through

ROUNDS = 8
"""So often, each time on a fresh database, until a mistake must have been found."""
Mischief = Callable[[Rig, Load, random.Random], Awaitable[None]]


async def kills(rig: Rig, _load: Load, dice: random.Random) -> None:
    await kill_at_random(rig, 4, dice, calm_s=0.3)


async def pauses(rig: Rig, _load: Load, dice: random.Random) -> None:
    for _ in range(2):
        await stop_owner(rig, dice)


async def work(_rig: Rig, load: Load, _dice: random.Random) -> None:
    await load.more(150)


async def found(postgres: Postgres, bug: str, mischief: Mischief, damage: str, seed: int) -> str:
    """What was seen of a planted mistake until it did that damage; empty where nothing was."""
    dice, seen = random.Random(seed), list[str]()
    for number in range(ROUNDS):
        async with rig_on(postgres.database(), bug=bug, **SHORT_LEASES) as rig:
            load = Load(rig, callers=16, pause_s=0.01, seed=f"{seed}.{number}")
            try:
                await rig.start_all("a", "b")
                load.start()
                await mischief(rig, load, dice)
                await load.end(10)
                await rig.settled(10)
            except (AssertionError, TimeoutError, NotReady) as error:
                seen.append(f"{type(error).__name__} {error}")
            await rig.end()
            seen += [*await differences(rig, load), *await verified(rig)]
            load.stop()
            if load.failures:
                seen.append(f"refused: {load.failures}")
            if re.search(damage, "\n".join(seen), re.MULTILINE):
                break
    return "\n".join(seen)


@pytest.mark.slow(minutes=1)
@pytest.mark.parametrize(
    ("bug", "mischief", "damage"),
    [
        ("no_write_ahead", kills, "^orphaned"),
        ("blind_resend", kills, "^doubled"),
        ("no_fencing", pauses, "^fill (lost|invented|differs)|^stuck: "),
        ("catch_up_skipped", work, "^AssertionError not settled"),
        ("head_not_locked", work, "remember different things|duplicate key|^refused|ended with|^position"),
        ("index_from_a_sequence", work, "where entry [0-9]+ should be stands|audit verify: "),
    ],
)
def test_the_suite_has_teeth(postgres, bug, mischief, damage):
    seen = asyncio.run(found(postgres, bug, mischief, damage, seed=1))
    assert re.search(damage, seen, re.MULTILINE), seen or "nothing was found"


@pytest.mark.slow
def test_a_commit_without_an_answer_taken_for_a_failure_is_found(database, postgres, monkeypatch):
    monkeypatch.setenv("ORDERGATE_AUDIT_KEY", base64.b64encode(bytes(32)).decode())

    async def main():
        async with proxy_of(postgres.folder) as proxy, rig_on(database) as rig:
            node = await rig.start("a", url=through(proxy, rig.url), bug="unknown_commit_is_a_failure")
            proxy.cut = "after"
            order = {"key": "cut", "symbol": "AAPL", "side": "buy", "quantity": "10", "order_type": "market"}
            answer = await node.ask("submit", **order)
            load = Load(rig, callers=0, pause_s=0, seed=0)
            load.never.add("cut")
            assert answer["error"] == "StoreError"
            assert "untrue: cut was said not to have happened" in await differences(rig, load)

    asyncio.run(main())
