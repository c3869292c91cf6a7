"""Real chains on this machine: py-evm from wheels, anvil and the contracts of Aave and Uniswap from npm."""
