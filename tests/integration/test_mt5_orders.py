"""Orders of every kind at the simulated terminal: what is sent, what is refused here, and what is told of them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.mt5.agent.port import Command, Record, Unreachable
from ordergate.adapters.brokers.mt5.symbols import Unreadable, lots
from ordergate.application.ports.brokers import Change, Presence, Withdraw
from ordergate.domain.orders.reports import Acknowledged, Confirmed, Executed, Outcome, Replaced
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.testing.conformance.counterpart import Recorder
from ordergate.testing.metatrader5 import Fault
from ordergate.testing.metatrader5 import constants as mt5
from tests.services.mt5 import EXCHANGE, HEDGING, MARKET, NETTING, SETTINGS, START, broker_at
from tests.services.mt5_talk import Desk, order, play, resting

INSTANT = mt5.SYMBOL_TRADE_EXECUTION_INSTANT
LIMIT, STOP, STOP_LIMIT = OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT
GTC, DAY, GTD, IOC, FOK = (TimeInForce(name) for name in ("gtc", "day", "gtd", "ioc", "fok"))
LATER = START + timedelta(hours=2)
D = Decimal
ACTION = {"deal": mt5.TRADE_ACTION_DEAL, "pending": mt5.TRADE_ACTION_PENDING}
RETURN, OF_FOK, OF_IOC = mt5.ORDER_FILLING_RETURN, mt5.ORDER_FILLING_FOK, mt5.ORDER_FILLING_IOC


def at(
    kind: OrderType, side: Side, *, limit: str | None = None, stop: str | None = None, **terms: Any
) -> Any:
    prices = {"limit_price": limit and D(limit), "stop_price": stop and D(stop)}
    return order("x.1", side, order_type=kind, **prices, **terms)


@pytest.mark.parametrize(
    ("execution", "send", "expected"),
    [
        (
            MARKET,
            order("x.1"),
            {"action": ACTION["deal"], "type": mt5.ORDER_TYPE_BUY, "type_filling": OF_FOK},
        ),
        (MARKET, order("x.1", Side.SHORT), {"type": mt5.ORDER_TYPE_SELL, "price": 1.1}),
        (MARKET, order("x.1", tif=IOC), {"type_filling": OF_IOC}),
        (MARKET, order("x.1", tif=FOK), {"type_filling": OF_FOK}),
        (EXCHANGE, order("x.1"), {"type_filling": RETURN}),
        (INSTANT, order("x.1"), {"price": 1.10002, "deviation": 10, "type_filling": OF_FOK}),
        (
            INSTANT,
            at(LIMIT, Side.BUY, limit="1.1001", tif=FOK),
            {"action": ACTION["deal"], "price": 1.10002, "deviation": 8},
        ),
        (
            INSTANT,
            at(LIMIT, Side.BUY, limit="1.1001", tif=IOC),
            {"action": ACTION["deal"], "deviation": 8, "type_filling": OF_FOK},
        ),
        (INSTANT, order("x.1", tif=IOC), {"type_filling": OF_FOK}),
        (
            EXCHANGE,
            at(LIMIT, Side.BUY, limit="1.1001", tif=IOC),
            {"action": ACTION["pending"], "type": mt5.ORDER_TYPE_BUY_LIMIT, "type_filling": OF_IOC},
        ),
        (
            MARKET,
            at(LIMIT, Side.BUY, limit="1.09"),
            {
                "action": ACTION["pending"],
                "type": mt5.ORDER_TYPE_BUY_LIMIT,
                "price": 1.09,
                "type_filling": RETURN,
            },
        ),
        (
            MARKET,
            at(LIMIT, Side.SELL, limit="1.2"),
            {"type": mt5.ORDER_TYPE_SELL_LIMIT, "type_time": mt5.ORDER_TIME_GTC},
        ),
        (
            MARKET,
            at(STOP, Side.BUY, stop="1.2", tif=DAY),
            {"type": mt5.ORDER_TYPE_BUY_STOP, "type_time": mt5.ORDER_TIME_DAY},
        ),
        (
            MARKET,
            at(STOP, Side.SHORT, stop="1.05", tif=GTD, expires_at=LATER),
            {
                "type": mt5.ORDER_TYPE_SELL_STOP,
                "type_time": mt5.ORDER_TIME_SPECIFIED,
                "expiration": int(LATER.timestamp()) + 3 * 3_600,  # the server's clock is three hours ahead
            },
        ),
        (
            MARKET,
            at(STOP_LIMIT, Side.BUY, stop="1.2", limit="1.19"),
            {"type": mt5.ORDER_TYPE_BUY_STOP_LIMIT, "price": 1.2, "stoplimit": 1.19},
        ),
        (
            MARKET,
            at(STOP_LIMIT, Side.SELL, stop="1.0", limit="1.01"),
            {"type": mt5.ORDER_TYPE_SELL_STOP_LIMIT},
        ),
        (MARKET, order("x.1", stop_loss=D("1.09"), take_profit=D("1.2")), {"sl": 1.09, "tp": 1.2}),
        (MARKET, order("x.1", Side.SELL, stop_loss=D("1.2"), take_profit=D("1.0")), {"sl": 0.0, "tp": 0.0}),
    ],
)
def test_what_is_sent(execution: int, send: Any, expected: dict[str, Any]) -> None:
    async def scene(desk: Desk) -> None:
        await desk.pass_time(31)  # before, no gtd order is sent
        await desk.accepted(send)
        (sent,) = desk.sent
        assert {name: sent[name] for name in expected} == expected
        assert sent["magic"] > 0
        assert sent["comment"].startswith("#")

    play(scene, execution=execution)


@pytest.mark.parametrize(
    ("terms", "symbol", "says"),
    [
        (order("x.1", quantity="0.105"), {}, "quantity: 0.105 is no multiple of 0.01"),
        (order("x.1", quantity="200"), {}, "above the maximum of 100"),
        (at(LIMIT, Side.BUY, limit="1.200001"), {}, "limit_price: 1.200001 is no multiple of 0.00001"),
        (at(LIMIT, Side.BUY, limit="1.2"), {}, "limit_price: 1.2 must be"),
        (at(LIMIT, Side.BUY, limit="1.09999"), {"stops_level": 10}, "at least 10 points"),
        (at(STOP, Side.BUY, stop="1.09"), {}, "stop_price: 1.09 must be"),
        (at(STOP, Side.BUY, stop="1.2", tif=IOC), {}, "tif: a stop order waits"),
        (at(LIMIT, Side.BUY, limit="1.2", tif=IOC), {}, "at any price"),
        (order("x.1", tif=FOK), {"filling_mode": 2}, "tif: EURUSD.r takes no fok"),
        (at(LIMIT, Side.BUY, limit="1.0", tif=DAY), {"expiration_mode": 1}, "takes no day orders: write gtc"),
        (order("x.1"), {"order_mode": 2}, "order_type: EURUSD.r takes no market"),
        (order("x.1", stop_loss=D("1.2")), {}, "stop_loss: 1.2 must be"),
        (order("x.1", stop_loss=D("1.0")), {"order_mode": 15}, "takes none: let ordergate protect"),
        (order("x.1"), {"trade_mode": 0}, "not traded"),
        (
            order("x.1"),
            {"contract_size": "1000"},
            "contract_size is 100000, and a lot of EURUSD.r is 1000: write 1000",
        ),
        (order("x.1"), {"profit": "CHF"}, "currency is USD, and EURUSD.r is priced in CHF"),
        (order("x.1"), {"base": "GBP"}, "base is EUR, and EURUSD.r is GBP"),
        (order("x.1"), {"tick_size": "0.000015"}, "tick is 0.00001, and EURUSD.r moves by 0.000015"),
        (order("x.1", symbol="GBPUSD"), {}, "GBPUSD is not traded here"),
        (order("x.1", tif=TimeInForce.OPG), {}, "no opg orders"),
        (order("x.1", quantity="-1"), {}, "quantity: -1 is no number above zero"),
    ],
)
def test_what_is_refused_here(terms: Any, symbol: dict[str, Any], says: str) -> None:
    async def scene(desk: Desk) -> None:
        answer = await desk.submit(terms)
        assert answer.outcome is Outcome.REJECTED
        assert says in (answer.reason or "")
        assert desk.sent == []

    play(scene, execution=MARKET, **symbol)


def test_a_unit_that_is_no_lot_is_converted() -> None:
    """The terminal counts lots of a contract, the instrument its own unit."""

    async def scene(desk: Desk) -> None:
        from ordergate.domain.instruments import Unit, built_in

        ounce = replace(built_in("EURUSD"), unit=Unit.OUNCES, contract_size=D(1), lot_step=D(1000))
        session = desk.broker.session
        assert session is not None
        session.reader._catalogue = lambda _symbol: ounce
        await desk.accepted(order("x.1", quantity="25000"))
        assert desk.sent[0]["volume"] == 0.25
        assert desk.fills("x.1") == [("25000", "1.10002")]
        assert "is no multiple of 1000" in ((await desk.submit(order("y.1", quantity="500"))).reason or "")

    play(scene)


def test_partial_fills_of_an_order_that_rests() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("part.1", quantity="0.5"))
        desk.machine.quote("1.0898", "1.09", D("0.2"))
        await desk.told()
        desk.machine.quote("1.0896", "1.0899", D("0.1"))
        await desk.told()
        assert desk.fills("part.1") == [("0.2", "1.09"), ("0.1", "1.0899")]
        assert (await desk.broker.open_orders()).client_ids == {"part.1"}
        await desk.cancel("part.2", "part.1")
        assert desk.ends() == [("part.1", "canceled")]
        assert len(await desk.found("part.1")) == 3

    play(scene, execution=MARKET)


def test_what_ends_with_a_part_of_it() -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.quote("1.1", "1.10002", D("0.03"))
        await desk.accepted(order("ioc.1", tif=IOC))
        assert desk.fills("ioc.1") == [("0.03", "1.10002")]
        assert desk.ends() == [("ioc.1", "canceled")]
        desk.machine.quote("1.1", "1.10002", D("0.03"))
        assert (await desk.submit(order("fok.1", tif=FOK))).outcome is Outcome.REJECTED

    play(scene, execution=MARKET)


def test_a_reversal_is_one_deal() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("long.1", quantity="0.3"))
        await desk.accepted(order("turn.1", Side.SELL, "0.5"))
        assert desk.fills("turn.1") == [("0.5", "1.1")]
        statement = await desk.broker.statement(START)
        assert statement.positions == {"EURUSD": D("-0.2")}
        assert [one.exec_id for one in statement.executions or ()] == list(desk.sink.executions)

    play(scene)


def test_placed_then_dealt_later() -> None:
    """10008 says that it was taken; what is dealt later is told then, by nobody's asking."""

    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.LATE, {"after_ms": None}, times=1)
        answer = await desk.broker.submit(order("late.1"))
        assert (answer.outcome, answer.broker_order_id is not None) == (Outcome.ACCEPTED, True)
        await desk.pass_time(1)
        assert desk.fills("late.1") == []
        assert not any(isinstance(said, Confirmed) for said in await desk.found("late.1"))
        desk.machine.steering.release()
        await desk.pass_time(1)
        assert desk.fills("late.1") == [("0.1", "1.10002")]
        assert isinstance((await desk.found("late.1"))[-1], Confirmed)

    play(scene)


