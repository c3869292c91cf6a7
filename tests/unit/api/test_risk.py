"""The risk gate through the REST door: refusals, limits, the kill switch, approvals, strategies."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest

from ordergate.api.rest import answers, risk_answers
from ordergate.config import Config, FundSection
from ordergate.config.limits import LimitSections
from ordergate.domain.risk.limits import Limits
from tests.unit.api.document import DOCUMENT
from tests.unit.api.rooms import CONFIG, ORDER, Room, held, problem

FUND = "/v1/risk/limits/fund/paper-momentum"
HALT = {"level": "fund", "name": "paper-momentum", "reason": "drill"}


def limited(**limits: Any) -> Config:
    """The fund with these limits, and another without any."""
    return Config(
        funds={"paper-momentum": FundSection(), "other": FundSection(unlimited=True)},
        limits=LimitSections(funds={"paper-momentum": Limits(**limits)}),
    )


def as_named(name: str) -> dict[str, str]:
    return {"X-Ordergate-Principal": name}


def fits(model: Any, shown: Mapping[str, Any]) -> None:
    """What was answered has the fields and the types that the document tells of."""
    assert list(model.model_fields) == list(shown)
    schema = {"$ref": f"#/components/schemas/{model.__name__}", **DOCUMENT}
    jsonschema_rs.Draft202012Validator(schema).validate(shown)


async def size_of(at: Room) -> int:
    return (await at.gate.journal.head()).size


def test_a_refused_order_is_a_problem_also_when_it_is_repeated() -> None:
    async def talk(at: Room) -> None:
        for replayed in (None, "true"):
            answer = await at.submit(quantity="101")
            told = problem(answer, 422, "RISK_ORDER_NOTIONAL")
            assert (told["order_id"], told["outcome"], told["retry"]) == ("ord-abc", "rejected", "never")
            assert answer.headers.get("idempotent-replayed") == replayed
            order = (await at.client.get("/v1/orders/ord-abc")).json()
            assert (order["state"], order["reason"]) == ("REJECTED", told["detail"])
        batch = await at.client.post(
            "/v1/orders/batch",
            json={"orders": [ORDER | {"order_id": f"ord-{n}", "idempotency_key": f"k-{n}", "quantity": str(n)}
                             for n in (100, 101)]},
        )  # fmt: skip
        first, second = batch.json()["results"]
        assert (first["status"], first["order"]["state"]) == (202, "SUBMITTED")
        assert (second["status"], second["problem"]["code"]) == (422, "RISK_ORDER_NOTIONAL")
        assert second["problem"]["order_id"] == "ord-101"

    held(talk, config=limited(max_order_notional_usd=Decimal(18_050)))


def test_an_order_that_a_person_rejects_is_refused_in_its_replays() -> None:
    async def talk(at: Room) -> None:
        assert (await at.submit()).json()["state"] == "PENDING_RISK"
        answer = await at.client.post("/v1/approvals/ord-abc/reject", json={"reason": "too much"})
        assert (answer.status_code, answer.json()["state"]) == (200, "REJECTED")
        told = problem(await at.submit(), 422, "RISK_NOT_APPROVED")
        assert (told["detail"], told["order_id"]) == ("too much", "ord-abc")

    held(talk, config=limited(approve_above_usd=Decimal(1_000)))


def test_a_refused_change_is_a_problem_and_stands_in_the_journal() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.gate.quiet()
        answer = await at.client.patch(
            "/v1/orders/ord-abc", json={"quantity": "101"}, headers={"If-Match": "*"}
        )
        told = problem(answer, 422, "RISK_ORDER_NOTIONAL")
        assert (told["outcome"], told["retry"], told["order_id"]) == ("not_sent", "never", "ord-abc")
        order = (await at.client.get("/v1/orders/ord-abc")).json()
        assert (order["state"], order["quantity"], order["pending"]) == ("SUBMITTED", "100", [])
        timeline = (await at.client.get("/v1/orders/ord-abc/timeline")).json()["items"]
        assert timeline[-1]["event"] == "ReplaceRefused/1"

    held(talk, config=limited(max_order_notional_usd=Decimal(18_050)))


def test_asking_journals_nothing_and_says_the_margin() -> None:
    async def talk(at: Room) -> None:
        before = await size_of(at)
        said = (await at.client.post("/v1/risk/check", json=ORDER)).json()
        fits(answers.Verdict, said)
        assert (said["approved"], said["gate"], said["code"], said["awaits"]) == (True, None, None, [])
        assert (said["margin_before"], said["margin_after"]) == ("0", "18050")
        assert (said["reference_price"], said["price_source"]) == ("180.5", "limit")
        assert said["limits"] == {"fund paper-momentum": 1}
        no_price = {n: v for n, v in ORDER.items() if n not in ("limit_price", "idempotency_key")}
        said = (await at.client.post("/v1/risk/check", json=no_price | {"order_type": "market"})).json()
        fits(answers.Verdict, said)
        assert (said["approved"], said["gate"], said["code"]) == (False, "price", "RISK_NO_PRICE")
        assert "no reference price" in said["reason"]
        said = (await at.client.post("/v1/risk/check", json=ORDER | {"quantity": "5541"})).json()
        assert (said["code"], said["margin_before"], said["margin_after"]) == (
            "RISK_ORDER_NOTIONAL",
            "0",
            "1000150.5",
        )
        problem(await at.client.post("/v1/risk/check", json=ORDER | {"colour": 1}), 422, "unknown_field")
        problem(await at.client.post("/v1/risk/check", json=ORDER | {"fund_id": "x"}), 422, "unknown_fund")
        assert await size_of(at) == before

    held(talk)


def test_asking_counts_what_is_there_already() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        said = (
            await at.client.post("/v1/risk/check", json=ORDER)
        ).json()  # the same key, and it is judged anew
        assert (said["margin_before"], said["margin_after"]) == ("18050", "36100")
        said = (await at.client.post("/v1/risk/check", json=ORDER | {"quantity": "150"})).json()
        assert (said["code"], said["margin_before"], said["margin_after"]) == (
            "RISK_MARGIN",
            "18050",
            "45125",
        )

    held(talk, config=limited(nav_usd=Decimal(40_000)))


def test_validating_says_what_the_gate_says() -> None:
    async def talk(at: Room) -> None:
        answer = (await at.client.post("/v1/orders?validate_only=true", json=ORDER)).json()
        fits(answers.OrderOrPreview, answer)
        assert (answer["risk"]["approved"], answer["risk"]["margin_after"]) == (True, "18050")
        body = ORDER | {"quantity": "5541"}
        told = problem(
            await at.client.post("/v1/orders?validate_only=true", json=body), 422, "RISK_ORDER_NOTIONAL"
        )
        assert told["risk"]["gate"] == "order_notional"
        assert "order_id" not in told
        batch = await at.client.post("/v1/orders/batch?validate_only=true", json={"orders": [ORDER, body]})
        first, second = batch.json()["results"]
        assert first["order"]["risk"]["approved"]
        assert not second["problem"]["risk"]["approved"]
        await at.submit()
        assert "risk" not in (await at.client.post("/v1/orders?validate_only=true", json=ORDER)).json()

    held(talk)


def test_limits_are_shown_and_changed() -> None:
    async def talk(at: Room) -> None:
        (row,) = (await at.client.get("/v1/risk/limits")).json()["items"]
        fits(risk_answers.LimitRow, row)
        shown = await at.client.get(FUND)
        assert (shown.json(), shown.headers["etag"]) == (row, '"1"')
        assert (row["limits"]["nav_usd"], row["limits"]["leverage"]) == (
            "1000000",
            {"fx": "30", "metals": "30"},
        )
        body = {"limits": {"max_order_qty": 50, "max_order_notional_usd": None, "allowed_brokers": ["paper"]},
                "reason": "quiet days"}  # fmt: skip
        changed = await at.client.put(FUND, json=body, headers={"If-Match": '"1"', **as_named("ann")})
        assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
        after = changed.json()
        assert (after["set_by"], after["reason"], after["version"]) == ("ann", "quiet days", 2)
        assert (after["limits"]["max_order_qty"], after["limits"]["allowed_brokers"]) == ("50", ["paper"])
        assert "max_order_notional_usd" not in after["limits"]
        assert after["limits"]["nav_usd"] == "1000000"
        problem(await at.submit(), 422, "RISK_ORDER_QTY")

    held(talk)


def test_a_change_names_the_version_that_it_has_seen() -> None:
    async def talk(at: Room) -> None:
        body = {"limits": {"max_order_qty": "50"}, "reason": "r"}
        told = problem(await at.client.put(FUND, json=body), 428, "if_match_missing")
        assert told["errors"][0]["parameter"] == "If-Match"
        told = problem(
            await at.client.put(FUND, json=body, headers={"If-Match": '"7"'}), 412, "limits_version"
        )
        assert told["errors"][0]["parameter"] == "If-Match"
        assert (await at.client.put(FUND, json=body, headers={"If-Match": "*"})).status_code == 200
        firm = "/v1/risk/limits/firm/-"
        problem(await at.client.get(firm), 404, "no_limits")
        first = await at.client.put(firm, json={"limits": {"max_orders_per_s": "100"}, "reason": "r"})
        assert (first.status_code, first.json()["name"], first.json()["limits"]) == (
            200,
            "",
            {"max_orders_per_s": 100},
        )
        problem(await at.client.put(firm, json=body), 428, "if_match_missing")

    held(talk)


def test_a_name_with_a_line_break_is_told_what_is_wrong_with_it() -> None:
    async def talk(at: Room) -> None:
        body, anyway = {"limits": {}, "reason": "r"}, {"If-Match": "*"}
        for name in ("%0A%C3%90", "a%0A", "%0A"):
            told = await at.client.put(f"/v1/risk/limits/broker/{name}", json=body, headers=anyway)
            assert (told.status_code, told.json()["code"]) == (422, "bad_value")

    held(talk)


def test_a_change_that_ends_by_itself() -> None:
    async def talk(at: Room) -> None:
        body = {"limits": {"max_order_qty": "50"}, "reason": "r", "reverts_at": "2099-01-01T00:00:00Z"}
        row = (await at.client.put(FUND, json=body, headers={"If-Match": "*"})).json()
        fits(risk_answers.LimitRow, row)
        assert row["reverts_at"] == "2099-01-01T00:00:00.000000Z"
        assert "max_order_qty" not in row["reverts_to"]
        over = body | {"reverts_at": "2020-01-01T00:00:00Z"}
        told = problem(await at.client.put(FUND, json=over, headers={"If-Match": "*"}), 422, "bad_value")
        assert told["errors"][0]["pointer"] == "#/reverts_at"

    held(talk)


@pytest.mark.parametrize(
    ("limits", "code", "pointer", "said"),
    [
        ({"max_order": 1}, "unknown_field", "#/limits/max_order", "max_order_notional_usd"),
        ({"max_runs": 1}, "unknown_field", "#/limits/max_runs", "a fund has no such limit"),
        ({"max_order_qty": "-1"}, "bad_number", "#/limits/max_order_qty", "below zero"),
        ({"max_order_qty": True}, "wrong_type", "#/limits/max_order_qty", "decimal"),
        ({"max_orders_per_s": "1.5"}, "bad_number", "#/limits/max_orders_per_s", "whole number"),
        ({"enable_shorting": "yes"}, "wrong_type", "#/limits/enable_shorting", "true nor false"),
        ({"allowed_order_types": ["magic"]}, "bad_value", "#/limits/allowed_order_types", "market"),
        ({"allowed_brokers": "paper"}, "wrong_type", "#/limits/allowed_brokers", "list"),
        ({"leverage": {"tulips": 2}}, "bad_value", "#/limits/leverage", "equities"),
        ({"leverage": 30}, "wrong_type", "#/limits/leverage", "asset class"),
        ({"nav_usd": None}, "missing", "#/limits/nav_usd", "what is the fund worth"),
        ([], "wrong_type", "#/limits", "JSON object"),
    ],
)
def test_limits_that_cannot_be(limits: Any, code: str, pointer: str, said: str) -> None:
    async def talk(at: Room) -> None:
        body = {"limits": limits, "reason": "r"}
        told = problem(await at.client.put(FUND, json=body, headers={"If-Match": "*"}), 422, code)
        assert told["errors"][0]["pointer"] == pointer
        assert said in told["detail"]

    held(talk)


@pytest.mark.parametrize(
    ("path", "body", "code", "place"),
    [
        ("/v1/risk/limits/planet/earth", {}, "bad_value", {"parameter": "level"}),
        ("/v1/risk/limits/firm/ours", {}, "bad_value", {"parameter": "name"}),
        ("/v1/risk/limits/fund/nobody", {}, "bad_value", {"parameter": "name"}),
        (FUND, {"reason": None}, "missing", {"pointer": "#/reason"}),
        (FUND, {"reason": " "}, "missing", {"pointer": "#/reason"}),
        (FUND, {"limits": None}, "missing", {"pointer": "#/limits"}),
        (FUND, {"colour": "red"}, "unknown_field", {"pointer": "#/colour"}),
    ],
)
def test_changes_that_cannot_be(path: str, body: dict[str, Any], code: str, place: dict[str, str]) -> None:
    async def talk(at: Room) -> None:
        given = {"limits": {"max_order_qty": "5"}, "reason": "r"} | body
        told = problem(await at.client.put(path, json=given, headers={"If-Match": "*"}), 422, code)
        assert place.items() <= told["errors"][0].items()

    held(talk)


def test_the_kill_switch_stops_and_another_principal_lifts_it() -> None:
    async def talk(at: Room) -> None:
        await at.submit()
        await at.gate.quiet()
        thrown = await at.client.post("/v1/kill-switch", json=HALT, headers=as_named("ann"))
        said = thrown.json()
        fits(risk_answers.Halted, said)
        fits(risk_answers.Halt, said["halt"])
        assert (said["asked"], said["canceled"], said["left"], said["halt"]["by"]) == (1, 0, 0, "ann")
        problem(await at.submit(order_id="ord-2", idempotency_key="k-2"), 422, "RISK_HALTED")
        await at.gate.quiet()
        assert (await at.client.get("/v1/orders/ord-abc")).json()["state"] == "CANCELED"
        assert (await at.client.get("/v1/kill-switch")).json()["items"] == [said["halt"]]
        lifting = HALT | {"reason": "over"}
        told = await at.client.post("/v1/kill-switch/release", json=lifting, headers=as_named("ann"))
        problem(told, 409, "same_principal")
        lifted = await at.client.post("/v1/kill-switch/release", json=lifting, headers=as_named("bob"))
        fits(risk_answers.Halt, lifted.json())
        assert (lifted.json()["lifted_by"], lifted.json()["lifted_because"]) == ("bob", "over")
        assert (await at.client.get("/v1/kill-switch")).json()["items"] == []
        assert (await at.client.get("/v1/kill-switch?all=true")).json()["items"] == [lifted.json()]
        problem(await at.client.post("/v1/kill-switch/release", json=lifting), 404, "not_halted")
        assert (await at.submit(order_id="ord-3", idempotency_key="k-3")).status_code == 202

    held(talk)


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"level": "symbol", "name": "AAPL"}, "bad_value", "#/level"),
        ({"level": "fund", "name": None}, "missing", "#/name"),
        ({"level": "fund", "name": "nobody"}, "bad_value", "#/name"),
        ({"level": "broker", "name": "nowhere"}, "bad_value", "#/name"),
        ({"level": "firm"}, "bad_value", "#/name"),
        ({"mode": "gently"}, "bad_value", "#/mode"),
        ({"reason": None}, "missing", "#/reason"),
        ({"colour": "red"}, "unknown_field", "#/colour"),
    ],
)
def test_halts_that_cannot_be(changes: dict[str, Any], code: str, pointer: str) -> None:
    async def talk(at: Room) -> None:
        told = problem(await at.client.post("/v1/kill-switch", json=HALT | changes), 422, code)
        assert told["errors"][0]["pointer"] == pointer

    held(talk)


def test_a_stricter_halt_stays_and_nothing_is_loosened_under_it() -> None:
    async def talk(at: Room) -> None:
        firm = {"level": "firm", "reason": "drill"}
        for mode in ("reduce_only", "halt", "halt"):
            answer = await at.client.post("/v1/kill-switch", json=firm | {"mode": mode})
            assert (answer.status_code, answer.json()["halt"]["mode"]) == (200, mode)
        problem(await at.client.post("/v1/kill-switch", json=firm | {"mode": "reduce_only"}), 409, "halted")
        body = {"limits": {"max_order_notional_usd": "2000000"}, "reason": "r"}
        problem(await at.client.put(FUND, json=body, headers={"If-Match": "*"}), 409, "halted")
        tighter = body | {"limits": {"max_order_notional_usd": "1000"}}
        assert (await at.client.put(FUND, json=tighter, headers={"If-Match": "*"})).status_code == 200

    held(talk)


def test_a_full_inbox_still_takes_the_kill_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(at: Room) -> None:
        monkeypatch.setattr("ordergate.application.runner.INBOX_MOST", 0)
        problem(await at.submit(), 503, "inbox_full")
        assert (await at.client.post("/v1/kill-switch", json=HALT)).status_code == 200

    held(talk)


def test_a_person_approves_an_order_and_a_change_of_it() -> None:
    async def talk(at: Room) -> None:
        waiting = (await at.submit()).json()
        assert (waiting["state"], waiting["awaits"]) == ("PENDING_RISK", ["approval"])
        (item,) = (await at.client.get("/v1/approvals")).json()["items"]
        fits(risk_answers.Approval, item)
        assert (item["order_id"], item["kind"], item["quantity"]) == ("ord-abc", "submit", "100")
        assert item["decide_by"] == waiting["decide_by"]
        answer = await at.client.post("/v1/approvals/ord-abc/approve", headers=as_named("ann"))
        assert (answer.status_code, answer.json()["state"]) == (200, "SUBMITTED")
        await at.gate.quiet()
        changed = await at.client.patch(
            "/v1/orders/ord-abc", json={"quantity": "200"}, headers={"If-Match": "*"}
        )
        assert changed.status_code == 202
        (item,) = (await at.client.get("/v1/approvals")).json()["items"]
        assert (item["kind"], item["quantity"], item["limit_price"]) == ("replace", "200", "180.5")
        rejected = await at.client.post("/v1/approvals/ord-abc/reject", json={"reason": "no"})
        assert (rejected.status_code, rejected.json()["quantity"]) == (200, "100")
        assert (await at.client.get("/v1/approvals")).json()["items"] == []
        problem(await at.client.post("/v1/approvals/ord-abc/approve"), 409, "not_awaited")
        problem(await at.client.post("/v1/approvals/ord-none/approve"), 404, "order_not_found")
        problem(await at.client.post("/v1/approvals/ord-abc/reject", json={"why": 1}), 422, "unknown_field")
        story = (await at.client.get("/v1/orders/ord-abc/timeline")).json()["items"]
        assert "ann" in {row["principal"] for row in story if row["event"] == "GateAnswered/1"}

    held(talk, config=limited(approve_above_usd=Decimal(1_000)))


def test_a_refused_order_goes_on_once_on_the_word_of_two() -> None:
    path = "/v1/risk/overrides"
    ask = {"order_id": "ord-abc", "reason": "a hedge"}

    async def talk(at: Room) -> None:
        problem(await at.client.post(path, json=ask), 404, "order_not_found")
        problem(await at.submit(), 422, "RISK_ORDER_QTY")
        problem(await at.client.post(f"{path}/ord-abc/approve"), 404, "no_override")
        problem(await at.client.post(f"{path}/ord-abc/approve", content=b"\x0b\x1d"), 400, "not_json")
        for wrong in ({"order_id": 1}, {"reason": " "}, {"expires_at": "soon"}, {"colour": "red"}):
            assert (await at.client.post(path, json=ask | wrong)).status_code == 422
        asked = await at.client.post(path, json=ask, headers=as_named("ann"))
        assert asked.status_code == 200
        fits(risk_answers.Override, asked.json())
        assert (await at.client.get(path)).json()["items"] == [asked.json()]
        problem(await at.client.post(path, json=ask), 409, "override_taken")
        problem(
            await at.client.post(f"{path}/ord-abc/approve", headers=as_named("ann")), 409, "same_principal"
        )
        made = await at.client.post(
            f"{path}/ord-abc/approve", json={"reason": "seen"}, headers=as_named("bob")
        )
        assert (made.status_code, made.json()["state"], made.json()["retry_of"]) == (
            202,
            "SUBMITTED",
            "ord-abc",
        )
        assert made.headers["location"] == f"/v1/orders/{made.json()['order_id']}"
        problem(
            await at.client.post(f"{path}/ord-abc/approve", headers=as_named("bob")), 409, "override_over"
        )
        assert (await at.client.get(path)).json()["items"] == []
        (row,) = (await at.client.get(path, params={"all": "true"})).json()["items"]
        assert (row["answered_by"], row["answer"], row["made"]) == ("bob", "seen", made.json()["order_id"])
        story = (await at.client.get("/v1/orders/ord-abc/timeline")).json()["items"]
        assert story[-2]["detail"].startswith("asks to waive RISK_ORDER_QTY once, until ")
        assert story[-1]["detail"] == f"granted, as order {made.json()['order_id']}: seen"
        (entered, *_) = (await at.client.get(f"{made.headers['location']}/timeline")).json()["items"]
        assert entered["detail"].endswith(", waived: RISK_ORDER_QTY")
        assert [(row["event"], row["principal"]) for row in story[-2:]] == [
            ("OverrideAsked/1", "ann"), ("OverrideAnswered/1", "bob"),
        ]  # fmt: skip

    held(talk, config=limited(max_order_qty=Decimal(50)))


def test_an_override_that_is_turned_down_or_refused_once_more() -> None:
    path = "/v1/risk/overrides"

    async def talk(at: Room) -> None:
        problem(await at.submit(), 422, "RISK_ORDER_QTY")
        ask = {"order_id": "ord-abc", "reason": "a hedge"}
        await at.client.post(path, json=ask, headers=as_named("ann"))
        down = await at.client.post(f"{path}/ord-abc/reject", headers=as_named("ann"))
        assert (down.status_code, down.json()["approved"]) == (200, False)
        await at.client.post(path, json=ask, headers=as_named("ann"))
        await at.client.post("/v1/kill-switch", json=HALT)
        told = problem(
            await at.client.post(f"{path}/ord-abc/approve", headers=as_named("bob")), 422, "RISK_HALTED"
        )
        assert (await at.client.get(f"/v1/orders/{told['order_id']}")).json()["retry_of"] == "ord-abc"

    held(talk, config=limited(max_order_qty=Decimal(50)))


def test_a_strategy_that_ran_too_often_is_enabled_by_a_person() -> None:
    async def talk(at: Room) -> None:
        path = "/v1/risk/limits/strategy/momentum_v1"
        await at.client.put(path, json={"limits": {"max_runs": 1}, "reason": "r"})
        enable = "/v1/risk/strategies/momentum_v1/enable"
        problem(await at.client.post(enable, json={"reason": "r"}), 404, "unknown_strategy")
        assert (await at.submit()).status_code == 202
        problem(await at.submit(order_id="ord-2", idempotency_key="k-2"), 422, "RISK_REPEATED")
        (row,) = (await at.client.get("/v1/risk/strategies")).json()["items"]
        fits(risk_answers.Strategy, row)
        assert (row["strategy_id"], row["runs"], row["max_runs"], row["stopped"]) == (
            "momentum_v1",
            1,
            1,
            True,
        )
        problem(await at.client.post(enable, json={}), 422, "missing")
        answer = await at.client.post(enable, json={"reason": "meant"}, headers=as_named("ann"))
        assert (answer.status_code, answer.json()["runs"], answer.json()["stopped"]) == (200, 0, False)
        assert answer.json()["enabled_by"] == "ann"
        assert (await at.submit(order_id="ord-3", idempotency_key="k-3")).status_code == 202

    held(talk, config=CONFIG)


def test_a_strategy_says_that_it_is_alive() -> None:
    async def talk(at: Room) -> None:
        beat = "/v1/risk/strategies/momentum_v1/heartbeat"
        told = problem(await at.client.post(beat), 409, "not_watched")
        assert "max_silence_s" in told["detail"]
        await at.client.put(
            "/v1/risk/limits/strategy/momentum_v1", json={"limits": {"max_silence_s": 60}, "reason": "r"}
        )
        assert (await at.client.get("/v1/risk/strategies")).json()["items"] == []
        answer = await at.client.post(beat)
        assert answer.status_code == 200
        fits(risk_answers.Strategy, answer.json())
        assert (answer.json()["max_silence_s"], answer.json()["runs"]) == (60, 0)
        size = await size_of(at)
        again = await at.client.post(beat, json={})
        assert (again.json(), await size_of(at)) == (answer.json(), size), "it is taken and not written"
        (row,) = (await at.client.get("/v1/risk/strategies")).json()["items"]
        assert row == answer.json()
        problem(await at.client.post(f"{beat}?shard=eu"), 400, "bad_parameter")
        problem(await at.client.post("/v1/risk/strategies/nobody/heartbeat"), 409, "not_watched")

    held(talk, config=CONFIG)


def test_a_strategy_s_own_position_is_limited() -> None:
    async def talk(at: Room) -> None:
        body = {"limits": {"max_position_qty": "150"}, "reason": "r"}
        await at.client.put("/v1/risk/limits/strategy/momentum_v1", json=body)
        assert (await at.submit()).status_code == 202
        told = problem(await at.submit(order_id="ord-2", idempotency_key="k-2"), 422, "RISK_POSITION")
        assert "max_position_qty of strategy momentum_v1: 150" in told["detail"]
        other = await at.submit(order_id="ord-3", idempotency_key="k-3", strategy_id="carry")
        assert other.status_code == 202

    held(talk, config=CONFIG)


def test_a_signal_that_the_gate_refuses_says_the_code() -> None:
    async def talk(at: Room) -> None:
        signal = {"signal_id": "s-1", "symbol": "AAPL", "signal_type": "BUY", "position_size": 1,
                  "risk_approval_status": "approved"}  # fmt: skip
        for _ in range(2):
            told = problem(await at.client.post("/v1/signals", json=signal), 422, "RISK_NO_PRICE")
            assert told["outcome"] == "rejected"
            assert told["order_id"]

    held(talk)
