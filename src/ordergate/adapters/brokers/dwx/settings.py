"""How an account behind the DWX files is spoken with."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from ordergate.application.ports.brokers import Capabilities, Deduplication
from ordergate.domain.orders.states import OrderType, TimeInForce

_LIMITS: Final = (
    ("deadline_ms", 100, 25_000),
    ("poll_ms", 5, 10_000),
    ("quiet_ms", 1_500, 60_000),
    ("grace_ms", 1_000, 3_600_000),
    ("history_days", 1, 3_650),
)
SEPARATORS: Final = ',|"\\<>'
"""What the protocol cuts its lines at, or does not escape."""


class Platform(StrEnum):
    """Whose files they are: `DWX_Server_MT4` or `DWX_Server_MT5`."""

    MT4 = "mt4"
    MT5 = "mt5"


class DwxSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account behind the older DWX files, echo-only: no reply names the order that it is about.

    Attributes:
        folder: the folder `DWX` in the terminal's `MQL4/Files`. Nobody else may give commands there.
        symbols: what is traded here, and as what the terminal has it: `EURUSD = "EURUSD.r"`. Nothing else is sent.
        lot_sizes: of a symbol whose quantity is not counted in the terminal's lots: how much of its base one lot of
            the terminal is.
        platform: mt4; mt5 is refused, for there a success names no ticket and an error no reason.
        deadline_ms: how long a command may take before what became of it counts as unknown; at most 25 s.
        poll_ms: how often the files are read.
        quiet_ms: how long the expert advisor may write nothing before it counts as gone; it writes every second.
        grace_ms: how long a command without a reply may still turn up.
        history_days: how far back the history is read.
    """

    folder: str
    symbols: dict[str, str] = field(default_factory=dict)
    lot_sizes: dict[str, Decimal] = field(default_factory=dict)
    platform: Platform = Platform.MT4
    deadline_ms: int = 10_000
    poll_ms: int = 50
    quiet_ms: int = 5_000
    grace_ms: int = 60_000
    history_days: int = 30

    def __post_init__(self) -> None:
        for name, least, most in _LIMITS:
            value: int = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}: it must be from {least} to {most}")
        if not self.folder:
            raise ValueError("folder: is empty: write where the terminal's MQL4/Files/DWX is")
        if self.platform is Platform.MT5:
            raise ValueError(
                'platform is mt5: its files name no ticket of an order and no reason of an error: use adapter = "mt5"'
            )
        self._check_symbols()

    def _check_symbols(self) -> None:
        if not self.symbols:
            raise ValueError('symbols: is missing: write what is traded here, such as {EURUSD = "EURUSD"}')
        for symbol, theirs in self.symbols.items():
            if not theirs or not theirs.isascii() or any(sign in SEPARATORS for sign in theirs):
                raise ValueError(
                    f"symbols.{symbol} is {theirs!r}: write the terminal's name of it, without any of {SEPARATORS}"
                )
        if len(set(self.symbols.values())) < len(self.symbols):
            raise ValueError("symbols: two have the same name at the terminal: write each once")
        for symbol, size in self.lot_sizes.items():
            if symbol not in self.symbols:
                raise ValueError(f"lot_sizes.{symbol}: is none of symbols: write it there too")
            if not size.is_finite() or size <= 0:
                raise ValueError(f"lot_sizes.{symbol} is {size}: it must be above 0")

    def capabilities(self) -> Capabilities:
        """What the files can carry; the same whatever the account."""
        return Capabilities(
            order_types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP}),
            tifs=frozenset({TimeInForce.GTC}),
            deduplication=Deduplication.NONE,
            proves_absence=False,
            grace_s=self.grace_ms / 1000,
            replaces=False,
            changes_quantity=False,
            calls=1,
            statements=True,
        )
