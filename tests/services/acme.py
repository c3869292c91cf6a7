"""The example's venue on a loop of its own, and its distribution as if it were installed."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from acme_broker.venue import AcmeVenue

from tests.services.server import ROOT

SOURCE = ROOT / "examples" / "acme-broker"


class Acme:
    """The venue: `acme` is steered from any thread."""

    def __init__(self) -> None:
        self.acme = AcmeVenue(permissions=("read", "trade"))
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.port = self.call(self.acme.start())

    def call(self, job: Coroutine[Any, Any, Any]) -> Any:
        """Runs it on the venue's loop."""
        return asyncio.run_coroutine_threadsafe(job, self.loop).result(10)

    def end(self) -> None:
        self.call(self.acme.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


def installed(folder: Path) -> tuple[Path, Path]:
    """Where a process finds the distribution: its source, and a folder that says what it publishes."""
    said = folder / "acme_broker-0.1.0.dist-info"
    said.mkdir(parents=True)
    (said / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-broker\nVersion: 0.1.0\n")
    (said / "entry_points.txt").write_text("[ordergate.brokers]\nacme = acme_broker:PLUGIN\n")
    return SOURCE, folder
