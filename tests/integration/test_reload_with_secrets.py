"""A served configuration of a file, a hub and a bucket, whose secrets are in Vault: what a reload adds and takes away."""

import asyncio
import hashlib
import hmac
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from ordergate.adapters.outlets.webhook import SIGNATURE
from tests.integration.test_hub import slips
from tests.services.hooks import Hook, hook
from tests.services.hub import RunningHub
from tests.services.nats import Nats, NoNats
from tests.services.server import Served, serving
from tests.services.vault import Vault

TOKEN, KEY = "the token of the bus", "oms.production"
FIRST, SECOND = "the first of the desk", "the second of the desk"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Nats]:
    """A server that wants a token."""
    try:
        server = Nats(tmp_path / "nats", top=[f'authorization {{ token: "{TOKEN}" }}'])
    except NoNats as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.kill()


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


async def put(nats: Nats, text: str) -> None:
    client = Client()
    await client.connect(nats.url, token=TOKEN)
    bucket = await client.jetstream().create_key_value(bucket="configuration")
    await bucket.put(KEY, text.encode())
    await client.close()


def written(folder: Path, nats: Nats, hub: RunningHub, vault: Vault) -> str:
    """With an AppRole that lets in once: who asks twice stays outside."""
    role, _word = vault.role()
    vault.ask(
        "POST",
        "auth/approle/role/gate",
        {"token_policies": ["reader"], "token_ttl": "1h", "secret_id_num_uses": 1},
    )
    word = folder / "word"
    word.write_text(vault.word())
    word.chmod(0o600)
    return f"""
[hub]
url = "{hub.url}"
[config]
kv_bucket = "configuration"
kv_key = "{KEY}"
[nats]
servers = ["{nats.url}"]
token_secret = "bus/nats#token"
dialects = ["mts"]
[nats.inputs]
signals = true
signed_only = true
hmac_key_secret = "bus/signals#key"
[secrets]
order = ["vault"]
refresh_s = 1
[secrets.vault]
address = "{vault.address}"
role_id = "{role}"
secret_id_file = "{word}"
"""


def signed_with(told: Hook, number: int, secret: str) -> bool:
    _at, headers, body = told.taken[number]
    at_s, _, digest = headers[SIGNATURE].removeprefix("t=").partition(",v1=")
    return digest == hmac.new(secret.encode(), at_s.encode() + b"." + body, hashlib.sha256).hexdigest()


def read_again(client: Any) -> float:
    """How often a secret with a name was read."""
    figure = 'ordergate_secret_reads_total{by="secret",outcome="read"} '
    return float(client.get("/metrics").text.partition(figure)[2].partition("\n")[0] or 0)


@pytest.mark.slow
def test_one_login_serves_all_and_a_webhook_that_came_by_a_reload_rotates(
    vault: Vault, guarded: Nats, hub: RunningHub, tmp_path: Path
) -> None:
    vault.put("bus/nats", token=TOKEN)
    vault.put("bus/signals", key="what signals are signed with")
    vault.put("alerts/webhook", key=FIRST)
    hub.say(slips(2), 1)
    asyncio.run(put(guarded, "[limits.firm]\nmax_order_qty = 70\n"))
    file, base = tmp_path / "ordergate.toml", written(tmp_path, guarded, hub, vault)
    file.write_text(base)

    def reloaded(served: Served, more: str) -> Any:
        file.write_text(base + more)
        with served.client() as client:
            return client.post("/v1/config/reload").json()

    def thrown(served: Served, level: str, name: str) -> None:
        body = {"level": level, "name": name, "reason": "a test"}
        with served.client() as client:
            assert client.post("/v1/kill-switch", json=body).status_code < 300

    with (
        hook() as told,
        serving(tmp_path / "o.db", "--config", str(file)) as served,
        served.client() as client,
    ):
        in_force = client.get("/v1/config").json()["in_force"]
        assert in_force["limits"]["firm"]["max_order_qty"] == "70"
        assert in_force["signals"]["max_slippage_pips"] == "2"
        alerts = f'[alerts]\nwebhook = "{told.url}"\nsecret = "alerts/webhook#key"\n'
        assert reloaded(served, alerts)["last_reload"]["outcome"] == "applied"
        thrown(served, "fund", "paper-momentum")
        until(lambda: told.taken)
        assert signed_with(told, 0, FIRST)
        vault.put("alerts/webhook", key=SECOND)
        until(lambda: 'outcome="changed"' in client.get("/metrics").text)
        thrown(served, "firm", "")
        until(lambda: len(told.taken) == 2)
        assert signed_with(told, 1, SECOND)

        vault.put("alerts/other", key=FIRST)
        assert reloaded(served, alerts.replace("webhook#", "other#"))["last_reload"]["outcome"] == "applied"
        vault.ask("DELETE", "secret/metadata/alerts/webhook")
        before = read_again(client)
        until(lambda: read_again(client) >= before + 6)
        assert 'outcome="unusable"' not in client.get("/metrics").text  # nobody asks for what is not used
        assert served.end(signal.SIGTERM) == 0
