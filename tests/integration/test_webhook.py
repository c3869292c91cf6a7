"""Alerts by webhook, against a real HTTP server that fails, hangs, sends elsewhere and is gone."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.outlets import Target, Webhook, webhook
from ordergate.adapters.outlets.webhook import SIGNATURE, signature
from ordergate.application.entry import Entry, Origin
from ordergate.application.naming import LogName
from ordergate.application.ports.secrets import Kind, Place, Secret, SecretError, fixed
from ordergate.application.reloading import Outcome
from ordergate.bootstrap import Gate, open_gate
from ordergate.bootstrap.reloading import Reloader
from ordergate.config import Config, ConfigError, load
from ordergate.config.alerts import AlertsSection
from ordergate.domain.errors import OrdergateError
from ordergate.domain.orders.events import OrderRejected
from ordergate.domain.risk.commands import LiftHalt, ThrowSwitch
from ordergate.domain.risk.limits import Level
from tests.services.hooks import Hook, hook
from tests.services.secrets import secrets
from tests.unit.reloads import Source, start_of

SECRET = "a secret of the desk"
MOST_S = 5.0
"""RSK-16."""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_SECRET", SECRET)


@asynccontextmanager
async def gate_to(url: str, path: Path) -> AsyncIterator[Gate]:
    config = Config(alerts=AlertsSection(webhook=url, secret_env="DESK_SECRET"))
    async with open_gate(config, f"sqlite:///{path / 'orders.db'}") as gate:
        yield gate


async def alarm(gate: Gate, reason: str = "enough", level: Level = Level.FIRM, name: str = "") -> int:
    """Something worth an alert; the index of its entry."""
    await gate.execute(ThrowSwitch(level=level, name=name, reason=reason))
    return (await gate.journal.head()).size - 1


async def came(told: Hook, count: int, within_s: float = 30) -> list[dict]:
    """The bodies of so many requests, once they have come."""
    until = time.monotonic() + within_s
    while len(told.taken) < count:
        assert time.monotonic() < until, f"{len(told.taken)} of {count} came"
        await asyncio.sleep(0.01)
    return [json.loads(body) for _at, _headers, body in told.taken]


def test_an_alert_comes_signed_within_five_seconds(tmp_path: Path) -> None:
    async def main() -> None:
        with hook() as told:
            async with gate_to(told.url, tmp_path) as gate:
                began = time.time()
                index = await alarm(gate)
                (body,) = await came(told, 1, MOST_S)
                assert (body["id"], body["kind"], body["log"]) == (index, "halt", gate.config.audit.origin)
                assert body["journal"] == (await gate.journal.lines(0, 1))[0].hash.hex()[:8]
                assert body["detail"].endswith("enough")
                _at, headers, raw = told.taken[0]
                at_s, _, digest = headers[SIGNATURE].partition(",v1=")
                at_s = at_s.removeprefix("t=")
                wanted = hmac.new(SECRET.encode(), at_s.encode() + b"." + raw, hashlib.sha256).hexdigest()
                assert hmac.compare_digest(digest, wanted)
                assert abs(int(at_s) - began) < MOST_S
                assert headers["Content-Type"] == "application/json"
                assert SECRET not in str(headers) + raw.decode()

    asyncio.run(main())


class Named:
    """Names a journal that is not there."""

    async def name(self) -> LogName:
        return LogName("log", "01234567")


@pytest.mark.parametrize("answer", [500, 404, 302], ids=["fails", "knows nothing", "sends elsewhere"])
def test_what_is_not_taken_comes_again_in_order(tmp_path: Path, answer: int) -> None:
    async def main() -> None:
        with hook() as told:
            told.answers.append(answer)
            async with gate_to(told.url, tmp_path) as gate:
                first = await alarm(gate, "one", Level.FUND, "paper-momentum")
                second = await alarm(gate, "two")
                bodies = await came(told, 3)
                assert [body["id"] for body in bodies] == [first, first, second]
                assert told.taken[0][2] == told.taken[1][2], "the same alert is the same bytes"

    asyncio.run(main())


@pytest.mark.slow
def test_one_that_hangs_is_given_up_and_orders_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ANSWER_S", 2.0)

    async def main() -> None:
        with hook() as told:
            told.answers.append(30.0)
            async with gate_to(told.url, tmp_path) as gate:
                index = await alarm(gate)
                await came(told, 1)
                await gate.execute(
                    LiftHalt(level=Level.FIRM, name="", reason="on"), Origin(principal="bert", source="sdk")
                )
                assert len(told.taken) == 1, "nobody waits until it is given up"
                bodies = await came(told, 2)
                assert [body["id"] for body in bodies] == [index, index]
                told.let_go.set()

    asyncio.run(main())


def test_what_was_taken_is_not_sent_again_with_what_was_not() -> None:
    async def main() -> None:
        broken = OrderRejected(order_id="o", path=(), times=(), code="REJECTED_BY_BROKER")
        entries = [
            Entry(index=n, time=SystemClock().now(), actor="a", principal="p", source="s", event=broken)
            for n in (3, 4)
        ]
        with hook() as told:
            told.answers += [204, 500]
            outlet = Webhook(Target(told.url, fixed(SECRET)), Named(), SystemClock())
            with pytest.raises(OrdergateError, match="alert 4 was answered with 500"):
                await outlet.deliver(entries)
            await outlet.deliver(entries)
            assert [json.loads(body)["id"] for _at, _headers, body in told.taken] == [3, 4, 4]

    asyncio.run(main())


def test_one_that_answers_a_byte_at_a_time_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ANSWER_S", 1.0)

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for byte in b"HTTP/1.1 204 No Content\r\nX: " + b"y" * 1_000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.2)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main() -> None:
        event = OrderRejected(order_id="o", path=(), times=(), code="REJECTED_BY_BROKER")
        entry = Entry(index=1, time=SystemClock().now(), actor="a", principal="p", source="s", event=event)
        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            outlet = Webhook(Target(f"http://127.0.0.1:{port}/", fixed(SECRET)), Named(), SystemClock())
            began = time.monotonic()
            with pytest.raises(OrdergateError, match="not answered within 1 s"):
                await outlet.deliver([entry])
            assert time.monotonic() - began < MOST_S

    asyncio.run(main())


def test_one_that_is_gone_gets_it_when_it_is_back_also_from_the_next_run(tmp_path: Path) -> None:
    async def main() -> None:
        with hook() as gone:
            port, url = gone.port, gone.url
        async with gate_to(url, tmp_path) as gate:
            index = await alarm(gate)
            await asyncio.sleep(0.2)
        with hook(port) as told:
            async with gate_to(url, tmp_path) as gate:
                (body,) = await came(told, 1)
                assert body["id"] == index
                await until_fed(gate)
        with hook(port) as told:
            async with gate_to(url, tmp_path):
                await asyncio.sleep(0.3)
                assert told.taken == [], "what was taken does not come again"

    asyncio.run(main())


def test_a_new_webhook_hears_nothing_of_the_past(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_gate(Config(), f"sqlite:///{tmp_path / 'orders.db'}") as gate:
            await alarm(gate, "old", Level.FUND, "paper-momentum")
        with hook() as told:
            async with gate_to(told.url, tmp_path) as gate:
                index = await alarm(gate)
                assert [body["id"] for body in await came(told, 1)] == [index]
                await asyncio.sleep(0.1)
                assert len(told.taken) == 1

    asyncio.run(main())


def test_the_secret_is_nowhere(tmp_path: Path) -> None:
    async def main() -> None:
        with hook() as told, capture_logs() as logs:
            told.answers.append(500)
            async with gate_to(told.url, tmp_path) as gate:
                await alarm(gate)
                await came(told, 2)
                assert SECRET not in repr(gate.config) + str(logs)

    asyncio.run(main())


@pytest.mark.parametrize("value", ["", "short", "   \n"])
def test_without_a_secret_the_gate_does_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("DESK_SECRET", value)

    async def main() -> None:
        async with gate_to("http://127.0.0.1:9/alerts", tmp_path):
            raise AssertionError("it opened")

    with pytest.raises(
        SecretError,
        match=r"secret_env: (the variable that it names is not set|what is there has fewer than 16)",
    ) as refused:
        asyncio.run(main())
    assert not value.strip() or value not in str(refused.value)


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    found = Place("alerts.secret_file", Kind.FILE, str(file))
    assert secrets().hold(found)().reveal() == SECRET
    with pytest.raises(SecretError, match="cannot be read"):
        secrets().hold(Place("alerts.secret_file", Kind.FILE, str(tmp_path / "none")))


def test_the_signature_by_hand() -> None:
    """RFC 2104, by its definition."""
    key = b"k" * 64
    message = b'5.{"id":1}'
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + message).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).hexdigest()
    assert signature(Secret(key.decode()), 5, b'{"id":1}') == f"t=5,v1={outer}"


@pytest.mark.parametrize(("table", "why"), [
    ('webhook = "http://example.com/a"\nsecret_env = "S"', "only https leaves this machine"),
    ('webhook = "ftp://example.com/a"\nsecret_env = "S"', "write such as https://"),
    ('webhook = "https:///a"\nsecret_env = "S"', "write such as https://"),
    ('webhook = "https://a:b@example.com/a"\nsecret_env = "S"', "user or password"),
    ('webhook = "https://example.com:x/a"\nsecret_env = "S"', "is no URL"),
    ('webhook = "https://example.com/a"', "one of secret_env, secret_file and secret"),
    ('webhook = "https://example.com/a"\nsecret_env = "S"\nsecret_file = "f"', "one of secret_env"),
    ('webhook = "https://example.com/a"\nsecret_env = "my secret"', "is no name of a variable"),
    ('secret_env = "S"', "signs nothing"),
    ('webhok = "https://example.com/a"', "unknown field"),
])  # fmt: skip
def test_alerts_that_cannot_be(tmp_path: Path, table: str, why: str) -> None:
    file = tmp_path / "og.toml"
    file.write_text(f"[alerts]\n{table}\n")
    with pytest.raises(ConfigError, match=why):
        load(file)


def test_alerts_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "og.toml"
    file.write_text('[alerts]\nwebhook = "https://example.com/a"\nsecret_file = "/run/secrets/desk"\n')
    assert load(file).alerts.secret_file == "/run/secrets/desk"


def test_alerts_go_to_another_webhook_without_a_restart_and_to_none_and_back(tmp_path: Path) -> None:
    def said(url: str | None) -> dict:
        return (
            {"alerts": {"webhook": url, "secret_env": "DESK_SECRET"}}
            if url
            else {"signals": {"order_type": "market"}}
        )

    async def main() -> None:
        with hook() as first, hook() as second:
            source = Source(said(None))
            start = start_of([source], SystemClock())
            async with open_gate(start.config, f"sqlite:///{tmp_path / 'orders.db'}") as gate:
                reloader = Reloader(gate, start)

                async def turned(url: str | None) -> None:
                    source.say(said(url))
                    assert (await reloader.reload()).outcome is Outcome.APPLIED

                await alarm(gate, "nobody hears")
                await turned(first.url)
                one = await alarm(gate, "one", Level.STRATEGY, "a")
                assert [body["id"] for body in await came(first, 1)] == [one]
                await turned(second.url)
                two = await alarm(gate, "two", Level.STRATEGY, "b")
                assert [body["id"] for body in await came(second, 1)] == [two]
                await turned(None)
                await alarm(gate, "nobody hears", Level.STRATEGY, "c")
                await until_fed(gate)
                await turned(first.url)
                three = await alarm(gate, "three", Level.STRATEGY, "d")
                assert [body["id"] for body in await came(first, 2)] == [one, three]
                assert len(second.taken) == 1

    asyncio.run(main())


async def until_fed(gate: Gate) -> None:
    """Whoever follows for the webhook has come to the journal's end."""
    async with asyncio.timeout(30):
        while await gate.journal.cursor("alerts") < (await gate.journal.head()).size:
            await asyncio.sleep(0.01)
