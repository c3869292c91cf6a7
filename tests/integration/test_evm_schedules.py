"""Drawn schedules: orders, cancels, faults, restarts, blocks and reorganisations in any order, on a real chain.

However they fall: each payment is made once or not at all, as its order's end says, and the books have what the chain has.
"""

import asyncio
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordergate.adapters.brokers.evm.chain import Chain
from ordergate.adapters.brokers.evm.ledger import Ledger
from ordergate.adapters.brokers.evm.records import Intent, Step
from ordergate.adapters.brokers.evm.rpc import Said
from ordergate.adapters.brokers.evm.wallet import Wallet
from ordergate.application.ports.brokers import Presence, Withdraw
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.reports import Confirmed, End, Ended, Executed, Outcome
from ordergate.testing.conformance.counterpart import standing
from tests.services.chain.deploying import new_account
from tests.services.chain.door import Fault
from tests.services.chain.rig import Rig, best, payment, rig_on

SEND = "eth_sendRawTransaction"
FAULTS = [fault for fault in Fault if fault is not Fault.SLOW]
STEPS = ["order", "order", "order", "cancel", "fault", "all", "calm", "mine", "mine", "restart", "reorganise"]


class Schedule:
    def __init__(self, rig: Rig, dice: random.Random) -> None:
        self.rig, self.dice = rig, dice
        self.paid: dict[str, tuple[str, str]] = {}
        """By client id: how much, and to whom; each to somebody of its own."""
        self.answers: dict[str, Outcome] = {}

    async def step(self, what: str) -> None:
        rig, dice = self.rig, self.dice
        if what == "order":
            send = payment(f"0.{dice.randint(1, 9)}", target=new_account().address)
            target = send.terms.target if send.terms is not None else None
            self.paid[send.client_id] = (str(send.quantity), str(target))
            self.answers[send.client_id] = (await rig.submit(send)).outcome
        elif what == "cancel" and self.paid:
            client_id = dice.choice(list(self.paid))
            name = client_id.partition(".")[0]
            await rig.broker.cancel(Withdraw(client_id=f"{name}.2", order=client_id, broker_order_id=None))
        elif what == "fault":
            rig.door.faults[SEND] = dice.choice(FAULTS)
        elif what == "all":
            rig.door.faults["*"] = dice.choice(FAULTS)
        elif what == "calm":
            rig.door.faults.clear()
        elif what == "mine":
            rig.chain.mine()
        elif what == "restart":
            await rig.broker.close()
            rig.broker = rig.another()
            try:
                await rig.connect()
            except StoreError:  # no node answers now
                rig.door.faults.clear()
                await rig.connect()
        elif what == "reorganise":
            rig.chain.mine()
            rig.chain.reorganise(1)
        await asyncio.sleep(dice.random() / 50)

    async def ends(self) -> None:
        rig = self.rig
        rig.door.faults.clear()
        for client_id in self.paid:
            if (await rig.broker.lookup(client_id)).presence is Presence.FOUND:
                await rig.until(lambda client_id=client_id: self.over(client_id), mines=True)

    def over(self, client_id: str) -> bool:
        wallet = self.rig.broker._wallet
        return wallet is not None and client_id not in wallet.open

    async def check(self, before: Decimal) -> None:
        rig, books = self.rig, Decimal(0)
        for client_id, (quantity, target) in self.paid.items():
            got = Decimal(int(rig.chain.ask("eth_getBalance", [target, "latest"]), 16)).scaleb(-18)
            lookup = await rig.broker.lookup(client_id)
            told = standing(lookup.reports)
            filled = sum((e.quantity for e in told), Decimal(0))
            assert got == filled, f"{client_id}: {got} was paid, and {filled} told"
            assert got in (0, Decimal(quantity)), f"{client_id}: {got} was paid of {quantity}"
            ends = [r for r in lookup.reports if isinstance(r, Ended | Confirmed)]
            if lookup.presence is Presence.ABSENT:
                assert self.answers[client_id] in (Outcome.NOT_SENT, Outcome.REJECTED), client_id
            else:
                assert len(ends) == 1, (client_id, ends)
                canceled = isinstance(ends[0], Ended) and ends[0].end is End.CANCELED
                assert isinstance(ends[0], Confirmed) if got else canceled, (client_id, ends)
            books += sum((self.cost(e) for e in told), Decimal(0))
        assert rig.balance() - before == books

    @staticmethod
    def cost(execution: Executed) -> Decimal:
        return sum((d.amount for d in execution.deltas or ()), -execution.fee)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_drawn_schedule(seed: int, tmp_path: Path) -> None:
    draw(seed, 40, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130))
def test_many_drawn_schedules(seed: int, tmp_path: Path) -> None:
    draw(seed, 120, tmp_path)


def draw(seed: int, steps: int, folder: Path) -> None:
    async def main() -> None:
        dice = random.Random(seed)
        async with rig_on(best(), folder, confirmations=3, rebroadcast_s=1, max_fee_gwei=Decimal(500)) as rig:
            rig.chain.automines = False
            before = rig.balance()
            schedule = Schedule(rig, dice)
            for _ in range(steps):
                await schedule.step(dice.choice(STEPS))
            await schedule.ends()
            await schedule.check(before)

    asyncio.run(main())


# --- planted bugs: the schedules must notice each of them


def _takes_the_chain_s_word_for_the_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "next_nonce", lambda _self: 0)
    monkeypatch.setattr(Chain, "waiting", _zero)


async def _zero(*_: object) -> int:
    return 0


def _signs_again_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    async def anew(self: Wallet, intent: Intent, step: Step) -> tuple[Said, str]:
        step.nonce = max(await self.chain.nonces(), self.ledger.next_nonce())
        return await self.replace(intent, step, cancels=False)

    before = Wallet.send

    async def send(self: Wallet, intent: Intent, step: Step) -> tuple[Said, str]:
        first = step.signed[-1].sent_at == 0
        return await (before if first else anew)(self, intent, step)

    monkeypatch.setattr(Wallet, "send", send)


@pytest.mark.slow
@pytest.mark.parametrize("bug", [_takes_the_chain_s_word_for_the_nonce, _signs_again_after_a_restart])
def test_a_planted_bug_is_noticed(bug: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.services.chain.rig.PATIENCE_S", 3.0)
    bug(monkeypatch)
    with pytest.raises((AssertionError, TimeoutError)):
        draw_all(tmp_path)


def draw_all(folder: Path) -> None:
    for seed in range(80):
        draw(seed, 60, folder / str(seed))
