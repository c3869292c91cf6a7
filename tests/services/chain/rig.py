"""A wallet on a chain, for tests: contracts of ours deployed once in a process, a fresh account for each test."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from ordergate.adapters.brokers.evm.broker import EvmBroker
from ordergate.adapters.brokers.evm.settings import (
    AaveSettings,
    EvmSettings,
    LidoSettings,
    TokenSettings,
    UniswapSettings,
)
from ordergate.adapters.clock import SystemClock
from ordergate.application.ports.brokers import Answer, Send
from ordergate.application.ports.secrets import Secret
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import OperationTerms, side_of
from ordergate.domain.orders.reports import AnyReport, Confirmed, Executed, Outcome
from ordergate.domain.orders.states import OrderType, TimeInForce
from ordergate.testing.conformance.counterpart import Recorder
from tests.services.chain import npm
from tests.services.chain.anvil import anvil
from tests.services.chain.deploying import Contract, Deployer, new_account, ours
from tests.services.chain.door import Door, door_of
from tests.services.chain.node import ChainNode
from tests.services.chain.protocols import Protocols

ETHER = 10**18
PATIENCE_S = 60.0
OTHER = "0x00000000000000000000000000000000000000aa"
_MADE: dict[str, "Ground"] = {}
_ORDERS = itertools.count(1)
_running = ExitStack()


class Ground:
    """A chain with contracts of ours, and a state to come back to."""

    def __init__(self, chain: ChainNode) -> None:
        self.chain = chain
        self.deployer = Deployer(chain)
        deploy = self.deployer.deploy
        self.usdc, self.fees = deploy(ours("Token"), "USDC", 6, 0), deploy(ours("Token"), "FEES", 18, 100)
        self.steth = deploy(ours("StakedEther"))
        self.queue = deploy(ours("WithdrawalQueue"), self.steth.address)
        self.start = chain.snapshot()

    def reset(self) -> None:
        self.chain.revert(self.start)
        self.chain.automines = True
        self.start = self.chain.snapshot()

    def settings(self, address: str, *urls: str, **more: Any) -> EvmSettings:
        given: dict[str, Any] = {
            "chain_id": self.chain.chain_id,
            "rpc": urls,
            "address": address,
            "tokens": {
                "USDC": TokenSettings(address=self.usdc.address, decimals=6),
                "FEES": TokenSettings(address=self.fees.address),
            },
            "lido": LidoSettings(steth=self.steth.address, queue=self.queue.address),
            "confirmations": 2,
            "poll_ms": 10,
        }
        return EvmSettings(**(given | more))


class Market(Ground):
    """With the real Aave and Uniswap too."""

    def __init__(self, chain: ChainNode) -> None:
        self.protocols = Protocols(Deployer(chain))
        super().__init__(chain)

    def settings(self, address: str, *urls: str, **more: Any) -> EvmSettings:
        made = self.protocols
        given: dict[str, Any] = {
            "tokens": {
                name: TokenSettings(address=token.address, decimals=6 if name == "USDC" else 18)
                for name, token in made.tokens.items()
            },
            "aave_v3": AaveSettings(pool=made.pool.address),
            "uniswap": UniswapSettings(router=made.router2.address, slippage_bps=50),
        }
        return super().settings(address, *urls, **(given | more))


def ground(kind: str) -> Ground:
    """`pyevm`, `anvil`, or `market` (on anvil), made once in a process."""
    if kind not in _MADE:
        chain = _pyevm() if kind == "pyevm" else _running.enter_context(anvil())
        _MADE[kind] = Market(chain) if kind == "market" else Ground(chain)
    else:
        _MADE[kind].reset()
    return _MADE[kind]


def _pyevm() -> ChainNode:
    """Loaded only here: its curves are calculated as it is imported, which takes seconds."""
    from tests.services.chain.pyevm import PyEvm

    return PyEvm()


def end_all() -> None:
    """Ends what runs; at the end of a process."""
    _MADE.clear()
    _running.close()


class Rig:
    """One wallet behind the adapter, and the chain that it is on."""

    def __init__(self, on: Ground, doors: tuple[Door, ...], folder: Path, **more: Any) -> None:
        self.ground, self.chain, self.doors, self.folder = on, on.chain, doors, folder
        self.door = doors[0]
        self.make: type[EvmBroker] = EvmBroker
        self.account: LocalAccount = new_account()
        self.chain.give(self.account.address, 100 * ETHER)
        self.settings = on.settings(self.account.address, *(door.url for door in doors), **more)
        self.sink = Recorder()
        self.broker = self.another()

    def another(self) -> EvmBroker:
        """A new adapter, as after a restart."""
        key = Secret(f"0x{bytes(self.account.key).hex()}")
        return self.make("wallet", self.settings, self.folder / "ledger.db", SystemClock(), lambda: key)

    async def connect(self, cursor: str | None = None) -> None:
        self.sink = Recorder()
        await self.broker.connect(self.sink, cursor)

    async def restart(self, cursor: str | None = None) -> None:
        await self.broker.close()
        self.broker = self.another()
        await self.connect(cursor)

    def fund(self, token: Contract, count: int) -> None:
        """So much of a token for the wallet, from nowhere."""
        token.send("mint", self.account.address, count)

    def foreign(self) -> Deployer:
        """Somebody else who has the wallet's key."""
        return Deployer(self.chain, self.account)

    async def until(self, holds: Callable[[], Any], mines: bool = False) -> None:
        """Waits until something holds; with `mines` there are ever more blocks meanwhile."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                if mines:
                    self.chain.mine()
                await asyncio.sleep(0.01)

    async def sent(self, count: int) -> None:
        """Waits until the door has passed on so many transactions."""
        await self.until(lambda: len(self.door.sent) >= count)
        with self.door.one:  # it has answered the last one too
            pass

    async def final(self, count: int = 1) -> None:
        """Mines until so many orders have come to their end."""
        await self.until(lambda: len(self.ended) >= count, mines=True)

    async def does(self, send: Send) -> None:
        """An order to its good end."""
        answer, done = await self.broker.submit(send), len(self.ended)
        assert answer.outcome is Outcome.ACCEPTED, answer
        await self.final(done + 1)
        assert isinstance(self.ended[-1], Confirmed), self.ended[-1]

    @property
    def ended(self) -> list[AnyReport]:
        return [r for r in self.sink.reports if type(r).__name__ in ("Confirmed", "Ended")]

    @property
    def executions(self) -> list[Executed]:
        return [r for r in self.sink.reports if isinstance(r, Executed)]

    def moved(self) -> dict[str, Decimal]:
        """What all executions that stand have moved, by position key; fees too."""
        sums: dict[str, Decimal] = {}
        gone = {one.refers_to for one in self.executions}
        for one in {e.exec_id: e for e in self.executions}.values():
            if one.exec_id in gone or one.refers_to is not None:
                continue
            for delta in one.deltas or ():
                sums[delta.position_key] = sums.get(delta.position_key, Decimal(0)) + delta.amount
            fee = f"wallet:BaseToken:{one.fee_currency}"
            sums[fee] = sums.get(fee, Decimal(0)) - one.fee
        return {key: amount for key, amount in sums.items() if amount}

    def balance(self, token: Contract | None = None) -> Decimal:
        """What the chain says that the wallet has."""
        if token is None:
            said = int(self.chain.ask("eth_getBalance", [self.account.address, "latest"]), 16)
            return Decimal(said).scaleb(-18)
        return Decimal(token.read("balanceOf", self.account.address)).scaleb(-token.read("decimals"))

    async def submit(self, send: Send) -> Answer:
        return await self.broker.submit(send)


def order(
    operation: Operation, token: str, quantity: str, *, until: datetime | None = None, **terms: Any
) -> Send:
    """An order that is no trade; each call makes another."""
    given = {name: Decimal(value) if name == "least_out" else value for name, value in terms.items()}
    return Send(
        client_id=f"order{next(_ORDERS)}.1",
        symbol=f"token:{token}",
        side=side_of(operation),
        quantity=Decimal(quantity),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC if until is None else TimeInForce.GTD,
        expires_at=until,
        operation=operation,
        terms=OperationTerms(**given) if given else None,
    )


def payment(quantity: str = "1", token: str = "ETH", target: str = OTHER, **more: Any) -> Send:
    return order(Operation.TRANSFER, token, quantity, target=target, **more)


@contextmanager
def doors_of(chain: ChainNode, count: int) -> Iterator[tuple[Door, ...]]:
    with ExitStack() as stack:
        yield tuple(stack.enter_context(door_of(chain)) for _ in range(count))


@asynccontextmanager
async def rig_on(
    kind: str, folder: Path, doors: int = 1, *, connects: bool = True, **more: Any
) -> AsyncIterator[Rig]:
    """A wallet on that kind of chain, connected."""
    on = ground(kind)
    with doors_of(on.chain, doors) as opened:
        made = Rig(on, opened, folder, **more)
        try:
            if connects:
                await made.connect()
            yield made
        finally:
            await made.broker.close()


def best() -> str:
    """anvil where it is, for it is quick; else py-evm."""
    return "anvil" if npm.is_there() else "pyevm"
