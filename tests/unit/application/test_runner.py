"""Batches: one bad input spoils none, nothing is answered before it is durable, an unclear commit is found out."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.adapters.journals.database import open_journal
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application import runner
from ordergate.application.entry import decode
from ordergate.application.ports.journal import Batch
from ordergate.bootstrap import Gate
from ordergate.domain import fold
from ordergate.domain.errors import (
    ClockError,
    Conflict,
    Defect,
    DiskError,
    Invalid,
    NotFound,
    OutcomeUnknown,
    StoreError,
)
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.events import OrderEntered
from ordergate.domain.orders.reports import Acknowledged, End, Ended, Executed
from ordergate.domain.orders.states import OrderType, RequestKind, Side, State
from ordergate.domain.risk.valuation import Market
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.unit.application.gates import START, buy, scripted_gate

NO_MARKET = Market(year=2026, quotes={}, rates={})


class FailingJournal(MemoryJournal):
    """Fails commits as told: `failures` are run in place of, or around, the next commits."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Callable] = []

    async def commit(self, batch: Batch) -> None:
        if self.failures:
            await self.failures.pop(0)(super().commit, batch)
        else:
            await super().commit(batch)


@asynccontextmanager
async def closing_journal(url: str):
    journal = open_journal(url)
    yield journal
    await journal.close()


async def refused(_commit, _batch) -> None:
    raise StoreError("the disk is full")


async def done_but_unanswered(commit, batch) -> None:
    await commit(batch)
    raise OutcomeUnknown("the connection broke during the commit")


async def not_done_and_unanswered(_commit, _batch) -> None:
    raise OutcomeUnknown("the connection broke during the commit")


async def disk_failed(_commit, _batch) -> None:
    raise DiskError("input/output error")


def test_one_bad_input_does_not_spoil_the_batch() -> None:
    broker = ScriptedBroker()

    async def main() -> list:
        async with scripted_gate(broker) as gate:
            return await asyncio.gather(
                gate.execute(buy("a")),
                gate.execute(buy("b", fund_id="nobody")),
                gate.execute(CancelOrder(order_id="nothing")),
                gate.execute(buy("a", quantity=Decimal(5))),
                gate.execute(buy("c", order_type=OrderType.LIMIT, limit_price=Decimal("1.001"))),
                gate.execute(buy("d")),
                return_exceptions=True,
            )

    results = run_virtual(main())
    kinds = [type(result).__name__ for result in results]
    assert kinds == ["OrderResult", "Invalid", "NotFound", "Conflict", "Invalid", "OrderResult"]
    assert len(broker.calls) == 2


def test_the_same_key_in_one_batch_makes_one_order() -> None:
    broker = ScriptedBroker()

    async def main() -> list:
        async with scripted_gate(broker) as gate:
            return await asyncio.gather(*(gate.execute(buy("same")) for _ in range(50)))

    results = run_virtual(main())
    assert {result.order.order_id for result in results} == {"ord-000001"}
    assert sum(not result.replayed for result in results) == 1
    assert len(broker.calls) == 1


def test_an_input_that_breaks_a_decision_is_answered_and_a_report_is_quarantined(monkeypatch) -> None:
    broker = ScriptedBroker()

    def broken(*_arguments):
        raise ZeroDivisionError("planted")

    async def main() -> list:
        async with scripted_gate(broker) as gate:
            await gate.execute(buy("a"))
            await gate.quiet()
            monkeypatch.setattr("ordergate.application.decide.executing.filled_after", broken)
            await gate.runner.deliver(fill("x1"))
            assert (await gate.execute(buy("b"))).order.state is State.SUBMITTED
            return await gate.queries.breaks()

    breaks = run_virtual(main())
    assert [item["kind"] for item in breaks] == ["quarantined"]
    assert "planted" in breaks[0]["detail"]


def fill(exec_id: str) -> Executed:
    return Executed(
        broker="paper",
        client_id="ord-000001.1",
        exec_id=exec_id,
        time=START,
        quantity=Decimal(10),
        price=Decimal(180),
    )


