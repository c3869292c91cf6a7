"""A simulated terminal as a program: prints its port, then serves until it is killed or its standard input ends.

    python -m ordergate.testing.metatrader5 account.json [port]

The account is in the file; where there is none yet it is made, with `ORDERGATE_MT5_MODE` netting (default), exchange or
hedging, and EURUSD.
"""

import asyncio
import os
import sys
import threading
from pathlib import Path

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5 import keeping
from ordergate.testing.metatrader5.account import Account
from ordergate.testing.metatrader5.records import State, Symbol
from ordergate.testing.metatrader5.server import serving
from ordergate.testing.metatrader5.terminal import Terminal

MODES = {
    "netting": mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING,
    "exchange": mt5.ACCOUNT_MARGIN_MODE_EXCHANGE,
    "hedging": mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING,
}


async def _run(path: Path, port: int) -> None:
    mode = MODES[os.environ.get("ORDERGATE_MT5_MODE", "netting")]
    state = keeping.load(path) or State(margin_mode=mode, symbols={"EURUSD": Symbol(name="EURUSD")})
    account = Account(state, changed=lambda: keeping.save(path, state))
    account.changed()
    async with serving(Terminal(account), port) as at:
        print(at, flush=True)  # noqa: T201
        await asyncio.Event().wait()


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    path, port = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    threading.Thread(target=_end_with_input, daemon=True).start()
    asyncio.run(_run(path, port))
