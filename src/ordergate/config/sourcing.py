"""Where else the configuration stands beside its file, and what is done while that cannot be reached."""

import re
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from ordergate.config.errors import ConfigError

_BUCKET: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
_KEY: Final = re.compile(r"[A-Za-z0-9_=/-]+(?:\.[A-Za-z0-9_=/-]+)*")


class StartMode(StrEnum):
    """How the service starts while a source cannot be used. DEGRADED: with what it said last. FAIL_CLOSED: not."""

    DEGRADED = "degraded"
    FAIL_CLOSED = "fail_closed"


class SourcesSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sources beside the file, which say it better: what they leave out, the file says.

    `kv_bucket` and `kv_key` name a value in a key-value bucket of the server of `nats`, TOML or JSON. Every `check_s`
    seconds all sources are read again, also where none has told of news.
    """

    kv_bucket: str | None = None
    kv_key: str | None = None
    mode: StartMode = StartMode.DEGRADED
    check_s: Annotated[int, Meta(ge=1, le=3_600)] = 45


def check_sources(section: SourcesSection, where: str, *, has_nats: bool) -> None:
    """Raises ConfigError unless bucket and key stand together, and there is a server that has them."""
    if (section.kv_bucket is None) != (section.kv_key is None):
        missing = "kv_key" if section.kv_key is None else "kv_bucket"
        raise ConfigError(f"{where}config.{missing}: is missing: a value stands in a bucket under a key")
    if section.kv_bucket is None or section.kv_key is None:
        return
    if not _BUCKET.fullmatch(section.kv_bucket):
        raise ConfigError(
            f"{where}config.kv_bucket: {section.kv_bucket!r}: write at most 200 letters, digits, '-' and '_'"
        )
    if not _KEY.fullmatch(section.kv_key):
        raise ConfigError(f"{where}config.kv_key: {section.kv_key!r} is no key: write such as oms.production")
    if not has_nats:
        raise ConfigError(f"{where}config.kv_bucket: is on a server, and nats.servers names none")
