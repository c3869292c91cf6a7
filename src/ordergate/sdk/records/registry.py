"""The registry's rows: `Account`, `Asset`, and `OrderManager`, whose intent orders refer to."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import StringConstraints
from sqlalchemy.orm import Session

from ordergate.sdk.records import statements
from ordergate.sdk.records.models import (
    STATUS_LENGTH,
    AccountTable,
    AssetTable,
    OrderManagerTable,
    Registered,
    new_uid,
)
from ordergate.sdk.records.rows import Document, Identifier, Moment, Payload, Row, Text

Name = Annotated[Text, StringConstraints(max_length=255)]
Status = Annotated[Text, StringConstraints(max_length=STATUS_LENGTH)]


class AccountUpdate(Payload):
    """What may change of an account."""

    account_name: Name | None = None
    is_paper: bool | None = None
    account_is_active: bool | None = None
    account_group_uid: uuid.UUID | None = None
    holdings_data_node_uid: uuid.UUID | None = None
    metadata_json: Document | None = None


class AccountCreate(AccountUpdate):
    """An account as it is made."""

    unique_identifier: Identifier


class AssetUpdate(Payload):
    """What may change of an asset."""

    metadata_json: Document | None = None


class AssetCreate(AssetUpdate):
    """An asset as it is made."""

    unique_identifier: Identifier


class OrderManagerUpdate(Payload):
    """What may change of an order manager: not who it is, nor for which account and when."""

    order_received_time: Moment | None = None
    execution_end: Moment | None = None
    status: Status | None = None
    metadata_json: Document | None = None


class OrderManagerCreate(OrderManagerUpdate):
    """An order manager as it is made."""

    unique_identifier: Identifier
    target_account_uid: uuid.UUID
    target_time: Moment


class OrderManagerUpsert(OrderManagerCreate):
    """As it is made, or written over what is there."""


class Account(Row):
    """An account; None of what nobody has said."""

    table: ClassVar[type[Registered]] = AccountTable
    creates: ClassVar[type[Payload]] = AccountCreate
    updates: ClassVar[type[Payload]] = AccountUpdate

    account_name: str | None = None
    is_paper: bool | None = None
    account_is_active: bool | None = None
    account_group_uid: uuid.UUID | None = None
    holdings_data_node_uid: uuid.UUID | None = None
    metadata_json: Document | None = None


class Asset(Row):
    """What is traded, or paid with."""

    table: ClassVar[type[Registered]] = AssetTable
    creates: ClassVar[type[Payload]] = AssetCreate
    updates: ClassVar[type[Payload]] = AssetUpdate

    metadata_json: Document | None = None


class OrderManager(Row):
    """Who wanted orders: a rebalance, a strategy, a desk.

    Attributes:
        unique_identifier: what orders name as their `order_manager`.
        target_account_uid: the account whose orders it wants; one that is not known yet is made, named by its uid.
        target_time: when it is meant to be done.
        order_received_time: when its orders were taken up.
        execution_end: when it was done.
        status: free text of at most 64 characters.
        metadata_json: what else is to be kept.
    """

    table: ClassVar[type[Registered]] = OrderManagerTable
    creates: ClassVar[type[Payload]] = OrderManagerCreate
    updates: ClassVar[type[Payload]] = OrderManagerUpdate

    target_account_uid: uuid.UUID
    target_time: Moment
    order_received_time: Moment | None = None
    execution_end: Moment | None = None
    status: str | None = None
    metadata_json: Document | None = None

    @classmethod
    def create_batch(cls, payload: Payload | Mapping[str, Any] | None = None, **values: Any) -> Self:
        """As `upsert`: a batch that is begun again is the same one."""
        return cls.upsert(payload, **values)

    @classmethod
    def prepare(cls, session: Session, supplied: Mapping[str, Any]) -> None:
        """Makes the account, where it is not known."""
        uid = supplied["target_account_uid"]
        register(session, AccountTable, [{"uid": uid, "unique_identifier": str(uid)}])


def register(session: Session, model: type[Registered], rows: Iterable[Mapping[str, Any]]) -> None:
    """Makes those rows of a registry that are not there yet; others stay as they are."""
    statement = statements.insert_unknown(model, rows, session.get_bind().dialect.name)
    if statement is not None:
        session.execute(statement)


def register_identifiers(session: Session, model: type[Registered], identifiers: Iterable[str]) -> None:
    """As `register`, by identifiers alone; each gets a uid."""
    chosen = sorted(set(identifiers))
    for start in range(0, len(chosen), 500):  # databases bound how many values a statement may have
        part = chosen[start : start + 500]
        register(session, model, [{"uid": new_uid(), "unique_identifier": name} for name in part])