@pytest.mark.parametrize(
    "report",
    [
        Ended(broker="paper", client_id="ord-000001.1", end=End.CANCELED, reason="x" * 100_000),
        Ended(broker="paper", client_id="ord-000001.1", end=End.CANCELED, reason="\ud800"),
        Ended(broker="paper", client_id="\ud800.1", end=End.CANCELED, raw="\ud800"),
        Ended(broker="paper", broker_order_id="\ud800", end=End.CANCELED),
        Ended(broker="paper", client_id="x" * 100_000, end=End.CANCELED),
    ],
    ids=[
        "a huge reason",
        "no Unicode",
        "a client id that no store takes",
        "a broker id likewise",
        "a huge id",
    ],
)
def test_a_report_that_cannot_be_written_is_quarantined_and_the_rest_goes_on(report) -> None:
    broker = ScriptedBroker()

    async def main() -> tuple[list, list]:
        async with closing_journal("sqlite://") as journal, scripted_gate(broker, journal) as gate:
            await gate.execute(buy("a"))
            await gate.quiet()
            broker.sink.report(report)
            broker.sink.report(fill("x1"))
            answers = await asyncio.gather(gate.execute(buy("b")), gate.execute(buy("c")))
            return answers, [item["kind"] for item in await gate.queries.breaks()]

    answers, breaks = run_virtual(main())
    assert [answer.order.state for answer in answers] == [State.SUBMITTED] * 2
    assert breaks in (["quarantined"], ["unknown_order"])


def test_a_command_that_cannot_be_written_is_refused_and_the_rest_goes_on() -> None:
    async def main() -> list:
        async with scripted_gate(ScriptedBroker()) as gate:
            bad = (buy("\ud800"), buy("b", thesis="\ud800"), buy("c", actor="x" * 70_000))
            return await asyncio.gather(
                *(gate.execute(one) for one in (*bad, buy("d"))), return_exceptions=True
            )

    *bad, good = run_virtual(main())
    assert all(isinstance(one, Exception) for one in bad)
    assert good.order.state is State.SUBMITTED


def test_a_commit_that_was_refused_leaves_nothing_and_reports_wait() -> None:
    broker, journal = ScriptedBroker(), FailingJournal()

    async def main() -> None:
        async with scripted_gate(broker, journal) as gate:
            await gate.execute(buy("a"))
            await gate.quiet()
            size = (await journal.head()).size
            journal.failures += [refused, refused]
            with pytest.raises(StoreError, match="disk is full"):
                await gate.execute(buy("b"))
            assert gate.runner.engine.state.orders.get("ord-000002") is None
            assert (await journal.head()).size == gate.runner.engine.size == size
            broker.sink.report(fill("x1"))
            await gate.clock.sleep(5)
            assert (await gate.queries.order("ord-000001")).filled_quantity == 10
            assert (await gate.execute(buy("b"))).order.state is State.SUBMITTED

    run_virtual(main())


def test_a_refusal_for_what_stood_in_a_batch_that_was_not_written_is_not_told() -> None:
    broker, journal = ScriptedBroker(), FailingJournal()

    async def main() -> None:
        async with scripted_gate(broker, journal) as gate:
            journal.failures.append(refused)
            both = [buy("a"), buy("a", quantity=Decimal(5))]
            told = await asyncio.gather(*map(gate.execute, both), return_exceptions=True)
            assert [type(error) for error in told] == [StoreError, StoreError]
            assert not (await gate.execute(both[1])).replayed

    run_virtual(main())


def test_a_commit_without_an_answer_is_found_in_the_journal() -> None:
    broker, journal = ScriptedBroker(), FailingJournal()

    async def main() -> None:
        async with scripted_gate(broker, journal) as gate:
            journal.failures.append(done_but_unanswered)
            assert (await gate.execute(buy("a"))).order.state is State.SUBMITTED
            journal.failures.append(not_done_and_unanswered)
            with pytest.raises(StoreError):
                await gate.execute(buy("b"))
            assert (await gate.execute(buy("b"))).order.order_id == "ord-000003"
            await gate.quiet()

    run_virtual(main())
    assert len(broker.calls) == 2


def test_nothing_is_sent_before_it_is_committed() -> None:
    broker, journal = ScriptedBroker(), FailingJournal()
    seen: list[int] = []

    async def slow(commit, batch) -> None:
        await asyncio.sleep(1)
        seen.append(len(broker.calls))
        await commit(batch)

    async def main() -> None:
        async with scripted_gate(broker, journal) as gate:
            journal.failures.append(slow)
            await gate.execute(buy("a"))
            await gate.quiet()

    run_virtual(main())
    assert seen == [0]
    assert len(broker.calls) == 1


def test_a_failed_disk_ends_the_run_and_callers_learn_that_the_outcome_is_unknown() -> None:
    broker, journal = ScriptedBroker(), FailingJournal()

    async def main() -> None:
        async with scripted_gate(broker, journal) as gate:
            journal.failures.append(disk_failed)
            with pytest.raises(OutcomeUnknown):
                await gate.execute(buy("a"))
            with pytest.raises(StoreError):
                await gate.execute(buy("b"))

    with pytest.raises(DiskError):
        run_virtual(main())


