"""One gate takes another configuration over: prepared, journalled, and put in force between two batches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.adapters.brokers.sync import look_as_often_as
from ordergate.adapters.gates import Connected
from ordergate.application.entry import Origin
from ordergate.bootstrap.alerts import target_of
from ordergate.bootstrap.configuring import check_limited
from ordergate.bootstrap.in_force import seen
from ordergate.config import Config
from ordergate.config import PaperBroker as PaperSection
from ordergate.config.changing import Change, digest_of
from ordergate.config.reconciliation import account_terms_of
from ordergate.domain.configuration import ChangeConfiguration, Guarded
from ordergate.domain.risk.limits import ConfiguredLimits

if TYPE_CHECKING:
    from ordergate.adapters.outlets import Target
    from ordergate.bootstrap.gate import Gate

T = TypeVar("T")


class Takeover:
    """Of one gate, which has another configuration from `execute` on.

    Args:
        changes: between what it has and `config`; those that need a restart are left out of both.
        guarded: keys that must not change under open orders, also where they count later.
        news: the source, and its revision.
    """

    def __init__(
        self,
        gate: "Gate",
        config: Config,
        changes: Sequence[Change],
        guarded: Sequence[Guarded],
        news: tuple[str, str],
    ) -> None:
        self._gate, self._config, self._changes = gate, config, changes
        self._target: Target | None = None
        self._moves_alerts = config.alerts != gate.config.alerts
        symbols = [change.path[1] for change in changes if change.path[0] == "instruments"]
        found = (config.catalogue(symbol) for symbol in dict.fromkeys(symbols))
        self._command = ChangeConfiguration(
            source=news[0],
            revision=news[1],
            digest=digest_of(config),
            changes=tuple(change.told() for change in changes),
            funds=_new(gate.config.fund_values(), config.fund_values()),
            instruments=tuple(instrument for instrument in found if instrument is not None),
            limits=changed_limits(gate.config, config),
            guarded=tuple(guarded),
        )

    async def prepare(self, origin: Origin) -> None:
        """Sees that it can be done; changes nothing.

        Raises:
            ConfigError: a new fund has no limits.
            SecretError: alerts have no secret.
            Refused: the journal would not take it.
            StoreError: the store cannot be used.
        """
        state = self._gate.runner.engine.state
        check_limited(self._config.fund_values(), self._config.limit_values(), state)
        await self._gate.runner.preview(self._command, origin)
        if self._moves_alerts:
            self._target = await target_of(self._config.alerts, self._gate.secrets)

    async def execute(self, origin: Origin) -> None:
        """Does it. Raises as `prepare`; then everything is as before."""
        if self._changes:
            await self._gate.runner.execute(self._command, origin, then=self._put_in_force)

    def _put_in_force(self) -> None:
        """At once, before anything else is stepped; it must not fail."""
        gate, config, view = self._gate, self._config, self._gate.runner.engine.view
        before, gate.in_force.config = gate.config, config
        view.configuration = self._command.digest
        for name, value in seen(config).items():
            setattr(
                view, name, view.gates | value if name == "gates" else value
            )  # which may be an embedder's too
        if self._moves_alerts:
            gate.alerts.turn(self._target)
        _tell_the_others(gate, before, config)


def _tell_the_others(gate: "Gate", before: Config, config: Config) -> None:
    """Those who do not ask by themselves what is in force."""
    if before.triggers != config.triggers:
        gate.guard.look_for(config.triggers)
    if (before.workers, before.funds) != (config.workers, config.funds):
        gate.workers.look_again()
    if before.reconciliation != config.reconciliation:
        for session in gate.sessions:
            session.compare_so(account_terms_of(config.reconciliation, session.broker))
    for name, section in config.gates.items():
        asked = gate.external_gates.get(name)
        if isinstance(asked, Connected):
            asked.timeout_s = section.timeout_s
    _tell_brokers(gate, config)


def _tell_brokers(gate: "Gate", config: Config) -> None:
    for name, broker in gate.brokers.items():
        settings = config.brokers.get(name)
        if isinstance(broker, PaperBroker) and isinstance(settings, PaperSection):
            broker.settings = settings
        look_as_often_as(broker, config.fills.look_every_ms)


def changed_limits(before: Config, after: Config) -> tuple[ConfiguredLimits, ...]:
    """Of the scopes whose limits are stated otherwise."""
    return _new(before.limit_values(), after.limit_values())


def _new(before: tuple[T, ...], after: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(one for one in after if one not in before)
