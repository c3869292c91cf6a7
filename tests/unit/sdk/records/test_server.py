"""Records in PostgreSQL: what a URL means, and what is said of a server that refuses, is silent or breaks off."""

import datetime as dt
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ordergate.application.ports.secrets import Secret
from ordergate.domain.errors import StoreError
from ordergate.sdk import records
from ordergate.sdk.records import Account, Asset, Orders, server
from ordergate.sdk.records.database import reading, writing
from tests.services.postgres import NoPostgres, Postgres, give, name_of, postgres_server

PASSWORD, WRITTEN = "h@sh:41%", "h%40sh%3A41%25"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "means"),
    [("postgresql://it:p%40%2Fw@db:6000/r", {"user": "it", "password": Secret("p@/w"), "host": "db", "port": 6000, "database": "r"}),
     ("postgres://it@[::1]/r", {"host": "::1", "port": 5432, "password": Secret("")}),
     ("postgresql://it@/r?host=/run/pg&port=6001&sslmode=require",
      {"unix_sock": "/run/pg/.s.PGSQL.6001", "host": None, "ssl_context": False}),
     ("postgresql:///r?user=it&password=p%40&host=db&application_name=x",
      {"user": "it", "password": Secret("p@"), "host": "db", "application_name": "x", "ssl_context": None}),
     ("postgresql://it@db", {"database": "it", "application_name": "ordergate"}),
     ("postgresql://it@db/r?sslmode=disable", {"ssl_context": False})],
)  # fmt: skip
def test_what_a_url_means(url: str, means: dict) -> None:
    given = server._arguments(url)
    assert {name: given[name] for name in means} == means


def test_variables_stand_in_for_what_a_url_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGUSER": "it", "PGPASSWORD": "p", "PGSSLMODE": "verify-full"}.items():
        monkeypatch.setenv(name, value)
    given = server._arguments("postgresql://db/r")
    assert (given["user"], given["password"]) == ("it", Secret("p"))
    assert (given["ssl_context"].verify_mode, given["ssl_context"].check_hostname) == (
        ssl.CERT_REQUIRED,
        True,
    )


