"""The case of the broker suite that draws what happens: orders, cancels, markets, faults and ends of our process."""

from decimal import Decimal
from random import Random

from ordergate.application.ports.brokers import Answer, Presence, Withdraw
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import Answered, AnyReport, Ended, Executed, Outcome
from ordergate.testing.conformance.counterpart import Fault, executions, filled
from ordergate.testing.conformance.statements import held, told
from ordergate.testing.conformance.suite import Suite
from ordergate.testing.conformance.talk import Talk, expect

_STEPS = 40
_NEVER_DRAWN = frozenset({Fault.REFUSE_LOGIN})
"""Without a login there is no session, and nothing to draw."""
_NOT_THERE = (Outcome.REJECTED, Outcome.NOT_SENT)
_THERE = (Outcome.ACCEPTED, Outcome.DUPLICATE)


class ScheduleCases(Suite):
    """Part of `BrokerConformance`."""

    seeds: tuple[int, ...] = (1, 2, 3)

    def test_whatever_happens(self) -> None:
        """What was proven holds: refused is nowhere, taken is there, and each execution was told, once."""
        for seed in self.seeds:
            self._draw(seed)

    def _draw(self, seed: int) -> None:
        async def case(talk: Talk) -> None:
            schedule = _Schedule(talk, f"draw{seed}n", Random(seed))  # noqa: S311  (a schedule that can be repeated)
            try:
                await schedule.run()
            except AssertionError as error:
                done = ", ".join(schedule.done)
                raise AssertionError(f"seed {seed}: {error}; what was done: {done}") from error

        self.carry_out(case)


class _Schedule:
    """One run: what was sent, how it was answered, and what was told in all sessions."""

    def __init__(self, talk: Talk, name: str, dice: Random) -> None:
        self.talk, self.name, self.dice = talk, name, dice
        self.faults = sorted(talk.venue.faults - _NEVER_DRAWN)
        self.answers: dict[str, Answer] = {}
        self.told: list[AnyReport] = []
        self.done: list[str] = []

    async def run(self) -> None:
        """Draws steps, then lets everything come to rest and compares."""
        before = await self._held()
        for _ in range(_STEPS):
            await self._step()
        await self._rest()
        for client_id, answer in self.answers.items():
            await self._compare(client_id, answer)
        if before is not None and not self._some_have_no_name:
            moved, said = (await self._held() or ZERO) - before, filled(self._of(self.name))
            expect(moved == said, f"{said} was told to be executed, and the account has {moved} more")

    @property
    def _some_have_no_name(self) -> bool:
        """Whether there may be orders that only the venue's own names would find, and it has told none."""
        unknown = (
            client_id for client_id, answer in self.answers.items() if answer.outcome is Outcome.UNKNOWN
        )
        return not self.talk.can.lists and any(client_id not in self.talk.names for client_id in unknown)

    def _of(self, name: str) -> list[AnyReport]:
        """What was told of the orders whose names begin so."""
        return [report for report in self.told if (report.client_id or "").startswith(name)]

    async def _held(self) -> Decimal | None:
        talk = self.talk
        return held(talk, await told(talk)) if talk.can.statements else None

    async def _step(self) -> None:
        steps = (self._submit, self._submit, self._cancel, self._market, self._fault, self._new_process)
        step = self.dice.choices(steps, weights=(4, 4, 3, 3, 3, 1 if self.talk.venue.durable else 0))[0]
        await step()

    async def _submit(self) -> None:
        client_id = f"{self.name}{len(self.answers)}.1"
        ticks, lots = self.dice.choice((5, -20, -50)), self.dice.randint(1, 4)
        answer = await self.talk.venue.broker.submit(self.talk.order(client_id, lots=lots, ticks=ticks))
        self._note(client_id, answer)
        self.answers[client_id] = answer
        self.done.append(f"{client_id} {lots} lots at {ticks}: {answer.outcome}")

    def _note(self, client_id: str, answer: Answer) -> None:
        if answer.broker_order_id is not None:
            self.talk.names.setdefault(client_id, answer.broker_order_id)

    async def _cancel(self) -> None:
        if not self.answers:
            return
        order = self.dice.choice(list(self.answers))
        name = None if self.talk.can.lists else self.talk.names.get(order)
        withdraw = Withdraw(client_id=f"{order[:-2]}.2", order=order, broker_order_id=name)
        answer = await self.talk.venue.broker.cancel(withdraw)
        self.done.append(f"cancel {order}: {answer.outcome}")

    async def _market(self) -> None:
        venue, ticks, lots = self.talk.venue, self.dice.choice((0, 0, -21, -51)), self.dice.randint(1, 6)
        middle = venue.price + ticks * venue.tick
        await venue.set_market(middle - venue.tick, middle + venue.tick, lots * venue.lot)
        self.done.append(f"market {lots} lots at {ticks}")

    async def _fault(self) -> None:
        drawn = [self.dice.choice(self.faults)] if self.faults and self.dice.random() < 0.7 else []
        self.talk.venue.inject(*drawn)
        self.done.append(", ".join(drawn) or "no fault")

    async def _new_process(self) -> None:
        self.talk.venue.inject()
        await self.talk.venue.reopen()
        self._hear()  # what came until the old one had ended
        await self.talk.connect()
        self.done.append("a new process")

    async def _rest(self) -> None:
        self.talk.venue.inject()
        await self.talk.market()
        await self.talk.market(ticks=-60)
        self._hear()

    def _hear(self) -> None:
        """Keeps what a session has told, names in late answers too."""
        self.told += self.talk.sink.reports
        for report in self.talk.sink.reports:
            if isinstance(report, Answered) and report.client_id in self.answers and report.broker_order_id:
                self.talk.names.setdefault(report.client_id, report.broker_order_id)

    async def _compare(self, client_id: str, answer: Answer) -> None:
        """What an answer has proven is so, and a lookup tells what was told."""
        talk = self.talk
        lookup = await talk.venue.broker.lookup(client_id, talk.names.get(client_id))
        found = lookup.presence is Presence.FOUND
        said = executions(self._of(client_id))
        if answer.outcome in _NOT_THERE:
            ended = all(isinstance(report, Ended) for report in lookup.reports if not _is_plain(report))
            expect(not said, f"{client_id} was {answer.outcome}, and executed: {said}")
            expect(not found or ended, f"{client_id} was {answer.outcome}, and is there: {lookup}")
        if answer.outcome in _THERE:
            expect(found, f"{client_id} was {answer.outcome}, and is {lookup.presence}")
        if found:
            missing = set(executions(lookup.reports)) ^ set(said)
            expect(not missing, f"{client_id}: reports and lookup differ in {sorted(missing)}")


def _is_plain(report: AnyReport) -> bool:
    return not isinstance(report, Executed | Ended)
