"""Secrets that are rotated while orders flow: connections go on with the new one, and nothing is lost."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.outlets.webhook import SIGNATURE
from ordergate.api.nats.settings import Inputs
from ordergate.application.ports.secrets import SecretAway, SecretError
from ordergate.application.reloading import Outcome
from ordergate.bootstrap import Gate, nats_in, open_gate, open_shards
from ordergate.bootstrap.reloading import Reloader
from ordergate.bootstrap.secrets import keeping_secrets, secrets_of, use_passwords
from ordergate.bootstrap.sources import begun
from ordergate.config import Config, Database, FundSection, SyncBroker
from ordergate.config.alerts import AlertsSection
from ordergate.config.clickhouse import ClickHouseSection
from ordergate.config.kafka import KafkaSection
from ordergate.config.nats import NatsSection
from ordergate.config.secrets import SecretsSection, VaultSection
from ordergate.domain.errors import OrdergateError, StoreError
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.limits import Level
from tests.integration.test_nats_signals import signal
from tests.services.analytics import kept
from tests.services.archive import archived, quote, trade
from tests.services.clickhouse import ClickHouse, NoClickHouse
from tests.services.hooks import hook
from tests.services.kafka import Kafka, NoKafka
from tests.services.mail import mail, until
from tests.services.nats import Nats
from tests.services.nats_reader import EVERYTHING, caught_up, check_view
from tests.services.postgres import Postgres, name_of
from tests.services.sasl import sasl_door
from tests.services.vault import Vault

FUNDS = {"paper-momentum": FundSection(unlimited=True)}


def run(main: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(main, 120))


class Folder:
    """A folder of secrets, and how the configuration names it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.section = SecretsSection(folder=str(path))

    def put(self, name: str, value: str) -> None:
        file = self.path / name.replace("#", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(value)
        part.chmod(0o600)
        part.replace(file)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "secrets")


def signed_with(body: bytes, headers: dict[str, str]) -> Callable[[str], bool]:
    at_s, _, digest = headers[SIGNATURE].removeprefix("t=").partition(",v1=")
    return lambda secret: (
        digest == hmac.new(secret.encode(), at_s.encode() + b"." + body, hashlib.sha256).hexdigest()
    )


def test_a_webhook_is_signed_with_the_new_secret_at_the_next_delivery(vault: Vault, tmp_path: Path) -> None:
    old, new = "the first of the desk", "the second of the desk"
    (tmp_path / "token").write_text(vault.token())
    (tmp_path / "token").chmod(0o600)
    vault.put("alerts/webhook", key=old)

    async def main() -> None:
        with hook() as told:
            config = Config(
                alerts=AlertsSection(webhook=told.url, secret="alerts/webhook#key"),
                secrets=SecretsSection(
                    refresh_s=1,
                    vault=VaultSection(address=vault.address, token_file=str(tmp_path / "token")),
                ),
            )
            async with open_gate(config, f"sqlite:///{tmp_path / 'o.db'}") as gate:
                rotated = asyncio.Event()
                gate.secrets.on_change(lambda _setting: rotated.set())
                await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason="one"))
                await until(lambda: _value(told.taken))
                vault.put("alerts/webhook", key=new)
                await rotated.wait()
                vault.kill()  # what was read last stands
                await gate.execute(ThrowSwitch(level=Level.FUND, name="paper-momentum", reason="two"))
                await until(lambda: _value(len(told.taken) == 2))
                await gate.secrets.refresh()
        (_at, headers, body), (_later, other, second) = told.taken
        assert signed_with(body, headers)(old)
        assert signed_with(second, other)(new)

    run(main())


async def _value(value: Any) -> Any:
    return value


