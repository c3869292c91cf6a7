"""No secret is shown anywhere: canaries in every place of a secret, everything run, and all that it left searched."""

import asyncio
import base64
import json
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog

from ordergate.bootstrap import nats_in, open_gate
from ordergate.cli.app import app
from ordergate.config import load
from tests.services.archive import archived, trade
from tests.services.canaries import Canaries, files_of, forms, told
from tests.services.clickhouse import ClickHouse, NoClickHouse
from tests.services.commands import CliRunner
from tests.services.hooks import Hook, hook
from tests.services.kafka import Kafka, NoKafka
from tests.services.mail import until
from tests.services.nats import Nats
from tests.services.postgres import Postgres, name_of
from tests.services.sasl import Door, sasl_door
from tests.services.server import start_in
from tests.services.vault import Vault

LEAKY = """
from types import SimpleNamespace

class Leaky:
    def __init__(self, secrets):
        self.secrets = secrets

    def place_order(self, order):
        secret = self.secrets["api_key"]
        raise RuntimeError(f"{self.secrets!r} {dict(self.secrets)} {secret} do not let me in")

    def get_order_status(self, order_id):
        return SimpleNamespace(state="SUBMITTED", filled_volume=0.0, average_price=None)

    def close_order(self, order_id):
        return True
"""
"""A broker class that fails with its secret at hand."""


HOUSE = f"k{uuid.uuid4().hex}"
"""ClickHouse's password."""
RECORDS = "postgresql://og@127.0.0.1:1/records?password={}"


class Place:
    """Everything that takes a secret, and the folder that the service runs in."""

    def __init__(
        self, folder: Path, vault: Vault, nats: Nats, kafka: Kafka, door: Door, told: Hook, house: ClickHouse
    ) -> None:
        self.canaries = Canaries()
        self.folder, self.secrets = folder, folder.parent / "secrets"
        self.vault, self.nats, self.kafka, self.door, self.hook = vault, nats, kafka, door, told
        self.house = house
        self.variables: dict[str, str] = {}
        folder.mkdir()

    def set_up(self) -> Path:
        """Puts a canary into each place; the configuration that names them all."""
        made = self.canaries.made
        token = self.canaries.plain("NATS's token")
        self.nats_asks(token)
        self.variables["OG_NATS_TOKEN"] = token
        seed = base64.b64encode(os.urandom(32)).decode()
        self.file("audit/journal/key", self.canaries.added("key of the journal", seed))
        self.file("bus/risk/key", made("key of the risk service"))
        self.file("clickhouse/og/password", self.canaries.added("ClickHouse's password", HOUSE))
        self.variables["ORDERGATE_RECORDS"] = RECORDS.format(self.canaries.plain("password of the records"))
        self.door.password = made("Kafka's password")
        self.vault.put("bus/kafka", password=self.door.password)
        self.variables["ORDERGATE_SECRET_ALERTS__HOOK__KEY"] = made("webhook's secret")
        self.vault.put("mts1b/brokers/leaky", api_key=made("broker's key"))
        self.file("vault-token", self.canaries.added("Vault's token", self.vault.token()))
        (self.folder / "leaky.py").write_text(LEAKY)
        config = self.folder / "ordergate.toml"
        config.write_text(f"""
[database]
url = "sqlite:///{self.folder / "orders.db"}"
[audit]
key_secret = "audit/journal#key"
[funds.paper-momentum]
unlimited = true
[funds.other]
unlimited = true
broker = "leaky"
[brokers.paper]
[brokers.leaky]
adapter = "sync"
class = "leaky:Leaky"
[brokers.leaky.secrets]
api_key = "mts1b/brokers/leaky#api_key"
[nats]
servers = ["{self.nats.url}"]
token_env = "OG_NATS_TOKEN"
dialects = ["events"]
[nats.inputs]
signals = true
commands = true
hmac_key_secret = "bus/risk#key"
[kafka]
servers = ["{self.door.server}"]
security = "sasl_plaintext"
mechanism = "PLAIN"
username = "og"
password_secret = "bus/kafka#password"
[clickhouse]
url = "{self.house.url}"
username = "og"
password_secret = "clickhouse/og#password"
[alerts]
webhook = "{self.hook.url}"
secret = "alerts/hook#key"
[secrets]
folder = "{self.secrets}"
refresh_s = 1
[secrets.vault]
address = "{self.vault.address}"
token_file = "{self.secrets / "vault-token"}"
""")
        return config

    def put_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Into the environment; the class's module can be imported."""
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.syspath_prepend(str(self.folder))

    def file(self, name: str, value: str) -> None:
        path = self.secrets / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
        path.chmod(0o600)

    def nats_asks(self, token: str) -> None:
        self.nats.kill()
        self.nats.set_top(f'authorization {{ token: "{token}" }}')
        self.nats.start()

    def nothing_fits_any_more(self) -> None:
        """Every server wants another secret than the service has."""
        self.nats_asks("another")
        self.door.password = "another"
        self.door.cut()
        self.house.kill()
        self.house.start(password="another")
        self.vault.revoke(self.canaries.values["Vault's token"])

    def left(self) -> dict[str, bytes]:
        """What lies in the service's folder."""
        return files_of(self.folder)


