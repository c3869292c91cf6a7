"""How an account at a MetaTrader 5 broker is reached: through the terminal on this machine, or an agent beside it."""

import re
from typing import ClassVar, Final

from msgspec import Struct, field

from ordergate.application.ports.brokers import Capabilities, Deduplication
from ordergate.domain.orders.states import OrderType, TimeInForce

_LIMITS: Final = (
    ("login", 1, 2**63 - 1),
    ("deviation_points", 0, 100_000),
    ("deadline_ms", 1, 25_000),
    ("poll_ms", 10, 10_000),
)
_ADDRESS: Final = re.compile(r"(?P<host>[^\s:]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_KEPT_DAYS: Final = 90
"""The journal forgets commands that ended longer ago, as its agent is set by default; see Mt5Broker.capabilities."""
_LONGEST_NAME: Final = 29
"""UTF-16 units that the package takes of a symbol."""
_OF_TERMINAL: Final = ("terminal_path", "server", "password_env", "password_file", "password_secret")
_OF_AGENT: Final = ("agent_ca", "agent_key_env", "agent_key_file", "agent_key_secret")


class Mt5Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account at a MetaTrader 5 broker.

    Attributes:
        login: the account's number; a terminal that is logged in to another one is refused.
        symbols: what is traded here: our symbol, and what the terminal calls it, such as EURUSD = "EURUSD.r". Nothing
            else is sent or told.
        agent: host:port of the agent beside a terminal elsewhere; without it the terminal is on this machine, which
            Windows alone has.
        agent_ca: a file with the certificate that the agent's own is checked with; without it there is no TLS.
        terminal_path: of terminal64.exe on this machine; None is where the package finds it.
        server: the broker's, as the terminal names it; None is the one that the terminal has kept.
        deviation_points: how far from the price asked for a market order may trade, in points, where the symbol's
            execution takes a price at all.
        deadline_ms: how long a call may take before what became of it counts as unknown; at most 25 s.
        poll_ms: how often the terminal is asked for news; it has no way of telling them.
        agent_key_env, agent_key_file, agent_key_secret: where the key is that the agent shares.
        password_env, password_file, password_secret: where the account's password is, of a terminal on this machine;
            without one the terminal uses what it has kept.
    """

    SECRETS: ClassVar[tuple[str, ...]] = ("agent_key", "password")

    login: int
    symbols: dict[str, str] = field(default_factory=dict)
    agent: str | None = None
    agent_ca: str | None = None
    terminal_path: str | None = None
    server: str | None = None
    deviation_points: int = 10
    deadline_ms: int = 10_000
    poll_ms: int = 250
    agent_key_env: str | None = None
    agent_key_file: str | None = None
    agent_key_secret: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    password_secret: str | None = None

    def __post_init__(self) -> None:
        for name, least, most in _LIMITS:
            value: int = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}: it must be from {least} to {most}")
        self._check_place()
        self._check_symbols()

    def _check_place(self) -> None:
        if self.agent is not None:
            parts = _ADDRESS.fullmatch(self.agent)
            if parts is None or not 0 < int(parts["port"]) < 65_536:
                raise ValueError(f"agent is {self.agent!r}: write host:port, such as 10.0.0.7:7466")
        unused = _OF_TERMINAL if self.agent is not None else _OF_AGENT
        for name in unused:
            if getattr(self, name) is not None:
                why = "the agent knows it" if self.agent is not None else "there is no agent"
                raise ValueError(f"{name}: is not used here, for {why}: leave it out")

    def _check_symbols(self) -> None:
        if not self.symbols:
            raise ValueError('symbols: is missing: write what is traded here, such as EURUSD = "EURUSD.r"')
        for ours, theirs in self.symbols.items():
            if not 0 < len(theirs.encode("utf-16-le")) // 2 <= _LONGEST_NAME or not theirs.isprintable():
                raise ValueError(
                    f"symbols.{ours} is {theirs!r}: write the terminal's name of it, 1 to {_LONGEST_NAME} characters"
                )
        if len(set(self.symbols.values())) < len(self.symbols):
            raise ValueError("symbols: two of them are one at the terminal: write each once")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the agent.

        Raises:
            ValueError: there is none.
        """
        parts = _ADDRESS.fullmatch(self.agent or "")
        if parts is None:
            raise ValueError("there is no agent")
        return parts["host"].strip("[]"), int(parts["port"])

    def ours(self, theirs: str) -> str | None:
        """Our symbol of a terminal's; None where it is not traded here."""
        return next((ours for ours, name in self.symbols.items() if name == theirs), None)


CAPABILITIES: Final = Capabilities(
    order_types=frozenset(OrderType),
    tifs=frozenset(TimeInForce) - {TimeInForce.OPG},
    # The journal knows a command for ever, and what it knows and cannot tell the end of is for a person: sent again
    # it would change nothing, for ever.
    deduplication=Deduplication.WHILE_OPEN,
    proves_absence=True,
    grace_s=0,
    replaces=True,
    calls=1,
    changes_quantity=False,
    statements=True,
    remembers_s=_KEPT_DAYS * 86_400.0,
)
