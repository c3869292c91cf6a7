"""Our client ids at exchanges: found again from what the exchange tells, and never somebody else's."""

import pytest

from ordergate.adapters.brokers.ccxt.known import KNOWN, UNKNOWN, known_of, ours, theirs

MADE = "ord-01jabcdefghjkmnpqrstvwxyz0"
BINANCE = KNOWN["binance"]


def test_binance_takes_our_ids_as_they_are() -> None:
    for client_id in (f"{MADE}.1", f"{MADE}.999", "desk_7-A.12"):
        assert theirs(client_id, BINANCE) == client_id
        assert ours(client_id, BINANCE) == client_id


def test_an_exchange_of_which_nothing_is_known_gets_letters_and_digits() -> None:
    for number in (1, 37, 999):
        client_id = f"{MADE}.{number}"
        said = theirs(client_id, UNKNOWN)
        assert said is not None
        assert said.isascii()
        assert said.isalnum()
        assert len(said) <= 32
        assert ours(said, UNKNOWN) == client_id


def test_ids_of_the_callers_own_do_not_go_where_only_letters_go() -> None:
    assert theirs("desk_7-A.12", UNKNOWN) is None
    assert theirs("ord-000001.1", UNKNOWN) is None


@pytest.mark.parametrize(
    "said", [None, "", "web_1", "x-TKT5PX2F0123456789abcdef", "electron_abc", "o1", "a.b"]
)
@pytest.mark.parametrize("known", [BINANCE, UNKNOWN])
def test_orders_of_others_are_not_ours(said, known) -> None:
    assert ours(said, known) is None


def test_nothing_is_claimed_of_an_exchange_without_a_row() -> None:
    known = known_of("kraken")
    assert (known.deduplicates, known.absent_code, known.not_taken, known.duplicate) == (
        False,
        None,
        frozenset(),
        frozenset(),
    )
