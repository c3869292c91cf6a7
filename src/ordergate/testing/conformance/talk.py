"""What the cases of the broker suite are written in: expectations, skips, and a conversation with a venue."""

from unittest import SkipTest

from ordergate.application.ports.brokers import Answer, Capabilities, Presence, Send, Withdraw
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.orders.reports import AnyReport, Confirmed, Ended, Executed, Outcome
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault, Recorder


def expect(condition: bool, text: str) -> None:
    """Fails the case, also under `python -O`."""
    if not condition:
        raise AssertionError(text)


def need(condition: bool, what: str) -> None:
    """Skips the case, saying what is missing."""
    if not condition:
        raise SkipTest(what)


class Talk:
    """A conversation with one venue: shorthand for the cases."""

    def __init__(self, venue: Counterpart) -> None:
        self.venue = venue
        self.sink = Recorder()
        self.names: dict[str, str | None] = {}
        """The venue's names of orders, by the client ids of their requests: as the journal would keep them."""

    @property
    def can(self) -> Capabilities:
        """What the adapter declares."""
        return self.venue.broker.capabilities

    def need_fault(self, fault: Fault) -> None:
        """Skips the case where the counterpart has no such fault."""
        need(fault in self.venue.faults, f"the counterpart cannot inject {fault}")

    def need_ability(self, ability: Ability) -> None:
        """Skips the case where the counterpart has no such ability."""
        need(ability in self.venue.abilities, f"the counterpart has no {ability}")

    async def connect(self, cursor: str | None = None) -> None:
        """A session with a sink that has seen nothing."""
        self.sink = Recorder()
        await self.venue.broker.connect(self.sink, cursor)
        if not self.can.lists:
            for client_id, name in list(self.names.items()):  # as settlement does
                for report in (await self.venue.broker.lookup(client_id, name)).reports:
                    self.sink.report(report)

    async def market(self, ticks: int = 0, lots: int = 1000) -> None:
        """A market so many ticks beside the counterpart's price, that much on either side."""
        middle = self.venue.price + ticks * self.venue.tick
        await self.venue.set_market(middle - self.venue.tick, middle + self.venue.tick, lots * self.venue.lot)
        await self.venue.settle()

    def order(
        self, client_id: str, lots: int = 1, ticks: int = 5, tif: TimeInForce = TimeInForce.GTC
    ) -> Send:
        """A buy so many ticks above the counterpart's price: 5 takes, -50 rests."""
        return Send(
            client_id=client_id,
            symbol=self.venue.symbol,
            side=Side.BUY,
            quantity=lots * self.venue.lot,
            order_type=OrderType.LIMIT,
            tif=tif if tif in self.can.tifs else TimeInForce.DAY,
            limit_price=self.venue.price + ticks * self.venue.tick,
        )

    async def submit(self, send: Send) -> Answer:
        """Submits and waits for everything that comes of it."""
        answer = await self.venue.broker.submit(send)
        if answer.broker_order_id is not None:
            self.names.setdefault(send.client_id, answer.broker_order_id)
        await self.venue.settle()
        return answer

    async def cancel(self, client_id: str, order: str) -> Answer:
        """Cancels and waits for everything that comes of it."""
        name = None if self.can.lists else self.names.get(order)
        withdraw = Withdraw(client_id=client_id, order=order, broker_order_id=name)
        answer = await self.venue.broker.cancel(withdraw)
        await self.venue.settle()
        return answer

    async def accepted(self, send: Send) -> Answer:
        """Submits what must be taken."""
        answer = await self.submit(send)
        expect(answer.outcome is Outcome.ACCEPTED, f"a good order was answered {answer}")
        return answer

    async def found(self, client_id: str) -> tuple[AnyReport, ...]:
        """What a lookup tells of a request that must be known."""
        order = order_id_of(client_id)
        name = next((name for other, name in self.names.items() if order_id_of(other) == order), None)
        lookup = await self.venue.broker.lookup(client_id, name)
        expect(lookup.presence is Presence.FOUND, f"{client_id} is {lookup.presence}, the venue has it")
        return lookup.reports

    async def working(self) -> frozenset[str]:
        """The open orders, which must be complete; of a venue without a list those that a lookup finds open."""
        snapshot = await self.venue.broker.open_orders()
        if not self.can.lists:
            expect(not snapshot.complete, f"a venue without a list told a complete one: {snapshot}")
            return frozenset([c for c in self.names if not any(map(_is_over, await self.found(c)))])
        expect(snapshot.complete, "without a fault the snapshot of open orders must be complete")
        return snapshot.client_ids

    def filled(self, lots: int) -> None:
        """Expects the executions told so far to sum up to that."""
        expected = lots * self.venue.lot
        expect(self.sink.filled == expected, f"executions sum up to {self.sink.filled}, not {expected}")


def _is_over(report: AnyReport) -> bool:
    return isinstance(report, Ended | Confirmed) or (isinstance(report, Executed) and report.completes)
