"""The repository's operations, and the services over them."""

import datetime as dt
import uuid

import pytest

from ordergate.sdk.records import OrderManager, repositories, services
from ordergate.sdk.records.database import writing

AT = dt.datetime(2026, 5, 26, tzinfo=dt.UTC)
ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def make(name: str, account: uuid.UUID = ONE, **more: object) -> OrderManager:
    return services.create_order_manager(
        unique_identifier=name, target_account_uid=account, target_time=AT, **more
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["100%-a", "Batch-B", "É-c"]),
        ({"target_account_uid": TWO}, ["Batch-B"]),
        ({"status": "done"}, ["100%-a"]),
        ({"status": ""}, ["100%-a", "Batch-B", "É-c"]),
        ({"unique_identifier_contains": "bATCH"}, ["Batch-B"]),
        ({"unique_identifier_contains": "0%"}, ["100%-a"]),
        ({"unique_identifier_contains": "%b"}, []),
        ({"unique_identifier_contains": "_"}, []),
        ({"unique_identifier_contains": ""}, ["100%-a", "Batch-B", "É-c"]),
        ({"unique_identifier_contains": "-", "status": "done", "target_account_uid": ONE}, ["100%-a"]),
        ({"limit": 2}, ["100%-a", "Batch-B"]),
    ],
)
def test_search(asked: dict, found: list[str]) -> None:
    make("Batch-B", TWO)
    make("100%-a", status="done")
    make("É-c")
    assert [manager.unique_identifier for manager in services.search_order_managers(**asked)] == found


def test_search_of_both_databases_alike(at: str) -> None:
    make("Batch-B")
    assert len(services.search_order_managers(unique_identifier_contains="batch-b")) == 1
    assert services.search_order_managers(unique_identifier_contains="%") == []


def test_accents_in_either_case_are_found_in_sqlite() -> None:
    make("É-c")
    assert len(services.search_order_managers(unique_identifier_contains="é")) == 1


def test_no_search_is_without_a_bound() -> None:
    with pytest.raises(ValueError, match="limit 0 must be"):
        services.search_order_managers(limit=0)


def test_services_make_and_change_but_never_delete() -> None:
    made = make("a")
    assert services.update_order_manager(made.uid, status="done").status == "done"
    assert not [name for name in vars(services) if "delete" in name]


def test_operations_run_on_any_connection(at: str) -> None:
    make("account's")
    values = {"unique_identifier": "a", "target_account_uid": ONE, "target_time": AT}
    with writing() as session:
        made = session.execute(repositories.build_create_order_manager_operation(values)).mappings().one()
        changed = repositories.build_update_order_manager_operation(made["uid"], {"status": "x"})
        assert session.execute(changed).mappings().one()["status"] == "x"
        asked = repositories.build_search_order_manager_operation(status="x")
        assert [row.uid for row in session.execute(asked)] == [made["uid"]]
        assert session.scalar(repositories.build_delete_order_manager_operation(made["uid"])) == made["uid"]
        assert session.execute(asked).all() == []
