"""The process's own gate: threads, loops, processes, and every way to end."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ordergate.bootstrap import MEMORY, Gate, open_gate
from ordergate.cli.app import app
from ordergate.config import Config
from ordergate.domain.errors import OutcomeUnknown, StoreBusy, StoreError
from ordergate.sdk import default_gate
from ordergate.sdk.line import Line, WrongLoop
from ordergate.sdk.oms import FundConfig, OrderService
from tests.services.commands import CliRunner
from tests.unit.sdk.test_oms import buy

SUBMIT = """
    import asyncio
    from ordergate.sdk.oms import Order, OrderService

    def buy(key):
        return Order(
            idempotency_key=key, symbol="AAPL", side="buy", quantity=100, fund_id="paper-momentum",
            order_type="limit", limit_price=1, tif="gtc",
        )

    order = asyncio.run(OrderService().submit(buy("k-1")))
    print(order.order_id, order.state, flush=True)
"""


def script(code: str, database: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(SUBMIT) + textwrap.dedent(code)],
        env={**os.environ, "ORDERGATE_DB": f"sqlite:///{database}"},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def verify(database: Path) -> None:
    done = CliRunner().invoke(app, ["audit", "verify", "--db", f"sqlite:///{database}"])
    assert done.exit_code == 0, done.output


def test_a_plain_script_persists_and_the_next_process_finds_it(tmp_path: Path) -> None:
    database = tmp_path / "orders.db"
    first, second = script("", database), script("", database)
    assert (first.stderr, second.stderr) == ("", "")
    assert first.stdout.split()[1] == "SUBMITTED"
    assert first.stdout == second.stdout
    verify(database)


def test_leaving_without_a_word_closes_it(tmp_path: Path) -> None:
    """The file is whole without its write-ahead log: it was closed, not dropped."""
    database = tmp_path / "orders.db"
    done = script("import sys; sys.exit(3)", database)
    assert (done.returncode, done.stderr) == (3, "")
    assert not database.with_name("orders.db-wal").exists()
    verify(database)


@pytest.mark.slow
def test_dropping_dead_leaves_what_was_answered(tmp_path: Path) -> None:
    database = tmp_path / "orders.db"
    done = script("import os; os._exit(9)", database)
    assert done.returncode == 9
    assert database.with_name("orders.db-wal").exists()
    assert script("", database).stdout.split()[0] == done.stdout.split()[0]
    verify(database)


@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
def test_control_c_ends_it_in_order(tmp_path: Path) -> None:
    database = tmp_path / "orders.db"
    code = textwrap.dedent(SUBMIT) + "import time\nwhile True: time.sleep(0.1)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "ORDERGATE_DB": f"sqlite:///{database}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline().strip().endswith("SUBMITTED")
    process.send_signal(signal.SIGINT)
    _out, error = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 130, 1)
    assert error.strip().endswith("KeyboardInterrupt")
    assert not database.with_name("orders.db-wal").exists()
    verify(database)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_has_a_gate_of_its_own_and_leaves_the_parents_alone(tmp_path: Path) -> None:
    database = tmp_path / "orders.db"
    done = script(
        """
        import os, sys, warnings
        from ordergate.domain.errors import StoreBusy
        warnings.simplefilter("ignore")
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(OrderService().submit(buy("child")))
            except StoreBusy:
                print("busy", flush=True)
            os.environ["ORDERGATE_DB"] = os.environ["ORDERGATE_DB"] + "-2"
            print(asyncio.run(OrderService().submit(buy("child"))).state, flush=True)
            sys.exit(0)
        os.waitpid(child, 0)
        print(asyncio.run(OrderService().submit(buy("k-2"))).state, flush=True)
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(OrderService().submit(buy("child")))
            except StoreBusy:
                print("still busy", flush=True)
            sys.exit(0)
        os.waitpid(child, 0)
        print(asyncio.run(OrderService().submit(buy("k-3"))).state, flush=True)
        """,
        database,
    )
    assert done.stderr == ""
    assert done.stdout.split("\n")[1:-1] == ["busy", "SUBMITTED", "SUBMITTED", "still busy", "SUBMITTED"]
    verify(database)
    verify(Path(f"{database}-2"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_a_process_that_was_just_opening_its_gate_is_not_stuck(tmp_path: Path) -> None:
    done = script(
        """
        import os, signal, sys, warnings
        from ordergate.sdk import default_gate
        warnings.simplefilter("ignore")
        with default_gate._lock:
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                os.environ["ORDERGATE_DB"] = "sqlite://"
                print(asyncio.run(OrderService().submit(buy("child"))).state, flush=True)
                os._exit(0)
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        tmp_path / "orders.db",
    )
    assert (done.returncode, done.stdout.split("\n")[1]) == (0, "SUBMITTED")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_finds_the_gates_thread_with_no_lock_in_hand(tmp_path: Path) -> None:
    done = script(
        """
        import os, sys, threading, time, warnings
        from ordergate.sdk import default_gate
        warnings.simplefilter("ignore")
        lock = threading.Lock()

        def step():
            with lock:
                time.sleep(0.005)
            loop.call_later(0.001, step)

        loop = default_gate.get().loop
        loop.call_soon_threadsafe(step)
        for _ in range(20):
            child = os.fork()
            if child == 0:
                os._exit(lock.locked())
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                sys.exit("forked while it had a lock in hand")
        print(asyncio.run(OrderService().submit(buy("k-2"))).state, flush=True)
        """,
        tmp_path / "orders.db",
    )
    assert (done.stderr, done.stdout.split("\n")[1]) == ("", "SUBMITTED")


