"""The agent of MetaTrader 5 is a distribution of its own: its folder needs the standard library and itself."""

import ast
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "src" / "ordergate" / "adapters" / "brokers" / "mt5" / "agent"
NOT_EVERYWHERE = {"fcntl": "worker.py", "msvcrt": "worker.py"}
"""Modules of one system alone, and the file that chooses between them."""


def imports(path: Path) -> list[tuple[int, str]]:
    """How many folders up, and what, of all that a file imports, also inside functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_it_imports_the_standard_library_and_itself(path: Path) -> None:
    assert path.parent == FOLDER
    for level, name in imports(path):
        assert level <= 1, f"{path.name} looks outside the folder"
        if level == 0:
            top = name.partition(".")[0]
            assert top in sys.stdlib_module_names, f"{path.name} imports {name}"
            assert NOT_EVERYWHERE.get(top, path.name) == path.name, (
                f"{path.name}: {top} is not on every system"
            )


def test_the_worker_runs_by_its_path() -> None:
    assert {level for level, _name in imports(FOLDER / "worker.py")} == {0}


def test_no_call_of_one_system_alone() -> None:
    """Names of `os`, `signal` and `asyncio` that Windows has not."""
    banned = {"fork", "SIGKILL", "SIGSTOP", "add_signal_handler", "start_unix_server"}
    for path in FOLDER.glob("*.py"):
        used = {
            node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)
        }
        assert not used & banned, path.name
