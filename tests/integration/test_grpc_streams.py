"""Streams of the gRPC door: resumed behind an index, alive by heartbeats, and never in anybody's way."""

import json
import signal
import threading
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_grpc import ORDER
from tests.services.grpc import Both, Client, Told, serving_grpc

BURST = 400


@pytest.fixture(autouse=True)
def _state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def submit(client: Client, key: str) -> str:
    made: str = client.call("Submit", **ORDER | {"idempotency_key": key, "quantity": "1"})["order_id"]
    return made


def journal(served: Any) -> dict[int, str]:
    """Every entry about an order, as the log has it."""
    with served.client() as http:
        size = int(http.get("/v1/audit/checkpoint").text.splitlines()[1])
    entries: dict[int, str] = {}
    with served.client() as http, http.stream("GET", "/v1/events?after=-1") as events:
        index = -1
        for line in events.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                index = int(value)
            elif name == "data":
                if '"order_id"' in value:
                    entries[index] = value
                if index >= size - 1:
                    return entries
    raise AssertionError


class Reader(threading.Thread):
    """Reads updates until its server dies; knows the last index that it has seen."""

    def __init__(self, client: Client, after: int) -> None:
        super().__init__(daemon=True)
        self.updates: list[dict[str, Any]] = []
        self.after, self.told = after, ""
        self._stream = client.updates(after=after, heartbeat_s=1)

    def run(self) -> None:
        try:
            for update in self._stream:
                self.after = int(update["index"])
                if "event" in update:
                    self.updates.append(update)
        except Told as told:
            self.told = told.status


@pytest.mark.slow
def test_a_stream_resumes_where_a_killed_server_cut_it_off(tmp_path: Path) -> None:
    """Under load, three times: no entry is missing, none comes twice, and each has the log's own bytes."""
    database, after = tmp_path / "orders.db", -1
    seen: list[dict[str, Any]] = []
    for round_ in range(3):
        with serving_grpc(database) as both:
            reader = Reader(both.client, after)
            reader.start()
            writer = threading.Thread(target=_write, args=(both.address, round_), daemon=True)
            writer.start()
            while len(reader.updates) < 40:
                assert reader.is_alive(), reader.told
                time.sleep(0.01)
            both.served.end(signal.SIGKILL)
            reader.join(30)
            writer.join(30)
            assert reader.told == "UNAVAILABLE"
        after = reader.after
        seen += reader.updates
    with serving_grpc(database) as both:
        reader = Reader(both.client, after)
        reader.start()
        entries = journal(both.served)
        while reader.after < max(entries):
            time.sleep(0.01)
        seen += reader.updates
        indices = [int(update["index"]) for update in seen]
        assert indices == sorted(set(indices))
        assert indices == sorted(entries)
        for update in seen:
            assert b64decode(update["entry"]).decode() == entries[int(update["index"])]
        for update in {update["order"]["order_id"]: update for update in seen}.values():
            assert update["order"] == both.client.call("GetOrder", order_id=update["order"]["order_id"])


def _write(address: str, round_: int) -> None:
    client = Client(address)
    try:
        for number in range(10_000):
            submit(client, f"{round_}-{number}")
    except Told:
        pass
    finally:
        client.channel.close()


@pytest.mark.slow
def test_a_stream_resumes_after_a_restart(tmp_path: Path) -> None:
    database = tmp_path / "orders.db"
    with serving_grpc(database) as both:
        updates = iter(both.client.updates(after=-1))
        order_id, seen = submit(both.client, "before"), []
        while not seen or seen[-1].get("event") != "OrderAcknowledged":
            seen.append(next(updates))
        both.served.end(signal.SIGKILL)
        with pytest.raises(Told) as caught:
            next(updates)
        assert caught.value.status == "UNAVAILABLE"
    with serving_grpc(database) as both:
        both.client.call("Cancel", order_id=order_id)
        for update in both.client.updates(after=seen[-1]["index"]):
            assert int(update["index"]) >= int(seen[-1]["index"])
            if "event" in update:
                assert (int(update["index"]) > int(seen[-1]["index"]), update["order"]["order_id"]) == (
                    True,
                    order_id,
                )
                break


@pytest.mark.slow
def test_heartbeats_carry_how_far_the_journal_was_read(tmp_path: Path) -> None:
    """Also where nothing of it is of the fund that is asked for."""
    with serving_grpc(tmp_path / "orders.db") as both:
        beats = iter(both.client.updates(fund_id="another", after=-1, heartbeat_s=1))
        first = next(beats)
        assert (first["index"], "event" in first) == ("-1", False)
        submit(both.client, "one")
        end = max(journal(both.served))
        while (reached := int(next(beats)["index"])) < end:
            pass
        with both.served.client() as http:
            assert reached < int(http.get("/v1/audit/checkpoint").text.splitlines()[1])
        from_now = iter(both.client.updates())
        assert int(next(from_now)["index"]) >= end
        submit(both.client, "two")
        update = next(from_now)
        assert (update["event"], update["order"]["idempotency_key"]) == ("OrderEntered", "two")
        assert json.loads(b64decode(update["entry"]))["index"] == int(update["index"])


@pytest.mark.slow
def test_a_slow_reader_holds_nothing_back(tmp_path: Path) -> None:
    """It reads nothing while far more happens than its connection holds; then all is there, in order."""
    with serving_grpc(tmp_path / "orders.db") as both:
        slow = Client(both.address)
        updates = iter(slow.updates(after=-1))
        first = next(updates)
        keys = [f"burst-{number}" for number in range(BURST)]
        began = time.monotonic()
        for key in keys:
            submit(both.client, key)
        assert time.monotonic() - began < 60
        assert both.client.health() == "SERVING"
        entered, last = [], int(first["index"])
        while len(entered) < BURST:
            update = next(updates)
            assert int(update["index"]) >= last
            last = int(update["index"])
            if update.get("event") == "OrderEntered":
                entered.append(update["order"]["idempotency_key"])
        assert entered == keys
        unread = slow.updates(after=-1)
        while _open_streams(both) < 2:
            time.sleep(0.01)
        unread.cancel()
        slow.channel.close()
        while _open_streams(both):
            time.sleep(0.01)


def _open_streams(both: Both) -> float:
    with both.served.client() as http:
        [line] = [
            one
            for one in http.get("/metrics").text.splitlines()
            if one.startswith("ordergate_event_streams ")
        ]
    return float(line.split()[1])


@pytest.mark.slow
def test_a_reader_that_never_reads_does_not_keep_the_service_from_ending(tmp_path: Path) -> None:
    with serving_grpc(tmp_path / "orders.db") as both:
        slow = Client(both.address)
        _stream = slow.updates(after=-1)
        for number in range(BURST):
            submit(both.client, f"burst-{number}")
        assert both.served.end(signal.SIGTERM, 60) == 0
        assert "Traceback" not in (both.served.process.stderr.read() if both.served.process.stderr else "")
        slow.channel.close()


@pytest.mark.slow
def test_a_service_that_ends_says_so_to_its_streams(tmp_path: Path) -> None:
    with serving_grpc(tmp_path / "orders.db") as both:
        updates = iter(both.client.updates())
        next(updates)
        watching = both.client.watch()
        assert next(watching) == "SERVING"
        both.served.process.send_signal(signal.SIGTERM)
        with pytest.raises(Told) as caught:
            list(updates)
        assert (caught.value.status, caught.value.code) == ("UNAVAILABLE", "not_ready")
        assert both.served.process.wait(60) == 0