def test_two_threads_at_once_open_one_gate() -> None:
    keys = [f"k-{number % 8}" for number in range(32)]
    start = threading.Barrier(8)

    def submit(mine: list[str]) -> list[str]:
        start.wait()
        return [asyncio.run(OrderService().submit(buy(key))).order_id for key in mine]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(submit, [keys[n::8] for n in range(8)]))
    assert len({order_id for ids in made for order_id in ids}) == 8


def test_it_opens_again_after_it_was_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERGATE_DB", f"sqlite:///{tmp_path / 'orders.db'}")
    oms = OrderService()
    first = asyncio.run(oms.submit(buy()))
    default_gate.close()
    default_gate.close()
    assert asyncio.run(oms.submit(buy())).order_id == first.order_id


def test_what_keeps_it_from_opening_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    monkeypatch.setenv("ORDERGATE_DB", url)

    async def main() -> None:
        async with open_gate(Config(), url):
            with pytest.raises(StoreBusy):
                await OrderService().submit(buy())

    asyncio.run(main())
    assert asyncio.run(OrderService().submit(buy())).order_id


def test_a_caller_who_goes_does_not_take_the_order_along() -> None:
    async def main() -> list:
        gate = await asyncio.to_thread(default_gate.get)
        held = asyncio.run_coroutine_threadsafe(hold(0.2), gate.loop)
        oms = OrderService(
            funds=[FundConfig(fund_id="mine", unlimited=True)]
        )  # so that there are two steps to go
        submitting = asyncio.ensure_future(oms.submit(buy(fund_id="mine")))
        await asyncio.sleep(0.05)
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)
        assert submitting.cancelled()
        await asyncio.wrap_future(held)
        await asyncio.sleep(0.1)
        return await Line(None).read(lambda gate: gate.queries.orders())

    async def hold(seconds: float) -> None:
        import time

        time.sleep(seconds)  # noqa: ASYNC251  (the gate's loop is to stand still)

    assert [order.idempotency_key for order in asyncio.run(main())] == ["k-1"]


def test_a_synchronous_call_on_the_gates_own_loop_raises() -> None:
    async def main() -> None:
        async with open_gate(Config(), MEMORY) as gate:
            line = Line(gate)

            async def work(gate: object) -> int:
                return 1

            with pytest.raises(WrongLoop, match=r"asyncio\.to_thread"):
                line.wait(work, 1)
            assert await asyncio.to_thread(line.wait, work, 30) == 1

    asyncio.run(main())


def test_a_gate_that_does_not_answer_leaves_the_outcome_unknown() -> None:
    async def never(_gate: object) -> None:
        await asyncio.sleep(60)

    with pytest.raises(OutcomeUnknown, match="the same request again"):
        Line(None).wait(never, 0.05)


def test_an_error_of_the_work_is_not_a_deadline() -> None:
    async def fails(_gate: object) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        Line(None).wait(fails, 30)


def test_a_gate_whose_loop_has_ended_is_closed_whatever_the_face() -> None:
    async def open_and_close() -> Gate:
        async with open_gate(Config(), MEMORY) as gate:
            return gate

    line = Line(asyncio.run(open_and_close()))

    async def work(_gate: Gate) -> None:
        raise AssertionError("there is nothing to work with")

    with pytest.raises(StoreError, match="the gate is closed"):
        line.wait(work, 1)
    for way in (line.command, line.read):
        with pytest.raises(StoreError, match="the gate is closed"):
            asyncio.run(way(work))
