"""What the terminal has of an order: by what was noted of it, or by its magic number and comment alone."""

from ordergate.adapters.brokers.dwx.following import Following, find
from ordergate.adapters.brokers.dwx.link import Link
from ordergate.adapters.brokers.dwx.names import comment_of, magic_of
from ordergate.adapters.brokers.dwx.notebook import Known, Notebook, Step
from ordergate.adapters.brokers.dwx.reading import Orders, Row, Unreadable
from ordergate.adapters.brokers.dwx.settings import DwxSettings
from ordergate.adapters.brokers.dwx.terms import Catalogue, Refused, unit_of
from ordergate.application.ports.brokers import Lookup, Presence
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.reports import Acknowledged

_NOT_SEEN = "it is neither among what is open nor in the history that the terminal shows: that proves nothing"


class Lookups:
    """Of one broker. Its method is called with the link's lock held."""

    def __init__(
        self,
        broker: str,
        settings: DwxSettings,
        catalogue: Catalogue,
        notebook: Notebook,
        link: Link,
        following: Following,
    ) -> None:
        self._broker, self._settings, self._catalogue = broker, settings, catalogue
        self._notebook, self._following = notebook, following
        self._link = link

    async def find(self, client_id: str) -> Lookup:
        """What is known of a request's order. Raises Unreadable, StoreError."""
        name = order_id_of(client_id)
        orders = await self._link.fresh()
        missing = self._following.see(orders)
        known = self._notebook.find(name) or self._adopted(client_id, orders, orders.rows)
        if known is None or missing or not (known.over or find(known, orders.rows)):
            history = await self._link.history()
            orders = await self._link.look()
            known = known or self._adopted(client_id, orders, history)
            self._following.past(orders, history)
            known = self._notebook.find(name) or known
        if known is None or not _is_there(known):
            return Lookup(presence=Presence.UNPROVEN, reason=_NOT_SEEN)
        there = Acknowledged(
            broker=self._broker, client_id=known.client_id, broker_order_id=known.broker_order_id
        )
        return Lookup(presence=Presence.FOUND, reports=(there, *self._notebook.told_of(name)))

    def _adopted(self, client_id: str, orders: Orders, rows: dict[str, Row]) -> Known | None:
        """An order that the notebook has lost, as far as the terminal tells it."""
        sought = Known(
            name=order_id_of(client_id),
            client_id=client_id,
            symbol="",
            theirs="",
            side="",
            type="",
            quantity=ZERO,
            unit=ZERO,
            magic=magic_of(client_id),
            comment=comment_of(client_id),
            steps=[],
        )
        for symbol, theirs in self._settings.symbols.items():
            sought.symbol, sought.theirs = symbol, theirs
            found = find(sought, rows)
            if found is None:
                continue
            ticket, row = found
            try:
                sought.unit = unit_of(symbol, self._settings, self._catalogue)
            except Refused as error:
                raise Unreadable(str(error)) from None
            sought.type, sought.quantity = row.type, plain(row.lots * sought.unit)
            sought.steps = [Step(lots=row.lots, state="done", ticket=ticket)]
            self._notebook.keep(sought)
            self._following.see(orders)
            return self._notebook.find(sought.name)
        return None


def _is_there(known: Known) -> bool:
    """Whether something of it was seen at the terminal."""
    return any(step.state == "done" for step in known.steps)
