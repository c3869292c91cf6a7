"""A MetaTrader 4 terminal as a process of its own, which dies at the step that `tests.services.dying` is told.

Its steps are the calls of `ordergate.testing.metatrader4.terminal` that change something, by name. The expert advisor is
the one in Python, or, where the variable EXPERT says `mql4`, the real one.
"""

import argparse
import os
import sys

from ordergate.testing.metatrader4.program import main
from ordergate.testing.metatrader4.simulation import Simulation
from tests.services.bridge import simulation
from tests.services.dying import is_last


def start(given: argparse.Namespace) -> Simulation:
    made = simulation(os.environ["EXPERT"])(given.folder, account_path=given.account, settle_s=given.settle_s)
    terminal, ends = made.terminal, made.terminal._ends
    terminal._ends = lambda name: ends(name) or is_last(name)  # type: ignore[method-assign]
    return made


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], start))
