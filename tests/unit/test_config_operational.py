"""The operational settings: every key, what it may be, and what it becomes of ordergate's own configuration."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from ordergate.config import ConfigError
from ordergate.config.operational import DEFAULTS, merged, overlay, settings_of
from ordergate.config.sources import Snapshot, whole

D = Decimal
FLAG = {"wrong": ("true", 1, None, [], {}), "right": (True, False)}
PIPS = {
    "wrong": ("3", True, None, 0, -1, D("0.00001"), D("NaN"), float("inf"), 1_000_001),
    "right": (0.5, D("2.5"), 7),
}
KEYS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "order_defaults.default_order_type": {
        "wrong": ("iceberg", "MARKET", 1, None, ["market"], {}),
        "right": ("market", "limit", "stop", "stop_limit"),
    },
    "order_defaults.enable_limit_orders": FLAG,
    "order_defaults.enable_stop_orders": FLAG,
    "order_defaults.max_slippage_pips": PIPS,
    "idempotency.enabled": FLAG,
    "idempotency.check_window_hours": {
        "wrong": ("24", True, 0, -1, 0.001, 8_761, D("1E+999")),
        "right": (24, 0.5, 8_760),
    },
    "idempotency.dedupe_by": {"wrong": ("order_id", 1, None), "right": ("signal_id", "idempotency_key")},
    "fill_tracking.track_partial_fills": FLAG,
    "fill_tracking.update_interval_seconds": {
        "wrong": ("1", False, 0, 0.0001, 3_601),
        "right": (1, 0.25, 3_600),
    },
    "fill_tracking.slippage_alert_threshold_pips": PIPS,
    "position_reconciliation.enabled": FLAG,
    "position_reconciliation.reconcile_interval_minutes": {
        "wrong": ("5", 0, 0.001, 10_081),
        "right": (5, 0.5, 10_080),
    },
    "position_reconciliation.auto_correct_discrepancies": FLAG,
}
WRONG = [(key, value) for key, values in KEYS.items() for value in values["wrong"]]
RIGHT = [(key, value) for key, values in KEYS.items() for value in values["right"]]


def document(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(("operational", *key.split("."))):
        value = {part: value}
    return value


def leaves(value: Any, path: str = "") -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield path
        return
    for name, inner in value.items():
        yield from leaves(inner, f"{path}.{name}" if path else name)


def test_every_key_is_in_the_table() -> None:
    assert [f"operational.{key}" for key in KEYS] == list(leaves(DEFAULTS))


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_wrong_value_is_refused_and_its_key_named(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^operational\.{key}: "):
        settings_of(document(key, value))


@pytest.mark.parametrize(("key", "value"), RIGHT)
def test_a_right_one_makes_a_whole_configuration(key: str, value: Any) -> None:
    document_ = settings_of(document(key, value))
    assert set(leaves(document_)) == set(leaves(DEFAULTS))
    config = whole({"hub": Snapshot(revision="1", values=overlay(document_))})
    assert config.signals.dedupe_by == document_["operational"]["idempotency"]["dedupe_by"]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"operational": {"order_defaults": {"max_slipage_pips": 3}}}, "operational.order_defaults.max_slipage_pips: "),
        ({"operational": {"orders": {}}}, "operational.orders: "),
        ({"business": {}}, "business: there is no such key; there are operational"),
        ({"operational": []}, "operational: [] is no object"),
        ({"operational": {"idempotency": None}}, "operational.idempotency: None is no object"),
        ({"operational": {"a\nb" * 200: 1}}, "'operational.a"),
    ],
)  # fmt: skip
def test_what_is_no_key_is_named(said: Any, named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_of(said)
    assert str(refused.value).startswith(named)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("kind", "switch"),
    [
        ("limit", "enable_limit_orders"),
        ("stop", "enable_stop_orders"),
        ("stop_limit", "enable_limit_orders"),
        ("stop_limit", "enable_stop_orders"),
    ],
)
def test_signals_cannot_make_orders_that_are_switched_off(kind: str, switch: str) -> None:
    with pytest.raises(ConfigError, match=r"^operational\.order_defaults\.default_order_type: "):
        settings_of({"operational": {"order_defaults": {"default_order_type": kind, switch: False}}})


def test_the_hub_counts_before_what_is_safe_and_that_before_the_defaults() -> None:
    hub = document("order_defaults.max_slippage_pips", 2)
    safe = merged(
        document("order_defaults.max_slippage_pips", 1), document("idempotency.check_window_hours", 48)
    )
    found = settings_of(hub, safe)["operational"]
    assert found["order_defaults"]["max_slippage_pips"] == 2
    assert found["idempotency"] == {"enabled": True, "check_window_hours": 48, "dedupe_by": "signal_id"}
    assert found["position_reconciliation"]["reconcile_interval_minutes"] == 5


def test_merging_changes_no_layer() -> None:
    upper, lower = {"a": {"b": 1}}, {"a": {"c": 2}, "d": [3]}
    assert merged(upper, lower) == {"a": {"b": 1, "c": 2}, "d": [3]}
    assert (upper, lower) == ({"a": {"b": 1}}, {"a": {"c": 2}, "d": [3]})


def test_the_defaults_as_ordergates_own_configuration() -> None:
    assert overlay(settings_of()) == {
        "signals": {
            "order_type": "market", "max_slippage_pips": D(3), "dedupe": True, "dedupe_window": "24h",
            "dedupe_by": "signal_id",
        },
        "orders": {"limit": True, "stop": True},
        "nats": {"partial_fills": True},
        "fills": {"look_every_ms": 1_000, "slippage_alert_pips": D(5)},
        "reconciliation": {"enabled": True, "every_s": 300, "auto_correct": False},
    }  # fmt: skip


@pytest.mark.parametrize(("hours", "window"), [(24, "24h"), (0.5, "30m"), (1.25, "75m"), (8_760, "8760h")])
def test_windows_are_written_as_the_file_writes_them(hours: Any, window: str) -> None:
    said = overlay(settings_of(document("idempotency.check_window_hours", hours)))
    assert said["signals"]["dedupe_window"] == window