@pytest.mark.slow
def test_nats_is_reached_with_the_new_token_and_nothing_is_lost(
    tmp_path: Path, folder: Folder, nats: Nats
) -> None:
    def restart(token: str) -> None:
        nats.kill()
        nats.set_top(f'authorization {{ token: "{token}" }}')
        nats.start()

    def as_owner(token: str) -> str:
        return f"nats://{token}@127.0.0.1:{nats.port}"

    restart("first-token")
    folder.put("bus/nats#token", "first-token")
    folder.put("bus/risk#key", "the risk service's secret")
    config = Config(
        funds=FUNDS,
        nats=NatsSection(
            servers=(nats.url,),
            token_secret="bus/nats#token",
            dialects=EVERYTHING,
            inputs=Inputs(signals=True, hmac_key_secret="bus/risk#key"),
        ),
        secrets=folder.section,
    )

    def signed(number: int, secret: str) -> tuple[bytes, dict[str, str]]:
        body = json.dumps(signal(number)).encode()
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return body, {"Ordergate-Signature": f"hmac-sha256={digest}"}

    async def made(gate: Gate, number: int) -> None:
        async def there() -> bool:
            return any(order.signal_id == f"sig-{number}" for order in await gate.queries.orders())

        await until(there)

    async def main() -> None:
        async with open_gate(config, f"sqlite:///{tmp_path / 'o.db'}") as gate, nats_in(config, gate):
            await quote(gate)
            await trade(gate, 0, 20)
            await caught_up(gate)
            async with mail(as_owner("first-token")) as post:
                await post.send("signals.approved.EURUSD", *signed(1, "the risk service's secret"))
                await made(gate, 1)
            restart("second-token")
            await trade(gate, 20, 20)
            folder.put("bus/nats#token", "second-token")
            folder.put("bus/risk#key", "another secret of the risk service")
            await gate.secrets.refresh()
            await trade(gate, 40, 20)
            async with mail(as_owner("second-token")) as post:
                await post.send("signals.approved.EURUSD", *signed(2, "another secret of the risk service"))
                await made(gate, 2)
                await post.send("signals.approved.EURUSD", *signed(3, "the risk service's secret"))
                await made(gate, 3)  # signed before the rotation reached everybody
            await caught_up(gate)
            await check_view(gate, as_owner("second-token"))

    run(main())


def test_a_user_of_nats_is_known_by_the_new_password(tmp_path: Path, folder: Folder, nats: Nats) -> None:
    folder.put("bus/nats#password", "first password")
    config = Config(
        funds=FUNDS,
        nats=NatsSection(
            servers=(nats.url,), username="og", password_secret="bus/nats#password", dialects=EVERYTHING
        ),
        secrets=folder.section,
    )

    async def main() -> None:
        async with open_gate(config, f"sqlite:///{tmp_path / 'o.db'}") as gate:
            for password in ("first", "second"):
                nats.kill()
                nats.set_top(f'authorization {{ user: "og", password: "{password} password" }}')
                nats.start()
                folder.put("bus/nats#password", f"{password} password")
                await gate.secrets.refresh()
                await gate.execute(ThrowSwitch(level=Level.FIRM, name="", reason=password))
                await caught_up(gate)

    run(main())


@pytest.mark.slow
def test_kafka_is_reached_with_the_new_password_and_nothing_is_lost(tmp_path: Path, folder: Folder) -> None:
    folder.put("bus/kafka#password", "first password")

    async def main() -> None:
        with sasl_door("first password") as door:
            try:
                kafka = Kafka(tmp_path / "kafka", advertised=door.server)
            except NoKafka as missing:
                pytest.skip(str(missing))
            door.behind = kafka.port
            section = KafkaSection(
                servers=(door.server,),
                security="sasl_plaintext",
                mechanism="PLAIN",
                username="og",
                password_secret="bus/kafka#password",
            )
            config = Config(funds=FUNDS, kafka=section, secrets=folder.section)
            try:
                async with open_gate(config, f"sqlite:///{tmp_path / 'o.db'}") as gate:
                    await quote(gate)
                    await trade(gate, 0, 20)
                    await archived(gate)
                    admitted = door.admitted
                    door.password = "second password"
                    folder.put("bus/kafka#password", "second password")
                    await gate.secrets.refresh()
                    await trade(gate, 20, 20)  # over a connection of its own, although the old one holds
                    await archived(gate)
                    assert door.admitted > admitted
                    assert door.refused == 0
                    door.password = "third password"
                    door.cut()
                    await trade(gate, 40, 20)
                    await until(lambda: _value(door.refused))
                    folder.put("bus/kafka#password", "third password")
                    await gate.secrets.refresh()
                    size = await archived(gate)
                    from ordergate.bootstrap.archive import verify_archive

                    target = section.target(gate.secrets)
                    found = await verify_archive(target, {config.audit.origin: gate.journal})
                    assert found.compared.wrong == 0
                    assert found.compared.records >= size
            finally:
                kafka.kill()

    run(main())


