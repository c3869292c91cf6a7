"""Questions to a terminal, whose answers are read or refused: an error is never read as "nothing"."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.agent.port import (
    EXPIRED,
    OURS,
    Command,
    Hello,
    Record,
    Terminal,
    Unreachable,
)
from ordergate.adapters.brokers.mt5.symbols import Symbol, Unreadable, number, symbol_of, whole

Row = Mapping[str, Any]
_SPARE_S: Final = 3.0
"""Beyond the deadline, for the way to an agent."""
_DAY_S: Final = 86_400
_AHEAD_DAYS: Final = 3
"""How far questions for history reach beyond now: the server's clock may be ahead of ours by half a day."""
_SHORTEST_S: Final = 600
"""What is not asked for in parts any more."""
_LOOKS: Final = 3
"""How often a list is asked for that is not as long as its count."""


class Failed(Exception):
    """The terminal did not answer a question: the text says what it said instead.

    Attributes:
        code: of last_error(); None where there was no answer at all.
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class Link:
    """One terminal that was opened.

    Args:
        deadline_s: of a call.

    Attributes:
        clock_jumped: the agent's clock is ahead of what it said and what has passed since: it must be asked again.
    """

    def __init__(self, terminal: Terminal, deadline_s: float) -> None:
        self.terminal, self.clock_jumped = terminal, False
        self._deadline_s = deadline_s
        self._hello: Hello | None = None
        self._opened_at = self._heard_at = 0.0

    @property
    def taken_over(self) -> bool:
        """Whether a later session has ended this one."""
        return self.terminal.taken_over

    async def open(self) -> Hello:
        """Begins, or begins again. Raises Refused and Unreachable."""
        self._opened_at = asyncio.get_running_loop().time()
        self._hello, self.clock_jumped = await self.terminal.open(), False
        self._heard_at = asyncio.get_running_loop().time()
        return self._hello

    def remembers_s(self) -> float:
        """How far back, at least, the journal has all that was given to the terminal."""
        hello = self._hello
        if hello is None:
            return 0.0
        passed_s = asyncio.get_running_loop().time() - self._heard_at
        return min(hello.now - hello.began + passed_s, hello.keeps_s)

    def there_s(self) -> float:
        """The agent's clock, at least: it was said after the question began to wait."""
        hello = self._hello
        if hello is None:
            raise Unreachable("the terminal is not open", sent=False)
        return hello.now + asyncio.get_running_loop().time() - self._opened_at

    async def send(self, id_: str, request: dict[str, Any]) -> Record:
        """Gives a command to the terminal, unless its journal knows the id. Raises Unreachable."""
        command = Command(id_, request, self.there_s() + self._deadline_s)
        try:
            async with asyncio.timeout(2 * self._deadline_s + _SPARE_S):
                record = await self.terminal.send(command)
        except TimeoutError:
            raise Unreachable(f"no answer within {self._deadline_s:g} s", sent=True) from None
        self.clock_jumped = self.clock_jumped or record.state == EXPIRED
        return record

    async def ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """What a function returned.

        Raises:
            Failed: it returned nothing, or the terminal was not reached in time.
        """
        try:
            async with asyncio.timeout(self._deadline_s + _SPARE_S):
                reply = await self.terminal.ask(name, *args, **kwargs)
        except TimeoutError:
            raise Failed(f"{name}: no answer within {self._deadline_s:g} s") from None
        if reply.value is None:
            code, said = reply.error
            raise Failed(f"{name}: {said} ({code})", code)
        return reply.value

    async def rows(self, name: str, *args: Any, **kwargs: Any) -> list[Row]:
        """A list of structs. Raises Failed, and Unreadable."""
        value = await self.ask(name, *args, **kwargs)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise Unreadable(f"{name} gave {str(value)[:200]}, no list of structs")
        return value

    async def row(self, name: str, *args: Any) -> Row:
        """A struct. Raises Failed, and Unreadable."""
        value = await self.ask(name, *args)
        if not isinstance(value, dict):
            raise Unreadable(f"{name} gave {str(value)[:200]}, no struct")
        return value

    async def total(self, name: str, *args: Any) -> int:
        """A count. Raises Failed, and Unreadable."""
        return whole({name: await self.ask(name, *args)}, name)

    async def amount(self, name: str, *args: Any) -> Decimal:
        """A number. Raises Failed, and Unreadable."""
        return number(await self.ask(name, *args), name)

    async def free_margin(self) -> Decimal:
        """What is free for margin, in the account's currency. Raises Failed, and Unreadable."""
        return number((await self.row("account_info")).get("margin_free"), "margin_free")

    async def symbol(self, name: str) -> Symbol:
        """A symbol as it is now, shown in the terminal's list, without which it is not traded.

        Raises Failed (the terminal knows none such), and Unreadable.
        """
        found = symbol_of(await self.row("symbol_info", name))
        if found.visible:
            return found
        await self.ask("symbol_select", name, True)
        return symbol_of(await self.row("symbol_info", name))

    async def working(self) -> list[Row]:
        """All orders that work, those of others too. Raises Failed, also where the list is not whole."""
        return await self._all("orders")

    async def positions(self) -> list[Row]:
        """All positions. Raises as `working`."""
        return await self._all("positions")

    async def whole_history(self, what: str, since_s: int) -> list[Row]:
        """As `history`; but what is not listed is not there. Raises as `working`."""
        return await self._all(f"history_{what}", since_s, self.until_s())

    async def _all(self, what: str, *between: int) -> list[Row]:
        """As many as there are said to be; asked again, for one may come or go between the two questions."""
        name = f"{what}_get"
        for _look in range(_LOOKS):
            rows = await (self._between(name, *between) if between else self.rows(name))
            total = await self.total(f"{what}_total", *between)
            if len(rows) == total:
                return rows
        raise Failed(f"{name} gave {len(rows)} of {total}")

    async def order(self, ticket: int) -> tuple[Row | None, bool]:
        """An order by its ticket, and whether it works; None where the terminal lists none such. Raises Failed."""
        for name, works in (("orders_get", True), ("history_orders_get", False)):
            for row in await self.rows(name, ticket=ticket):
                if row.get("ticket") == ticket:
                    return row, works
        return None, False

    async def history(self, what: str, since_s: int) -> list[Row]:
        """Orders that ended, or deals, since then of the server's clock, as far as the terminal lists them.

        Raises Failed, and Unreadable.
        """
        return await self._between(f"history_{what}_get", since_s, self.until_s())

    async def _between(self, name: str, since_s: int, until_s: int) -> list[Row]:
        """In parts, where all of it is too much for one answer."""
        try:
            return await self.rows(name, since_s, until_s)
        except Failed as failed:
            if failed.code != OURS or until_s - since_s <= _SHORTEST_S:
                raise
        middle = (since_s + until_s) // 2
        parts = [*await self._between(name, since_s, middle), *await self._between(name, middle, until_s)]
        return list({whole(row, "ticket"): row for row in parts}.values())

    def until_s(self) -> int:
        """To when questions for history reach: beyond now, and the same all day."""
        return (int(self.there_s()) // _DAY_S + _AHEAD_DAYS) * _DAY_S

    async def deals_of(self, ticket: int, since_s: int) -> list[Row]:
        """An order's deals, canceled ones too. Raises Failed, and Unreadable."""
        return [
            deal
            for deal in await self.history("deals", since_s)
            if deal.get("order") == ticket and deal.get("type") in c.TRADES
        ]

    async def is_connected(self) -> bool:
        """Whether the terminal has a connection to the broker. Raises Failed, and Unreadable."""
        return bool((await self.row("terminal_info")).get("connected"))

    async def close(self) -> None:
        """Lets go of it."""
        await self.terminal.close()
