"""Which broker an order goes to: its own, else by the first rule of its fund that fits it, else its fund's.

Pure, from the order's terms, the fund and what is said of brokers. A rule names brokers in the order of failover: the
first that is not down gets a new order, and only what provably is not at one broker goes on to the next.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from ordergate.domain.instruments import AssetClass
from ordergate.domain.operations import Operation


class Route(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rule of a fund. What names nothing fits everything.

    Attributes:
        brokers: in the order of failover; at least one.
        asset_classes, symbols: of which instruments the order has to be.
        operations: which of them it has to do.
    """

    brokers: tuple[str, ...]
    asset_classes: tuple[AssetClass, ...] = ()
    operations: tuple[Operation, ...] = ()
    symbols: tuple[str, ...] = ()

    def fits(self, asset_class: AssetClass, operation: Operation, symbol: str) -> bool:
        """Whether an order is one that it is for."""
        wanted = (
            (self.asset_classes, asset_class),
            (self.operations, operation),
            (self.symbols, symbol),
        )
        return all(not named or one in named for named, one in wanted)


class Routed(Struct, frozen=True, gc=False):
    """Where an order goes.

    Attributes:
        route: the brokers of the rule that chose, in the order of failover; None where no rule chose.
    """

    broker: str
    route: tuple[str, ...] | None = None


class RerouteOrder(Struct, frozen=True, gc=False, kw_only=True):
    """Move an order on that waits for a broker that takes none; the reason is told."""

    order_id: str
    reason: str


Down = Callable[[str], bool]


def routed(
    rules: tuple[Route, ...],
    default: str,
    asset_class: AssetClass,
    operation: Operation,
    symbol: str,
    is_down: Down,
) -> Routed:
    """Where a new order goes that names no broker.

    Args:
        rules: of its fund, of which the first that fits counts.
        default: the fund's broker.
        is_down: whether a broker takes no orders now, as far as is known. Where all of a rule do, the order waits for
            the first.
    """
    for rule in rules:
        if rule.fits(asset_class, operation, symbol):
            up = (broker for broker in rule.brokers if not is_down(broker))
            return Routed(next(up, rule.brokers[0]), rule.brokers)
    return Routed(default)


def routed_along(broker: str, route: tuple[str, ...] | None, is_down: Down) -> Routed:
    """Where a slice of an order goes: to its broker, or where that is down, to the next of its route that is not.

    Args:
        broker, route: the order's.
    """
    up = (one for one in (broker, *later(route, broker)) if not is_down(one))
    return Routed(next(up, broker), route)


def later(route: tuple[str, ...] | None, broker: str) -> Iterator[str]:
    """The brokers that come after one in a route; it never goes back, so an order changes brokers only so often."""
    if route is not None and broker in route:
        yield from route[route.index(broker) + 1 :]
