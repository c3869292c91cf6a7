"""What orders may do: the vocabulary; `orders.operations` has what each needs."""

from enum import StrEnum
from typing import Final


class Operation(StrEnum):
    """The kinds; a bundle is several in one transaction, all of them or none."""

    SPOT_TRADE = "spot_trade"
    PERP_TRADE = "perp_trade"
    SUPPLY = "supply"
    BORROW = "borrow"
    REPAY = "repay"
    WITHDRAW = "withdraw"
    STAKE = "stake"
    UNSTAKE = "unstake"
    SWAP = "swap"
    FLASH_BORROW = "flash_borrow"
    FLASH_REPAY = "flash_repay"
    TRANSFER = "transfer"
    BUNDLE = "bundle"

    @property
    def is_trade(self) -> bool:
        """Whether it changes a position."""
        return self in TRADES

    @property
    def gets(self) -> bool:
        """Of what is no trade: whether its token is got; else it is given."""
        return self in _GETS

    @property
    def reduces(self) -> bool:
        """Whether it takes back what an earlier one has bound or borrowed, and binds nothing more."""
        return self in _TAKES_BACK


TRADES: Final = frozenset({Operation.SPOT_TRADE, Operation.PERP_TRADE})
_GETS: Final = frozenset({Operation.BORROW, Operation.WITHDRAW, Operation.UNSTAKE, Operation.FLASH_BORROW})
_TAKES_BACK: Final = frozenset({Operation.REPAY, Operation.WITHDRAW, Operation.UNSTAKE})
