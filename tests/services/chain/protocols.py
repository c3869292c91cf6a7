"""The real Aave V3 and Uniswap, from the compiled contracts that their makers put on npm."""

from typing import Any, Final

from tests.services.chain import npm
from tests.services.chain.deploying import Contract, Deployer

_AAVE: Final = "@aave/core-v3/artifacts/contracts"
_NOBODY: Final = "0x" + 40 * "0"
_RAY: Final = 10**27
_PRICES: Final = {"WETH": 2_000 * 10**8, "USDC": 10**8, "DAI": 10**8}


def _aave(path: str) -> Any:
    return npm.artefact(f"{_AAVE}/{path}.sol/{path.rpartition('/')[2]}.json")


class Protocols:
    """A market with WETH, USDC and DAI: lent and borrowed at Aave, swapped at Uniswap (versions 2 and 3)."""

    def __init__(self, deployer: Deployer) -> None:
        self.deployer = deployer
        me = deployer.account.address
        self.tokens = {
            name: deployer.deploy(_aave("mocks/tokens/MintableERC20"), name, name, decimals)
            for name, decimals in (("WETH", 18), ("USDC", 6), ("DAI", 18))
        }
        self.pool = self._aave(me)
        self.router2 = self._uniswap2(me)
        self.router3 = self._uniswap3(me)

    def mint(self, token: str, to: str, count: int) -> None:
        self.tokens[token].send("mint(address,uint256)", to, count)

    def _aave(self, me: str) -> Contract:
        deploy = self.deployer.deploy
        provider = deploy(_aave("protocol/configuration/PoolAddressesProvider"), "tests", me)
        provider.send("setACLAdmin", me)
        acl = deploy(_aave("protocol/configuration/ACLManager"), provider.address)
        provider.send("setACLManager", acl.address)
        for role in ("addPoolAdmin", "addAssetListingAdmin", "addRiskAdmin"):
            acl.send(role, me)
        logic = "protocol/libraries/logic"
        plain = ("BorrowLogic", "BridgeLogic", "EModeLogic", "LiquidationLogic", "PoolLogic", "SupplyLogic")
        made = {name: deploy(_aave(f"{logic}/{name}")).address for name in (*plain, "ConfiguratorLogic")}
        made["FlashLoanLogic"] = deploy(_aave(f"{logic}/FlashLoanLogic"), libraries=made).address
        code = deploy(_aave("protocol/pool/Pool"), provider.address, libraries=made)
        code.send("initialize", provider.address)
        provider.send("setPoolImpl", code.address)
        pool = self.deployer.at(provider.read("getPool"), _aave("protocol/pool/Pool"))
        managing = deploy(_aave("protocol/pool/PoolConfigurator"), libraries=made)
        provider.send("setPoolConfiguratorImpl", managing.address)
        manager = self.deployer.at(
            provider.read("getPoolConfigurator"), _aave("protocol/pool/PoolConfigurator")
        )
        oracle = deploy(_aave("mocks/oracle/PriceOracle"))
        provider.send("setPriceOracle", oracle.address)
        self.oracle = oracle
        for name, token in self.tokens.items():
            oracle.send("setAssetPrice", token.address, _PRICES[name])
        data = deploy(_aave("misc/AaveProtocolDataProvider"), provider.address)
        provider.send("setPoolDataProvider", data.address)
        self._list(pool, manager, provider, me)
        return pool

    def _list(self, pool: Contract, manager: Contract, provider: Contract, me: str) -> None:
        """The tokens, as what is lent and borrowed, and some of each to lend."""
        deploy = self.deployer.deploy
        kinds = [
            deploy(_aave(f"protocol/tokenization/{kind}"), pool.address).address
            for kind in ("AToken", "StableDebtToken", "VariableDebtToken")
        ]
        rates = (
            8 * _RAY // 10,
            0,
            4 * _RAY // 100,
            _RAY // 2,
            _RAY // 20,
            _RAY // 2,
            _RAY // 100,
            _RAY // 10,
            _RAY // 5,
        )
        rate = deploy(_aave("protocol/pool/DefaultReserveInterestRateStrategy"), provider.address, *rates)
        listed = [
            (
                *kinds, decimals, rate.address, self.tokens[name].address, me, _NOBODY,
                f"a{name}", f"a{name}", f"variableDebt{name}", f"variableDebt{name}",
                f"stableDebt{name}", f"stableDebt{name}", b"",
            )
            for name, decimals in (("WETH", 18), ("USDC", 6), ("DAI", 18))
        ]  # fmt: skip
        manager.send("initReserves", listed, gas=20_000_000)
        for name, token in self.tokens.items():
            manager.send("configureReserveAsCollateral", token.address, 8_000, 8_250, 10_500)
            manager.send("setReserveBorrowing", token.address, True)
            manager.send("setReserveFlashLoaning", token.address, True)
            count = 1_000_000 * 10 ** (6 if name == "USDC" else 18)
            self.mint(name, me, 3 * count)
            token.send("approve", pool.address, count)
            pool.send("supply", token.address, count, me, 0)
        manager.send("updateFlashloanPremiumTotal", 5)

    def _amounts(self) -> tuple[int, int]:
        """Of WETH and USDC, at 2,000."""
        return 500 * 10**18, 1_000_000 * 10**6

    def _uniswap2(self, me: str) -> Contract:
        deploy, build = self.deployer.deploy, "@uniswap/v2-core/build/UniswapV2Factory.json"
        factory = deploy(npm.artefact(build), me)
        router = deploy(
            npm.artefact("@uniswap/v2-periphery/build/UniswapV2Router02.json"),
            factory.address,
            self.tokens["WETH"].address,
        )
        weth, usdc = self.tokens["WETH"], self.tokens["USDC"]
        for token, count in zip((weth, usdc), self._amounts(), strict=True):
            token.send("approve", router.address, count)
        ends = (*self._amounts(), 0, 0, me, 2**40)
        router.send("addLiquidity", weth.address, usdc.address, *ends, gas=8_000_000)
        return router

    def _uniswap3(self, me: str) -> Contract:
        deploy, core, around = (
            self.deployer.deploy,
            "@uniswap/v3-core/artifacts",
            "@uniswap/v3-periphery/artifacts",
        )
        weth, usdc = self.tokens["WETH"], self.tokens["USDC"]
        factory = deploy(npm.artefact(f"{core}/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"))
        positions = deploy(
            npm.artefact(
                f"{around}/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json"
            ),
            factory.address,
            weth.address,
            _NOBODY,
        )
        first, second = sorted((weth, usdc), key=lambda token: int(token.address, 16))
        counts = dict(zip((weth.address, usdc.address), self._amounts(), strict=True))
        one, two = counts[first.address], counts[second.address]
        root = int((two * 2**192 // one) ** 0.5)
        positions.send(
            "createAndInitializePoolIfNecessary", first.address, second.address, 3_000, root, gas=8_000_000
        )
        for token in (weth, usdc):
            token.send("approve", positions.address, counts[token.address])
        terms = (first.address, second.address, 3_000, -887_220, 887_220, one, two, 0, 0, me, 2**40)
        positions.send("mint", terms, gas=8_000_000)
        router = npm.artefact(f"{around}/contracts/SwapRouter.sol/SwapRouter.json")
        return deploy(router, factory.address, weth.address)
