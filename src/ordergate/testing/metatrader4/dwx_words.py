"""MetaTrader 4's errors in the words in which the DWX server says them; numbers that it has no words for it says so."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[int, str]] = {
    0: "no error",
    1: "no error",
    2: "common error",
    3: "invalid trade parameters",
    4: "trade server is busy",
    5: "old version of the client terminal",
    6: "no connection with trade server",
    7: "not enough rights",
    8: "too frequent requests",
    9: "malfunctional trade operation (never returned error)",
    64: "account disabled",
    65: "invalid account",
    128: "trade timeout",
    129: "invalid price",
    130: "invalid stops",
    131: "invalid trade volume",
    132: "market is closed",
    133: "trade is disabled",
    134: "not enough money",
    135: "price changed",
    136: "off quotes",
    137: "broker is busy (never returned error)",
    138: "requote",
    139: "order is locked",
    140: "long positions only allowed",
    141: "too many requests",
    145: "modification denied because order too close to market",
    146: "trade context is busy",
    147: "expirations are denied by broker",
    148: "amount of open and pending orders has reached the limit",
    149: "hedging is prohibited",
    150: "prohibited by FIFO rules",
    4051: "invalid function parameter value",
    4106: "unknown symbol",
    4107: "invalid price parameter for trade function",
    4108: "invalid ticket",
    4109: "trade is not allowed in the expert properties",
    4110: "longs are not allowed in the expert properties",
    4111: "shorts are not allowed in the expert properties",
}


def words_of(code: int) -> str:
    """As the server says it."""
    return WORDS.get(code, f"ErrorCode: {code}")
