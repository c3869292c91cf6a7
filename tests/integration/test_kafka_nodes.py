"""Two nodes, one archive: one of them feeds it, and the other where that one is gone."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ordergate.bootstrap import Gate, open_gate
from ordergate.bootstrap.archive import verify_archive
from tests.services.archive import TOPIC, archived, archiving, indices, quote, trade
from tests.services.kafka import Kafka
from tests.services.secrets import secrets


@pytest.fixture(autouse=True)
def _state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def agrees(gate: Gate) -> None:
    target = gate.config.kafka.target(secrets())
    found = (await verify_archive(target, {gate.config.audit.origin: gate.journal})).compared
    assert found.wrong == 0, found


@pytest.mark.slow
def test_one_node_archives_what_both_take_and_the_other_goes_on(kafka: Kafka, ready: str) -> None:
    config = archiving(kafka.server)

    async def main() -> None:
        async with AsyncExitStack() as owners:
            owner = await owners.enter_async_context(open_gate(config, ready))
            async with open_gate(config, ready) as heir:
                await quote(owner)
                await asyncio.gather(trade(owner, 0, 30), trade(heir, 1_000, 30))
                await archived(heir)
                seen = indices(kafka.read(TOPIC))
                assert len(seen) == len(set(seen)), "nothing came twice, so one of them archives"
                await owners.aclose()
                await trade(heir, 2_000, 30)
                size = await archived(heir)
                assert set(indices(kafka.read(TOPIC))) >= set(range(size))
                await agrees(heir)

    asyncio.run(asyncio.wait_for(main(), 120))
