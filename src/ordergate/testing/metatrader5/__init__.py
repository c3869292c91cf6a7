"""A simulated MetaTrader 5 terminal with its broker, and a package that talks to it as `MetaTrader5` does.

In one process, for quick tests:

    terminal = Terminal(Account(State(symbols={"EURUSD": Symbol(name="EURUSD")})))
    mt5 = Package(Direct(terminal))
    Steering(terminal).quote("EURUSD", "1.10000", "1.10010")

In its own process, where it can be killed: `TerminalProcess`, and the module `ordergate.testing.metatrader5.package` in
the process of whoever calls it.
"""

from ordergate.testing.metatrader5.account import Account
from ordergate.testing.metatrader5.control import Control
from ordergate.testing.metatrader5.faults import Fault
from ordergate.testing.metatrader5.functions import Direct, Hung, Package
from ordergate.testing.metatrader5.process import TerminalProcess
from ordergate.testing.metatrader5.records import State, Symbol
from ordergate.testing.metatrader5.server import serving
from ordergate.testing.metatrader5.steering import Steering
from ordergate.testing.metatrader5.terminal import Terminal
from ordergate.testing.metatrader5.watching import Clock

__all__ = [
    "Account",
    "Clock",
    "Control",
    "Direct",
    "Fault",
    "Hung",
    "Package",
    "State",
    "Steering",
    "Symbol",
    "Terminal",
    "TerminalProcess",
    "serving",
]
