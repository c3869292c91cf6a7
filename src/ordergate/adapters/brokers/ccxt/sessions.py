"""One session at an exchange: markets, clock and login first, then the account is followed, again and again."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from ordergate.adapters.brokers.ccxt.account import margin_of
from ordergate.adapters.brokers.ccxt.following import Following, why_of
from ordergate.adapters.brokers.ccxt.known import Known, known_of
from ordergate.adapters.brokers.ccxt.library import CALL
from ordergate.adapters.brokers.ccxt.link import Link
from ordergate.adapters.brokers.ccxt.outcomes import Evidence, Rest, is_proof, names_of, reason_of
from ordergate.adapters.brokers.ccxt.settings import CcxtSettings
from ordergate.adapters.brokers.ccxt.telling import Telling
from ordergate.application.ports.brokers import Sink
from ordergate.application.stopping import stopped
from ordergate.domain.risk.case import BrokerAccount

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_REFUSED_PAUSE_S: Final = 60.0
_AHEAD_MS: Final = 1_000
"""By how much our clock may be ahead of an exchange's."""
_log = structlog.get_logger("ordergate.brokers.ccxt")


class Skewed(Exception):
    """This machine's clock is too far from the exchange's."""


class _Refused(Exception):
    """The exchange does not know who we are."""


class Session:
    """Follows one account until it is closed.

    Attributes:
        link: to ask questions over, once `begun`.
        telling: what was told, and of whom orders are.
        there: set while the account is followed.
        decided: set once the account was followed, or the login refused.
        refused: why the login was refused.
        why: the account could not be followed last.
        account: what is free for margin, as it was told last.
        began_ms: the exchange's time when this session began: what another process had sent was sent before.
    """

    def __init__(
        self,
        broker: str,
        settings: CcxtSettings,
        make: Callable[[], Any],
        rest: Rest,
        sink: Sink,
        cursor: str | None,
    ) -> None:
        self._broker, self._settings, self._make, self._rest = broker, settings, make, rest
        self._known = known_of(settings.exchange)
        self.link = Link(make(), self._known)
        self.telling = Telling(broker, self.link.if_there, self.link.trades_of, self.link.server_ms)
        self.telling.sink, self.telling.cursor = sink, cursor
        self.following: Following | None = None
        self.there, self.decided = asyncio.Event(), asyncio.Event()
        self.begun = False
        self.refused: str | None = None
        self.why: str | None = None
        self.account: BrokerAccount | None = None
        self.began_ms = 0
        self._told: str | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._task: asyncio.Task[None] | None = None
        self._used: list[Link] = []

    def start(self) -> None:
        """Begins, in a task of its own."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Ends it, and tells no more."""
        self.telling.sink, self.begun = None, False
        if self._task is not None:
            await stopped(self._task)
        await self._close_used()
        await self.link.close()

    async def _run(self) -> None:
        while self.refused is None:
            pause_s = self._pause_s
            try:
                await self._begin()
                self.following = self._follow()
                await self.following.run()
            except _Refused as error:
                self._failed(str(error))
                pause_s = _REFUSED_PAUSE_S
                if self.begun:  # the key was locked for a while, or rotated
                    self._used.append(Link(self.link.exchange, self._known))
                    self.link.exchange = self._make()
                else:
                    self.refused = str(error)
                    self.decided.set()
            except Exception as error:  # ccxt's many kinds: it is begun anew
                pause_s = max(pause_s, self._rest.left_s)  # who goes on asking is banned for longer
                self._failed(str(error) if isinstance(error, Skewed) else why_of(error))
            finally:
                self.there.clear()
            await self._close_used()
            if self.refused is None:
                await asyncio.sleep(pause_s)
                self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def _failed(self, why: str) -> None:
        self.why = why
        if why != self._told:
            _log.error("the account cannot be followed: orders wait", broker=self._broker, why=why)
        self._told = why

    def _follow(self) -> Following:
        return Following(
            self.link,
            self.telling,
            self._settings.symbols,
            self._settings.poll_ms / 1000,
            self._streams,
            self._looked,
            self._opened,
        )

    async def _looked(self) -> None:
        self.account = await margin_of(self._settings, self.link)

    def _streams(self) -> Any:
        """An exchange object of its own each time: nothing of a stream that went wrong is left in it."""
        exchange, there = self._make(), self.link.exchange
        exchange.set_markets(list(there.markets.values()), there.currencies)
        self._used.append(Link(exchange, self._known))
        return exchange

    async def _close_used(self) -> None:
        """What is cut off here is done by the next call."""
        while self._used:
            await self._used[-1].close()
            self._used.pop()

    def _opened(self) -> None:
        if self._told is not None:
            _log.info("the account is followed again", broker=self._broker)
        self.why = self._told = None
        self._pause_s = _FIRST_PAUSE_S
        self.there.set()
        self.decided.set()

    def _missing(self) -> list[str]:
        there = self.link.there(self._settings.symbols)
        return [symbol for symbol in self._settings.symbols if symbol not in there]

    async def _begin(self) -> None:
        """Raises Skewed, _Refused, or ccxt's errors."""
        await self.link.exchange.load_markets()
        if self._missing():  # what was loaded once is not asked for again otherwise
            await self.link.exchange.load_markets(True)
        missing = self._missing()
        if missing and (not self.begun or len(missing) == len(self._settings.symbols)):
            raise Skewed(f"symbols: the exchange has no market {', '.join(missing)}")
        if missing:
            _log.error("markets are gone: the others are followed", broker=self._broker, symbols=missing)
        now = await self.link.time_ms()
        check_skew(self.link.skew_ms, self._settings)
        refusal = await login_refused(self.link, self._known)
        if refusal is not None:
            raise _Refused(shown_refusal(self._broker, self._settings, refusal))
        self.began_ms = self.began_ms or now
        self.begun = True


def check_skew(skew_ms: float, settings: CcxtSettings) -> None:
    """Raises Skewed where the exchange would take nothing that this machine signs."""
    if -_AHEAD_MS < skew_ms < settings.receive_window_ms:
        return
    way = "behind" if skew_ms > 0 else "ahead of"
    raise Skewed(
        f"this machine's clock is {abs(skew_ms) / 1000:.1f} s {way} the exchange's, which takes at most "
        f"{_AHEAD_MS / 1000:.0f} s ahead and {settings.window_s:g} s behind: set it right"
    )


async def login_refused(link: Link, known: Known) -> str | None:
    """What the exchange says where it does not know who we are. Raises ccxt's other errors."""
    evidence = Evidence()
    token = CALL.set(evidence)
    try:
        await link.exchange.fetch_balance()
    except Exception as error:
        local = evidence.status is None and "AuthenticationError" in names_of(error)  # a part is missing
        theirs = is_proof(error, evidence) and (
            evidence.code in known.login or "AuthenticationError" in names_of(error)
        )
        if local or theirs:
            return reason_of(error)
        raise
    finally:
        CALL.reset(token)
    return None


def shown_refusal(broker: str, settings: CcxtSettings, said: str) -> str:
    """For people: who was refused, what the exchange said, and what to do."""
    where = f"brokers.{broker}"
    return (
        f"{where}: {settings.exchange} refuses the login ({said}): check the key and the secret that {where} names, "
        f"that the key may {'trade futures' if settings.market == 'linear' else 'trade spot'}, and from which "
        f"addresses{', and that it is one of the sandbox' if settings.sandbox else ''}"
    )
