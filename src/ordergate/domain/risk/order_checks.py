"""Checks of an order by itself: who may trade what, how much at once, and at which price."""

from decimal import Decimal

from ordergate.domain.market import mid
from ordergate.domain.orders.decision import RiskCode, RiskRefusal
from ordergate.domain.orders.operations import operations_in, symbols_in
from ordergate.domain.orders.states import OrderType
from ordergate.domain.risk.case import Case
from ordergate.domain.risk.conduct_checks import reduces
from ordergate.domain.risk.limits import Level, shown_scope
from ordergate.domain.risk.refusing import at_most, shown
from ordergate.domain.slippage import bound_at


def limits(case: Case) -> RiskRefusal | None:
    """The fund has limits, or says that it has none."""
    if case.fund.unlimited:
        return None
    for scope, _stated in case.levels:
        if scope[0] is Level.FUND:
            return None
    reason = (
        f"fund {case.fund.fund_id} has no limits: set some, or write unlimited = true where it is configured"
    )
    return RiskRefusal(RiskCode.LIMITS, reason)


def broker(case: Case) -> RiskRefusal | None:
    """The fund, strategy and firm may trade at the broker."""
    return _named(case, "allowed_brokers", case.asked.broker, RiskCode.BROKER)


def operation(case: Case) -> RiskRefusal | None:
    """The broker can do what the order asks for, and it is allowed; of a bundle also what its legs do."""
    wanted = case.asked.operation
    if wanted not in case.ground.operations:
        known = ", ".join(sorted(case.ground.operations))
        return RiskRefusal(RiskCode.OPERATION, f"{wanted}: broker {case.asked.broker} does {known}")
    parts = operations_in(wanted, case.asked.terms)
    refusals = (_named(case, "allowed_operations", one, RiskCode.OPERATION) for one in parts)
    return next((refusal for refusal in refusals if refusal is not None), None)


def order_type(case: Case) -> RiskRefusal | None:
    """Orders of this type are allowed, and stops where one is to protect it: what it opens would be left bare."""
    own, to_come = case.asked.order_type, _stop_to_come(case)
    types = (own,) if to_come is None else (own, OrderType.STOP)
    refusals = (_named(case, "allowed_order_types", name, RiskCode.ORDER_TYPE) for name in types)
    return next((refusal for refusal in refusals if refusal is not None), None)


def order_kind(case: Case) -> RiskRefusal | None:
    """New orders of this kind are taken, and stops where one is to protect it; a stop that protects is, in any case."""
    off = case.ground.switched_off
    if not off or not case.asked.is_new or case.asked.guards:
        return None
    wanted = (case.asked.order_type, *(() if _stop_to_come(case) is None else (OrderType.STOP,)))
    refused = next((kind for kind in wanted if kind in off), None)
    if refused is None:
        return None
    return RiskRefusal(RiskCode.ORDER_TYPE, f"{refused}: orders of that kind are switched off")


def _stop_to_come(case: Case) -> Decimal | None:
    """The level of the stop that will protect it; None for what only closes: nothing of that has to be protected."""
    level = case.asked.stop_to_come
    return None if level is None or reduces(case) else level


def asset_class(case: Case) -> RiskRefusal | None:
    """The fund may trade instruments of this class."""
    fund, instrument = case.fund, case.instrument
    if fund.asset_classes and instrument.asset_class not in fund.asset_classes:
        classes = ", ".join(fund.asset_classes)
        reason = (
            f"{case.asked.symbol} is of class {instrument.asset_class}; fund {fund.fund_id} trades {classes}"
        )
        return RiskRefusal(RiskCode.ASSET_CLASS, reason)
    return _named(case, "allowed_asset_classes", instrument.asset_class, RiskCode.ASSET_CLASS)


def _named(case: Case, name: str, value: str, code: RiskCode) -> RiskRefusal | None:
    for scope, stated in case.levels:
        allowed = getattr(stated, name)
        if allowed and value not in allowed:
            return RiskRefusal(code, f"{value}: {shown_scope(scope)} allows {', '.join(allowed)}")
    return None


def strategy(case: Case) -> RiskRefusal | None:
    """The strategy may write into the fund."""
    fund, strategy_id = case.fund, case.asked.strategy_id
    if not fund.strategies or strategy_id in fund.strategies:
        return None
    named = strategy_id or "an order without strategy"
    reason = f"{named} may not trade for fund {fund.fund_id}; {', '.join(fund.strategies)} may"
    return RiskRefusal(RiskCode.STRATEGY, reason)


