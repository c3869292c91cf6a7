"""A wallet asked how it is, without a session: its nodes, its key, its contracts, and what there is for gas."""

from collections.abc import Callable
from decimal import Decimal

from ordergate.adapters.brokers.evm.assets import Assets
from ordergate.adapters.brokers.evm.calls import amount
from ordergate.adapters.brokers.evm.chain import Chain, count
from ordergate.adapters.brokers.evm.opening import check_contracts
from ordergate.adapters.brokers.evm.rpc import Away, Node, Nodes, RpcError
from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.adapters.brokers.evm.signing import account_of
from ordergate.application.ports.brokers import Health, LoginRefused
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Secret

_LATE_S = 60
"""Since the last block, from which on a node may be behind."""


async def check_wallet(
    name: str, settings: EvmSettings, nodes: Nodes, clock: Clock, secret: Callable[[], Secret]
) -> Health:
    """What the chain says; nothing is signed."""
    problems, notes = list[str](), ["who has the key of a wallet can take everything out of it"]
    there = [await _node(settings, node, problems) for node in nodes.all]
    if not any(there):
        return Health(reached=False, problems=tuple(problems))
    login = True
    try:
        await account_of(name, settings, secret)
    except LoginRefused as error:
        login = False
        problems.append(str(error))
    chain = Chain(nodes, settings.address)
    try:
        await _contracts(name, settings, chain, problems)
        head = await chain.head()
        ahead = head.time - int(clock.now().timestamp())
        if ahead < -_LATE_S:
            notes.append(f"the last block is {-ahead} s old: a node may be behind, or the chain stands still")
        held, waiting = await chain.balance(None), await _waiting(chain)
    except (Away, RpcError) as error:
        return Health(reached=True, login=login, problems=(*problems, str(error)), notes=tuple(notes))
    free = amount(held, 18) - settings.reserve
    if free <= 0:
        problems.append(
            f"{amount(held, 18)} {settings.native} are there for gas, and the reserve is {settings.reserve}: "
            "pay some in"
        )
    else:
        notes.append(f"{amount(held, 18)} {settings.native} are there")
    return Health(
        reached=True,
        login=login,
        clock_ahead_s=Decimal(max(0, ahead)),  # a block is always as old as it is
        may_trade=login and free > 0,
        open_orders=waiting,
        statement=True,
        problems=tuple(problems),
        notes=tuple(notes),
    )


async def _node(settings: EvmSettings, node: Node, problems: list[str]) -> bool:
    """Whether a node answers, and is of the right chain."""
    try:
        found = count(await node.ask_anyhow("eth_chainId"))
    except (Away, RpcError) as error:
        problems.append(f"a node does not answer: {error}")
        return False
    if found != settings.chain_id:
        problems.append(f"the node {node.shown} is of chain {found}, and chain_id is {settings.chain_id}")
        return False
    return True


async def _contracts(name: str, settings: EvmSettings, chain: Chain, problems: list[str]) -> None:
    try:
        await check_contracts(name, settings, chain, Assets(name, settings))
    except (LoginRefused, ValueError) as error:
        problems.append(str(error))


async def _waiting(chain: Chain) -> int | None:
    """How many transactions of the wallet wait in a node, those of others with its key among them."""
    try:
        return await chain.nonces("pending") - await chain.nonces()
    except RpcError:
        return None
