"""The ClickHouse of the tests, as an unmodified client sees it."""

import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.services.clickhouse import ClickHouse

pytest.importorskip("chdb")

from clickhouse_connect.driver.exceptions import DatabaseError, Error

TABLE = "CREATE TABLE t (a UInt32, b Nullable(Decimal(38, 18)), c DateTime64(3, 'UTC'), d LowCardinality(String), e Array(String)) ENGINE MergeTree ORDER BY a"
AT = datetime(2024, 1, 2, 3, 4, 5, 6000, UTC)


@pytest.mark.parametrize("compress", [True, False, "gzip"])
def test_what_is_inserted_is_read(clickhouse: ClickHouse, compress: bool | str) -> None:
    with clickhouse.client(compress=compress, tz_mode="aware") as client:
        client.command(TABLE)
        rows = [(1, Decimal("1.000000000000000001"), AT, "tab\tquote'", ["x"]), (2, None, AT, "é", [])]
        client.insert("t", rows, column_names=["a", "b", "c", "d", "e"])
        found = client.query("SELECT * FROM t ORDER BY a").result_rows
        assert [tuple(row) for row in found] == rows
        asked = {"least": 2, "name": "é'"}
        one = client.query(
            "SELECT a FROM t WHERE a >= {least:UInt32} AND d != {name:String}", parameters=asked
        )
        assert one.result_rows == [(2,)]
        assert client.query("SELECT a FROM t WHERE d = %(d)s", parameters={"d": "é"}).result_rows == [(2,)]
        assert client.command("SELECT count() FROM t") == 2
        assert client.raw_query("SELECT a FROM t ORDER BY a", fmt="TSV") == b"1\n2\n"
        client.raw_insert("t", ["a", "c"], b"3\t2024-01-01 00:00:00\n", fmt="TSV")
        client.command("INSERT INTO t (a) VALUES (4)")
        assert clickhouse.ask("SELECT count() FROM t") == [["4"]]
        assert client.query("SELECT * FROM t LIMIT 0").column_names == ("a", "b", "c", "d", "e")


def test_errors_are_the_servers(clickhouse: ClickHouse) -> None:
    with clickhouse.client() as client:
        for statement, code in (("SELECT * FROM nosuch", 60), ("SELEC 1", 62), ("SELECT nosuch", 47)):
            with pytest.raises(DatabaseError) as raised:
                client.query(statement)
            assert raised.value.code == code
        client.command(TABLE)
        with pytest.raises(DatabaseError, match="READONLY"):
            client.query("DROP TABLE t", settings={"readonly": 2})
        client.query("SELECT 1", settings={"readonly": 2, "max_threads": 1})
        client.query("SELECT 1")


def test_only_who_is_known_is_let_in(tmp_path: Path) -> None:
    server = ClickHouse(tmp_path, "gate", "pass word")
    try:
        with server.client() as client:
            assert client.command("SELECT 1") == 1
        with pytest.raises(DatabaseError, match="Authentication failed"):
            server.client(password="other")
    finally:
        server.kill()


@pytest.mark.slow
def test_data_outlive_it(own_clickhouse: ClickHouse) -> None:
    with own_clickhouse.client(connect_timeout=5) as client:
        client.command(TABLE)
        client.command("INSERT INTO t (a) VALUES (4)")
        own_clickhouse.kill()
        with pytest.raises(Error):
            client.query("SELECT a FROM t")
        own_clickhouse.start()
        assert client.query("SELECT a FROM t").result_rows == [(4,)]


def fails(client: Any, statement: str) -> bool:
    try:
        client.query(statement)
    except Exception:  # whatever the library raises
        return True
    return False


def test_it_misbehaves(clickhouse: ClickHouse) -> None:
    with clickhouse.client(send_receive_timeout=1) as client:
        client.command(TABLE)
        for word in ("rubbish", "page", "deaf", "slow-3"):
            clickhouse.mode(word)
            assert fails(client, "SELECT a FROM t"), word
            clickhouse.mode("well")
        clickhouse.mode("lost")
        with pytest.raises(Error):
            client.command("INSERT INTO t (a) VALUES (4)")
        clickhouse.mode("well")
        assert clickhouse.ask("SELECT DISTINCT a FROM t") == [["4"]]


def test_a_session_has_one_query_at_a_time(clickhouse: ClickHouse) -> None:
    with clickhouse.client(session_id="one") as client, clickhouse.client(session_id="two") as other:
        other.params["session_id"] = "one"
        clashed = list[bool]()
        slow = threading.Thread(target=lambda: clashed.append(fails(client, "SELECT sleep(0.5)")))
        slow.start()
        refused = False
        while slow.is_alive() and not refused:
            refused = fails(other, "SELECT 1")
        slow.join()
        refused = refused or clashed == [True]  # whichever came second
        assert refused
        assert not fails(other, "SELECT 1")
