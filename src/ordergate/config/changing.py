"""What differs between two configurations, and when each difference counts: pure, from the two alone."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from ordergate.adapters.journals.location import safe_to_show
from ordergate.config import Config
from ordergate.domain.configuration import HIDDEN, ChangedKey, Guarded, KeyClass

Path = tuple[str, ...]
"""A key, part by part."""


class _Absent:
    """Where there is nothing."""


ABSENT: Final = _Absent()
HOT, NEXT, RESTART, OPEN = (
    KeyClass.HOT,
    KeyClass.NEXT_SESSION,
    KeyClass.RESTART,
    KeyClass.WITHOUT_OPEN_ORDERS,
)
CLASSES: Final[Mapping[str, KeyClass]] = {
    "server": RESTART,
    "grpc": RESTART,
    "database": RESTART,
    "audit": RESTART,
    "signals": HOT,
    "orders": HOT,
    "fills": HOT,
    "shards.*": RESTART,
    "shards.*.limits": HOT,
    "funds.*": HOT,
    "funds.*.broker": OPEN,  # its open orders are at the broker that it had
    "funds.*.base_currency": OPEN,
    "funds.*.shard": RESTART,
    "brokers.*": RESTART,
    "brokers.*.latency_ms": NEXT,  # of a paper venue: it is opened with them
    "brokers.*.slippage_bps": NEXT,
    "brokers.*.fee_bps": NEXT,
    "brokers.*.unstake_delay_s": NEXT,
    "instruments.*": HOT,
    "instruments.*.class": OPEN,  # decides the sessions that orders live in
    "instruments.*.unit": OPEN,
    "instruments.*.contract_size": OPEN,
    "instruments.*.currency": OPEN,
    "instruments.*.base": OPEN,
    "limits": HOT,
    "rates": HOT,
    "gates.*": RESTART,
    "gates.*.timeout_s": HOT,
    "gates.*.advisory": HOT,
    "triggers": HOT,
    "reconciliation": HOT,
    "workers": HOT,
    "alerts": HOT,
    "nats": RESTART,
    "nats.partial_fills": HOT,
    "kafka": RESTART,
    "clickhouse": RESTART,
    "secrets": RESTART,
    "hub": RESTART,
    "config": RESTART,
}
"""By key, `*` for a name; what is longer is more special. Every key of the schema is covered."""
REMOVED: Final[Mapping[str, KeyClass]] = {
    "funds.*": RESTART,  # the journal has it for good, and its orders may be open
    "brokers.*": RESTART,
    "instruments.*": OPEN,
}
"""Where the class of a table that is taken out is another."""
SECRET: Final = ("alerts.webhook", "gates.*.options", "brokers.*.options", "brokers.*.rpc")
"""What may hold a password, or an address that is one: its values are never shown."""
_URLS: Final = ("database.url", "shards.*.database")
"""What is shown without the password that it may hold."""
LONGEST_VALUE: Final = 120
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ENCODE: Final = msgspec.json.Encoder(decimal_format="string", order="deterministic").encode


class Change(Struct, frozen=True):
    """One key that differs: a value, or a whole table that is new or gone."""

    path: Path
    old: Any
    new: Any

    @property
    def key(self) -> str:
        """As TOML writes it."""
        return ".".join(part if _BARE.fullmatch(part) else _ENCODE(part).decode() for part in self.path)

    @property
    def key_class(self) -> KeyClass:
        """When it counts."""
        if self.new is ABSENT:
            found = _found(
                self.path, {k: v for k, v in REMOVED.items() if k.count(".") == len(self.path) - 1}
            )
            if found is not None:
                return found
        return class_of(self.path)

    def told(self) -> ChangedKey:
        """For the journal and for people; without secrets."""
        return ChangedKey(
            key=self.key,
            key_class=self.key_class,
            old=_shown(self.path, self.old),
            new=_shown(self.path, self.new),
        )

    def guarded(self) -> Guarded | None:
        """What orders it must not change under; None where it may change under any."""
        kind, name = self.path[0], self.path[1] if len(self.path) > 1 else ""
        if kind == "brokers" and len(self.path) == 2 and self.new is ABSENT:
            return Guarded(key=self.key, broker=name)
        if self.key_class is not OPEN:
            return None
        return Guarded(key=self.key, fund_id=name) if kind == "funds" else Guarded(key=self.key, symbol=name)


def class_of(path: Path) -> KeyClass:
    """When a change of that key counts; of one that no line of the table covers: after a restart."""
    return _found(path, CLASSES) or RESTART


def _found(path: Path, classes: Mapping[str, KeyClass]) -> KeyClass | None:
    matching = [key for key in classes if _covers(key, path)]
    return classes[max(matching, key=lambda key: key.count("."))] if matching else None


def _covers(pattern: str, path: Path) -> bool:
    parts = pattern.split(".")
    return len(parts) <= len(path) and all(one in ("*", part) for one, part in zip(parts, path, strict=False))


def compare(old: Config, new: Config) -> tuple[Change, ...]:
    """What differs, in the order of the schema."""
    return tuple(_differences((), old, new))


def _differences(path: Path, old: Any, new: Any) -> Iterator[Change]:
    if old == new and type(old) is type(new):
        return
    if isinstance(old, Struct) and type(old) is type(new):
        for name, key in _keys(old):
            yield from _differences((*path, key), getattr(old, name), getattr(new, name))
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _differences((*path, key), old.get(key, ABSENT), new.get(key, ABSENT))
    else:
        yield Change(path, old, new)


def _keys(struct: Struct) -> Iterator[tuple[str, str]]:
    """Its fields, and as what they are written."""
    return zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)


def mixed(old: Config, new: Config, takes: Callable[[Change], bool]) -> Config:
    """The old one with those changes of the new one that are to be taken."""
    result: Config = _mixed((), old, new, takes)
    return result


def _mixed(path: Path, old: Any, new: Any, takes: Callable[[Change], bool]) -> Any:
    if old == new and type(old) is type(new):
        return old
    if isinstance(old, Struct) and type(old) is type(new):
        values = {
            name: _mixed((*path, key), getattr(old, name), getattr(new, name), takes)
            for name, key in _keys(old)
        }
        return type(old)(**values)
    if isinstance(old, dict) and isinstance(new, dict):
        both = {
            key: _mixed((*path, key), old.get(key, ABSENT), new.get(key, ABSENT), takes)
            for key in dict.fromkeys((*old, *new))
        }
        return {key: value for key, value in both.items() if value is not ABSENT}
    return new if takes(Change(path, old, new)) else old


def digest_of(config: Config) -> str:
    """Of all that it says but secrets: the same for nodes whose configurations say the same."""
    return hashlib.sha256(_ENCODE(told_openly(config))).hexdigest()


def told_openly(config: Config) -> dict[str, Any]:
    """All that is in force, in the shape of the file, without secrets."""
    plain: dict[str, Any] = without_secrets((), msgspec.to_builtins(config, builtin_types=(Decimal,)))
    for section in plain["brokers"].values():
        if "plugin" in section:  # the file has that name as its adapter
            section["adapter"] = section.pop("plugin")
    return plain


def _shown(path: Path, value: Any) -> str | None:
    if value is None or value is ABSENT:
        return None
    plain = msgspec.to_builtins(value, builtin_types=(Decimal,))
    shown = without_secrets(path, plain)
    text = HIDDEN if shown == HIDDEN else _ENCODE(shown).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def without_secrets(path: Path, value: Any) -> Any:
    """Plain values at a key, those that may be secret only as said to be hidden."""
    if value is not None and any(_covers(secret, path) for secret in SECRET):
        return HIDDEN
    if isinstance(value, str) and any(_covers(url, path) for url in _URLS):
        return safe_to_show(value)
    if isinstance(value, dict):
        return {key: without_secrets((*path, str(key)), one) for key, one in value.items()}
    return value
