"""The cases of the broker suite about operations that are no trades: transfers, loans, swaps, bundles.

They move balances by exactly what is told; the rules about answers, repetition and restarts are those of orders.
"""

from decimal import Decimal

from msgspec.structs import replace

from ordergate.application.ports.brokers import Answer, Deduplication, Send
from ordergate.domain.instruments import TOKEN
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import OperationTerms, side_of
from ordergate.domain.orders.reports import AnyReport, Confirmed, Executed, Outcome
from ordergate.domain.orders.states import ExecutionKind, OrderType, TimeInForce
from ordergate.testing.conformance.counterpart import Ability, Fault, OperationSample, executions, moved
from ordergate.testing.conformance.suite import Suite
from ordergate.testing.conformance.talk import Talk, expect, need

_LOST = (
    Fault.DROP_ANSWERS,
    Fault.CUT_ANSWERS,
    Fault.GARBLED_ANSWERS,
    Fault.SERVER_ERRORS,
    Fault.CLIENT_ERRORS,
)
_NOT_DONE = (Outcome.REJECTED, Outcome.NOT_SENT)


class OperationCases(Suite):
    """Part of `BrokerConformance`."""

    def test_operations(self) -> None:
        """Each is done, and moves exactly what it says: what is not told is money that nobody has booked."""

        async def case(talk: Talk) -> None:
            for number, sample in enumerate(_samples(talk)):
                answer, told = await _done(talk, sample.send, f"op{number}.1")
                expect(answer.outcome is Outcome.ACCEPTED, f"a good operation was answered {answer}")
                _moved_right(sample, told)
                _moved_right(sample, await talk.found(f"op{number}.1"))
                complete = [isinstance(said, Confirmed) or _completes(said) for said in told]
                expect(any(complete), f"a {sample.send.operation} that is done must be told to be complete")

        self.carry_out(case, trades=False)

    def test_an_operation_is_done_once(self) -> None:
        """A second submit of it moves nothing."""

        async def case(talk: Talk) -> None:
            sample = _samples(talk)[0]
            need(talk.can.deduplication is not Deduplication.NONE, "the venue declares no deduplication")
            await _done(talk, sample.send, "twice.1")
            again = await talk.submit(replace(sample.send, client_id="twice.1"))
            expect(again.outcome is Outcome.DUPLICATE, f"a second submit was answered {again}")
            _moved_right(sample, talk.sink.reports)

        self.carry_out(case, trades=False)

    def test_an_operation_whose_answer_is_lost(self) -> None:
        """However it is lost: the outcome is unknown, a lookup finds it, and it was done once."""

        async def case(talk: Talk) -> None:
            sample = _samples(talk)[0]
            faults = [fault for fault in _LOST if fault in talk.venue.faults]
            need(bool(faults), "the counterpart cannot lose answers")
            for number, fault in enumerate(faults):
                client_id = f"lost{number}.1"
                talk.venue.inject(fault)
                answer = await talk.submit(replace(sample.send, client_id=client_id))
                talk.venue.inject()
                expect(answer.outcome is Outcome.UNKNOWN, f"after {fault} the operation was told as {answer}")
                await talk.venue.settle()
                _moved_right(sample, await talk.found(client_id))
                if talk.can.deduplication is Deduplication.FOREVER:
                    await talk.submit(replace(sample.send, client_id=client_id))
                so_far = {key: amount * (number + 1) for key, amount in sample.moves.items()}
                told = moved(talk.sink.reports)
                expect(told == so_far, f"after {fault} {told} was moved, not {so_far}")

        self.carry_out(case, trades=False)

    def test_a_new_process_after_a_lost_operation(self) -> None:
        """Who dies between sending and the answer finds it, and does it once."""

        async def case(talk: Talk) -> None:
            sample = _samples(talk)[0]
            talk.need_fault(Fault.DROP_ANSWERS)
            need(talk.venue.durable, "the counterpart does not outlive a process")
            talk.venue.inject(Fault.DROP_ANSWERS)
            await talk.submit(replace(sample.send, client_id="dies.1"))
            talk.venue.inject()
            await talk.venue.reopen()
            await talk.connect()
            await talk.venue.settle()
            _moved_right(sample, await talk.found("dies.1"))
            _moved_right(sample, talk.sink.reports)

        self.carry_out(case, trades=False)

    def test_operations_that_are_refused(self) -> None:
        """They say why, and move nothing but perhaps a fee."""

        async def case(talk: Talk) -> None:
            need(bool(talk.venue.refused_operations), "the counterpart names no operation that it refuses")
            for number, (why, send) in enumerate(talk.venue.refused_operations.items()):
                answer, told = await _done(talk, send, f"no{number}.1")
                if answer.outcome is Outcome.ACCEPTED:
                    reasons = [end.reason for end in talk.sink.ends if end.client_id == f"no{number}.1"]
                    expect(bool(reasons) and all(reasons), f"{why}: it was taken, and ended as {reasons}")
                else:
                    right = answer.outcome in _NOT_DONE and bool(answer.reason)
                    expect(right, f"{why}: it was answered {answer}")
                expect(not moved(told), f"{why}: it moved {moved(told)}")

        self.carry_out(case, trades=False)

    def test_an_operation_that_is_not_declared(self) -> None:
        """It is refused: taken for a trade it would sell what was to be moved."""

        async def case(talk: Talk) -> None:
            others = sorted(set(Operation) - talk.can.operations - {Operation.BUNDLE, Operation.PERP_TRADE})
            need(bool(others), "the broker declares every operation")
            for number, operation in enumerate(others):
                send = Send(
                    client_id=f"other{number}.1",
                    symbol=f"{TOKEN}USDC",
                    side=side_of(operation),
                    quantity=Decimal(1),
                    order_type=OrderType.MARKET,
                    tif=TimeInForce.GTC,
                    operation=operation,
                    terms=OperationTerms(venue="elsewhere"),
                )
                answer = await talk.submit(send)
                right = answer.outcome in _NOT_DONE and bool(answer.reason)
                expect(right, f"a {operation}, which is not declared, was answered {answer}")
            expect(not talk.sink.executions, f"it was done: {talk.sink.executions}")

        self.carry_out(case, trades=False)

    def test_an_operation_that_is_done_again(self) -> None:
        """What a reorganisation undoes is told as a bust, and what is done again as a new execution."""

        async def case(talk: Talk) -> None:
            talk.need_ability(Ability.REORGANISATIONS)
            sample = _samples(talk)[0]
            await _done(talk, sample.send, "again.1")
            before = set(talk.sink.executions)
            await talk.venue.reorganise()
            await talk.venue.settle()
            for told in (talk.sink.reports, await talk.found("again.1")):
                later = [said for name, said in executions(told).items() if name not in before]
                busts = {said.refers_to for said in later if said.execution_kind is ExecutionKind.BUST}
                expect(bool(busts) and busts <= before, f"a reorganisation was told as {later}")
                _moved_right(sample, told)

        self.carry_out(case, trades=False)


def _samples(talk: Talk) -> list[OperationSample]:
    samples = [one for one in talk.venue.operations if one.send.operation in talk.can.operations]
    need(bool(samples), "the broker declares no operations beside trades, or the counterpart has none")
    return samples


async def _done(talk: Talk, send: Send, client_id: str) -> tuple[Answer, list[AnyReport]]:
    """The answer to an operation, and all that was told of it."""
    before = len(talk.sink.reports)
    answer = await talk.submit(replace(send, client_id=client_id))
    return answer, talk.sink.reports[before:]


def _completes(said: AnyReport) -> bool:
    return isinstance(said, Executed) and said.completes


def _moved_right(sample: OperationSample, told: "list[AnyReport] | tuple[AnyReport, ...]") -> None:
    what = sample.send.operation
    expect(moved(told) == dict(sample.moves), f"a {what} moved {moved(told)}, not {dict(sample.moves)}")
    for said in executions(told).values():
        for delta in said.deltas or ():
            expect(delta.position_key.count(":") >= 2, f"{delta.position_key} is no venue:type:symbol")
            expect(delta.source != "fee", f"the fee is among the deltas: {said.deltas}")
