"""Names: which are taken, and how a broker hears them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.identifiers import (
    MOST_REQUESTS,
    client_order_id,
    order_id_of,
    parse_key,
    parse_name,
    parse_order_id,
)


@pytest.mark.parametrize("value", ["a", "ord-1", "A_b-9", "0", "x" * 32])
def test_order_ids(value: str) -> None:
    assert parse_order_id(value, "#/order_id") == value


@pytest.mark.parametrize("value", [
    "", "x" * 33, "-a", "_a", "a.b", "a b", "a/b", "ä", "a\n", "١", "x" * 1000,
])  # fmt: skip
def test_what_is_no_order_id(value: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_order_id(value, "#/order_id")
    assert (caught.value.code, caught.value.pointer) == (Code.BAD_VALUE, "#/order_id")
    assert len(caught.value.detail) < 150


@pytest.mark.parametrize("value", ["paper", "desk/a.b-c_d", "x" * 64, "9"])
def test_names(value: str) -> None:
    assert parse_name(value, "#/fund_id") == value


@pytest.mark.parametrize("value", ["", "x" * 65, ".a", "/a", "a b", "a\t", "é"])
def test_what_is_no_name(value: str) -> None:
    with pytest.raises(Invalid):
        parse_name(value, "#/fund_id")


@pytest.mark.parametrize("value", ["k", "BTC/USDT 2026", "ключ", "x" * 255, "😀"])
def test_keys(value: str) -> None:
    assert parse_key(value, "#/idempotency_key") == value


@pytest.mark.parametrize("value", ["", "x" * 256, "a\nb", "a\x00", "\u202e", "\ud800"])
def test_what_is_no_key(value: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_key(value, "#/idempotency_key")
    assert caught.value.code is Code.BAD_VALUE


@pytest.mark.parametrize("parse", [parse_order_id, parse_name, parse_key])
@pytest.mark.parametrize("value", [None, 1, True, b"x", ["x"]])
def test_names_are_text(parse: Any, value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        parse(value, "#/x")
    assert caught.value.code is Code.WRONG_TYPE


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True), st.integers(1, MOST_REQUESTS))
def test_an_order_is_found_from_any_of_its_client_ids(order_id: str, number: int) -> None:
    client_id = client_order_id(parse_order_id(order_id, "#/x"), number)
    assert len(client_id) <= 36
    assert order_id_of(client_id) == order_id


def test_a_name_of_others_stays_as_it_is() -> None:
    assert order_id_of("telephoned") == "telephoned"
