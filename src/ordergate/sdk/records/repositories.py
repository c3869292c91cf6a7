"""Operations on order managers: statements, made here and run by whoever has a connection.

They neither check what they are given nor make accounts: `ordergate.sdk.records.services` does.
"""

import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from ordergate.sdk.records import statements
from ordergate.sdk.records.models import OrderManagerTable
from ordergate.sdk.records.rows import LIMIT, at_least_one


def build_create_order_manager_operation(values: Mapping[str, Any]) -> ReturningInsert[Any]:
    """Makes one, and returns it; `values` by column."""
    return statements.insert(OrderManagerTable, values)


def build_search_order_manager_operation(
    target_account_uid: uuid.UUID | None = None,
    status: str | None = None,
    unique_identifier_contains: str | None = None,
    limit: int = LIMIT,
) -> sa.Select[Any]:
    """Finds those for which all that was given holds, by identifier.

    Args:
        target_account_uid, status: equal; an empty status is none given.
        unique_identifier_contains: anywhere in the identifier, in upper or lower case.
        limit: at most so many.

    Raises:
        ValueError: a limit below 1.
    """
    table = OrderManagerTable
    conditions: list[sa.ColumnElement[bool]] = []
    if target_account_uid is not None:
        conditions.append(table.target_account_uid == target_account_uid)
    if status:
        conditions.append(table.status == status)
    if unique_identifier_contains:
        conditions.append(table.unique_identifier.icontains(unique_identifier_contains, autoescape=True))
    return statements.select_rows(table, conditions, at_least_one(limit))


def build_update_order_manager_operation(uid: uuid.UUID, values: Mapping[str, Any]) -> ReturningUpdate[Any]:
    """Writes columns of one, and returns it; at least one value."""
    return statements.update(OrderManagerTable, uid, values)


def build_delete_order_manager_operation(uid: uuid.UUID) -> ReturningDelete[Any]:
    """Deletes one, and returns its uid."""
    return statements.delete(OrderManagerTable, uid)
