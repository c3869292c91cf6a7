"""How a broker behind NATS is spoken with."""

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ordergate.application.ports.brokers import Capabilities, Deduplication
from ordergate.domain.orders.states import OrderType, TimeInForce
from ordergate.protocols.subjects import token

_LONGEST_DEADLINE_MS: Final = 25_000
_SUBJECT: Final = re.compile(r"[!-)+-=?-~]+|\*")
ROOT: Final = "ordergate.v1.brokers"
PUBLISHED: Final = "orders.submitted"


class Way(StrEnum):
    """How orders go out: asked and answered, or put into a stream that the connector takes them from."""

    REQUEST = "request"
    PUBLISH = "publish"


class BusSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A broker behind NATS, served by a connector in another process.

    Attributes:
        sends: `request` asks the connector on `ordergate.v1.brokers.BROKER.*`; `publish` puts orders into the stream of
            `orders.submitted.SYMBOL`, and knows neither cancel, replace nor lookup.
        broker: what subjects call it; None is its name.
        subjects: that fills and errors come on, beside `mts.v1.brokers.BROKER.fills.raw` and
            `ordergate.v1.brokers.BROKER.reports`: such as `broker.fill.*`, `broker.error.*`, `mt5.fills.*`.
        stream: that keeps all of them; None is one of its own, which is made where it is not there.
        kept_s: how long a stream that is made here keeps a report.
        deadline_ms: how long a call may take before what became of it counts as unknown; at most 25 s. The connector
            does nothing for a request that is older.
        grace_ms: how long a request without an answer may still turn up; where absences are proven, at least
            `deadline_ms`: until then the connector may do it.
        order_types, tifs, deduplication, proves_absence, replaces, lists, statements, calls: what the connector can
            do; it must say so itself when a session begins.
    """

    sends: Way = Way.REQUEST
    broker: str | None = None
    subjects: tuple[str, ...] = ()
    stream: str | None = None
    kept_s: int = 7 * 86_400
    deadline_ms: int = 5_000
    grace_ms: int = 10_000
    order_types: tuple[OrderType, ...] = (OrderType.MARKET,)
    tifs: tuple[TimeInForce, ...] = (TimeInForce.DAY, TimeInForce.GTC)
    deduplication: Deduplication = Deduplication.NONE
    proves_absence: bool = False
    replaces: bool = False
    lists: bool = False
    statements: bool = False
    calls: int = 8

    def __post_init__(self) -> None:
        limits = (
            ("deadline_ms", 1, _LONGEST_DEADLINE_MS),
            ("grace_ms", 0, 3_600_000),
            ("calls", 1, 1_000),
            ("kept_s", 60, 10**9),
        )
        for name, least, most in limits:
            value: int = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}: it must be from {least} to {most}")
        if self.proves_absence and self.grace_ms < self.deadline_ms:
            raise ValueError(
                f"grace_ms is {self.grace_ms}: with proves_absence it must be at least deadline_ms, "
                f"{self.deadline_ms}: until then a connector may do what it was asked"
            )
        if self.sends is Way.PUBLISH:
            for name in ("proves_absence", "replaces", "lists", "statements"):
                if getattr(self, name):
                    raise ValueError(
                        f'{name} needs sends = "request": what is only published is not answered'
                    )
        for subject in self.subjects:
            if not all(_SUBJECT.fullmatch(part) for part in subject.split(".")):
                raise ValueError(f"subjects: {subject!r} is no subject: write such as broker.fill.*")

    def capabilities(self) -> Capabilities:
        """What the connector is to be able to do."""
        return Capabilities(
            order_types=frozenset(self.order_types),
            tifs=frozenset(self.tifs),
            deduplication=self.deduplication,
            proves_absence=self.proves_absence,
            grace_s=self.grace_ms / 1000,
            replaces=self.replaces,
            calls=self.calls,
            lists=self.lists,
            statements=self.statements,
        )


class Subjects(Struct, frozen=True):
    """The subjects of one broker."""

    broker: str

    def call(self, verb: str) -> str:
        """Where the connector is asked: hello, submit, cancel, replace, lookup, open, statement."""
        return f"{ROOT}.{self.broker}.{verb}"

    @property
    def reports(self) -> str:
        """Where it says what it has to say, in our own words."""
        return f"{ROOT}.{self.broker}.reports"

    @property
    def raw_fills(self) -> str:
        """Where it says what its broker says."""
        return f"mts.v1.brokers.{self.broker}.fills.raw"

    @staticmethod
    def order(symbol: str) -> str:
        """Where an order is published."""
        return f"{PUBLISHED}.{token(symbol)}"


def subjects_of(name: str, settings: BusSettings) -> Subjects:
    """Of the broker of that name."""
    return Subjects(token(settings.broker or name))


def reported_on(name: str, settings: BusSettings) -> tuple[str, ...]:
    """All subjects that the broker's reports come on."""
    subjects = subjects_of(name, settings)
    return (subjects.reports, subjects.raw_fills, *settings.subjects)
