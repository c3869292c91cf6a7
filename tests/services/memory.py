"""Where files cost no disk."""

import shutil
from pathlib import Path

_SHM = Path("/dev/shm")
_ENOUGH = 4 << 30


def in_memory() -> Path | None:
    """A folder for what need not outlive a loss of power; None where there is none with room enough."""
    return _SHM if _SHM.is_dir() and shutil.disk_usage(_SHM).free > _ENOUGH else None
