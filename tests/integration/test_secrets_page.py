"""The commands of docs/howto/secrets.md that need a Vault, against a real server of its protocol."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.server import ROOT
from tests.services.vault import Vault, binary

PAGE = (ROOT / "docs" / "howto" / "secrets.md").read_text()
BLOCKS = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_commands_of_the_page(vault: Vault, tmp_path: Path) -> None:
    (block,) = BLOCKS
    environment = {
        **os.environ,
        "PATH": f"{Path(binary()).parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(tmp_path),
        "BAO_ADDR": vault.address,
        "BAO_TOKEN": vault.root,
    }
    done = subprocess.run(
        ["bash", "-c", f"set -eu\n{block}"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout[done.stdout.rindex("Secrets") :]
    assert re.search(r"nats\.token_secret +ok +vault +secret/mts1b/bus/nats +1 +\d+ s +(60 min|1 h)", last), (
        last
    )
    assert "a-token" not in last
