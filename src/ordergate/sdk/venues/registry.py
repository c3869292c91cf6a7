"""Which broker is behind a venue's name.

A broker of that name, or the one that is said to be; else, of the venues that are known, a paper venue: exchanges have
one each, protocols and wallets together the one called `wallet`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.bootstrap import Gate
from ordergate.bootstrap.simulating import simulate
from ordergate.domain.errors import OrdergateError, quoted
from ordergate.domain.operations import Operation
from ordergate.sdk.venues.names import VENUES, WALLET, VenueType, canonical, known_as

_WALLETS: Final = (WALLET, "alchemy", "instadapp")
"""Who does an operation there leaves to the wallet which protocol it is done at."""
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_OF_CHAINS: Final = frozenset(Operation) - {Operation.SPOT_TRADE, Operation.PERP_TRADE}


class NoVenue(OrdergateError):
    """No broker has that name, and no venue is known by it."""


class Place(Struct, frozen=True):
    """Where an order goes.

    Attributes:
        venue: as it is known.
        broker: the name of the broker behind it.
        simulated: that is a paper venue.
    """

    venue: str
    broker: str
    simulated: bool

    @property
    def protocol(self) -> str | None:
        """The venue, where it is a protocol at which the broker does things."""
        return None if self.venue in (self.broker, *_WALLETS) else self.venue


async def place_of(gate: Gate, venue: str, brokers: Mapping[str, str]) -> Place:
    """The broker behind a venue; a paper venue is begun where the venue is known and none is configured.

    Args:
        brokers: by a venue's one name, those that have another name.

    Raises:
        NoVenue: there is none.
    """
    name = canonical(venue)
    broker = _configured(gate, venue, brokers)
    if broker is None:
        if name not in VENUES:
            known = ", ".join(sorted(gate.brokers.keys() | VENUES))
            raise NoVenue(f"{quoted(venue)} is no broker and no known venue; there are {known}")
        broker = name if VENUES[name] is VenueType.CEX else WALLET
        await simulate(gate, broker)
    return Place(
        venue=known_as(venue, broker), broker=broker, simulated=isinstance(gate.brokers[broker], PaperBroker)
    )


def target_of(gate: Gate, place: Place, target: str, brokers: Mapping[str, str]) -> str:
    """Where a transfer goes, as brokers are told: a venue by its broker's name, an address as it is.

    What else there is, such as names that its settings have, a real broker knows itself.

    Args:
        place: where it starts.

    Raises:
        NoVenue: several brokers are called so; or it is simulated, and there is no such place.
    """
    name = canonical(target)
    found = brokers.get(name) or _called(gate, target) or name
    there = found in gate.brokers or found in VENUES or _ADDRESS.fullmatch(found)
    if place.simulated and not there:
        known = ", ".join(sorted(gate.brokers.keys() | VENUES))
        detail = f"{quoted(found)} is no broker, no known venue and no address (0x and 40 hexadecimal digits)"
        raise NoVenue(f"{detail}; there are {known}")
    return found


def _configured(gate: Gate, venue: str, brokers: Mapping[str, str]) -> str | None:
    name = canonical(venue)
    said = brokers.get(name)
    if said in gate.brokers:
        return said
    if said not in (None, name):
        raise NoVenue(f"{quoted(said)}, said to be behind {quoted(venue)}, is no broker")
    called = _called(gate, venue)
    if called is not None or VENUES.get(name, VenueType.CEX) is VenueType.CEX:
        return called
    return _only(venue, [broker for broker in gate.brokers if _is_wallet(gate, broker)])


def _called(gate: Gate, venue: str) -> str | None:
    """The broker of a venue's name: as it is written, as it is known, or written otherwise."""
    name = canonical(venue)
    for exactly in (venue, name):
        if exactly in gate.brokers:
            return exactly
    return _only(venue, [broker for broker in gate.brokers if canonical(broker) == name])


def _only(venue: str, brokers: Sequence[str]) -> str | None:
    if len(brokers) > 1:
        said = f"brokers={{{canonical(venue)!r}: NAME}}"
        raise NoVenue(f"{quoted(venue)} is done by one of {', '.join(brokers)}: say which, by {said}")
    return next(iter(brokers), None)


def _is_wallet(gate: Gate, name: str) -> bool:
    """Whether a broker does operations of chains, and for real."""
    broker = gate.brokers[name]
    return not isinstance(broker, PaperBroker) and not broker.capabilities.operations.isdisjoint(_OF_CHAINS)
