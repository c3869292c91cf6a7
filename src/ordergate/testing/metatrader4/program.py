"""A terminal with its expert advisor as a process of its own, which a test can end at any step.

`python -m ordergate.testing.metatrader4.program --folder FOLDER --account FILE` prints `port N`; there it takes one
JSON object a line and answers each with one; `Control` is the client. The account lives in FILE: it is the broker's
server, and outlives the process.
"""

import argparse
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from ordergate.testing.metatrader4.account import Account, Books, Refused, Symbol
from ordergate.testing.metatrader4.faults import FolderFaults, ServerFaults
from ordergate.testing.metatrader4.simulation import Simulation
from ordergate.testing.metatrader4.trading import order_close, order_delete, order_send

Fields = dict[str, Any]
Start = Callable[[argparse.Namespace], Simulation]


def main(arguments: list[str], start: Start | None = None) -> int:
    """Runs until it is ended; `start` makes the simulation, where it is not the expert advisor in Python."""
    parser = argparse.ArgumentParser(prog="metatrader4", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--account", type=Path, required=True)
    parser.add_argument("--cycle-s", type=float, default=0.01)
    parser.add_argument("--settle-s", type=int, default=0)
    parser.add_argument("--connects-in-s", type=float, default=0.0)
    parser.add_argument(
        "--die-at", type=int, default=0, help="the call that changes something at which it ends"
    )
    given = parser.parse_args(arguments)
    sim = (start or _simulation)(given)
    sim.terminal.kill = lambda: os._exit(9)
    sim.terminal.kill_at = given.die_at or None
    with socket.create_server(("127.0.0.1", 0)) as server:
        sys.stdout.write(f"port {server.getsockname()[1]}\n")
        sys.stdout.flush()
        _serve(sim, server, given.cycle_s)
    return 0


def _simulation(given: argparse.Namespace) -> Simulation:
    sim = Simulation(given.folder, account_path=given.account, settle_s=given.settle_s)
    if given.connects_in_s:
        sim.start(connects_in_s=given.connects_in_s)
    return sim


def _serve(sim: Simulation, server: socket.socket, cycle_s: float) -> None:
    waiting = selectors.DefaultSelector()
    waiting.register(server, selectors.EVENT_READ, b"")
    due = time.monotonic()
    while True:
        if time.monotonic() >= due:
            sim.cycle()
            due = time.monotonic() + cycle_s
        for key, _ in waiting.select(max(due - time.monotonic(), 0)):
            if key.fileobj is server:
                waiting.register(server.accept()[0], selectors.EVENT_READ, b"")
            else:
                _hear(sim, waiting, key)


def _hear(sim: Simulation, waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    caller = key.fileobj
    if not isinstance(caller, socket.socket):
        return
    try:
        came = caller.recv(65536)
    except ConnectionError:
        came = b""
    if not came:
        waiting.unregister(caller)
        caller.close()
        return
    *lines, rest = (key.data + came).split(b"\n")
    waiting.modify(caller, selectors.EVENT_READ, rest)
    for line in lines:
        caller.sendall(json.dumps(steer(sim, json.loads(line))).encode() + b"\n")


def steer(sim: Simulation, order: Fields) -> Fields:
    """Does what a test asks for; `error` in the answer where the server refused."""
    try:
        return _STEERING[order.pop("do")](sim, order)
    except Refused as refused:
        return {"error": refused.code}


def _quote(sim: Simulation, order: Fields) -> Fields:
    size = Decimal(order["size"]) if order.get("size") is not None else None
    sim.account.quote(order["symbol"], Decimal(order["bid"]), Decimal(order["ask"]), size)
    return {}


def _faults(sim: Simulation, order: Fields) -> Fields:
    sim.account.faults = msgspec.convert(order.get("server", {}), ServerFaults)
    sim.folder.faults = msgspec.convert(order.get("folder", {}), FolderFaults)
    return {}


def _look(sim: Simulation, order: Fields) -> Fields:
    return {
        "books": json.loads(msgspec.json.encode(sim.account.books)),
        "calls": len(sim.account.calls),
        "step": sim.terminal.step,
        "steps": sim.terminal.steps[-100:],
    }


def _die(sim: Simulation, order: Fields) -> Fields:
    sim.terminal.kill_at = sim.terminal.step + order["steps"]
    return {}


def _place(sim: Simulation, order: Fields) -> Fields:
    """An order of somebody else's."""
    account = sim.account
    kind, lots = order["kind"], Decimal(order["lots"])
    symbol = account.symbol(order["symbol"])
    price = Decimal(order["price"]) if "price" in order else (symbol.bid if kind == 1 else symbol.ask)
    zero = Decimal(0)
    comment = order.get("comment", "")
    return {"ticket": order_send(account, symbol.name, kind, lots, price, 0, zero, zero, comment, 0, 0)}


def _close(sim: Simulation, order: Fields) -> Fields:
    """Somebody else closes a position, or that much of it, or deletes an order."""
    ticket = sim.account.books.open[order["ticket"]]
    if ticket.pending:
        order_delete(sim.account, ticket.ticket)
        return {}
    symbol = sim.account.symbol(ticket.symbol)
    lots = Decimal(order["lots"]) if "lots" in order else ticket.lots
    order_close(sim.account, ticket.ticket, lots, symbol.bid if ticket.buys else symbol.ask, 0)
    return {}


def _symbol(sim: Simulation, order: Fields) -> Fields:
    """Another symbol, or other terms of one."""
    made = msgspec.convert(order["symbol"], Symbol)
    sim.account.books.symbols[made.name] = made
    sim.account.save()
    return {}


def _money(sim: Simulation, order: Fields) -> Fields:
    return {"ticket": sim.account.move_money(Decimal(order["amount"]), order.get("comment", "")).ticket}


_STEERING: dict[str, Callable[[Simulation, Fields], Fields]] = {
    "quote": _quote,
    "faults": _faults,
    "look": _look,
    "die": _die,
    "place": _place,
    "close": _close,
    "symbol": _symbol,
    "money": _money,
}


class Control:
    """A terminal's process, and what a test does to it. Ends with `stop` or `kill`."""

    def __init__(
        self,
        folder: Path,
        account: Path,
        *options: str,
        module: str = "ordergate.testing.metatrader4.program",
    ) -> None:
        command = [sys.executable, "-m", module, "--folder", str(folder), "--account", str(account), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        self._socket: socket.socket | None = None
        line = self.process.stdout.readline() if self.process.stdout is not None else ""
        if not line.startswith("port "):
            raise RuntimeError(f"the terminal's process said {line!r}: 'port N' was expected")
        self._socket = socket.create_connection(("127.0.0.1", int(line.split()[1])))
        self._lines = self._socket.makefile("r")

    def do(self, what: str, **given: Any) -> Fields:
        """Asks for one thing. Raises ConnectionError if the process has ended, Refused if the server refused."""
        if self._socket is None:
            raise ConnectionError("the terminal's process has ended")
        self._socket.sendall(json.dumps({"do": what, **given}).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the terminal's process has ended")
        answer: Fields = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def books(self) -> Books:
        """What the server remembers."""
        return msgspec.convert(self.do("look")["books"], Books, strict=False)

    def kill(self) -> None:
        """Ends it without farewell."""
        self.process.kill()
        self.process.wait()
        if self._socket is not None:
            self._lines.close()
            self._socket.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


def account_at(path: Path, *symbols: Symbol) -> None:
    """Makes the file of an account, before the first process is started."""
    Account(time.time, symbols, path)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
