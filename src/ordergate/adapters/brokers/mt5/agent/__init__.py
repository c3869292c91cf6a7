"""A MetaTrader 5 terminal behind a journal: in a process of its own, here or over an authenticated connection.

This folder is also a distribution of its own, `ordergate-mt5-agent`: it needs the standard library alone.
"""

from __future__ import annotations

from .link import Login
from .local import LocalTerminal
from .port import Command, Hello, Record, Refused, Reply, Terminal, Unreachable
from .remote import RemoteTerminal
from .server import AgentServer

__all__ = [
    "AgentServer",
    "Command",
    "Hello",
    "LocalTerminal",
    "Login",
    "Record",
    "Refused",
    "RemoteTerminal",
    "Reply",
    "Terminal",
    "Unreachable",
]
