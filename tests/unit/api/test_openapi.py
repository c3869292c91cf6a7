"""The OpenAPI document says what the door does: fields, statuses, codes, examples."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from ordergate import __version__
from ordergate.api.problems import DoorCode
from ordergate.api.rest import answers, requests
from ordergate.api.rest.routes import OPERATIONS
from ordergate.domain.errors import Code
from ordergate.domain.orders.commands import ORDER_FIELDS
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.signals import SIGNAL_FIELDS
from tests.unit.api.document import DOCUMENT
from tests.unit.api.rooms import Room, held

EVERY = [(path, method, o) for path, item in DOCUMENT["paths"].items() for method, o in item.items()]
IDS = [f"{method} {path}" for path, method, _operation in EVERY]


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(schema) | DOCUMENT)


def validate(schema: dict[str, Any], value: Any) -> None:
    """Raises unless the value is as a schema of the document says; many operations share one."""
    _validator(json.dumps(schema)).validate(value)


def names(model: Any) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def test_requests_have_the_fields_that_the_parsers_take() -> None:
    assert set(names(requests.OrderRequest)) == set(ORDER_FIELDS)
    assert set(names(requests.KeyedOrderRequest)) == set(ORDER_FIELDS)
    assert set(names(requests.CheckRequest)) == set(ORDER_FIELDS)
    assert set(names(requests.SignalRequest)) == set(SIGNAL_FIELDS)


def test_answers_have_the_fields_that_are_shown() -> None:
    async def talk(at: Room) -> None:
        order = (await at.submit()).json()
        await at.quote()
        (fill,) = (await at.client.get("/v1/fills")).json()["items"]
        (position,) = (await at.client.get("/v1/positions")).json()["items"]
        timeline = (await at.client.get("/v1/orders/ord-abc/timeline")).json()
        quote = (await at.client.get("/v1/paper/quotes/AAPL")).json()
        for model, shown in (
            (answers.Order, order), (answers.Fill, fill), (answers.Position, position),
            (answers.Lot, position["lots"][0]), (answers.Timeline, timeline),
            (answers.Transition, timeline["items"][0]), (answers.Quote, quote),
        ):  # fmt: skip
            assert names(model) == list(shown)
            validate({"$ref": f"#/components/schemas/{model.__name__}"}, shown)

    held(talk)


@pytest.mark.parametrize(("path", "_method", "operation"), EVERY, ids=IDS)
def test_every_example_is_valid(path: str, _method: str, operation: dict[str, Any]) -> None:
    contents = [c for r in operation["responses"].values() for c in r["content"].values()]
    if "requestBody" in operation:
        contents.append(operation["requestBody"]["content"]["application/json"])
    for content in contents:
        for example in content.get("examples", {}).values():
            validate(content["schema"], example["value"])
    for parameter in operation["parameters"]:
        validate(parameter["schema"], parameter["example"])
    assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == set(
        re.findall(r"\{(\w+)\}", path)
    )


def test_the_document_is_whole() -> None:
    operations = [operation for _path, _method, operation in EVERY]
    assert len({o["operationId"] for o in operations}) == len(operations)
    assert DOCUMENT["info"]["version"] == __version__
    assert {tag for o in operations for tag in o["tags"]} == {tag["name"] for tag in DOCUMENT["tags"]}
    for operation in operations:
        assert operation["summary"]
        assert operation["description"].endswith(".")
        for status, response in operation["responses"].items():
            assert response["description"]
            assert "X-Request-Id" in response["headers"]
            assert ("application/problem+json" in response["content"]) == (int(status) >= 400)


def test_it_is_served_as_it_is_and_has_every_route() -> None:
    async def talk(at: Room) -> None:
        served = await at.client.get("/openapi.json")
        assert served.json() == DOCUMENT
        routes = {route.path.replace(":path}", "}") for route in at.app.routes} - {"/openapi.json"}
        assert routes == set(DOCUMENT["paths"])

    held(talk)


NOT_OF_REST = {
    Code.INSTRUMENT_IN_USE,  # of the configuration, when a gate is opened
    Code.LOTS_AVERAGED,  # likewise
    Code.FUND_BUSY,  # of a fund's move, which the command line alone does
    DoorCode.NOT_PROTOBUF,  # of gRPC
    DoorCode.TOO_MANY_STREAMS,  # likewise
}


def test_every_code_is_listed_and_every_listed_code_exists() -> None:
    known = {*Code, *DoorCode, *RiskCode}
    listed = {code for operation in OPERATIONS for codes in operation.problems.values() for code in codes}
    assert listed <= known
    assert known - listed - {DoorCode.METHOD_NOT_ALLOWED} == NOT_OF_REST


def test_every_code_in_the_door_is_raised_somewhere() -> None:
    source = Path(answers.__file__).parents[1]
    text = "".join(path.read_text() for path in source.rglob("*.py"))
    for code in DoorCode:
        assert text.count(f"DoorCode.{code.name}") >= 1, code
