"""`python -m bench.node URL FIRST ORDERS IN_FLIGHT`: one of several nodes, told by lines on its standard input.

Says `ready`; at `go` it drives its orders, then says what that took, as JSON; at `end` it closes.
"""

import asyncio
import sys

import msgspec
import uvloop

from bench.gates import open_node
from bench.traffic import Closings, drive


async def main(url: str, first: int, orders: int, in_flight: int) -> None:
    """The whole life of the node."""
    async with open_node(url) as gate:
        closings = Closings(gate.runner)
        await drive(gate, closings, first, max(50, in_flight), in_flight)
        _say(b"ready")
        await asyncio.to_thread(sys.stdin.readline)
        traffic = await drive(gate, closings, first + 1_000_000, orders, in_flight)
        _say(msgspec.json.encode([traffic.spent.wall_s, traffic.spent.cpu_s, traffic.answers_s]))
        await asyncio.to_thread(sys.stdin.readline)


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], *map(int, sys.argv[2:])))
