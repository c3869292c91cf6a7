"""What is open of perpetual contracts, and what closing some of it makes: against the average of what was agreed."""

from decimal import Decimal

from ordergate.adapters.brokers.paper.rows import Contract
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import DIGITS, ONE, ZERO, divide, plain, share
from ordergate.domain.orders.executions import Delta
from ordergate.domain.positions.ledger import PERP, perpetual_name, position_key


def traded(
    open_before: Contract | None, symbol: str, quantity: Decimal, price: Decimal
) -> tuple[Contract, Decimal]:
    """What is open after a fill of `quantity`, signed, and what it made: of one unit of the contract.

    Buying and selling net; what crosses zero closes all, and opens the rest at its price.
    """
    before = open_before or Contract(symbol, ZERO, ZERO)
    if before.quantity * quantity >= 0:
        cost = before.cost + quantity * price
        return Contract(symbol, plain(before.quantity + quantity), plain(cost)), ZERO
    closed = min(abs(before.quantity), abs(quantity)).copy_sign(quantity)
    agreed = share(before.cost, abs(closed), abs(before.quantity), DIGITS)
    rest = quantity - closed
    after = Contract(symbol, plain(before.quantity + quantity), plain(before.cost - agreed + rest * price))
    return after, plain(-closed * price - agreed)


def moved(broker: str, instrument: Instrument, quantity: Decimal, made: Decimal) -> tuple[Delta, ...]:
    """The balances that a fill moves: the contract, and what it made in the money that it is settled in."""
    size = instrument.contract_size
    held = position_key(broker, perpetual_name(instrument.symbol), PERP)
    contract = Delta(held, plain(quantity * size), "trade")
    settled = divide(made * size, ONE, DIGITS)
    if not settled:
        return (contract,)
    return contract, Delta(position_key(broker, instrument.currency), settled, "trade")
