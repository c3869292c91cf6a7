"""Our contract, as its compiler gave it; its source is beside this file."""

import json
from pathlib import Path
from typing import Any


def executor() -> dict[str, Any]:
    """`abi` and `bytecode` of the contract that does bundles; its owner is who deploys it."""
    made = json.loads((Path(__file__).parent / "executor.json").read_text("utf-8"))
    found: dict[str, Any] = made["contracts"]["Executor"]
    return found
