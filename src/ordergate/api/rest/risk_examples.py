"""Examples of the risk gate's answers for the OpenAPI document; a test holds them against the schemas."""

from typing import Any, Final

VERDICT: Final[dict[str, Any]] = {
    "approved": True,
    "gate": None,
    "code": None,
    "reason": None,
    "numbers": {"notional": "18050", "margin": "18050", "margin_before": "0", "equity": "1000000"},
    "limits": {"fund paper-momentum": 1},
    "reference_price": "180.5",
    "price_source": "limit",
    "margin_before": "0",
    "margin_after": "18050",
    "awaits": [],
}
LIMITS_REQUEST: Final[dict[str, Any]] = {
    "limits": {"max_order_notional_usd": "2000000", "max_order_qty": None},
    "reason": "rebalancing",
    "reverts_at": "2026-05-22T20:00:00Z",
}
LIMITS: Final[dict[str, Any]] = {
    "level": "fund",
    "name": "paper-momentum",
    "version": 2,
    "limits": {"nav_usd": "1000000", "max_order_notional_usd": "2000000", "enable_shorting": True},
    "in_force": {"nav_usd": "1000000", "max_order_notional_usd": "2000000", "enable_shorting": True},
    "set_at": "2026-05-22T14:30:00.000000Z",
    "set_by": "research",
    "reason": "rebalancing",
    "reverts_at": "2026-05-22T20:00:00.000000Z",
    "reverts_to": {"nav_usd": "1000000", "max_order_notional_usd": "1000000", "enable_shorting": True},
    "shard": None,
}
HALT_REQUEST: Final[dict[str, Any]] = {"level": "fund", "name": "paper-momentum", "reason": "drill"}
HALT: Final[dict[str, Any]] = {
    "level": "fund",
    "name": "paper-momentum",
    "mode": "halt",
    "reason": "drill",
    "by": "research",
    "since": "2026-05-22T14:30:00.000000Z",
    "trigger": None,
    "lifted_at": None,
    "lifted_by": None,
    "lifted_because": None,
    "shard": None,
}
HALTED: Final[dict[str, Any]] = {"halt": HALT, "canceled": 1, "asked": 2, "left": 0}
RELEASED: Final[dict[str, Any]] = {
    **HALT,
    "lifted_at": "2026-05-22T14:40:00.000000Z",
    "lifted_by": "operations",
    "lifted_because": "the drill is over",
}
STRATEGY: Final[dict[str, Any]] = {
    "strategy_id": "momentum_v1",
    "runs": 0,
    "enabled_at": "2026-05-22T14:30:00.000000Z",
    "enabled_by": "research",
    "seen_at": "2026-05-22T14:31:10.000000Z",
    "max_runs": 100,
    "max_silence_s": 60,
    "stopped": False,
    "shard": None,
}
OVERRIDE_REQUEST: Final[dict[str, Any]] = {
    "order_id": "ord-abc",
    "reason": "closes a hedge that the limit did not foresee",
    "expires_at": "2026-05-22T15:00:00Z",
}
OVERRIDE: Final[dict[str, Any]] = {
    "order_id": "ord-abc",
    "codes": ["RISK_ORDER_NOTIONAL"],
    "reason": "closes a hedge that the limit did not foresee",
    "asked_by": "research",
    "asked_at": "2026-05-22T14:30:00.000000Z",
    "expires_at": "2026-05-22T15:00:00.000000Z",
    "approved": None,
    "answered_by": None,
    "answered_at": None,
    "answer": None,
    "made": None,
}
TURNED_DOWN: Final[dict[str, Any]] = {
    **OVERRIDE,
    "approved": False,
    "answered_by": "operations",
    "answered_at": "2026-05-22T14:31:00.000000Z",
    "answer": "not today",
}
