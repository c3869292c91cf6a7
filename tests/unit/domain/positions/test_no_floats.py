"""MNY-4: no float comes near the ledger. The source is read for it, and the arithmetic refuses one."""

import ast
from decimal import Decimal, FloatOperation, localcontext
from pathlib import Path

import pytest

import ordergate
from ordergate.domain.errors import Invalid
from ordergate.domain.money import EXACT, parse_decimal

SOURCE = Path(ordergate.__file__).parent
LEDGER = [
    *sorted((SOURCE / "domain" / "positions").glob("*.py")),
    *(
        SOURCE / "domain" / name
        for name in ("fold_book.py", "money.py", "instruments.py", "market.py", "slippage.py")
    ),
    *(
        SOURCE / "domain" / "orders" / name
        for name in ("executions.py", "order.py", "events.py", "reports.py")
    ),
    *(
        SOURCE / "domain" / "risk" / name
        for name in ("account.py", "worth.py", "conversion.py", "valuation.py")
    ),
    SOURCE / "adapters" / "journals" / "rows.py",
    SOURCE / "application" / "nav.py",
]
ALLOWED = {"money.py": {"exact"}}
"""Functions that may take a float: where one comes in, it becomes the decimal that it is written as."""


def floats(path: Path) -> list[str]:
    """Where a file makes or names a float: literals, the type, `math`, `round`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = ALLOWED.get(path.name, set())
    inside = [
        node for part in ast.walk(tree) if isinstance(part, ast.FunctionDef) and part.name in allowed
        for node in ast.walk(part)
    ]  # fmt: skip
    found = []
    for node in ast.walk(tree):
        if node in inside:
            continue
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
        named = isinstance(node, ast.Name) and node.id in ("float", "math", "round")
        if literal or named:
            found.append(f"{path.name}:{node.lineno}")
    return found


def test_mny_4_no_file_of_the_ledger_has_a_float() -> None:
    assert len(LEDGER) > 15
    assert [place for path in LEDGER for place in floats(path)] == []


@pytest.mark.parametrize(
    "text", ["x = 0.5", "x = float(y)", "import math\nx = math.pi", "x: float = y", "x = 1e3"]
)
def test_the_check_finds_a_float(tmp_path: Path, text: str) -> None:
    (tmp_path / "position.py").write_text(text)
    assert floats(tmp_path / "position.py")


def test_mny_4_exact_arithmetic_refuses_floats() -> None:
    with localcontext(EXACT):
        with pytest.raises(FloatOperation):
            Decimal(0.5)  # noqa: RUF032
        with pytest.raises(FloatOperation):
            assert Decimal(1) < 0.5
        with pytest.raises(TypeError):
            Decimal(1) + 0.5  # type: ignore[operator]
    with pytest.raises(Invalid, match="not a decimal"):
        parse_decimal(0.5, "#/price")
