"""What became of a request that the terminal's trade function has failed: one table of MetaTrader 4's error codes.

Sources: the lists of trade server return codes and of runtime errors at docs.mql4.com/constants/errorswarnings, and
what the manual says of single codes. Only what the trade server, or the terminal before it sends anything, refuses for
good is a rejection. A code that also comes where the request may be on its way is UNKNOWN, and so is every code that
is not here.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ordergate.domain.orders.reports import INSUFFICIENT_MARGIN, Outcome

_DONE, _NO, _MAYBE, _KEPT = Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNKNOWN, Outcome.NOT_SENT


class Row(Struct, frozen=True, gc=False):
    """A code: its name in the manual, what it proves, and what it says."""

    name: str
    outcome: Outcome
    text: str


_SERVER: Final[Mapping[int, Row]] = {
    0: Row("ERR_NO_ERROR", _DONE, "no error"),  # counts where there is a ticket; without one it is unknown
    1: Row("ERR_NO_RESULT", _MAYBE, "no error, but the result is unknown"),
    2: Row("ERR_COMMON_ERROR", _MAYBE, "common error"),  # the manual says to restart before anything else
    3: Row("ERR_INVALID_TRADE_PARAMETERS", _NO, "invalid trade parameters"),
    4: Row("ERR_SERVER_BUSY", _MAYBE, "trade server is busy"),
    5: Row("ERR_OLD_VERSION", _NO, "old version of the terminal: update it"),
    6: Row(
        "ERR_NO_CONNECTION", _MAYBE, "no connection with the trade server"
    ),  # it also comes in the middle of a call
    7: Row("ERR_NOT_ENOUGH_RIGHTS", _NO, "not enough rights"),
    8: Row("ERR_TOO_FREQUENT_REQUESTS", _MAYBE, "too frequent requests"),
    9: Row("ERR_MALFUNCTIONAL_TRADE", _MAYBE, "malfunctional trade operation"),
    64: Row("ERR_ACCOUNT_DISABLED", _NO, "the account is disabled"),
    65: Row("ERR_INVALID_ACCOUNT", _NO, "the account's number is invalid"),
    128: Row("ERR_TRADE_TIMEOUT", _MAYBE, "trade timeout"),  # the manual: make sure that it was not done
    129: Row("ERR_INVALID_PRICE", _NO, "invalid price"),
    130: Row("ERR_INVALID_STOPS", _NO, "prices are too close to the market, or wrong"),
    131: Row("ERR_INVALID_TRADE_VOLUME", _NO, "invalid volume"),
    132: Row("ERR_MARKET_CLOSED", _NO, "the market is closed"),
    133: Row("ERR_TRADE_DISABLED", _NO, "trade is disabled"),
    134: Row("ERR_NOT_ENOUGH_MONEY", _NO, INSUFFICIENT_MARGIN),
    135: Row("ERR_PRICE_CHANGED", _NO, "the price has changed"),
    136: Row("ERR_OFF_QUOTES", _NO, "off quotes"),
    137: Row("ERR_BROKER_BUSY", _MAYBE, "the broker is busy"),
    138: Row("ERR_REQUOTE", _NO, "requote"),
    139: Row("ERR_ORDER_LOCKED", _NO, "the order is locked: it is being processed"),
    140: Row("ERR_LONG_POSITIONS_ONLY_ALLOWED", _NO, "only buying is allowed"),
    141: Row("ERR_TOO_MANY_REQUESTS", _NO, "too many requests"),
    142: Row("queued", _MAYBE, "the order was queued: no error, but the connection broke meanwhile"),
    143: Row("accepted", _MAYBE, "a dealer has accepted the order for execution"),
    144: Row("discarded", _MAYBE, "the order was discarded while it was confirmed by hand"),
    145: Row("ERR_TRADE_MODIFY_DENIED", _NO, "too close to the market to be changed"),
    146: Row("ERR_TRADE_CONTEXT_BUSY", _MAYBE, "the trade context is busy"),
    147: Row("ERR_TRADE_EXPIRATION_DENIED", _NO, "the broker takes no expiration"),
    148: Row("ERR_TRADE_TOO_MANY_ORDERS", _NO, "there are as many orders as the broker allows"),
    149: Row("ERR_TRADE_HEDGE_PROHIBITED", _NO, "hedging is prohibited"),
    150: Row("ERR_TRADE_PROHIBITED_BY_FIFO", _NO, "the first that was opened is to be closed first"),
}
"""What the trade server answers."""

_BEFORE: Final[Mapping[int, Row]] = {
    4050: Row("ERR_INVALID_FUNCTION_PARAMSCNT", _NO, "wrong number of parameters"),
    4051: Row("ERR_INVALID_FUNCTION_PARAMVALUE", _NO, "a parameter is no value that the function takes"),
    4059: Row(
        "ERR_FUNC_NOT_ALLOWED_IN_TESTING", _KEPT, "the terminal is testing: put the expert on a live chart"
    ),
    4062: Row("ERR_STRING_PARAMETER_EXPECTED", _NO, "a parameter must be text"),
    4063: Row("ERR_INTEGER_PARAMETER_EXPECTED", _NO, "a parameter must be an integer"),
    4064: Row("ERR_DOUBLE_PARAMETER_EXPECTED", _NO, "a parameter must be a number"),
    4106: Row("ERR_UNKNOWN_SYMBOL", _NO, "the terminal has no such symbol"),
    4107: Row("ERR_INVALID_PRICE_PARAM", _NO, "the price is none"),
    4108: Row("ERR_INVALID_TICKET", _NO, "there is no such ticket"),  # of a cancel: it is looked at first
    4109: Row(
        "ERR_TRADE_NOT_ALLOWED", _KEPT, "switch on automated trading, in the terminal and for the expert"
    ),
    4110: Row("ERR_LONGS_NOT_ALLOWED", _NO, "the expert's properties allow no buying"),
    4111: Row("ERR_SHORTS_NOT_ALLOWED", _NO, "the expert's properties allow no selling"),
    4112: Row("ERR_TRADE_EXPERT_DISABLED_BY_SERVER", _KEPT, "the trade server allows no expert to trade"),
}
"""What the terminal itself refuses, before anything is sent."""

_RUNTIME: Final[Mapping[int, str]] = {
    4000: "ERR_NO_MQLERROR",
    4001: "ERR_WRONG_FUNCTION_POINTER",
    4002: "ERR_ARRAY_INDEX_OUT_OF_RANGE",
    4003: "ERR_NO_MEMORY_FOR_CALL_STACK",
    4004: "ERR_RECURSIVE_STACK_OVERFLOW",
    4005: "ERR_NOT_ENOUGH_STACK_FOR_PARAM",
    4006: "ERR_NO_MEMORY_FOR_PARAM_STRING",
    4007: "ERR_NO_MEMORY_FOR_TEMP_STRING",
    4008: "ERR_NOT_INITIALIZED_STRING",
    4009: "ERR_NOT_INITIALIZED_ARRAYSTRING",
    4010: "ERR_NO_MEMORY_FOR_ARRAYSTRING",
    4011: "ERR_TOO_LONG_STRING",
    4012: "ERR_REMAINDER_FROM_ZERO_DIVIDE",
    4013: "ERR_ZERO_DIVIDE",
    4014: "ERR_UNKNOWN_COMMAND",
    4015: "ERR_WRONG_JUMP",
    4016: "ERR_NOT_INITIALIZED_ARRAY",
    4017: "ERR_DLL_CALLS_NOT_ALLOWED",
    4018: "ERR_CANNOT_LOAD_LIBRARY",
    4019: "ERR_CANNOT_CALL_FUNCTION",
    4020: "ERR_EXTERNAL_CALLS_NOT_ALLOWED",
    4021: "ERR_NO_MEMORY_FOR_RETURNED_STR",
    4022: "ERR_SYSTEM_BUSY",
    4023: "ERR_DLLFUNC_CRITICALERROR",
    4024: "ERR_INTERNAL_ERROR",
    4025: "ERR_OUT_OF_MEMORY",
    4026: "ERR_INVALID_POINTER",
    4027: "ERR_FORMAT_TOO_MANY_FORMATTERS",
    4028: "ERR_FORMAT_TOO_MANY_PARAMETERS",
    4029: "ERR_ARRAY_INVALID",
    4030: "ERR_CHART_NOREPLY",
    4052: "ERR_STRING_FUNCTION_INTERNAL",
    4053: "ERR_SOME_ARRAY_ERROR",
    4054: "ERR_INCORRECT_SERIESARRAY_USING",
    4055: "ERR_CUSTOM_INDICATOR_ERROR",
    4056: "ERR_INCOMPATIBLE_ARRAYS",
    4057: "ERR_GLOBAL_VARIABLES_PROCESSING",
    4058: "ERR_GLOBAL_VARIABLE_NOT_FOUND",
    4060: "ERR_FUNCTION_NOT_CONFIRMED",
    4061: "ERR_SEND_MAIL_ERROR",
    4065: "ERR_ARRAY_AS_PARAMETER_EXPECTED",
    4066: "ERR_HISTORY_WILL_UPDATED",
    4067: "ERR_TRADE_ERROR",
    4068: "ERR_RESOURCE_NOT_FOUND",
    4069: "ERR_RESOURCE_NOT_SUPPORTED",
    4070: "ERR_RESOURCE_DUPLICATED",
    4071: "ERR_INDICATOR_CANNOT_INIT",
    4072: "ERR_INDICATOR_CANNOT_LOAD",
    4073: "ERR_NO_HISTORY_DATA",
    4074: "ERR_NO_MEMORY_FOR_HISTORY",
    4075: "ERR_NO_MEMORY_FOR_INDICATOR",
    4099: "ERR_END_OF_FILE",
    4100: "ERR_SOME_FILE_ERROR",
    4101: "ERR_WRONG_FILE_NAME",
    4102: "ERR_TOO_MANY_OPENED_FILES",
    4103: "ERR_CANNOT_OPEN_FILE",
    4104: "ERR_INCOMPATIBLE_FILEACCESS",
    4105: "ERR_NO_ORDER_SELECTED",
}
"""What a trade function does not say by itself: an expert that reports it has failed elsewhere, perhaps afterwards."""

TABLE: Final[Mapping[int, Row]] = {
    **_SERVER,
    **_BEFORE,
    **{code: Row(name, _MAYBE, "the expert has failed") for code, name in _RUNTIME.items()},
}
"""Every code from 0 to 150 and from 4000 to 4112 that there is."""


def outcome_of(code: int) -> Outcome:
    """What became of a trade request that ended with that code and without a ticket."""
    row = TABLE.get(code)
    return Outcome.UNKNOWN if row is None or row.outcome is Outcome.ACCEPTED else row.outcome


def text_of(code: int) -> str:
    """For people: what was said, and the code."""
    row = TABLE.get(code)
    return f"error {code} of MetaTrader" if row is None else f"{row.text} ({code} {row.name})"
