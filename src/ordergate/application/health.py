"""How brokers are, as far as this node can tell: from its own calls and the reports that come to it.

Nothing of it is journalled, and another node may see it otherwise. What was done because of it stands in events.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from msgspec import Struct

from ordergate.application.ports.brokers import Answer, Broker, Lookup, Presence, Sink
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import AnyReport, Outcome

WINDOW: Final = 256
"""Calls whose latency is counted, the last ones."""
MOST_UNANSWERED: Final = 3
"""Calls in a row without an answer, after which a broker counts as down."""
MOST_UNREAD: Final = 3
"""Looks in a row that could not read its account, after which it counts as down unless something else was heard."""
RETRY_S: Final = 30.0
"""After the last of them it is tried again."""
LONGEST_REST_S: Final = 60.0
"""For which a venue that asks for a rest is left alone at most."""
_log = structlog.get_logger("ordergate.health")
_ANSWERED: Final = (Outcome.ACCEPTED, Outcome.REJECTED, Outcome.DUPLICATE)


class Latency(Struct, frozen=True, gc=False):
    """Of the last calls that were answered, in seconds; None without any."""

    calls: int
    p50_s: float | None
    p99_s: float | None


class BrokerHealth:
    """Of one broker. Times are those of the event loop.

    Args:
        now: the present one.
        is_open: whether its session is open here.
        alone: no other node can have its session.

    Attributes:
        broker, adapter: which it is, and what the configuration calls its adapter.
        refused: what it said when it refused our login; None where it did not.
        unread: how many looks in a row could not read its account.
        waits: new orders wait until its account was compared.
    """

    def __init__(
        self,
        broker: Broker,
        adapter: str,
        now: Callable[[], float],
        is_open: Callable[[], bool],
        *,
        alone: bool,
    ) -> None:
        self.broker, self.adapter = broker, adapter
        self._now, self._is_open, self._alone = now, is_open, alone
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._unanswered, self._failed_at, self._rests_until = 0, 0.0, 0.0
        self._answered_at: float | None = None
        self._reported_at: float | None = None
        self.unread, self._unread_since, self._why_unread = 0, 0.0, ""
        self.waits = False
        self.refused: str | None = None

    def answered(self, answer: Answer, took_s: float) -> None:
        """A call has ended."""
        now = self._now()
        if answer.retry_after_s is not None:
            self._rests_until = now + min(max(answer.retry_after_s, 0.0), LONGEST_REST_S)
        if answer.outcome in _ANSWERED:
            self._latencies.append(took_s)
            self._heard(now)
        elif answer.retry_after_s is None:
            self._failed(now)

    def looked_up(self, lookup: Lookup) -> None:
        """A lookup has ended."""
        if lookup.presence is Presence.UNAVAILABLE:
            self._failed(self._now())
        else:
            self._heard(self._now())

    def looked_at(self, failed: str | None) -> None:
        """Its account was compared, or could not be, for that reason: the log has each reason once."""
        if failed is None:
            if self.unread:
                _log.info("the account is compared again", broker=self.broker.name)
            self.unread = 0
            return
        if not self.unread:
            self._unread_since = self._now()
        if not self.unread or failed != self._why_unread:
            _log.warning("the account could not be compared", broker=self.broker.name, why=failed)
        self.unread, self._why_unread = self.unread + 1, failed

    def reported(self) -> None:
        """It has said something unasked."""
        self._reported_at = self._now()
        self._unanswered = 0

    def opened(self) -> None:
        """Its session is open."""
        self.refused, self._unanswered, self.unread = None, 0, 0

    def left(self) -> None:
        """This node no longer has the duty of its session; another's login may be taken."""
        self.refused = None

    def _heard(self, now: float) -> None:
        self._answered_at, self._unanswered = now, 0

    def _failed(self, now: float) -> None:
        self._unanswered += 1
        self._failed_at = now

    @property
    def rests_s(self) -> float:
        """For how long it wants no more calls."""
        return max(self._rests_until - self._now(), 0.0)

    @property
    def is_open(self) -> bool:
        """Whether its session is open here."""
        return self._is_open()

    @property
    def why_down(self) -> str | None:
        """Why it takes no orders now, as far as this node knows; None where it may."""
        if self.refused is not None:
            return f"it refuses our login: {self.refused}"
        if not self._is_open() and self._alone:
            return "its session is not open"
        if self._is_open() and not getattr(self.broker, "connected", True):
            return "it is not connected"
        if self.rests_s:
            return f"it wants no calls for {self.rests_s:.0f} s"
        if self._unanswered >= MOST_UNANSWERED and self._now() - self._failed_at < RETRY_S:
            return f"the last {self._unanswered} calls were not answered"
        return self._why_unseen

    @property
    def _why_unseen(self) -> str | None:
        """That its account cannot be read, and orders wait for that, or nothing else was heard of it since."""
        heard_at = max(self._answered_at or 0.0, self._reported_at or 0.0)
        if (
            not self._is_open()
            or self.unread < MOST_UNREAD
            or (heard_at > self._unread_since and not self.waits)
        ):
            return None
        waits = (
            "new orders wait until its account was compared" if self.waits else "its account cannot be read"
        )
        return f"{waits}: {self._why_unread}"

    @property
    def latency(self) -> Latency:
        """Of its calls."""
        seconds = sorted(self._latencies)
        return Latency(len(seconds), _percentile(seconds, 50), _percentile(seconds, 99))

    @property
    def answer_age_s(self) -> float | None:
        """How long ago it answered last; None where it never did in this run."""
        return None if self._answered_at is None else self._now() - self._answered_at

    @property
    def report_age_s(self) -> float | None:
        """How long ago it reported something last; None where it never did in this run."""
        return None if self._reported_at is None else self._now() - self._reported_at

    @property
    def clock_ahead_s(self) -> float | None:
        """How far its clock is ahead of ours, where its adapter tells."""
        told: float | None = getattr(self.broker, "clock_ahead_s", None)
        return told


def _percentile(ordered: list[float], percent: int) -> float | None:
    """By nearest rank."""
    return ordered[(len(ordered) * percent + 99) // 100 - 1] if ordered else None


class Ear:
    """A broker's sink that notes when something came."""

    def __init__(self, sink: Sink, health: BrokerHealth) -> None:
        self._sink, self._health = sink, health

    def report(self, report: AnyReport) -> None:
        """Hands it on."""
        self._health.reported()
        self._sink.report(report)

    def quote(self, quote: Quote) -> None:
        """Hands it on."""
        self._sink.quote(quote)


class BrokersHealth:
    """Of all brokers of a gate, by name.

    Args:
        sessions: those that are open here; see `View`.
        alone: no other node writes to the journal.
    """

    def __init__(self, now: Callable[[], float], sessions: Mapping[str, int], *, alone: bool) -> None:
        self._now, self._sessions, self._alone = now, sessions, alone
        self.of: dict[str, BrokerHealth] = {}

    def watch(self, broker: Broker, adapter: str = "sync") -> BrokerHealth:
        """From here on that of one more broker, by what the configuration calls its adapter."""
        name = broker.name
        health = BrokerHealth(broker, adapter, self._now, lambda: name in self._sessions, alone=self._alone)
        self.of[name] = health
        return health

    def is_down(self, broker: str) -> bool:
        """Whether a broker is known to take no orders now."""
        known = self.of.get(broker)
        return known is not None and known.why_down is not None

    def why_away(self, broker: str) -> str:
        """Why its session is not open here."""
        return self.of[broker].why_down or "another node has its session"
