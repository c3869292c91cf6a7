"""A library says nothing of local variables, unless its user has asked for them."""

import subprocess
import sys

import pytest

_CODE = """
import asyncio, structlog
from ordergate.bootstrap import MEMORY, open_gate
from ordergate.config import Config
{before}
async def main():
    async with open_gate(Config(), MEMORY):
        password = "can" + "ary"
        try:
            raise RuntimeError("gone")
        except RuntimeError:
            structlog.get_logger("ordergate.test").exception("it failed")
asyncio.run(main())
"""
_OWN = "structlog.configure(processors=[structlog.processors.KeyValueRenderer()])"


@pytest.mark.parametrize(("before", "said"), [("", "RuntimeError: gone"), (_OWN, "exc_info=True")])
def test_tracebacks_show_no_locals_and_what_is_configured_stays(before: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE.format(before=before)], capture_output=True, text=True, check=True
    )
    shown = done.stdout + done.stderr
    assert said in shown
    assert "canary" not in shown
