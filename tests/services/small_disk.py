"""File systems of a few megabytes, where this machine lets us make one."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """One for the while, at a short path that everybody may pass; skips the test where there can be none."""
    if os.name == "nt" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root on a Unix system can make a small disk")
    folder = Path(tempfile.mkdtemp(prefix="og-disk-", dir="/tmp"))
    folder.chmod(0o755)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "none", folder]
    try:
        if subprocess.run(mounting, capture_output=True, check=False).returncode:
            pytest.skip("this machine does not let us make a small disk")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        folder.rmdir()


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4_096):
            pass
    return path