def test_a_broken_invariant_ends_the_run(monkeypatch) -> None:
    def broken(*_arguments):
        raise Defect("planted")

    async def main() -> None:
        async with scripted_gate(ScriptedBroker()) as gate:
            monkeypatch.setitem(fold._FOLDS, OrderEntered, broken)
            with pytest.raises(OutcomeUnknown):
                await gate.execute(buy("a"))

    with pytest.raises(Defect):
        run_virtual(main())


def test_a_clock_far_behind_the_journal_ends_the_run_and_loses_no_report() -> None:
    broker, journal = ScriptedBroker(), MemoryJournal()

    async def ahead() -> None:
        async with scripted_gate(broker, journal) as gate:
            await gate.clock.sleep(3600)
            await gate.execute(buy("a"))
            await gate.quiet()

    async def behind() -> None:
        async with scripted_gate(broker, journal):
            pass

    run_virtual(ahead())
    size = asyncio.run(journal.head()).size
    with pytest.raises(ClockError, match="set the clock right"):
        run_virtual(behind())
    assert asyncio.run(journal.head()).size == size


def test_memory_forgets_what_has_ended() -> None:
    broker = ScriptedBroker()

    async def main() -> Gate:
        async with scripted_gate(broker) as gate:
            for number in range(20):
                order = (await gate.execute(buy(f"key-{number}"))).order
                done = fill("x1")
                complete = Executed(
                    **{n: getattr(done, n) for n in done.__struct_fields__}
                    | {"client_id": f"{order.order_id}.1", "quantity": Decimal(100), "completes": True}
                )
                broker.sink.report(complete)
                broker.sink.report(complete)
                await gate.quiet()
                replayed = await gate.execute(buy(f"key-{number}"))
                assert (replayed.replayed, replayed.order.state) == (True, State.CLOSED)
                with pytest.raises(Conflict):
                    await gate.execute(CancelOrder(order_id=order.order_id))
            return gate

    state = run_virtual(main()).runner.engine.state
    sizes = {table.name: len(table.rows) for table in state.tables}
    assert (sizes["orders"], sizes["fills"], sizes["keys"], sizes["lots"]) == (0, 0, 0, 20)
    assert state.order_by_broker_id == {}


def test_a_late_fill_of_a_forgotten_order_is_booked() -> None:
    broker = ScriptedBroker()

    async def main() -> None:
        async with scripted_gate(broker) as gate:
            await gate.execute(buy("a"))
            await gate.quiet()
            broker.sink.report(Acknowledged(broker="paper", client_id="ord-000001.1", broker_order_id="B1"))
            await gate.execute(CancelOrder(order_id="ord-000001"))
            broker.sink.report(Ended(broker="paper", client_id="ord-000001.1", end=End.CANCELED))
            await gate.quiet()
            assert gate.runner.engine.state.orders.get("ord-000001") is None
            broker.sink.report(fill("late"))
            await gate.quiet()
            order = await gate.queries.order("ord-000001")
            assert (order.state, order.filled_quantity, order.leaves_quantity) == (State.CANCELED, 10, 0)
            assert [item["kind"] for item in await gate.queries.breaks()] == ["late_fill"]

    run_virtual(main())


def test_refusals_have_types() -> None:
    assert issubclass(Invalid, Exception)
    assert NotFound.outcome == Conflict.outcome == "not_sent"


def test_a_clock_that_jumps_ahead_ends_the_run() -> None:
    async def main() -> None:
        async with scripted_gate(ScriptedBroker()) as gate:
            await gate.execute(buy("a"))
            gate.clock.start += timedelta(days=400)
            with pytest.raises(OutcomeUnknown):
                await gate.execute(buy("b"))

    with pytest.raises(ClockError, match="has jumped by 400 days"):
        run_virtual(main())


def test_a_gate_that_closes_on_a_full_disk_says_so_and_ends() -> None:
    broker, journal = ScriptedBroker(), FailingJournal()

    async def main() -> None:
        async with scripted_gate(broker, journal) as gate:
            await gate.execute(buy("a"))
            await gate.quiet()
            journal.failures += [refused] * 100
            broker.sink.report(fill("x1"))
            await gate.clock.sleep(3)

    with pytest.raises(StoreError, match="disk is full"):
        run_virtual(main())


