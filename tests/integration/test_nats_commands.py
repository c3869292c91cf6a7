"""Commands over a real NATS server: asked and answered as at REST, or sent and kept by a stream."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ordergate.api.nats import asking
from ordergate.config import Config
from ordergate.domain.errors import StoreError
from tests.integration.test_nats_signals import config_for, orders, run, taking
from tests.services.mail import Mail, mail, until
from tests.services.nats import Nats
from tests.services.postgres import Postgres

FUND = "paper-momentum"


def config(nats: Nats) -> Config:
    return config_for(nats, signals=False, commands=True)


def order(key: str = "k1", **more: Any) -> dict[str, Any]:
    return {
        "idempotency_key": key,
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "100",
        "order_type": "limit",
        "limit_price": "180.50",
        **more,
    }


def cmd(verb: str, fund: str = FUND) -> str:
    return f"ordergate.v1.cmd.{fund}.order.{verb}"


async def asked(post: Mail, verb: str, body: Any, fund: str = FUND, **headers: str) -> Any:
    async def answer() -> Any:
        try:
            return await post.ask(cmd(verb, fund), body, headers or None)
        except Exception:  # nobody listens yet
            return None

    return await until(answer)


def test_an_order_from_request_to_cancel(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            seen = await asked(post, "preview", order())
            assert (seen["status"], await gate.queries.orders()) == (200, [])
            made = await asked(post, "submit", order(order_id="ord-abc"))
            assert (made["status"], made["order"]["order_id"]) == (202, "ord-abc")
            assert "replayed" not in made
            again = await asked(post, "submit", order(order_id="ord-abc", fund_id=FUND))
            assert (again["status"], again["replayed"], again["order"]["order_id"]) == (200, True, "ord-abc")
            got = await asked(post, "get", {"order_id": "ord-abc"})
            assert (got["status"], got["order"]["limit_price"]) == (200, "180.5")
            await gate.quiet()
            version = (await asked(post, "get", {"order_id": "ord-abc"}))["order"]["version"]
            new = {"order_id": "ord-abc", "limit_price": "181", "version": version}
            assert (await asked(post, "replace", new))["status"] == 202
            await gate.quiet()
            stale = await asked(post, "replace", {**new, "limit_price": "182"})
            assert (stale["status"], stale["problem"]["code"]) == (412, "order_version")
            assert (await asked(post, "cancel", {"order_id": "ord-abc", "reason": "enough"}))["status"] == 202
            await gate.quiet()
            (kept,) = await gate.queries.orders()
            assert (kept.state, str(kept.limit_price)) == ("CANCELED", "181")

    run(main())


PROBLEMS = [
    ("submit", b"{", 400, "not_json", None),
    ("submit", order(key=None), 400, "idempotency_key_missing", "#/idempotency_key"),
    ("submit", order(fund_id="another"), 422, "bad_value", "#/fund_id"),
    ("submit", order(quantity="many"), 422, "bad_number", "#/quantity"),
    ("submit", order(bananas=1), 422, "unknown_field", "#/bananas"),
    ("submit", order("kx", symbol="NOSUCH"), 422, "unknown_symbol", "#/symbol"),
    ("submit", order(thesis="x" * 70_000), 413, "body_too_large", None),
    ("submit", [1], 422, "wrong_type", None),
    ("preview", order(side="up"), 422, "bad_value", "#/side"),
    ("cancel", {"order_id": "nosuch"}, 404, "order_not_found", "#/order_id"),
    ("cancel", {}, 422, "missing", "#/order_id"),
    ("cancel", {"order_id": 7}, 422, "wrong_type", "#/order_id"),
    ("cancel", {"order_id": "kept", "why": 1}, 422, "unknown_field", "#/why"),
    ("replace", {"order_id": "kept", "version": True, "quantity": "1"}, 422, "bad_value", "#/version"),
    ("replace", {"order_id": "kept", "version": 99, "quantity": "1"}, 412, "order_version", None),
    ("get", {"order_id": "kept", "fund_id": "another"}, 422, "bad_value", "#/fund_id"),
    ("fly", {}, 404, "no_such_resource", None),
]


def test_problems_are_those_of_rest(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await asked(post, "submit", order(order_id="kept"))
            for verb, body, status, code, pointer in PROBLEMS:
                told = await asked(post, verb, body)
                problem = told["problem"]
                assert (told["status"], problem["status"], problem["code"]) == (status, status, code), body
                assert problem["instance"] == cmd(verb)
                assert problem["outcome"] == "not_sent"
                if pointer:
                    assert [error["pointer"] for error in problem["errors"]] == [pointer]
            named = await asked(post, "get", {"order_id": "kept"}, fund="other=2Efund")
            assert (named["status"], named["problem"]["code"]) == (404, "order_not_found")
            assert "'other.fund'" in named["problem"]["detail"]
            reused = await asked(post, "submit", order(quantity="7"))
            assert reused["problem"]["code"] == "idempotency_key_reused"
            refused = await asked(post, "submit", order(key="k2", quantity="100000000"))
            assert (refused["status"], refused["problem"]["outcome"]) == (422, "rejected")
            again = await asked(post, "submit", order(key="k2", quantity="100000000"))
            assert again["problem"]["order_id"] == refused["problem"]["order_id"]
            principal = await asked(post, "get", {"order_id": "kept"}, **{"Ordergate-Principal": "two words"})
            assert principal["problem"]["code"] == "bad_parameter"
            assert len(await gate.queries.orders()) == 2
            assert await post.kept("ORDERGATE_DEAD") == []  # who asked knows

    run(main())


def test_a_request_that_nobody_waits_for(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await asked(post, "submit", order())
            await post.client.publish(cmd("submit"), b"{nonsense")
            ((subject, headers, data),) = await post.dead(1)
            assert (subject, headers["Ordergate-Code"], data) == (
                f"ordergate.v1.dead.{cmd('submit')}",
                "not_json",
                b"{nonsense",
            )
            assert len(await gate.queries.orders()) == 1

    run(main())


@pytest.mark.slow
def test_commands_of_a_stream(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await post.send("mts.v1.oms.submit", order(order_id="ord-1", fund_id=FUND))
            await post.send(f"mts.v1.oms.submit.fund.{FUND}", order("k2", order_id="ord-2"))
            await orders(gate, 2)
            await gate.quiet()
            await post.send("mts.v1.oms.replace", {"order_id": "ord-1", "quantity": "50"})

            async def changed() -> bool:
                return str((await gate.queries.order("ord-1")).quantity) == "50"

            await until(changed)
            await post.send(f"mts.v1.oms.cancel.fund.{FUND}", {"order_id": "ord-1"})

            async def canceled() -> bool:
                return (await gate.queries.order("ord-1")).state == "CANCELED"

            await until(canceled)
            bad = [
                ("mts.v1.oms.fly", {}, "unknown_subject"),
                ("mts.v1.oms.get", {"order_id": "ord-1"}, "no_reply"),
                ("mts.v1.oms.submit.fund.another", order("k3", fund_id=FUND), "bad_value"),
                ("mts.v1.oms.submit", order("k4"), "missing"),
                ("mts.v1.oms.cancel", {"order_id": "ord-1"}, "order_finished"),
                ("mts.v1.oms.submit", order(order_id="ord-1", fund_id=FUND), "repeated"),
                ("mts.v1.oms.submit", b"\x00", "not_json"),
                ("mts.v1.oms.replace", {"order_id": "no\0", "quantity": "1"}, "bad_value"),
                ("mts.v1.oms.cancel.fund.another", {"order_id": "ord-2"}, "order_not_found"),
            ]
            for subject, body, _code in bad:
                await post.send(subject, body)
            letters = await post.dead(len(bad))
            found = sorted((subject, headers["Ordergate-Code"]) for subject, headers, _data in letters)
            assert found == sorted((f"ordergate.v1.dead.{subject}", code) for subject, _body, code in bad)
            assert len(await gate.queries.orders()) == 2
            await post.send("mts.v1.oms.submit", order("k9", fund_id=FUND, quantity="100000000"))
            assert [o.state for o in await orders(gate, 3)].count("REJECTED") == 1
            assert len(await post.kept("ORDERGATE_DEAD")) == len(bad)  # the journal has it

    run(main())


def test_what_goes_out_below_the_same_root_has_a_stream_of_its_own(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with mail(nats.url) as post:
            await post.stream.add_stream(name="OUT", subjects=["mts.v1.oms.orders.>", "mts.v1.oms.fills.>"])
            async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate:
                await post.send("mts.v1.oms.orders.created", {"order_id": "x"})
                await post.send("mts.v1.oms.submit", order(fund_id=FUND))
                await orders(gate, 1)
                assert len(await post.kept("OUT")) == 1
                assert await post.kept("ORDERGATE_DEAD") == []

    run(main())


def test_too_many_requests_at_once(nats: Nats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_AT_ONCE", 0)

    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            told = await asked(post, "submit", order())
            assert (told["status"], told["problem"]["code"]) == (503, "inbox_full")
            assert told["problem"]["outcome"] == "not_sent"
            assert await gate.queries.orders() == []

    run(main())


def test_a_store_that_is_away_is_told(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            execute, failures = gate.execute, [StoreError("it is away"), RuntimeError("a mistake")]

            async def failing(*args: Any) -> Any:
                if failures:
                    raise failures.pop(0)
                return await execute(*args)

            gate.execute = failing  # type: ignore[method-assign]
            told = [(await asked(post, "submit", order())) for _ in range(3)]
            assert [one["status"] for one in told] == [503, 500, 202]
            assert [one["problem"]["retry"] for one in told[:2]] == ["same_key", "same_key"]

    run(main())


def test_a_cancel_right_behind_its_order_is_no_dead_letter(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await post.send("mts.v1.oms.submit", order("k0", order_id="ord-0", fund_id=FUND))
            await orders(gate, 1)
            for number in range(1, 20):
                await post.send(
                    "mts.v1.oms.submit", order(f"k{number}", order_id=f"ord-{number}", fund_id=FUND)
                )
                await post.send("mts.v1.oms.cancel", {"order_id": f"ord-{number}"})

            async def canceled() -> bool:
                return sum(o.state == "CANCELED" for o in await gate.queries.orders()) == 19

            await until(canceled)
            assert await post.kept("ORDERGATE_DEAD") == []

    run(main())


def test_an_order_that_was_asked_for_long_ago_is_not_made(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await post.send("mts.v1.oms.submit", order(order_id="ord-1", fund_id=FUND))
            await orders(gate, 1)
            clock = gate.clock
            gate.clock = type("Later", (), {"now": lambda self: clock.now() + timedelta(hours=1)})()
            await post.send("mts.v1.oms.submit", order("k2", fund_id=FUND))
            await post.send("mts.v1.oms.submit", order(order_id="ord-1", fund_id=FUND))
            letters = await post.dead(2)
            assert sorted(h["Ordergate-Code"] for _s, h, _d in letters) == ["command_too_old", "repeated"]
            await post.send("mts.v1.oms.cancel", {"order_id": "ord-1"})  # better late than never

            async def canceled() -> bool:
                return (await gate.queries.order("ord-1")).state == "CANCELED"

            await until(canceled)

    run(main())


@pytest.mark.slow
def test_two_nodes_answer_and_one_order_comes_of_a_key(nats: Nats, postgres: Postgres) -> None:
    url = postgres.database()

    async def main() -> None:
        async with (
            taking(config(nats), url) as one,
            taking(config(nats), url) as two,
            mail(nats.url) as post,
        ):
            await asked(post, "get", {"order_id": "x"})
            answers = await asyncio.gather(*(asked(post, "submit", order(f"k{n % 20}")) for n in range(80)))
            assert {answer["status"] for answer in answers} <= {200, 202}
            assert len({answer["order"]["order_id"] for answer in answers}) == 20
            for gate in (one, two):
                assert len(await gate.queries.orders()) == 20

    run(main())


@pytest.mark.slow
def test_requests_are_answered_again_after_the_server_was_killed(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            first = await asked(post, "submit", order())
            nats.kill()
            nats.start()
            again = await asked(post, "submit", order())
            assert again["order"]["order_id"] == first["order"]["order_id"]
            assert len(await gate.queries.orders()) == 1

    run(main())
