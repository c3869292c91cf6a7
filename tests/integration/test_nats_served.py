"""What comes in over NATS beside the other doors: a real `ordergate serve`, and shards behind one door."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from ordergate.api.nats.settings import Inputs
from ordergate.bootstrap import nats_in, open_shard, open_shards
from ordergate.config import ConfigError
from ordergate.config.nats import NatsSection
from tests.integration.test_nats_commands import asked, order
from tests.integration.test_nats_signals import run, signal
from tests.services import sharded
from tests.services.mail import mail, until
from tests.services.nats import Nats
from tests.services.server import Served, serving


@pytest.mark.slow
def test_a_service_takes_signals_and_counts_them(nats: Nats, tmp_path: Path) -> None:
    settings = tmp_path / "ordergate.toml"
    settings.write_text(f'[nats]\nservers = ["{nats.url}"]\n[nats.inputs]\nsignals = true\ncommands = true\n')

    async def main(served: Served) -> None:
        async with mail(nats.url) as post:
            await post.send("signals.approved.EURUSD", signal())
            await post.send("signals.approved.EURUSD", b"{")
            await post.dead(1)
            made = await asked(post, "submit", order())
            assert made["status"] == 202
            with served.client() as client:

                async def both() -> bool:
                    return len(client.get("/v1/orders").json()["items"]) == 2

                await until(both)
                figures = client.get("/metrics").text
            assert re.search(r'ordergate_dead_letters_total{code="not_json",from="inputs"} 1.0', figures)
            assert re.search(r'ordergate_messages_total{from="signals",outcome="done"} 1.0', figures)
            assert re.search(r'ordergate_messages_total{from="requests",outcome="done"} 1.0', figures)

    with serving(tmp_path / "o.db", "--config", str(settings)) as served:
        run(main(served))
        nats.kill()
        assert served.end() == 0  # a server that is away holds up no end


def test_shards_get_what_is_theirs(nats: Nats, tmp_path: Path) -> None:
    inputs = Inputs(signals=True, commands=True)
    config = replace(sharded.config(tmp_path), nats=NatsSection(servers=(nats.url,), inputs=inputs))

    async def main() -> None:
        async with open_shards(config) as shards, nats_in(config, shards), mail(nats.url) as post:
            await post.send("signals.approved.EURUSD", signal(1, fund_id="alpha"))
            await post.send("signals.approved.EURUSD", signal(2))
            made = await asked(post, "submit", order(), fund="beta")
            assert made["status"] == 202

            async def there() -> bool:
                found = {name: len(await gate.queries.orders()) for name, gate in shards.shards.items()}
                return found == {"eu": 1, "us": 2}

            await until(there)

    run(main())


def test_one_shard_alone_does_not_take_what_is_for_all(nats: Nats, tmp_path: Path) -> None:
    inputs = Inputs(signals=True)
    config = replace(sharded.config(tmp_path), nats=NatsSection(servers=(nats.url,), inputs=inputs))

    async def main() -> None:
        async with open_shard(config, "eu") as gate:
            with pytest.raises(ConfigError, match="serve all of them in one process"):
                async with nats_in(config, gate):
                    await asyncio.sleep(0)

    run(main())


@pytest.mark.slow
def test_a_key_that_is_none_is_told_before_anything_starts(tmp_path: Path) -> None:
    settings = tmp_path / "ordergate.toml"
    settings.write_text(
        '[nats]\nservers = ["nats://127.0.0.1:1"]\n[nats.inputs]\nsignals = true\nhmac_key_env = "SHORT_KEY"\n'
    )
    command = [sys.executable, "-m", "ordergate", "serve", "--port", "0", "--config", str(settings)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "SHORT_KEY": "short"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode != 0
    assert "nats.inputs.hmac_key_env: what is there has fewer than 16 characters" in done.stderr
    assert "Traceback" not in done.stderr
    assert [found.name for found in tmp_path.iterdir()] == ["ordergate.toml"]
