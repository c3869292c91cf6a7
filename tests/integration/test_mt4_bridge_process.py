"""The terminal as a process that is killed with an order in its hands: what the next one says is what the server did."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ordergate.testing.metatrader4.lines import (
    command_id,
    command_name,
    comment_of,
    dress,
    magic_of,
    undress,
)
from ordergate.testing.metatrader4.program import Control
from tests.services.bridge import EXPERTS

pytestmark = pytest.mark.slow
MODULES = {"python": "ordergate.testing.metatrader4.program", "mql4": "tests.services.mql4.program"}


def wait_for(what: Callable[[], Any], within_s: float = 30.0) -> Any:
    end = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
    return found


class Client:
    """Hands commands over, to whichever process runs."""

    def __init__(self, place: Path, expert: str) -> None:
        self.root, self.account, self.module = place / "files", place / "account.json", MODULES[expert]
        self.seq, self.bid = 0, 1.1
        self.terminal = self.start()

    def start(self) -> Control:
        terminal = Control(self.root, self.account, module=self.module)
        self.terminal = terminal
        self.quote()
        self.put("owner.json", {"v": 1, "kind": "owner", "gen": 1, "session": "only", "at": 0})
        wait_for(lambda: self.state().get("session") == "only" and self.state()["ready"])
        return terminal

    def quote(self) -> None:
        self.terminal.do("quote", symbol="EURUSD", bid="1.10000", ask="1.10010")

    def put(self, name: str, fields: dict[str, Any]) -> None:
        self.root.mkdir(exist_ok=True)
        part = self.root / "tmp-mine"
        part.write_bytes(dress(fields))
        part.replace(self.root / name)

    def read(self, name: str) -> dict[str, Any]:
        path = self.root / name
        return (undress(path.read_bytes()) if path.exists() else None) or {}

    def state(self) -> dict[str, Any]:
        return self.read("state/account.json")

    def send(self, op: str, ref: str, **keys: Any) -> None:
        self.seq += 1
        now = int(time.time())
        command = {
            "v": 1,
            "kind": "command",
            "gen": 1,
            "seq": self.seq,
            "id": command_id(ref),
            "ref": ref,
            "sent_at": now,
            "expires_at": now + 60,
            "op": op,
            **keys,
        }
        self.put(f"in/{command_name(1, self.seq)}", command)

    def result(self, ref: str) -> dict[str, Any]:
        return self.read(f"out/res-{command_id(ref)}.json")


@pytest.mark.parametrize("expert", EXPERTS)
def test_a_killed_terminal_sends_nothing_twice_and_forgets_nothing(expert: str, tmp_path: Path) -> None:
    client = Client(tmp_path, expert)
    try:
        for step in range(1, 10):
            ref = f"ord-{step}.1"
            client.terminal.do("die", steps=step)
            keys = {"symbol": "EURUSD", "type": "buy", "lots": "0.10"}
            client.send("open", ref, magic=magic_of(ref), comment=comment_of(ref), **keys)
            wait_for(lambda: client.terminal.process.poll() is not None)
            client.terminal.kill()
            client.start()
            client.send("seal", f"seal-{step}", target=command_id(ref))
            state = wait_for(lambda step=step: client.result(f"seal-{step}"))["state"]
            tickets = [one for one in client.terminal.books().open.values() if one.magic == magic_of(ref)]
            assert len(tickets) == (1 if state == "done" else 0), f"step {step}: {state}"
        told = [
            line for path in (client.root / "events").iterdir() for line in path.read_bytes().splitlines(True)
        ]
        opened = [line["ticket"] for one in told if (line := undress(one)) and line["kind"] == "opened"]
        assert sorted(opened) == sorted(client.terminal.books().open)
    finally:
        client.terminal.kill()
