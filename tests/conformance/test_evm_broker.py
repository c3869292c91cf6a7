"""A wallet on a real chain passes the broker suite, as far as that is about operations; planted bugs do not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.evm import watching
from ordergate.adapters.brokers.evm.broker import EvmBroker
from ordergate.application.ports.brokers import Answer, Send
from ordergate.domain.operations import Operation
from ordergate.domain.orders.reports import Outcome
from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Ability, Counterpart, OperationSample
from ordergate.testing.conformance.counterpart import Fault as Asked
from tests.services.chain.door import Fault
from tests.services.chain.rig import Rig, best, order, payment, rig_on

SEND = "eth_sendRawTransaction"
KEY = "wallet:BaseToken:"
LOST = {
    Asked.DROP_ANSWERS: Fault.DROPPED,
    Asked.CUT_ANSWERS: Fault.CUT_OFF,
    Asked.GARBLED_ANSWERS: Fault.GARBLED,
    Asked.SERVER_ERRORS: Fault.ERROR_AFTER,
    Asked.SLOW_ANSWERS: Fault.SLOW,
}
OF_ALL = {
    Asked.INCOMPLETE_SNAPSHOT: Fault.CUT_OFF,
    Asked.FAIL_QUERIES: Fault.GARBLED,
    Asked.RATE_LIMIT: Fault.LIMITED,
}


class ChainCounterpart(Counterpart):
    symbol, lot, price, tick = "token:ETH", Decimal(1), Decimal(2_000), Decimal(1)
    faults = frozenset(LOST)
    abilities = frozenset({Ability.REORGANISATIONS})

    def __init__(self, rig: Rig, *, stays: bool) -> None:
        self.rig, self.broker, self.stays = rig, rig.broker, stays
        rig.fund(rig.ground.usdc, 1_000 * 10**6)
        self.operations = (
            OperationSample(send=payment("2.5", "USDC"), moves={f"{KEY}USDC": Decimal("-2.5")}),
            OperationSample(send=payment("1"), moves={f"{KEY}ETH": Decimal(-1)}),
            OperationSample(
                send=order(Operation.STAKE, "ETH", "3", venue="lido"),
                moves={f"{KEY}ETH": Decimal(-3), "lido:LST:stETH": Decimal(3)},
            ),
        )
        self.refused_operations = {
            "more than there is": payment("5000", "USDC"),
            "an unknown token": payment("1", "DAI"),
            "nobody": payment("1", target="0x" + 40 * "0"),
            "no stake": order(Operation.UNSTAKE, "stETH", "5"),
        }

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        """There is none."""

    async def settle(self) -> None:
        """All that was sent is in a block; and final, where that is not to go away again."""
        wallet = self.broker._wallet
        if wallet is None:
            return
        if self.stays:
            await self.rig.until(lambda: not wallet.open, mines=True)
        else:
            await self.rig.until(lambda: all(not intent.waits for intent in wallet.open.values()))

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = self.rig.broker = self.rig.another()

    def inject(self, *faults: Asked) -> None:
        door = self.rig.door
        door.faults.clear()
        door.slow_s = 3.0
        for fault in faults:
            door.faults[SEND] = LOST[fault]

    async def reorganise(self) -> None:
        self.rig.chain.reorganise(1)
        intents = self.broker._wallet.open.values() if self.broker._wallet is not None else ()
        await self.rig.until(lambda: any(step.busts for intent in intents for step in intent.steps))


class EvmSuite(BrokerConformance):
    def __init__(self, kind: type[EvmBroker], folder: Path, case: str) -> None:
        self.kind, self.folder = kind, folder
        self.stays = case != "test_an_operation_that_is_done_again"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        async with rig_on(best(), self.folder, connects=False, timeout_ms=1_500, rebroadcast_s=1) as rig:
            rig.make = self.kind
            rig.broker = rig.another()
            yield ChainCounterpart(rig, stays=self.stays)


CASES = sorted(name for name in dir(BrokerConformance) if name.startswith("test_"))
RUN = {
    "test_an_operation_is_done_once",
    "test_an_operation_that_is_done_again",
    "test_an_operation_that_is_not_declared",
    "test_an_operation_whose_answer_is_lost",
    "test_a_new_process_after_a_lost_operation",
    "test_operations",
    "test_operations_that_are_refused",
}
"""The others trade with limit orders."""


@pytest.mark.parametrize("case", CASES)
def test_a_wallet(case: str, tmp_path: Path) -> None:
    suite = EvmSuite(EvmBroker, tmp_path, case)
    if case in RUN:
        getattr(suite, case)()
    else:
        with pytest.raises(SkipTest, match="no limit orders"):
            getattr(suite, case)()


# --- planted bugs: the suite must notice each of them


class ForgetsWhatWasSent(EvmBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        if self._wallet is not None and answer.outcome is Outcome.UNKNOWN:
            self._ledger._run("DELETE FROM intents")
            self._wallet.open.clear()
        return answer


class TakesSilenceForRejection(EvmBroker):
    async def submit(self, send: Send) -> Answer:
        answer = await super().submit(send)
        return replace(answer, outcome=Outcome.REJECTED) if answer.outcome is Outcome.UNKNOWN else answer


class SignsAgain(EvmBroker):
    count = 0

    async def submit(self, send: Send) -> Answer:
        self.count += 1
        return await super().submit(replace(send, client_id=f"{send.client_id}{self.count}"))


def _no_deltas(monkeypatch: pytest.MonkeyPatch) -> type[EvmBroker]:
    async def nothing(*_: Any) -> watching.Happened:
        return watching.Happened(quantity=Decimal(1))

    monkeypatch.setattr(watching, "happened", nothing)
    return EvmBroker


def _never_looks_again(monkeypatch: pytest.MonkeyPatch) -> type[EvmBroker]:
    async def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(watching.Watch, "_reorganised", nothing)
    return EvmBroker


def _tells_twice(monkeypatch: pytest.MonkeyPatch) -> type[EvmBroker]:
    count = iter(range(1_000))
    before = watching.Watch._execution

    def numbered(self: watching.Watch, *given: Any) -> Any:
        said = before(self, *given)
        self._wallet.ledger.tell(given[0].name, replace(said, exec_id=f"{said.exec_id}:{next(count)}"))
        return said

    monkeypatch.setattr(watching.Watch, "_execution", numbered)
    return EvmBroker


BUGS = [
    (lambda _: ForgetsWhatWasSent, "test_an_operation_whose_answer_is_lost"),
    (lambda _: TakesSilenceForRejection, "test_an_operation_whose_answer_is_lost"),
    (lambda _: SignsAgain, "test_an_operation_is_done_once"),
    (_no_deltas, "test_operations"),
    (_never_looks_again, "test_an_operation_that_is_done_again"),
    (_tells_twice, "test_operations"),
]


@pytest.mark.parametrize(("bug", "case"), BUGS)
def test_a_planted_bug_is_noticed(
    bug: Any, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.services.chain.rig.PATIENCE_S", 0.5)
    with pytest.raises((AssertionError, TimeoutError)):
        getattr(EvmSuite(bug(monkeypatch), tmp_path, case), case)()
