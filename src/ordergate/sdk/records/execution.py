"""Tables of what was observed: orders, what happened to them, and trades; each row has its place in time.

A shape is a subclass of `TimeIndexed` with the columns that it keeps. The three here are what was seen and not how
it is seen: rows name accounts, assets and managers by their identifiers, and others' ids (of brokers, venues, trades)
are plain text, since a stream may tell of them before anything is registered. `order_identifier` has an index of its
own, for that is what people ask by.
"""

import datetime as dt
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from ordergate.sdk.records.base import JSON_DOCUMENT, Base, Timestamp, physical_name

LONGEST_IDENTIFIER = 255


def refers_to(identifier: str) -> sa.ForeignKey:
    """A reference to a registered row by its `unique_identifier`, which keeps it from being deleted.

    Args:
        identifier: of the table, such as `Account`.
    """
    return sa.ForeignKey(f"{physical_name(identifier)}.unique_identifier", ondelete="RESTRICT")


class TimeIndexed(Base):
    """A table whose rows are found by a time and what happened then.

    Attributes:
        index_names: the columns that together name a row, the time first; no two rows have the same.
    """

    __abstract__ = True

    index_names: ClassVar[tuple[str, ...]]

    @declared_attr.directive
    def __table_args__(cls) -> tuple[sa.Index, ...]:  # noqa: N805
        return (sa.Index(f"uq_{physical_name(cls.identifier)}", *cls.index_names, unique=True),)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        return {"primary_key": list(cls.index_names)}


def _account() -> Any:
    return mapped_column(sa.String(LONGEST_IDENTIFIER), refers_to("Account"), nullable=False)


def _asset(*, nullable: bool = False) -> Any:
    return mapped_column(sa.String(LONGEST_IDENTIFIER), refers_to("Asset"), nullable=nullable)


def _manager() -> Any:
    return mapped_column(sa.String(LONGEST_IDENTIFIER), refers_to("OrderManager"), nullable=True)


def _time(*, nullable: bool = False) -> Any:
    return mapped_column(Timestamp(), nullable=nullable)


def _text(*, nullable: bool = True) -> Any:
    return mapped_column(sa.String(), nullable=nullable)


def _order(*, nullable: bool) -> Any:
    return mapped_column(sa.String(), nullable=nullable, index=True)


def _number() -> Any:
    return mapped_column(sa.Double(), nullable=True)


def _sign() -> Any:
    return mapped_column(sa.BigInteger(), nullable=True)


def _document() -> Any:
    return mapped_column(JSON_DOCUMENT, nullable=True)


class OrdersTS(TimeIndexed):
    """An order as it was last seen; `order_side` is +1 for a buy and -1 for a sale."""

    identifier = "OrdersTS"
    index_names = ("order_time", "order_identifier", "account_identifier", "asset_identifier")

    order_time: Mapped[dt.datetime] = _time()
    order_identifier: Mapped[str] = _order(nullable=False)
    account_identifier: Mapped[str] = _account()
    order_manager_identifier: Mapped[str | None] = _manager()
    asset_identifier: Mapped[str] = _asset()
    order_remote_id: Mapped[str | None] = _text()
    client_order_id: Mapped[str | None] = _text()
    order_type: Mapped[str | None] = _text()
    order_side: Mapped[int | None] = _sign()
    quantity: Mapped[float | None] = _number()
    status: Mapped[str | None] = _text()
    filled_quantity: Mapped[float | None] = _number()
    filled_price: Mapped[float | None] = _number()
    expires_time: Mapped[dt.datetime | None] = _time(nullable=True)
    limit_price: Mapped[float | None] = _number()
    time_in_force: Mapped[str | None] = _text()
    comments: Mapped[str | None] = _text()
    venue_metadata: Mapped[Any] = _document()


class OrderEventsTS(TimeIndexed):
    """Something that happened to an order; it need not be known otherwise."""

    identifier = "OrderEventsTS"
    index_names = ("event_time", "order_identifier")

    event_time: Mapped[dt.datetime] = _time()
    order_identifier: Mapped[str] = _order(nullable=False)
    order_status: Mapped[str | None] = _text()
    event_metadata: Mapped[Any] = _document()


class TradesTS(TimeIndexed):
    """A trade; `trade_side` is +1 for a buy and -1 for a sale, and its order need not be known."""

    identifier = "TradesTS"
    index_names = ("trade_time", "trade_identifier", "account_identifier", "asset_identifier")

    trade_time: Mapped[dt.datetime] = _time()
    trade_identifier: Mapped[str] = _text(nullable=False)
    account_identifier: Mapped[str] = _account()
    order_identifier: Mapped[str | None] = _order(nullable=True)
    asset_identifier: Mapped[str] = _asset()
    trade_side: Mapped[int | None] = _sign()
    quantity: Mapped[float | None] = _number()
    price: Mapped[float | None] = _number()
    commission: Mapped[float | None] = _number()
    commission_asset_identifier: Mapped[str | None] = _asset(nullable=True)
    settlement_cost: Mapped[float | None] = _number()
    settlement_asset_identifier: Mapped[str | None] = _asset(nullable=True)
    comments: Mapped[str | None] = _text()
    venue_metadata: Mapped[Any] = _document()
