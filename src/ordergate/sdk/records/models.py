"""The registry's tables: accounts and assets that facts refer to, and order managers, who want orders.

An order manager is an intent: what a rebalance, a strategy or a desk set out to do, of an account, by a time.
"""

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ordergate.sdk.records.base import JSON_DOCUMENT, Base, Timestamp

IDENTIFIER_LENGTH = 255
STATUS_LENGTH = 64


def new_uid() -> uuid.UUID:
    """A fresh uid, at random."""
    return uuid.uuid4()  # noqa: TID251 - no part of what is journalled, so none that must repeat


class Registered(Base):
    """A table whose rows have an identifier that somebody chose, beside the `uid` that is never chosen.

    Attributes:
        uid: primary key; stays as it is through every upsert.
        unique_identifier: at most 255 characters.
    """

    __abstract__ = True

    uid: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, default=new_uid, sort_order=-2)
    unique_identifier: Mapped[str] = mapped_column(
        sa.String(IDENTIFIER_LENGTH), unique=True, index=True, sort_order=-1
    )


class AccountTable(Registered):
    """Accounts. None of a flag or the name: nobody has said it."""

    identifier = "Account"

    account_name: Mapped[str | None] = mapped_column(sa.String(255))
    is_paper: Mapped[bool | None]
    account_is_active: Mapped[bool | None]
    account_group_uid: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid)
    holdings_data_node_uid: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid)
    metadata_json: Mapped[dict[str, Any] | None] = mapped_column(JSON_DOCUMENT)


class AssetTable(Registered):
    """What is traded, and what is paid with."""

    identifier = "Asset"

    metadata_json: Mapped[dict[str, Any] | None] = mapped_column(JSON_DOCUMENT)


class OrderManagerTable(Registered):
    """Who wanted orders, of which account, and how far that is.

    Attributes:
        target_time: when it is meant to be done.
        status: free text; nothing follows from it.
    """

    identifier = "OrderManager"

    target_account_uid: Mapped[uuid.UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey(AccountTable.uid, ondelete="CASCADE"), index=True
    )
    target_time: Mapped[dt.datetime] = mapped_column(Timestamp)
    order_received_time: Mapped[dt.datetime | None] = mapped_column(Timestamp)
    execution_end: Mapped[dt.datetime | None] = mapped_column(Timestamp)
    status: Mapped[str | None] = mapped_column(sa.String(STATUS_LENGTH), index=True)
    metadata_json: Mapped[dict[str, Any] | None] = mapped_column(JSON_DOCUMENT)
