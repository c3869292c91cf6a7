"""The commands and settings of docs/howto/operations.md, as they stand there."""

import json
import re
from pathlib import Path

import pytest

from ordergate.cli.app import app
from ordergate.config import load
from tests.services.commands import CliRunner
from tests.services.server import ROOT

PAGE = (ROOT / "docs" / "howto" / "operations.md").read_text("utf-8")
FILE = re.compile(r"cat > (\S+) <<'END'\n(.*?)END\n", re.DOTALL)


def test_the_commands_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (settings,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    Path("ordergate.toml").write_text(settings, "utf-8")
    assert load(Path("ordergate.toml")).instruments["BTC/USDT:USDT"].perpetual
    (block,) = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)
    for name, text in FILE.findall(block):
        Path(name).write_text(text, "utf-8")
    said = [_said(line) for line in FILE.sub("", block).splitlines()]
    assert "agrees" in said[-1]
    fills = json.loads(said[-2])
    assert {fill["symbol"]: fill["deltas"][-1]["amount"] for fill in fills} == {
        "token:USDC": "100",
        "token:ETH": "-5",
        "token:USDT": "-0.000999800039992002",
    }


def _said(command: str) -> str:
    program, *words = command.split()
    assert program == "ordergate"
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (command, done.output)
    return done.stdout