def test_a_history_that_lags() -> None:
    """What is not listed yet is neither absent nor at its end; once it is, everything is told once."""

    async def scene(desk: Desk) -> None:
        desk.machine.steering.inject(Fault.HISTORY_LAG, 5)
        answer = await desk.broker.submit(order("lag.1"))
        assert answer.outcome is Outcome.ACCEPTED
        assert (await desk.broker.lookup("lag.1")).reason is not None
        await desk.pass_time(3)
        assert (desk.fills("lag.1"), desk.sink.reports) == ([], [])
        await desk.pass_time(4)
        assert desk.fills("lag.1") == [("0.1", "1.10002")]
        kinds = [type(said).__name__ for said in desk.sink.reports]
        assert kinds == ["Executed", "Acknowledged", "Confirmed"]

    play(scene)


def test_an_end_whose_deals_are_not_listed_yet() -> None:
    """The order is listed as filled: told as such it would be an order without fills."""

    async def scene(desk: Desk) -> None:
        desk.machine.hidden = {"history_deals_get"}
        answer = await desk.broker.submit(order("lag.1"))
        assert answer.outcome is Outcome.ACCEPTED
        await desk.pass_time(3)
        assert [type(said).__name__ for said in desk.sink.reports] == ["Acknowledged"]
        lookup = await desk.broker.lookup("lag.1")
        assert (lookup.presence, "its deals are" in (lookup.reason or "")) == (Presence.UNAVAILABLE, True)
        assert not (await desk.broker.statement(START)).complete
        desk.machine.hidden = set()
        await desk.pass_time(3)
        kinds = [type(said).__name__ for said in desk.sink.reports]
        assert kinds == ["Acknowledged", "Executed", "Confirmed"]

    play(scene)


