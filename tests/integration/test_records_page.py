"""The programs of docs/howto/records.md, one after the other in one process of their own, and what they leave."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.services.server import ROOT

PAGE = (ROOT / "docs" / "howto" / "records.md").read_text()
PROGRAM = """
import ast, asyncio, inspect, sys

async def main():
    space = {"__name__": "page"}
    for number, block in enumerate(sys.stdin.read().split("\\0")):
        code = compile(block, f"program {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if inspect.iscoroutine(done := eval(code, space)):
            await done

asyncio.run(main())
"""


@pytest.mark.slow
def test_the_programs_of_the_page(tmp_path: Path) -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) > 8
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ORDERGATE_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        input="\0".join(programs), capture_output=True, text=True, check=False, timeout=180, cwd=tmp_path, env=plain,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    seen = pl.read_parquet(tmp_path / "archive" / "orders" / "date=2026-05-26" / "part.parquet")
    assert seen["order_identifier"].to_list() == ["ord-7"]
    assert len([*(tmp_path / "archive").glob("orders/*/part.parquet")]) == 2
