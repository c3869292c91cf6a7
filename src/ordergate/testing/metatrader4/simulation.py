"""All of it in one process: the account, the terminal, the folder and the expert advisor."""

import time
from collections.abc import Callable
from pathlib import Path

from ordergate.testing.metatrader4.account import Account, Symbol
from ordergate.testing.metatrader4.expert import Expert
from ordergate.testing.metatrader4.faults import FolderFaults, ServerFaults
from ordergate.testing.metatrader4.folder import Folder
from ordergate.testing.metatrader4.terminal import Terminal


class Simulation:
    """A terminal at an account; the folder and the account outlive each terminal that is started."""

    def __init__(
        self,
        root: Path,
        *,
        clock: Callable[[], float] = time.time,
        symbols: tuple[Symbol, ...] = (),
        account_path: Path | None = None,
        settle_s: int = 0,
    ) -> None:
        self._clock, self._settle_s = clock, settle_s
        self.account = Account(clock, symbols, account_path)
        self.folder = Folder(root)
        self.terminal: Terminal
        self.expert: Expert
        self.start()

    @property
    def server_faults(self) -> ServerFaults:
        """What goes wrong at the broker's."""
        return self.account.faults

    @property
    def folder_faults(self) -> FolderFaults:
        """What goes wrong with files."""
        return self.folder.faults

    def start(self, *, connects_in_s: float = 0.0) -> None:
        """Another run of the terminal; the one before ends without farewell."""
        self.close()
        connects_at = self._clock() + connects_in_s if connects_in_s else 0.0
        self.terminal = Terminal(self.account, self.folder, self._clock, connects_at=connects_at)
        self.expert = Expert(self.terminal, settle_s=self._settle_s)

    def close(self) -> None:
        """The terminal ends without farewell."""
        self.folder.release()

    def cycle(self, times: int = 1) -> None:
        """So many cycles: the market does what is due, then the expert advisor looks."""
        for _ in range(times):
            self.account.work()
            self.folder.begin_cycle()
            self.terminal.refresh()
            self.expert.cycle()