def test_an_order_that_is_listed_nowhere_for_a_while() -> None:
    """It works no longer, and is not in the history yet: nothing is made up, and a cancel of it proves nothing."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("rest.1"))
        await desk.pass_time(1)
        desk.machine.hidden = {"history_deals_get", "history_orders_get"}
        desk.price("1.08", "1.0801")
        await desk.machine.clock.sleep(3)
        assert len(desk.sink.reports) == 1
        assert (await desk.broker.lookup("rest.1")).presence is Presence.UNAVAILABLE
        withdraw = Withdraw(client_id="rest.2", order="rest.1", broker_order_id=None)
        assert (await desk.broker.cancel(withdraw)).outcome is Outcome.UNKNOWN
        desk.machine.hidden = set()
        await desk.machine.clock.sleep(3)
        assert [type(said).__name__ for said in desk.sink.reports] == [
            "Acknowledged",
            "Executed",
            "Confirmed",
        ]

    play(scene)


def test_a_symbol_that_was_not_known_when_the_session_began() -> None:
    """What was dealt in it is told once it is known, and not before, and not left out."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1"))
        desk.machine.steering.inject(Fault.FAIL, -1, calls=["symbol_info"])
        await desk.connect()
        await desk.pass_time(2)
        assert desk.executed() == []
        assert not (await desk.broker.statement(START)).complete
        desk.machine.steering.clear()
        await desk.pass_time(12)
        assert len(desk.fills("mine.1")) == 1

    play(scene)


