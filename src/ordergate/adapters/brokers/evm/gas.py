"""What gas may cost: fees as EIP-1559 has them, under the configured caps."""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.evm.calls import amount
from ordergate.adapters.brokers.evm.operations import Refused
from ordergate.adapters.brokers.evm.settings import GWEI, EvmSettings

_MARGIN: Final = (3, 2)
"""On the gas that a node reckons a call needs: Uniswap's pools need a third more in a later second than in the same."""
_BUMP: Final = (9, 8)
"""What a replacement must pay more, on both fees: geth asks for a tenth, others for an eighth.

By so much an order stays below the caps: a cancel of it is always within them. Without that, what the nodes have
dropped after its time was over could be neither sent again nor replaced, and all behind its nonce would wait for ever.
"""


class Fee(Struct, frozen=True):
    """What a transaction pays: gas, and wei a unit of it, at most and to the block's maker."""

    gas: int
    max_fee: int
    priority: int

    @property
    def cost(self) -> int:
        """At most, in wei."""
        return self.gas * self.max_fee


def fee_of(estimate: int, base_fee: int, tip: int, settings: EvmSettings) -> Fee:
    """What a new transaction pays.

    Args:
        estimate: of the gas, by a node; base_fee: of the last block; tip: that a node proposes.

    Raises:
        Refused: that is more than is allowed.
    """
    gas = estimate * _MARGIN[0] // _MARGIN[1]
    priority = min(tip, settings.max_priority)
    least = base_fee + priority
    most = _most(gas, settings)
    if least > _less(settings.max_fee):
        raise Refused(
            f"gas costs {_gwei(least)} gwei now, above max_fee_gwei ({settings.max_fee_gwei}) less the ninth that a "
            "cancel may need: wait, or allow more"
        )
    if least > most:
        cost = amount(gas * least, 18)
        raise Refused(
            f"gas would cost {cost} {settings.native}, above max_gas_cost ({settings.max_gas_cost}) less the ninth "
            "that a cancel may need"
        )
    return Fee(gas, min(2 * base_fee + priority, most), priority)


def bumped(before: Fee, base_fee: int, tip: int, settings: EvmSettings, *, cancels: bool) -> Fee | None:
    """What a replacement of it pays; None where that would be more than is allowed.

    The tip is never above the fee, or no node takes it: so it is cut where the fee was, by the caps. It may come above
    `max_priority_gwei`, for an eighth more of it is what nodes ask for.
    """
    priority = max(_more(before.priority), min(tip, settings.max_priority))
    max_fee = max(_more(before.max_fee), 2 * base_fee + priority)
    most = _most(before.gas, settings, cancels=cancels)
    if _more(before.max_fee) > most:
        return None
    max_fee = max(min(max_fee, most), _more(before.max_fee))
    return Fee(before.gas, max_fee, min(priority, max_fee))


def _more(fee: int) -> int:
    return max(fee + 1, -(-fee * _BUMP[0] // _BUMP[1]))


def _most(gas: int, settings: EvmSettings, *, cancels: bool = False) -> int:
    """Wei a unit of gas, under both caps."""
    most = min(settings.max_fee, _most_cost(settings) // gas)
    return most if cancels else _less(most)


def _less(most: int) -> int:
    return most * _BUMP[1] // _BUMP[0]


def _most_cost(settings: EvmSettings) -> int:
    return int(settings.max_gas_cost.scaleb(18))


def _gwei(wei: int) -> Decimal:
    return Decimal(wei) / GWEI
