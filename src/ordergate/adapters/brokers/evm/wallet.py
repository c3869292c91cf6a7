"""The wallet: what it takes to get one step of an order signed, kept and sent. One at a time signs.

Reserve a nonce, price the gas, try the call, sign, keep, send. Whatever goes wrong before bytes are kept is a refusal,
or no answer, and nothing has left; after that it is the chain's to say.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct, field

from ordergate.adapters.brokers.evm.assets import UNISWAP, Asset, Assets
from ordergate.adapters.brokers.evm.bundle import bundle_of
from ordergate.adapters.brokers.evm.calls import Call, amount, call, denied
from ordergate.adapters.brokers.evm.chain import Chain
from ordergate.adapters.brokers.evm.gas import Fee, bumped, fee_of
from ordergate.adapters.brokers.evm.ledger import Ledger
from ordergate.adapters.brokers.evm.libraries import LocalAccount
from ordergate.adapters.brokers.evm.operations import Job, Lost, Need, Refused, act, job_of, need_of, swap
from ordergate.adapters.brokers.evm.records import OLD_COPY, Intent, Life, Step, StepKind
from ordergate.adapters.brokers.evm.reverts import DENIED, reason_of
from ordergate.adapters.brokers.evm.rpc import RpcError, Said
from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.adapters.brokers.evm.signing import sign
from ordergate.application.ports.clock import Clock
from ordergate.domain.errors import StoreError
from ordergate.domain.operations import Operation
from ordergate.domain.orders.reports import AnyReport

_BPS: Final = 10_000
_PLAIN_GAS: Final = 21_000
_STATUS: Final = "(uint256,uint256,address,uint256,bool,bool)[]"
_encode: Final = msgspec.json.encode
_log = structlog.get_logger("ordergate.brokers.evm")


class Wallet(Struct):
    """What signs for one wallet; made for one session.

    Attributes:
        premium_bps: of the pool's flash loans.
        open: the orders that are queued or open, by client id; all changes of them go through here.
        kept: the same as they are on disk.
    """

    name: str
    settings: EvmSettings
    ledger: Ledger
    chain: Chain
    assets: Assets
    account: LocalAccount
    clock: Clock
    premium_bps: int = 0
    open: dict[str, Intent] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.clock.now().timestamp()

    def title(self, intent: Intent) -> str | None:
        """What the chain knows an order by: chain, wallet and its first nonce."""
        if intent.nonce is None:
            return None
        return f"{self.settings.chain_id}:{self.settings.address.lower()}:{intent.nonce}"

    def keep(self, intent: Intent, *reports: AnyReport) -> tuple[AnyReport, ...]:
        """On disk as it is now, with what is to be told of it.

        Raises:
            StoreError: it cannot be written; it is as it was kept last, and what is missing is found again.
        """
        try:
            told = self.ledger.save(intent, *reports)
        except StoreError:
            self.restore(intent.client_id)
            raise
        self.take_up(intent)
        return told

    def take_up(self, intent: Intent) -> None:
        """An order that is on disk like that."""
        if intent.life in (Life.QUEUED, Life.OPEN):
            self.open[intent.client_id], self.kept[intent.client_id] = intent, _encode(intent)
        else:
            self.open.pop(intent.client_id, None)
            self.kept.pop(intent.client_id, None)

    def restore(self, client_id: str) -> None:
        """An order as it was kept last: what is not on disk has not happened."""
        kept = self.kept.get(client_id)
        if kept is None:
            self.open.pop(client_id, None)
        else:
            self.open[client_id] = msgspec.json.decode(kept, type=Intent)

    def needs(self, intent: Intent) -> tuple[Need, ...]:
        """The allowances that an order needs. Raises Refused where it cannot be done here."""
        if intent.send.operation is Operation.BUNDLE:
            return self._bundle(intent)[0]
        need = need_of(self._job(intent), self.settings)
        return () if need is None else (need,)

    def _bundle(self, intent: Intent) -> tuple[tuple[Need, ...], Call]:
        terms = intent.send.terms
        legs = () if terms is None else terms.legs
        wallet, until = self.settings.address, self._until(intent)
        bundle = bundle_of(legs, self.settings, self.assets, wallet, until, self.premium_bps)
        return bundle.needs, bundle.call

    def _job(self, intent: Intent) -> Job:
        return job_of(intent.send, self.settings, self.assets)

    def _until(self, intent: Intent) -> int:
        return intent.until or int(self.now) + self.settings.deadline_s

    def must_wait(self, intent: Intent) -> bool:
        """Whether others are to be done first: as many as may be under way are, or one needs the same allowance."""
        others = [other for other in self.open.values() if other.client_id != intent.client_id]
        under_way = [other for other in others if other.waits]
        if len(under_way) >= self.settings.in_flight:
            return True
        names = list(self.open)
        place = names.index(intent.client_id) if intent.client_id in names else len(names)
        before = [other for other in others if other.steps or names.index(other.client_id) < place]
        return any(set(other.pairs) & set(intent.pairs) and not other.acted for other in before)

    def check_held(self, intent: Intent) -> None:
        """Raises Refused where an order that is held needs the same allowance: it would wait without end."""
        for other in self.open.values():
            stands = other.held and other.step(StepKind.ACT) is None
            if stands and set(other.pairs) & set(intent.pairs):
                raise Refused(
                    f"order {other.name} is held, and needs the same allowance: cancel it first; {OLD_COPY}"
                )

    async def begin(self, intent: Intent) -> tuple[Said, str] | None:
        """Signs, keeps and sends the next step of an order; None where there is none now.

        Raises:
            Refused: it would fail, or costs more than it may; nothing has left.
            Away, RpcError: the chain cannot be asked; nothing has left.
            StoreError: it cannot be kept; nothing has left.
        """
        found = await self._next(intent)
        if found is None:
            return None
        kind, doing, pair = found
        fee = await self._priced(doing)
        nonce = max(await self.chain.nonces(), await self.chain.waiting(), self.ledger.next_nonce())
        signed = sign(self.account, self.settings.chain_id, nonce, doing, fee, self.now)
        data = doing.data.hex()
        step = Step(
            kind=kind, to=doing.to, value=doing.value, data=data, nonce=nonce, signed=[signed], pair=pair
        )
        intent.steps.append(step)
        intent.life = Life.OPEN
        try:
            self.keep(intent)
        except BaseException:
            intent.steps.pop()
            raise
        return await self.send(intent, step)

    async def send(self, intent: Intent, step: Step) -> tuple[Said, str]:
        """Sends what was signed last for a step, the same bytes every time."""
        said, words = await self.chain.nodes.send(step.signed[-1].raw)
        step.signed[-1].sent_at = self.now
        if said is Said.REFUSED and len(step.signed) > 1:
            _log.warning("a replacement was refused", broker=self.name, order=intent.client_id, reason=words)
        return said, words

    async def replace(self, intent: Intent, step: Step, *, cancels: bool) -> tuple[Said, str]:
        """Signs a step again on its nonce, with a higher fee, and sends that.

        Args:
            cancels: what takes its place does nothing.

        Raises:
            Refused: it would cost more than it may. Away, RpcError, StoreError: as `begin`.
        """
        before, head = step.signed[-1], await self.chain.head()
        gas = _PLAIN_GAS if cancels else before.gas
        highest = Fee(gas, max(s.max_fee for s in step.signed), max(s.priority for s in step.signed))
        tip = await self.chain.tip(self.settings.max_priority)
        fee = bumped(highest, head.base_fee, tip, self.settings, cancels=cancels)
        if fee is None:
            raise Refused("a replacement would cost more than max_fee_gwei or max_gas_cost allow")
        doing = Call(self.settings.address) if cancels else step.call
        now = self.now
        signed = sign(self.account, self.settings.chain_id, step.nonce, doing, fee, now, replaces=cancels)
        step.signed.append(signed)
        try:
            self.keep(intent)
        except BaseException:
            step.signed.pop()
            raise
        return await self.send(intent, step)

    async def _next(self, intent: Intent) -> tuple[StepKind, Call, str | None] | None:
        if intent.acted:
            return await self._claim(intent)
        if intent.step(StepKind.ACT) is not None:
            return None
        for need in self.needs(intent):
            (has,) = await self._read(need.asked(self.settings.address), ("uint256",))
            giving = await self._giving(need, has) if has < need.amount else None
            if giving is not None and giving not in [step.call for step in intent.steps]:
                if not need.delegated:  # found later, it would have cost the allowance's gas
                    await self._check_holding(self.assets.by_address()[need.token], need.amount)
                return StepKind.APPROVE, giving, need.pair
        return StepKind.ACT, await self._doing(intent), None

    async def _giving(self, need: Need, has: int) -> Call:
        """The call that gives an allowance; before it, of tokens that want that, the one that takes back an old one."""
        if has and not need.delegated:
            try:
                await self._try(need.given)
            except Refused:
                return need.taken_back
        return need.given

    async def _check_holding(self, asset: Asset, count: int) -> None:
        held = await self._tried(call(asset.address or "", "balanceOf(address)", self.settings.address))
        if held < count:
            has, needed = (amount(one, asset.decimals) for one in (held, count))
            raise Refused(f"balance too low: {has} {asset.symbol} are there, and {needed} are needed")

    async def _doing(self, intent: Intent) -> Call:
        if intent.send.operation is Operation.BUNDLE:
            return self._bundle(intent)[1]
        job, wallet, until = self._job(intent), self.settings.address, self._until(intent)
        if job.operation is Operation.SWAP and job.least_out is None:
            return swap(job, self.settings, wallet, until, await self._least(job, until))
        if job.operation is Operation.TRANSFER and job.asset.address is not None:
            await self._check_holding(job.asset, job.count)
        return act(job, self.settings, wallet, wallet, until)

    async def _least(self, job: Job, until: int) -> int:
        """What must come out of a swap that names nothing: what the router says now, less what is allowed."""
        uniswap = self.settings.uniswap
        if uniswap is None or uniswap.slippage_bps is None or job.out is None:
            raise Refused(f"least_out is missing: name it, or configure {UNISWAP}.slippage_bps")
        if uniswap.version == 2:
            path = [job.asset.address, job.out.address]
            asked = call(uniswap.router, "getAmountsOut(uint256,address[])", job.count, path)
            out = (await self._read(asked, ("uint256[]",)))[0][-1]
        else:
            out = await self._tried(swap(job, self.settings, self.settings.address, until, 0))
        least = int(out) * (_BPS - uniswap.slippage_bps) // _BPS
        if least <= 0:
            raise Refused(f"the router gives no {job.out.symbol} for that: swap more, or name least_out")
        return least

    async def _claim(self, intent: Intent) -> tuple[StepKind, Call, str | None] | None:
        """Of what was asked for at the queue: the claim, once it is ready."""
        lido = self.settings.lido
        waits = intent.request is not None and intent.step(StepKind.CLAIM) is None
        if intent.send.operation is not Operation.UNSTAKE or lido is None or not waits:
            return None
        asked = call(lido.queue, "getWithdrawalStatus(uint256[])", [intent.request])
        (statuses,) = await self._read(asked, (_STATUS,))
        if not statuses or not statuses[0][4]:
            return None
        if statuses[0][5]:
            raise Lost(f"request {intent.request} at the queue was claimed by a transaction that is not ours")
        return StepKind.CLAIM, call(lido.queue, "claimWithdrawal(uint256)", intent.request), None

    async def _try(self, asked: Call) -> str:
        """What a call of the wallet's would return."""
        try:
            said = await self.chain.tries(asked)
        except RpcError as error:
            raise _refusal(error) from None
        if denied(asked, said):
            raise Refused(DENIED)
        return said

    async def _tried(self, asked: Call) -> int:
        """The number that a call of the wallet's would return."""
        said = await self._try(asked)
        return int(self.chain.answered(asked, ("uint256",), said)[0])

    async def _read(self, asked: Call, types: Sequence[str]) -> tuple[Any, ...]:
        try:
            return await self.chain.read(asked, types)
        except RpcError as error:
            raise _refusal(error) from None

    async def _priced(self, doing: Call) -> Fee:
        """What a call costs, after it was tried and all that is left was counted."""
        head, tip = await self.chain.head(), await self.chain.tip(self.settings.max_priority)
        held = await self.chain.balance(None)
        bound = sum(step.worst_cost for intent in self.open.values() for step in intent.steps)
        free = held - bound - int(self.settings.reserve.scaleb(18))
        if free < doing.value:
            raise Refused(self._too_little(held, bound, doing.value))
        await self._try(doing)
        try:
            estimate = await self.chain.estimate(doing)
        except RpcError as error:
            raise _refusal(error) from None
        fee = fee_of(estimate, head.base_fee, tip, self.settings)
        if free < doing.value + fee.cost:
            raise Refused(self._too_little(held, bound, doing.value + fee.cost))
        return fee

    def _too_little(self, held: int, bound: int, needed: int) -> str:
        has, taken, asked = (amount(count, 18) for count in (held, bound, needed))
        native = self.settings.native
        return (
            f"balance too low: {has} {native} are there, {taken} are bound by what is under way, "
            f"{self.settings.reserve} are the reserve, and {asked} are needed with gas"
        )


def _refusal(error: RpcError) -> Exception:
    """What it means for an order that a call of it is refused: nothing, where that is only a node's trouble."""
    return Refused(reason_of(error)) if error.of_chain else error