def test_a_fill_in_a_symbol_that_was_taken_out_of_the_configuration_is_not_passed_over() -> None:
    """What a lot of it is nobody knows: its order does not end before the symbol is there again."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("mine.1"))
        await desk.broker.close()
        other = replace(SETTINGS, symbols={"USDJPY": "USDJPY"})
        desk.broker, desk.sink = broker_at(desk.machine, other), Recorder()
        await desk.broker.connect(desk.sink, None)
        desk.price("1.0899", "1.08991")
        await desk.machine.clock.sleep(20)
        assert [type(one) for one in desk.sink.reports] == [Acknowledged]
        lookup = await desk.broker.lookup("mine.1")
        assert lookup.presence is Presence.UNAVAILABLE
        assert "symbols has no EURUSD.r any more" in (lookup.reason or "")
        await desk.connect()
        await desk.machine.clock.sleep(20)
        assert desk.fills("mine.1") == [("0.1", "1.08991")]

    play(scene)


def test_volumes_have_eight_digits_whatever_floats_make_of_them() -> None:
    assert lots({"volume": 0.1 + 0.2}, "volume") == D("0.3")
    with pytest.raises(Unreadable):
        lots({"volume": None}, "volume")


def test_a_row_that_nobody_can_read_ends_nothing() -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.garbled = {"history_deals_get": [{"type": 0}]}
        await desk.broker.submit(order("mine.1"))
        await desk.pass_time(1)
        assert desk.executed() == []
        desk.machine.garbled = {}
        await desk.pass_time(12)
        assert len(desk.fills("mine.1")) == 1

    play(scene)


def test_fees_and_times() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("fee.1", quantity="0.5"))
        (said,) = desk.executed()
        assert (said.fee, said.fee_currency) == (D("1.75"), "USD")
        assert abs(said.time - desk.machine.clock.now()) < timedelta(seconds=5)
        desk.machine.steering.money("5000")
        await desk.pass_time(1)
        assert len(desk.executed()) == 1

    play(scene, commission="3.5")


def test_new_prices_of_a_resting_order() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("rest.1", stop_loss=D("1.05")))
        change = Change(client_id="rest.2", order="rest.1", broker_order_id=None, limit_price=D("1.08"))
        assert (await desk.broker.replace(change)).outcome is Outcome.ACCEPTED
        (told,) = (said for said in desk.sink.reports if isinstance(said, Replaced))
        assert (told.client_id, told.limit_price, told.quantity) == ("rest.2", D("1.08"), None)
        assert (await desk.broker.open_orders()).client_ids == {"rest.2"}
        assert desk.sent[-1]["sl"] == 1.05
        more = replace(change, client_id="rest.3", order="rest.2", quantity=D("0.2"))
        refused = await desk.broker.replace(more)
        assert (refused.outcome, "quantity" in (refused.reason or "")) == (Outcome.REJECTED, True)
        off = replace(change, client_id="rest.4", order="rest.2", limit_price=D("1.0800001"))
        assert (await desk.broker.replace(off)).outcome is Outcome.REJECTED
        await desk.connect()
        assert (await desk.broker.open_orders()).client_ids == {"rest.2"}
        await desk.cancel("rest.5", "rest.2")
        assert desk.ends() == [("rest.1", "canceled")]

    play(scene)


def test_new_prices_of_a_stop_limit_order() -> None:
    async def scene(desk: Desk) -> None:
        send = order("stop.1", order_type=STOP_LIMIT, stop_price=D("1.2"), limit_price=D("1.19"))
        await desk.accepted(send)
        change = Change(client_id="stop.2", order="stop.1", broker_order_id=None, stop_price=D("1.3"))
        assert (await desk.broker.replace(change)).outcome is Outcome.ACCEPTED
        (told,) = (said for said in desk.sink.reports if isinstance(said, Replaced))
        assert (told.stop_price, told.limit_price) == (D("1.3"), D("1.19"))

    play(scene)


def test_a_change_whose_answer_is_lost() -> None:
    """It is told once the order has its terms; where it has not, the change can be sent again."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("rest.1"))
        change = Change(client_id="rest.2", order="rest.1", broker_order_id=None, limit_price=D("1.08"))
        desk.machine.steering.inject(Fault.NONE_BEFORE, -10002, times=1)
        assert (await desk.broker.replace(change)).outcome is Outcome.UNKNOWN
        assert not [said for said in await desk.found("rest.1") if isinstance(said, Replaced)]
        desk.machine.steering.inject(Fault.NONE_AFTER, -10002, times=1)
        assert (await desk.broker.replace(change)).outcome is Outcome.UNKNOWN
        told = [said.client_id for said in await desk.found("rest.1") if isinstance(said, Replaced)]
        assert told == ["rest.2"]
        assert (await desk.broker.open_orders()).client_ids == {"rest.2"}

    play(scene)


