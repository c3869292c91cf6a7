"""The package in its worker, logged in where it should be; one caller at a time.

A worker that died, or whose package has lost the terminal, is replaced before the next call. Before each call the
terminal is asked for its account: a terminal that somebody has logged in elsewhere is not asked, and gets no command.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .port import Refused, Unreachable
from .process import Broken, Raised, Worker

_AUTH_FAILED: Final = -6
_LINK_LOST: Final = frozenset(range(-10_005, -9_999))


@dataclass(frozen=True)
class Login:
    """What the terminal is started with; what is None is left to the terminal.

    Attributes:
        path: of terminal64.exe.
        login: the account's number.
        password: the account's.
        server: the broker's server, by its name.
        portable: whether the terminal keeps its data in its own folder.
    """

    path: str | None = None
    login: int | None = None
    password: str | None = field(default=None, repr=False)
    server: str | None = None
    portable: bool = False

    def arguments(self, timeout_ms: int) -> tuple[list[str], dict[str, Any]]:
        """Of initialize."""
        given = {"login": self.login, "password": self.password, "server": self.server}
        kwargs: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.portable:
            kwargs["portable"] = True
        return [] if self.path is None else [self.path], {**kwargs, "timeout": timeout_ms}


class Link:
    """Of one terminal; there is a worker after open or ready, until something goes wrong."""

    def __init__(self, login: Login, module: str, lock: Path, deadline_s: float, start_s: float) -> None:
        self._login, self._module, self._lock = login, module, lock
        self._deadline_s, self._start_s = deadline_s, start_s
        self._home: tuple[int, str] | None = None
        self._worker: Worker | None = None

    async def open(self) -> tuple[str, int, str]:
        """Version, login and server. A worker that answers from our account is kept. Raises Refused, Unreachable."""
        if not await self._is_at_home():
            await self._restart()
            account = await self._account()
            if account != self._home:
                await self.end()
                raise Refused(f"the terminal is at {_named(account)}, and not at {_named(self._home)}")
        words, _error = await self._told("version")
        login, server = await self._account()
        return " ".join(str(word) for word in words or ()), login, server

    async def ready(self) -> None:
        """A worker that talks to a terminal at home. Raises Unreachable: nothing was sent."""
        if self._worker is None or not self._worker.lives:
            try:
                await self._restart()
            except Refused as refused:
                raise Unreachable(f"the terminal was started again: {refused}", sent=False) from refused
        account = await self._account()
        if account != self._home:
            await self.end()
            text = f"the terminal is at {_named(account)}, and not at {_named(self._home)}"
            raise Unreachable(text, sent=False)

    async def _is_at_home(self) -> bool:
        if self._worker is None or not self._worker.lives:
            return False
        try:
            return await self._account() == self._home
        except Unreachable:
            return False

    async def _restart(self) -> None:
        await self.end()
        args, kwargs = self._login.arguments(int(self._start_s * 1_000))
        try:
            self._worker = await Worker.start(self._module, self._lock, self._start_s)
            done, error = await self._worker.call(
                "initialize", args, kwargs, self._start_s + self._deadline_s
            )
        except (Broken, Raised) as failed:
            await self.end()
            raise Unreachable(str(failed), sent=False) from failed
        if done is not True:
            await self.end()
            if error[0] == _AUTH_FAILED:
                raise Refused(f"the terminal refuses the login: {error[1]} ({error[0]})")
            raise Unreachable(f"initialize failed: {error[1]} ({error[0]})", sent=False)
        if self._home is None:
            await self._find_home()

    async def _find_home(self) -> None:
        """The account that is there, if it is what was asked for: it is home for good. Raises Refused, Unreachable."""
        account, asked = await self._account(), self._login
        if account != (asked.login or account[0], asked.server or account[1]):
            await self.end()
            server = "any server" if asked.server is None else repr(asked.server)
            home = f"{asked.login or 'any account'} on {server}"
            raise Refused(f"the terminal is at {_named(account)}, and not at {home}")
        self._home = account

    async def _account(self) -> tuple[int, str]:
        value, error = await self._told("account_info")
        if not isinstance(value, dict):
            await self.end()
            raise Unreachable(f"the terminal tells no account: {error[1]} ({error[0]})", sent=False)
        return int(value["login"]), str(value["server"])

    async def _told(self, name: str) -> tuple[Any, tuple[int, str]]:
        try:
            return await self.call(name, [], {}, sent=False)
        except Raised as raised:
            raise Unreachable(str(raised), sent=False) from raised

    async def call(self, name: str, args: Any, kwargs: Any, *, sent: bool) -> tuple[Any, tuple[int, str]]:
        """Value and last_error. Raises Unreachable, with sent as given, and Raised."""
        if self._worker is None:
            raise Unreachable("there is no worker", sent=False)
        try:
            value, error = await self._worker.call(name, args, kwargs, self._deadline_s)
        except Broken as broken:
            self._worker = None
            raise Unreachable(str(broken), sent=sent) from broken
        if error[0] in _LINK_LOST:
            await self.end()
        return value, error

    async def end(self) -> None:
        """Ends the worker, not the terminal."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.end()


def _named(account: tuple[int, str] | None) -> str:
    return "no account" if account is None else f"{account[0]} on {account[1]!r}"