@pytest.mark.slow
def test_clickhouse_is_reached_with_the_new_password_and_nothing_is_lost(
    tmp_path: Path, folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.put("clickhouse/og#password", "first password")
    try:
        house = ClickHouse(tmp_path / "clickhouse", "og", "first password")
    except NoClickHouse as missing:
        pytest.skip(str(missing))
    section = ClickHouseSection(url=house.url, username="og", password_secret="clickhouse/og#password")
    config = Config(funds=FUNDS, clickhouse=section, secrets=folder.section)

    async def orders() -> int:
        return int((await asyncio.to_thread(house.ask, "SELECT count() FROM orders FINAL"))[0][0])

    async def main() -> None:
        async with open_gate(config, f"sqlite:///{tmp_path / 'o.db'}") as gate:
            await quote(gate)
            await trade(gate, 0, 5)
            await kept(gate)
            house.kill()
            house.start("second password")
            await trade(gate, 5, 5)
            await until(lambda: _value("Authentication failed" in capfd.readouterr().out))
            folder.put("clickhouse/og#password", "second password")
            await gate.secrets.refresh()
            await kept(gate)
            assert await orders() == 10

    try:
        run(main())
    finally:
        house.kill()


@pytest.fixture
def guarded(postgres: Postgres, ready: str) -> str:
    """The URL of a database whose user needs a password; it has `first password`."""
    rules = postgres.data / "pg_hba.conf"
    line = "local all rotated scram-sha-256\n"
    if not rules.read_text().startswith(line):
        rules.write_text(line + rules.read_text())
    name = name_of(ready)
    role = "SELECT 1 FROM pg_roles WHERE rolname = 'rotated'"
    if not postgres.sql(role):
        postgres.sql("CREATE ROLE rotated LOGIN SUPERUSER")
    postgres.sql("ALTER ROLE rotated PASSWORD 'first password'")
    postgres.sql("SELECT pg_reload_conf()")
    return postgres.url(name, "rotated")


@pytest.mark.slow
def test_postgres_is_reached_with_the_new_password(postgres: Postgres, guarded: str, folder: Folder) -> None:
    folder.put("db/orders#password", "first password")
    config = Config(
        funds=FUNDS,
        database=Database(url=guarded, password_secret="db/orders#password"),
        secrets=folder.section,
    )

    async def main() -> None:
        async with open_gate(config) as gate:
            await quote(gate)
            await trade(gate, 0, 10)
            postgres.sql("ALTER ROLE rotated PASSWORD 'second password'")
            folder.put("db/orders#password", "second password")
            await gate.secrets.refresh()
            postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotated'")

            async def again() -> bool:
                try:
                    await trade(gate, 10, 10)
                except OrdergateError:
                    return False
                return True

            await until(again)
            assert len(await gate.queries.orders()) == 20

    run(main())
    folder.put("db/orders#password", "wrong password")
    use_passwords(config, lambda: secrets_of(config))

    async def refused() -> None:
        async with open_gate(config):
            raise AssertionError("it opened")

    with pytest.raises(StoreError, match="the password is wrong") as said:
        run(refused())
    assert "wrong password" not in str(said.value).replace("the password is wrong", "")


class Desk:
    """A broker class that is let in by a key, which it looks up at each call."""

    calls: ClassVar[list[str]] = []

    def __init__(self, secrets: Any, room: str) -> None:
        self._secrets, self.room = secrets, room
        assert dict(secrets).keys() == {"api_key"}

    def place_order(self, order: Any) -> Any:
        Desk.calls.append(self._secrets["api_key"].reveal())
        return SimpleNamespace(success=True, order_id=f"D{len(Desk.calls)}", error=None)

    def get_order_status(self, order_id: str) -> Any:
        return SimpleNamespace(state="FILLED", filled_volume=1_000.0, average_price=1.0)

    def close_order(self, order_id: str) -> bool:
        return True


def test_a_class_of_ones_own_gets_the_present_secret(tmp_path: Path, folder: Folder) -> None:
    Desk.calls = []
    folder.put("mts1b/brokers/desk#api_key", "first key")
    config = Config(
        funds={"paper-momentum": FundSection(unlimited=True, broker="desk")},
        brokers={
            "desk": SyncBroker(
                path=f"{__name__}:Desk",
                options={"room": "1"},
                secrets={"api_key": "mts1b/brokers/desk#api_key"},
            )
        },
        secrets=folder.section,
    )

    async def main() -> None:
        async with open_gate(config, f"sqlite:///{tmp_path / 'o.db'}") as gate:
            await trade(gate, 0, 1)
            await gate.quiet()
            folder.put("mts1b/brokers/desk#api_key", "second key")
            await gate.secrets.refresh()
            await trade(gate, 1, 1)
            await gate.quiet()

    run(main())
    assert Desk.calls == ["first key", "second key"]


def test_a_gate_does_not_open_without_a_secret_and_says_what_is_missing(
    tmp_path: Path, folder: Folder, vault: Vault
) -> None:
    config = Config(
        alerts=AlertsSection(webhook="http://127.0.0.1:9/", secret="alerts/webhook#key"),
        secrets=folder.section,
    )

    async def main(config: Config) -> None:
        async with open_gate(config, f"sqlite:///{tmp_path / 'o.db'}"):
            raise AssertionError("it opened")

    with pytest.raises(
        SecretError, match=r"alerts\.secret: there is no secret alerts/webhook#key: put it into"
    ):
        run(main(config))
    (tmp_path / "token").write_text(vault.token())
    section = VaultSection(address=vault.address, token_file=str(tmp_path / "token"))
    vault.kill()
    away = Config(alerts=config.alerts, secrets=SecretsSection(order=("vault",), vault=section))
    with pytest.raises(SecretAway, match=r"alerts\.secret: Vault at http://127.0.0.1:\d+ cannot be reached"):
        run(main(away))
    assert not (tmp_path / "o.db").exists()


def test_shards_of_one_process_sign_with_what_a_reload_named(tmp_path: Path, folder: Folder) -> None:
    folder.put("alerts/webhook#key", "the secret of the desk")
    text = f"""
[shards.eu]
[shards.us]
[funds.a]
shard = "eu"
broker = "e"
unlimited = true
[funds.b]
shard = "us"
broker = "u"
unlimited = true
[signals]
fund = "a"
[brokers.e]
[brokers.u]
[database]
url = "sqlite:///{tmp_path / "o.db"}"
[secrets]
folder = "{folder.path}"
"""
    alerts = '[alerts]\nwebhook = "{url}"\nsecret = "alerts/webhook#key"\n'
    file = tmp_path / "ordergate.toml"
    file.write_text(text)

    async def main() -> None:
        clock = SystemClock()
        async with (
            begun(file, tmp_path / "o.db", clock) as start,
            keeping_secrets(start.config, clock, start.secrets) as secrets,
            open_shards(start.config, secrets=secrets) as shards,
        ):
            with hook() as told:
                file.write_text(text + alerts.format(url=told.url))
                assert (await Reloader(shards, start).reload()).outcome is Outcome.APPLIED
                await throw(shards.shards["eu"], "a")
                await until(lambda: _value(told.taken))
                folder.put("alerts/webhook#key", "the second of the desk")
                await secrets.refresh()
                await throw(shards.shards["us"], "b")
                await until(lambda: _value(len(told.taken) == 2))
            (_at, headers, body), (_later, other, second) = told.taken
            assert signed_with(body, headers)("the secret of the desk")
            assert signed_with(second, other)("the second of the desk")

    async def throw(shard: Gate, fund: str) -> None:
        await shard.execute(ThrowSwitch(level=Level.FUND, name=fund, reason="a test"))

    run(main())
