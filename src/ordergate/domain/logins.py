"""A broker that refuses who we are."""

from msgspec import Struct


class NoteRefusedLogin(Struct, frozen=True, gc=False, kw_only=True):
    """Journal that a broker has refused our login, so that somebody hears of it; the reason is what it said."""

    broker: str
    reason: str
