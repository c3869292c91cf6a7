"""The module that stands in for MetaTrader5: its names, over a socket to the terminal of ORDERGATE_MT5_TERMINAL."""

from typing import Any

from ordergate.testing.metatrader5 import constants
from ordergate.testing.metatrader5.functions import Package
from ordergate.testing.metatrader5.pipe import Socket
from ordergate.testing.metatrader5.structs import STRUCTS

_package = Package(Socket())
_FUNCTIONS = frozenset(name for name, value in vars(Package).items() if callable(value) and name[0] != "_")

__version__ = Package.__version__
__author__ = Package.__author__
__all__ = sorted({*_FUNCTIONS, *STRUCTS, *constants.EXPORTED})


def __getattr__(name: str) -> Any:
    """Raises AttributeError where the real module has no such name."""
    return getattr(_package, name)


def __dir__() -> list[str]:
    return __all__
