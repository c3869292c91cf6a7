"""Subjects of NATS: tokens for what is no token, what a pattern covers, and where dead letters go.

A token is made of `A-Z a-z 0-9 _ -`; every other byte of a text's UTF-8 is written `=XX`, in hexadecimal digits, so
that each text has one token and each token one text: `BTC/USDT` is `BTC=2FUSDT`. The empty text is `=` alone.
Keys of a NATS bucket take the same.
"""

import re
from collections.abc import Mapping
from typing import Final

DEAD: Final = "ordergate.v1.dead"
"""The root of dead letters; behind it stands the subject that the letter came on."""
CODE, REASON, CAME_ON, CAME_FROM, ORDER = (
    "Ordergate-Code",
    "Ordergate-Reason",
    "Ordergate-Subject",
    "Ordergate-Message",
    "Ordergate-Order",
)
TOO_LARGE, HASH = "Ordergate-Too-Large", "Ordergate-SHA-256"
"""Of a message that goes without its body: the body's size in bytes, and its hash in hexadecimal digits."""
_EMPTY: Final = "="
_OTHERS: Final = re.compile(rb"[^A-Za-z0-9_-]")
_TOKEN: Final = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+")
_NO_HEADER: Final = re.compile(r"[^ -~]+")
_LONGEST_REASON: Final = 500


def token(text: str) -> str:
    """The token of a text."""
    return _OTHERS.sub(lambda found: b"=%02X" % found[0][0], text.encode(errors="replace")).decode() or _EMPTY


def text_of(written: str) -> str | None:
    """The text of a token; None where it is none."""
    if written == _EMPTY:
        return ""
    if not _TOKEN.fullmatch(written):
        return None
    raw = re.sub(r"=([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), written)
    try:
        text = raw.encode("latin-1").decode()
    except UnicodeDecodeError:
        return None
    return text if token(text) == written else None


def covers(pattern: str, subject: str) -> bool:
    """Whether every subject that `subject` stands for, itself perhaps a pattern, is one of `pattern`'s."""
    ours, theirs = pattern.split("."), subject.split(".")
    for place, part in enumerate(ours):
        if part == ">":
            return len(theirs) > place
        if place >= len(theirs) or theirs[place] == ">":
            return False
        if part not in ("*", theirs[place]):
            return False
    return len(ours) == len(theirs)


def overlap(one: str, other: str) -> bool:
    """Whether some subject is one of both patterns."""
    ours, theirs = one.split("."), other.split(".")
    for mine, yours in zip(ours, theirs, strict=False):
        if ">" in (mine, yours):
            return True
        if "*" not in (mine, yours) and mine != yours:
            return False
    return len(ours) == len(theirs)


def dead_headers(code: str, reason: str, subject: str, came_from: str) -> Mapping[str, str]:
    """What a dead letter says of itself; its body is the message's, byte for byte.

    Args:
        code: stable, as that of a problem.
        came_from: the stream and the sequence, or what else tells the message from all others.
    """
    shown = _NO_HEADER.sub("?", reason)[:_LONGEST_REASON]
    return {CODE: code, REASON: shown, CAME_ON: subject, CAME_FROM: came_from}
