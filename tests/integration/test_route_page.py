"""The configuration and the commands of docs/howto/route.md, against a real server."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.services.server import ROOT, serving_in

PAGE = (ROOT / "docs" / "howto" / "route.md").read_text()
(SETTINGS,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
BLOCKS = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's examples use curl")
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "ordergate.toml").write_text(SETTINGS)
    said = []
    with serving_in(tmp_path, tmp_path / "ordergate.db", "--config", "ordergate.toml") as served:
        for block in BLOCKS:
            script = "set -eu\n"
            script += block.replace("http://127.0.0.1:8012", served.url)
            done = subprocess.run(
                ["bash", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            said.append(done.stdout)
    order, brokers, login = said
    assert re.search(r"broker\W+binance", order), order
    assert "['binance', 'kraken']" in order
    assert all(
        f'"name":"{name}","adapter":"paper","session_open":true' in brokers for name in ("binance", "kraken")
    )
    assert '"max_calls_per_s":null' in brokers
    assert 'ordergate_broker_up{broker="binance"} 1.0' in brokers
    assert "not_refused" in login
    assert "not tried, or refused again" in login
