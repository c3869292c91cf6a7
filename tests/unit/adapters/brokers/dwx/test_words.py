"""What each message of the DWX server proves: every type of error, every word of MetaTrader's, and what names nobody."""

from decimal import Decimal

import pytest

from ordergate.adapters.brokers.dwx.names import comment_of, magic_of, names
from ordergate.adapters.brokers.dwx.outcomes import (
    TYPES,
    WORDS,
    Asks,
    Closes,
    Means,
    Opens,
    is_reply,
    reply_to,
)
from ordergate.adapters.brokers.dwx.reading import Message, Unreadable, messages_of, orders_of, text_of
from ordergate.domain.orders.reports import INSUFFICIENT_MARGIN
from ordergate.testing.metatrader4 import dwx_words

OPENS = Opens("EURUSD", "buy", Decimal("0.1"))
CLOSES = Closes("77")
AMBIGUOUS = {0, 1, 2, 4, 5, 6, 7, 8, 9, 64, 65, 128, 137, 146}
"""After these an order may be there, or nobody has documented that it is not."""


def error(kind: str, description: str = "") -> Message:
    return Message(type="ERROR", time="", error_type=kind, description=description)


def info(message: str) -> Message:
    return Message(type="INFO", time="", message=message)


@pytest.mark.parametrize("code", sorted({*dwx_words.WORDS, 142, 143, 4999}))
def test_every_word_of_metatrader(code: int) -> None:
    words = dwx_words.words_of(code)
    proven = code in dwx_words.WORDS and code not in AMBIGUOUS
    for asked, kind, said in (
        (OPENS, "OPEN_ORDER", f"Could not open order: {words}"),
        (CLOSES, "CLOSE_ORDER_TICKET", f"Could not close position 77: {words}"),
    ):
        reply = reply_to(asked, error(kind, said))
        assert reply is not None
        assert reply.done is (False if proven else None), words
    assert (words in WORDS) is proven


def test_a_want_of_margin_is_called_so() -> None:
    reply = reply_to(OPENS, error("OPEN_ORDER", "Could not open order: not enough money"))
    assert reply is not None
    assert reply.reason.startswith(f"{INSUFFICIENT_MARGIN}: OPEN_ORDER: Could not open")


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_every_type_of_error(kind: str) -> None:
    of_opening = kind.startswith("OPEN_ORDER")
    asked = OPENS if of_opening or kind.startswith("WRONG_FORMAT") else CLOSES
    reply = reply_to(asked, error(kind, "Something about 77 that nobody knows"))
    assert reply is not None
    assert reply.done is (False if TYPES[kind] is Means.REFUSED else None)
    assert is_reply(error(kind))
    if not kind.startswith("WRONG_FORMAT"):
        assert reply_to(CLOSES if of_opening else OPENS, error(kind, "77")) is None


def test_an_error_of_another_kind_proves_nothing() -> None:
    for kind in ("GET_BID_ASK", "OPEN_CHART", "HISTORIC_DATA", "MODIFY_ORDER", "OPEN_ORDER_OF_TOMORROW"):
        reply = reply_to(OPENS, error(kind, "Could not open order: not enough money"))
        assert reply is None, kind
        assert is_reply(error(kind)) is kind.startswith(("MODIFY", "OPEN_ORDER"))


def test_the_limits_of_the_expert_advisor_are_told() -> None:
    for kind, name in (
        ("OPEN_ORDER_MAXIMUM_NUMBER", "MaximumOrders"),
        ("OPEN_ORDER_LOTSIZE_TOO_LARGE", "MaximumLotSize"),
    ):
        reply = reply_to(OPENS, error(kind, "too much"))
        assert reply is not None
        assert f"raise the expert advisor's input {name}" in reply.reason


def test_a_success_counts_where_it_names_what_was_asked_for() -> None:
    said = "Successfully sent order 12: EURUSD, buy, 0.10, 1.10000"
    reply = reply_to(OPENS, info(said))
    assert reply is not None
    assert (reply.done, reply.ticket) == (True, "12")
    for other in (
        said.replace("EURUSD", "EURUSD.r"),
        said.replace("buy", "sell"),
        said.replace("0.10", "0.11"),
        "Successfully sent order: EURUSD, buy, 0.10, 1.10000",  # of MetaTrader 5: no ticket
        "Successfully closed order: 12, EURUSD, 0.10",
    ):
        assert reply_to(OPENS, info(other)) is None, other
        assert is_reply(info(other))


def test_a_closing_names_its_ticket() -> None:
    reply = reply_to(CLOSES, info("Successfully closed order: 77, EURUSD, -1.00"))
    assert reply is not None
    assert reply.done
    assert reply_to(CLOSES, info("Successfully closed order: 770, EURUSD, 0.10")) is None
    assert (
        reply_to(CLOSES, error("CLOSE_ORDER_TICKET", "Could not close position 770: invalid ticket")) is None
    )
    assert (
        reply_to(CLOSES, error("CLOSE_ORDER_SELECT_TICKET", "Could not select order with ticket: 770"))
        is None
    )


def test_an_answer_about_the_history_is_nobody_elses() -> None:
    said = info("Successfully read historic trades.")
    reply = reply_to(Asks(), said)
    assert reply is not None
    assert reply.done
    assert not is_reply(said)
    assert reply_to(OPENS, said) is None
    assert reply_to(Asks(), info("Successfully sent order 12: EURUSD, buy, 0.10, 1.10000")) is None
    refused = reply_to(Asks(), error("HISTORIC_TRADES", "Lookback days smaller or equal to zero: 0"))
    assert refused is not None
    assert refused.done is False


@pytest.mark.parametrize(
    "client_id", ["ord-01JH8K3V7N4T5W6X7Y8Z9ABCDE.1", "my own name.1", "a,b|c.1", "x" * 40 + ".1"]
)
def test_a_name_fits_and_breaks_nothing(client_id: str) -> None:
    comment = comment_of(client_id)
    assert len(comment) <= 26
    assert comment.isascii()
    assert not set(comment) & set(',|"\\ ')
    assert 0 < magic_of(client_id) < 2**31
    assert (comment, magic_of(client_id)) == (
        comment_of(f"{client_id[:-1]}2"),
        magic_of(f"{client_id[:-1]}2"),
    )


def test_a_server_may_add_to_a_comment_or_cut_it() -> None:
    ours = comment_of("ord-01JH8K3V7N4T5W6X7Y8Z9ABCDE.1")
    assert ours == "01JH8K3V7N4T5W6X7Y8Z9ABCDE"
    assert names(ours, ours)
    assert names(f"{ours}[sl]", ours)
    assert names(ours[:16], ours)
    assert not names(ours[:8], ours)
    assert not names("", ours)
    assert not names("from #12", ours)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"{",
        b'{"account_info": {"name": "J "R" oe"}}',
        b"[]",
        b'{"account_info": {}, "orders": {}}',
    ],
)
def test_half_a_file_tells_nothing(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"DWX_Orders\.txt cannot be read"):
        orders_of(data)


def test_the_code_page_of_the_terminal_is_nobodys_business() -> None:
    assert text_of("Jürgen".encode("latin-1")) == "Jürgen"
    assert text_of("\ufeffJürgen".encode("utf-16-le")) == "Jürgen"
    assert messages_of(b'{"5": {"type": "INFO", "time": "", "message": "\xe4"}}\r\n')["5"].message == "ä"
