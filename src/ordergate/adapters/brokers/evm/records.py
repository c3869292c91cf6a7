"""What the ledger keeps of an order: its steps, each on one nonce, and everything that was ever signed for them."""

from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from ordergate.adapters.brokers.evm.calls import Call
from ordergate.application.ports.brokers import Send
from ordergate.domain.identifiers import order_id_of

OLD_COPY: Final = "the ledger may be an old copy: look at the chain whether it was done"
"""Of an order that is held, and is in no block that is known of."""


class StepKind(StrEnum):
    """What a step of an order is for."""

    APPROVE = "approve"
    ACT = "act"
    CLAIM = "claim"


class Signed(Struct, kw_only=True):
    """One transaction as it was signed.

    Attributes:
        replaces: it does nothing but take the nonce: it is a cancel.
        max_fee, priority: wei a unit of gas.
        signed_at, sent_at: seconds since 1970; the last time that it was sent.
    """

    hash: str
    raw: str
    max_fee: int
    priority: int
    gas: int
    signed_at: float
    replaces: bool = False
    sent_at: float = 0.0


class Mined(Struct, kw_only=True):
    """Where a transaction is.

    Attributes:
        ok: whether it did what it was to do; one that did not has cost its gas all the same.
        exec_id: under which it was told.
    """

    hash: str
    block_hash: str
    block: int
    ok: bool
    exec_id: str
    replaces: bool


class Step(Struct, kw_only=True):
    """One transaction of an order, on a nonce of its own.

    Attributes:
        signed: all that was signed for it, the latest last; any of them may be the one that counts.
        mined: None until it is in a block, and again after a reorganisation.
        final: it is under enough blocks; where `mined` is None, somebody else's transaction on its nonce is.
        busts: executions of it that were taken back.
        pair: of an allowance, whose it is.
    """

    kind: StepKind
    to: str
    value: int
    data: str
    nonce: int
    signed: list[Signed] = field(default_factory=list)
    mined: Mined | None = None
    final: bool = False
    busts: int = 0
    pair: str | None = None

    @property
    def call(self) -> Call:
        """What it calls."""
        return Call(self.to, self.value, bytes.fromhex(self.data))

    @property
    def done(self) -> bool:
        """Whether it has done what it was to do, as far as is known now."""
        return self.mined is not None and self.mined.ok and not self.mined.replaces

    @property
    def worst_cost(self) -> int:
        """The most of the native money that it can still take."""
        return (
            0
            if self.mined is not None or self.final
            else self.value + max((s.gas * s.max_fee for s in self.signed), default=0)
        )


class Life(StrEnum):
    """Of an order here.

    QUEUED: nothing was signed. OPEN: something was, and is not final. ENDED: nothing more happens. ABSENT: it provably
    never happened (nothing was signed, every node refused it, or its nonce went to somebody else's transaction), and
    nobody was told that it was taken.
    """

    QUEUED = "queued"
    OPEN = "open"
    ENDED = "ended"
    ABSENT = "absent"


class Intent(Struct, kw_only=True):
    """An order.

    Attributes:
        until: seconds since 1970, after which it must not be done any more.
        taken: somebody was told that it is here; named: and what the chain knows it by.
        cancel: client id of a cancel that is under way; `expires`: its time is over, so it is being replaced.
        pairs: tokens and who may draw on them, that it needs an allowance for.
        held: it comes from a ledger that may be an old copy: nothing more is done for it but what is signed already, or
            a cancel.
        request: the number of a request in a queue of withdrawals, once that is known.
        why: of its end.
    """

    client_id: str
    send: Send
    life: Life = Life.QUEUED
    steps: list[Step] = field(default_factory=list)
    until: int | None = None
    pairs: list[str] = field(default_factory=list)
    taken: bool = False
    named: bool = False
    cancel: str | None = None
    expires: bool = False
    held: bool = False
    request: int | None = None
    why: str | None = None

    @property
    def name(self) -> str:
        """The order's id."""
        return order_id_of(self.client_id)

    @property
    def nonce(self) -> int | None:
        """Its first."""
        return self.steps[0].nonce if self.steps else None

    @property
    def last(self) -> Step | None:
        """The step that was begun last."""
        return self.steps[-1] if self.steps else None

    def step(self, kind: StepKind) -> Step | None:
        """The step of that kind."""
        return next((step for step in self.steps if step.kind is kind), None)

    @property
    def acted(self) -> bool:
        """Whether what was asked for is in a block."""
        act = self.step(StepKind.ACT)
        return act is not None and act.mined is not None

    @property
    def waits(self) -> bool:
        """Whether a transaction of it is not in a block yet."""
        return any(step.mined is None and not step.final for step in self.steps)

    @property
    def nowhere(self) -> bool:
        """Whether provably nothing of it is on its way, and nobody was told that it was taken."""
        return self.life is Life.ABSENT or (self.life is Life.QUEUED and not self.taken)
