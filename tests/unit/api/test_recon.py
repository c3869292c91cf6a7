"""Reconciliation through the REST door: comparisons on demand, breaks, and what persons say of them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import jsonschema_rs
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import PaperBroker, PaperSettings
from ordergate.adapters.clock import SystemClock
from ordergate.api.rest import recon_answers
from ordergate.domain.instruments import built_in
from ordergate.domain.recon.statement import Statement
from tests.unit.api.document import DOCUMENT
from tests.unit.api.rooms import CONFIG, Room, held, problem

BREAKS = "/v1/recon/breaks"
BEA = {"X-Ordergate-Principal": "bea"}


class Generous(PaperBroker):
    """Five shares more than were traded, once somebody says so."""

    more = Decimal(0)

    async def statement(self, since: datetime) -> Statement:
        told = await super().statement(since)
        return replace(told, positions={"AAPL": (told.positions or {}).get("AAPL", 0) + self.more})


def generous() -> Generous:
    return Generous("paper", PaperSettings(), None, SystemClock(), built_in)


def fits(model: Any, shown: Mapping[str, Any]) -> None:
    assert list(model.model_fields) == list(shown)
    schema = {"$ref": f"#/components/schemas/{model.__name__}", **DOCUMENT}
    jsonschema_rs.Draft202012Validator(schema).validate(shown)


def test_a_break_from_being_found_to_its_end() -> None:
    broker = generous()

    async def talk(at: Room) -> None:
        await at.submit()
        await at.quote()
        (agreed,) = (await at.client.post("/v1/recon/runs")).json()["items"]
        fits(recon_answers.Comparison, agreed)
        assert (agreed["broker"], agreed["found"], agreed["breaks"]) == ("paper", "agrees", [])
        broker.more = Decimal(5)
        (found,) = (await at.client.post("/v1/recon/runs", json={"broker": "paper"})).json()["items"]
        (item,) = found["breaks"]
        fits(recon_answers.Comparison, found)
        fits(recon_answers.Break, item)
        assert (item["kind"], item["ours"], item["theirs"]) == ("position", "100", "105")
        assert (await at.client.get(BREAKS)).json()["items"] == [item]
        other = await at.client.get(f"{BREAKS}?broker=other")
        assert (other.status_code, other.json()["code"]) == (404, "unknown_broker")
        one = f"{BREAKS}/{item['break_id']}"
        assert (await at.client.get(one)).json() == item
        assigned = (await at.client.post(f"{one}/assign", json={"owner": "bea"})).json()
        assert assigned == item | {"owner": "bea"}
        done = await at.client.post(f"{one}/resolve", json={"reason": "a gift"}, headers=BEA)
        fits(recon_answers.Break, done.json())
        assert (done.json()["resolution"], done.json()["resolved_by"]) == ("explained", "bea")
        assert (await at.client.get(BREAKS)).json()["items"] == []
        assert (await at.client.get(f"{BREAKS}?all=true")).json()["items"] == [done.json()]
        problem(await at.client.post(f"{one}/assign", json={"owner": "ann"}), 409, "break_resolved")

    held(talk, brokers=[broker])


def test_the_difference_is_booked_where_that_is_asked_for() -> None:
    broker = generous()

    async def talk(at: Room) -> None:
        await at.submit()
        await at.quote()
        broker.more = Decimal(-100)
        (found,) = (await at.client.post("/v1/recon/runs")).json()["items"]
        one = f"{BREAKS}/{found['breaks'][0]['break_id']}"
        body = {"reason": "sold by telephone", "adjust": True, "fund_id": "paper-momentum", "price": "181.00"}
        done = (await at.client.post(f"{one}/resolve", json=body)).json()
        assert (done["resolution"], done["why"]) == ("adjusted", "sold by telephone")
        (position,) = (await at.client.get("/v1/positions")).json()["items"]
        assert (position["quantity"], position["realized_pnl"]) == ("0", "50")
        assert len((await at.client.get("/v1/fills")).json()["items"]) == 1

    held(talk, brokers=[broker])


def test_what_is_wrong_is_said() -> None:
    broker = generous()

    async def talk(at: Room) -> None:
        problem(await at.client.post("/v1/recon/runs", json={"broker": "nobody"}), 404, "unknown_broker")
        problem(await at.client.post("/v1/recon/runs", json={"brokers": "x"}), 422, "unknown_field")
        problem(await at.client.get(f"{BREAKS}?all=perhaps"), 400, "bad_parameter")
        problem(await at.client.get(f"{BREAKS}/brk-9"), 404, "break_not_found")
        for action, body in (("assign", {"owner": "bea"}), ("resolve", {"reason": "so"})):
            problem(await at.client.post(f"{BREAKS}/brk-9/{action}", json=body), 404, "break_not_found")
            problem(await at.client.post(f"{BREAKS}/brk-9/{action}", json={}), 422, "missing")
        wrong = (
            ({"reason": "so", "adjust": "yes"}, "wrong_type"),
            ({"reason": "so", "price": "1"}, "bad_value"),
            ({"reason": "so", "adjust": True, "price": "-1"}, "not_positive"),
        )
        for body, code in wrong:
            problem(await at.client.post(f"{BREAKS}/brk-9/resolve", json=body), 422, code)
        broker.more = Decimal(5)
        (found,) = (await at.client.post("/v1/recon/runs")).json()["items"]
        one = f"{BREAKS}/{found['breaks'][0]['break_id']}/resolve"
        adjust = {"reason": "so", "adjust": True}
        problem(await at.client.post(one, json=adjust), 422, "missing")  # two funds trade there
        problem(await at.client.post(one, json=adjust | {"fund_id": "nobody"}), 422, "unknown_fund")

    held(talk, brokers=[broker], config=CONFIG)
