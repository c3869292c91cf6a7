"""The commands of docs/howto/serve.md, against a real server."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.services.server import ROOT, serving

PAGE = (ROOT / "docs" / "howto" / "serve.md").read_text()
START, *BLOCKS = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's examples use curl")
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    assert START.strip() == "ordergate serve --db sqlite:///orders.db"
    said = ""
    with serving(tmp_path / "orders.db") as served:
        for block in BLOCKS:
            script = "set -eu\n" + block.replace("http://127.0.0.1:8012", served.url)
            done = subprocess.run(
                ["bash", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            assert '"status":4' not in done.stdout, done.stdout
            said += done.stdout
    for expected in (
        '"order_id":"ord-abc"', '"state":"CLOSED"', '"quantity":"100","unit":"shares"', "event: OrderFilled",
        '"to":"CREATED"', '{"status":"ready"}', "ordergate_entries_total", "ordergate.local/journal", "AAPL: 180.30 / 180.40",
        f"process {served.process.pid} serves it",
    ):  # fmt: skip
        assert expected in said, expected
