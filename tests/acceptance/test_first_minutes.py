"""The README's first command, in an environment that has nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_first_command_of_the_readme(tmp_path: Path) -> None:
    command = re.search(r"```\n(pip install -e \. && ordergate demo)\n```", (ROOT / "README.md").read_text())[
        1
    ]
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    script = f". {tmp_path / 'venv' / 'bin' / 'activate'} && cd {ROOT} && {command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Positions" in done.stdout
    assert "verified" in done.stdout
