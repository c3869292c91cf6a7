"""What a wallet can do with what is configured."""

from datetime import datetime
from typing import Final

from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.application.ports.brokers import Capabilities, Deduplication, Send
from ordergate.domain.money import is_sane
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType, TimeInForce

_AT_AAVE: Final = (Operation.SUPPLY, Operation.WITHDRAW, Operation.BORROW, Operation.REPAY)
_AT_LIDO: Final = (Operation.STAKE, Operation.UNSTAKE)


def capabilities_of(settings: EvmSettings, *, remembers: bool, doubts: bool) -> Capabilities:
    """By what is configured; with a ledger that was lost, nothing is promised that needs it.

    One that may be lost lists what is open, but what it does not know must not be sent again for that.
    """
    return Capabilities(
        order_types=frozenset({OrderType.MARKET}),
        tifs=frozenset({TimeInForce.GTC, TimeInForce.GTD}),
        deduplication=Deduplication.FOREVER if remembers and not doubts else Deduplication.NONE,
        proves_absence=remembers and not doubts,
        grace_s=0.0,
        replaces=False,
        calls=1,
        lists=remembers,
        statements=True,
        operations=_operations(settings),
    )


def wrong_with(send: Send, can: Capabilities, now: datetime) -> str | None:
    """Why an order is none of this wallet's; None where nothing speaks against it."""
    if send.operation not in can.operations:
        return f"this wallet does no {send.operation}: it does {', '.join(sorted(can.operations))}"
    if send.order_type not in can.order_types or send.tif not in can.tifs:
        return f"a {send.order_type} {send.tif} order: a wallet takes market orders, gtc or gtd"
    if not is_sane(send.quantity) or send.quantity <= 0:
        return f"quantity {send.quantity} is not above zero"
    if send.expires_at is not None and send.expires_at <= now:
        return f"its time ended at {send.expires_at}"
    return None


def _operations(settings: EvmSettings) -> frozenset[Operation]:
    found = {Operation.TRANSFER}
    if settings.aave_v3 is not None:
        found |= set(_AT_AAVE)
    if settings.uniswap is not None:
        found.add(Operation.SWAP)
    if settings.lido is not None:
        found |= set(_AT_LIDO)
    if settings.executor is not None:
        found.add(Operation.BUNDLE)
    return frozenset(found)
