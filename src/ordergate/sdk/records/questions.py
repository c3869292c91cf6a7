"""What people ask of the records: who emitted an order, for which account and asset, and what was observed of it."""

from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ordergate.domain.errors import Code, NotFound, quoted
from ordergate.sdk.records.database import reading
from ordergate.sdk.records.execution import OrderEventsTS, OrdersTS, TradesTS
from ordergate.sdk.records.registry import Account, Asset, OrderManager

Seen = TypeVar("Seen", OrderEventsTS, TradesTS)


class Target(NamedTuple):
    """What an order is about."""

    account: Account
    asset: Asset


class Observed(NamedTuple):
    """What was seen of an order, oldest first."""

    events: list[OrderEventsTS]
    trades: list[TradesTS]


def manager_of(order_identifier: str) -> OrderManager | None:
    """Which manager or strategy emitted an order; None where the order names none.

    Raises:
        NotFound: the records have no such order.
        StoreError: they cannot be used.
    """
    name = _order(order_identifier).order_manager_identifier
    return OrderManager.get_by_unique_identifier(name) if name else None


def target_of(order_identifier: str) -> Target:
    """Which account and asset an order is about. Raises as `manager_of`."""
    order = _order(order_identifier)
    account = Account.get_by_unique_identifier(order.account_identifier)
    asset = Asset.get_by_unique_identifier(order.asset_identifier)
    if account is None or asset is None:  # a database that does not keep its references
        raise NotFound(
            Code.ORDER_NOT_FOUND,
            f"account {order.account_identifier!r} or asset {order.asset_identifier!r} of order "
            f"{quoted(order_identifier)} is not registered",
        )
    return Target(account, asset)


def observed_of(order_identifier: str) -> Observed:
    """Which events and trades of an order were observed; also of one that the records do not have as an order.

    Raises:
        StoreError: the records cannot be used.
    """
    with reading() as session:
        return Observed(
            events=_all(session, OrderEventsTS, order_identifier),
            trades=_all(session, TradesTS, order_identifier),
        )


def _all(session: Session, table: type[Seen], order: str) -> list[Seen]:
    found = sa.select(table).where(table.order_identifier == order)
    return list(session.scalars(found.order_by(*(getattr(table, name) for name in table.index_names))))


def _order(order_identifier: str) -> OrdersTS:
    """The last that was seen under that name."""
    wanted = sa.select(OrdersTS).where(OrdersTS.order_identifier == order_identifier)
    with reading() as session:
        order = session.scalars(wanted.order_by(OrdersTS.order_time.desc()).limit(1)).first()
    if order is None:
        raise NotFound(
            Code.ORDER_NOT_FOUND, f"the records have no order {quoted(order_identifier)}: they may yet be fed"
        )
    return order
