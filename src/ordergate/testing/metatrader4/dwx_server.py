"""The DWX server for MetaTrader 4, with its defects: what is in a terminal that an older bridge was set up in.

Written from what darwinex/dwxconnect publishes. Replies name no command; a command is deleted before it is looked at,
so half a one is destroyed; the look stops at the first place that is empty; ids that it has seen are kept in memory,
the last thousand, and forgotten when it is told to; a start wipes the folder, commands included; the keys of its
messages are the machine's milliseconds, 32 bits of them; nothing is escaped; and everything in the account is listed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from ordergate.application.ports.clock import Clock
from ordergate.testing.metatrader4.dwx_account import DwxAccount, TradeError
from ordergate.testing.metatrader4.dwx_files import COMMANDS, DwxFiles, history_text, orders_text
from ordergate.testing.metatrader4.dwx_words import words_of

_LAST: Final = 50
_IDS: Final = 1_000
_WRAP: Final = 2**32
_TYPES: Final = ("buy", "sell", "buylimit", "selllimit", "buystop", "sellstop")


class DwxServer:
    """One terminal's expert advisor; `begin` is a start of it, `run` its timer.

    Attributes:
        timer_ms, maximum_orders, maximum_lots, slippage_points: its inputs, with the values that they have unless set.
        booted_ms: what the machine's count of milliseconds was when the clock was first asked.
        lies: the error that it says instead of a success.
        mute: what it says goes nowhere.
        stalls: a trade function does not return: nothing is read or written until this is over.
        done: the commands that it has worked off, as they came.
    """

    def __init__(
        self, account: DwxAccount, files: DwxFiles, clock: Clock, *, booted_ms: int = 86_400_000
    ) -> None:
        self.account, self.files, self._clock = account, files, clock
        self._since, self.booted_ms = clock.now(), booted_ms
        self.timer_ms = 25
        self.maximum_orders, self.maximum_lots, self.slippage_points = 1, Decimal("0.01"), 3
        self.lies: int | None = None
        self.mute = self.stalls = False
        self._stalled: tuple[str, str] | None = None
        self.done: list[str] = []
        self.before_tick: Callable[[], None] = lambda: None
        self.after_commands: Callable[[], None] = lambda: None
        self._forget()

    @property
    def ticks(self) -> int:
        """The machine's milliseconds, which begin anew after 49.7 days."""
        elapsed = (self._clock.now() - self._since) // timedelta(milliseconds=1)
        return (self.booted_ms + elapsed) % _WRAP

    def begin(self) -> None:
        """It is started: the folder is wiped, and nothing is remembered."""
        self.files.wipe()
        self._forget()

    def end(self) -> None:
        """It is removed, or the terminal closes in order."""
        self.files.wipe()

    async def run(self) -> None:
        """Its timer, for ever."""
        while True:
            self.timer()
            await self._clock.sleep(self.timer_ms / 1000)

    def timer(self) -> None:
        """After a wrap of the count this does nothing until a tick comes."""
        if self.ticks >= self._updated + self.timer_ms:
            self.tick()

    def tick(self) -> None:
        """A price of the chart came, or the timer."""
        if self._stalled is not None and self.stalls:
            return
        self._updated = self.ticks
        self.before_tick()
        if self._stalled is not None:
            stalled, self._stalled = self._stalled, None
            self._work(*stalled)
        self._commands()
        self.after_commands()
        self._orders()

    def _forget(self) -> None:
        self._updated = self._written = self.ticks
        self._last_message = 0
        self._messages: list[tuple[int, str]] = []
        self._text = self._said = ""
        self._ids: list[int] = []

    def _commands(self) -> None:
        for number in range(COMMANDS):
            text = self.files.take(number)
            if text is None or not self._command(text):
                return

    def _command(self, text: str) -> bool:
        """Works one off; False where it looks at no other after it."""
        if not text.startswith("<:"):
            self._error("WRONG_FORMAT_START_IDENTIFIER", f"Start identifier not found for command: {text}")
            return False
        if not text.endswith(":>"):
            self._error("WRONG_FORMAT_END_IDENTIFIER", f"End identifier not found for command: {text}")
            return False
        parts = text[2:-2].split("|")
        if len(parts) != 3:
            self._error("WRONG_FORMAT_COMMAND", f"Wrong format for command: {text[2:-2]}")
            return False
        number, command, content = _integer(parts[0]), parts[1], parts[2]
        if command != "RESET_COMMAND_IDS" and number in self._ids:
            return False
        self._ids = [*self._ids[1 - _IDS :], number]
        self.done.append(f"{command} {content}")
        if self.stalls:
            self._stalled = (command, content)
            return False
        self._work(command, content)
        return True

    def _work(self, command: str, content: str) -> None:
        if command == "OPEN_ORDER":
            self._open(content)
        elif command == "CLOSE_ORDER":
            self._close(content)
        elif command == "CLOSE_ALL_ORDERS":
            for ticket in list(self.account.open):
                self._end(ticket, Decimal(0))
            self._info("Successfully closed orders.")
        elif command == "GET_HISTORIC_TRADES":
            self._history(content)
        elif command == "RESET_COMMAND_IDS":
            self._ids = []

    def _open(self, content: str) -> None:
        data = content.split(",")
        if len(data) != 9:
            self._error("OPEN_ORDER_WRONG_FORMAT", f"Wrong format for OPEN_ORDER command: {content}")
            return
        count = len(self.account.open)
        if count >= self.maximum_orders:
            said = (
                f"Number of orders ({count}) larger than or equal to MaximumOrders ({self.maximum_orders})."
            )
            self._error("OPEN_ORDER_MAXIMUM_NUMBER", said)
            return
        market = self.account.symbols.get(data[0])
        digits = market.digits if market else 0
        kind, lots = data[1], _double(data[2], 2)
        price, *levels = (_double(text, digits) for text in data[3:6])
        magic = (_integer(data[6]) + 2**31) % 2**32 - 2**31
        if price == 0 and market and kind in ("buy", "sell"):
            price = market.ask if kind == "buy" else market.bid
        wrong = self._wrong(kind, lots, price, content)
        if wrong is not None:
            self._error(*wrong)
            return
        try:
            ticket = self.account.send(
                data[0], kind, lots, price, self.slippage_points, (levels[0], levels[1]), data[7], magic
            )
            if self.lies is not None:
                raise TradeError(self.lies)
        except TradeError as error:
            self._error("OPEN_ORDER", f"Could not open order: {words_of(error.code)}")
            return
        self._info(f"Successfully sent order {ticket}: {data[0]}, {kind}, {lots:.2f}, {price:.{digits}f}")

    def _wrong(self, kind: str, lots: Decimal, price: Decimal, content: str) -> tuple[str, str] | None:
        if kind not in _TYPES:
            return "OPEN_ORDER_TYPE", f"Order type could not be parsed: -1.000000 ({kind})"
        market = self.account.symbols.get(content.split(",")[0])
        least, most = (market.smallest, market.largest) if market else (Decimal(0), Decimal(0))
        if not least <= lots <= most:
            said = f"Lot size out of range (min: {least:f}, max: {most:f}): {lots:f}"
            return "OPEN_ORDER_LOTSIZE_OUT_OF_RANGE", said
        if lots > self.maximum_lots:
            said = f"Lot size ({lots:.2f}) larger than MaximumLotSize ({self.maximum_lots:.2f})."
            return "OPEN_ORDER_LOTSIZE_TOO_LARGE", said
        return ("OPEN_ORDER_PRICE_ZERO", f"Price is zero: {content}") if price == 0 else None

    def _close(self, content: str) -> None:
        data = content.split(",")
        if len(data) != 2:
            self._error("CLOSE_ORDER_WRONG_FORMAT", f"Wrong format for CLOSE_ORDER command: {content}")
            return
        ticket, lots = _integer(data[0]), _double(data[1], 2)
        order = self.account.select(ticket)
        if order is None:
            self._error("CLOSE_ORDER_SELECT_TICKET", f"Could not select order with ticket: {ticket}")
            return
        try:
            closed = self._end(ticket, lots)
            if self.lies is not None:
                raise TradeError(self.lies)
        except TradeError as error:
            self._error("CLOSE_ORDER_TICKET", f"Could not close position {ticket}: {words_of(error.code)}")
            return
        self._info(f"Successfully closed order: {ticket}, {order.symbol}, {closed:.2f}")

    def _end(self, ticket: int, lots: Decimal) -> Decimal:
        order = self.account.select(ticket)
        if order is not None and order.is_position:
            lots = lots or order.lots
            self.account.close(ticket, lots)
        else:
            self.account.delete(ticket)
        return lots

    def _history(self, content: str) -> None:
        days = _integer(content)
        if days <= 0:
            self._error("HISTORIC_TRADES", f"Lookback days smaller or equal to zero: {content}")
            return
        since: datetime = self.account.time - timedelta(days=days)
        self.files.write("DWX_Historic_Trades", history_text(self.account, since))
        self._info("Successfully read historic trades.")

    def _orders(self) -> None:
        text = orders_text(self.account)
        if text == self._text and self.ticks < self._written + 1_000:
            return
        if self.files.write("DWX_Orders", text):
            self._text, self._written = text, self.ticks

    def _error(self, kind: str, description: str) -> None:
        self._message(
            f'"type": "ERROR", "time": "%s", "error_type": "{kind}", "description": "{description}"'
        )

    def _info(self, message: str) -> None:
        self._message(f'"type": "INFO", "time": "%s", "message": "{message}"')

    def _message(self, said: str) -> None:
        if self.mute:
            return
        self._last_message = max(self.ticks, self._last_message + 1)
        text = "{" + said.replace("%s", self._clock.now().strftime("%Y.%m.%d %H:%M:%S"), 1) + "}"
        self._messages = [*self._messages, (self._last_message, text)][-_LAST:]
        whole = "{" + ", ".join(f'"{at}": {one}' for at, one in self._messages) + "}"
        if whole != self._said and self.files.write("DWX_Messages", whole):
            self._said = whole


def _integer(text: str) -> int:
    """As the language reads one: digits up to the first that is none."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    count = next((place for place, one in enumerate(digits) if not one.isdigit()), len(digits))
    return sign * int(digits[:count] or 0)


def _double(text: str, digits: int) -> Decimal:
    """As the language reads one, cut to its digits."""
    try:
        return Decimal(text).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    except InvalidOperation:
        return Decimal(0)
