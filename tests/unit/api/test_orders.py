"""Orders through the REST door: what is answered, and what stands in the journal."""

import asyncio
import json
from typing import Any

import pytest

from ordergate.application.entry import decode
from ordergate.domain.errors import OutcomeUnknown, StoreError
from tests.unit.api.rooms import ORDER, Room, held, problem


async def entries(at: Room) -> list[Any]:
    return [decode(line.data, i) for i, line in enumerate(await at.gate.journal.lines(0, 100))]


def test_the_first_answer_is_the_order_as_committed() -> None:
    async def talk(at: Room) -> None:
        answer = await at.submit()
        order = answer.json()
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == "/v1/orders/ord-abc"
        assert answer.headers["etag"] == f'"{order["version"]}"'
        assert "idempotent-replayed" not in answer.headers
        assert (order["order_id"], order["state"], order["quantity"]) == ("ord-abc", "SUBMITTED", "100")
        (entered,) = [e for e in await entries(at) if type(e.event).__name__ == "OrderEntered"]
        assert (entered.actor, entered.principal, entered.source) == (ORDER["actor"], "local", "rest")
        assert entered.request == answer.headers["x-request-id"]
        of_request = [e for e in await entries(at) if e.request == entered.request]
        raws = [None, answer.request.content.decode()]  # the instrument is new, and not what was asked for
        assert [e.raw for e in of_request] == raws

    held(talk)


def test_a_replay_is_the_order_as_it_is_now() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.quote()
        again = await at.submit(quantity="100.0", limit_price=180.5)
        assert again.status_code == 200
        assert again.headers["idempotent-replayed"] == "true"
        assert again.json()["state"] == "CLOSED"
        assert again.json() == (await at.client.get("/v1/orders/ord-abc")).json()

    held(talk)


def test_a_key_with_other_content() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        told = problem(await at.submit(quantity="101"), 422, "idempotency_key_reused")
        assert (told["outcome"], told["retry"]) == ("not_sent", "never")
        assert told["errors"][0]["pointer"] == "#/idempotency_key"
        problem(await at.submit(idempotency_key="other"), 409, "order_id_taken")

    held(talk)


def test_the_key_may_stand_in_the_header() -> None:
    async def talk(at: Room) -> None:
        bare = {n: v for n, v in ORDER.items() if n != "idempotency_key"}

        async def post(body: Any, key: str) -> Any:
            return await at.client.post("/v1/orders", json=body, headers={"Idempotency-Key": key})

        assert (await post(bare, '"k-1"')).json()["idempotency_key"] == "k-1"
        assert (await post(bare, "k-1")).status_code == 200
        assert (await post(bare | {"idempotency_key": "k-1"}, "k-1")).status_code == 200
        told = problem(await post(bare | {"idempotency_key": "k-2"}, "k-1"), 422, "bad_value")
        assert told["errors"][0]["pointer"] == "#/idempotency_key"
        told = problem(await at.submit(idempotency_key=...), 400, "idempotency_key_missing")
        assert told["errors"][0]["pointer"] == "#/idempotency_key"

    held(talk)


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"fund_id": "nobody"}, "unknown_fund", "#/fund_id"),
        ({"symbol": "DOGE/USDT"}, "unknown_symbol", "#/symbol"),
        ({"broker": "nowhere"}, "unknown_broker", "#/broker"),
        ({"colour": "red"}, "unknown_field", "#/colour"),
        ({"quantity": "-5"}, "not_positive", "#/quantity"),
        ({"quantity": "1E+999999"}, "bad_number", "#/quantity"),
        ({"quantity": "1" * 5_000}, "bad_number", "#/quantity"),
        ({"limit_price": "180.505"}, "off_tick", "#/limit_price"),
        ({"limit_price": ...}, "price_missing", "#/limit_price"),
        ({"thesis": "\ud800"}, "bad_value", "#/thesis"),
        ({"side": None}, "missing", "#/side"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], code: str, pointer: str) -> None:
    async def talk(at: Room) -> None:
        body = {n: v for n, v in (ORDER | changes).items() if v is not ...}
        told = problem(await at.client.post("/v1/orders", content=json.dumps(body)), 422, code)
        assert [error["pointer"] for error in told["errors"]] == [pointer]
        assert told["outcome"] == "not_sent"
        assert not await at.gate.queries.orders()
        assert (await at.submit()).status_code == 202  # the key was not used up

    held(talk)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b'{"a": NaN}', b'{"a":1,"a":2}'])
def test_what_is_no_json(content: bytes) -> None:
    held(lambda at: _no_json(at, content))


