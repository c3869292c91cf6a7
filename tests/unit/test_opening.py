"""Opening a gate leaves the process as it was, whether or not it succeeds."""

import asyncio
import gc

import pytest

from ordergate.bootstrap import MEMORY, Gate, open_gate
from ordergate.config import Config
from ordergate.domain.errors import StoreError


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_collector_is_as_it_was(on: bool, fails: bool, monkeypatch) -> None:
    seen = []
    opening = Gate.open

    async def watched(gate: Gate) -> None:
        seen.append(gc.isenabled())
        await opening(gate)
        if fails:
            raise StoreError("gone")

    monkeypatch.setattr(Gate, "open", watched)

    async def main() -> bool:
        async with open_gate(Config(), MEMORY):
            return gc.isenabled()

    before = gc.isenabled()
    (gc.enable if on else gc.disable)()
    try:
        if fails:
            with pytest.raises(StoreError):
                asyncio.run(main())
        else:
            assert asyncio.run(main()) is on
        assert gc.isenabled() is on
    finally:
        (gc.enable if before else gc.disable)()
    assert seen == [False]
