"""What comes from npm: anvil, a compiler, and the contracts of Aave and Uniswap, in a cache outside the repository.

`python -m tests.services.chain.npm` fetches it, in just the versions that the lock beside this file names.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

HERE = Path(__file__).parent
FETCH = "python -m tests.services.chain.npm"


def folder() -> Path:
    """Where it is, or would be: one folder for each lock."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "ordergate" / f"chain-{lock}"


def is_there() -> bool:
    return (folder() / "complete").exists()


needed = pytest.mark.skipif(not is_there(), reason=f"the contracts of npm are not here: {FETCH}")


def modules() -> Path:
    return folder() / "node_modules"


def anvil() -> Path:
    found = sorted(modules().glob("@foundry-rs/anvil-*/bin/anvil*"))
    assert found, f"npm has no anvil for this machine in {modules()}"
    return found[0]


def artefact(path: str) -> dict[str, Any]:
    """A compiled contract, such as `@uniswap/v2-core/build/UniswapV2Factory.json`."""
    said: dict[str, Any] = json.loads((modules() / path).read_text())
    return said


def fetch() -> None:
    """Installs it, once, running nothing of what comes."""
    there = folder()
    there.mkdir(parents=True, exist_ok=True)
    with FileLock(there.with_suffix(".lock")):
        if is_there():
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, there / name)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=there, check=True)
        (there / "complete").touch()


if __name__ == "__main__":
    if shutil.which("npm") is None:
        sys.exit("there is no npm on this machine: the tests that need it are skipped")
    fetch()
    print(folder())
