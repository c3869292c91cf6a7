"""What is done with order managers by those who need no row class: made, found, changed. Never deleted."""

import uuid
from collections.abc import Mapping
from typing import Any

from ordergate.sdk.records.database import reading
from ordergate.sdk.records.registry import OrderManager
from ordergate.sdk.records.repositories import build_search_order_manager_operation
from ordergate.sdk.records.rows import LIMIT, Payload


def create_order_manager(payload: Payload | Mapping[str, Any] | None = None, **values: Any) -> OrderManager:
    """Makes one; its account too, where that is not known. Raises as `OrderManager.create`."""
    return OrderManager.create(payload, **values)


def search_order_managers(
    target_account_uid: uuid.UUID | None = None,
    status: str | None = None,
    unique_identifier_contains: str | None = None,
    limit: int = LIMIT,
) -> list[OrderManager]:
    """Those for which all that was given holds, as `build_search_order_manager_operation` says.

    Raises:
        ValueError: a limit below 1.
        StoreError: the database cannot be used.
    """
    statement = build_search_order_manager_operation(
        target_account_uid, status, unique_identifier_contains, limit
    )
    with reading() as session:
        return [OrderManager.model_validate(dict(row)) for row in session.execute(statement).mappings()]


def update_order_manager(
    uid: uuid.UUID | str, payload: Payload | Mapping[str, Any] | None = None, **values: Any
) -> OrderManager:
    """Writes what was said over one. Raises as `OrderManager.update`."""
    return OrderManager.update(uid, payload, **values)
