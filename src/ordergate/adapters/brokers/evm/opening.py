"""The beginning of a session: whether the chain, the key and the contracts are what the configuration says."""

from collections.abc import Callable

from ordergate.adapters.brokers.evm.assets import Assets
from ordergate.adapters.brokers.evm.calls import call
from ordergate.adapters.brokers.evm.chain import Chain, count
from ordergate.adapters.brokers.evm.ledger import Ledger
from ordergate.adapters.brokers.evm.rpc import Away, Nodes, RpcError
from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.adapters.brokers.evm.signing import account_of
from ordergate.adapters.brokers.evm.wallet import Wallet
from ordergate.application.ports.brokers import LoginRefused
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Secret
from ordergate.domain.errors import BrokerAway


async def open_wallet(
    name: str,
    settings: EvmSettings,
    nodes: Nodes,
    ledger: Ledger,
    cursor: str | None,
    clock: Clock,
    secret: Callable[[], Secret],
) -> Wallet:
    """The wallet of a session.

    Raises:
        LoginRefused: the chain is another one, or the key or a contract is not what the configuration says.
        BrokerAway: no node answers, or it is behind.
        StoreError: the ledger cannot be used.
    """
    account = await account_of(name, settings, secret)
    chain, assets = Chain(nodes, settings.address), Assets(name, settings)
    try:
        await _check_chain(name, settings, nodes)
        await chain.head()
        await check_contracts(name, settings, chain, assets)
        premium = await _premium(settings, chain)
        sent, waiting = await chain.nonces(), await chain.waiting_anywhere()
    except (Away, RpcError, ValueError) as error:
        raise BrokerAway(f"broker {name}: the chain cannot be used now: {error}") from error
    ledger.begin(settings.chain_id, settings.address, cursor)
    _compare(name, ledger, sent)
    if max(sent, waiting) > ledger.next_nonce():
        ledger.doubt()
    return Wallet(name, settings, ledger, chain, assets, account, clock, premium)


def _compare(name: str, ledger: Ledger, sent: int) -> None:
    """A chain that has used fewer nonces than it had would leave everything that is signed waiting for ever."""
    if sent <= ledger.last_used():
        raise BrokerAway(
            f"broker {name}: the node knows {sent} transactions of the wallet, and {ledger.last_used() + 1} were in "
            "blocks before: it is behind, so wait; or its chain was begun anew, and then needs a new ledger"
        )


async def _check_chain(name: str, settings: EvmSettings, nodes: Nodes) -> None:
    """Each node that answers is of the configured chain, and one answers."""
    there = 0
    for node in nodes.all:
        try:
            found = count(await node.ask_anyhow("eth_chainId"))
        except (Away, RpcError):
            continue
        if found != settings.chain_id:
            raise LoginRefused(
                f"broker {name}: the node {node.shown} is of chain {found}, and chain_id is {settings.chain_id}: "
                "name a node of that chain, or the chain of that node"
            )
        there += 1
    if not there:
        raise Away(f"none of {', '.join(node.shown for node in nodes.all)} answers")


async def check_contracts(name: str, settings: EvmSettings, chain: Chain, assets: Assets) -> None:
    """Whether the contracts are what the configuration says; what the pool gives is known then.

    Raises:
        LoginRefused: one is not. Away, RpcError, ValueError: that cannot be told.
    """
    await _check_tokens(name, chain, assets)
    await _check_protocols(name, settings, chain)
    await assets.learn(chain.nodes)
    await _check_executor(name, settings, chain)


async def _check_tokens(name: str, chain: Chain, assets: Assets) -> None:
    for asset in assets.tokens.values():
        address = asset.address or ""
        if not await chain.has_code(address):
            raise LoginRefused(
                f"broker {name}: there is no contract at {address}, the address of {asset.symbol}"
            )
        (decimals,) = await chain.read(call(address, "decimals()"), ("uint256",))
        if decimals != asset.decimals:
            raise LoginRefused(
                f"broker {name}: tokens.{asset.symbol}.decimals is {asset.decimals}: the token itself says {decimals}"
            )


async def _check_protocols(name: str, settings: EvmSettings, chain: Chain) -> None:
    """Where there is no contract, a call does nothing and fails with nothing."""
    addresses = {
        "aave_v3.pool": settings.aave_v3 and settings.aave_v3.pool,
        "uniswap.router": settings.uniswap and settings.uniswap.router,
        "lido.queue": settings.lido and settings.lido.queue,
    }
    for field, address in addresses.items():
        if address and not await chain.has_code(address):
            raise LoginRefused(f"broker {name}: there is no contract at {address}, the address of {field}")


async def _premium(settings: EvmSettings, chain: Chain) -> int:
    if settings.aave_v3 is None:
        return 0
    (premium,) = await chain.read(call(settings.aave_v3.pool, "FLASHLOAN_PREMIUM_TOTAL()"), ("uint256",))
    return int(premium)


async def _check_executor(name: str, settings: EvmSettings, chain: Chain) -> None:
    if settings.executor is None:
        return
    if not await chain.has_code(settings.executor):
        raise LoginRefused(
            f"broker {name}: there is no contract at {settings.executor}, the address of executor"
        )
    (owner,) = await chain.read(call(settings.executor, "owner()"), ("address",))
    if owner.lower() != settings.address.lower():
        raise LoginRefused(
            f"broker {name}: the executor at {settings.executor} is of {owner}, not of this wallet: deploy one with it"
        )
