"""What docs/howto/chains.md says to write and to run, on a local chain with the real Aave and Uniswap."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ordergate.config import ConfigError, EvmBroker, load
from tests.services.chain import npm
from tests.services.chain.rig import Market, doors_of, ground
from tests.services.server import ROOT, finish

PAGE = (ROOT / "docs" / "howto" / "chains.md").read_text()
(TOML,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
(DEPLOYS,) = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)
CHECKS, SERVES, PAYS, LENDS, SWAPS, ASKS, TURNS = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)
KEY = f"0x{1:064x}"
WALLET = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


def test_its_settings_load(tmp_path: Path) -> None:
    file = tmp_path / "ordergate.toml"
    file.write_text(TOML)
    wallet = load(file).brokers["wallet"]
    assert isinstance(wallet, EvmBroker)
    assert wallet.uniswap is not None
    file.write_text(TOML.replace("key_env", "# key_env"))
    with pytest.raises(ConfigError, match="key_env, key_file or key_secret is missing"):
        load(file)


def here(text: str, on: Market, url: str) -> str:
    made = on.protocols
    places = {
        "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2": made.tokens["WETH"].address,
        "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48": made.tokens["USDC"].address,
        "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2": made.pool.address,
        "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D": made.router2.address,
        "0xae7ab96520DE3A18E5e111B5EaAb095312D7fE84": on.steth.address,
        "0x889edC2eDab5f40e902b864aD4d7AdE8E412F9B1": on.queue.address,
        "http://127.0.0.1:8545": url,
        "chain_id = 1 ": f"chain_id = {on.chain.chain_id} ",
        "confirmations = 12 ": "confirmations = 2\npoll_ms = 20 ",
    }
    for said, real in places.items():
        assert said in text or not text.startswith("\n[brokers"), said
        text = text.replace(said, str(real))
    return text


@pytest.mark.slow
@npm.needed
def test_what_it_says_to_run(tmp_path: Path) -> None:
    on = ground("market")
    assert isinstance(on, Market)
    on.chain.give(WALLET, 10 * 10**18)
    on.protocols.mint("WETH", WALLET, 10 * 10**18)
    on.protocols.mint("USDC", WALLET, 100 * 10**6)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "WALLET_KEY": KEY}
    with doors_of(on.chain, 1) as (door,):
        deployed = subprocess.run(
            [sys.executable, "-c", here(DEPLOYS, on, door.url)],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        settings = here(TOML, on, door.url).replace(
            "[brokers.wallet.tokens]", f'executor = "{deployed}"\n[brokers.wallet.tokens]'
        )
        (tmp_path / "ordergate.toml").write_text(settings)

        def does(block: str) -> str:
            script = re.sub(r"^ordergate", f"{sys.executable} -m ordergate", block, flags=re.MULTILINE)
            script = script.replace("export WALLET_KEY=...\n", "")
            done = subprocess.run(
                ["bash", "-c", f"set -eu\n{script}"],
                env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            return done.stdout

        assert "reached" in does(CHECKS)
        serves = SERVES.strip().replace("ordergate", f"{sys.executable} -m ordergate", 1)
        process = subprocess.Popen(
            ["bash", "-c", f"exec {serves} --port 0"],
            env=environment, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            said = process.stdout.readline()
            assert said.startswith("ordergate serves http://"), (said, process.stderr.read())
            url = said.split()[2]

            def order(name: str) -> dict[str, Any]:
                until = time.monotonic() + 20
                while time.monotonic() < until:
                    found = httpx2.get(f"{url}/v1/orders/{name}", trust_env=False).json()
                    if found["state"] in ("CLOSED", "FAILED", "REJECTED", "CANCELED"):
                        return found
                    on.chain.mine()
                    time.sleep(0.05)
                raise AssertionError(found)

            for block, name in (
                (PAYS, "ord-pay"),
                (LENDS, "ord-lend"),
                (SWAPS, "ord-swap"),
                (TURNS, "ord-turn"),
            ):
                told = json.loads(does(block.replace("http://127.0.0.1:8012", url)))
                assert "status" not in told, told
                assert order(name)["state"] == "CLOSED", order(name)
            assert json.loads(does(ASKS.replace("http://127.0.0.1:8012", url)))["filled_quantity"] == "2"
            process.terminate()
            assert process.wait(60) == 0
        finally:
            finish(process)
    assert (
        on.protocols.tokens["USDC"].read("balanceOf", "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF")
        == 25 * 10**6
    )
