"""However brokers fail and whatever they say, no order is at two of them: failover under random faults."""

from functools import cache
from random import Random
from typing import Final

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.ids import CountingIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.audit.replay import replay as replayed
from ordergate.application.decide import reporting, rerouting
from ordergate.application.ports.brokers import Answer, LoginRefused, Lookup, OpenOrders, Presence, Send
from ordergate.bootstrap import assemble
from ordergate.config import Config, FundSection, PaperBroker
from ordergate.domain.errors import Defect
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.orders.reports import Acknowledged, End, Ended, Executed, Outcome
from ordergate.domain.orders.states import Phase, State
from ordergate.domain.routing import Route
from ordergate.protocols.tlog import Signer
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import START, buy

SEEDS: Final = 12
NAMES: Final = ("one", "two", "three")
PROVES: Final = replace(CAPABILITIES, proves_absence=True, grace_s=5)


class Venue(ScriptedBroker):
    """Takes orders or not, says so or not, as the dice fall; a lookup tells the truth, or that it cannot tell.

    Attributes:
        has: the client ids that it has taken.
        lies: it takes what it says was not sent.
    """

    lies = False

    def __init__(self, name: str, dice: Random) -> None:
        super().__init__(name, PROVES)
        self.dice, self.has = dice, set[str]()
        self.refuses_login = name == "one" and dice.random() < 0.1

    async def connect(self, sink, cursor) -> None:
        if self.refuses_login:
            raise LoginRefused(f"{self.name}: no")
        await super().connect(sink, cursor)

    async def submit(self, send: Send) -> Answer:
        fate = self.dice.choice(
            ("takes", "takes", "away", "away", "rejects", "lost", "silent", "raises", "busy")
        )
        about = {"broker": self.name, "client_id": send.client_id}
        if fate in ("takes", "silent", "raises") or (fate == "away" and self.lies):
            self.has.add(send.client_id)
        if fate == "takes" and self.dice.random() < 0.5:
            self.sink.report(
                Executed(exec_id=f"x-{send.client_id}", time=START, quantity=send.quantity, price=send.quantity,
                         completes=True, **about)
            )  # fmt: skip
        if fate == "raises":
            raise OSError("cut off")
        if fate == "silent" and self.dice.random() < 0.5:
            self.sink.report(Acknowledged(broker_order_id=f"B{send.client_id}", **about))
        if fate == "takes" and self.dice.random() < 0.2:
            self.sink.report(Ended(end=End.EXPIRED, **about))
        return {
            "takes": Answer(outcome=Outcome.ACCEPTED, broker_order_id=f"B{send.client_id}"),
            "away": Answer(outcome=Outcome.NOT_SENT, reason="no route"),
            "busy": Answer(
                outcome=Outcome.NOT_SENT, reason="429", retry_after_s=self.dice.choice((1.0, 20.0))
            ),
            "rejects": Answer(outcome=Outcome.REJECTED, reason="no"),
            "lost": Answer(outcome=Outcome.UNKNOWN, reason="timeout"),
            "silent": Answer(outcome=Outcome.UNKNOWN, reason="timeout"),
        }[fate]

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        if self.dice.random() < 0.3:
            return Lookup(presence=Presence.UNAVAILABLE)
        if client_id not in self.has:
            return Lookup(presence=Presence.ABSENT)
        found = Acknowledged(broker=self.name, client_id=client_id, broker_order_id=f"B{client_id}")
        return Lookup(presence=Presence.FOUND, reports=(found,))

    async def open_orders(self) -> OpenOrders:
        return OpenOrders(as_of=START, complete=False)


@cache
def at_venues(seed: int) -> tuple[list[Venue], list]:
    """What ten orders come to."""
    dice, journal = Random(seed), MemoryJournal()
    venues = [Venue(name, dice) for name in NAMES]
    fund = FundSection(unlimited=True, broker="one", routes=(Route(brokers=NAMES),))
    config = Config(funds={"paper-momentum": fund}, brokers={name: PaperBroker() for name in NAMES})
    orders = []

    async def main() -> None:
        signer = Signer(config.audit.origin, bytes(32))
        async with assemble(config, journal, signer, VirtualClock(START), CountingIds(), venues) as gate:
            for number in range(10):
                await gate.execute(buy(f"k{number}"))
                await gate.clock.sleep(dice.choice((0, 0.1, 15)))
            await gate.clock.sleep(600)
            orders.extend(await gate.queries.orders())
        assert await replayed(journal, MemoryJournal()) == []

    run_virtual(main())
    return venues, orders


def taken_by(venues: list[Venue]) -> dict[str, set[str]]:
    """The venues that have an order, by its id."""
    found: dict[str, set[str]] = {}
    for venue in venues:
        for client_id in venue.has:
            found.setdefault(order_id_of(client_id), set()).add(venue.name)
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_order_is_at_two_brokers(seed: int) -> None:
    venues, orders = at_venues(seed)
    at = taken_by(venues)
    assert [names for names in at.values() if len(names) > 1] == []
    for order in orders:
        there = at.get(order.order_id, set())
        if order.state in (State.SUBMITTED, State.FILLED, State.CLOSED):
            parked = any(request.phase is not Phase.SENT for request in order.requests)
            assert there == {order.broker} or parked, order
        if there:
            assert there == {order.broker}, order


def test_orders_went_on_to_each_of_them() -> None:
    taken = [
        name for seed in range(SEEDS) for names in taken_by(at_venues(seed)[0]).values() for name in names
    ]
    assert {name: taken.count(name) > 5 for name in NAMES} == dict.fromkeys(NAMES, True)


def test_an_order_at_two_brokers_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Venue, "lies", True)
    venues, _orders = at_venues.__wrapped__(1)
    assert any(len(names) > 1 for names in taken_by(venues).values())


def test_a_failover_without_proof_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if what is unknown might go on: the state machine has no such way, and the run ends at once."""

    def careless(order):
        return order.requests[0] if order.requests else None

    monkeypatch.setattr(rerouting, "unsent", careless)
    original = reporting._answered_submit

    def eager(ctx, order, request, said):
        yield from original(ctx, order, request, said)
        if said.outcome is Outcome.UNKNOWN:
            yield from rerouting.go_on(ctx, order.order_id, "impatient")

    monkeypatch.setattr(reporting, "_answered_submit", eager)
    with pytest.raises(Defect, match=r"OrderRerouted of order ord-00000. *: no way from SUBMITTED"):
        at_venues.__wrapped__(1)
