"""What Prometheus is told. Labels are kinds, states, routes: nothing that grows with ids.

Commits are counted by listening to the runner, once a batch; what can be asked for is asked for at the scrape.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ordergate.application import tallying
from ordergate.application.entry import Entry
from ordergate.application.health import BrokersHealth
from ordergate.application.reloading import Reloading
from ordergate.application.runner import Runner
from ordergate.domain.orders.events import BreakRaised, OrderEvent
from ordergate.domain.orders.states import TERMINAL, State

_Shard = tuple[str, ...]
"""The values of a shard's label; none where there are no shards."""
_COMMIT_S: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_REQUEST_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_BATCH: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)
MEDIA_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


class _Open(Collector):
    """Open orders by state, what waits, and how long the journals are."""

    def __init__(self, runners: Mapping[_Shard, Runner], labels: _Shard) -> None:
        self._runners, self._labels = runners, labels

    def collect(self) -> Iterable[Metric]:
        """Counts what is in memory: what is open, not what ever was."""
        orders = self._gauge("ordergate_orders_open", "Orders that have not ended.", "state")
        waiting = self._gauge("ordergate_inbox_depth", "Inputs that wait.")
        entries = self._gauge("ordergate_journal_entries", "Length of the journal.")
        for shard, runner in self._runners.items():
            states = Tally(order.state for order in runner.engine.state.orders.rows.values())
            for state in State:
                if state not in TERMINAL:
                    orders.add_metric([*shard, state], states[state])
            waiting.add_metric(shard, runner.waiting)
            entries.add_metric(shard, runner.engine.size)
        yield from (orders, waiting, entries)

    def _gauge(self, name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, meaning, labels=[*self._labels, *labels])


class _Brokers(Collector):
    """How the brokers are, as far as this node knows."""

    def __init__(self, shards: Mapping[_Shard, BrokersHealth], labels: _Shard) -> None:
        self._shards, self._labels = shards, labels

    def collect(self) -> Iterable[Metric]:
        """As it stands."""
        up = self._gauge("ordergate_broker_up", "1 where it may take orders.")
        latency = self._gauge("ordergate_broker_call_seconds", "Latency of its last calls.", "quantile")
        answered = self._gauge("ordergate_broker_answer_age_seconds", "Since it answered last.")
        reported = self._gauge("ordergate_broker_report_age_seconds", "Since it reported last.")
        clock = self._gauge(
            "ordergate_broker_clock_ahead_seconds", "Its clock against ours, where it is told."
        )
        for shard, brokers in self._shards.items():
            for name, health in brokers.of.items():
                labels, calls = [*shard, name], health.latency
                up.add_metric(labels, int(health.why_down is None))
                told = (
                    (latency, [*labels, "0.5"], calls.p50_s),
                    (latency, [*labels, "0.99"], calls.p99_s),
                    (answered, labels, health.answer_age_s),
                    (reported, labels, health.report_age_s),
                    (clock, labels, health.clock_ahead_s),
                )
                for family, these, value in told:
                    if value is not None:
                        family.add_metric(these, value)
        yield from (up, latency, answered, reported, clock)

    def _gauge(self, name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, meaning, labels=[*self._labels, "broker", *labels])


class _Beside(Collector):
    """What this process counts of what comes in beside REST."""

    def collect(self) -> Iterable[Metric]:
        """As it stands."""
        taken = CounterMetricFamily("ordergate_messages", "Messages taken in.", labels=["from", "outcome"])
        dead = CounterMetricFamily("ordergate_dead_letters", "Dead letters.", labels=["from", "code"])
        secrets = CounterMetricFamily("ordergate_secret_reads", "Reads of secrets.", labels=["by", "outcome"])
        hub = CounterMetricFamily(
            "ordergate_hub", "Talk with the hub of configuration.", labels=["what", "outcome"]
        )
        figures = (
            (taken, tallying.messages),
            (dead, tallying.dead_letters),
            (secrets, tallying.secret_reads),
            (hub, tallying.hub),
        )
        for family, tally in figures:
            for labels, count in tally.items():
                family.add_metric(labels, count)
        yield from (taken, dead, secrets, hub)