def test_a_cancel_whose_answer_is_lost_can_be_sent_again() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(resting("rest.1"))
        desk.machine.steering.inject(Fault.NONE_BEFORE, -10002, times=1)
        assert (await desk.cancel("rest.2", "rest.1")).outcome is Outcome.UNKNOWN
        assert (await desk.broker.open_orders()).client_ids == {"rest.1"}
        assert (await desk.cancel("rest.2", "rest.1")).outcome is Outcome.ACCEPTED
        assert desk.ends() == [("rest.1", "canceled")]

    play(scene)


def test_hedging_closes_the_oldest_first_and_opens_the_rest() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("one.1", quantity="0.1"))
        await desk.pass_time(1)
        await desk.accepted(order("two.1", quantity="0.2"))
        first, second = (position.ticket for position in desk.machine.state.positions.values())
        await desk.accepted(order("out.1", Side.SELL, "0.15"))
        assert [(sent["position"], sent["volume"]) for sent in desk.sent[2:]] == [
            (first, 0.1),
            (second, 0.05),
        ]
        assert sorted(desk.fills("out.1")) == [("0.05", "1.1"), ("0.1", "1.1")]
        assert len(await desk.found("out.1")) == 3
        assert isinstance((await desk.found("out.1"))[-1], Confirmed)
        await desk.accepted(order("more.1", Side.SELL, "0.25"))
        assert [(sent["position"], sent["volume"]) for sent in desk.sent[4:]] == [(second, 0.15), (0, 0.1)]
        assert (await desk.broker.statement(START)).positions == {"EURUSD": D("-0.1")}
        await desk.accepted(order("back.1", Side.COVER, "0.1"))
        assert desk.machine.state.positions == {}

    play(scene, HEDGING)