async def _no_json(at: Room, content: bytes) -> None:
    problem(await at.client.post("/v1/orders", content=content), 400, "not_json")


def test_json_that_is_no_order() -> None:
    async def talk(at: Room) -> None:
        for content in ("[]", "1", "null", '"text"'):
            problem(await at.client.post("/v1/orders", content=content), 422, "wrong_type")

    held(talk)


def test_a_body_that_is_too_large() -> None:
    async def talk(at: Room) -> None:
        async def parts() -> Any:
            for _ in range(70):
                yield b" " * 1_000

        for content in (b" " * 65_537, parts()):
            told = problem(await at.client.post("/v1/orders", content=content), 413, "body_too_large")
            assert "65536" in told["detail"]
        largest = b" " * 65_536
        problem(await at.client.post("/v1/orders", content=largest), 400, "not_json")

    held(talk)


def test_an_order_that_the_gate_refuses() -> None:
    async def talk(at: Room) -> None:
        for replayed in (None, "true"):
            answer = await at.submit(fund_id="fx-only")
            told = problem(answer, 422, "RISK_ASSET_CLASS")
            assert (told["outcome"], told["retry"]) == ("rejected", "never")
            assert told["order_id"] == "ord-abc"
            assert answer.headers["location"] == "/v1/orders/ord-abc"
            assert answer.headers.get("idempotent-replayed") == replayed
        assert (await at.client.get("/v1/orders/ord-abc")).json()["state"] == "REJECTED"

    held(talk)


def test_validating_stores_nothing() -> None:
    async def talk(at: Room) -> None:
        size = at.gate.runner.engine.size
        answer = await at.client.post("/v1/orders?validate_only=true", json=ORDER)
        assert (answer.status_code, answer.json()["state"]) == (200, "SUBMITTED")
        assert "location" not in answer.headers
        refused = await at.client.post("/v1/orders?validate_only=true", json=ORDER | {"fund_id": "fx-only"})
        assert "order_id" not in problem(refused, 422, "RISK_ASSET_CLASS")
        wrong = await at.client.post("/v1/orders?validate_only=true", json=ORDER | {"quantity": "0"})
        problem(wrong, 422, "not_positive")
        assert at.gate.runner.engine.size == size
        problem(await at.client.get("/v1/orders/ord-abc"), 404, "order_not_found")
        problem(await at.client.post("/v1/orders?validate_only=perhaps", json=ORDER), 400, "bad_parameter")
        await at.submit()
        again = await at.client.post("/v1/orders?validate_only=true", json=ORDER)
        assert again.headers["idempotent-replayed"] == "true"

    held(talk)


def test_two_hundred_at_once_are_one_order() -> None:
    async def talk(at: Room) -> None:
        answers = await asyncio.gather(*(at.submit(order_id=...) for _ in range(200)))
        assert sorted(a.status_code for a in answers) == [200] * 199 + [202]
        assert len({a.json()["order_id"] for a in answers}) == 1
        assert len(await at.gate.queries.orders()) == 1

    held(talk)


@pytest.mark.parametrize(
    ("error", "code", "outcome"),
    [
        (StoreError("the disk is full"), "store_unavailable", "not_sent"),
        (OutcomeUnknown("the gate stopped"), "outcome_unknown", "unknown"),
    ],
)
def test_a_store_that_fails(error: Exception, code: str, outcome: str, monkeypatch: Any) -> None:
    async def talk(at: Room) -> None:
        async def fails(*_arguments: Any) -> None:
            raise error

        monkeypatch.setattr(at.gate, "execute", fails)
        answer = await at.submit()
        told = problem(answer, 503, code)
        assert (told["outcome"], told["retry"]) == (outcome, "same_key")
        assert answer.headers["retry-after"] == "1"

    held(talk)


def test_too_much_waits(monkeypatch: Any) -> None:
    async def talk(at: Room) -> None:
        monkeypatch.setattr("ordergate.application.runner.INBOX_MOST", 0)
        told = problem(await at.submit(), 503, "inbox_full")
        assert (told["outcome"], told["retry"]) == ("not_sent", "same_key")

    held(talk)


def test_an_unexpected_error_says_nothing_and_is_logged(monkeypatch: Any, capsys: Any) -> None:
    async def talk(at: Room) -> None:
        async def fails(*_arguments: Any) -> None:
            raise ZeroDivisionError("secret")

        monkeypatch.setattr(at.gate, "execute", fails)
        answer = await at.submit()
        assert problem(answer, 500, "internal_error")["outcome"] == "unknown"
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text

    held(talk)
    said = capsys.readouterr()
    assert "secret" in said.out + said.err


