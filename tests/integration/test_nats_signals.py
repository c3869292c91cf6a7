"""Signals over a real NATS server: good ones become one order each, everything else a dead letter with its reason."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from ordergate.api.nats.settings import Inputs
from ordergate.application import tallying
from ordergate.application.ports.secrets import SecretError
from ordergate.bootstrap import Gate, check_nats_in, nats_in, open_gate
from ordergate.config import Config
from ordergate.config.nats import NatsSection
from ordergate.domain.errors import StoreError
from tests.services.mail import mail, until
from tests.services.nats import Nats
from tests.services.postgres import Postgres
from tests.services.secrets import secrets

SECRET = "the risk service's secret"


def config_for(nats: Nats, **inputs: Any) -> Config:
    return Config(nats=NatsSection(servers=(nats.url,), inputs=Inputs(**{"signals": True, **inputs})))


@asynccontextmanager
async def taking(config: Config, url: str) -> AsyncIterator[Gate]:
    async with open_gate(config, url) as gate, nats_in(config, gate):
        yield gate


def signal(number: int = 1, **more: Any) -> dict[str, Any]:
    """As seed strategies write them."""
    return {
        "signal_id": f"sig-{number}",
        "symbol": "EURUSD",
        "signal_type": "buy",
        "entry_price": 1.08125,
        "stop_loss": 1.08000,
        "take_profit": 1.08500,
        "position_size": 0.01,
        **more,
    }


async def orders(gate: Gate, count: int) -> list[Any]:
    async def enough() -> Any:
        found = await gate.queries.orders()
        return found if len(found) >= count else None

    return await until(enough)


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 120))


def test_an_approved_signal_becomes_an_order(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await post.send("signals.approved.EURUSD", signal(), {"Ordergate-Principal": "risk"})
            (order,) = await orders(gate, 1)
            assert (order.signal_id, order.symbol, order.side, str(order.quantity)) == (
                "sig-1",
                "EURUSD",
                "buy",
                "0.01",
            )
            lines = await gate.journal.lines(0, 1000)
            entry = next(e for e in map(json.loads, (line.data for line in lines)) if "raw" in e)
            assert entry["source"] == "nats"
            assert entry["principal"] == "risk"
            assert entry["request"] == "ORDERGATE_SIGNALS/1"
            assert json.loads(entry["raw"]) == signal()

    run(main())


def test_rejected_signals_are_never_executed(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with mail(nats.url) as post:  # a stream of somebody's that has both
            await post.stream.add_stream(name="RISK", subjects=["signals.>"])
            async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate:
                await post.send("signals.rejected.EURUSD", signal(1))
                await post.send("signals.EURUSD", signal(2))
                await post.send("signals.approved.EURUSD", signal(3))
                found = await orders(gate, 1)
                assert [order.signal_id for order in found] == ["sig-3"]
                info = await post.stream.consumers_info("RISK")
                assert [one.config.filter_subjects or [one.config.filter_subject] for one in info] == [
                    ["signals.approved.>"]
                ]
            assert await post.kept("ORDERGATE_DEAD") == []

    run(main())


LONG_AGO = "2020-01-01T00:00:00Z"
BAD = [
    (b"not json", "not_json"),
    (b"\xff\xfe", "not_json"),
    (b"[1, 2]", "wrong_type"),
    (b'{"signal_id": "a", "signal_id": "b"}', "not_json"),
    (signal(signal_type="hold"), "signal_no_order"),
    (signal(bananas=3), "unknown_field"),
    (signal(position_size="lots"), "bad_number"),
    (signal(position_size=-1), "not_positive"),
    (signal(approved=False), "signal_not_approved"),
    (signal(risk_approval_status="pending"), "signal_not_approved"),
    (signal(fund_id="nobodys"), "unknown_fund"),
    (signal(symbol="NOSUCH"), "unknown_symbol"),
    (signal(expires_at=LONG_AGO), "signal_expired"),
    (signal(timestamp=LONG_AGO), "signal_too_old"),
    (signal(timestamp="2099-01-01T00:00:00Z"), "signal_from_the_future"),
    (signal(metadata="x" * 70_000), "body_too_large"),
]


def test_one_bad_message_never_stops_the_rest(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        before = tallying.dead_letters.copy()
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            for number, (body, _code) in enumerate(BAD):
                written = {**body, "signal_id": f"bad-{number}"} if isinstance(body, dict) else body
                await post.send(
                    "signals.approved.EURUSD", written, {"X-Sender": "me", "Nats-Msg-Id": f"m{number}"}
                )
                await post.send("signals.approved.EURUSD", signal(number))
            letters = await post.dead(len(BAD))
            found = await orders(gate, len(BAD))
        assert sorted(order.signal_id for order in found) == sorted(f"sig-{n}" for n in range(len(BAD)))
        by_place = {
            headers["Ordergate-Message"]: (subject, headers, data) for subject, headers, data in letters
        }
        assert len(by_place) == len(letters) == len(BAD)
        for number, (body, code) in enumerate(BAD):
            subject, headers, data = by_place[f"ORDERGATE_SIGNALS/{2 * number + 1}"]
            assert headers["Ordergate-Code"] == code
            assert headers["Ordergate-Reason"]
            assert headers["X-Sender"] == "me"
            assert subject == "ordergate.v1.dead.signals.approved.EURUSD"
            if isinstance(body, bytes):
                assert data == body
            else:
                assert json.loads(data) == {**body, "signal_id": f"bad-{number}"}
        counted = tallying.dead_letters - before
        assert sum(counted.values()) == len(BAD)
        assert counted["inputs", "not_json"] == 3

    run(main())


def test_a_repeated_signal_makes_no_second_order(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await post.send("signals.approved.EURUSD", signal())
            (order,) = await orders(gate, 1)
            await post.send("signals.approved.EURUSD", signal())
            await post.send("signals.approved.EURUSD", signal(position_size=0.02))
            letters = await post.dead(2)
            said = {headers["Ordergate-Code"]: headers for _subject, headers, _data in letters}
            assert said["repeated"]["Ordergate-Order"] == order.order_id
            assert "idempotency_key_reused" in said
            assert len(await gate.queries.orders()) == 1

    run(main())


def _hmac(data: bytes) -> str:
    return "hmac-sha256=" + hmac.new(SECRET.encode(), data, hashlib.sha256).hexdigest()


def test_signatures(nats: Nats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISK_SECRET", SECRET)
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    config = config_for(nats, signed_only=True, hmac_key_env="RISK_SECRET", ed25519_key=public)

    def ed25519(data: bytes) -> str:
        return "ed25519=" + base64.b64encode(key.sign(data)).decode()

    async def main() -> None:
        async with taking(config, f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            good = [json.dumps(signal(n)).encode() for n in (1, 2)]
            await post.send("signals.approved.EURUSD", good[0], {"Ordergate-Signature": _hmac(good[0])})
            await post.send("signals.approved.EURUSD", good[1], {"Ordergate-Signature": ed25519(good[1])})
            wrong = json.dumps(signal(3)).encode()
            for header in (_hmac(good[0]), ed25519(good[1]), "ed25519=%%%", "rot13=abc", "hmac-sha256="):
                await post.send("signals.approved.EURUSD", wrong, {"Ordergate-Signature": header})
            await post.send("signals.approved.EURUSD", wrong)
            letters = await post.dead(6)
            assert {headers["Ordergate-Code"] for _s, headers, _d in letters} == {"bad_signature"}
            assert any(headers.get("Ordergate-Signature") == "rot13=abc" for _s, headers, _d in letters)
            assert [o.signal_id for o in await orders(gate, 2)] == ["sig-1", "sig-2"]

    run(main())


def test_a_wrong_signature_is_refused_also_where_none_is_needed(
    nats: Nats, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("RISK_SECRET", SECRET)
    config = config_for(nats, hmac_key_env="RISK_SECRET", signed_only=False)

    async def main() -> None:
        async with taking(config, f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            for number, name in enumerate(("Ordergate-Signature", "ordergate-signature")):
                await post.send("signals.approved.EURUSD", signal(number), {name: "hmac-sha256=00"})
            await post.send("signals.approved.EURUSD", signal(2))
            await post.dead(2)
            assert [o.signal_id for o in await orders(gate, 1)] == ["sig-2"]

    run(main())


def test_a_key_is_for_signed_signals_alone_as_left_out(nats: Nats, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RISK_SECRET", SECRET)
    config = config_for(nats, hmac_key_env="RISK_SECRET")

    async def main() -> None:
        async with taking(config, f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await post.send("signals.approved.EURUSD", signal(1))
            good = json.dumps(signal(2)).encode()
            await post.send("signals.approved.EURUSD", good, {"ordergate-signature": _hmac(good)})
            both = {"Ordergate-Signature": _hmac(b""), "ordergate-signature": _hmac(good)}
            await post.send("signals.approved.EURUSD", good, both)
            letters = await post.dead(2)
            assert {headers["Ordergate-Code"] for _s, headers, _d in letters} == {"bad_signature"}
            assert [o.signal_id for o in await orders(gate, 1)] == ["sig-2"]

    run(main())


def test_a_signature_that_nobody_here_can_check_is_refused(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            body = json.dumps(signal(1)).encode()
            await post.send("signals.approved.EURUSD", body, {"Ordergate-Signature": _hmac(body)})
            await post.send("signals.approved.EURUSD", signal(2))
            ((_subject, headers, _data),) = await post.dead(1)
            assert headers["Ordergate-Code"] == "bad_signature"
            assert "no key is configured here" in headers["Ordergate-Reason"]
            assert [o.signal_id for o in await orders(gate, 1)] == ["sig-2"]

    run(main())


@pytest.mark.parametrize("named", [{"hmac_key_env": "RISK_SECRET"}, {"hmac_key_file": "secret"}])
def test_a_key_that_is_none_is_named_by_its_setting(
    nats: Nats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RISK_SECRET", "short")
    (tmp_path / "secret").write_text("short")
    (setting,) = named
    with pytest.raises(SecretError, match=rf"nats\.inputs\.{setting}: .* fewer than 16 characters") as raised:
        check_nats_in(config_for(nats, **named), secrets())
    assert "short" not in str(raised.value)


@pytest.mark.slow
def test_a_server_killed_between_delivery_and_acknowledgement(nats: Nats, tmp_path: Path) -> None:
    count = 60

    async def main() -> None:
        config = config_for(nats, ack_wait_s=1)
        async with taking(config, f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await post.send("signals.approved.EURUSD", signal(0))
            await orders(gate, 1)
            execute, gone = gate.execute, asyncio.Event()

            async def slow(*args: Any) -> Any:
                await gone.wait()  # delivered, not acknowledged
                return await execute(*args)

            gate.execute = slow  # type: ignore[method-assign]
            for number in range(1, count // 2):
                await post.send("signals.approved.EURUSD", signal(number))
            nats.kill()
            gone.set()
            await orders(gate, 2)
            nats.start()
            for number in range(count // 2, count):
                await post.send("signals.approved.EURUSD", signal(number))
            found = await orders(gate, count)

            async def all_acknowledged() -> bool:
                (info,) = await post.stream.consumers_info("ORDERGATE_SIGNALS")
                return info.num_pending == info.num_ack_pending == 0

            await until(all_acknowledged)
            found = await gate.queries.orders()
        assert sorted(o.signal_id for o in found) == sorted(f"sig-{n}" for n in range(count))

    run(main())


@pytest.mark.slow
def test_a_server_that_stands_still_and_goes_on(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            for number in range(20):
                await post.send("signals.approved.EURUSD", signal(number))
            nats.pause()
            await asyncio.sleep(3)  # longer than a fetch waits
            nats.resume()
            for number in range(20, 40):
                await post.send("signals.approved.EURUSD", signal(number))
            found = await orders(gate, 40)
            assert sorted(o.signal_id for o in found) == sorted(f"sig-{n}" for n in range(40))

    run(main())


@pytest.mark.slow
def test_a_store_that_is_away_makes_a_signal_come_again(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            execute, failures = gate.execute, [StoreError("it is away"), RuntimeError("a mistake"), None]

            async def failing(*args: Any) -> Any:
                failure = failures.pop(0) if failures else None
                if failure is not None:
                    raise failure
                return await execute(*args)

            gate.execute = failing  # type: ignore[method-assign]
            await post.send("signals.approved.EURUSD", signal())
            assert len(await orders(gate, 1)) == 1
            assert await post.kept("ORDERGATE_DEAD") == []

    run(main())


@pytest.mark.slow
def test_what_never_ends_becomes_a_dead_letter(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        config = config_for(nats, max_deliver=2)
        async with taking(config, f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            execute = gate.execute

            async def failing(command: Any, *args: Any) -> Any:
                name = command.signal.signal_id
                if name == "sig-1":
                    raise RuntimeError("a mistake")
                if name == "sig-2":
                    raise StoreError("it is away")
                return await execute(command, *args)

            gate.execute = failing  # type: ignore[method-assign]
            for number in (1, 2, 3):
                await post.send("signals.approved.EURUSD", signal(number))
            letters = await post.dead(2)
            assert sorted(headers["Ordergate-Code"] for _s, headers, _d in letters) == [
                "internal_error",
                "tried_too_often",
            ]
            assert [o.signal_id for o in await orders(gate, 1)] == ["sig-3"]

    run(main())


def test_a_signal_is_late_by_the_server_s_clock_too(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            clock = gate.clock
            gate.clock = type("Later", (), {"now": lambda self: clock.now() + timedelta(hours=1)})()
            ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
            await post.send("signals.approved.EURUSD", signal(1, timestamp=ahead))
            ((_subject, headers, _data),) = await post.dead(1)
            assert headers["Ordergate-Code"] == "signal_too_old"
            assert await gate.queries.orders() == []

    run(main())


def test_a_late_signal_that_made_its_order_in_time_is_no_dead_letter(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        config = config_for(nats, max_age_s=300)
        async with taking(config, f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            at = datetime.now(UTC) - timedelta(seconds=299)
            await post.send("signals.approved.EURUSD", signal(timestamp=at.isoformat()))
            (order,) = await orders(gate, 1)
            clock = gate.clock
            gate.clock = type("Later", (), {"now": lambda self: clock.now() + timedelta(hours=1)})()
            await post.send("signals.approved.EURUSD", signal(timestamp=at.isoformat()))
            ((_subject, headers, _data),) = await post.dead(1)
            assert (headers["Ordergate-Code"], headers["Ordergate-Order"]) == ("repeated", order.order_id)

    run(main())


def test_the_server_is_away_at_the_start(nats: Nats, tmp_path: Path) -> None:
    nats.kill()

    async def main() -> None:
        async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate:
            nats.start()
            async with mail(nats.url) as post:
                await post.send("signals.approved.EURUSD", signal())
                assert len(await orders(gate, 1)) == 1

    run(main())


@pytest.mark.slow
def test_two_nodes_share_the_signals(nats: Nats, postgres: Postgres) -> None:
    count, url = 80, postgres.database()

    async def main() -> None:
        config = config_for(nats)
        async with AsyncExitStack() as stack, mail(nats.url) as post:
            gates = [await stack.enter_async_context(taking(config, url)) for _ in range(2)]
            for number in range(count):
                await post.send("signals.approved.EURUSD", signal(number))
            found = await orders(gates[0], count)
            assert sorted(o.signal_id for o in found) == sorted(f"sig-{n}" for n in range(count))
            info = await post.stream.consumers_info("ORDERGATE_SIGNALS")
            assert len(info) == 1
            assert len(await gates[1].queries.orders()) == count
            assert await post.kept("ORDERGATE_DEAD") == []

    run(main())


def test_a_stream_that_keeps_too_little_is_named(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        from structlog.testing import capture_logs

        async with mail(nats.url) as post:
            await post.stream.add_stream(name="HALF", subjects=["signals.approved.EURUSD"])
            with capture_logs() as logs:
                async with taking(config_for(nats), f"sqlite:///{tmp_path / 'o.db'}"):

                    async def told() -> bool:
                        return any(
                            "HALF keeps signals.approved.EURUSD" in str(log.get("error")) for log in logs
                        )

                    await until(told)

    run(main())


def test_nothing_is_taken_as_left_out(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        config = replace(config_for(nats), nats=NatsSection(servers=(nats.url,)))
        async with taking(config, f"sqlite:///{tmp_path / 'o.db'}"), mail(nats.url) as post:
            assert await post.stream.streams_info() == []

    run(main())