@pytest.mark.parametrize(
    ("mode", "verified", "by_name"),
    [("require", ssl.CERT_NONE, False), ("verify-ca", ssl.CERT_REQUIRED, False), ("verify-full", ssl.CERT_REQUIRED, True)],
)  # fmt: skip
def test_what_an_sslmode_checks(mode: str, verified: ssl.VerifyMode, by_name: bool) -> None:
    context = server._arguments(f"postgresql://it@db/r?sslmode={mode}")["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (verified, by_name)


@pytest.mark.parametrize(
    ("asked", "says"),
    [("sslmode=always", "sslmode is 'always': there are disable,"),
     ("sslcrl=x", "sslcrl is not known of records"),
     ("sslmode=require&sslrootcert=/no/such.pem", "a certificate or key cannot be used"),
     ("host=a,b", "records have one host")],
)  # fmt: skip
def test_what_a_url_cannot_say(asked: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as told:
        records.start_engine(f"postgresql://it:hush@/r?password=mum&{asked}")
    assert not {"hush", "mum"} & set(str(told.value).replace("=", " ").split())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Postgres, str, Path]]:
    """A server that asks for a password and has TLS: itself, what its URLs have behind the user, and its authority."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    try:
        running = postgres_server(settings=("listen_addresses=127.0.0.1", f"port={port}"))
        postgres = running.__enter__()
    except NoPostgres as missing:
        pytest.skip(str(missing))
    try:
        authority = tmp_path_factory.mktemp("tls") / "root.pem"
        _certify(postgres.data, authority)
        (postgres.data / "pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        for said in (f"CREATE ROLE it LOGIN PASSWORD '{PASSWORD}'", "CREATE DATABASE r OWNER it",
                     "ALTER DATABASE r SET datestyle = 'SQL, DMY'", "ALTER DATABASE r SET timezone = 'Asia/Kolkata'",
                     "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"):  # fmt: skip
            _psql(postgres, port, said)
        _until(lambda: _psql(postgres, port, "SHOW ssl") == "on")
        yield postgres, f"127.0.0.1:{port}/r", authority
    finally:
        running.__exit__(None, None, None)


def _psql(postgres: Postgres, port: int, statement: str, database: str = "postgres") -> str:
    said = [
        postgres.bin / "psql",
        "-XqAt",
        "-h",
        postgres.folder,
        "-p",
        str(port),
        "-U",
        "oms",
        "-d",
        database,
    ]
    done = subprocess.run([*said, "-c", statement], capture_output=True, text=True, check=True, timeout=180)
    return done.stdout.strip()


def _until(holds: object) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def _certify(folder: Path, authority: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "db.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    for place in (authority, folder / "server.crt"):
        place.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = folder / "server.key"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    secret.chmod(0o600)
    give(secret)
    give(folder / "server.crt")


def _ways(authority: Path) -> dict[str, bool | str]:
    checked = f"sslrootcert={authority}"
    return {
        "": True, "?sslmode=disable": False, "?sslmode=require": True,
        f"?sslmode=verify-ca&{checked}": True, f"?sslmode=require&{checked}": True,
        "?sslmode=verify-ca": "certificate verify failed", f"?sslmode=verify-full&{checked}": "certificate verify failed",
    }  # fmt: skip


@pytest.mark.slow
def test_tls_is_as_the_url_says(guarded: tuple) -> None:
    _, place, authority = guarded
    for asked, comes_to in _ways(authority).items():
        url = f"postgresql://it:{WRITTEN}@{place}{asked}"
        if isinstance(comes_to, str):
            with pytest.raises(StoreError, match=comes_to):
                records.start_engine(url)
            continue
        records.start_engine(url)
        with reading() as session:
            encrypted = session.scalar(sa.text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        assert encrypted is comes_to, asked


@pytest.mark.parametrize(
    "given", ["it:w%40rong@", "it@", "it:@", "it:hush@"], ids=["wrong", "none", "empty", "another"]
)
def test_a_password_that_is_wrong_is_told_and_not_shown(guarded: tuple, given: str) -> None:
    _, place, _ = guarded
    with pytest.raises(StoreError, match='password authentication failed for user "it"') as told:
        records.start_engine(f"postgresql://{given}{place}")
    assert not any(shown in str(told.value) for shown in ("hush", "w%40rong", "w@rong", "{"))


def test_a_password_behind_the_question_mark_and_in_a_variable(
    guarded: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place, _ = guarded
    with pytest.raises(StoreError) as told:
        records.start_engine(f"postgresql://it@{place}x?password={WRITTEN}")
    assert "does not exist" in str(told.value)
    assert WRITTEN not in str(told.value)
    assert WRITTEN not in str(records.start_engine(f"postgresql://it@{place}?password={WRITTEN}").url)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    records.start_engine(f"postgresql://it@{place}")


def test_times_are_the_same_whatever_the_database_has_for_others(guarded: tuple) -> None:
    _, place, _ = guarded
    records.start_engine(f"postgresql://it:{WRITTEN}@{place}")
    at = dt.datetime(1800, 2, 1, tzinfo=dt.UTC)
    uid = Account.upsert(unique_identifier="a").uid
    made = records.OrderManager.create_batch(unique_identifier="m", target_account_uid=uid, target_time=at)
    assert made.target_time == at


def test_what_the_server_cannot_do_is_its_trouble_and_told_in_words(postgres, database: str) -> None:
    records.start_engine(database)
    postgres.sql(f"ALTER DATABASE {name_of(database)} SET default_transaction_read_only = on")
    records.start_engine(database)
    with pytest.raises(
        StoreError, match=r"cannot be used: cannot execute INSERT in a read-only transaction \(25006\)"
    ):
        Account.upsert(unique_identifier="a")


def test_what_a_column_cannot_hold_is_a_mistake_of_who_wrote_it(database: str) -> None:
    records.start_engine(database)

    def write(name: str) -> None:
        with writing() as session:
            session.execute(sa.insert(records.AssetTable).values(unique_identifier=name))

    for name in ("a" * 256, "a\0"):
        with pytest.raises(ValueError, match="does not take what was to be written"):
            write(name)


def test_a_server_that_breaks_off_midway_is_told_and_found_again(database: str) -> None:
    records.start_engine(database)

    def break_off() -> None:
        with writing() as session:
            session.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(StoreError, match="the records cannot be used"):
        break_off()
    assert Account.upsert(unique_identifier="a").unique_identifier == "a"


def test_a_server_that_is_silent_is_taken_for_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ANSWER_S", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(StoreError, match=r"cannot be reached: .*timed out"),
    ):
        records.start_engine(f"postgresql://it@127.0.0.1:{silent.getsockname()[1]}/r?sslmode=disable")


def test_a_server_that_is_silent_midway_is_taken_for_lost(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.start_engine(database)
    monkeypatch.setattr(server, "ANSWER_S", 0.2)
    records.start_engine(database)

    def wait() -> None:
        with reading() as session:
            session.execute(sa.text("SELECT pg_sleep(5)"))

    with pytest.raises(StoreError, match="network error: timed out"):
        wait()
    assert Account.filter() == []


def test_a_server_that_is_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            with other.accept()[0] as line:
                line.sendall(b"N")
                line.recv(1_000)

        told = threading.Thread(target=answer)
        told.start()
        with pytest.raises(StoreError, match="cannot be reached"):
            records.start_engine(f"postgresql://it@127.0.0.1:{other.getsockname()[1]}/r")
        told.join()


def test_many_rows_are_few_statements(database: str) -> None:
    bound = records.start_engine(database)
    Account.upsert(unique_identifier="desk")
    Asset.upsert(unique_identifier="AAPL")
    at = dt.datetime(2026, 5, 26, tzinfo=dt.UTC)
    columns = [column.name for column in Orders.storage.__table__.columns]
    rows = [
        {"order_time": at, "order_identifier": f"o-{number}", "account_identifier": "desk",
         "asset_identifier": "AAPL", "quantity": float("inf"), "limit_price": 0.1 + 0.2, "order_side": 2**63 - 1,
         "comments": "100% of %s :b", "venue_metadata": {"raw": "\\u0000 \"", "n": [1, None]}}
        for number in range(1_500)
    ]  # fmt: skip
    told: list[str] = []
    sa.event.listen(bound, "before_cursor_execute", lambda _c, _d, statement, *_: told.append(statement))
    for _ in range(2):
        Orders().set_frame(pd.DataFrame(rows, columns=columns)).update()
    assert sum(statement.startswith("INSERT") for statement in told) == 4
    found = Orders().frame("polars").to_dicts()
    assert len(found) == 1_500
    row = found[0]
    assert (row["quantity"], row["limit_price"], row["order_side"]) == (float("inf"), 0.1 + 0.2, 2**63 - 1)
    assert (row["order_time"], row["comments"], row["expires_time"]) == (at, "100% of %s :b", None)
    assert row["venue_metadata"] == r'{"n": [1, null], "raw": "\\u0000 \""}'


def test_the_driver_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pg8000", None)
    with pytest.raises(StoreError, match=r"need pg8000: pip install 'ordergate\[records\]'"):
        records.start_engine(f"postgresql://it@127.0.0.1:1/r{os.getpid()}")