def test_many_at_once_are_each_answered() -> None:
    async def talk(at: Room) -> None:
        await at.submit(idempotency_key="k-0", order_id="ord-0")
        orders = [ORDER | {"idempotency_key": f"k-{i}", "order_id": f"ord-{i}"} for i in range(4)]
        orders[2]["quantity"] = "0"
        orders[3]["fund_id"] = "fx-only"
        orders.append({n: v for n, v in ORDER.items() if n != "idempotency_key"})
        answer = await at.client.post("/v1/orders/batch", json={"orders": orders})
        results = answer.json()["results"]
        assert [r["status"] for r in results] == [200, 202, 422, 422, 400]
        assert [r["order"]["order_id"] for r in results[:2]] == ["ord-0", "ord-1"]
        assert [(r["problem"]["code"], r["problem"]["outcome"]) for r in results[2:]] == [
            ("not_positive", "not_sent"), ("RISK_ASSET_CLASS", "rejected"), ("idempotency_key_missing", "not_sent"),
        ]  # fmt: skip
        raws = [e.raw for e in await entries(at) if e.order_id == "ord-1" and e.source == "rest"]
        assert len(raws) == 1
        assert raws[0] in answer.request.content.decode()

    held(talk)


def test_a_batch_has_1_to_500_orders() -> None:
    async def talk(at: Room) -> None:
        many = [ORDER | {"idempotency_key": f"k-{i}", "order_id": None} for i in range(501)]
        assert (
            len((await at.client.post("/v1/orders/batch", json={"orders": many[:500]})).json()["results"])
            == 500
        )
        for orders in ([], many):
            problem(await at.client.post("/v1/orders/batch", json={"orders": orders}), 422, "bad_value")
        for body in ({}, {"orders": {}}, []):
            problem(await at.client.post("/v1/orders/batch", json=body), 422, "wrong_type")
        problem(await at.client.post("/v1/orders/batch", json={"orders": [], "x": 1}), 422, "unknown_field")
        large = await at.client.post("/v1/orders/batch", content=b" " * 1_048_577)
        problem(large, 413, "body_too_large")

    held(talk)


def test_canceling() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        answer = await at.client.post("/v1/orders/ord-abc/cancel", json={"reason": "off"})
        assert answer.status_code == 202
        assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
        await at.gate.quiet()
        assert (await at.client.get("/v1/orders/ord-abc")).json()["state"] == "CANCELED"
        told = problem(await at.client.post("/v1/orders/ord-abc/cancel"), 409, "order_finished")
        assert told["outcome"] == "not_sent"
        problem(await at.client.post("/v1/orders/ord-none/cancel"), 404, "order_not_found")
        for body, code in (({"why": 1}, "unknown_field"), ({"reason": 1}, "wrong_type"),
                           ({"reason": "x" * 1_001}, "bad_value"), ([], "wrong_type")):  # fmt: skip
            problem(await at.client.post("/v1/orders/ord-abc/cancel", json=body), 422, code)
        problem(await at.client.post("/v1/orders/ord-abc/cancel", content="{"), 400, "not_json")

    held(talk)


def test_changing() -> None:
    async def talk(at: Room) -> None:
        async def patch(match: str | None, **terms: Any) -> Any:
            headers = {} if match is None else {"If-Match": match}
            return await at.client.patch("/v1/orders/ord-abc", json=terms, headers=headers)

        problem(await patch('"1"', quantity="50"), 404, "order_not_found")
        await at.submit()
        await at.gate.quiet()
        etag = (await at.client.get("/v1/orders/ord-abc")).headers["etag"]
        problem(await patch(None, quantity="50"), 428, "if_match_missing")
        problem(await patch('"99"', quantity="50"), 412, "order_version")
        problem(await patch("3", quantity="50"), 400, "bad_parameter")
        problem(await patch(etag), 422, "nothing_to_change")
        problem(await patch(etag, limit_price="1.005"), 422, "off_tick")
        problem(await patch(etag, side="sell"), 422, "unknown_field")
        answer = await patch(etag, limit_price="181.00")
        assert (answer.status_code, answer.json()["pending"]) == (202, ["replace:sent"])
        await at.gate.quiet()
        assert (await at.client.get("/v1/orders/ord-abc")).json()["limit_price"] == "181"
        problem(await patch(etag, quantity="50"), 412, "order_version")
        assert (await patch("*", quantity="50")).status_code == 202
        await at.gate.quiet()
        await at.quote()
        problem(await patch("*", quantity="60"), 409, "order_finished")

    held(talk)