def restricted(case: Case) -> RiskRefusal | None:
    """The symbol is on no restricted list, nor is a token that is given or got beside it."""
    for scope, stated in case.levels:
        for symbol in symbols_in(case.asked.symbol, case.asked.terms) if stated.restricted_symbols else ():
            if symbol in stated.restricted_symbols:
                return RiskRefusal(RiskCode.RESTRICTED, f"{symbol} is restricted for {shown_scope(scope)}")
    return None


def price(case: Case) -> RiskRefusal | None:
    """There is a price to measure the order at, where a limit needs one."""
    if case.reference is not None:
        return None
    if case.ground.quote is None:
        why = "nobody has quoted it"
    else:
        why = f"its last quote, of {case.ground.quote.time:%Y-%m-%dT%H:%M:%SZ}, is too old"
    return RiskRefusal(RiskCode.NO_PRICE, f"{case.asked.symbol} has no reference price: {why}")


def rate(case: Case) -> RiskRefusal | None:
    """What it is priced in can be converted, where a limit needs that."""
    if case.notional_usd is not None:
        return None
    currency = case.instrument.currency
    return RiskRefusal(
        RiskCode.NO_RATE, f"no rate leads from {currency} to USD: quote a pair, or fix one in [rates]"
    )


def split(case: Case) -> RiskRefusal | None:
    """It is known whether the order is too large to be sent at once, where its fund works such orders in slices."""
    if not case.may_be_split or case.worth is not None:
        return None
    refusal = price(case)
    if refusal is not None:
        return refusal
    source, target = case.instrument.currency, case.fund.base_currency
    reason = f"no rate leads from {source} to {target}, in which split_above is: quote a pair, or fix one in [rates]"
    return RiskRefusal(RiskCode.NO_RATE, reason)


def order_qty(case: Case) -> RiskRefusal | None:
    """What leaves in one order is not larger than one order may be."""
    return at_most(case, "max_order_qty", case.at_once, RiskCode.ORDER_QTY, f"{case.instrument.unit}")


def order_notional(case: Case) -> RiskRefusal | None:
    """What leaves in one order is not worth more than one order may be."""
    return at_most(case, "max_order_notional_usd", case.at_once_usd, RiskCode.ORDER_NOTIONAL, "USD")


def price_collar(case: Case) -> RiskRefusal | None:
    """Limit and stop price are not too far from the market, nor is the stop that is to protect it."""
    reference = case.reference
    for scope, stated in case.levels:
        collar = stated.price_collar_pct
        if collar is None or reference is None:
            continue
        for own in (case.asked.limit_price, case.asked.stop_price, _stop_to_come(case)):
            if own is not None and abs(own - reference[0]) > collar * reference[0]:
                reason = (
                    f"{shown(own)} is more than {shown(collar * 100)} % from {shown(reference[0])}: "
                    f"price_collar_pct of {shown_scope(scope)}"
                )
                numbers = {"value": own, "reference": reference[0], "limit": collar}
                return RiskRefusal(RiskCode.PRICE_COLLAR, reason, numbers)
    return None


def slippage(case: Case) -> RiskRefusal | None:
    """Neither the market nor its own limit costs it more than the slippage that it bears."""
    asked, quote, most = case.asked, case.fresh_quote, case.asked.max_slippage
    if most is None:
        return None
    own = asked.limit_price
    if quote is None and (asked.arrival is None or own is None):
        reason = f"max_slippage cannot be held: {asked.symbol} has no fresh quote to count it from"
        return RiskRefusal(RiskCode.SLIPPAGE, reason)
    if asked.arrival is not None:
        reference = asked.arrival
    elif quote is not None:
        reference = mid(quote.bid, quote.ask)
    bound = bound_at(reference, asked.side, most, case.instrument)
    if own is None and quote is not None:
        own = quote.ask if asked.side.sign > 0 else quote.bid
    if bound is not None and own is not None and (own - bound) * asked.side.sign <= 0:
        return None
    worst = "none" if bound is None else shown(bound)
    what = "its limit" if asked.limit_price is not None else "the market"
    reason = f"{what} {shown(own or reference)} is beyond {worst}, the worst price within its max_slippage"
    numbers = {"value": own or reference, "reference": reference}
    return RiskRefusal(RiskCode.SLIPPAGE, reason, numbers if bound is None else {**numbers, "limit": bound})
