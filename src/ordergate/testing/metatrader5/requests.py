"""A trade request as the server reads it: the seventeen fields of `order_send`, numbers as Decimal."""

from decimal import Decimal
from typing import Any, Final, Self

from msgspec import Struct

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.records import ZERO, Order
from ordergate.testing.metatrader5.structs import TradeRequest

_FLOATS: Final = frozenset(name for name, kind in TradeRequest.FIELDS.items() if kind is float)


class Request(Struct, kw_only=True):
    """What is asked, what was left out being 0 or empty, and `reason`: from where it came."""

    action: int = 0
    magic: int = 0
    order: int = 0
    symbol: str = ""
    volume: Decimal = ZERO
    price: Decimal = ZERO
    stoplimit: Decimal = ZERO
    sl: Decimal = ZERO
    tp: Decimal = ZERO
    deviation: int = 0
    type: int = 0
    type_filling: int = 0
    type_time: int = 0
    expiration: int = 0
    comment: str = ""
    position: int = 0
    position_by: int = 0
    reason: int = mt5.ORDER_REASON_EXPERT

    @classmethod
    def read(cls, given: dict[str, Any]) -> Self:
        """From the package's own types: what was a float becomes the decimal number that it shows."""
        fields: dict[str, Any] = {
            name: Decimal(repr(float(value))) if name in _FLOATS else value
            for name, value in given.items()
            if name in TradeRequest.FIELDS
        }
        return cls(**fields)

    @property
    def buys(self) -> bool:
        """Of a deal or a pending order."""
        return self.type % 2 == 0

    def order_at(self, ticket: int, now_msc: int) -> Order:
        """The order it makes."""
        return Order(
            ticket=ticket,
            symbol=self.symbol,
            type=self.type,
            volume=self.volume,
            left=self.volume,
            price=self.price,
            stoplimit=self.stoplimit,
            sl=self.sl,
            tp=self.tp,
            filling=self.type_filling,
            lasts=self.type_time,
            expiration=self.expiration,
            reason=self.reason,
            magic=self.magic,
            comment=self.comment,
            setup_msc=now_msc,
            position_asked=self.position,
        )