def test_the_story_of_an_order() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.quote()
        told = (await at.client.get("/v1/orders/ord-abc/timeline")).json()
        assert told["order_id"] == "ord-abc"
        assert [row["to"] for row in told["items"] if row["to"] != row["from"]] == [
            "CREATED", "PENDING_RISK", "ACCEPTED", "SUBMITTED", "FILLED", "CLOSED",
        ]  # fmt: skip
        problem(await at.client.get("/v1/orders/none/timeline"), 404, "order_not_found")

    held(talk)


def test_an_order_may_be_called_batch() -> None:
    async def talk(at: Room) -> None:
        answer = await at.submit(order_id="batch")
        assert answer.headers["location"] == "/v1/orders/batch"
        assert (await at.client.get("/v1/orders/batch")).json()["order_id"] == "batch"
        changed = await at.client.patch(
            "/v1/orders/batch", json={"quantity": "50"}, headers={"If-Match": "*"}
        )
        assert changed.status_code == 202
        refused = await at.client.put("/v1/orders/batch")
        assert refused.headers["allow"] == "POST"

    held(talk)


def test_an_error_shows_a_long_value_in_part() -> None:
    async def talk(at: Room) -> None:
        for changes in ({"side": "x" * 20_000}, {"quantity": [1] * 10_000}, {"expires_at": "9" * 20_000}):
            answer = await at.submit(**changes)
            assert answer.status_code == 422
            assert len(answer.content) < 1_000

    held(talk)


def test_half_a_character_in_a_batch_is_the_callers_mistake() -> None:
    async def talk(at: Room) -> None:
        content = b'{"orders": [{"idempotency_key": "k-1", "thesis": "\\ud800"}]}'
        told = problem(await at.client.post("/v1/orders/batch", content=content), 400, "not_json")
        assert told["outcome"] == "not_sent"

    held(talk)


def test_a_batch_can_be_validated_alone() -> None:
    async def talk(at: Room) -> None:
        await at.submit(idempotency_key="k-1", order_id="ord-1")
        orders = [
            ORDER | {"idempotency_key": "k-1", "order_id": "ord-1"},
            ORDER | {"idempotency_key": "k-2", "order_id": "ord-2"},
            ORDER | {"idempotency_key": "k-3", "order_id": "ord-3", "fund_id": "fx-only"},
        ]
        answer = await at.client.post("/v1/orders/batch?validate_only=true", json={"orders": orders})
        assert [result["status"] for result in answer.json()["results"]] == [200, 200, 422]
        assert "order_id" not in answer.json()["results"][2]["problem"]
        listed = (await at.client.get("/v1/orders")).json()["items"]
        assert [order["order_id"] for order in listed] == ["ord-1"]

    held(talk)


def test_a_key_in_the_header_is_the_same_key_in_the_body() -> None:
    async def talk(at: Room) -> None:
        body = {name: value for name, value in ORDER.items() if name != "idempotency_key"}
        headers = [(b"idempotency-key", "schlüssel".encode())]
        answer = await at.client.post("/v1/orders", json=body, headers=headers)
        told = problem(answer, 400, "bad_parameter")
        assert told["errors"][0]["parameter"] == "Idempotency-Key"
        quoted = await at.client.post("/v1/orders", json=body, headers={"Idempotency-Key": r'"a\"b\\c"'})
        assert quoted.json()["idempotency_key"] == r'a"b\c'

    held(talk)


def test_what_is_wrong_outside_the_body_is_no_pointer_into_it() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        match = {"If-Match": '"999"'}
        for answer, parameter in (
            (await at.client.get("/v1/orders/nobody"), "order_id"),
            (await at.client.post("/v1/orders/nobody/cancel"), "order_id"),
            (await at.client.patch("/v1/orders/ord-abc", json={"quantity": "5"}, headers=match), "If-Match"),
            (await at.client.put("/v1/paper/quotes/AAPL?broker=x", json={"bid": 1, "ask": 2}), "broker"),
            (await at.client.put("/v1/paper/quotes/DOGE", json={"bid": 0, "ask": 2}), "#/bid"),
        ):
            (error,) = answer.json()["errors"]
            assert error.get("parameter", error.get("pointer")) == parameter, answer.text
            assert "pointer" not in error or parameter == "#/bid"

    held(talk)


def test_what_is_wrong_with_a_parameter_is_told_with_its_name_and_value() -> None:
    async def talk(at: Room) -> None:
        for path, detail in (
            ("/v1/orders?limit=501", "limit: '501' is not a number from 1 to 500"),
            ("/v1/orders?state=filled", "state: 'filled' is none of CREATED, "),
            ("/v1/events?after=x", "after: 'x' is not the index of an entry, "),
        ):
            assert problem(await at.client.get(path), 400, "bad_parameter")["detail"].startswith(detail)

    held(talk)
