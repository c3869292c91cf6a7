"""What an execution would do, tried on a copy of the positions: for `order_check`, and for what orders need."""

from copy import copy
from decimal import Decimal

from ordergate.testing.metatrader5.money import Figures, figures
from ordergate.testing.metatrader5.records import ZERO, Order, State
from ordergate.testing.metatrader5.trading import execute, meets


def opened_by(state: State, order: Order) -> Decimal:
    """How many lots of the order would open, rather than close, something."""
    position = meets(state, order)
    if position is None or position.buys is order.buys:
        return order.left
    return max(order.left - position.volume, ZERO)


def after(state: State, order: Order, price: Decimal) -> Figures:
    """The figures of the account as they were if all of the order were executed at `price`."""
    sketch = copy(state)
    sketch.positions = {ticket: copy(position) for ticket, position in state.positions.items()}
    sketch.orders, sketch.history, sketch.deals = {}, {}, {}
    execute(sketch, copy(order), order.left, price, 0)
    return figures(sketch)


def affordable(state: State, order: Order, price: Decimal) -> bool:
    """Whether the free margin is enough; what closes always is."""
    return not opened_by(state, order) or after(state, order, price).free >= 0