def test_a_step_that_got_lost_with_the_connection_ends_its_order() -> None:
    """Nobody asks for it: the order has executions, and counts as working."""

    async def scene(desk: Desk) -> None:
        for name in ("one.1", "two.1"):
            await desk.accepted(order(name, quantity="0.1"))
        terminal = desk.broker.session.link.terminal
        send = terminal.send

        async def cut(command: Command) -> Record:
            if command.id == "out.1#2":
                desk.machine.reachable = False
                raise Unreachable("the connection was cut", sent=True)
            return await send(command)

        terminal.send = cut
        answer = await desk.broker.submit(order("out.1", Side.SELL, "0.3"))
        assert (answer.outcome, len(desk.sent)) == (Outcome.UNKNOWN, 3)
        await desk.machine.clock.sleep(1)
        desk.machine.reachable = True
        await desk.pass_time(10)
        assert (desk.fills("out.1"), desk.ends()[-1]) == ([("0.1", "1.1")], ("out.1", "canceled"))
        assert len(desk.sent) == 3

    play(scene, HEDGING)


def test_hedging_opens_with_buy_and_short() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("long.1"))
        await desk.accepted(order("short.1", Side.SHORT))
        assert len(desk.machine.state.positions) == 2
        await desk.accepted(order("long.2", Side.BUY))
        assert len(desk.machine.state.positions) == 3
        assert (await desk.broker.statement(START)).positions == {"EURUSD": D("0.1")}

    play(scene, HEDGING)


