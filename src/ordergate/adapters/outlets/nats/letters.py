"""A message with what its headers say."""

from datetime import datetime

from msgspec import Struct


class Letter(Struct, frozen=True, gc=False):
    """What is published.

    Attributes:
        id: one that comes again has the same.
        log, journal, index: the journal (see `LogName`), and its entry that says so.
        time: when it happened.
        chain: letters of one chain leave one after the other, each when the one before has arrived.
    """

    subject: str
    id: str
    payload: bytes
    log: str
    journal: str
    index: int
    time: datetime
    chain: tuple[str, str]
