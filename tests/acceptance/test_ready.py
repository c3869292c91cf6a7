"""Ready soon, however many orders work and however long the history is.

The journals are built side by side, each in a process of its own; nothing else runs while an opening is measured.
"""

import asyncio
import contextlib
import gc
import resource
import subprocess
import sys
import time
from decimal import Decimal

import pytest
from tests.journals.many import CONFIG, WORKING, order

from ordergate.bootstrap import open_gate
from ordergate.domain.orders.states import State

MOST_S = 10.0
BUILT_S = 1200


@pytest.fixture(scope="module")
def built(tmp_path_factory, request):
    """The URL of each kind of journal; without a PostgreSQL there is only the file."""
    folder = tmp_path_factory.mktemp("ready")
    urls = {"file": f"sqlite:///{folder / 'orders.db'}"}
    with contextlib.suppress(pytest.skip.Exception):
        urls["server"] = request.getfixturevalue("postgres").database()
    with pytest.MonkeyPatch.context() as here:
        here.setenv("XDG_STATE_HOME", str(folder / "state"))
        builders = [
            subprocess.Popen([sys.executable, "-m", "tests.journals.many", url]) for url in urls.values()
        ]
        try:
            assert [builder.wait(BUILT_S) for builder in builders] == [0] * len(builders)
        finally:
            for builder in builders:
                builder.kill()
                builder.wait()
        yield urls


async def opened(url):
    start = time.perf_counter()
    async with open_gate(CONFIG, url) as gate:
        took = time.perf_counter() - start
        assert len(gate.runner.engine.state.orders.rows) >= WORKING
        assert gate.runner.engine.view.sessions
        rest = await gate.execute(order("one more", limit_price=Decimal("1.05")))
        answered = time.perf_counter() - start
        await gate.quiet()
        assert (await gate.queries.order(rest.order.order_id)).state is State.SUBMITTED
    return took, answered


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "server"])
def test_ready_with_many_orders_that_work_and_a_long_history(kind, built):
    if kind not in built:
        pytest.skip("no PostgreSQL")
    gc.collect()
    took, answered = min(
        asyncio.run(opened(built[kind])) for _ in range(2)
    )  # a machine may do other things, too
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{kind}: ready in {took:.2f} s, answered in {answered:.2f} s; {memory:.0f} MB")
    assert took < MOST_S
