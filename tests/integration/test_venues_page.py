"""The programs of docs/howto/venues.md, one after the other in one process of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ordergate.sdk.venues import ExecutionHandshakeStatus, OrderOperation
from ordergate.sdk.venues.codes import MEANING, ErrorCode
from ordergate.sdk.venues.names import VENUES
from tests.integration.test_records_page import PROGRAM
from tests.services.server import ROOT

PAGE = (ROOT / "docs" / "howto" / "venues.md").read_text()


@pytest.mark.slow
def test_the_programs_of_the_page(tmp_path: Path) -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) > 6
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ORDERGATE_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        input="\0".join(programs), capture_output=True, text=True, check=False, timeout=180, cwd=tmp_path, env=plain,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_program_with_a_configuration(tmp_path: Path) -> None:
    [config], [program] = (re.findall(f"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("toml", "py"))
    (tmp_path / "ordergate.toml").write_text(config, "utf-8")
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            capture_output=True, text=True, check=False, timeout=180, cwd=tmp_path,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        said.append(done.stdout.split())
    assert said[0] == said[1]
    assert said[0][0] == "executed"


def test_the_page_names_every_status_code_venue_and_operation() -> None:
    for code, meaning in MEANING.items():
        assert f"| `{code.value}` | {meaning} |" in PAGE
    assert set(MEANING) == set(ErrorCode)
    for name in (*ExecutionHandshakeStatus, *OrderOperation, *VENUES):
        assert f"`{name}`" in PAGE, name