def test_hedging_opens_nothing_where_not_all_positions_are_listed() -> None:
    """What is to be closed may be the one that is left out."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("in.1"))
        desk.machine.lost_rows = {"positions_get"}
        answer = await desk.broker.submit(order("out.1", Side.SELL))
        assert (answer.outcome, answer.reason) == (Outcome.NOT_SENT, "positions_get gave 0 of 1")
        desk.machine.lost_rows = set()
        await desk.accepted(order("out.1", Side.SELL))
        assert not desk.machine.state.positions

    play(scene, HEDGING)


def test_hedging_leaves_what_others_have_opened() -> None:
    async def scene(desk: Desk) -> None:
        by_hand = {"action": mt5.TRADE_ACTION_DEAL, "symbol": "EURUSD.r", "type": mt5.ORDER_TYPE_BUY}
        desk.machine.steering.trade(**by_hand, volume=0.4, price=1.10002, type_filling=RETURN)
        await desk.accepted(order("mine.1"))
        await desk.accepted(order("out.1", Side.SELL))
        (left,) = desk.machine.state.positions.values()
        assert (left.volume, left.magic) == (D("0.4"), 0)

    play(scene, HEDGING)


@pytest.mark.parametrize("mode", [NETTING, HEDGING])
@pytest.mark.parametrize(("level", "price", "kind"), [("sl", "1.085", STOP), ("tp", "1.2", LIMIT)])
def test_what_the_server_closes_is_told_with_its_entry(
    mode: int, level: str, price: str, kind: OrderType
) -> None:
    async def scene(desk: Desk) -> None:
        levels = {"sl": "stop_loss", "tp": "take_profit"}
        await desk.accepted(order("in.1", **{levels[level]: D("1.09" if level == "sl" else "1.15")}))
        desk.machine.quote(price, str(D(price) + D("0.0001")))
        await desk.pass_time(1)
        opened, closed = desk.executed()
        assert (closed.client_id, closed.closes, closed.side) == (None, "in.1", Side.SELL)
        assert (closed.order_type, closed.quantity, closed.symbol) == (kind, D("0.1"), "EURUSD")
        assert closed.broker_order_id not in (None, opened.broker_order_id)
        assert [type(said) for said in await desk.found("in.1")] == [Executed, Confirmed]
        statement = await desk.broker.statement(START)
        assert {one.exec_id for one in statement.executions or ()} == {opened.exec_id, closed.exec_id}
        await desk.connect()
        await desk.pass_time(1)
        assert [one.closes for one in desk.executed()] == [None, "in.1"]

    play(scene, mode)


@pytest.mark.parametrize("side", [Side.BUY, Side.SHORT])
def test_an_order_that_adds_to_a_netting_position_takes_no_level_away(side: Side) -> None:
    """The server gives a position the levels of the order that came last: none, where that has none."""
    below, above = D("1.05"), D("1.15")
    stop, target = (below, above) if side is Side.BUY else (above, below)

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("in.1", side, stop_loss=stop, take_profit=target))
        await desk.accepted(order("more.1", side))
        (position,) = desk.machine.state.positions.values()
        assert (position.volume, position.sl, position.tp) == (D("0.2"), stop, target)
        await desk.accepted(order("again.1", side, stop_loss=stop - D("0.01") * side.sign))
        (position,) = desk.machine.state.positions.values()
        assert (position.sl, position.tp) == (stop - D("0.01") * side.sign, target)
        await desk.accepted(order("part.1", Side.SELL if side is Side.BUY else Side.COVER))
        (position,) = desk.machine.state.positions.values()
        assert (position.volume, position.sl) == (D("0.2"), stop - D("0.01") * side.sign)

    play(scene, NETTING)


@pytest.mark.parametrize(("side", "more"), [(Side.BUY, Side.COVER), (Side.SHORT, Side.SELL)])
def test_what_should_close_and_adds_takes_no_level_away(side: Side, more: Side) -> None:
    stop = D("1.1") - D("0.05") * side.sign

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("in.1", side, stop_loss=stop))
        await desk.accepted(order("more.1", more))
        (position,) = desk.machine.state.positions.values()
        assert (position.volume, position.sl) == (D("0.2"), stop)

    play(scene, NETTING)


@pytest.mark.parametrize("tif", [IOC, FOK])
@pytest.mark.parametrize(
    ("side", "more"), [(Side.BUY, Side.BUY), (Side.BUY, Side.COVER), (Side.SHORT, Side.SELL)]
)
def test_a_bound_on_slippage_takes_no_level_away(side: Side, more: Side, tif: TimeInForce) -> None:
    """At an exchange it is a pending order, whose levels are the position's once it has filled."""
    stop, target = D("1.1") - D("0.05") * side.sign, D("1.1") + D("0.05") * side.sign
    bound = str(D("1.1") + D("0.001") * more.sign)

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("in.1", side, stop_loss=stop, take_profit=target))
        await desk.accepted(at(LIMIT, more, limit=bound, tif=tif))
        (position,) = desk.machine.state.positions.values()
        assert (position.volume, position.sl, position.tp) == (D("0.2"), stop, target)

    play(scene, NETTING, EXCHANGE)