def test_a_full_inbox_refuses_orders_and_takes_cancels(monkeypatch) -> None:
    monkeypatch.setattr(runner, "INBOX_MOST", 0)
    broker = ScriptedBroker()

    async def main() -> None:
        async with scripted_gate(broker) as gate:
            with pytest.raises(Conflict, match="waiting"):
                await gate.execute(buy("a"))
            with pytest.raises(NotFound):
                await gate.execute(CancelOrder(order_id="nothing"))

    monkeypatch.setattr(Gate, "open", _open_unbounded(monkeypatch, Gate.open))
    run_virtual(main())


def _open_unbounded(monkeypatch, opening):
    async def opened(self) -> None:
        monkeypatch.setattr(runner, "INBOX_MOST", 100)
        await opening(self)
        monkeypatch.setattr(runner, "INBOX_MOST", 0)

    return opened


def acknowledged(number: int, broker_order_id: str) -> Acknowledged:
    return Acknowledged(broker="paper", client_id=f"ord-{number:06}.1", broker_order_id=broker_order_id)


BAD = Ended(broker="paper", client_id="\ud800.1", end=End.CANCELED)


@pytest.mark.parametrize(
    ("ahead", "beside"),
    [([], []), ([], [BAD]), ([acknowledged(4, "B3")], [])],
    ids=["as it comes", "beside one that no store can look up", "an id that was another order's"],
)
def test_a_flat_position_is_read_back_for_a_fill_that_only_the_brokers_id_names(ahead, beside) -> None:
    broker = ScriptedBroker()

    async def main() -> tuple:
        async with closing_journal("sqlite://") as journal, scripted_gate(broker, journal) as gate:
            for number, side in enumerate((Side.BUY, Side.SELL), 1):
                await gate.execute(buy(f"key-{number}", side=side))
                await gate.quiet()
                broker.sink.report(whole(f"ord-{number:06}.1", str(10 + 2 * (side is Side.SELL))))
                await gate.quiet()
            await gate.execute(buy("again"))
            await gate.execute(buy("other", symbol="MSFT"))
            await gate.quiet()
            for report in ahead:
                await gate.runner.deliver(report)
            for report in (acknowledged(3, "B3"), *beside):
                broker.sink.report(report)
            broker.sink.report(replace(whole(None, "20"), broker_order_id="B3"))
            await gate.quiet()
            (position,) = await gate.queries.shown_positions(NO_MARKET)
            return position["realized_pnl"], position["quantity"], len(await gate.journal.select("lots"))

    assert run_virtual(main()) == ("200", "100", 2)


def whole(client_id: str | None, price: str) -> Executed:
    return replace(
        fill("x1"), client_id=client_id, quantity=Decimal(100), price=Decimal(price), completes=True
    )


def test_a_quarantined_report_is_kept_whole_and_its_fill_not_lost_for_its_text() -> None:
    broker = ScriptedBroker()

    async def main() -> tuple:
        async with scripted_gate(broker) as gate:
            await gate.execute(buy("a"))
            await gate.quiet()
            broker.sink.report(replace(fill("x1"), raw="\ud800", cursor="1"))
            broker.sink.report(replace(fill("x\ud8002"), cursor="2"))
            await gate.quiet()
            (item,) = await gate.queries.breaks()
            line = (await gate.journal.lines((await gate.journal.head()).size - 1, 1))[0]
            return (await gate.queries.order("ord-000001")).filled_quantity, item, decode(line.data, 0)

    filled, item, entry = run_virtual(main())
    assert filled == 10
    assert (item["kind"], item["order_id"]) == ("quarantined", "ord-000001")
    assert "quantity=Decimal('10')" in entry.raw
    assert entry.cursor == "2"


def test_a_preview_answers_as_if_and_changes_nothing() -> None:
    async def main() -> None:
        async with scripted_gate(ScriptedBroker()) as gate:
            size = (await gate.journal.head()).size
            would = await gate.preview(buy("key-1"))
            assert would.order.state is State.SUBMITTED
            assert (await gate.journal.head()).size == size
            assert await gate.queries.orders() == []
            with pytest.raises(Invalid, match=r"180\.503"):
                await gate.preview(buy("key-1", limit_price=Decimal("180.503")))
            made = await gate.execute(buy("key-1"))
            assert not made.replayed
            assert (await gate.preview(buy("key-1"))).replayed
            with pytest.raises(Conflict):
                await gate.preview(buy("key-1", quantity=Decimal(7)))
            await gate.preview(CancelOrder(order_id=made.order.order_id))
            assert not (await gate.queries.order(made.order.order_id)).open_request(RequestKind.CANCEL)

    run_virtual(main())
