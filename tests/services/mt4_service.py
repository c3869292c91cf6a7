"""A service and a MetaTrader 4 terminal with its expert advisor, processes of their own that share a folder."""

import os
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from ordergate.adapters.brokers.mt4.ids import attempt_ref
from ordergate.testing.metatrader4.account import Books, Symbol, Ticket
from ordergate.testing.metatrader4.journal import day_of
from ordergate.testing.metatrader4.lines import dress, magic_of
from ordergate.testing.metatrader4.program import Control, account_at
from tests.services.metatrader_service import WITHIN_S, Desk, surroundings
from tests.services.server import ROOT

NAME = "EURUSD.r"
MODULE = "tests.services.mt4_dying"


def begin_journal(folder: Path, since: int = 1_700_000_000) -> None:
    """Long ago: of what may be older than its journal the expert proves nothing."""
    (folder / "journal").mkdir(parents=True)
    head = dress({"v": 1, "kind": "HEAD", "journal": "begun", "since": since})
    (folder / "journal" / f"journal-{day_of(since)}.jsonl").write_bytes(head)


class Mt4Desk(Desk):
    """Both run once it is made."""

    def __init__(self, folder: Path, expert: str) -> None:
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        super().__init__(folder, {"EXPERT": expert, "PYTHONPATH": path})
        account_at(folder / "account.json", Symbol(name=NAME))
        begin_journal(folder / "ordergate")
        self.terminal: Control | None = None
        try:
            self.start_terminal()
            self.configure(
                f'adapter = "mt4"\nfolder = "{folder / "ordergate"}"\nsymbols = {{ EURUSD = "{NAME}" }}\n'
                "poll_ms = 20\ndeadline_ms = 3000\nquiet_s = 3"
            )
            self.start()
        except BaseException:
            self.close()
            raise

    def start_terminal(self) -> None:
        """Again, once the one before has ended, or for the first time."""
        if self.terminal is not None:
            self.terminal.process.wait(WITHIN_S)
            self.terminal.kill()
        with surroundings(self.environment):
            self.terminal = Control(self.folder / "ordergate", self.folder / "account.json", module=MODULE)
        self.tick()

    def tick(self) -> None:
        with suppress(OSError):
            assert self.terminal is not None
            self.terminal.do("quote", symbol=NAME, bid="1.10000", ask="1.10010")

    def close(self) -> None:
        super().close()
        if self.terminal is not None:
            self.terminal.kill()

    # --- the broker

    def books(self) -> Books:
        """What the server remembers."""
        assert self.terminal is not None
        return self.terminal.books()

    def tickets(self, key: str) -> list[Ticket]:
        """Those that were opened for an order, whatever has become of them."""
        client = f"{self.order(key)['order_id']}.1"
        books = self.books()
        mine = {magic_of(attempt_ref(client, attempt)) for attempt in range(1, 5)}
        return [one for one in (*books.open.values(), *books.closed.values()) if one.magic in mine]

    def longs(self) -> list[Decimal]:
        """What was bought and is still held, ticket by ticket, in lots."""
        return [one.lots for one in self.books().open.values() if one.type == 0]

    def net(self) -> Decimal:
        """What is held, in lots."""
        rows = [one for one in self.books().open.values() if not one.pending]
        return sum((one.lots if one.buys else -one.lots for one in rows), Decimal(0))
