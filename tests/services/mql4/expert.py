"""The real expert advisor: the program that `build` makes of it, run against the simulated terminal."""

import os
import random
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ordergate.testing.metatrader4.account import Refused, Symbol, Ticket
from ordergate.testing.metatrader4.simulation import Simulation
from ordergate.testing.metatrader4.terminal import Terminal

FOLDER = "ordergate"


class Program:
    """One run of it: it asks, the terminal answers, until it has done what the timer makes it do."""

    def __init__(self, program: Path, terminal: Terminal, settle_s: int) -> None:
        self._terminal = terminal
        inputs = {"MQL4_INPUT_Folder": FOLDER, "MQL4_INPUT_SettleSeconds": str(settle_s)}
        self._process = subprocess.Popen(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **inputs},
        )
        self._converse()

    def cycle(self) -> None:
        """What the timer makes it do; ends the process where the terminal ends."""
        self._write(b"timer\n")
        self._converse()

    def event(self, name: str) -> None:
        """`init` or `deinit`: what a terminal does where the chart is given another symbol, period or inputs."""
        self._write(name.encode() + b"\n")
        self._converse()

    def close(self) -> None:
        """Ends it without farewell."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _converse(self) -> None:
        assert self._process.stdout is not None
        try:
            while (line := self._process.stdout.readline()) != b"done\n":
                if not line:
                    raise RuntimeError(f"the expert advisor ended with {self._process.wait()}")
                question = [unquote_to_bytes(part).decode() for part in line[:-1].decode().split("\t")]
                if question[0] == "started":
                    return
                answer = ANSWERS[question[0]](self._terminal, *question[1:])
                self._write("\t".join(_packed(part) for part in answer).encode() + b"\n")
        except BaseException:
            self.close()
            raise

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()


class CompiledSimulation(Simulation):
    """A simulation whose expert advisor is the real one."""

    program: Path
    _running: Program | None = None

    def start(self, *, connects_in_s: float = 0.0) -> None:
        super().start(connects_in_s=connects_in_s)
        self._running = Program(self.program, self.terminal, self._settle_s)
        self.expert = self._running  # type: ignore[assignment]

    def close(self) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None
        super().close()


def _packed(text: str) -> str:
    return "".join(f"%{ord(c):02x}" if c < " " or c in "%\x7f" else c for c in text)


def _inside(path: str) -> str:
    """A path of the program's, below the folder of its input."""
    assert path.startswith(f"{FOLDER}/"), path
    return path[len(FOLDER) + 1 :]


def _number(text: str) -> Decimal:
    """A double, as close as 8 decimals."""
    return Decimal(repr(round(float(text), 8)))


def _truth(value: bool) -> list[str]:
    return [str(int(value))]


def _row(row: Ticket | None) -> list[str]:
    if row is None:
        return ["0"]
    values = (
        row.ticket,
        row.type,
        row.symbol,
        row.lots,
        row.price,
        row.open_time,
        row.sl,
        row.tp,
        row.close_price,
        row.close_time,
        row.commission,
        row.swap,
        row.profit,
        row.comment,
        row.magic,
        row.expiry,
    )
    return ["1", *(str(value) for value in values)]


def _read(terminal: Terminal, path: str) -> list[str]:
    data = terminal.folder.read(_inside(path))
    return ["0"] if data is None else ["1", data.hex()]


def _make(terminal: Terminal, path: str) -> list[str]:
    terminal.folder.make(_inside(path))
    return ["1"]


def _names(terminal: Terminal, path: str) -> list[str]:
    return terminal.folder.names(_inside(path)) or [""]


def _release(terminal: Terminal) -> list[str]:
    terminal.folder.release()
    return ["1"]


def _account(terminal: Terminal, what: str) -> list[str]:
    account = terminal.account
    values: dict[str, Callable[[], object]] = {
        "number": lambda: account.books.number,
        "leverage": lambda: account.books.leverage,
        "server": lambda: "Simulated-Demo",
        "company": lambda: "Simulated",
        "currency": lambda: account.books.currency,
        "balance": lambda: account.books.balance,
        "equity": lambda: account.equity,
        "margin": lambda: account.used,
        "free": lambda: account.equity - account.used,
        "profit": lambda: account.floating,
    }
    return [str(values[what]())]


