"""What was told of orders, so that each execution is told once a session, and an end after its executions alone."""

from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Final

from ordergate.adapters.brokers.ccxt.reading import Found, Place, Told, executed, standing
from ordergate.application.ports.brokers import Sink
from ordergate.domain.money import ZERO

_MOST: Final = 20_000
_UNSEEN_MS: Final = 60_000
"""For how long an order may have traded and not be listed; later it is taken for one that is too old to be."""


class Behind(Exception):
    """The exchange tells of a part of what became of an order, and not yet of all."""


class _Kept:
    """What is remembered of one order."""

    def __init__(self, client_id: str | None) -> None:
        self.client_id = client_id
        self.told: dict[str, Decimal] = {}
        self.acknowledged = False
        self.ended = False


class Telling:
    """Tells one sink what one account does; what is not ours is told to nobody.

    Args:
        ask: the order at a place; None where the exchange lists none.
        now: the exchange's time, in ms.
        ask_trades: an order's executions.

    Attributes:
        cursor: what reports carry: up to there everything was told.
    """

    def __init__(
        self,
        broker: str,
        ask: Callable[[Place], Awaitable[Found | None]],
        ask_trades: Callable[[Found], Awaitable[list[Told]]],
        now: Callable[[], int],
    ) -> None:
        self._broker, self._ask, self._ask_trades, self._now = broker, ask, ask_trades, now
        self._orders: dict[Place, _Kept] = {}
        self.sink: Sink | None = None
        self.cursor: str | None = None

    def place_of(self, client_id: str) -> Place | None:
        """Where an order of ours is, as far as that was seen."""
        found = (place for place, kept in self._orders.items() if kept.client_id == client_id)
        return next(found, None)

    @property
    def working(self) -> list[Place]:
        """The orders of ours that are not known to have ended."""
        ours = self._orders.items()
        return [place for place, kept in ours if kept.client_id is not None and not kept.ended]

    @property
    def executions(self) -> set[str]:
        """Those that were told."""
        return {exec_id for kept in self._orders.values() for exec_id in kept.told}

    @property
    def ended(self) -> set[Place]:
        """The orders of ours whose end was told."""
        return {place for place, kept in self._orders.items() if kept.ended}

    def learn(self, place: Place, client_id: str | None) -> None:
        """Whose order that is; None is somebody else's, until it turns out to be one of ours."""
        kept = self._orders.get(place)
        if kept is None:
            self._orders[place] = _Kept(client_id)
            if len(self._orders) > _MOST:
                self._forget()
        elif kept.client_id is None:
            kept.client_id = client_id

    def _forget(self) -> None:
        over = [p for p, kept in self._orders.items() if kept.ended or kept.client_id is None]
        for place in over[: _MOST // 10]:
            del self._orders[place]

    async def owner(self, told: Told) -> str | None:
        """Our client id of the order that traded; None where it is somebody else's.

        Raises:
            Behind: the exchange does not list the order yet. Raises as what is asked, too.
        """
        place = told.place
        if place not in self._orders:
            found = await self._ask(place)
            if found is None and told.time > self._now() - _UNSEEN_MS:
                raise Behind(f"{place.name} has traded, and is not there yet")
            self.learn(place, None if found is None else found.client_id)
        return self._orders[place].client_id

    async def trade(self, told: Told) -> bool:
        """Tells an execution, if it is one of ours; whether it was new. Raises as `owner`."""
        client_id = await self.owner(told)
        kept = self._orders[told.place]
        if client_id is None or told.exec_id in kept.told:
            return False
        kept.told[told.exec_id] = told.quantity
        if self.sink is not None:
            self.sink.report(executed(told, self._broker, client_id, self.cursor))
        return True

    async def order(self, found: Found) -> bool:
        """Tells how an order of ours stands, once; whether its end was new.

        Raises:
            Behind: it has ended, and its executions cannot all be had yet. Raises as what is asked, too.
        """
        self.learn(found.place, found.client_id)
        kept = self._orders[found.place]
        if kept.client_id is None or kept.ended or (found.works and kept.acknowledged):
            return False
        if not found.works:
            if _sum(kept.told.values()) < found.filled:
                for told in await self._ask_trades(found):
                    await self.trade(told)
            if _sum(kept.told.values()) < found.filled:
                raise Behind(
                    f"{found.place.name} has {found.filled} filled, and its trades are not there yet"
                )
            if kept.ended:  # meanwhile
                return False
            kept.ended = True
        kept.acknowledged = True
        if self.sink is not None:
            self.sink.report(standing(found, self._broker, self.cursor))
        return not found.works


def _sum(quantities: Iterable[Decimal]) -> Decimal:
    return sum(quantities, ZERO)
