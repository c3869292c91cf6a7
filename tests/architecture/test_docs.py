"""The documents say what the code does: made pages are fresh, the README's commands run, links lead somewhere."""

import ast
import asyncio
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ordergate.cli.app import app
from ordergate.config.brokers import OURS
from ordergate.sdk import default_gate, records
from tests.services.commands import CliRunner

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_made_pages_are_fresh() -> None:
    for path, text in generator().pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old: just docs"


def test_readme_fits() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_readme_shows_what_the_demo_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (ROOT / "README.md").read_text()
    shown = next(
        block for block in re.findall(r"```\n(.*?)```", readme, re.DOTALL) if block.startswith("Orders")
    )
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["demo", "--db", "sqlite:///demo.db"])
    assert done.exit_code == 0, done.output
    said = {" ".join(line.split()) for line in done.stdout.splitlines()}
    missing = [line for line in shown.splitlines() if " ".join(line.split()) not in said]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def blocks(page: Path) -> list[str]:
    """The shell blocks of a page that are marked as runnable."""
    return re.findall(r"```(?:sh|bash)\n(.*?)```", page.read_text(), re.DOTALL)


def cells(page: Path) -> list[str]:
    """The Python blocks of a page, which run one after the other as the cells of a notebook do."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


PAGES_OF_CELLS = [page for page in PAGES if cells(page)]


@pytest.mark.parametrize("page", PAGES_OF_CELLS, ids=lambda page: page.name)
def test_the_cells_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("ORDERGATE_DB", "ORDERGATE_RECORDS"):
        monkeypatch.delenv(variable, raising=False)
    names: dict = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        try:
            for number, cell in enumerate(cells(page)):
                code = compile(cell, f"{page.name}, cell {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                waits = eval(code, names)
                if asyncio.iscoroutine(waits):
                    runner.run(waits)
        finally:
            default_gate.close()
            records.close_engine()


RUNNABLE = [
    pytest.param(page, id=page.name, marks=() if page.name == "README.md" else pytest.mark.slow)
    for page in PAGES
    if blocks(page)
]


@pytest.mark.parametrize("page", RUNNABLE)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "160",
    }
    environment.pop("ORDERGATE_DB", None)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for block in blocks(page):
        script = "set -eu\n" + block
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


def test_every_adapter_says_what_it_was_tested_against() -> None:
    page = (ROOT / "docs" / "reference" / "brokers.md").read_text()
    for adapter in OURS:
        assert f"| `{adapter}` | " in page, f"docs/reference/brokers.md has no row for {adapter}"
