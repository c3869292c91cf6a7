"""Names in subjects and keys: legal there, different for different names, and readable back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.adapters.outlets.nats.tokens import name_of, token

LEGAL = re.compile(r"[-/_=a-zA-Z0-9]+")
"""Of a key of a bucket, but for the dot; subjects allow more."""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("EURUSD", "EURUSD"),
        ("paper-momentum", "paper-momentum"),
        ("BTC/USDT", "BTC=2FUSDT"),
        ("BRK.B", "BRK=2EB"),
        ("ES 12>*", "ES=2012=3E=2A"),
        ("a=2Fb", "a=3D2Fb"),
        ("é", "=C3=A9"),
        ("", "="),
    ],
)
def test_by_hand(name: str, expected: str) -> None:
    assert token(name) == expected
    assert name_of(expected) == name


@given(st.text())
def test_any_name_is_one_legal_token_and_comes_back(name: str) -> None:
    assert LEGAL.fullmatch(token(name))
    assert name_of(token(name)) == name