@pytest.fixture
def place(tmp_path: Path, vault: Vault, nats: Nats, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with ExitStack() as stack:
        door, told = stack.enter_context(sasl_door("")), stack.enter_context(hook())
        try:
            kafka = Kafka(tmp_path / "kafka", advertised=door.server)
        except NoKafka as missing:
            pytest.skip(str(missing))
        stack.callback(kafka.kill)
        door.behind = kafka.port
        try:
            house = ClickHouse(tmp_path / "clickhouse", "og", HOUSE)
        except NoClickHouse as missing:
            pytest.skip(str(missing))
        stack.callback(house.kill)
        made = Place(tmp_path / "served", vault, nats, kafka, door, told, house)
        yield made


ORDER = {
    "idempotency_key": "k-1", "fund_id": "paper-momentum", "symbol": "AAPL", "side": "buy", "quantity": "100",
    "order_type": "market",
}  # fmt: skip
COMMANDS = (
    "config show", "config show --json", "secrets check", "secrets check --json", "doctor", "doctor --json",
    "orders list", "orders list --json", "fills --json", "positions --json", "events --json", "nodes --json",
    "audit verify --json", "audit export exported --json", "recon breaks --json", "risk limits --json", "migrate status --json", "archive verify --json",
    "analytics query recent", "analytics query SELECT", "records feed",
    "orders show none", "orders cancel none --json", "serve --port 0",
)  # fmt: skip

ILL = (
    "secrets check", "secrets check --json", "doctor --json", "orders list --json", "analytics query recent",
    "records feed --json",
)  # fmt: skip


def said_by(commands: tuple[str, ...], config: Path) -> dict[str, str]:
    """All that commands print, and the errors that they end with."""
    found = {}
    for command in commands:
        name, *more = command.split()
        done = CliRunner().invoke(app, [name, *more, "--config", str(config)])
        found[command] = done.output + done.stderr + told(done.exception)
        assert "Usage:" not in done.stderr, (command, done.stderr)
    return found


@pytest.mark.slow
def test_a_service_shows_no_secret(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    config = place.set_up()
    place.put_variables(monkeypatch)
    monkeypatch.chdir(place.folder)
    places: dict[str, bytes | str] = {}
    served = start_in(place.folder, place.folder / "orders.db", "--config", str(config))
    try:
        pid = served.process.pid
        places["arguments"] = Path(f"/proc/{pid}/cmdline").read_bytes()
        with served.client() as client:
            client.put("/v1/paper/quotes/AAPL", json={"bid": "180.30", "ask": "180.40"})
            answers = [
                client.post("/v1/orders", json=ORDER | {"idempotency_key": f"k-{n}"}) for n in range(3)
            ]
            answers.append(
                client.post("/v1/orders", json=ORDER | {"fund_id": "other", "idempotency_key": "x"})
            )
            answers += [client.post("/v1/orders", content=b"{"), client.get("/v1/nothing")]
            paths = (
                "orders",
                "fills",
                "positions",
                "audit/checkpoint",
                "quotes",
                "recon/breaks",
                "config",
                "nodes",
            )
            answers += [client.get(f"/v1/{path}") for path in paths]
            answers += [client.get(path) for path in ("/metrics", "/ready", "/health", "/openapi.json")]
            places |= said_by(COMMANDS, config)
            place.nothing_fits_any_more()
            answers.append(client.post("/v1/orders", json=ORDER | {"idempotency_key": "late"}))
            _wait_for(client, 'outcome="away"')
            places |= {f"{name} (ill)": said for name, said in said_by(ILL, config).items()}
            answers.append(client.get("/metrics"))
        places |= {f"{answer.request.url} {n}": answer.content + repr(answer.headers).encode()
                   for n, answer in enumerate(answers)}  # fmt: skip
        assert any(answer.status_code in (200, 201) for answer in answers)
    finally:
        served.end()
        out, _error = served.process.communicate() if served.process.stdout else ("", "")
        places["standard output"] = out
        places["standard error"] = _error
    places |= place.left()
    assert "a secret was not read again" in places["standard error"]
    assert "Authentication failed" in str(places["analytics query recent (ill)"])
    assert "cannot be reached" in str(places["records feed"])
    assert place.canaries.found_in(places) == []
    assert b"OrderFilled" in b"".join(place.left().values()), "it has searched the journal"
    assert json.loads(places["secrets check --json"])["secrets"][0]["state"] == "ok"


def _wait_for(client: Any, figure: str) -> None:
    async def there() -> bool:
        return figure in client.get("/metrics").text

    asyncio.run(until(there))


@pytest.mark.slow
def test_no_log_shows_one_whatever_its_level(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = load(place.set_up())
    place.put_variables(monkeypatch)
    caplog.set_level(logging.DEBUG)
    structlog.reset_defaults()  # everything that there is to say
    errors: list[str] = []

    async def main() -> None:
        async with open_gate(config) as gate, nats_in(config, gate):
            await trade(gate, 0, 4)
            await archived(gate)
            place.nothing_fits_any_more()
            await gate.secrets.refresh()
            await trade(gate, 4, 4)
            await until(lambda: _is(place.door.refused))
            errors.extend(repr(vars(one)) for one in (gate, gate.secrets, *gate.secrets._held.values()))

    asyncio.run(asyncio.wait_for(main(), 60))
    with pytest.raises(Exception) as refused:  # noqa: PT011 - whatever it is: nothing fits
        asyncio.run(_opened(config))
    out, error = capfd.readouterr()
    places = {
        "out": out,
        "error": error,
        "log": caplog.text,
        "vars": "".join(errors),
        "raised": told(refused.value, variables=True),
    }
    assert "wrong password" in out
    assert place.canaries.found_in(places) == []


async def _is(value: Any) -> Any:
    return value


async def _opened(config: Any) -> None:
    async with open_gate(config):
        pass


@pytest.mark.slow
def test_passwords_of_databases(
    postgres: Postgres,
    ready: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a URL, where it is written into the configuration or given to a command, and under a name."""
    caplog.set_level(logging.DEBUG)
    canaries = Canaries()
    in_url, named = canaries.plain("password in the URL"), canaries.plain("password under a name")
    rules = postgres.data / "pg_hba.conf"
    if "local all canary" not in rules.read_text():
        rules.write_text("local all canary scram-sha-256\n" + rules.read_text())
        postgres.sql("CREATE ROLE canary LOGIN SUPERUSER")
    postgres.sql("SELECT pg_reload_conf()")
    url = postgres.url(name_of(ready), "canary")
    with_password = url.replace("canary@", f"canary:{in_url}@")
    monkeypatch.setenv("OG_DB", named)
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(f'[database]\nurl = "{with_password}"\n')
    second.write_text(f'[database]\nurl = "{url}"\npassword_env = "OG_DB"\n')
    places: dict[str, str] = {}
    commands = ("config show", "config show --json", "doctor --json", "orders list --json", "nodes --json")
    for password in (in_url, named, "another"):
        postgres.sql(f"ALTER ROLE canary PASSWORD '{password}'")
        for config in (first, second):
            for command, said in said_by(
                (*commands, "serve --port 0") if password == "another" else commands, config
            ).items():
                places[
                    f"{command}, {config.name}, {canaries.values and password == 'another'} {password}"
                ] = said
    assert any("the password is wrong" in said for said in places.values())
    assert canaries.found_in({**places, "log": caplog.text}) == []


@pytest.mark.parametrize("setting", [
    '[nats]\nservers = ["nats://h"]\ntoken_env = "{}"',
    '[nats]\nservers = ["nats://h"]\ntoken_secret = "{}"',
    '[nats]\nservers = ["nats://u:{}@h"]',
    '[alerts]\nwebhook = "https://h/a"\nsecret = "{}"',
    '[alerts]\nwebhook = "https://u:{}@h/a"\nsecret_env = "A"',
    '[secrets.vault]\naddress = "https://u:{}@h"\ntoken_env = "A"',
    '[secrets.vault]\naddress = "https://h"\ntoken = "{}"',
    '[kafka]\nservers = ["u:{}@h:1"]',
    '[database]\nurl = "postgresql://u:{}@h:x/d"',
    '[database]\nurl = "u:{}@h/d"',
    '[clickhouse]\nurl = "http://u:{}@h"',
    '[clickhouse]\nurl = "http://h/?password={}"',
    '[clickhouse]\nurl = "http://h"\nusername = "u"\npassword_env = "{}"',
    '[clickhouse]\nurl = "http://h"\nusername = "u"\npassword = "{}"',
    '[hub]\nurl = "http://u:{}@h"',
    '[hub]\nurl = "http://h?key={}"',
])  # fmt: skip
def test_a_secret_that_is_written_into_the_configuration(tmp_path: Path, setting: str) -> None:
    canaries = Canaries()
    config = tmp_path / "ordergate.toml"
    config.write_text(setting.format(canaries.made("it")))
    said = said_by(("doctor --json", "secrets check", "serve --port 0", "config show"), config)
    assert canaries.found_in(said) == []


def test_the_search_finds_what_is_there() -> None:
    canaries = Canaries()
    value = canaries.made("it")
    for form, written in forms(value):
        assert canaries.found_in({"there": b"..." + written + b"..."}), form
    assert canaries.found_in({"there": "nothing"}) == []
    with pytest.raises(ValueError, match="it") as raised:
        _fail(value)
    assert canaries.found_in({"error": told(raised.value, variables=True)})


def _fail(at_hand: str) -> None:
    raise ValueError("it" if at_hand else "")
