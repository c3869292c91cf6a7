"""Builds and runs the checker beside this file: an independent opinion, in Go, on exported logs.

It needs Go and golang.org/x/mod: on Debian, `apt-get install golang-go golang-golang-x-mod-dev`.
"""

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("main.go")

# Debian puts the sources of Go libraries here, so that no network is needed.
ENVIRONMENT = {"GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOFLAGS": ""}


def why_not() -> str | None:
    """What is missing for the checker to be built, or None."""
    if shutil.which("go") is None:
        return "go is not installed (Debian: golang-go)"
    if run("go", "list", "golang.org/x/mod/sumdb/tlog", "golang.org/x/mod/sumdb/note").returncode:
        return "golang.org/x/mod is not installed (Debian: golang-golang-x-mod-dev)"
    return None


def build(directory: Path) -> Path | None:
    """Path of the checker, built in a folder; None for the reason that `why_not` gives.

    Raises:
        RuntimeError: Go is there, but does not compile it.
    """
    if why_not():
        return None
    binary = directory / "tlog_checker"
    built = run("go", "build", "-o", str(binary), str(SOURCE))
    if built.returncode:
        raise RuntimeError(built.stderr)
    return binary


def check(binary: Path, log: Path, vkey_file: Path, old_checkpoint: Path | None = None) -> tuple[bool, str]:
    """Whether the checker accepts an exported log, and what it said: `ok <size> <root>` or what is wrong."""
    old = [str(old_checkpoint)] if old_checkpoint else []
    result = run(str(binary), str(log), str(vkey_file), *old)
    if result.returncode not in (0, 1):
        raise RuntimeError(result.stderr)
    return result.returncode == 0, result.stdout.strip()


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run to the end with the environment that Debian's Go libraries need."""
    return subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False)