class _Configuration(Collector):
    """Whether what stands in the sources is in force."""

    def __init__(self, reloading: Reloading) -> None:
        self._reloading = reloading

    def collect(self) -> Iterable[Metric]:
        """As it stands."""
        meaning = "1 where the last look at the configuration could read all sources and refused nothing."
        sound = GaugeMetricFamily("ordergate_config_last_reload_successful", meaning)
        sound.add_metric((), 1 if self._reloading.is_sound else 0)
        looks = CounterMetricFamily(
            "ordergate_config_reloads", "Looks at the configuration.", labels=["source", "outcome"]
        )
        for labels, count in tallying.reloads.items():
            looks.add_metric(labels, count)
        yield from (sound, looks)


class Metrics:
    """The figures of one door. Where there are shards, what is of a journal has a label that names its shard.

    Args:
        runners, brokers: by shard; one without a name where there are no shards.

    Attributes:
        streams: event streams that are open.
    """

    def __init__(
        self,
        runners: Mapping[str, Runner],
        version: str,
        reloading: Reloading | None = None,
        brokers: Mapping[str, BrokersHealth] = MappingProxyType({}),
    ) -> None:
        self._labels: _Shard = ("shard",) if any(runners) else ()
        self.registry: Final = CollectorRegistry(auto_describe=False)
        shards: dict[_Shard, Runner] = {(n,) if n else (): runner for n, runner in runners.items()}
        self.registry.register(_Open(shards, self._labels))
        of_shards: dict[_Shard, BrokersHealth] = {(n,) if n else (): health for n, health in brokers.items()}
        self.registry.register(_Brokers(of_shards, self._labels))
        self.registry.register(_Beside())
        if reloading is not None:
            self.registry.register(_Configuration(reloading))
        Info("ordergate_build", "The program.", registry=self.registry).info({"version": version})
        self.streams: Final = Gauge("ordergate_event_streams", "Open event streams.", registry=self.registry)
        self._entries = self._counter("ordergate_entries", "Entries of the journal.", *self._labels, "kind")
        self._breaks = self._counter("ordergate_breaks", "What did not fit.", *self._labels, "kind")
        self._ended = self._counter(
            "ordergate_orders_ended", "Orders that have ended.", *self._labels, "state"
        )
        self._batches = self._histogram("ordergate_batch_entries", "Entries of a commit.", _BATCH)
        self._commits = self._histogram("ordergate_commit_seconds", "How long a commit takes.", _COMMIT_S)
        self._requests = self._counter("ordergate_http_requests", "Requests.", "route", "method", "status")
        self._latency = Histogram(
            "ordergate_http_request_seconds", "From request to answer.", ["route", "method"],
            buckets=_REQUEST_S, registry=self.registry,
        )  # fmt: skip
        self._calls = self._counter("ordergate_grpc_requests", "Calls.", "method", "code")
        self._call_latency = Histogram(
            "ordergate_grpc_request_seconds", "From call to answer; of a stream, until it began.", ["method"],
            buckets=_REQUEST_S, registry=self.registry,
        )  # fmt: skip
        self._seen: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        for shard, runner in shards.items():
            runner.listen(partial(self._committed, shard, runner))

    def _histogram(self, name: str, meaning: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, meaning, self._labels, buckets=buckets, registry=self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _committed(self, shard: _Shard, runner: Runner, entries: Sequence[Entry]) -> None:
        batches = self._batches.labels(*shard) if shard else self._batches
        commits = self._commits.labels(*shard) if shard else self._commits
        batches.observe(len(entries))
        commits.observe(runner.commit_took.total_seconds())
        for kind, count in Tally(type(entry.event) for entry in entries).items():
            self._entries.labels(*shard, kind.__name__).inc(count)
        for entry in entries:
            event = entry.event
            if isinstance(event, OrderEvent):
                if event.path and event.path[-1] in TERMINAL:
                    self._ended.labels(*shard, event.path[-1]).inc()
            elif isinstance(event, BreakRaised):
                self._breaks.labels(*shard, event.item.kind).inc()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts a request. `route` is a path with its parameters' names."""
        seen = self._seen.get((route, method, status))
        if seen is None:
            seen = self._requests.labels(route, method, status), self._latency.labels(route, method)
            self._seen[route, method, status] = seen
        seen[0].inc()
        seen[1].observe(seconds)

    def called(self, method: str, code: str, seconds: float) -> None:
        """Counts a call over gRPC. `code` is the name of a status, such as OK."""
        self._calls.labels(method, code).inc()
        self._call_latency.labels(method).observe(seconds)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)
