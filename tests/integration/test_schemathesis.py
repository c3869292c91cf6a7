"""The served OpenAPI document is what the service does: schemathesis finds nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from ordergate.api.rest.routes import OPERATIONS
from tests.services.server import serving

ROOT = Path(__file__).parents[2]
STREAM = "/v1/events"  # never ends, so no answer of it can be looked at whole
QUOTE = {"bid": "180.40", "ask": "180.50"}


@pytest.mark.slow(minutes=1)
@pytest.mark.parametrize("seed", [1, 2])
def test_schemathesis_finds_nothing(tmp_path: Path, seed: int) -> None:
    with serving(tmp_path / "gate.db") as served:
        with served.client() as client:
            client.put("/v1/paper/quotes/AAPL", json=QUOTE)
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("st")),
                "--config-file", str(Path(__file__).with_name("schemathesis.toml")),
                "run", f"{served.url}/openapi.json",
                "--exclude-path", STREAM,
                "--seed", str(seed),
                "--max-examples", "50",
                "--generation-database", "none",
                "--warnings", "off",
                "--no-color",
            ],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6_000:] + done.stderr
        assert f"Tested: {len(OPERATIONS) - 1}\n" in done.stdout, done.stdout  # all but the stream
        with served.client() as client:
            assert client.get("/ready").status_code == 200
        assert served.end() == 0
