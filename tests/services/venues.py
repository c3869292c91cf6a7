"""A database for paper venues; it is cleared for every test, which is quicker than making one."""

from collections.abc import Iterator

import pytest

from tests.services.postgres import Postgres, name_of

_CLEAR = """DO $$ DECLARE found text; BEGIN
    FOR found IN SELECT nspname FROM pg_namespace WHERE nspname LIKE 'paper\\_%' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', found);
    END LOOP;
END $$"""


@pytest.fixture(scope="session")
def _venues(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def venues(postgres: Postgres, _venues: str) -> Iterator[str]:
    """The URL of a database without a venue."""
    yield _venues
    postgres.sql(_CLEAR, name_of(_venues))
