"""The program and the commands of docs/howto/split.md, on the configuration that it prints."""

import re
import shlex
import subprocess
import sys
from os import environ
from pathlib import Path

import pytest

from ordergate.cli.app import app
from ordergate.domain.algos.schedule import MOST_CATCH_UPS, MOST_TIMES
from tests.services.commands import CliRunner
from tests.services.server import ROOT

PAGE = (ROOT / "docs" / "howto" / "split.md").read_text("utf-8")
[CONFIG] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
[PROGRAM] = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)
[COMMANDS] = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ordergate.toml").write_text(CONFIG, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ACCEPTED", "PARTIALLY_FILLED", "0.1", "1", "0.1"]
    monkeypatch.chdir(tmp_path)
    show, listed = (shlex.split(line)[1:] for line in COMMANDS.strip().splitlines())
    for command in (show, listed):
        said = CliRunner().invoke(app, command)
        assert said.exit_code == 0, said.output
        assert "CLOSED" in said.output, said.output
    said = CliRunner().invoke(app, show)
    assert "algorithm vwap, horizon_s 1800, slices 30, made 1" in " ".join(said.output.split())


def test_the_numbers_of_the_page() -> None:
    assert (MOST_CATCH_UPS, MOST_TIMES) == (5, 2)
    assert "five more slices" in PAGE
    assert "more than twice its own part" in PAGE
