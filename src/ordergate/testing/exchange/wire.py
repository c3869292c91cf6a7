"""How Binance writes markets, orders, trades and events: the shapes of its documents, numbers as text."""

from decimal import Decimal
from typing import Any

from ordergate.testing.exchange.venue import ENDED, Account, Exchange, Market, Order, Trade


def text(number: Decimal) -> str:
    """With eight digits at most, as all numbers."""
    return format(number.quantize(Decimal("1e-8")), "f")


def market_out(market: Market) -> dict[str, Any]:
    """An entry of exchangeInfo."""
    filters: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": text(market.tick),
            "maxPrice": "1000000.00000000",
            "tickSize": text(market.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": text(market.least),
            "maxQty": "9000.00000000",
            "stepSize": text(market.step),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000" if not market.perp else text(market.least),
            "maxQty": "120.00000000",
            "stepSize": "0.00000000" if not market.perp else text(market.step),
        },
    ]
    shared = {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "filters": filters,
    }
    if market.perp:
        filters.append({"filterType": "MIN_NOTIONAL", "notional": str(market.least_notional)})
        return {
            **shared,
            "pair": market.symbol,
            "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000,
            "onboardDate": 1569398400000,
            "marginAsset": market.quote,
            "pricePrecision": 2,
            "quantityPrecision": 3,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        }
    filters.append(
        {
            "filterType": "NOTIONAL",
            "minNotional": text(market.least_notional),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        }
    )
    return {
        **shared,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
    }


