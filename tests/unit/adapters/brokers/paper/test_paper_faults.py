"""Faults: each does what it says, and a seed makes a run repeatable."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from paperkit import START, Bench, faults

from ordergate.adapters.brokers.paper import Faults, PaperSettings
from ordergate.adapters.brokers.paper.delivery import HELD_S
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Presence
from ordergate.domain.orders.reports import End, Ended, Executed


async def traffic(settings: PaperSettings) -> tuple[list[str], list[str]]:
    """What was answered and reported to forty orders."""
    bench = await Bench(settings).open()
    await bench.do("quote 10.00/10.02")
    lines = [f"O{n}: buy {n + 1}" + (" limit 9.00" if n % 3 else "") for n in range(40)]
    answers = [await bench._carry_out(line) for line in lines]
    await bench.clock.sleep(10)
    return [answer.outcome for answer in answers if answer], [str(report) for report in bench.sink.reports]


ALL = dict.fromkeys(("reject", "drop_answer", "late_answer", "duplicate_report", "reorder_report"), "0.3")


def test_a_seed_repeats_a_run() -> None:
    first, again, other = (run_virtual(traffic(faults(**ALL, seed=seed))) for seed in (7, 7, 8))
    assert first == again
    assert first != other
    assert set(first[0]) == {"accepted", "rejected", "unknown"}


def test_one_fault_does_not_move_another() -> None:
    alone = run_virtual(traffic(faults(reject="0.3", seed=7)))[0]
    both = run_virtual(traffic(faults(reject="0.3", duplicate_report="0.5", seed=7)))[0]
    assert alone == both


def test_reject() -> None:
    async def main() -> None:
        bench = await Bench(faults(reject=1)).open()
        assert await bench.do("A: buy 10") == ["rejected"]
        bench.broker.inject(Faults())
        await bench.reopen()
        (ended,) = (await bench.broker.lookup("A.1")).reports
        assert isinstance(ended, Ended)
        assert (ended.end, ended.reason) == (End.REJECTED, "the venue refuses (injected fault)")
        bench.requests["A"] = 0
        assert await bench.do("A: buy 10") == ["rejected"], "it stays rejected under its id"

    run_virtual(main())


def test_drop_answer() -> None:
    async def main() -> None:
        bench = await Bench(faults(drop_answer=1)).open()
        await bench.do("quote 10.00/10.02")
        assert await bench.do("A: buy 10") == ["A 10 @ 10.02 done", "unknown"]
        assert (await bench.broker.lookup("A.1")).presence is Presence.FOUND

    run_virtual(main())


def test_late_answer() -> None:
    async def main() -> None:
        bench = await Bench(faults(late_answer=1, late_answer_ms=300)).open()
        answering = asyncio.create_task(bench._carry_out("A: buy 10"))
        await bench.clock.sleep(0.2)
        assert bench.news() == ["A rests"]
        await answering
        assert bench.clock.now() == START + timedelta(milliseconds=300)

    run_virtual(main())


def test_duplicate_report() -> None:
    async def main() -> None:
        bench = await Bench(faults(duplicate_report=1)).open()
        assert await bench.do("A: buy 10") == ["A rests", "A rests"]
        assert [report.cursor for report in bench.sink.reports] == ["1", "1"]

    run_virtual(main())


def test_reports_that_are_held_back_come_after_the_next() -> None:
    async def main() -> None:
        bench = await Bench(faults(reorder_report=1)).open()
        assert await bench.do("A: buy 10") == []
        assert await bench.do("B: buy 10") == []
        bench.broker.inject(Faults())
        assert await bench.do("C: buy 10") == ["C rests", "B rests", "A rests"]
        assert [report.cursor for report in bench.sink.reports] == ["0", "0", "3"]

    run_virtual(main())


def test_reports_that_are_held_back_come_when_nothing_follows() -> None:
    async def main() -> None:
        bench = await Bench(faults(reorder_report=1)).open()
        assert await bench.do("A: buy 10") == []
        await bench.clock.sleep(HELD_S)
        await asyncio.sleep(0)
        assert bench.news() == ["A rests"]
        assert await bench.do("B: buy 10") == []
        await bench.clock.sleep(2 * HELD_S)
        assert bench.news() == ["B rests"]

    run_virtual(main())


def test_what_was_held_back_at_the_end_comes_in_the_next_session() -> None:
    async def main() -> None:
        bench = await Bench(faults(reorder_report=1)).open()
        await bench.do("A: buy 10")
        bench.broker.inject(Faults())
        await bench.reopen("0")
        assert bench.news() == ["A rests"]

    run_virtual(main())


def test_a_cursor_is_always_safe_to_resume_from() -> None:
    """After any report, those that a session from its cursor brings and those before it are all there are."""

    async def main() -> None:
        bench = await Bench(faults(reorder_report="0.5", duplicate_report="0.3", seed=3)).open()
        await bench.do("quote 10.00/10.02 0x1")
        for n in range(60):
            await bench._carry_out(f"O{n}: buy 1")
            bench.broker.set_quote(bench.a_quote("quote 10.00/10.02 0x2"))
        await bench.clock.sleep(1)
        told = [report for report in bench.sink.reports if isinstance(report, Executed)]
        everything = {report.exec_id for report in told}
        assert len(everything) == 60
        bench.broker.inject(Faults())
        for place in range(0, len(bench.sink.reports), 9):
            before = {report.exec_id for report in told[: place + 1]}
            sink = bench.sink
            await bench.reopen(sink.reports[place].cursor)
            after = {report.exec_id for report in bench.sink.reports if isinstance(report, Executed)}
            assert before | after == everything
            bench.sink = sink

    run_virtual(main())


def test_incomplete_snapshot() -> None:
    async def main() -> None:
        bench = await Bench(faults(incomplete_snapshot=1)).open()
        await bench.do("A: buy 10")
        snapshot = await bench.broker.open_orders()
        assert not snapshot.complete
        bench.broker.inject(Faults())
        snapshot = await bench.broker.open_orders()
        assert (snapshot.complete, snapshot.client_ids) == (True, {"A.1"})

    run_virtual(main())


@pytest.mark.parametrize("value", ["-0.1", "1.1", "NaN", "Infinity"])
def test_probabilities_are_checked(value: str) -> None:
    with pytest.raises(ValueError, match=r"faults\.reject"):
        Faults(reject=Decimal(value))


@pytest.mark.parametrize(
    "wrong",
    [
        {"latency_ms": -1},
        {"slippage_bps": Decimal(10_000)},
        {"fee_bps": Decimal("NaN")},
        {"cash": Decimal("Infinity")},
    ],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PaperSettings(**wrong)
