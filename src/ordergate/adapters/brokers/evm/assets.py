"""What a wallet may have: the native money, tokens, and what protocols give for them; each under its position key."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.evm.calls import answered, call
from ordergate.adapters.brokers.evm.rpc import Nodes
from ordergate.adapters.brokers.evm.settings import EvmSettings

AAVE: Final = "aave_v3"
UNISWAP: Final = "uniswap"
LIDO: Final = "lido"
WALLET: Final = "wallet"
STETH: Final = "stETH"
_RESERVE: Final = (
    "uint256", "uint128", "uint128", "uint128", "uint128", "uint128", "uint40", "uint16",
    "address", "address", "address", "address", "uint128", "uint128", "uint128",
)  # fmt: skip
"""`ReserveData` of Aave V3's pool: the aToken is the ninth, the variable debt's token the eleventh."""
_NOBODY: Final = "0x" + 40 * "0"


class Kind(StrEnum):
    """Of an asset, as position keys name it."""

    BASE = "BaseToken"
    ATOKEN = "aToken"
    DEBT = "debtToken"
    LST = "LST"


class Asset(Struct, frozen=True):
    """One asset.

    Attributes:
        address: of its contract; None is the native money.
        of: the token that an aToken or a debt counts.
    """

    symbol: str
    address: str | None
    decimals: int
    kind: Kind
    key: str
    of: str | None = None


class Assets:
    """All that are known."""

    def __init__(self, broker: str, settings: EvmSettings) -> None:
        self._broker, self._settings = broker, settings
        self.native = Asset(settings.native, None, 18, Kind.BASE, self.plain_key(settings.native))
        self.tokens: dict[str, Asset] = {
            symbol: Asset(symbol, token.address.lower(), token.decimals, Kind.BASE, self.plain_key(symbol))
            for symbol, token in settings.tokens.items()
        }
        if settings.lido is not None:
            self.tokens[STETH] = Asset(
                STETH, settings.lido.steth.lower(), 18, Kind.LST, f"{LIDO}:{Kind.LST}:{STETH}"
            )
        self.supplied: dict[str, Asset] = {}
        """aTokens, by the symbol of what was supplied."""
        self.owed: dict[str, Asset] = {}
        """Tokens of variable debt, by the symbol of what is owed."""

    def plain_key(self, symbol: str) -> str:
        """The position key of a token in the wallet."""
        return f"{self._broker}:{Kind.BASE}:{symbol}"

    async def learn(self, nodes: Nodes) -> None:
        """Asks the pool for the tokens that it gives.

        Raises:
            Away, RpcError: it does not say.
            ValueError: what it says is none of Aave V3.
        """
        if self._settings.aave_v3 is None:
            return
        for symbol, token in self.tokens.items():
            asked = call(self._settings.aave_v3.pool, "getReserveData(address)", token.address)
            said = await nodes.ask("eth_call", {"to": asked.to, "data": f"0x{asked.data.hex()}"}, "latest")
            reserve = answered(_RESERVE, said)
            if reserve[8] == _NOBODY:
                continue
            self.supplied[symbol] = Asset(
                f"a{symbol}",
                reserve[8].lower(),
                token.decimals,
                Kind.ATOKEN,
                f"{AAVE}:{Kind.ATOKEN}:a{symbol}",
                symbol,
            )
            name = f"variableDebt{symbol}"
            self.owed[symbol] = Asset(
                name, reserve[10].lower(), token.decimals, Kind.DEBT, f"{AAVE}:{Kind.DEBT}:{name}", symbol
            )

    def find(self, symbol: str) -> Asset | None:
        """The native money, or a token, by its symbol."""
        return self.native if symbol == self.native.symbol else self.tokens.get(symbol)

    def by_address(self) -> Mapping[str, Asset]:
        """All with a contract, by its address in lower case."""
        return {asset.address: asset for asset in self if asset.address is not None}

    def __iter__(self) -> Iterator[Asset]:
        yield self.native
        yield from self.tokens.values()
        yield from self.supplied.values()
        yield from self.owed.values()
