"""What an order bears at the terminal, and whose it is by that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.adapters.brokers.mt5.naming import (
    attempt_id,
    client_id_in,
    client_id_of,
    comment_of,
    magic_of,
    step_id,
)
from ordergate.domain.identifiers import MOST_REQUESTS

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
MADE = st.builds("ord-{}.{}".format, st.text(DIGITS, min_size=26, max_size=26), st.integers(1, MOST_REQUESTS))
CHOSEN = st.builds(
    "{}.{}".format,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True),
    st.integers(1, MOST_REQUESTS),
)


@given(MADE)
def test_an_id_made_here_is_read_back(client_id: str) -> None:
    assert client_id_in(comment_of(client_id), magic_of(client_id)) == client_id
    assert client_id_in(comment_of(client_id), magic_of(client_id) + 1) is None
    assert client_id_in(comment_of(client_id)[:-1], magic_of(client_id)) is None


@given(st.one_of(MADE, CHOSEN))
def test_magic_and_comment_are_within_their_limits(client_id: str) -> None:
    assert 0 <= magic_of(client_id) < 1 << 62
    comment = comment_of(client_id)
    assert comment.isascii()
    assert len(comment) <= 29
    assert len(attempt_id(step_id(client_id, 99), 99)) <= 64


@given(CHOSEN)
def test_an_id_of_a_caller_is_a_hash(client_id: str) -> None:
    if not client_id.startswith("ord-"):
        assert comment_of(client_id).startswith("#")
        assert client_id_in(comment_of(client_id), magic_of(client_id)) is None


@pytest.mark.parametrize(
    ("step", "attempt", "said"), [(1, 1, "a.1"), (2, 1, "a.1#2"), (1, 3, "a.1~3"), (2, 2, "a.1#2~2")]
)
def test_what_the_journal_knows_a_command_as(step: int, attempt: int, said: str) -> None:
    assert attempt_id(step_id("a.1", step), attempt) == said
    assert client_id_of(said) == "a.1"
