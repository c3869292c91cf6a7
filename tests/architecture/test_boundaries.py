"""What the pure parts may know of the world: an allow-list, because a deny-list cannot name every library."""

import ast
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).parents[2] / "src" / "ordergate"
ALLOWED = {
    "ordergate.domain": {
        "bisect", "collections", "datetime", "decimal", "enum", "functools", "hashlib", "json", "msgspec", "operator",
        "re",
        "typing", "zoneinfo",
        "__future__",
    },
    "ordergate.protocols": {
        "base64", "binascii", "collections", "cryptography", "dataclasses", "hashlib", "itertools", "re", "string",
        "typing", "__future__",
    },
    "ordergate.application": {
        "asyncio", "collections", "contextlib", "datetime", "decimal", "enum", "functools", "hashlib", "heapq", "itertools",
        "msgspec", "operator", "structlog", "types", "typing", "__future__",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("ordergate", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("package", ALLOWED)
def test_pure_packages_import_only_what_is_allowed(graph: grimp.ImportGraph, package: str) -> None:
    modules = {package, *graph.find_descendants(package)}
    outside = {
        imported.split(".")[0]
        for module in modules
        for imported in graph.find_modules_directly_imported_by(module)
        if not imported.startswith("ordergate")
    }
    assert outside <= ALLOWED[package], outside - ALLOWED[package]


@pytest.mark.slow
def test_no_float_in_domain_and_application() -> None:
    found = []
    for folder in ("domain", "application"):
        for path in (SOURCE / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
                    found.append(f"{path}:{node.lineno}")
    assert found == []


@pytest.mark.slow
def test_no_assert_guards_in_the_package() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path in SOURCE.rglob("*.py")
        if "testing" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_files_stay_small() -> None:
    long = {
        str(path.relative_to(SOURCE)): lines
        for path in SOURCE.rglob("*.py")
        if "migrations" not in path.parts and "testing" not in path.parts and "_pb2" not in path.name
        if (lines := len(path.read_text().splitlines())) > 350
    }
    assert long == {}
