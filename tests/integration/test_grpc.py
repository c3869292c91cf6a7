"""The gRPC door of a real `ordergate serve`, through a client that knows what reflection tells it."""

import os
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.services.grpc import OMS, REFLECTION, Both, Client, Told, serving_grpc, serving_grpc_in
from tests.services.server import ROOT
from tests.services.sharded import TOML

ORDER: dict[str, Any] = {
    "idempotency_key": "key-1",
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "limit",
    "limit_price": "180.50",
    "tif": "gtc",
}


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory):
    with serving_grpc(tmp_path_factory.mktemp("grpc") / "orders.db") as both:
        yield both


@pytest.fixture
def client(doors: Both) -> Client:
    return doors.client


@pytest.fixture
def order(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One with a key of this test's own."""
    return ORDER | {"idempotency_key": request.node.name}


def refused(client: Client, method: str, fields: dict[str, Any], status: str, code: str) -> Told:
    with pytest.raises(Told) as caught:
        client.call(method, **fields)
    told = caught.value
    assert (told.status, told.code) == (status, code), (told.words, told.info)
    assert told.info.domain == "ordergate"
    assert told.info.metadata["request_id"] == told.trailing["x-request-id"]
    return told


def quote(doors: Both, symbol: str, bid: str, ask: str) -> None:
    with doors.served.client() as http:
        assert http.put(f"/v1/paper/quotes/{symbol}", json={"bid": bid, "ask": ask}).status_code == 200


def as_over_rest(doors: Both, path: str) -> dict[str, Any]:
    """What REST shows, less what a message leaves out: null, and what is empty."""
    with doors.served.client() as http:
        answer = http.get(path)
        assert answer.status_code == 200, answer.text
        return bare(answer.json())


def bare(shown: Any) -> Any:
    if isinstance(shown, list):
        return [bare(one) for one in shown]
    if not isinstance(shown, dict):
        return shown
    return {name: bare(value) for name, value in shown.items() if value not in (None, [], {}, False)}


def numbers(shown: Any) -> Any:
    """64-bit integers are text in the JSON of messages."""
    return shown | {"version": int(shown["version"])} if "version" in shown else shown


def test_reflection_lists_what_there_is(client: Client) -> None:
    assert {OMS, REFLECTION, "grpc.health.v1.Health"} <= set(client.services)
    assert set(client.service.methods_by_name) == {
        "Submit", "Cancel", "Replace", "GetOrder", "ListOrders", "GetPositions", "CheckRisk", "StreamUpdates"
    }  # fmt: skip


def test_an_order_from_end_to_end_looks_as_over_rest(doors: Both, client: Client, order: Any) -> None:
    quote(doors, "MSFT", "190.40", "190.50")
    made = client.call("Submit", **order | {"symbol": "MSFT"})
    order_id = made["order_id"]
    resting = until(client, order_id, "pending", None)
    assert (resting["state"], resting["leaves_quantity"]) == ("SUBMITTED", "100")
    assert numbers(resting) == as_over_rest(doors, f"/v1/orders/{order_id}")
    changed = client.call("Replace", order_id=order_id, version=resting["version"], quantity="50")
    assert int(changed["version"]) > int(resting["version"])
    until(client, order_id, "quantity", "50")
    quote(doors, "MSFT", "180.30", "180.40")
    closed = until(client, order_id, "state", "CLOSED")
    assert (closed["filled_quantity"], closed["average_price"]) == ("50", "180.4")
    assert numbers(closed) == as_over_rest(doors, f"/v1/orders/{order_id}")
    [position] = client.call("GetPositions", fund_id="paper-momentum", symbol="MSFT")["items"]
    assert (position["quantity"], position["lots"][0]["remaining"]) == ("50", "50")
    [over_rest] = as_over_rest(doors, "/v1/positions?fund_id=paper-momentum&symbol=MSFT")["items"]
    assert position == over_rest
    assert order_id in [one["order_id"] for one in client.call("ListOrders", symbol="MSFT")["items"]]


def until(client: Client, order_id: str, name: str, value: Any) -> dict[str, Any]:
    """The order, once a field has that value: told of by a stream, never by a clock."""
    for update in client.updates(after=-1, heartbeat_s=1):
        if update.get("order", {}).get("order_id") == order_id and update["order"].get(name) == value:
            return client.call("GetOrder", order_id=order_id)
    raise AssertionError


def test_the_journal_knows_who_asked_through_which_door(doors: Both, client: Client, order: Any) -> None:
    metadata = (("x-request-id", "req-of-mine"), ("x-ordergate-principal", "desk-7"))
    made, trailing = client.send("Submit", client.message("Submit", order), metadata=metadata)
    assert trailing["x-request-id"] == "req-of-mine"
    with doors.served.client() as http:
        told = http.get(f"/v1/orders/{made['order_id']}/timeline").json()["items"]
    assert (told[0]["source"], told[0]["principal"]) == ("grpc", "desk-7")


def test_the_same_key_is_the_same_order_at_both_doors(doors: Both, client: Client, order: Any) -> None:
    made = client.call("Submit", **order)
    again, trailing = client.send("Submit", client.message("Submit", order))
    assert (again["order_id"], trailing["idempotent-replayed"]) == (made["order_id"], "true")
    with doors.served.client() as http:
        over_rest = http.post("/v1/orders", json=order)
    assert (over_rest.status_code, over_rest.json()["order_id"]) == (200, made["order_id"])
    told = refused(client, "Submit", order | {"quantity": "101"}, "ALREADY_EXISTS", "idempotency_key_reused")
    assert (told.info.metadata["outcome"], told.info.metadata["retry"]) == ("not_sent", "never")


def test_a_cancel_is_for_good(client: Client, order: Any) -> None:
    order_id = client.call("Submit", **order)["order_id"]
    client.call("Cancel", order_id=order_id, reason="changed my mind")
    assert until(client, order_id, "state", "CANCELED")["order_id"] == order_id
    refused(client, "Cancel", {"order_id": order_id}, "FAILED_PRECONDITION", "order_finished")


def test_what_the_gate_refuses_is_kept_and_said(client: Client, order: Any) -> None:
    told = refused(
        client, "Submit", order | {"quantity": "90000000"}, "FAILED_PRECONDITION", "RISK_ORDER_NOTIONAL"
    )
    about = told.info.metadata
    assert (about["outcome"], about["retry"]) == ("rejected", "never")
    kept = client.call("GetOrder", order_id=about["order_id"])
    assert (kept["state"], kept["reason_code"]) == ("REJECTED", "RISK_ORDER_NOTIONAL")


def test_the_gate_is_only_asked(client: Client, order: Any) -> None:
    without_key = {name: value for name, value in order.items() if name != "idempotency_key"}
    assert client.call("CheckRisk", **without_key)["approved"] is True
    verdict = client.call("CheckRisk", **without_key | {"quantity": "90000000"})
    assert (verdict.get("approved", False), verdict["code"]) == (False, "RISK_ORDER_NOTIONAL")
    assert verdict["numbers"]


WRONG: list[tuple[str, dict[str, Any], str, str, list[str]]] = [
    ("Submit", ORDER | {"idempotency_key": ""}, "INVALID_ARGUMENT", "idempotency_key_missing", ["idempotency_key"]),
    ("Submit", ORDER | {"quantity": ""}, "INVALID_ARGUMENT", "missing", ["quantity"]),
    ("Submit", ORDER | {"quantity": "many"}, "INVALID_ARGUMENT", "bad_number", ["quantity"]),
    ("Submit", ORDER | {"quantity": "-1"}, "INVALID_ARGUMENT", "not_positive", ["quantity"]),
    ("Submit", ORDER | {"limit_price": "180.501"}, "INVALID_ARGUMENT", "off_tick", ["limit_price"]),
    ("Submit", ORDER | {"side": "hold"}, "INVALID_ARGUMENT", "bad_value", ["side"]),
    ("Submit", ORDER | {"tif": ""}, "INVALID_ARGUMENT", "bad_value", ["tif"]),
    ("Submit", ORDER | {"fund_id": "nobody"}, "INVALID_ARGUMENT", "unknown_fund", ["fund_id"]),
    ("Submit", ORDER | {"symbol": "no such"}, "INVALID_ARGUMENT", "unknown_symbol", ["symbol"]),
    ("Submit", ORDER | {"state": "FILLED"}, "INVALID_ARGUMENT", "unknown_field", ["state"]),
    ("Submit", ORDER | {"lots": ["a", "a"]}, "INVALID_ARGUMENT", "bad_value", ["lots[1]"]),
    ("Submit", ORDER | {"expires_at": "tomorrow"}, "INVALID_ARGUMENT", "bad_value", ["expires_at"]),
    ("CheckRisk", {}, "INVALID_ARGUMENT", "missing", ["fund_id"]),
    ("GetOrder", {}, "INVALID_ARGUMENT", "missing", ["order_id"]),
    ("GetOrder", {"order_id": "ord-none"}, "NOT_FOUND", "order_not_found", ["order_id"]),
    ("GetOrder", {"order_id": "no\0 \u20ac"}, "INVALID_ARGUMENT", "bad_value", ["order_id"]),
    ("Cancel", {"order_id": "no\0"}, "INVALID_ARGUMENT", "bad_value", ["order_id"]),
    ("Replace", {"order_id": "x" * 33, "any_version": True}, "INVALID_ARGUMENT", "bad_value", ["order_id"]),
    ("Cancel", {}, "INVALID_ARGUMENT", "missing", ["order_id"]),
    ("Cancel", {"order_id": "ord-none"}, "NOT_FOUND", "order_not_found", ["order_id"]),
    ("Cancel", {"order_id": "ord-none", "reason": "x" * 1_001}, "INVALID_ARGUMENT", "bad_value", ["reason"]),
    ("Replace", {"order_id": "ord-none"}, "INVALID_ARGUMENT", "if_match_missing", ["version"]),
    (
        "Replace", {"order_id": "ord-none", "version": 1, "any_version": True},
        "INVALID_ARGUMENT", "if_match_missing", ["version"],
    ),
    ("Replace", {"order_id": "ord-none", "any_version": True}, "NOT_FOUND", "order_not_found", ["order_id"]),
    ("ListOrders", {"limit": 0}, "INVALID_ARGUMENT", "bad_parameter", ["limit"]),
    ("ListOrders", {"limit": -5}, "INVALID_ARGUMENT", "bad_parameter", ["limit"]),
    ("ListOrders", {"state": "GONE"}, "INVALID_ARGUMENT", "bad_parameter", ["state"]),
    ("ListOrders", {"page_token": "hm"}, "INVALID_ARGUMENT", "bad_page_token", ["page_token"]),
    ("ListOrders", {"shard": "eu"}, "INVALID_ARGUMENT", "bad_parameter", ["shard"]),
]  # fmt: skip


@pytest.mark.parametrize(("method", "fields", "status", "code", "wrong"), WRONG)
def test_what_is_wrong_is_named(
    client: Client, method: str, fields: dict[str, Any], status: str, code: str, wrong: list[str]
) -> None:
    told = refused(client, method, fields, status, code)
    assert told.fields == wrong
    assert told.words


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"after": -2}, "after"),
        ({"after": 10**18}, "after"),
        ({"after": 10**9}, "after"),
        ({"heartbeat_s": 0}, "heartbeat_s"),
        ({"heartbeat_s": 3_601}, "heartbeat_s"),
        ({"shard": "eu"}, "shard"),
    ],
)
def test_streams_that_cannot_be(client: Client, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(Told) as caught:
        list(client.updates(**fields))
    assert (caught.value.status, caught.value.code) == ("INVALID_ARGUMENT", "bad_parameter")
    assert caught.value.fields == [wrong]


def test_a_change_of_what_has_changed(client: Client, order: Any) -> None:
    order_id = client.call("Submit", **order)["order_id"]
    fields = {"order_id": order_id, "version": 99, "quantity": "5"}
    assert refused(client, "Replace", fields, "ABORTED", "order_version").fields == ["version"]


def test_who_cannot_be(client: Client, order: Any) -> None:
    data = client.message("Submit", order)
    with pytest.raises(Told) as caught:
        client.send("Submit", data, metadata=(("x-ordergate-principal", "no such name"),))
    assert (caught.value.code, caught.value.fields) == ("bad_parameter", ["x-ordergate-principal"])
    for given in ("two words", "", "x" * 129):
        with pytest.raises(Told) as caught:
            client.send("Submit", data, metadata=(("x-request-id", given),))
        assert (caught.value.code, caught.value.fields) == ("bad_parameter", ["x-request-id"])


def test_a_field_of_a_later_version_is_not_ignored(client: Client, order: Any) -> None:
    """It might say "only if", or "at most"."""
    later = b"\xca\x3e\x02no"  # field 1001, text
    with pytest.raises(Told) as caught:
        client.send("Submit", client.message("Submit", order) + later)
    assert (caught.value.status, caught.value.code) == ("INVALID_ARGUMENT", "unknown_field")
    assert "1001" in caught.value.words


def test_bytes_that_are_no_message(client: Client, order: Any) -> None:
    """Whatever comes, it is an order or the caller's mistake."""
    dice, good, seen = random.Random(7), client.message("Submit", order), set()
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        data = dice.choice(
            (bytes(bad), bytes(bad[: dice.randrange(len(bad))]), dice.randbytes(dice.randrange(1, 80)))
        )
        try:
            client.send("Submit", data)
        except Told as error:
            seen.add((error.status, error.code))
    assert {status for status, _ in seen} <= {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "ALREADY_EXISTS"}, (
        seen
    )
    assert {"not_protobuf", "unknown_field", "bad_value"} <= {code for _, code in seen}


@pytest.mark.parametrize("size", [66_000, 5_000_000])
def test_huge_messages_are_not_read(client: Client, order: Any, size: int) -> None:
    with pytest.raises(Told) as caught:
        client.call("Submit", **order | {"thesis": "x" * size})
    assert caught.value.status == "RESOURCE_EXHAUSTED"
    assert client.call("ListOrders", limit=1)["items"] is not None


def test_long_texts_still_fit_into_an_answer(client: Client, order: Any) -> None:
    """Metadata is small: what is told of a text does not repeat it."""
    for fields in ({"symbol": "語" * 5_000}, {"idempotency_key": "語" * 5_000}, {"thesis": "語" * 4_001}):
        with pytest.raises(Told) as caught:
            client.call("Submit", **order | fields)
        assert (caught.value.status, bool(caught.value.code)) == ("INVALID_ARGUMENT", True), (
            caught.value.words
        )


def test_methods_that_there_are_not(client: Client) -> None:
    for path in (f"/{OMS}/Drop", "/ordergate.oms.v2.Oms/Submit"):
        with pytest.raises(grpc.RpcError) as caught:
            client.channel.unary_unary(path)(b"", timeout=20)
        assert caught.value.code().name == "UNIMPLEMENTED"


def test_pages(client: Client) -> None:
    for number in range(5):
        client.call(
            "Submit",
            **ORDER
            | {"idempotency_key": f"page-{number}", "strategy_id": "paged", "order_manager": "May, 2"},
        )
    seen, token = [], {}
    while True:
        page = client.call("ListOrders", order_manager="May, 2", limit=2, **token)
        seen += [one["idempotency_key"] for one in page["items"]]
        if "next_page_token" not in page:
            break
        token = {"page_token": page["next_page_token"]}
        refused(client, "ListOrders", {"symbol": "AAPL", **token}, "INVALID_ARGUMENT", "bad_page_token")
    assert sorted(seen) == [f"page-{number}" for number in range(5)]


def test_calls_are_counted(doors: Both, client: Client) -> None:
    refused(client, "GetOrder", {"order_id": "ord-none"}, "NOT_FOUND", "order_not_found")
    with doors.served.client() as http:
        told = http.get("/metrics").text
    assert 'ordergate_grpc_requests_total{code="NOT_FOUND",method="GetOrder"}' in told
    assert 'ordergate_grpc_request_seconds_count{method="GetOrder"}' in told


def test_health(client: Client) -> None:
    assert client.health() == client.health("") == "SERVING"
    with pytest.raises(grpc.RpcError) as caught:
        client.health("nobody")
    assert caught.value.code().name == "NOT_FOUND"


@pytest.mark.slow
def test_two_shards_behind_one_door(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(TOML.format(beta="us"))
    with serving_grpc_in(tmp_path, tmp_path / "orders.eu.db", "--config", "two.toml") as both:
        client = both.client
        made = {
            fund: client.call("Submit", **ORDER | {"fund_id": fund, "idempotency_key": "the same"})[
                "order_id"
            ]
            for fund in ("alpha", "beta")
        }
        assert made["alpha"] != made["beta"]
        for fund, order_id in made.items():
            assert client.call("GetOrder", order_id=order_id)["fund_id"] == fund
            for update in client.updates(fund_id=fund, after=-1):
                if "order" in update:
                    assert update["order"]["order_id"] == order_id
                    break
            assert client.call("Cancel", order_id=order_id)["order_id"] == order_id
        assert {one["order_id"] for one in client.call("ListOrders")["items"]} == set(made.values())
        [in_eu] = client.call("ListOrders", shard="eu")["items"]
        assert in_eu["order_id"] == made["alpha"]
        with pytest.raises(Told) as caught:
            list(client.updates(after=-1))
        assert (caught.value.code, caught.value.fields) == ("bad_parameter", ["shard"])
        assert "eu, us" in caught.value.words


def serve(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A service that does not come up."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.slow
def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = serve(tmp_path, "-m", "ordergate", "serve", "--port", "0", "--grpc-port", port)
    assert done.returncode == 1
    assert f"127.0.0.1 port {port} cannot be listened on for gRPC" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ordergate.db").exists()


def test_nobody_listens_where_others_reach(tmp_path: Path) -> None:
    done = serve(tmp_path, "-m", "ordergate", "serve", "--host", "0.0.0.0", "--grpc-port", "0")
    assert done.returncode == 1
    assert "there is no authentication yet" in " ".join(done.stderr.split())


BASE = """
import sys
for name in ("grpc", "grpc_health", "grpc_reflection", "google"):
    sys.modules[name] = None
from ordergate.cli.app import app
import ordergate.bootstrap, ordergate.sdk.oms
app(sys.argv[1:])
"""


@pytest.mark.slow
def test_without_the_extra_everything_else_works(tmp_path: Path) -> None:
    asked = serve(tmp_path, "-c", BASE, "config", "show")
    assert asked.returncode == 0, asked.stderr
    done = serve(tmp_path, "-c", BASE, "serve", "--port", "0", "--grpc-port", "0")
    assert done.returncode == 1
    assert "pip install 'ordergate[grpc]'" in " ".join(done.stderr.split())