def _market(terminal: Terminal, name: str, mode: str) -> list[str]:
    symbol = terminal.account.books.symbols.get(name)
    if symbol is None:
        return ["4106", "0"]
    values = {
        "5": symbol.quoted_at,
        "9": symbol.bid,
        "10": symbol.ask,
        "11": symbol.point,
        "12": symbol.digits,
        "14": symbol.stop_level,
        "15": symbol.lot_size,
        "16": symbol.point * symbol.lot_size * symbol.rate,
        "17": symbol.point,
        "22": int(symbol.trade_allowed),
        "23": symbol.lot_min,
        "24": symbol.lot_step,
        "25": symbol.lot_max,
        "32": terminal.account.margin(symbol, Decimal(1)),
        "33": symbol.freeze_level,
    }
    return ["0", str(values[mode])]


def _currency(terminal: Terminal, name: str, what: str) -> list[str]:
    symbol: Symbol = terminal.account.books.symbols[name]
    return [(symbol.base, symbol.profit, symbol.base)[int(what)]]


def _execution(terminal: Terminal, name: str) -> list[str]:
    names = ("request", "instant", "market", "exchange")
    return [str(names.index(terminal.account.books.symbols[name].execution))]


def _trading(call: Callable[..., object]) -> Callable[..., list[str]]:
    def answer(terminal: Terminal, *given: str) -> list[str]:
        try:
            return ["0", str(call(terminal, *given))]
        except Refused as refused:
            return [str(refused.code), "-1"]

    return answer


def _send(t: Terminal, symbol: str, kind: str, lots: str, price: str, slippage: str, *more: str) -> int:
    sl, tp, comment, magic, expiry = more
    return t.order_send(
        symbol,
        int(kind),
        _number(lots),
        _number(price),
        int(slippage),
        _number(sl),
        _number(tp),
        comment,
        int(magic),
        int(expiry),
    )


ANSWERS: dict[str, Callable[..., list[str]]] = {
    "seed": lambda t: [str(random.SystemRandom().getrandbits(31))],
    "read": _read,
    "put": lambda t, path, data: _truth(t.put(_inside(path), bytes.fromhex(data))),
    "append": lambda t, path, data: _truth(t.append(_inside(path), bytes.fromhex(data))),
    "move": lambda t, old, new: _truth(t.move(_inside(old), _inside(new))),
    "delete": lambda t, path: _truth(t.delete(_inside(path))),
    "make": _make,
    "names": _names,
    "lock": lambda t, path: _truth(t.folder.lock(_inside(path))),
    "release": _release,
    "ticks": lambda t: [str(t.ticks())],
    "gmt": lambda t: [str(t.gmt())],
    "server_time": lambda t: [str(t.server_time())],
    "connected": lambda t: _truth(t.connected),
    "context_busy": lambda t: _truth(t.context_busy),
    "trade_allowed": lambda t: _truth(t.trade_allowed),
    "account": _account,
    "market": _market,
    "symbols": lambda t: [str(len(t.symbols()))],
    "symbol": lambda t, at: [t.symbols()[int(at)].name],
    "currency": _currency,
    "execution": _execution,
    "total": lambda t: [str(t.orders_total())],
    "history_total": lambda t: [str(t.history_total())],
    "order_at": lambda t, at: _row(t.order_at(int(at))),
    "history_at": lambda t, at: _row(t.history_at(int(at))),
    "order": lambda t, ticket: _row(t.order(int(ticket))),
    "send": _trading(_send),
    "close": _trading(
        lambda t, ticket, lots, price, slip: t.order_close(
            int(ticket), _number(lots), _number(price), int(slip)
        )
    ),
    "close_by": _trading(lambda t, ticket, by: t.order_close_by(int(ticket), int(by))),
    "modify": _trading(
        lambda t, ticket, price, sl, tp, expiry: t.order_modify(
            int(ticket), _number(price), _number(sl), _number(tp), int(expiry)
        )
    ),
    "remove": _trading(lambda t, ticket: t.order_delete(int(ticket))),
}
