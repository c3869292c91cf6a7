"""The configuration through the REST door: how it stands, reading it again, and its figures."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import jsonschema_rs

from ordergate.adapters.clock import SystemClock
from ordergate.api.rest import config_answers
from ordergate.api.rest.app import build
from ordergate.api.rest.openapi import document
from ordergate.api.rest.routes import OPERATIONS
from ordergate.bootstrap import open_gate
from ordergate.bootstrap.reloading import Reloader
from tests.unit.api.rooms import URL, problem, room
from tests.unit.application.guards import entries
from tests.unit.reloads import BASE, Source, start_of

DOCUMENT = document(OPERATIONS)
CAPPED = {"limits": {"firm": {"max_order_qty": 50}}}


def fits(shown: Any) -> None:
    schema = {"$ref": "#/components/schemas/Configuration", **DOCUMENT}
    assert list(config_answers.Configuration.model_fields) == list(shown)
    jsonschema_rs.Draft202012Validator(schema).validate(shown)


def run(test: Callable[[httpx2.AsyncClient, Source, Any], Awaitable[None]]) -> None:
    async def main() -> None:
        source = Source(BASE)
        start = start_of([source], SystemClock())
        async with open_gate(start.config, "sqlite://") as gate:
            app = build(gate, Reloader(gate, start))
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url=URL) as client:
                await test(client, source, gate)

    asyncio.run(main())


def test_how_it_stands_before_and_after_it_was_read_again() -> None:
    async def test(client: httpx2.AsyncClient, source: Source, gate: Any) -> None:
        before = (await client.get("/v1/config")).json()
        fits(before)
        assert (before["last_reload"], before["pending"]) == (None, [])
        assert before["in_force"]["signals"]["order_type"] == "market"
        source.say(BASE, CAPPED, {"server": {"port": 9000}})
        after = (await client.post("/v1/config/reload", headers={"X-Ordergate-Principal": "ann"})).json()
        fits(after)
        assert after["last_reload"]["outcome"] == "applied"
        assert [one["key"] for one in after["last_reload"]["changed"]] == ["limits.firm"]
        assert [(one["key"], one["class"], one["new"]) for one in after["pending"]] == [
            ("server.port", "restart", "9000")
        ]
        assert after["sources"][0]["revision"] == "1"
        (entry,) = await entries(gate, "ConfigurationChanged")
        assert (entry.principal, entry.source) == ("ann", "rest")

    run(test)


def test_what_is_refused_names_the_key_and_shows_in_the_figures() -> None:
    async def test(client: httpx2.AsyncClient, source: Source, gate: Any) -> None:
        assert "ordergate_config_last_reload_successful 1.0" in (await client.get("/metrics")).text
        source.say(BASE, {"limits": {"firm": {"max_order_qty": -1}}})
        told = problem(await client.post("/v1/config/reload"), 409, "configuration_refused")
        assert "limits.firm.max_order_qty" in told["detail"]
        shown = (await client.get("/v1/config")).json()
        fits(shown)
        assert shown["last_reload"]["outcome"] == "refused"
        assert "limits.firm.max_order_qty" in shown["last_reload"]["reason"]
        figures = (await client.get("/metrics")).text
        assert "ordergate_config_last_reload_successful 0.0" in figures
        assert 'ordergate_config_reloads_total{outcome="refused",source="file"}' in figures
        source.say(BASE)
        assert (await client.post("/v1/config/reload", json={})).status_code == 200
        assert "ordergate_config_last_reload_successful 1.0" in (await client.get("/metrics")).text
        problem(await client.post("/v1/config/reload", json={"force": True}), 422, "unknown_field")

    run(test)


def test_a_gate_of_a_program_of_its_own_has_nothing_to_reload() -> None:
    async def main() -> None:
        async with room() as at:
            problem(await at.client.get("/v1/config"), 404, "no_such_resource")
            problem(await at.client.post("/v1/config/reload"), 404, "no_such_resource")

    asyncio.run(main())
