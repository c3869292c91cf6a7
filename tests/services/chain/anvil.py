"""anvil, from npm: a real node that can be told to mine and to reorganise."""

import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.services.chain import npm
from tests.services.chain.node import Refusal


class Anvil:
    """A chain in a process of its own."""

    chain_id = 31_337

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._mines = True

    @property
    def automines(self) -> bool:
        return self._mines

    @automines.setter
    def automines(self, on: bool) -> None:
        self._mines = on
        self.ask("evm_setAutomine", [on])

    def ask(self, method: str, params: list[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = json.loads(answer.read())
        if "error" in said:
            error = said["error"]
            raise Refusal(error["message"], error["code"], error.get("data"))
        return said["result"]

    def mine(self, blocks: int = 1) -> None:
        self.ask("anvil_mine", [hex(blocks)])

    def reorganise(self, depth: int) -> None:
        self.ask("anvil_reorg", [depth, []])

    def snapshot(self) -> Any:
        return self.ask("evm_snapshot", [])

    def revert(self, snapshot: Any) -> None:
        assert self.ask("evm_revert", [snapshot])
        self.ask("anvil_dropAllTransactions", [])

    def give(self, address: str, wei: int) -> None:
        self.ask("anvil_setBalance", [address, hex(wei)])


@contextmanager
def anvil() -> Iterator[Anvil]:
    """A chain that begins with nothing."""
    command = [str(npm.anvil()), "--port", "0", "--code-size-limit", "100000", "--accounts", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    reading = threading.Thread(target=process.stdout.read, daemon=True)
    try:
        for line in process.stdout:
            if line.startswith("Listening on"):
                break
        else:
            raise AssertionError("anvil did not begin")
        reading.start()  # it stands still where nobody reads
        yield Anvil(int(line.strip().rpartition(":")[2]))
    finally:
        process.kill()
        process.wait()
        if reading.ident is not None:
            reading.join()
        process.stdout.close()
