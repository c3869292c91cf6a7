"""As `ordergate.testing.metatrader4.program`, with the real expert advisor: `python -m tests.services.mql4.program`."""

import argparse
import sys

from ordergate.testing.metatrader4.program import main
from ordergate.testing.metatrader4.simulation import Simulation
from tests.services.bridge import simulation


def _start(given: argparse.Namespace) -> Simulation:
    return simulation("mql4")(given.folder, account_path=given.account, settle_s=given.settle_s)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], _start))
