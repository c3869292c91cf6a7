"""Numbers of the MetaTrader5 package, as its own source has them; it can be imported on Windows alone.

What the package does not export (masks of symbols, some reasons and return codes) is of MetaQuotes' reference.
"""

from typing import Final

ACTION_DEAL: Final = 1
ACTION_PENDING: Final = 5
ACTION_MODIFY: Final = 7
ACTION_REMOVE: Final = 8

BUY, SELL = 0, 1
"""Of orders, deals and positions alike."""
BUY_CANCELED, SELL_CANCELED = 13, 14
"""Of deals that the broker has canceled after they were made: the same deal, of another type and without a profit."""
TRADES: Final = (BUY, SELL, BUY_CANCELED, SELL_CANCELED)
"""Types of deals that are no entries of money."""
BUY_LIMIT, SELL_LIMIT, BUY_STOP, SELL_STOP, BUY_STOP_LIMIT, SELL_STOP_LIMIT = 2, 3, 4, 5, 6, 7

STATE_CANCELED, STATE_PARTIAL, STATE_FILLED, STATE_REJECTED, STATE_EXPIRED = 2, 3, 4, 5, 6

FILLING_FOK, FILLING_IOC, FILLING_RETURN = 0, 1, 2
MASK_FOK, MASK_IOC = 1, 2

TIME_GTC, TIME_DAY, TIME_SPECIFIED = 0, 1, 2
MASK_GTC, MASK_DAY, MASK_SPECIFIED = 1, 2, 4

MASK_MARKET, MASK_LIMIT, MASK_STOP, MASK_STOP_LIMIT, MASK_SL, MASK_TP = 1, 2, 4, 8, 16, 32
"""Of a symbol's order_mode."""

EXECUTION_MARKET, EXECUTION_EXCHANGE = 2, 3
"""Of a symbol's trade_exemode; the others fill at the price that is asked for."""
TRADE_DISABLED: Final = 0
"""Of a symbol's trade_mode."""
CALC_FOREX: Final = (0, 5)
"""Of a symbol's trade_calc_mode: pairs of currencies."""

ENTRY_IN, ENTRY_INOUT = 0, 2
REASON_SL, REASON_TP, REASON_SO = 4, 5, 6
"""Of deals and orders: stop loss, take profit, stop out."""
REASONS_OF_SERVER: Final = frozenset({REASON_SL, REASON_TP, REASON_SO})
REASONS_NOT_OURS: Final = frozenset({1, 2, *REASONS_OF_SERVER, 7, 8, 9})
"""And those from a phone or the web, of rollovers, variation margin and splits, which can bear our magic too."""

HEDGING: Final = 2
"""Of an account's margin_mode."""

OK: Final = 1
"""Of last_error()."""
