"""The agent's program, standing still at a step of a command for ever: `program.py STEP agent.toml`.

Steps: `unclaimed` before the claim, `claimed` after it and before the call, `called` after the call and before its
record, `recorded` after that and before the answer; or `none`.
"""

import os
import sys
import time
from pathlib import Path

from ordergate.adapters.brokers.mt5.agent.__main__ import main
from ordergate.adapters.brokers.mt5.agent.journal import Journal

STEP = sys.argv.pop(1)


def _stand(step: str) -> None:
    if step == STEP:
        (Path(os.environ["STANDIN"]) / "stands").touch()
        while True:
            time.sleep(1)


def _stopping(name: str, before: str, after: str) -> None:
    real = getattr(Journal, name)

    def stops(journal: Journal, *args: object) -> object:
        _stand(before)
        done = real(journal, *args)
        _stand(after)
        return done

    setattr(Journal, name, stops)


_stopping("claim", "unclaimed", "claimed")
_stopping("end", "called", "recorded")
sys.exit(main())
