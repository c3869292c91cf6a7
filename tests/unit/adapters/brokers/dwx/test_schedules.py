"""What is told adds up to what the terminal has, whatever is drawn: both sides, faults, restarts of either side."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.services.dwx import MESSAGES, ORDERS, Desk, Terminal, limit, market, terminal

from ordergate.adapters.brokers.dwx import following, link, reading
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Answer
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import AnyReport, Executed, Outcome
from ordergate.domain.orders.states import Side
from ordergate.testing.conformance.counterpart import executions
from ordergate.testing.metatrader4.dwx_files import State

_STEPS = 40
_SYMBOL = "EURUSD.r"
_POINT = Decimal("0.00001")


class Schedule:
    """One run: what was sent, how it was answered, and what was told in all sessions."""

    def __init__(self, there: Terminal, folder: Path, dice: Random) -> None:
        self.there, self.folder, self.dice = there, folder, dice
        self.desk = Desk(there, folder / "notebook.db", poll_ms=400)
        self.answers: dict[str, Answer] = {}
        self.sides: dict[str, Side] = {}
        self.told: list[AnyReport] = []
        self.done: list[str] = []
        self.middle = Decimal("1.10000")

    async def run(self) -> None:
        await self.desk.open()
        try:
            for _ in range(_STEPS):
                step = self.dice.choices(
                    (
                        self.trade,
                        self.wait,
                        self.cancel,
                        self.quote,
                        self.fault,
                        self.new_process,
                        self.restart,
                    ),
                    weights=(6, 3, 2, 5, 3, 1, 1),
                )[0]
                await step()
            await self.settle()
        finally:
            await self.desk.broker.close()

    async def trade(self) -> None:
        if self.dice.random() < 0.7:
            await self.heal()
        side = self.dice.choice(list(Side))
        lots = Decimal(self.dice.randint(1, 5)) / 10
        far = Decimal(self.dice.choice((0, 90)))
        sign = side.sign
        levels = {
            "stop_loss": self.middle - sign * far * _POINT,
            "take_profit": self.middle + sign * far * _POINT,
        }
        send = market(f"t{len(self.answers)}.1", str(lots), side, **(levels if far else {}))
        self.note(send.client_id, side, await self.desk.broker.submit(send))

    async def wait(self) -> None:
        price = self.middle - self.dice.choice((50, 150)) * _POINT
        send = limit(f"t{len(self.answers)}.1", str(price), "0.2")
        self.note(send.client_id, Side.BUY, await self.desk.broker.submit(send))

    def note(self, client_id: str, side: Side, answer: Answer) -> None:
        self.answers[client_id], self.sides[client_id] = answer, side
        self.done.append(f"{client_id} {side}: {answer.outcome}")

    async def cancel(self) -> None:
        if self.answers:
            order = self.dice.choice(list(self.answers))
            answer = await self.desk.cancel(order)
            self.done.append(f"cancel {order}: {answer.outcome}")

    async def quote(self) -> None:
        self.middle += self.dice.randint(-120, 120) * _POINT
        self.there.account.quote(_SYMBOL, self.middle - _POINT, self.middle + _POINT)
        await self.there.clock.sleep(self.dice.choice((0, 0, 2)))
        self.done.append(f"quote {self.middle}")

    async def fault(self) -> None:
        state = self.dice.choice([*State, State.WHOLE, State.WHOLE])
        names = self.dice.choice(((ORDERS,), (MESSAGES,), (ORDERS, MESSAGES)))
        self.there.files.states = dict.fromkeys(names, state)
        self.there.server.lies = self.dice.choice((None, None, 128))
        self.there.account.refuses = self.dice.choice((None, None, None, 134))
        self.done.append(
            f"{names} {state}, lies {self.there.server.lies}, refuses {self.there.account.refuses}"
        )

    async def new_process(self) -> None:
        self.told += self.desk.sink.reports
        cursors = [report.cursor for report in self.desk.sink.reports if report.cursor is not None]
        await self.desk.broker.close()
        self.desk = Desk(self.there, self.folder / "notebook.db", poll_ms=400)
        await self.desk.open(self.dice.choice([None, *cursors[-3:]]))
        self.done.append("a new process")

    async def restart(self) -> None:
        await self.there.stop()
        await self.there.clock.sleep(self.dice.choice((0, 7)))
        self.there.start()
        self.done.append("the terminal restarted")

    async def heal(self) -> None:
        self.there.files.states = {}
        self.there.server.lies = self.there.account.refuses = None
        await self.there.clock.sleep(self.dice.choice((0.5, 2)))

    async def settle(self) -> None:
        await self.heal()
        await self.desk.rest()
        for client_id in self.answers:
            await self.desk.broker.lookup(client_id)
        await self.desk.rest()
        self.told += self.desk.sink.reports


def check(run: Schedule) -> None:
    told = executions(run.told)
    by_order: dict[str, Decimal] = {}
    net = ZERO
    for one in told.values():
        assert isinstance(one, Executed)
        assert one.side is not None
        net += one.side.sign * one.quantity
        if one.client_id is not None:
            assert one.side is run.sides[one.client_id]
            by_order[one.client_id] = by_order.get(one.client_id, ZERO) + one.quantity
    held = sum(
        (
            order.lots * (1 if order.buys else -1)
            for order in run.there.account.open.values()
            if order.is_position
        ),
        ZERO,
    )
    assert net == held, f"told {net}, held {held}"
    for client_id, answer in run.answers.items():
        if answer.outcome in (Outcome.REJECTED, Outcome.NOT_SENT):
            assert client_id not in by_order, f"{client_id} was {answer.outcome}"
    opened = Counter(one.split(",")[7] for one in run.there.server.done if one.startswith("OPEN_ORDER"))
    assert not [name for name, count in opened.items() if count > 1]


def draw(seed: int, folder: Path) -> None:
    async def main() -> None:
        async with terminal(folder) as there:
            there.server.timer_ms = 200
            run = Schedule(there, folder, Random(seed))
            try:
                await run.run()
                check(run)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}; {'; '.join(run.done)}") from error

    run_virtual(main())


@pytest.mark.parametrize("seed", range(1, 7))
def test_whatever_is_drawn(seed: int, tmp_path: Path) -> None:
    draw(seed, tmp_path)


def loses_what_is_left(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(following, "_onward", lambda *_: None)


def takes_every_closing_for_its_own(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading.Row, "closing", None)


def tells_no_closing_of_the_server(patch: pytest.MonkeyPatch) -> None:
    was = following.Following._tell
    patch.setattr(
        following.Following,
        "_tell",
        lambda told, report: None if getattr(report, "closes", None) else was(told, report),
    )


def gives_what_was_not_answered_again(patch: pytest.MonkeyPatch) -> None:
    was = link.Link.give

    async def give(self: link.Link, *given: Any) -> link.Verdict:
        verdict = await was(self, *given)
        return await was(self, *given) if verdict.done is None and verdict.sent else verdict

    patch.setattr(link.Link, "give", give)


BUGS = [
    (loses_what_is_left, 5),
    (takes_every_closing_for_its_own, 1),
    (tells_no_closing_of_the_server, 1),
    (gives_what_was_not_answered_again, 2),
]


@pytest.mark.parametrize(("bug", "seed"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
def test_a_planted_bug_is_noticed(
    bug: Callable[[pytest.MonkeyPatch], None], seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)
    with pytest.raises(AssertionError, match=f"seed {seed}"):
        draw(seed, tmp_path)
