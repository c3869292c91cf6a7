"""The interfaces of venues: one method for each operation. All are done by the one engine."""

from datetime import datetime
from typing import Protocol

from ordergate.sdk.venues.handshakes import ExecutionHandshake
from ordergate.sdk.venues.models import Order
from ordergate.sdk.venues.names import OrderOperation


class Executes(Protocol):
    """Has orders done."""

    def execute(self, order: Order) -> ExecutionHandshake:
        """What became of an order."""
        ...


class _Interface:
    def __init__(self, desk: Executes) -> None:
        self._desk = desk

    def execute(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Has the order's operation done by the method of its name."""
        handshake: ExecutionHandshake = getattr(self, self._method(order.operation))(order, timestamp)
        return handshake

    def _method(self, operation: OrderOperation) -> str:
        return str(operation)

    def _do(self, order: Order, operation: OrderOperation) -> ExecutionHandshake:
        if order.operation is not operation:
            raise ValueError(f"the order's operation is {order.operation}, and this does a {operation}")
        return self._desk.execute(order)


class CEXInterface(_Interface):
    """Exchanges. The timestamp is the strategy's moment; orders are made now."""

    def _method(self, operation: OrderOperation) -> str:
        return f"execute_{operation}"

    def execute_spot_trade(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Trades a pair."""
        return self._do(order, OrderOperation.SPOT_TRADE)

    def execute_perp_trade(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Trades a perpetual."""
        return self._do(order, OrderOperation.PERP_TRADE)


class OnChainInterface(_Interface):
    """Protocols."""

    def supply(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Lends a token."""
        return self._do(order, OrderOperation.SUPPLY)

    def borrow(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Borrows a token."""
        return self._do(order, OrderOperation.BORROW)

    def repay(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Gives back what was borrowed."""
        return self._do(order, OrderOperation.REPAY)

    def withdraw(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Takes back what was lent."""
        return self._do(order, OrderOperation.WITHDRAW)

    def stake(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Stakes a token."""
        return self._do(order, OrderOperation.STAKE)

    def unstake(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Takes back what was staked."""
        return self._do(order, OrderOperation.UNSTAKE)

    def swap(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Gives one token for another."""
        return self._do(order, OrderOperation.SWAP)

    def flash_borrow(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Borrows within a group, at whose end it must be repaid."""
        return self._do(order, OrderOperation.FLASH_BORROW)

    def flash_repay(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Repays what a flash loan of the same group has brought."""
        return self._do(order, OrderOperation.FLASH_REPAY)


class WalletInterface(_Interface):
    """Transfers between venues and addresses."""

    def _method(self, operation: OrderOperation) -> str:
        return f"execute_{operation}"

    def execute_transfer(self, order: Order, timestamp: datetime) -> ExecutionHandshake:
        """Moves a token."""
        return self._do(order, OrderOperation.TRANSFER)
