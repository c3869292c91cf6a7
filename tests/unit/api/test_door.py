"""What is the same for every request: who asks, from where, what went wrong; and what stands around the orders."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ordergate.application.entry import decode
from ordergate.domain.errors import StoreError
from ordergate.protocols.tlog import Tile, decode_bundle, leaf_hash, open_checkpoint
from tests.unit.api.rooms import ORDER, Room, held, problem


def test_who_asks_stands_in_the_journal() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.gate.quiet()
        given = {"X-Ordergate-Principal": "desk/anna", "X-Request-Id": "my-7"}
        answer = await at.client.post("/v1/orders/ord-abc/cancel", headers=given)
        assert answer.headers["x-request-id"] == "my-7"
        entries = await at.gate.journal.lines(0, 100)
        (asked,) = [e for i, line in enumerate(entries) if (e := decode(line.data, i)).request == "my-7"]
        assert (asked.principal, asked.actor, asked.source) == ("desk/anna", "desk/anna", "rest")

    held(talk)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X-Ordergate-Principal": "two words"}, 400, "bad_parameter"),
        ({"X-Ordergate-Principal": ""}, 400, "bad_parameter"),
        ({"X-Request-Id": "a b"}, 400, "bad_parameter"),
        ({"X-Request-Id": "x" * 129}, 400, "bad_parameter"),
        ({"Host": "evil.example"}, 421, "foreign_host"),
        ({"Host": "127.0.0.1.evil.example"}, 421, "foreign_host"),
        ({"Origin": "https://evil.example"}, 403, "foreign_origin"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "foreign_origin"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "foreign_origin"),
        ({"Origin": "null"}, 403, "foreign_origin"),
    ],
)
def test_who_is_not_let_in(headers: dict[str, str], status: int, code: str) -> None:
    async def talk(at: Room) -> None:
        size = at.gate.runner.engine.size
        answer = await at.client.post("/v1/orders", json=ORDER, headers=headers)
        told = problem(answer, status, code)
        assert told["errors"][0]["parameter"] in headers
        assert at.gate.runner.engine.size == size

    held(talk)


def test_who_is_let_in() -> None:
    async def talk(at: Room) -> None:
        for host in ("localhost", "LOCALHOST:8012", "127.0.0.9:1", "[::1]:8012"):
            headers = {"Host": host, "Origin": f"http://{host}"}
            assert (await at.client.get("/health", headers=headers)).status_code == 200, host

    held(talk)


def test_paths_and_methods_that_there_are_not() -> None:
    async def talk(at: Room) -> None:
        problem(await at.client.get("/v2/orders"), 404, "no_such_resource")
        problem(await at.client.get("/v1/orders/"), 404, "no_such_resource")
        answer = await at.client.delete("/v1/orders/ord-abc")
        assert problem(answer, 405, "method_not_allowed")["instance"] == "/v1/orders/ord-abc"
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "PATCH"}
        assert (await at.client.head("/health")).content == b""

    held(talk)


def test_answers_are_not_kept_and_not_guessed() -> None:
    async def talk(at: Room) -> None:
        for path in ("/health", "/v1/orders", "/nothing"):
            headers = (await at.client.get(path)).headers
            assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")

    held(talk)


def test_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordergate.api.rest.call.SLOWEST_BODY_S", 0.01)

    async def talk(at: Room) -> None:
        async def slow() -> Any:
            yield b"{"
            await asyncio.sleep(5)

        problem(await at.client.post("/v1/orders", content=slow()), 408, "body_too_slow")

    held(talk)


def test_a_client_that_goes_away_orders_nothing() -> None:
    async def talk(at: Room) -> None:
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/orders", "query_string": b"", "headers": []}
        await at.app(scope, receive, send)
        assert sent == []

    held(talk)


def test_health_and_readiness() -> None:
    async def talk(at: Room) -> None:
        assert (await at.client.get("/health")).json() == {"status": "alive", "instance": at.door.instance}
        assert (await at.client.get("/ready")).json() == {"status": "ready"}
        at.door.close()
        answer = await at.client.get("/ready")
        assert "closing" in problem(answer, 503, "not_ready")["detail"]
        assert answer.headers["retry-after"] == "1"
        assert (await at.client.get("/health")).status_code == 200

    held(talk)


def test_not_ready_where_the_gate_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(at: Room) -> None:
        monkeypatch.setattr(at.gate.runner, "_failure", ValueError("the disk is gone"))
        assert "the disk is gone" in problem(await at.client.get("/ready"), 503, "not_ready")["detail"]
        monkeypatch.undo()

    held(talk)


def test_not_ready_while_the_store_is_gone_and_ready_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(*_given) -> None:
        raise StoreError("the server is gone")

    async def talk(at: Room) -> None:
        monkeypatch.setattr(at.gate.journal, "lock", gone)
        answer = await at.submit()
        assert problem(answer, 503, "store_unavailable")["outcome"] == "not_sent"
        assert answer.headers["retry-after"] == "1"
        assert "the server is gone" in problem(await at.client.get("/ready"), 503, "not_ready")["detail"]
        monkeypatch.undo()
        assert (await at.client.get("/ready")).json() == {"status": "ready"}
        assert (await at.submit()).status_code == 202

    held(talk)


def test_the_figures() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.submit(order_id="ord-2", idempotency_key="k-2", symbol="MSFT")
        await at.submit(quantity="0")
        await at.quote()
        await at.client.get("/nothing/at/all")
        await at.client.get("/v1/orders/ord-2")
        text = (await at.client.get("/metrics")).text
        figures = {
            (s.name, *(s.labels[n] for n in sorted(s.labels))): s.value
            for family in text_string_to_metric_families(text)
            for s in family.samples
        }
        assert figures["ordergate_entries_total", "OrderEntered"] == 2
        assert figures["ordergate_entries_total", "OrderFilled"] == 1
        assert figures["ordergate_orders_open", "SUBMITTED"] == 1
        assert figures["ordergate_orders_ended_total", "CLOSED"] == 1
        assert figures["ordergate_inbox_depth",] == 0
        assert figures["ordergate_journal_entries",] == at.gate.runner.engine.size
        assert figures["ordergate_batch_entries_sum",] == sum(
            value for name, value in figures.items() if name[0] == "ordergate_entries_total"
        )
        assert figures["ordergate_commit_seconds_count",] == figures["ordergate_batch_entries_count",]
        routes = {
            key[1:]: value for key, value in figures.items() if key[0] == "ordergate_http_requests_total"
        }
        assert routes["POST", "/v1/orders", "202"] == 2
        assert routes["POST", "/v1/orders", "422"] == 1
        assert routes["GET", "/v1/orders/{order_id}", "200"] == 1
        assert routes["other", "(none)", "404"] == 1
        assert "ord-2" not in text

    held(talk)


def test_quotes() -> None:
    async def talk(at: Room) -> None:
        problem(await at.client.get("/v1/paper/quotes/BTC/USDT"), 404, "no_quote")
        body = {"bid": "67000.00", "ask": 67001, "ask_size": "0.5", "bid_size": None}
        answer = await at.client.put("/v1/paper/quotes/BTC/USDT", json=body)
        assert answer.status_code == 200, answer.text
        quote = answer.json()
        assert quote == (await at.client.get("/v1/paper/quotes/BTC%2FUSDT")).json()
        shown = (quote["symbol"], quote["bid"], quote["ask"], quote["bid_size"], quote["ask_size"])
        assert shown == ("BTC/USDT", "67000", "67001", None, "0.5")
        assert quote["pinned"] is True

    held(talk)


def test_a_quote_is_answered_when_its_fills_are_journalled() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.gate.quiet()
        answer = await at.client.put(
            "/v1/paper/quotes/AAPL?broker=paper", json={"bid": "180", "ask": "180.5"}
        )
        assert answer.status_code == 200
        order = await at.gate.queries.order("ord-abc")
        assert order.filled_quantity == Decimal(100)

    held(talk)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"ask": "1"}, "missing"),
        ({"bid": "0", "ask": "1"}, "not_positive"),
        ({"bid": "1", "ask": "x"}, "bad_number"),
        ({"bid": "1", "ask": "1", "bid_size": "-1"}, "bad_value"),
        ({"bid": "1.01", "ask": "1"}, "bad_value"),
        ({"bid": "1", "ask": "1", "last": "1"}, "unknown_field"),
        ([], "wrong_type"),
    ],
)
def test_quotes_that_are_wrong(body: Any, code: str) -> None:
    async def talk(at: Room) -> None:
        told = problem(await at.client.put("/v1/paper/quotes/AAPL", json=body), 422, code)
        assert "outcome" not in told

    held(talk)


def test_quotes_of_what_there_is_not() -> None:
    async def talk(at: Room) -> None:
        body = {"bid": "1", "ask": "1"}
        problem(await at.client.put("/v1/paper/quotes/DOGE/USDT", json=body), 404, "unknown_symbol")
        problem(await at.client.get("/v1/paper/quotes/DOGE/USDT"), 404, "unknown_symbol")
        problem(await at.client.put("/v1/paper/quotes/AAPL?broker=mars", json=body), 404, "unknown_broker")

    held(talk)


def test_the_log_can_be_read_and_checked_from_outside() -> None:
    async def talk(at: Room) -> None:
        for number in range(60):
            await at.submit(order_id=..., idempotency_key=f"k-{number}")
        await at.gate.quiet()
        answer = await at.client.get("/v1/audit/checkpoint")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        checkpoint = open_checkpoint(answer.content, at.gate.verifier)
        size = checkpoint.size
        assert 100 < size < 256
        bundle = await at.client.get(f"/v1/audit/{Tile(-1, 0, size).path}")
        hashes = await at.client.get(f"/v1/audit/{Tile(0, 0, size).path}")
        for tile in (bundle, hashes):
            assert tile.headers["content-type"] == "application/octet-stream"
            assert "immutable" in tile.headers["cache-control"]
        assert b"".join(leaf_hash(e) for e in decode_bundle(bundle.content, size)) == hashes.content

    held(talk)


@pytest.mark.parametrize(
    "path",
    [
        "0/000",
        "0/001.p/1",
        "entries/000",
        "1/000.p/1",
        "0/0",
        "9/000.p/256",
        "..%2Fcheckpoint",
        "63/x999/000",
    ],
)
def test_tiles_that_there_are_not(path: str) -> None:
    async def talk(at: Room) -> None:
        problem(await at.client.get(f"/v1/audit/tile/{path}"), 404, "no_such_resource")

    held(talk)
