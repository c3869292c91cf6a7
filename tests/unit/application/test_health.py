"""How brokers are: from their answers, their reports, and what their adapters tell."""

from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from ordergate.application.health import (
    LONGEST_REST_S,
    MOST_UNANSWERED,
    MOST_UNREAD,
    RETRY_S,
    WINDOW,
    BrokersHealth,
    Ear,
    Latency,
)
from ordergate.application.ports.brokers import Answer, Lookup, Presence
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import Acknowledged, Outcome
from ordergate.testing.playbook import START
from ordergate.testing.scripted_broker import ScriptedBroker

YES, LOST = Answer(outcome=Outcome.ACCEPTED), Answer(outcome=Outcome.UNKNOWN)


class At:
    """A broker's health at a moment that is set."""

    def __init__(self, *, alone: bool = True, is_open: bool = True) -> None:
        self.now = 1_000.0
        self.broker = ScriptedBroker("acme")
        self.all = BrokersHealth(lambda: self.now, {"acme": 1} if is_open else {}, alone=alone)
        self.health = self.all.watch(self.broker)


def test_nothing_is_known_at_first() -> None:
    at = At()
    assert (at.health.why_down, at.health.latency) == (None, Latency(0, None, None))
    assert (at.health.answer_age_s, at.health.report_age_s, at.health.clock_ahead_s) == (None, None, None)
    assert not at.all.is_down("acme")
    assert not at.all.is_down("unknown")


def test_a_session_that_is_not_open_is_down_unless_another_node_may_have_it() -> None:
    assert At(is_open=False).health.why_down == "its session is not open"
    assert At(is_open=False, alone=False).health.why_down is None
    assert At(is_open=False).all.is_down("acme")


def test_a_login_that_is_refused_is_down_until_the_session_opens() -> None:
    at = At(is_open=False, alone=False)
    at.health.refused = "the key has expired"
    assert at.health.why_down == "it refuses our login: the key has expired"
    at.health.opened()
    assert at.health.why_down is None


def test_what_this_node_was_refused_says_nothing_once_another_has_the_duty() -> None:
    at = At(is_open=False, alone=False)
    at.health.refused = "the key has expired"
    at.health.left()
    assert at.health.why_down is None
    at.broker.connected = False  # type: ignore[attr-defined]  # here
    assert at.health.why_down is None


def test_an_adapter_may_know_that_it_is_not_connected_and_what_the_venues_clock_says() -> None:
    at = At()
    at.broker.connected = False  # type: ignore[attr-defined]
    at.broker.clock_ahead_s = 0.25  # type: ignore[attr-defined]
    assert (at.health.why_down, at.health.clock_ahead_s) == ("it is not connected", 0.25)


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.NOT_SENT])
def test_calls_without_an_answer_take_it_down_for_a_while(outcome: Outcome) -> None:
    at = At()
    for _ in range(MOST_UNANSWERED - 1):
        at.health.answered(Answer(outcome=outcome), 1)
    assert at.health.why_down is None
    at.health.looked_up(Lookup(presence=Presence.UNAVAILABLE))
    assert at.health.why_down == "the last 3 calls were not answered"
    at.now += RETRY_S
    assert at.health.why_down is None
    at.health.answered(LOST, 1)
    assert at.health.why_down == "the last 4 calls were not answered"


@pytest.mark.parametrize("how", ["answer", "rejection", "duplicate", "lookup", "report"])
def test_any_word_of_it_brings_it_back(how: str) -> None:
    at = At()
    for _ in range(MOST_UNANSWERED):
        at.health.answered(LOST, 1)
    words = {
        "answer": lambda: at.health.answered(YES, 1),
        "rejection": lambda: at.health.answered(Answer(outcome=Outcome.REJECTED), 1),
        "duplicate": lambda: at.health.answered(Answer(outcome=Outcome.DUPLICATE), 1),
        "lookup": lambda: at.health.looked_up(Lookup(presence=Presence.ABSENT)),
        "report": at.health.reported,
    }
    words[how]()
    assert at.health.why_down is None


def test_a_rest_is_bounded_and_no_failure() -> None:
    at = At()
    at.health.answered(Answer(outcome=Outcome.NOT_SENT, retry_after_s=3_600), 1)
    assert at.health.rests_s == LONGEST_REST_S
    at.now += LONGEST_REST_S
    assert (at.health.rests_s, at.health.why_down) == (0, None)
    at.health.answered(Answer(outcome=Outcome.NOT_SENT, retry_after_s=-1), 1)
    assert at.health.rests_s == 0


def unread(at: At, times: int = MOST_UNREAD, why: str = "no route to acme") -> None:
    for _ in range(times):
        at.now += 1
        at.health.looked_at(why)


def test_an_account_that_cannot_be_read_takes_it_down_until_it_can() -> None:
    at = At()
    unread(at, MOST_UNREAD - 1)
    assert at.health.why_down is None
    unread(at, 1)
    assert at.health.why_down == "its account cannot be read: no route to acme"
    assert at.all.is_down("acme")
    at.health.looked_at(None)
    assert at.health.why_down is None
    unread(at)
    at.health.opened()
    assert at.health.why_down is None


@pytest.mark.parametrize("how", ["answer", "report"])
def test_one_that_is_heard_all_the_same_is_down_only_as_long_as_orders_wait_for_its_account(how: str) -> None:
    at = At()
    unread(at)
    at.now += 1
    at.health.answered(YES, 1) if how == "answer" else at.health.reported()
    assert at.health.why_down is None
    unread(at)
    assert at.health.why_down is None
    at.health.waits = True
    assert at.health.why_down == "new orders wait until its account was compared: no route to acme"


def test_what_was_heard_before_says_nothing() -> None:
    at = At()
    at.health.answered(YES, 1)
    unread(at)
    assert at.health.why_down is not None


def test_the_log_has_each_reason_once_and_the_end_of_it() -> None:
    at = At()
    with capture_logs() as logs:
        at.health.looked_at(None)
        unread(at)
        unread(at, 2, "the key has expired")
        at.health.looked_at(None)
    assert [one.get("why") for one in logs] == ["no route to acme", "the key has expired", None]


def test_latency_is_of_the_last_calls_that_were_answered() -> None:
    at = At()
    at.health.answered(LOST, 30)
    for ms in range(1, 101):
        at.health.answered(YES, ms / 1_000)
    assert at.health.latency == Latency(100, 0.05, 0.099)
    for _ in range(WINDOW):
        at.health.answered(YES, 0.001)
    assert at.health.latency == Latency(WINDOW, 0.001, 0.001)


def test_ages_count_from_the_last_word() -> None:
    at = At()
    at.health.answered(YES, 1)
    at.health.reported()
    at.now += 7
    assert (at.health.answer_age_s, at.health.report_age_s) == (7, 7)


def test_an_ear_notes_reports_and_hands_everything_on() -> None:
    at, heard = At(), []

    class Sink:
        def report(self, report) -> None:
            heard.append(report)

        def quote(self, quote) -> None:
            heard.append(quote)

    ear = Ear(Sink(), at.health)
    said, quote = Acknowledged(broker="acme"), Quote("AAPL", START, Decimal(1), Decimal(2))
    ear.quote(quote)
    assert at.health.report_age_s is None
    ear.report(said)
    assert at.health.report_age_s == 0
    assert heard == [quote, said]
