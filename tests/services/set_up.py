"""Database files that tests set up are copies of one that the migrations made: the same, for a tenth of the work.

Only empty databases are; one of an earlier version is migrated. Tests of the set-up itself use `migrating`.
"""

import sqlite3
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


@pytest.fixture(scope="session")
def _copying() -> tuple[Any, Any, Any]:
    # At the head of this module, what it imports would be read before coverage is measured.
    from ordergate.adapters.journals import migrate

    migrated = migrate.upgrade

    @cache
    def model() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        migrated(connection)
        return connection

    def copied(connection: sqlite3.Connection) -> None:
        if _is_empty(connection):
            model().backup(connection)
        else:
            migrated(connection)

    return migrate, migrated, copied


@pytest.fixture(autouse=True)
def quick_set_up(_copying: tuple[Any, Any, Any]) -> Iterator[None]:
    """Empty database files become copies."""
    module, migrated, copied = _copying
    module.upgrade = copied
    yield
    module.upgrade = migrated


@pytest.fixture
def migrating(quick_set_up: None, _copying: tuple[Any, Any, Any]) -> None:
    """Empty database files are set up by the migrations, as they are for users."""
    module, migrated, _copied = _copying
    module.upgrade = migrated