def test_hedging_refuses_a_bound_on_what_would_close_at_an_exchange() -> None:
    """A pending order cannot name the position: it would open another one."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("in.1"))
        answer = await desk.submit(at(LIMIT, Side.SELL, limit="1.0999", tif=IOC))
        assert (answer.outcome, "cannot close a position" in (answer.reason or "")) == (
            Outcome.REJECTED,
            True,
        )
        await desk.accepted(replace(at(LIMIT, Side.COVER, limit="1.1001", tif=IOC), client_id="y.1"))
        assert len(desk.machine.state.positions) == 2

    play(scene, HEDGING, EXCHANGE)


def test_an_order_the_other_way_has_levels_of_its_own() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("in.1", Side.BUY, stop_loss=D("1.05"), take_profit=D("1.15")))
        await desk.accepted(order("turn.1", Side.SHORT, quantity="0.3"))
        (position,) = desk.machine.state.positions.values()
        assert (position.buys, position.volume, position.sl, position.tp) == (False, D("0.2"), 0, 0)

    play(scene, NETTING)


def test_a_short_that_the_server_closes() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("short.1", Side.SHORT, stop_loss=D("1.11")))
        desk.machine.quote("1.12", "1.1201")
        await desk.pass_time(1)
        assert [(one.closes, one.side) for one in desk.executed()] == [
            (None, Side.SELL),
            ("short.1", Side.COVER),
        ]

    play(scene, HEDGING)


def test_a_stop_out_is_told_too() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("big.1", quantity="5"))
        desk.machine.steering.set(balance="1000")
        desk.machine.quote("1.09", "1.0901")
        await desk.pass_time(1)
        closed = [one for one in desk.executed() if one.closes is not None]
        assert [(one.closes, one.order_type, one.quantity) for one in closed] == [("big.1", None, D(5))]

    play(scene, HEDGING)


def test_levels_of_others_are_not_ours() -> None:
    """In one position of a netting account ours is at most what our own deals have left open."""

    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1", quantity="0.1"))
        by_hand = {"action": mt5.TRADE_ACTION_DEAL, "symbol": "EURUSD.r", "type": mt5.ORDER_TYPE_BUY}
        desk.machine.steering.trade(**by_hand, volume=0.4, price=1.10002, sl=1.09, type_filling=RETURN)
        desk.machine.quote("1.08", "1.0801")
        await desk.pass_time(1)
        assert [(str(one.quantity), one.closes) for one in desk.executed()] == [
            ("0.1", None),
            ("0.1", "mine.1"),
        ]

    play(scene)


@pytest.mark.parametrize(
    ("by_others", "commission", "ours"), [("0.9", "7", "0.7"), ("0.2", "7", "0.7"), ("0.2", "0.1", "0.01")]
)
def test_a_closing_in_part_ours_has_as_much_of_the_fee(by_others: str, commission: str, ours: str) -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1", stop_loss=D("1.09")))
        by_hand = {"action": mt5.TRADE_ACTION_DEAL, "symbol": "EURUSD.r", "type": mt5.ORDER_TYPE_BUY}
        desk.machine.steering.trade(
            **by_hand, volume=float(by_others), price=1.10002, sl=1.09, type_filling=RETURN
        )
        desk.machine.quote("1.08", "1.0801")
        await desk.pass_time(1)
        (closed,) = [one for one in desk.executed() if one.closes is not None]
        assert (closed.quantity, closed.fee, closed.fee_currency) == (D("0.1"), D(ours), "USD")

    play(scene, commission=commission)


def test_what_a_person_closes_is_not_told() -> None:
    async def scene(desk: Desk) -> None:
        await desk.accepted(order("mine.1"))
        (position,) = desk.machine.state.positions.values()
        desk.machine.steering.close(position.ticket)
        await desk.pass_time(1)
        assert len(desk.executed()) == 1
        assert (await desk.broker.statement(START)).positions == {}

    play(scene, HEDGING)


@pytest.mark.parametrize("cover", [True, False])
def test_margin_by_the_terminal_itself(cover: bool) -> None:
    async def scene(desk: Desk) -> None:
        desk.machine.steering.set(balance="1000" if not cover else "1000000")
        assert await desk.broker.has_margin("EURUSD", D(1)) is cover
        assert await desk.broker.has_margin("GBPUSD", D(1)) is None
        if not cover:
            answer = await desk.submit(order("poor.1", quantity="5"))
            assert (answer.outcome, (answer.reason or "")[:19]) == (Outcome.REJECTED, "Insufficient margin")
        desk.machine.steering.inject(Fault.FAIL, -1, calls=["order_calc_margin"])
        assert await desk.broker.has_margin("EURUSD", D(1)) is None

    play(scene)
