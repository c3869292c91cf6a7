"""Does what is no trade: at once, or, of an unstake that takes its time, in two steps."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from ordergate.adapters.brokers.paper.effects import Costs, Effect, Place, effect_of, given_back
from ordergate.adapters.brokers.paper.orders import VenueOrder
from ordergate.adapters.brokers.paper.rates import Pairs
from ordergate.adapters.brokers.paper.settings import PaperSettings
from ordergate.adapters.brokers.paper.teller import Move, Teller
from ordergate.application.ports.brokers import Send
from ordergate.domain.instruments import TOKEN
from ordergate.domain.money import ZERO, plain


class Operating:
    """The operations of one venue."""

    def __init__(self, name: str, settings: PaperSettings, teller: Teller) -> None:
        self._name, self._settings, self._teller = name, settings, teller

    def effect(self, send: Send, pairs: Pairs) -> Effect | str:
        """What an order would move by those quotes; the text says why nothing is done."""
        settings = self._settings
        place = Place(
            name=self._name,
            pairs=pairs,
            costs=Costs(settings.slippage_bps, settings.fee_bps),
            unstakes_late=settings.unstake_delay_s > 0,
        )
        token = send.symbol.removeprefix(TOKEN)
        return effect_of(send.operation, send.quantity, token, send.terms, place)

    def start(self, order: VenueOrder, effect: Effect, at: datetime) -> None:
        """Moves it, all of it or up to what comes later; until then the order works."""
        if effect.later:
            order.expires = at + timedelta(seconds=self._settings.unstake_delay_s)
            self._teller.acknowledged(order)
            self._teller.moved(order, at, Move(deltas=effect.now))
            return
        for move in _moves(order, effect):
            self._teller.moved(order, at, move)

    def finish(self, order: VenueOrder, at: datetime) -> None:
        """The time of what took its time has come."""
        back = given_back(order.quantity, order.symbol.removeprefix(TOKEN), order.terms, self._name)
        self._teller.moved(order, at, Move(deltas=(back,), quantity=order.quantity))


def _moves(order: VenueOrder, effect: Effect) -> Iterator[Move]:
    """One execution; fees in several tokens come before it, each alone, so that it is the last."""
    fees: list[tuple[str | None, Decimal]] = [(token, plain(fee)) for token, fee in effect.fees]
    token, fee = fees.pop() if fees else (None, ZERO)
    for another, alone in fees:
        yield Move(fee=alone, fee_currency=another)
    yield Move(deltas=effect.now, quantity=order.quantity, fee=fee, fee_currency=token)
