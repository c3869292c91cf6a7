"""Commands in the tests' own process: the command line is put together once, and not for each of hundreds of them."""

from functools import cache

import typer.main
import typer.testing
from typer.testing import CliRunner, Result

__all__ = ["CliRunner", "Result"]

typer.testing._get_command = cache(typer.main.get_command)
