"""What was adjusted, on the command line: a position is its fills and its adjustments."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.clock import run_virtual
from ordergate.adapters.journals.stores import open_journal
from ordergate.application.entry import Origin
from ordergate.cli.app import app
from ordergate.domain.breaks import BreakKind
from ordergate.domain.recon.commands import AdjustBreak
from ordergate.domain.recon.statement import Statement
from tests.services.commands import CliRunner
from tests.unit.application.accounts import account, bought, breaks

PERSON = Origin(source="sdk", principal="ann")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDERGATE_DB", "sqlite:///gate.db")
    for name in ("ORDERGATE_AUDIT_KEY", "ORDERGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def shown(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(*arguments, "--json"))
    return found


def adjusted(by: int) -> None:
    """A journal of 100 bought, and of so much that came without an order; 0 is nothing."""

    def given(told: Statement) -> Statement:
        return replace(told, positions={**told.positions, "AAPL": told.positions["AAPL"] + by})

    async def main() -> None:
        async with account(await open_journal("sqlite:///gate.db")) as (gate, broker):
            await bought(gate, "one")
            await gate.clock.sleep(60)
            if by:
                broker.edits.append(given)
                await gate.compare("paper")
                (item,) = [item for item in await breaks(gate) if item.kind is BreakKind.POSITION]
                wanted = AdjustBreak(break_id=item.break_id, why="a transfer", price=Decimal("180.5"))
                await gate.execute(wanted, PERSON)

    run_virtual(main())


@pytest.mark.parametrize("by", [5, -30])
def test_a_position_is_its_fills_and_its_adjustments(by: int) -> None:
    adjusted(by)
    (position,) = shown("positions")
    (one,) = position["adjustments"]
    assert (one["side"], one["quantity"], one["price"], one["by"], one["why"]) == (
        "buy" if by > 0 else "sell", str(abs(by)), "180.5", "ann", "a transfer",
    )  # fmt: skip
    fills = sum(Decimal(fill["quantity"]) for fill in shown("fills"))
    assert fills + by == Decimal(position["quantity"]) == 100 + by
    assert one["break_id"] in [item["break_id"] for item in shown("recon", "breaks", "--all")]
    told = run("positions")
    assert "Adjustments, which are no fills" in told
    assert "a transfer" in told
    assert shown("positions", "--symbol", "MSFT") == []


def test_without_any_nothing_is_listed() -> None:
    adjusted(0)
    (position,) = shown("positions")
    assert position["adjustments"] == []
    assert "Adjustments" not in run("positions")
