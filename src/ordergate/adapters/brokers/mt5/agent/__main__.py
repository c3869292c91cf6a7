"""`python -m ordergate_mt5_agent agent.toml`: the agent, until it is ended."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from .journal import JournalFailed
from .local import LocalTerminal
from .port import Refused, Unreachable
from .server import AgentServer
from .settings import Settings, Wrong, read


def main() -> int:
    """Returns 0 if it was asked to end, 1 if it cannot serve, 2 if the configuration is wrong."""
    parser = argparse.ArgumentParser(prog="ordergate_mt5_agent", description=__doc__)
    parser.add_argument("configuration", type=Path, help="a TOML file")
    parser.add_argument(
        "--forget-sessions",
        action="store_true",
        help="let clients in again whose session number is lower than before",
    )
    said = parser.parse_args()
    try:
        settings = read(said.configuration)
    except Wrong as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    try:
        asyncio.run(_served(settings, forget=said.forget_sessions))
    except KeyboardInterrupt:
        return 0
    except (JournalFailed, OSError, Unreachable, UnicodeError) as failed:  # the last: a host that is no name
        sys.stderr.write(f"{failed}\n")
        return 1
    return 0


async def _served(settings: Settings, *, forget: bool) -> None:
    terminal = LocalTerminal(
        settings.login,
        settings.journal,
        module=settings.module,
        deadline_s=settings.deadline_s,
        start_s=settings.start_s,
        retention_days=settings.retention_days,
    )
    server = AgentServer(terminal, settings.key)
    if forget:
        terminal.hold().remember_epoch(0)
    try:
        await server.start(settings.host, settings.port, settings.tls)
        _tell(f"listening at {settings.host}:{server.port}, {'TLS' if settings.tls else 'not encrypted'}")
        await _tell_of(terminal)
        await asyncio.get_running_loop().create_future()
    finally:
        await server.close()


async def _tell_of(terminal: LocalTerminal) -> None:
    """How it looks at the start; clients open the terminal again themselves."""
    try:
        hello = await terminal.open()
        _tell(f"terminal {hello.version}: account {hello.login} on {hello.server}")
    except Refused as refused:
        _tell(f"refused: {refused}")
    except Unreachable as gone:
        _tell(f"not reachable yet: {gone}")


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
