"""Databases on a server that cannot be used: each gives one clear error, without a password."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.services.postgres import name_of

from ordergate.adapters.journals import stores
from ordergate.adapters.journals.database import open_journal as open_file
from ordergate.adapters.journals.location import locate, path_of, place_beside, safe_to_show, secrets_in
from ordergate.adapters.journals.postgres.setting_up import upgrade, version_at
from ordergate.adapters.journals.schema import REVISIONS
from ordergate.domain.errors import StoreError

ROOT = Path(__file__).parents[4]
SECRET = "hush%2Ffoo"


def opened(url, opening=stores.open_journal):
    async def main():
        journal = await opening(url)
        head = await journal.head()
        await journal.close()
        return head

    return asyncio.run(main())


def refused(url, match, opening=stores.open_journal):
    with pytest.raises(StoreError, match=match) as caught:
        opened(url, opening)
    error: BaseException | None = caught.value
    while error is not None:
        for secret in secrets_in(url):
            assert secret not in f"{error!r} {error}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hush@host:5433/db?sslmode=require", "postgresql://me@host:5433/db?sslmode=require"),
        ("postgres://host/db?user=me&password=hush", "postgres://host/db?user=me"),
        ("postgresql://me@/db?host=/run/pg", "postgresql://me@/db?host=/run/pg"),
        ("postgresql://me:hu%40sh@a:1,b:2/db", "postgresql://me@a:1,b:2/db"),
        ("postgresql://me:hush@[::1]:5433/db?host=a,b", "postgresql://me@[::1]:5433/db?host=a,b"),
        ("postgresql://", "postgresql://"),
    ],
)
def test_a_password_is_never_shown(url, shown):
    found = locate(url)
    assert (found.kind, found.path, found.shown) == ("server", None, shown)
    assert path_of(url) is None
    assert "hush" not in found.shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://[bad:hush@",
        "postgresql://me:hu@hush@host/db",
        "postgresql://me:1/hush@host/db",
        "postgresql://me:1?hush@host/db",
        "postgresql://me:1#hush@host/db",
        "postgresql://me:hush/db",
    ],
)
def test_a_url_that_drivers_read_otherwise_is_refused_and_hardly_shown(url):
    assert safe_to_show(url) == "postgresql://..."
    with pytest.raises(StoreError, match="%40 for @") as caught:
        locate(url)
    assert "hush" not in str(caught.value)


def test_other_urls_are_shown_as_they_are_but_for_a_password():
    assert safe_to_show("mysql://me:hush@host/db") == "mysql://me@host/db"
    for url in ("sqlite:///", "sqlite:///a?b#c@d", "orders.db"):
        assert safe_to_show(url) == url
    for text in ("me:hush@host/db", "host=h password=hush"):
        assert safe_to_show(text) == "..."


def test_a_journal_is_set_up_by_whoever_comes_first_and_read_by_others(database):
    refused(database, "there is no journal in .*migrate up", stores.open_reader)
    assert opened(database).size == 0
    assert opened(database, stores.open_reader).size == 0
    assert opened(database).size == 0


def test_it_is_no_file(database):
    with pytest.raises(StoreError, match="is no file"):
        open_file(database)


@pytest.mark.parametrize("opening", [stores.open_journal, stores.open_reader])
class TestErrors:
    def test_no_such_database(self, postgres, opening):
        refused(
            f"postgresql://oms:{SECRET}@/none?host={postgres.folder}", "no such database: make it", opening
        )

    def test_no_such_user(self, postgres, opening):
        refused(
            f"postgresql://none:{SECRET}@/postgres?host={postgres.folder}",
            "is not admitted|does not exist",
            opening,
        )

    def test_nobody_listens(self, tmp_path, opening):
        refused(f"postgresql://oms:{SECRET}@/db?host={tmp_path}", "is the server running", opening)
        refused(f"postgresql://oms:{SECRET}@127.0.0.1:1/db", "is the server running", opening)

    def test_no_url(self, opening):
        refused(f"postgresql://oms:{SECRET}@host:port/db", "write postgresql://", opening)
        refused(f"mysql://oms:{SECRET}@host/db", "no database URL known here", opening)

    def test_another_programs_database(self, postgres, database, opening):
        postgres.sql("CREATE TABLE orders (id int)", name_of(database))
        refused(database, "database of another program", opening)

    def test_a_newer_schema(self, postgres, database, opening):
        opened(database)
        postgres.sql("UPDATE alembic_version SET version_num = '9999'", name_of(database))
        refused(database, "newer than this program's .*: update ordergate", opening)

    def test_an_older_schema(self, postgres, database, opening):
        opened(database)
        postgres.sql("UPDATE alembic_version SET version_num = '0002'", name_of(database))
        refused(database, "ordergate migrate up", opening)


def test_a_wrong_password(postgres, database):
    """Where one is asked for."""
    hba = postgres.data / "pg_hba.conf"
    before = hba.read_text()
    postgres.sql("DROP ROLE IF EXISTS careful; CREATE ROLE careful LOGIN PASSWORD 'right'")
    try:
        hba.write_text(f"local all careful scram-sha-256\n{before}")
        postgres.sql("SELECT pg_reload_conf()")
        time.sleep(0.3)
        name = name_of(database)
        refused(f"postgresql://careful:{SECRET}@/{name}?host={postgres.folder}", "the password is wrong")
        refused(f"postgresql://careful@/{name}?host={postgres.folder}", "password")
    finally:
        hba.write_text(before)
        postgres.sql("SELECT pg_reload_conf()")


def test_missing_privileges(postgres, database):
    opened(database)
    postgres.sql("DROP ROLE IF EXISTS nosy; CREATE ROLE nosy LOGIN")
    refused(postgres.url(name_of(database), "nosy"), "the user may not do that: make it the owner")


def test_the_owner_himself_may_not_change_the_journal(postgres, database):
    postgres.sql("DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN")
    postgres.sql(f"ALTER DATABASE {name_of(database)} OWNER TO keeper")
    url = postgres.url(name_of(database), "keeper")
    opened(url)
    for way in ("UPDATE journal SET kind = 'x'", "DELETE FROM journal", "TRUNCATE journal"):
        with pytest.raises(AssertionError, match="permission denied for table journal"):
            postgres.sql(f"SET ROLE keeper; {way}", name_of(database))


def test_nodes_of_one_machine_share_a_key_whatever_their_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one = place_beside("postgresql://a:x@host/orders")
    assert one.parent == tmp_path / "ordergate"
    assert one.name.startswith("orders-")
    assert one == place_beside("postgresql://b@host/orders")
    assert (
        len(
            {
                place_beside(f"postgresql://a@{where}")
                for where in ("host/orders", "other/orders", "host/more")
            }
        )
        == 3
    )
    assert place_beside("sqlite://") is None


SETTING_UP = """
import asyncio, sys, time
from alembic.operations.ops import CreateTableOp
from ordergate.adapters.journals.postgres.setting_up import upgrade
create, left = CreateTableOp.create_table.__func__, [7]
def slow(cls, *args, **options):
    left[0] -= 1
    if not left[0]:
        print("midway", flush=True)
        time.sleep(60)
    return create(cls, *args, **options)
CreateTableOp.create_table = classmethod(slow)
asyncio.run(upgrade(sys.argv[1], "it"))
"""


@pytest.mark.slow
def test_a_set_up_that_is_killed_midway_leaves_nothing_and_the_next_one_resumes(postgres, database):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        [sys.executable, "-c", SETTING_UP, database], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout.readline() == "midway\n"
        assert asyncio.run(version_at(database, "it")) is None
        second = threading.Thread(target=lambda: asyncio.run(upgrade(database, "it")))
        second.start()
        second.join(0.7)
        assert second.is_alive()  # it waits for the first
        process.send_signal(signal.SIGKILL)
        second.join(10)
        assert not second.is_alive()
    finally:
        process.kill()
        process.communicate()
    assert asyncio.run(version_at(database, "it")) == REVISIONS[-1]
    assert opened(database).size == 0
