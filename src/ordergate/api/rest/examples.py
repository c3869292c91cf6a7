"""Examples for the OpenAPI document; a test holds them against the schemas."""

from typing import Any, Final

ORDER_REQUEST: Final[dict[str, Any]] = {
    "order_id": "ord-abc",
    "idempotency_key": "strat-v7-2026-05-23-AAPL-long",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "limit",
    "limit_price": "180.50",
    "tif": "day",
    "fund_id": "paper-momentum",
    "strategy_id": "momentum_v1",
    "broker": "paper",
    "actor": "research_signal_executor",
}
ORDER: Final[dict[str, Any]] = {
    "order_id": "ord-abc",
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "limit",
    "tif": "day",
    "broker": "paper",
    "state": "SUBMITTED",
    "created_at": "2026-05-22T14:30:00.000001Z",
    "updated_at": "2026-05-22T14:30:00.000004Z",
    "limit_price": "180.5",
    "stop_price": None,
    "cash_quantity": None,
    "strategy_id": "momentum_v1",
    "actor": "research_signal_executor",
    "idempotency_key": "strat-v7-2026-05-23-AAPL-long",
    "signal_id": None,
    "retry_of": None,
    "thesis": None,
    "entry_price": None,
    "stop_loss": None,
    "take_profit": None,
    "expires_at": None,
    "arrival_bid": "180.4",
    "arrival_ask": "180.6",
    "version": 1,
    "filled_quantity": "0",
    "client_id": "ord-abc.1",
    "broker_order_id": None,
    "accepted_at": "2026-05-22T14:30:00.000003Z",
    "submitted_at": "2026-05-22T14:30:00.000004Z",
    "acknowledged_at": None,
    "filled_at": None,
    "ended_at": None,
    "marks": [],
    "reason_code": None,
    "reason": None,
    "reference_price": "180.6",
    "awaits": None,
    "decide_by": None,
    "lots": None,
    "max_slippage_bps": None,
    "max_slippage_pips": None,
    "protect": None,
    "parent_order_id": None,
    "order_manager": None,
    "slice": None,
    "algo": None,
    "operation": "spot_trade",
    "terms": None,
    "route": None,
    "average_price": None,
    "leaves_quantity": "100",
    "overdue": [],
    "pending": ["submit:sent"],
}
FILL: Final[dict[str, Any]] = {
    "fill_id": "ord-abc.P1-1",
    "order_id": "ord-abc",
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "price": "180.5",
    "fee": "0",
    "fee_currency": None,
    "time": "2026-05-22T14:31:00.000000Z",
    "broker": "paper",
    "exec_id": "P1-1",
    "kind": "trade",
    "late": False,
    "deltas": [
        {"position_key": "paper:BaseToken:AAPL", "amount": "100", "source": "trade"},
        {"position_key": "paper:BaseToken:USD", "amount": "-18050", "source": "trade"},
    ],
    "slippage_bps": "0",
    "slippage_pips": None,
    "entry_slippage_bps": None,
    "entry_slippage_pips": None,
    "limit_slippage_bps": "0",
    "limit_slippage_pips": None,
}
POSITION: Final[dict[str, Any]] = {
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "quantity": "100",
    "unit": "shares",
    "average_price": "180.5",
    "currency": "USD",
    "cost": "18050",
    "realized_pnl": "0",
    "realized_pnl_ytd": "0",
    "unrealized_pnl": "-10",
    "price": "180.4",
    "priced_at": "2026-05-22T14:31:00.000000Z",
    "market_value": "18040",
    "usd_rate": {"rate": "1", "source": "same currency", "time": None},
    "market_value_usd": "18040",
    "unrealized_pl_usd": "-10",
    "realized_pl_usd": "0",
    "realized_pl_ytd_usd": "0",
    "fund_currency": "USD",
    "fund_rate": {"rate": "1", "source": "same currency", "time": None},
    "market_value_fund": "18040",
    "unrealized_pl_fund": "-10",
    "realized_pl_fund": "0",
    "realized_pl_ytd_fund": "0",
    "fees": {},
    "updated_at": "2026-05-22T14:31:00.000000Z",
    "lots": [
        {
            "lot_id": "ord-abc.P1-1",
            "opened_at": "2026-05-22T14:31:00.000000Z",
            "quantity": "100",
            "remaining": "100",
            "price": "180.5",
        }
    ],
    "more_lots": False,
}
TRANSITION: Final[dict[str, Any]] = {
    "index": 4,
    "time": "2026-05-22T14:30:00.000001Z",
    "actor": "research_signal_executor",
    "principal": "local",
    "source": "rest",
    "event": "OrderEntered/1",
    "from": None,
    "to": "CREATED",
    "detail": "buy 100 AAPL limit limit 180.5 day, fund paper-momentum, broker paper",
}
SIGNAL_REQUEST: Final[dict[str, Any]] = {
    "signal_id": "sig-1",
    "symbol": "EURUSD",
    "signal_type": "BUY",
    "position_size": "0.10",
    "entry_price": "1.08125",
    "stop_loss": "1.07900",
    "take_profit": "1.08600",
    "strategy_id": "momentum_v1",
    "risk_approval_status": "approved",
}
QUOTE_REQUEST: Final[dict[str, Any]] = {
    "bid": "180.40",
    "ask": "180.50",
    "bid_size": "1000",
    "ask_size": "1000",
}
QUOTE: Final[dict[str, Any]] = {
    "symbol": "AAPL",
    "time": "2026-05-22T14:30:00.000000Z",
    "bid": "180.4",
    "ask": "180.5",
    "bid_size": "1000",
    "ask_size": "1000",
    "pinned": True,
}
PROBLEM: Final[dict[str, Any]] = {
    "type": "urn:ordergate:problem:off_tick",
    "title": "It cannot be done as asked",
    "status": 422,
    "detail": "limit_price: 180.505 is no multiple of AAPL's tick 0.01",
    "code": "off_tick",
    "instance": "/v1/orders",
    "request_id": "req-8f3a2c10-1",
    "errors": [
        {
            "code": "off_tick",
            "detail": "180.505 is no multiple of AAPL's tick 0.01",
            "pointer": "#/limit_price",
        }
    ],
    "outcome": "not_sent",
    "retry": "never",
}
EVENTS: Final = (
    ": open\n\nid: 5\nevent: OrderAcknowledged\n"
    'data: {"index":5,"time":"2026-05-22T14:30:00.001Z","actor":"paper","principal":"paper","source":"broker",'
    '"event":{"kind":"OrderAcknowledged/1","order_id":"ord-abc","time":"2026-05-22T14:30:00.001Z",'
    '"broker_order_id":"P1"}}\n\n'
)
CHECKPOINT: Final = (
    "ordergate.local/journal\n6\nqcLnXzQ6fkzpHxuuTbWYXmnW6hkRLF2Xqgzqzr1sDzs=\n\n"
    "— ordergate.local/journal 6Tf1n0uWn6G7VdYV...\n"
)
METRICS: Final = 'ordergate_entries_total{kind="OrderFilled"} 12.0\n'
HEALTH: Final = {"status": "alive", "instance": "5f0c1d9a7b3e4826a1c0d4e8f6b72913"}
