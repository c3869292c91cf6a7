"""Reloading: the sources are read, what they say is checked whole, compared, and taken over by every gate, or by none.

Whatever fails leaves what is in force, is said, and is tried again with the next news or look. What needs a restart
waits for it, and is shown until then; the rest of the same configuration is taken over all the same.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog
from msgspec.structs import replace

from ordergate.adapters.config.kept import keep
from ordergate.adapters.files import FilesError
from ordergate.application import tallying
from ordergate.application.decide.configuring import withheld
from ordergate.application.entry import Origin
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.configuration import ConfigSource, Snapshot, SourceError
from ordergate.application.reloading import Outcome, PendingKey, Reload, Standing
from ordergate.application.stopping import stopped
from ordergate.bootstrap.alerts import place_in
from ordergate.bootstrap.gate import Gate
from ordergate.bootstrap.shards import Shards
from ordergate.bootstrap.sources import Begun
from ordergate.bootstrap.taking_over import Takeover, changed_limits
from ordergate.config import Config
from ordergate.config.changing import Change, Path, compare, told_openly
from ordergate.config.errors import ConfigError
from ordergate.config.plans import WITH_NEXT_SESSION, Plan, plan
from ordergate.config.sources import whole
from ordergate.domain.configuration import KeyClass
from ordergate.domain.errors import OrdergateError, OutcomeUnknown, Refused, StoreError

_ANSWER_S: Final = 30.0
_PAUSE_S: Final = 0.05
"""Between news and a look: news seldom comes alone."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_ORIGIN: Final = Origin(source="configuration", principal="configuration")
_log = structlog.get_logger("ordergate.config")


