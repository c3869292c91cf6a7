"""Brokers through the door: how they are, figures, readiness, and trying a refused login again."""

from typing import Any

from ordergate.api.rest.broker_answers import Broker, Ready
from ordergate.application.ports.brokers import Answer
from ordergate.domain.orders.reports import Acknowledged, Outcome
from ordergate.testing.scripted_broker import ScriptedBroker
from tests.unit.api.rooms import Room, held, problem
from tests.unit.application.test_logins import SAID, Locked


def refused(talk: Any) -> Any:
    return held(talk, brokers=[Locked(), ScriptedBroker()])


def test_each_is_listed_with_what_it_can_do_and_how_it_is() -> None:
    async def talk(at: Room) -> None:
        health = at.gate.health.of["paper"]
        for took_s in (0.0101, 0.02):
            health.answered(Answer(outcome=Outcome.ACCEPTED), took_s)
        at.gate.brokers["paper"].sink.report(Acknowledged(broker="paper"))
        acme, paper = (await at.client.get("/v1/brokers")).json()["items"]
        assert list(acme) == list(Broker.model_fields)
        assert (acme["name"], acme["adapter"], acme["session_open"]) == ("acme", "sync", False)
        assert (acme["login_refused"], acme["down"]) == (SAID, f"it refuses our login: {SAID}")
        assert (acme["calls"], acme["latency_p50_s"], acme["answer_age_s"]) == (0, None, None)
        assert (paper["name"], paper["adapter"], paper["session_open"], paper["down"]) == (
            "paper",
            "paper",
            True,
            None,
        )
        assert (paper["calls"], paper["latency_p50_s"], paper["latency_p99_s"]) == (2, 0.0101, 0.02)
        assert paper["report_age_s"] >= 0
        assert (paper["capabilities"]["calls"], paper["capabilities"]["operations"]) == (4, ["spot_trade"])
        Broker.model_validate(paper)

    refused(talk)


def test_readiness_names_those_that_are_down() -> None:
    async def talk(at: Room) -> None:
        ready = await at.client.get("/ready")
        assert ready.status_code == 200
        assert Ready.model_validate(ready.json()).brokers_down == {"acme": f"it refuses our login: {SAID}"}

    refused(talk)


def test_figures() -> None:
    async def talk(at: Room) -> None:
        health = at.gate.health.of["paper"]
        at.gate.brokers["paper"].clock_ahead_s = 0.125
        text = (await at.client.get("/metrics")).text
        assert 'ordergate_broker_call_seconds{broker="paper"' not in text
        health.answered(Answer(outcome=Outcome.ACCEPTED), 0.25)
        health.reported()
        text = (await at.client.get("/metrics")).text
        for line in (
            'ordergate_broker_up{broker="acme"} 0.0', 'ordergate_broker_up{broker="paper"} 1.0',
            'ordergate_broker_call_seconds{broker="paper",quantile="0.5"} 0.25',
            'ordergate_broker_call_seconds{broker="paper",quantile="0.99"} 0.25',
            'ordergate_broker_answer_age_seconds{broker="paper"} ',
            'ordergate_broker_report_age_seconds{broker="paper"} ',
            'ordergate_broker_clock_ahead_seconds{broker="paper"} 0.125',
        ):  # fmt: skip
            assert line in text, line

    refused(talk)


def test_a_refused_login_is_tried_again_when_asked() -> None:
    async def talk(at: Room) -> None:
        again = "/v1/brokers/acme/reconnect"
        said = await at.client.post(again, json={})
        assert (said.status_code, said.json()["login_refused"]) == (200, SAID)
        at.gate.brokers["acme"].locked = False
        said = await at.client.post(again, json={})
        assert (said.status_code, said.json()["session_open"], said.json()["down"]) == (200, True, None)
        problem(await at.client.post(again, json={}), 409, "not_refused")
        problem(await at.client.post("/v1/brokers/none/reconnect", json={}), 404, "unknown_broker")
        problem(await at.client.post(again, json={"now": True}), 422, "unknown_field")
        assert at.gate.brokers["acme"].tries == 3

    refused(talk)
