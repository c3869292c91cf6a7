"""Signals from JSON Lines: both dialects, exact numbers, and errors that name file, line and field."""

import gzip
import json
import tempfile
from bisect import bisect_right
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.adapters.market_data.csv_quotes import read_quotes
from ordergate.adapters.market_data.signal_file import SignalsError, read_signals
from ordergate.domain.instruments import built_in
from ordergate.domain.orders.states import Side

REPOSITORY = Path(__file__).resolve().parents[4]
DATA = REPOSITORY.parent / "shared" / "data"
EXAMPLES = REPOSITORY / "examples"

FIRST = (
    '{"signal_id": "sig_12345", "symbol": "EURUSD", "signal_type": "buy", "entry_price": 1.08125,'
    ' "stop_loss": 1.08000, "take_profit": 1.08500, "position_size": 0.01, "time": "2026-03-02T15:00:00Z"}'
)
SECOND = (
    '{"id": "s-2", "symbol": "AAPL", "direction": "SELL", "volume": "300", "confidence": 0.8,'
    ' "metadata": {"model": [1, 2.5]}, "timestamp_ms": 1772460000000}'
)
VALID = f"{FIRST}\n{SECOND}\n".encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "signals.jsonl"


def refusal(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SignalsError) as caught:
        read_signals(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def with_field(field: str) -> str:
    """The first signal, and on line 2 another with one field more."""
    return f"{FIRST}\n{FIRST[:-1]}, {field}}}\n"


def test_both_dialects_sorted_by_time_with_exact_numbers(path: Path) -> None:
    path.write_bytes(VALID)
    (early, second), (late, first) = read_signals(path)
    assert (early, late) == (datetime(2026, 3, 2, 14, tzinfo=UTC), datetime(2026, 3, 2, 15, tzinfo=UTC))
    assert (first.signal_id, first.entry_price, first.stop_loss) == (
        "sig_12345",
        Decimal("1.08125"),
        Decimal("1.08"),
    )
    assert (second.signal_id, second.side, second.quantity) == ("s-2", Side.SELL, Decimal(300))


def test_more_digits_than_a_float_has_are_kept(path: Path) -> None:
    path.write_text(FIRST.replace("1.08125", "123456789012345678.123456789012345678"))
    assert str(read_signals(path)[0][1].entry_price) == "123456789012345678.123456789012345678"


@pytest.mark.parametrize("field", ["time", "timestamp", "created_at"])
def test_any_of_the_time_fields_will_do(path: Path, field: str) -> None:
    path.write_text(FIRST.replace('"time"', f'"{field}"'))
    assert read_signals(path)[0][0] == datetime(2026, 3, 2, 15, tzinfo=UTC)


def test_equal_times_stay_in_the_order_of_the_file_and_repeats_are_kept(path: Path) -> None:
    path.write_text("\n".join(FIRST.replace("sig_12345", name) for name in ("b", "a", "c", "a")))
    assert [signal.signal_id for _, signal in read_signals(path)] == ["b", "a", "c", "a"]


@pytest.mark.parametrize(
    "content", [gzip.compress(VALID, mtime=0), VALID.replace(b"\n", b"\r\n"), b"\n \t\n" + VALID]
)
def test_gzip_line_ends_of_windows_and_blank_lines_are_fine(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert len(read_signals(path)) == 2


def test_missing_file(path: Path) -> None:
    with pytest.raises(SignalsError, match="no such file"):
        read_signals(path)


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(SignalsError, match="is a directory: name a file"):
        read_signals(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", gzip.compress(b"", mtime=0)])
def test_empty_file(path: Path, content: bytes) -> None:
    assert "is empty; every line must be one signal as a JSON object" in refusal(path, content)


def test_not_utf_8(path: Path) -> None:
    text = refusal(path, VALID.replace(b"AAPL", b"AAP\xe4"))
    assert "line 2: byte 0xe4 at 29 is not UTF-8" in text


def test_nul_bytes(path: Path) -> None:
    assert "line 1: holds a NUL byte" in refusal(path, VALID.decode().encode("utf-16-le"))


def test_truncated_gzip(path: Path) -> None:
    assert "the gzip data end too early" in refusal(path, gzip.compress(VALID)[:-9])


def test_corrupt_gzip(path: Path) -> None:
    packed = bytearray(gzip.compress(VALID))
    packed[-6] ^= 0xFF
    assert "the gzip data are damaged" in refusal(path, bytes(packed))


def test_a_line_beyond_all_measure(path: Path) -> None:
    assert "line 1: is longer than 1000000 bytes" in refusal(path, b" " * 1_000_001)


@pytest.mark.parametrize("line", ["{", "signal", FIRST + FIRST, FIRST[:-1], "\ufeff" + FIRST, '{"a": 01}'])
def test_not_json(path: Path, line: str) -> None:
    text = refusal(path, f"{FIRST}\n\n{line}\n")
    assert "line 3: is not JSON (" in text
    assert "is not JSON" in text


@pytest.mark.parametrize("line", ["[]", "1", "null", '"text"', "NaN", f"[{FIRST}]"])
def test_json_that_is_no_object(path: Path, line: str) -> None:
    assert "line 1: expected a JSON object, got" in refusal(path, line)


@pytest.mark.parametrize("bracket", ["[", '{"metadata":'])
def test_json_nested_too_deeply(path: Path, bracket: str) -> None:
    assert "nested too deeply" in refusal(path, bracket * 60_000)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e9999999999999999999999"])
@pytest.mark.parametrize("value", ["{}", "[1, [{}]]", '{{"metadata": {}}}'])
def test_numbers_that_are_none(path: Path, constant: str, value: str) -> None:
    field = f'"metadata": {value.format(constant)}'
    assert f"line 2: metadata: {constant} is not a number; write a finite one" in refusal(
        path, with_field(field)
    )


@pytest.mark.parametrize("number", ["0", "-1", "1e40", "1" * 25, "9" * 5_000, "true", '"x"', "[]"])
def test_bad_number_names_its_field(path: Path, number: str) -> None:
    assert "line 1: entry_price: " in refusal(path, FIRST.replace("1.08125", number))


def test_duplicate_keys(path: Path) -> None:
    assert "line 2: symbol: stands there twice; keep one" in refusal(path, with_field('"symbol": "AAPL"'))
    assert "line 2: a: stands there twice" in refusal(path, with_field('"metadata": {"a": 1, "a": 1}'))


def test_unknown_field_is_named_and_cannot_write_control_characters(path: Path) -> None:
    assert "line 2: colour: no such field; there are signal_id" in refusal(path, with_field('"colour": 1'))
    text = refusal(path, with_field(r'"\u001b[2J\ud800": 1'))
    assert "line 2: ?[2J?: no such field" in text


@pytest.mark.parametrize("field", ["signal_id", "symbol", "signal_type"])
def test_missing_field(path: Path, field: str) -> None:
    body = json.loads(FIRST)
    del body[field]
    assert f"line 1: {field}: is missing" in refusal(path, json.dumps(body))


@pytest.mark.parametrize("time", [None, "null"])
def test_missing_time(path: Path, time: str | None) -> None:
    line = FIRST.replace(', "time": "2026-03-02T15:00:00Z"', f', "time": {time}' if time else "")
    text = refusal(path, line)
    assert "line 1: time: is missing (or timestamp, created_at, timestamp_ms)" in text
    assert "2026-05-23T14:30:00Z" in text


@pytest.mark.parametrize("time", ['"2026-03-02T15:00:00"', '"today"', "12", '"0001-01-01T00:00:00+05:00"'])
def test_bad_time(path: Path, time: str) -> None:
    assert "line 1: time: " in refusal(path, FIRST.replace('"2026-03-02T15:00:00Z"', time))


@pytest.mark.parametrize("millis", ["-1", "1.5", "1e3", "9" * 30, '"1"'])
def test_bad_milliseconds(path: Path, millis: str) -> None:
    assert "line 2: timestamp_ms: " in refusal(path, VALID.decode().replace("1772460000000", millis))


def test_nothing_is_returned_where_the_last_line_is_wrong(path: Path) -> None:
    assert "line 3: " in refusal(path, VALID.decode() + "{}")


@pytest.mark.parametrize(
    ("name", "symbol"), [("eurusd-2014-05-08", "EURUSD"), ("aig-2013-10-07", "AIG")], ids=["eurusd", "aig"]
)
class TestExamples:
    def test_close_what_they_open_on_the_lot_step_with_one_rejected(self, name: str, symbol: str) -> None:
        signals = [signal for _, signal in read_signals(EXAMPLES / f"{name}.signals.jsonl")]
        instrument = built_in(symbol)
        assert instrument is not None
        position = Decimal(0)
        for signal in signals:
            assert signal.quantity is not None
            assert signal.strategy_id
            instrument.check_quantity(signal.quantity)
            for price in (signal.entry_price, signal.stop_loss, signal.take_profit):
                assert price is not None
                instrument.check_price(price, "#/price")
            if signal.approved:
                position += signal.quantity * (1 if signal.side is Side.BUY else -1)
                assert position >= 0
        assert position == 0
        assert len(signals) == 8
        assert [s.approved for s in signals].count(False) == 1

    def test_entry_prices_are_the_touched_side(self, name: str, symbol: str) -> None:
        recorded = DATA / f"{name}.quotes.csv.gz"
        if not recorded.is_file():
            pytest.skip(f"the recorded quotes are not here: {recorded}")
        quotes = list(read_quotes(recorded))
        times = [quote.time for quote in quotes]
        for at, signal in read_signals(EXAMPLES / f"{name}.signals.jsonl"):
            seen = quotes[bisect_right(times, at) - 1]
            assert seen.symbol == symbol
            assert signal.entry_price == (seen.ask if signal.side is Side.BUY else seen.bid)


def test_one_aig_order_needs_several_quotes() -> None:
    recorded = DATA / "aig-2013-10-07.quotes.csv.gz"
    if not recorded.is_file():
        pytest.skip(f"the recorded quotes are not here: {recorded}")
    signals = {s.signal_id: (at, s) for at, s in read_signals(EXAMPLES / "aig-2013-10-07.signals.jsonl")}
    at, large = signals["aig-02"]
    following = [quote for quote in read_quotes(recorded) if quote.time >= at][:4]
    assert large.quantity is not None
    assert sum(quote.ask_size or 0 for quote in following) < large.quantity


@given(st.data(), st.sampled_from([VALID, gzip.compress(VALID, mtime=0)]))
def test_any_mutation_is_read_or_refused_by_name(data: st.DataObject, content: bytes) -> None:
    mutated = bytearray(content)
    for index in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        mutated[index] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "signals.jsonl")
        for candidate in (mutated, mutated[:cut], mutated[cut:]):
            path.write_bytes(candidate)
            try:
                signals = read_signals(path)
            except SignalsError as error:
                assert str(path) in str(error)  # noqa: PT017 - both ends are right, no other is
            else:
                assert signals
