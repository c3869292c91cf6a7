"""How a wallet on a chain is used: which chain, tokens and contracts, and what gas may cost."""

import re
from decimal import Decimal
from typing import ClassVar, Final

from msgspec import Struct, field

GWEI: Final = 10**9
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_SYMBOL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_URL: Final = re.compile(r"https?://\S+")


class TokenSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token that is known; transfers of others count for nothing."""

    address: str
    decimals: int = 18

    def __post_init__(self) -> None:
        check_address(self.address, "address")
        if not 0 <= self.decimals <= 18:
            raise ValueError(f"decimals is {self.decimals}: it must be from 0 to 18")


class AaveSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Aave V3: its pool. Loans are at a variable rate."""

    pool: str

    def __post_init__(self) -> None:
        check_address(self.pool, "pool")


class UniswapSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Uniswap: its router, of version 2 or 3.

    Attributes:
        version: 2 is `UniswapV2Router02`, 3 is `SwapRouter` (the one with a deadline).
        fee: of the pool in millionths, version 3 only: 500, 3000, 10000.
        slippage_bps: how much less than the router says now may come out, of a swap that names no least amount; None
            refuses such a swap.
    """

    router: str
    version: int = 2
    fee: int = 3_000
    slippage_bps: int | None = None

    def __post_init__(self) -> None:
        check_address(self.router, "router")
        if self.version not in (2, 3):
            raise ValueError(f"version is {self.version}: it must be 2 or 3")
        if not 0 < self.fee < 1_000_000:
            raise ValueError(f"fee is {self.fee}: it must be from 1 to 999999, in millionths")
        if self.slippage_bps is not None and not 0 <= self.slippage_bps < 10_000:
            raise ValueError(f"slippage_bps is {self.slippage_bps}: it must be from 0 to 9999")


class LidoSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lido: the token of what is staked, and the queue by which it is taken out.

    Attributes:
        steth: the token's address; it is called stETH.
        queue: of withdrawals.
    """

    steth: str
    queue: str

    def __post_init__(self) -> None:
        check_address(self.steth, "steth")
        check_address(self.queue, "queue")


class EvmSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wallet on a chain of Ethereum's kind. The key is a secret `key`, or a `keystore` file and its `password`.

    Attributes:
        chain_id: of the chain; each node must say the same.
        rpc: URLs of nodes; what is signed is sent to all of them, the first that answers is asked.
        address: of the wallet; the key must be that address's.
        native: what the chain's own money is called.
        tokens: that are known, by their symbols.
        targets: addresses by name, such as that of an exchange, for transfers.
        executor: our contract that does bundles; see `docs/howto/chains.md`.
        confirmations: blocks, its own among them, after which a transaction counts as final.
        max_fee_gwei: the most that a unit of gas may cost; max_priority_gwei: the most of that for the block's maker,
            but for replacements, which must pay an eighth more than what they replace.
        max_gas_cost: the most that one transaction's gas may cost, in the native money.
        reserve: of the native money, what must be left.
        poll_ms: how long between two looks at the chain.
        rebroadcast_s: after which what no node has seen is sent again, the same bytes.
        bump_s: after which what is not in a block is signed again with a higher fee, on the same nonce.
        deadline_s: how long a swap may wait for a block, where the order has no end to its time.
        timeout_ms: how long a node may take to answer; at most 10 s.
        in_flight: orders under way at once; more are told to wait.
    """

    SECRETS: ClassVar[tuple[str, ...]] = ("key", "password")

    chain_id: int
    rpc: tuple[str, ...]
    address: str
    key_env: str | None = None
    key_file: str | None = None
    key_secret: str | None = None
    keystore: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    password_secret: str | None = None
    native: str = "ETH"
    tokens: dict[str, TokenSettings] = field(default_factory=dict)
    aave_v3: AaveSettings | None = None
    uniswap: UniswapSettings | None = None
    lido: LidoSettings | None = None
    targets: dict[str, str] = field(default_factory=dict)
    executor: str | None = None
    confirmations: int = 12
    max_fee_gwei: Decimal = Decimal(100)
    max_priority_gwei: Decimal = Decimal(2)
    max_gas_cost: Decimal = Decimal("0.05")
    reserve: Decimal = Decimal("0.01")
    poll_ms: int = 2_000
    rebroadcast_s: int = 30
    bump_s: int = 120
    deadline_s: int = 600
    timeout_ms: int = 5_000
    in_flight: int = 8

    def __post_init__(self) -> None:
        if not self.rpc or not all(_URL.fullmatch(url) for url in self.rpc):
            raise ValueError("rpc: write the URLs of one node at least, such as http://127.0.0.1:8545")
        self._check_names()
        self._check_numbers()

    def _check_names(self) -> None:
        check_address(self.address, "address")
        if self.executor is not None:
            check_address(self.executor, "executor")
        for name, address in self.targets.items():
            check_address(address, f"targets.{name}")
        for symbol in (self.native, *self.tokens):
            if not _SYMBOL.fullmatch(symbol):
                raise ValueError(f"{symbol!r} is no name of a token: write letters, digits, '.', '_' or '-'")
        if self.native in self.tokens:
            raise ValueError(f"tokens.{self.native}: that is what the chain's own money is called")

    def _check_numbers(self) -> None:
        limits = (
            ("chain_id", 1, 2**53), ("confirmations", 1, 10_000), ("poll_ms", 10, 60_000),
            ("rebroadcast_s", 1, 3_600), ("bump_s", 1, 86_400), ("deadline_s", 1, 86_400),
            ("timeout_ms", 10, 10_000), ("in_flight", 1, 100),
        )  # fmt: skip
        for name, least, most in limits:
            value: int = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}: it must be from {least} to {most}")
        for name in ("max_fee_gwei", "max_priority_gwei", "max_gas_cost", "reserve"):
            amount: Decimal = getattr(self, name)
            may_be_nothing = name in ("max_priority_gwei", "reserve")
            if not amount.is_finite() or amount < 0 or (amount == 0 and not may_be_nothing):
                raise ValueError(f"{name} is {amount}: it must be above 0")

    @property
    def max_fee(self) -> int:
        """Wei a unit of gas."""
        return int(self.max_fee_gwei * GWEI)

    @property
    def max_priority(self) -> int:
        """Wei a unit of gas."""
        return int(self.max_priority_gwei * GWEI)


def check_address(text: str, name: str) -> None:
    """Raises ValueError unless it is an address, `0x` and 40 hexadecimal digits."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{name} is {text!r}: it must be 0x and 40 hexadecimal digits")
