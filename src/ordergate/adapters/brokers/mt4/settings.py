"""How an account in a MetaTrader 4 terminal is spoken with, through a folder that the terminal and we share."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from msgspec import Struct, field

from ordergate.application.ports.brokers import Capabilities, Deduplication
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType, TimeInForce

_LIMITS: Final = (
    ("deadline_ms", 100, 25_000),
    ("poll_ms", 5, 5_000),
    ("max_slippage_points", 0, 10_000),
    ("quiet_s", 1, 300),
)
_REMEMBERS_S: Final = 89.0 * 24 * 3_600
"""The expert keeps its journal for 90 days."""
_LONGEST_SYMBOL: Final = 12
"""As the terminal has them, at most; the names of symbols there have no more."""


class Mt4Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account in a MetaTrader 4 terminal.

    Attributes:
        folder: the bridge's folder, as this machine reaches it: below `MQL4/Files` of the terminal's data folder, where
            the expert advisor keeps its files. An absolute path.
        symbols: what is traded here, and what the terminal calls it: `EURUSD = "EURUSD.r"`. Nothing else is sent or
            told.
        deadline_ms: for how long after it was sent the terminal may begin to do a request, and for how long an answer
            is waited for, before what became of it counts as unknown; at most 25 s.
        poll_ms: how often the folder is looked at.
        max_slippage_points: how far from the quoted price a market order may be done, in points of the symbol, where
            the broker executes orders at once; brokers of market execution do not look at it.
        quiet_s: a terminal that has written nothing for so long is dead: nothing new is sent to it.
    """

    folder: str = ""
    symbols: dict[str, str] = field(default_factory=dict)
    deadline_ms: int = 5_000
    poll_ms: int = 50
    max_slippage_points: int = 20
    quiet_s: int = 10

    def __post_init__(self) -> None:
        for name, least, most in _LIMITS:
            value: int = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}: it must be from {least} to {most}")
        if not self.folder:
            raise ValueError("folder: is missing: write where the expert advisor keeps its files")
        if not (PurePosixPath(self.folder).is_absolute() or PureWindowsPath(self.folder).is_absolute()):
            raise ValueError(f"folder: {self.folder!r} is no absolute path: write it from the root on")
        self._check_symbols()

    def _check_symbols(self) -> None:
        if not self.symbols:
            raise ValueError(
                'symbols: is missing: write what is traded here, such as { EURUSD = "EURUSD.r" }'
            )
        ours: dict[str, str] = {}
        for symbol, theirs in self.symbols.items():
            if not theirs.isascii() or not theirs.isprintable() or not 0 < len(theirs) <= _LONGEST_SYMBOL:
                raise ValueError(
                    f"symbols.{symbol}: {theirs!r} is no symbol of a terminal: "
                    f"write 1 to {_LONGEST_SYMBOL} letters, digits or signs"
                )
            if theirs in ours:
                raise ValueError(f"symbols: {ours[theirs]} and {symbol} are both {theirs}: write it once")
            ours[theirs] = symbol

    @property
    def lasts_s(self) -> int:
        """For how long a request may wait to be begun, in whole seconds of the expert's clock."""
        return max(-(-self.deadline_ms // 1000), 2)

    @property
    def deadline_s(self) -> float:
        """For how long an answer is waited for."""
        return self.deadline_ms / 1000

    def capabilities(self) -> Capabilities:
        """What a terminal can do. It executes an order whole, or not at all: ioc would be more than there is."""
        return Capabilities(
            order_types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP}),
            tifs=frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.FOK}),
            # The journal knows a request for ever, and of some not what became of them: those are for a person, and
            # sent again they would change nothing.
            deduplication=Deduplication.WHILE_OPEN,
            proves_absence=True,
            grace_s=0,
            replaces=True,
            changes_quantity=False,
            calls=1,
            statements=True,
            operations=frozenset({Operation.SPOT_TRADE}),
            remembers_s=_REMEMBERS_S,
        )
