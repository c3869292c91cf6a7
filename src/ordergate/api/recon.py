"""Reconciliation as doors see it: comparisons of accounts on demand, and breaks with who works on them."""

from decimal import Decimal
from typing import Any, Final

from ordergate.api.gate import Gate, Shard
from ordergate.application.comparison import Comparison, Found
from ordergate.application.entry import Origin
from ordergate.application.ports.journal import RowReader
from ordergate.application.queries import Shown, show, shown_value
from ordergate.domain.breaks import Break
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound, quoted
from ordergate.domain.identifiers import parse_name
from ordergate.domain.money import parse_positive
from ordergate.domain.orders.commands import check_fields
from ordergate.domain.recon.commands import AdjustBreak, AssignBreak, ResolveBreak
from ordergate.domain.risk.parsing import parse_why

_RESOLVE: Final = ("reason", "adjust", "fund_id", "price")


def show_break(item: Break) -> Shown:
    """A break as programs are shown it."""
    return show(item)


async def breaks(reader: RowReader, *, every: bool, broker: str | None = None) -> list[Shown]:
    """Those that nobody has resolved, or every one, oldest first.

    Raises:
        NotFound: there never was a session at a broker of that name, nor a break.
    """
    where: dict[str, Any] = {} if every else {"resolved_at": None}
    if broker is not None:
        where["broker"] = broker
    rows = await reader.select("breaks", where)
    if broker is not None and not rows and not await _is_known(reader, broker):
        raise NotFound(Code.UNKNOWN_BROKER, f"{quoted(broker)} is no broker", "#/broker")
    return [show_break(row) for row in sorted(rows, key=lambda row: (row.raised_at, row.break_id))]


async def _is_known(reader: RowReader, broker: str) -> bool:
    named = {"broker": broker}
    return bool(await reader.select("sessions", named) or await reader.select("breaks", named))


async def break_of(reader: RowReader, break_id: str) -> Break:
    """One break.

    Raises:
        NotFound: there is none of that name.
    """
    rows = await reader.get("breaks", [(break_id,)])
    if not rows:
        raise NotFound(Code.BREAK_NOT_FOUND, f"there is no break {quoted(break_id)}", "#/break_id")
    item: Break = rows[0]
    return item


async def compare(gate: Gate, broker: str | None) -> list[Shown]:
    """Compares the account at a broker, or at each that tells of it and whose session is here.

    Of one that is known to be down nothing was compared, which is said.

    Raises:
        NotFound: there is no broker of that name.
        Conflict: it cannot be compared here.
    """
    told = {name: shard for shard in gate.shards.values() for name in shard.compared_brokers}
    if broker is not None:
        return [await _compare(gate, broker)]
    found = []
    for name, shard in told.items():
        try:
            found.append(await _shown(shard, await shard.compare(name)))
        except Conflict as refused:
            why = shard.health.of[name].why_down
            if refused.code is Code.NOT_COMPARED and why is not None:
                done = Comparison(broker=name, at=gate.clock.now(), found=Found.NOT_COMPARED, why=why)
                found.append(await _shown(shard, done))
            elif refused.code is not Code.NOT_COMPARED or len(told) == 1:  # else another node has its session
                raise
    return found


async def _compare(gate: Gate, broker: str) -> Shown:
    missing: NotFound | None = None
    for shard in gate.shards.values():
        try:
            return await _shown(shard, await shard.compare(broker))
        except NotFound as error:
            missing = missing or error
    raise missing or NotFound(Code.UNKNOWN_BROKER, f"{quoted(broker)} is no broker", "#/broker")


async def _shown(shard: Shard, done: Comparison) -> Shown:
    """A comparison as programs are shown it, with all that is open at the broker: of some, memory knows nothing."""
    return {
        "broker": done.broker,
        "at": shown_value(done.at),
        "found": str(done.found),
        "under_way": done.under_way,
        "explained": done.explained,
        "halted": done.halted,
        "why": done.why,
        "breaks": await breaks(shard.journal, every=False, broker=done.broker),
    }


def parse_assign(break_id: str, body: object) -> AssignBreak:
    """Who shall look into it, as JSON has it.

    Raises:
        Invalid: what is wrong with it.
    """
    owner = check_fields(body, ("owner",)).get("owner")
    if owner is None:
        raise Invalid(Code.MISSING, "is missing: who looks into it?", "#/owner")
    return AssignBreak(break_id=break_id, owner=parse_name(owner, "#/owner"))


def parse_resolve(break_id: str, body: object) -> ResolveBreak | AdjustBreak:
    """How it ends, as JSON has it.

    Raises:
        Invalid: what is wrong with it.
    """
    fields = check_fields(body, _RESOLVE)
    why, adjusts = parse_why(fields, _RESOLVE), fields.get("adjust")
    if adjusts not in (None, True, False):
        raise Invalid(Code.WRONG_TYPE, f"{quoted(adjusts)} is neither true nor false", "#/adjust")
    fund_id, price = fields.get("fund_id"), fields.get("price")
    if not adjusts:
        for name in ("fund_id", "price"):
            if fields.get(name) is not None:
                raise Invalid(Code.BAD_VALUE, "is only for an adjustment: say adjust, too", f"#/{name}")
        return ResolveBreak(break_id=break_id, why=why)
    at: Decimal | None = None if price is None else parse_positive(price, "#/price")
    named = None if fund_id is None else parse_name(fund_id, "#/fund_id")
    return AdjustBreak(break_id=break_id, why=why, fund_id=named, price=at)


async def work_on(shard: Shard, command: AssignBreak | ResolveBreak | AdjustBreak, origin: Origin) -> Shown:
    """Assigns or resolves it.

    Raises:
        NotFound, Conflict, Invalid: see the commands.
    """
    item: Break = await shard.runner.execute(command, origin)
    return show_break(item)
