"""Comparing configurations: what differs, when it counts, and what of it may be shown."""

from decimal import Decimal
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from ordergate.config import Config, assembled
from ordergate.config.changing import (
    CLASSES,
    REMOVED,
    _covers,
    class_of,
    compare,
    digest_of,
    mixed,
    told_openly,
)
from ordergate.domain.configuration import KeyClass


def said(*lines: str) -> Config:
    import tomllib

    return assembled(tomllib.loads("\n".join(lines), parse_float=Decimal), "test")


def leaves(kind: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Every key of the schema; a name that anybody gives is `*`."""
    if get_origin(kind) is dict:
        return leaves(get_args(kind)[1], (*path, "*"))
    kinds = [one for one in (get_args(kind) or (kind,)) if isinstance(one, type) and issubclass(one, Struct)]
    if not kinds or get_origin(kind) is tuple:
        return {path}
    found: set[tuple[str, ...]] = set()
    for struct in kinds:
        hints = get_type_hints(struct)
        for field in fields(struct):
            found |= leaves(hints[field.name], (*path, field.encode_name))
    return found


LEAVES = leaves(Config)


def test_there_are_keys_of_all_depths() -> None:
    assert {("server", "port"), ("funds", "*", "broker"), ("rates", "*"), ("config", "kv_key")} <= LEAVES
    assert ("limits", "funds", "*", "max_order_qty") in LEAVES
    assert ("reconciliation", "brokers", "*", "balances", "absolute") in LEAVES
    assert ("brokers", "*", "fee_bps") in LEAVES
    assert len(LEAVES) > 300


def test_every_key_of_the_schema_has_a_class() -> None:
    """When does a change of it count? Say so in the table."""
    without = [path for path in LEAVES if not any(_covers(pattern, path) for pattern in CLASSES)]
    assert [".".join(path) for path in without] == []


def test_every_line_of_the_table_is_about_a_key() -> None:
    assert [one for one in (*CLASSES, *REMOVED) if not any(_covers(one, path) for path in LEAVES)] == []


def test_what_is_more_special_goes_before() -> None:
    assert class_of(("funds", "pairs", "broker")) is KeyClass.WITHOUT_OPEN_ORDERS
    assert class_of(("funds", "pairs", "strategies")) is KeyClass.HOT
    assert class_of(("nats", "partial_fills")) is KeyClass.HOT
    assert class_of(("nats", "servers")) is KeyClass.RESTART


BEFORE = said(
    '[funds.a]\nunlimited = true\nbroker = "p"', "[brokers.p]", '[rates]\n"USDT/USD" = 1', "[limits.symbols.AAPL]\nmax_order_qty = 5",
    '[signals]\nfund = "a"',
)  # fmt: skip
AFTER = said(
    '[funds.a]\nunlimited = true\nbroker = "p"\nstrategies = ["x"]', '[funds."b.c"]\nunlimited = true\nbroker = "q"',
    "[brokers.p]\nfee_bps = 1", '[brokers.q]\nadapter = "sync"\nclass = "m:C"\noptions = {key = "k"}',
    '[rates]\n"USDT/USD" = 0.99', "[limits.symbols.AAPL]\nmax_order_qty = 6",
    '[signals]\nfund = "a"', '[instruments."SOL/USDT"]\nclass="crypto"\nunit="coins"\ntick=0.01\nlot_step=0.1\ncurrency="USDT"',
)  # fmt: skip


def test_a_comparison_names_keys_as_toml_does_and_tables_that_are_new_as_one() -> None:
    found = {
        change.key: (change.key_class, change.told().old, change.told().new)
        for change in compare(BEFORE, AFTER)
    }
    assert found["funds.a.strategies"] == (KeyClass.HOT, "[]", '["x"]')
    assert found['rates."USDT/USD"'] == (KeyClass.HOT, '"1"', '"0.99"')
    assert found["brokers.p.fee_bps"] == (KeyClass.NEXT_SESSION, '"0"', '"1"')
    assert found["limits.symbols.AAPL.max_order_qty"] == (KeyClass.HOT, '"5"', '"6"')
    assert found['funds."b.c"'][:2] == (KeyClass.HOT, None)
    assert found['instruments."SOL/USDT"'][:2] == (KeyClass.HOT, None)
    kind, old, new = found["brokers.q"]
    assert (kind, old) == (KeyClass.RESTART, None)
    assert '"options":"hidden"' in new
    assert len(found) == 7


def test_what_is_gone_has_a_class_of_its_own() -> None:
    found = {change.key: change.key_class for change in compare(AFTER, BEFORE)}
    assert found['funds."b.c"'] is KeyClass.RESTART
    assert found["brokers.q"] is KeyClass.RESTART
    assert found['instruments."SOL/USDT"'] is KeyClass.WITHOUT_OPEN_ORDERS


def test_nothing_differs_from_itself_and_everything_taken_is_the_new_one() -> None:
    assert compare(BEFORE, BEFORE) == ()
    assert mixed(BEFORE, AFTER, lambda _change: True) == AFTER
    assert mixed(BEFORE, AFTER, lambda _change: False) == BEFORE
    half = mixed(BEFORE, AFTER, lambda change: change.key.startswith("rates"))
    assert [change.key for change in compare(BEFORE, half)] == ['rates."USDT/USD"']


def test_a_digest_tells_configurations_apart_and_says_nothing_of_secrets() -> None:
    def hooked(token: str) -> Config:
        return said(f'[alerts]\nwebhook = "https://x.example/canary-{token}"\nsecret_env = "S"')

    assert digest_of(BEFORE) != digest_of(AFTER)
    assert digest_of(hooked("one")) == digest_of(hooked("two"))
    assert b"canary" not in msgspec.json.encode(told_openly(hooked("one")))
