"""The programs of docs/howto/grpc.md, against a real server, by way of the stubs that the package has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.grpc import serving_grpc
from tests.services.server import ROOT

PAGE = (ROOT / "docs" / "howto" / "grpc.md").read_text()
[START] = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)
PROGRAMS = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_programs_of_the_page(tmp_path: Path) -> None:
    assert "ordergate serve --db sqlite:///orders.db --grpc-port 50051" in START
    said = ""
    with serving_grpc(tmp_path / "orders.db") as both:
        for program in PROGRAMS:
            done = subprocess.run(
                [sys.executable, "-c", program.replace("127.0.0.1:50051", both.address)],
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path,
            )  # fmt: skip
            assert done.returncode == 0, f"{program}\n{done.stdout}\n{done.stderr}"
            said += done.stdout
    for expected in (
        "ord-abc SUBMITTED", "True", "['ord-abc']", "cancel:", "INVALID_ARGUMENT bad_number not_sent quantity",
        "OrderEntered ord-abc SUBMITTED", "OrderCanceled ord-abc CANCELED",
    ):  # fmt: skip
        assert expected in said, (expected, said)
