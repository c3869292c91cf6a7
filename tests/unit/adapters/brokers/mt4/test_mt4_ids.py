"""Names of requests in the terminal: within its limits, each its own, and read back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.adapters.brokers.mt4.ids import (
    LONGEST_REF,
    attempt_ref,
    client_of,
    comment_of,
    is_first,
    made_at,
    magic_of,
    once_ref,
    step_ref,
)
from ordergate.adapters.brokers.mt4.wire import id_of
from ordergate.testing.metatrader4 import lines

MADE = "ord-01jd3zk8v0e6b7w2mnp4qrstvx"
CLIENT_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}\.[1-9][0-9]{0,2}", fullmatch=True)


@given(CLIENT_IDS, st.integers(1, 50), st.integers(1, 50))
def test_a_ref_is_within_the_limits_and_names_its_request(client_id: str, step: int, attempt: int) -> None:
    ref = attempt_ref(step_ref(client_id, step), attempt)
    assert len(ref) <= LONGEST_REF
    assert ref.isascii()
    assert client_of(ref) == client_id
    assert is_first(ref) == (step == 1)


@given(CLIENT_IDS)
def test_what_may_be_done_twice_is_named_anew_each_time(client_id: str) -> None:
    ref = once_ref(client_id, 999_999_999_999, 9_999_999_999)
    assert len(ref) <= LONGEST_REF
    assert client_of(ref) == client_id
    assert once_ref(client_id, 1, 1) != once_ref(client_id, 1, 2) != once_ref(client_id, 2, 1)


@given(CLIENT_IDS)
def test_the_expert_reckons_the_same(client_id: str) -> None:
    assert id_of(client_id) == lines.command_id(client_id)
    assert magic_of(client_id) == lines.magic_of(client_id)
    assert comment_of(client_id) == lines.comment_of(client_id)
    assert 0 < magic_of(client_id) < 2**31
    assert len(comment_of(client_id)) == 19


def test_refs_of_one_order_differ() -> None:
    refs = {
        attempt_ref(step_ref(f"{MADE}.1", step), tried) for step in range(1, 20) for tried in range(1, 20)
    }
    assert len(refs) == len({id_of(ref) for ref in refs}) == 19 * 19


def test_when_an_id_was_made_is_read_from_it() -> None:
    made = made_at(f"{MADE}.1")
    assert made is not None
    assert datetime(2024, 1, 1, tzinfo=UTC) < made < datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("client_id", ["mine.1", "ord-000001.1", "ord-zzzzzzzzzzzzzzzzzzzzzzzzzz.1", "x"])
def test_of_any_other_id_it_is_not_known(client_id: str) -> None:
    assert made_at(client_id) is None