def order_out(order: Order) -> dict[str, Any]:
    """As queries tell of it."""
    shared = {
        "symbol": order.market.symbol,
        "orderId": order.id,
        "clientOrderId": order.client_id,
        "price": text(order.price),
        "origQty": text(order.quantity),
        "executedQty": text(order.filled),
        "status": order.status,
        "timeInForce": order.tif,
        "type": order.type,
        "side": order.side,
        "stopPrice": text(Decimal(0)),
        "time": order.time,
        "updateTime": order.updated,
    }
    if order.market.perp:
        average = order.quote_filled / order.filled if order.filled else Decimal(0)
        return {
            **shared,
            "avgPrice": text(average),
            "cumQuote": text(order.quote_filled),
            "reduceOnly": order.reduce_only,
            "closePosition": False,
            "positionSide": "BOTH",
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "origType": order.type,
            "priceMatch": "NONE",
            "selfTradePreventionMode": "NONE",
            "goodTillDate": 0,
        }
    return {
        **shared,
        "orderListId": -1,
        "cummulativeQuoteQty": text(order.quote_filled),
        "icebergQty": text(Decimal(0)),
        "isWorking": order.status not in ENDED,
        "workingTime": order.time,
        "origQuoteOrderQty": text(Decimal(0)),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def placed_out(order: Order) -> dict[str, Any]:
    """The answer to a new order: FULL on spot, RESULT on a perpetual."""
    told = order_out(order)
    if order.market.perp:
        del told["time"]
        return told
    for name in ("stopPrice", "icebergQty", "time", "updateTime", "isWorking"):
        del told[name]
    fills = [
        {
            "price": text(trade.price),
            "qty": text(trade.quantity),
            "commission": text(trade.fee),
            "commissionAsset": trade.fee_asset,
            "tradeId": trade.id,
        }
        for trade in order.trades
    ]
    return {**told, "transactTime": order.updated, "fills": fills}


def canceled_out(order: Order, name: str) -> dict[str, Any]:
    """The answer to a cancel."""
    told = order_out(order)
    if order.market.perp:
        return told
    return {
        **told,
        "origClientOrderId": order.client_id,
        "clientOrderId": name,
        "transactTime": order.updated,
    }


def trade_out(trade: Trade, perp: bool) -> dict[str, Any]:
    """An entry of myTrades or userTrades."""
    shared = {
        "symbol": trade.symbol,
        "id": trade.id,
        "orderId": trade.order,
        "price": text(trade.price),
        "qty": text(trade.quantity),
        "quoteQty": text(trade.price * trade.quantity),
        "commission": text(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.time,
    }
    if perp:
        return {
            **shared,
            "side": trade.side,
            "positionSide": "BOTH",
            "buyer": trade.side == "BUY",
            "maker": trade.maker,
            "realizedPnl": text(trade.realized),
            "marginAsset": "USDT",
        }
    return {
        **shared,
        "orderListId": -1,
        "isBuyer": trade.side == "BUY",
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def spot_account(exchange: Exchange, account: Account) -> dict[str, Any]:
    """GET /api/v3/account."""
    balances = []
    for asset in sorted(account.free):
        locked = exchange.reserved(account.key, asset)
        balances.append({"asset": asset, "free": text(account.free[asset] - locked), "locked": text(locked)})
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "canTrade": account.trades_spot,
        "canWithdraw": True,
        "canDeposit": True,
        "updateTime": exchange.now(),
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": 1,
    }


def perp_account(account: Account, at: int) -> dict[str, Any]:
    """GET /fapi/v3/account."""
    assets = [
        {
            "asset": asset,
            "walletBalance": text(wallet),
            "unrealizedProfit": "0.00000000",
            "marginBalance": text(wallet),
            "maintMargin": "0.00000000",
            "initialMargin": "0.00000000",
            "positionInitialMargin": "0.00000000",
            "openOrderInitialMargin": "0.00000000",
            "crossWalletBalance": text(wallet),
            "crossUnPnl": "0.00000000",
            "availableBalance": text(wallet),
            "maxWithdrawAmount": text(wallet),
            "updateTime": at,
        }
        for asset, wallet in sorted(account.wallet.items())
    ]
    total = text(sum(account.wallet.values(), Decimal(0)))
    return {
        "totalInitialMargin": "0.00000000",
        "totalMaintMargin": "0.00000000",
        "totalWalletBalance": total,
        "totalUnrealizedProfit": "0.00000000",
        "totalMarginBalance": total,
        "totalCrossWalletBalance": total,
        "availableBalance": total,
        "assets": assets,
        "positions": [],
    }


def positions_out(exchange: Exchange, account: Account) -> list[dict[str, Any]]:
    """GET /fapi/v3/positionRisk."""
    told = []
    for symbol, (held, entry) in sorted(account.positions.items()):
        if not held:
            continue
        mark = exchange.market(symbol, True).bid
        told.append(
            {
                "symbol": symbol,
                "positionSide": "BOTH",
                "positionAmt": text(held),
                "entryPrice": text(entry),
                "breakEvenPrice": text(entry),
                "markPrice": text(mark),
                "unRealizedProfit": text(held * (mark - entry)),
                "liquidationPrice": "0",
                "isolatedMargin": "0",
                "notional": text(held * mark),
                "marginAsset": "USDT",
                "isolatedWallet": "0",
                "initialMargin": "0",
                "maintMargin": "0",
                "positionInitialMargin": "0",
                "openOrderInitialMargin": "0",
                "adl": 2,
                "bidNotional": "0",
                "askNotional": "0",
                "updateTime": exchange.now(),
            }
        )
    return told


def event_out(order: Order, kind: str, trade: Trade | None, name: str | None, at: int) -> dict[str, Any]:
    """executionReport on spot, ORDER_TRADE_UPDATE on a perpetual."""
    report: dict[str, Any] = {
        "s": order.market.symbol,
        "c": name or order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.tif,
        "q": text(order.quantity),
        "p": text(order.price),
        "x": kind,
        "X": order.status,
        "i": order.id,
        "l": text(trade.quantity if trade else Decimal(0)),
        "z": text(order.filled),
        "L": text(trade.price if trade else Decimal(0)),
        "T": at,
        "t": trade.id if trade else (0 if order.market.perp else -1),
        "m": bool(trade and trade.maker),
    }
    if trade is not None or not order.market.perp:
        report |= {"n": text(trade.fee) if trade else "0", "N": trade.fee_asset if trade else None}
    if order.market.perp:
        report["c"] = order.client_id
        report |= {
            "ap": text(order.quote_filled / order.filled if order.filled else Decimal(0)),
            "sp": "0",
            "b": "0",
            "a": "0",
            "R": order.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": order.type,
            "ps": "BOTH",
            "cp": False,
            "rp": text(trade.realized if trade else Decimal(0)),
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": "NONE",
            "pm": "NONE",
            "gtd": 0,
        }
        return {"e": "ORDER_TRADE_UPDATE", "T": at, "E": at, "o": report}
    return {
        "e": "executionReport",
        "E": at,
        **report,
        "P": text(Decimal(0)),
        "F": text(Decimal(0)),
        "g": -1,
        "C": order.client_id if name else "",
        "r": "NONE",
        "I": order.id * 10,
        "w": order.status not in ENDED,
        "M": False,
        "O": order.time,
        "Z": text(order.quote_filled),
        "Y": text(trade.quantity * trade.price if trade else Decimal(0)),
        "Q": text(Decimal(0)),
        "W": order.time,
        "V": "EXPIRE_MAKER",
    }
