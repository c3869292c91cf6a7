"""Tokens are reversible, patterns cover what NATS says they do, and a reason fits into a header."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.protocols.subjects import covers, dead_headers, text_of, token

TEXT = st.text(st.characters(exclude_categories=("Cs",)))


@given(TEXT)
def test_a_token_is_reversible_and_fits_everywhere(text: str) -> None:
    written = token(text)
    assert re.fullmatch(r"[A-Za-z0-9_=-]+", written)  # subjects, consumers and keys of buckets
    assert text_of(written) == text


@pytest.mark.parametrize(
    ("text", "written"),
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
def test_tokens(text: str, written: str) -> None:
    assert token(text) == written


@pytest.mark.parametrize("written", ["", "a.b", "=2f", "=FF", "==", "=41", "a b", "*"])
def test_what_is_no_token(written: str) -> None:
    assert text_of(written) is None


@pytest.mark.parametrize(
    ("pattern", "subject", "right"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.*", True),
        ("a.b", "a.*", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.>", "a.>", True),
        ("a.*", "a.>", False),
        (">", "a.b", True),
        ("a.b.c", "a.b", False),
        ("a.b", "a.b.c", False),
        ("signals.>", "signals.approved.>", True),
        ("signals.approved.EURUSD", "signals.approved.>", False),
    ],
)
def test_what_covers_what(pattern: str, subject: str, right: bool) -> None:
    assert covers(pattern, subject) is right


def test_a_reason_fits_into_a_header() -> None:
    said = dead_headers("bad", "línea\r\nX: y\x00" + "x" * 1_000, "a.b", "S/1")
    assert said["Ordergate-Reason"].isprintable()
    assert len(said["Ordergate-Reason"]) == 500
    assert "\n" not in said["Ordergate-Reason"]
