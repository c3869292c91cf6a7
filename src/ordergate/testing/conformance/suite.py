"""What all cases of the broker suite stand on: a venue, and a way to run a case against it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from ordergate.domain.operations import TRADES
from ordergate.domain.orders.states import OrderType
from ordergate.testing.conformance.counterpart import Counterpart
from ordergate.testing.conformance.talk import Talk, need

Case = Callable[[Talk], Awaitable[None]]


class Suite:
    """Subclass it through `BrokerConformance`."""

    def venue(self) -> AbstractAsyncContextManager[Counterpart]:
        """A new venue and the adapter under test, closed on exit."""
        raise NotImplementedError(f"{type(self).__name__}.venue must give a counterpart")

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Runs a case; override to run it in simulated time."""
        asyncio.run(main)

    def carry_out(self, case: Case, *, trades: bool = True) -> None:
        """Runs a case against a new venue, connected.

        Args:
            trades: it trades with limit orders; skipped where the broker declares not to.
        """

        async def main() -> None:
            async with self.venue() as venue:
                talk = Talk(venue)
                if trades:
                    need(OrderType.LIMIT in talk.can.order_types, "the broker declares no limit orders")
                    need(bool(TRADES & talk.can.operations), "the broker declares no trades")
                await talk.connect()
                if trades:
                    await talk.market()
                await case(talk)

        self.run(main())
