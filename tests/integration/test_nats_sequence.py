"""Commands of a stream change an order in the stream's sequence, or not at all."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from ordergate.application import tallying
from ordergate.bootstrap import Gate
from tests.integration.test_nats_commands import FUND, config, order
from tests.integration.test_nats_signals import config_for, orders, run, taking
from tests.services.mail import Mail, mail, until
from tests.services.nats import Nats


def price(to: str, order_id: str = "ord-1", **more: Any) -> dict[str, Any]:
    return {"order_id": order_id, "limit_price": to, **more}


async def priced(gate: Gate, to: str, order_id: str = "ord-1") -> None:
    async def there() -> bool:
        known = {o.order_id: o for o in await gate.queries.orders()}
        return order_id in known and str(known[order_id].limit_price) == to and not known[order_id].requests

    await until(there)


async def codes(post: Mail, count: int) -> list[str]:
    return [headers["Ordergate-Code"] for _subject, headers, _data in await post.dead(count)]


def test_a_replace_that_comes_again_does_not_undo_a_later_one(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await post.send("mts.v1.oms.submit", order("k0", fund_id=FUND))
            await orders(gate, 1)
            await post.send("mts.v1.oms.replace", price("101"))  # its order is not there yet
            await post.send("mts.v1.oms.submit", order(order_id="ord-1", fund_id=FUND))
            await post.send("mts.v1.oms.replace", price("102"))
            assert await codes(post, 1) == ["superseded"]
            await priced(gate, "102")
            entries = await gate.journal.indices("ord-1")
            await post.send("mts.v1.oms.replace", price("103"))
            await priced(gate, "103")
            assert len(await gate.journal.indices("ord-1")) > len(entries)

    run(main())


def test_what_is_sent_at_once_is_done_in_sequence(nats: Nats, tmp_path: Path) -> None:
    count = 12
    again = tallying.messages["commands", "again"]

    async def main() -> None:
        async with mail(nats.url) as post:
            await post.stream.add_stream(name="ALL", subjects=["mts.v1.oms.*", "mts.v1.oms.*.fund.*"])
            for number in range(count):
                name = f"ord-{number}"
                await post.send("mts.v1.oms.submit", order(f"k{number}", order_id=name, fund_id=FUND))
                for to in ("101", "102", "103"):
                    await post.send("mts.v1.oms.replace", price(to, name))
            async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate:
                for number in range(count):
                    await priced(gate, "103", f"ord-{number}")
                assert await post.kept("ORDERGATE_DEAD") == []
                for number in range(count):
                    await post.send("mts.v1.oms.cancel", {"order_id": f"ord-{number}"})

                async def canceled() -> bool:
                    return sum(o.state == "CANCELED" for o in await gate.queries.orders()) == count

                await until(canceled)
        assert tallying.messages["commands", "again"] == again  # none was tried before its turn

    run(main())


def test_what_was_done_and_not_acknowledged_is_not_done_again(nats: Nats, tmp_path: Path) -> None:
    quick = config_for(nats, signals=False, commands=True, ack_wait_s=1)

    async def main() -> None:
        async with (
            taking(quick, f"sqlite:///{tmp_path / 'o.db'}") as gate,
            mail(nats.url) as post,
        ):
            await post.send("mts.v1.oms.submit", order(order_id="ord-1", fund_id=FUND))
            await orders(gate, 1)
            await gate.quiet()
            execute, lost = gate.execute, [True, True]

            async def losing(*args: Any) -> Any:
                done = await execute(*args)
                if lost:
                    lost.pop()
                    raise asyncio.CancelledError  # as if the process had ended before it could acknowledge
                return done

            gate.execute = losing  # type: ignore[method-assign]
            await post.send("mts.v1.oms.replace", price("101"))
            await priced(gate, "101")
            await post.send("mts.v1.oms.cancel", {"order_id": "ord-1"})

            async def answered() -> bool:
                (info,) = await post.stream.consumers_info("ORDERGATE_COMMANDS")
                return info.num_pending == 0 and info.num_ack_pending == 0

            await until(answered)
            assert await post.kept("ORDERGATE_DEAD") == []

    run(main())


def test_a_replace_of_long_ago_changes_nothing(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with taking(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate, mail(nats.url) as post:
            await post.send("mts.v1.oms.submit", order(order_id="ord-1", fund_id=FUND))
            await orders(gate, 1)
            await gate.quiet()
            clock = gate.clock
            gate.clock = type("Later", (), {"now": lambda self: clock.now() + timedelta(hours=1)})()
            await post.send("mts.v1.oms.replace", price("101"))
            assert await codes(post, 1) == ["command_too_old"]
            assert str((await gate.queries.order("ord-1")).limit_price) == "180.5"

    run(main())