class Reloader:
    """Of a running service.

    Args:
        start: what the gates were opened with.
        shard: the one that was opened alone, if so.
    """

    def __init__(
        self,
        opened: Gate | Shards,
        start: Begun,
        shard: str | None = None,
    ) -> None:
        self._opened, self._standing, self._sources, self._place = (
            opened,
            start.config,
            start.sources,
            start.place,
        )
        self._shard = shard or ""
        self._clock: Clock = opened.clock
        self._accepted = {name: snapshot for name, (snapshot, _) in start.states.items()}
        self._states = {name: state for name, (_, state) in start.states.items()}
        self._waiting: tuple[tuple[Change, str], ...] = ()
        self._next_session: list[tuple[Change, Gate, int]] = []
        self._last: Reload | None = None
        self._turn, self._news = asyncio.Lock(), asyncio.Event()
        self._wrong: dict[str, str] = {}

    def trigger(self) -> None:
        """There may be something new."""
        self._news.set()

    @property
    def standing(self) -> Standing:
        """See `application.reloading.Reloading`."""
        waiting = [*self._waiting, *((change, WITH_NEXT_SESSION) for change, _, _ in self._not_yet_opened())]
        return Standing(
            in_force=told_openly(self._standing),
            sources=tuple(self._states.values()),
            pending=tuple(PendingKey(change=change.told(), reason=reason) for change, reason in waiting),
            last=self._last,
        )

    @property
    def is_sound(self) -> bool:
        """See `application.reloading.Reloading`."""
        went_wrong = self._last is not None and self._last.outcome in (Outcome.REFUSED, Outcome.FAILED)
        return not went_wrong and all(state.error is None for state in self._states.values())

    def _not_yet_opened(self) -> list[tuple[Change, Gate, int]]:
        self._next_session = [one for one in self._next_session if _epoch(one[1], one[0].path[1]) == one[2]]
        return self._next_session

    async def reload(self, origin: Origin = _ORIGIN) -> Reload:
        """See `application.reloading.Reloading`."""
        async with self._turn:
            self._wrong = {}
            said = await self._ask()
            try:
                done = await self._take_over(said, origin)
            except OrdergateError as error:
                failed = isinstance(error, StoreError | OutcomeUnknown)
                done = Reload(
                    at=self._clock.now(),
                    outcome=Outcome.FAILED if failed else Outcome.REFUSED,
                    reason=_why(error),
                )
            self._note(said, done)
            return done

    async def _ask(self) -> dict[str, Snapshot]:
        """What each source says; of one that cannot be asked, what is in force of it."""
        asked = await asyncio.gather(*(self._fetch(source) for source in self._sources))
        return {
            source.name: self._accepted[source.name] if found is None else found
            for source, found in zip(self._sources, asked, strict=True)
        }

    async def _fetch(self, source: ConfigSource) -> Snapshot | None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                found = await source.fetch()
        except (SourceError, TimeoutError) as error:
            why = str(error) or f"did not answer within {_ANSWER_S:.0f} s"
            self._failed(source.name, why, "unreachable")
            return None
        state = self._states[source.name]
        self._states[source.name] = replace(state, read_at=self._clock.now(), kept=False)
        return found

    def _failed(self, source: str, why: str, outcome: str, *, aloud: bool = True) -> None:
        tallying.reloads[source, outcome] += 1
        if aloud and self._states[source].error != why:
            _log.warning("a source of the configuration changes nothing", source=source, why=why)
        self._wrong[source] = why

    async def _take_over(self, said: Mapping[str, Snapshot], origin: Origin) -> Reload:
        chosen, new = self._chosen(said)
        where = " with ".join(chosen)
        planned = plan(self._standing, new, self._withheld(new), where)
        news = [name for name in chosen if chosen[name] != self._accepted[name]]
        takeovers = self._takeovers(planned, chosen, news or list(chosen))
        for takeover in takeovers:
            await takeover.prepare(origin)
        for takeover in takeovers:
            await takeover.execute(origin)
        for gate in self._opened.shards.values():
            await gate.alerts.follow()
        self._let_go(planned.config)
        self._standing, self._waiting = planned.config, planned.waiting
        if isinstance(self._opened, Shards):
            self._opened.config = planned.config
        self._accepted = dict(chosen)
        self._await_sessions(planned)
        for name in news:
            self._states[name] = replace(self._states[name], revision=chosen[name].revision)
        await self._keep(news)
        return Reload(
            at=self._clock.now(),
            outcome=Outcome.APPLIED if planned.taken else Outcome.UNCHANGED,
            changed=tuple(change.told() for change in planned.taken),
        )

    def _let_go(self, config: Config) -> None:
        """Of the secret that signs alerts no more: nobody need have it any longer."""
        place = place_in(self._standing.alerts)
        if place is not None and place != place_in(config.alerts):
            for gate in self._opened.shards.values():
                gate.secrets.let_go(place)

    def _chosen(self, said: Mapping[str, Snapshot]) -> tuple[Mapping[str, Snapshot], Config]:
        """What all sources say; where that cannot be, of each alone what can, beside what is in force."""
        try:
            return said, whole(said)
        except ConfigError as error:
            wrong = error
        chosen, config, spoiled = dict(self._accepted), None, dict[str, str]()
        for name in [name for name in said if said[name] != self._accepted[name]]:
            candidate = {**chosen, name: said[name]}
            try:
                config = whole(candidate)
                chosen = candidate
            except ConfigError as error:
                spoiled[name] = str(error)
        for name, why in spoiled.items():
            self._failed(name, why, "refused", aloud=config is not None)
        if config is None:
            raise wrong
        return chosen, config

    def _withheld(self, new: Config) -> "partial[str | None]":
        """See `plans.Withheld`."""
        reasons: dict[Path, str] = {}
        for name, gate in self._opened.shards.items():
            state, now = gate.runner.engine.state, self._clock.now()
            for stated in changed_limits(gate.config, self._own(new, name)):
                reason = withheld(state, stated, now)
                if reason is not None:
                    reasons[_table_of(stated.level, stated.name, name or self._shard)] = reason
        return partial(_reason_in, reasons)

    def _takeovers(
        self, planned: Plan, chosen: Mapping[str, Snapshot], news: Sequence[str]
    ) -> list[Takeover]:
        told = "+".join(news), " ".join(f"{name}:{chosen[name].revision}" for name in news)
        every = [*planned.taken, *(change for change, _ in planned.waiting)]
        guarded = [one for change in every if (one := change.guarded()) is not None]
        found = []
        for name, gate in self._opened.shards.items():
            own = self._own(planned.config, name)
            changes = compare(gate.config, own)
            if changes or guarded:
                found.append(Takeover(gate, own, changes, guarded, told))
        return found

    def _own(self, config: Config, name: str) -> Config:
        """What a gate has of the whole configuration."""
        shard = name or self._shard
        return config.shard(shard) if shard else config

    def _await_sessions(self, planned: Plan) -> None:
        for change in planned.taken:
            if change.key_class is KeyClass.NEXT_SESSION:
                broker = change.path[1]
                gate = next(gate for gate in self._opened.shards.values() if broker in gate.brokers)
                others = [one for one in self._next_session if one[0].path != change.path]
                self._next_session = [*others, (change, gate, _epoch(gate, broker))]

    async def _keep(self, names: Sequence[str]) -> None:
        for name in names:
            if self._place is None or name == "file":
                continue
            try:
                await asyncio.to_thread(keep, self._place, name, self._accepted[name], self._clock.now())
            except FilesError as error:
                _log.warning("what a source says is not kept for the next start", source=name, why=str(error))

    def _note(self, said: Mapping[str, Snapshot], done: Reload) -> None:
        went_wrong = done.outcome in (Outcome.REFUSED, Outcome.FAILED)
        before = None if self._last is None else self._last.reason
        if went_wrong and done.reason != before:
            _log.warning("the configuration stays as it was", outcome=done.outcome, why=done.reason)
        if done.outcome is Outcome.APPLIED:
            _log.info("the configuration has changed", keys=[change.key for change in done.changed])
        for name in said:
            self._states[name] = replace(self._states[name], error=self._wrong.get(name))
            if name not in self._wrong:
                tallying.reloads[name, done.outcome] += 1
        if went_wrong or done.outcome is Outcome.APPLIED or not self.is_sound:
            self._last = done

    async def run(self, check_s: float) -> None:
        """Reloads whenever a source tells of news, and every so often; until it is canceled."""
        await self._keep([name for name, state in self._states.items() if not state.kept])
        watching = [asyncio.ensure_future(self._watch(source)) for source in self._sources]
        try:
            while True:
                try:
                    async with asyncio.timeout(check_s):
                        await self._news.wait()
                    await self._clock.sleep(_PAUSE_S)
                except TimeoutError:
                    pass
                self._news.clear()
                try:
                    await self.reload()
                except Exception:  # a mistake of ours ends no service that trades
                    _log.exception("the configuration could not be looked at")
        finally:
            await stopped(*watching)

    async def _watch(self, source: ConfigSource) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await source.watch(self.trigger)
            except Exception as error:  # whatever it is: the look every so often goes on
                _log.warning(
                    "a source of the configuration is not watched", source=source.name, why=str(error)
                )
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)


@asynccontextmanager
async def running(reloader: Reloader, check_s: float) -> AsyncIterator[None]:
    """Meanwhile the sources are watched."""
    task = asyncio.ensure_future(reloader.run(check_s))
    try:
        yield
    finally:
        await stopped(task)


def _why(error: OrdergateError) -> str:
    if isinstance(error, Refused) and error.pointer is not None:
        key = error.pointer.removeprefix("#/").replace("/", ".")
        return f"{key}: {error.detail}"
    return str(error)


def _epoch(gate: Gate, broker: str) -> int:
    session = gate.runner.engine.state.sessions.get(broker)
    return 0 if session is None else session.epoch


def _table_of(level: str, name: str, shard: str) -> Path:
    if level == "firm":
        return ("shards", shard, "limits") if shard else ("limits", "firm")
    return "limits", "strategies" if level == "strategy" else f"{level}s", name


def _reason_in(reasons: Mapping[Path, str], table: Path) -> str | None:
    return reasons.get(table)
