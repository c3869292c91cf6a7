"""What trades cost and earn: margin, profit, conversion into the account's currency, and the figures of the account."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from msgspec import Struct

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.records import ZERO, Position, State, Symbol
from ordergate.testing.metatrader5.texts import Refusal

_BY_PRICE: Final = frozenset(
    {
        mt5.SYMBOL_CALC_MODE_CFD,
        mt5.SYMBOL_CALC_MODE_CFDINDEX,
        mt5.SYMBOL_CALC_MODE_CFDLEVERAGE,
        mt5.SYMBOL_CALC_MODE_EXCH_STOCKS,
        mt5.SYMBOL_CALC_MODE_EXCH_STOCKS_MOEX,
    }
)
_PER_LOT: Final = frozenset({mt5.SYMBOL_CALC_MODE_FUTURES, mt5.SYMBOL_CALC_MODE_EXCH_FUTURES})
_LEVERAGED: Final = frozenset({mt5.SYMBOL_CALC_MODE_FOREX, mt5.SYMBOL_CALC_MODE_CFDLEVERAGE})


class Figures(Struct, frozen=True):
    """Of the account, in its currency. `level` is in percent, 0 where there is no margin."""

    balance: Decimal
    credit: Decimal
    profit: Decimal
    margin: Decimal

    @property
    def equity(self) -> Decimal:
        """Balance and credit, and what the open positions earn."""
        return self.balance + self.credit + self.profit

    @property
    def free(self) -> Decimal:
        """What is left for margin."""
        return self.equity - self.margin

    @property
    def level(self) -> Decimal:
        """Equity in percent of the margin."""
        return self.equity / self.margin * 100 if self.margin else ZERO


def cents(state: State, amount: Decimal) -> Decimal:
    """Rounded to the account's digits."""
    return amount.quantize(Decimal(1).scaleb(-state.currency_digits), ROUND_HALF_UP)


def rate(state: State, source: str, target: str) -> Decimal:
    """What one of `source` is in `target`, by the symbols that the server has. Raises Refusal where none prices it."""
    if source == target:
        return Decimal(1)
    for symbol in state.symbols.values():
        if symbol.bid > 0 and (symbol.base, symbol.profit) == (source, target):
            return symbol.bid
        if symbol.ask > 0 and (symbol.base, symbol.profit) == (target, source):
            return 1 / symbol.ask
    raise Refusal(mt5.TRADE_RETCODE_PRICE_OFF)


def margin_of(state: State, symbol: Symbol, volume: Decimal, price: Decimal) -> Decimal:
    """For `volume` lots at `price`. Margin rates are 1."""
    if symbol.calc_mode in _PER_LOT:
        return volume * symbol.margin_initial * rate(state, symbol.margin_in, state.currency)
    worth = volume * symbol.contract_size
    if symbol.calc_mode in _BY_PRICE:
        worth *= price * rate(state, symbol.profit, state.currency)
    elif symbol.base == state.currency or symbol.profit != state.currency:
        worth *= rate(state, symbol.margin_in, state.currency)
    else:
        worth *= price  # the position's own price is the rate into the account's currency
    return worth / state.leverage if symbol.calc_mode in _LEVERAGED else worth


def profit_of(
    state: State, symbol: Symbol, buys: bool, volume: Decimal, opened: Decimal, closed: Decimal
) -> Decimal:
    """Of `volume` lots opened and closed at these prices, before commission and swap."""
    gained = (closed - opened if buys else opened - closed) * volume * symbol.contract_size
    return cents(state, gained * rate(state, symbol.profit, state.currency)) if gained else ZERO


def profit_now(state: State, position: Position) -> Decimal:
    """Of an open position at the prices of now."""
    symbol = state.symbols[position.symbol]
    price = symbol.touch(not position.buys) or position.price
    return profit_of(state, symbol, position.buys, position.volume, position.price, price)


def margin_held(state: State) -> Decimal:
    """For all positions: what is hedged within a symbol is asked once, at the hedged rate."""
    total = ZERO
    for name in dict.fromkeys(position.symbol for position in state.positions.values()):
        symbol, held = state.symbols[name], list(state.of(name))
        legs = {buys: sum((one.volume for one in held if one.buys is buys), ZERO) for buys in (True, False)}
        price = sum((one.price * one.volume for one in held), ZERO) / sum((one.volume for one in held), ZERO)
        total += margin_of(state, symbol, abs(legs[True] - legs[False]), price)
        hedged, of_contract = min(legs.values()), Decimal(1)
        if symbol.margin_hedged is not None:
            of_contract = symbol.margin_hedged / symbol.contract_size
        total += margin_of(state, symbol, hedged, price) * of_contract if hedged else ZERO
    return cents(state, total)


def figures(state: State) -> Figures:
    """Of now."""
    profit = sum((profit_now(state, one) + one.swap for one in state.positions.values()), ZERO)
    return Figures(state.balance, state.credit, profit, margin_held(state))
