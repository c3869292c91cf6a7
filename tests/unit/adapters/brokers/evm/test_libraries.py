"""Loading the libraries of chains leaves the process as it was."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_python_recurses_no_deeper_than_before() -> None:
    code = """
import sys
before = sys.getrecursionlimit()
import ordergate.adapters.brokers.evm.broker
assert "py_ecc" in sys.modules, "what raises the limit is not loaded: this test shows nothing"
assert sys.getrecursionlimit() == before, sys.getrecursionlimit()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
