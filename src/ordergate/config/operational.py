"""The operational settings of an execution service, as a hub of configuration keeps them: JSON, every key checked.

What a layer leaves out, the next one says: the hub, then what its client calls safe, then the defaults here. They are
translated into a part of ordergate's own configuration, so that there is one place where each thing is decided.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from ordergate.config.errors import ConfigError
from ordergate.config.orders import OrdersSection
from ordergate.config.signals import DedupeBy
from ordergate.domain.errors import quoted
from ordergate.domain.money import is_sane, text
from ordergate.domain.orders.states import OrderType

SERVICE: Final = "execution"
"""The service whose settings these are, as hubs call it."""
DEFAULTS: Final[Mapping[str, Any]] = {
    "operational": {
        "order_defaults": {
            "default_order_type": "market",
            "enable_limit_orders": True,
            "enable_stop_orders": True,
            "max_slippage_pips": 3,
        },
        "idempotency": {"enabled": True, "check_window_hours": 24, "dedupe_by": "signal_id"},
        "fill_tracking": {
            "track_partial_fills": True,
            "update_interval_seconds": 1,
            "slippage_alert_threshold_pips": 5,
        },
        "position_reconciliation": {
            "enabled": True,
            "reconcile_interval_minutes": 5,
            "auto_correct_discrepancies": False,
        },
    }
}


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The layers on top of each other, the first uppermost; objects are merged, everything else is replaced."""
    found: dict[str, Any] = {}
    for layer in reversed(layers):
        for name, value in layer.items():
            below = found.get(name)
            if isinstance(value, Mapping):
                found[name] = merged(value, below if isinstance(below, Mapping) else {})
            else:
                found[name] = value
    return found


def settings_of(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document, `{"operational": {...}}`: the layers, the first uppermost, on top of the defaults.

    Args:
        layers: of JSON's types, as Python or `parse_json` has them; each may leave anything out.

    Raises:
        ConfigError: naming the key: there is no such one, or its value is of another type or range.
    """
    for layer in layers:
        _check(layer, _KEYS, "")
    document = merged(*layers, DEFAULTS)
    orders = document["operational"]["order_defaults"]
    taken = OrdersSection(limit=orders["enable_limit_orders"], stop=orders["enable_stop_orders"])
    kind = orders["default_order_type"]
    if kind in taken.switched_off:
        raise ConfigError(
            f"operational.order_defaults.default_order_type: {kind} orders are switched off by enable_limit_orders or "
            "enable_stop_orders: take another type"
        )
    return document


def overlay(document: Mapping[str, Any]) -> dict[str, Any]:
    """A whole document as a part of ordergate's configuration, in the shape of its file.

    Args:
        document: as `settings_of` gives it.
    """
    settings = document["operational"]
    orders, known = settings["order_defaults"], settings["idempotency"]
    fills, accounts = settings["fill_tracking"], settings["position_reconciliation"]
    minutes = int(_exact(known["check_window_hours"]) * 60)
    return {
        "signals": {
            "order_type": orders["default_order_type"],
            "max_slippage_pips": _exact(orders["max_slippage_pips"]),
            "dedupe": known["enabled"],
            "dedupe_window": f"{minutes}m" if minutes % 60 else f"{minutes // 60}h",
            "dedupe_by": known["dedupe_by"],
        },
        "orders": {"limit": orders["enable_limit_orders"], "stop": orders["enable_stop_orders"]},
        "nats": {"partial_fills": fills["track_partial_fills"]},
        "fills": {
            "look_every_ms": int(_exact(fills["update_interval_seconds"]) * 1_000),
            "slippage_alert_pips": _exact(fills["slippage_alert_threshold_pips"]),
        },
        "reconciliation": {
            "enabled": accounts["enabled"],
            "every_s": int(_exact(accounts["reconcile_interval_minutes"]) * 60),
            "auto_correct": accounts["auto_correct_discrepancies"],
        },
    }


_Rule = Callable[[object, str], None]


def _flag(value: object, where: str) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: {_shown(value)} is neither true nor false")


def _one_of(choices: type[StrEnum]) -> _Rule:
    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or value not in list(choices):
            raise ConfigError(f"{where}: {_shown(value)} is none of {', '.join(choices)}")

    return check


def _number(most: int, parts: int, step: str) -> _Rule:
    """Above zero, at most so many, in steps of one by `parts`; `step` says that in words."""

    def check(value: object, where: str) -> None:
        number = (
            None if isinstance(value, bool) or not isinstance(value, int | float | Decimal) else _exact(value)
        )
        if number is None:
            raise ConfigError(f"{where}: {_shown(value)} is no number")
        if not number.is_finite() or not 0 < number <= most or number * parts % 1:
            raise ConfigError(f"{where}: {_shown(value)} must be above 0, at most {most:,}, and {step}")

    return check


def _exact(value: float | Decimal) -> Decimal:
    return Decimal(str(value))


_PIPS: Final = _number(1_000_000, 10_000, "in ten-thousandths of a pip")
_KEYS: Final[Mapping[str, Any]] = {
    "operational": {
        "order_defaults": {
            "default_order_type": _one_of(OrderType),
            "enable_limit_orders": _flag,
            "enable_stop_orders": _flag,
            "max_slippage_pips": _PIPS,
        },
        "idempotency": {
            "enabled": _flag,
            "check_window_hours": _number(8_760, 60, "a whole number of minutes"),
            "dedupe_by": _one_of(DedupeBy),
        },
        "fill_tracking": {
            "track_partial_fills": _flag,
            "update_interval_seconds": _number(3_600, 1_000, "a whole number of milliseconds"),
            "slippage_alert_threshold_pips": _PIPS,
        },
        "position_reconciliation": {
            "enabled": _flag,
            "reconcile_interval_minutes": _number(10_080, 60, "a whole number of seconds"),
            "auto_correct_discrepancies": _flag,
        },
    }
}


def _check(value: object, keys: Mapping[str, Any], where: str) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where or 'the document'}: {_shown(value)} is no object")
    for name, inner in value.items():
        path = f"{where}.{name}" if where else str(name)
        rule = keys.get(name)
        if rule is None:
            raise ConfigError(f"{_cut(path)}: there is no such key; there are {', '.join(keys)}")
        if isinstance(rule, Mapping):
            _check(inner, rule, path)
        else:
            rule(inner, path)


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        return text(value) if is_sane(value) else str(value)[:40]
    return quoted(value)


def _cut(path: str) -> str:
    return path if path.isprintable() and len(path) < 200 else repr(path[:200])
