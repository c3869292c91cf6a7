"""Funds for loads that go on and on: the built-in fund's limits, and money for any number of orders."""

from bench.orders import RICH, RICH_TOML

__all__ = ["RICH", "RICH_TOML"]
