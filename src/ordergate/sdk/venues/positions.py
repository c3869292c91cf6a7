"""Positions that follow from execution deltas, compared with what there is.

What there is, is the ledger's; where the broker tells of its account, the ledger's with what the account has more or
less than all trades there explain. Positions begin as that, and are moved by deltas; a refresh begins anew.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from ordergate.bootstrap import Gate
from ordergate.domain.errors import Code, Invalid, OrdergateError
from ordergate.domain.money import ZERO, exact, text
from ordergate.sdk.line import Line
from ordergate.sdk.venues.deltas import ExecutionDelta, amounts_of, key_of
from ordergate.sdk.venues.looking import Amounts, Look, broker_of, look

EXECUTION_MANAGER: Final = "execution_manager"
POSITION_REFRESH: Final = "position_refresh"
TOLERANCE: Final = 0.01
_DEADLINE_S: Final = 45.0
"""A broker may take 30 s to say what is in its account."""


class Undeclared(OrdergateError, ValueError):
    """A position key that no subscription names."""


class PositionMonitor:
    """Positions by `venue:type:symbol`.

    Args:
        gate: a running gate on another thread's loop; None takes the process's own.
        fund_id: whose they are; None takes the fund of signals.
        subscriptions: the keys that may be moved; None is all.

    Raises:
        Invalid: a subscription is no position key.
        StoreError: what there is cannot be read.
    """

    def __init__(
        self,
        gate: Gate | None = None,
        *,
        fund_id: str | None = None,
        subscriptions: Iterable[str] | None = None,
    ) -> None:
        self._line, self._fund_id = Line(gate), fund_id
        self._declared: Collection[str] | None = None
        if subscriptions is not None:
            self._declared = {key_of(key, f"#/{at}") for at, key in enumerate(subscriptions)}
        self._moved: dict[str, Decimal] = {}
        self._real: dict[str, Decimal] = {}
        self._seen = self.look(None)

    def fund_of(self, gate: Gate) -> str:
        """The fund whose they are."""
        return self._fund_id or gate.config.signals.fund

    @property
    def simulated_positions(self) -> dict[str, float]:
        """Those that follow from what was there and the deltas since."""
        keys = self._seen.ledger.keys() | self._seen.off.keys() | self._moved.keys()
        return {key: float(self._simulated(key)) for key in sorted(keys)}

    @property
    def real_positions(self) -> dict[str, float]:
        """Those that were there when that was last looked at."""
        return {key: float(amount) for key, amount in sorted(self._real.items())}

    def get_current_positions(self) -> dict[str, float]:
        """The same as `simulated_positions`."""
        return self.simulated_positions

    def update_state(
        self,
        timestamp: datetime,
        trigger_source: str,
        execution_deltas: list[ExecutionDelta] | None = None,
    ) -> dict[str, float]:
        """Adds deltas (`execution_manager`), or takes over what there is (`position_refresh`).

        Raises:
            ValueError: there is no such trigger, or (Undeclared) a key that no subscription names; nothing is added.
            Invalid: an entry is none.
        """
        check_trigger(trigger_source)
        if trigger_source == POSITION_REFRESH:
            self.adopt(self.look(None))
            return self.simulated_positions
        moved = amounts_of(execution_deltas or ())
        self._check(moved)
        for key, amount in moved.items():
            self._moved[key] = self._moved.get(key, ZERO) + amount
        return self.simulated_positions

    def _check(self, keys: Iterable[str]) -> None:
        undeclared = [] if self._declared is None else sorted(set(keys) - set(self._declared))
        if undeclared:
            known = ", ".join(sorted(self._declared or ())) or "none"
            raise Undeclared(f"{', '.join(undeclared)}: not among the position subscriptions ({known})")

    def look(self, keys: Iterable[str] | None) -> Look:
        """What there is now; of the brokers of those keys, or of all, what they say."""

        async def work(gate: Gate) -> Look:
            return await look(gate, self.fund_of(gate), keys)

        seen = self._line.wait(work, _DEADLINE_S)
        self._real |= {key: seen.real(key) for key in seen.ledger.keys() | seen.off.keys()}
        return seen

    def meet(self, broker: str) -> None:
        """Looks at what is in the account of a broker, unless it has told that before; what is there, was there."""
        if broker not in self._seen.asked:
            self.adopt(self.look([f"{broker}:"]), ())

    def adopt(self, seen: Look, keys: Iterable[str] | None = None) -> None:
        """Takes over what there is: of those keys, or of all."""
        if keys is None:
            self._seen, self._moved = seen, {}
            return
        names, before = set(keys), self._seen
        self._moved = {key: amount for key, amount in self._moved.items() if key not in names}
        new = {key: amount for key, amount in seen.off.items() if broker_of(key) not in before.asked}
        self._seen = Look(
            {**before.ledger, **{key: seen.ledger.get(key, ZERO) for key in names}},
            {**before.off, **new, **{key: seen.off.get(key, ZERO) for key in names}},
            before.asked | seen.asked,
        )

    def mismatches(
        self, seen: Look, keys: Iterable[str], booked: Amounts | None, tolerance: Decimal
    ) -> list[dict[str, Any]]:
        """Where positions differ from what there is by more than the tolerance.

        Args:
            booked: what the ledger has of the executions that the deltas are of. What else the ledger has moved by
                since is somebody else's doing, and counts. None: nothing is known of that.
        """
        base, found = self._seen, []
        asked = base.asked & seen.asked
        for key in sorted(keys):
            held = seen.ledger.get(key, ZERO)
            simulated = base.ledger.get(key, ZERO) + self._moved.get(key, ZERO)
            if booked is not None:
                simulated += held - base.ledger.get(key, ZERO) - booked.get(key, ZERO)
            real, apart = held, [simulated]
            if broker_of(key) in asked:
                # What was off before may be off still, or have come right meanwhile.
                real, apart = seen.real(key), [simulated + base.off.get(key, ZERO), simulated]
            nearest = min(apart, key=lambda amount: abs(amount - real))
            if abs(nearest - real) > tolerance:
                found.append(
                    {
                        "asset": key,
                        "simulated": float(nearest),
                        "real": float(real),
                        "difference": float(abs(nearest - real)),
                        "tolerance": float(tolerance),
                    }
                )
        return found

    def _simulated(self, key: str) -> Decimal:
        return self._seen.real(key) + self._moved.get(key, ZERO)


def check_trigger(trigger_source: str) -> None:
    """Raises ValueError unless there is such a trigger."""
    if trigger_source not in (EXECUTION_MANAGER, POSITION_REFRESH):
        known = f"{EXECUTION_MANAGER}, {POSITION_REFRESH}"
        raise ValueError(f"trigger_source: {trigger_source!r} is none of {known}")


class PositionUpdateHandler:
    """Applies deltas to positions, and compares them with what there is.

    Args:
        position_monitor: None makes one.
        gate, fund_id, subscriptions: of the one that is made.
        tolerance: how far a position may be from what there is, in its own unit.

    Raises:
        Invalid: the tolerance is no number, or below zero.
    """

    def __init__(
        self,
        position_monitor: PositionMonitor | None = None,
        *,
        gate: Gate | None = None,
        fund_id: str | None = None,
        subscriptions: Iterable[str] | None = None,
        tolerance: float | Decimal = TOLERANCE,
    ) -> None:
        self.position_monitor = position_monitor or PositionMonitor(
            gate, fund_id=fund_id, subscriptions=subscriptions
        )
        self._tolerance = exact(tolerance, "#/tolerance")
        if self._tolerance < 0:
            raise Invalid(Code.BAD_VALUE, f"{text(self._tolerance)} must not be below zero", "#/tolerance")
        self._keys: frozenset[str] = frozenset()
        self._booked: Amounts | None = None

    def expect(self, execution_deltas: Iterable[Mapping[str, Any]], booked: Amounts | None) -> None:
        """Says what the next deltas are, and what the ledger has of their executions.

        Raises:
            Invalid: an entry is none.
        """
        self._keys, self._booked = frozenset(amounts_of(execution_deltas)), booked

    def update_state(
        self,
        timestamp: datetime,
        trigger_source: str,
        execution_deltas: list[ExecutionDelta] | None = None,
    ) -> dict[str, Any]:
        """Applies deltas once, and compares; or (`position_refresh`) takes over what there is.

        Returns:
            `success`, `type`, the `mismatches`, and the `positions`.

        Raises:
            ValueError: see `PositionMonitor.update_state`.
        """
        check_trigger(trigger_source)
        if trigger_source == POSITION_REFRESH:
            positions = self.position_monitor.update_state(timestamp, trigger_source)
            return {"success": True, "type": "refresh", "mismatches": [], "positions": positions}
        deltas = execution_deltas or []
        if self._keys != (keys := frozenset(amounts_of(deltas))):
            self._keys, self._booked = keys, None
        self.position_monitor.update_state(timestamp, trigger_source, deltas)
        return self.reconcile()

    def reconcile(self) -> dict[str, Any]:
        """Compares the positions that the last deltas have moved, and nothing else; what agrees is taken over."""
        monitor = self.position_monitor
        undone = (
            self._booked or {}
        ).keys() & monitor.simulated_positions.keys()  # bought before, sold again now
        keys = self._keys | undone
        seen = monitor.look(keys)
        found = monitor.mismatches(seen, self._keys, self._booked, self._tolerance)
        if not found:
            monitor.adopt(seen, keys)
            self._booked = None
        return {
            "success": not found,
            "type": "mismatch" if found else "match",
            "mismatches": found,
            "positions": monitor.get_current_positions(),
        }
