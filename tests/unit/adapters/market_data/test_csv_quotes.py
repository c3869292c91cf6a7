"""Quotes from CSV: what is read, and that whatever is wrong has a name, a line and a remedy."""

import gzip
import re
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.adapters.market_data.csv_quotes import HEADER, QuotesError, merge_quotes, read_quotes
from ordergate.domain.market import Quote

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data"
EURUSD, AIG = DATA / "eurusd-2014-05-08.quotes.csv.gz", DATA / "aig-2013-10-07.quotes.csv.gz"
NO_DATA = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded quotes are not here: {DATA}")

ROWS = (
    "2014-05-08T00:00:17.007Z,EURUSD,1.39147,1.39150,,",
    "2014-05-08T00:00:17.007Z,AIG,49.03,49.08,100,600",
    "2014-05-08T00:00:18Z,BTC/USDT,450.10,450.2,0.5,0",
)
VALID = "\n".join((HEADER, *ROWS, "")).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quotes.csv"


def refusal(path: Path, content: bytes | None = None) -> str:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(QuotesError) as caught:
        list(read_quotes(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


def with_row(row: str) -> bytes:
    return f"{HEADER}\n{ROWS[0]}\n{row}\n".encode()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_rows_become_quotes_with_exact_plain_numbers(path: Path) -> None:
    path.write_bytes(VALID)
    first, second, third = read_quotes(path)
    assert first == Quote("EURUSD", at("2014-05-08T00:00:17.007"), Decimal("1.39147"), Decimal("1.3915"))
    assert str(first.ask) == "1.3915"
    assert (first.bid_size, first.ask_size) == (None, None)
    assert (second.time, second.bid_size, second.ask_size) == (first.time, Decimal(100), Decimal(600))
    assert (third.time, third.ask_size) == (at("2014-05-08T00:00:18"), Decimal(0))


@pytest.mark.parametrize("name", ["quotes.csv", "quotes.csv.gz", "quotes"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_gzip_is_told_by_content_not_by_name(tmp_path: Path, name: str, pack: type[bytes]) -> None:
    path = tmp_path / name
    path.write_bytes(pack(VALID))
    assert len(list(read_quotes(path))) == len(ROWS)


@pytest.mark.parametrize("content", [VALID.replace(b"\n", b"\r\n"), VALID.removesuffix(b"\n")])
def test_line_ends_of_windows_and_a_missing_last_one_are_fine(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert [q.symbol for q in read_quotes(path)] == ["EURUSD", "AIG", "BTC/USDT"]


def test_a_header_alone_is_refused(path: Path) -> None:
    path.write_text(HEADER + "\n")
    with pytest.raises(QuotesError, match="no quotes"):
        list(read_quotes(path))


def test_a_crossed_quote_is_read_as_it_is(path: Path) -> None:
    path.write_bytes(with_row("2014-05-08T00:00:54.152Z,EURUSD,1.39154,1.39153,,"))
    crossed = list(read_quotes(path))[1]
    assert crossed.bid > crossed.ask


def test_missing_file(path: Path) -> None:
    assert "no such file" in refusal(path)


def test_directory(tmp_path: Path) -> None:
    assert "is a directory: name a file" in refusal(tmp_path)


def test_impossible_file_name() -> None:
    with pytest.raises(QuotesError, match="is not the name of a file"):
        list(read_quotes(Path("a\0b")))


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_empty_file(path: Path, content: bytes) -> None:
    assert f"is empty; line 1 must be {HEADER}" in refusal(path, content)


@pytest.mark.parametrize(
    "header", ["", "time,symbol,bid,ask", "symbol,time,bid,ask,bid_size,ask_size", "\ufeff" + HEADER, ROWS[0]]
)
def test_wrong_header(path: Path, header: str) -> None:
    text = refusal(path, f"{header}\n{ROWS[0]}\n".encode())
    assert "line 1: the header is" in text
    assert text.endswith(HEADER)


@pytest.mark.parametrize(("row", "columns"), [(ROWS[0] + ",", 7), (ROWS[0][:-1], 5), ("", 1)])
def test_wrong_number_of_columns(path: Path, row: str, columns: int) -> None:
    assert f"line 3: has {columns} columns, there must be 6" in refusal(path, with_row(row))


@pytest.mark.parametrize(
    "number", ["", "abc", "NaN", "inf", "0", "-1.39", "1;4", " 1.4", "1_0", "١", "1" * 19]
)
@pytest.mark.parametrize("field", ["bid", "ask"])
def test_bad_price(path: Path, field: str, number: str) -> None:
    bid, ask = (number, "1.4") if field == "bid" else ("1.4", number)
    assert f"line 3: {field}: " in refusal(path, with_row(f"2014-05-08T00:01:00Z,EURUSD,{bid},{ask},,"))


@pytest.mark.parametrize("number", ["x", "-1", "Infinity", "1e99"])
@pytest.mark.parametrize("field", ["bid_size", "ask_size"])
def test_bad_size(path: Path, field: str, number: str) -> None:
    sizes = f"{number}," if field == "bid_size" else f",{number}"
    assert f"line 3: {field}: " in refusal(path, with_row(f"2014-05-08T00:01:00Z,EURUSD,1.4,1.5,{sizes}"))


def test_a_size_below_zero_says_what_unlimited_is(path: Path) -> None:
    text = refusal(path, with_row("2014-05-08T00:01:00Z,EURUSD,1.4,1.5,-1,"))
    assert "bid_size: -1 is below zero; leave it empty for unlimited" in text


@pytest.mark.parametrize(
    "time",
    [
        "",
        "yesterday",
        "2014-05-08",
        "2014-05-08T00:01:00",
        "2014-05-08 00:01:00Z",
        "2014-05-08T00:01:00+00:00",
        "2014-05-08T02:01:00+02:00",
        "2014-05-08T00:01:00.1234567Z",
        "2014-05-08T00:01Z",
        "20140508T000100Z",
        "2014-W19-4T00:01:00Z",
        "2014-02-30T00:01:00Z",
        "2014-05-08T24:00:00Z",
        "2014-05-08T00:01:60Z",
        "٢٠١٤-05-08T00:01:00Z",
        " 2014-05-08T00:01:00Z",
    ],
)
def test_bad_time(path: Path, time: str) -> None:
    text = refusal(path, with_row(f"{time},EURUSD,1.4,1.5,,"))
    assert f"line 3: time: {time!r} is not a time in UTC such as 2014-05-08T00:00:17.007Z" in text


def test_time_going_backwards_names_the_row_and_gives_the_rows_before(path: Path) -> None:
    path.write_bytes(with_row("2014-05-08T00:00:17.006Z,AIG,49.03,49.08,,"))
    quotes = read_quotes(path)
    assert next(quotes).symbol == "EURUSD"
    with pytest.raises(
        QuotesError, match=r"line 3: time: .* is earlier than the row before .* sort the rows"
    ):
        next(quotes)


@pytest.mark.parametrize("symbol", ["", " EURUSD", "EURUSD ", '"EURUSD"', "EUR\x07USD", "A" * 256])
def test_bad_symbol(path: Path, symbol: str) -> None:
    assert "line 3: symbol: " in refusal(path, with_row(f"2014-05-08T00:01:00Z,{symbol},1.4,1.5,,"))


def test_truncated_gzip(path: Path) -> None:
    assert "the gzip data end too early: the file was cut short" in refusal(path, gzip.compress(VALID)[:-9])


def test_truncated_gzip_names_the_last_line_that_was_read(path: Path) -> None:
    packed = gzip.compress(VALID + f"{ROWS[2]}\n".encode() * 2_000)
    assert re.search(r", after line [1-9]\d+: the gzip data end", refusal(path, packed[:-9]))


def test_corrupt_gzip(path: Path) -> None:
    packed = bytearray(gzip.compress(VALID))
    packed[-6] ^= 0xFF  # the checksum
    assert "the gzip data are damaged (CRC check failed" in refusal(path, bytes(packed))
    packed[12] ^= 0xFF  # the deflate stream
    assert "the gzip data are damaged" in refusal(path, bytes(packed))


def test_rubbish_after_gzip(path: Path) -> None:
    text = refusal(path, gzip.compress(VALID) + b"rubbish")
    assert "the gzip data are damaged" in text


def test_not_a_text_file(path: Path) -> None:
    assert "line 3: byte 0xff at 22 is not UTF-8: save the file as UTF-8 text" in refusal(
        path, with_row("2014-05-08T00:01:00Z,#,1.4,1.5,,").replace(b"#", b"\xff")
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [(VALID + b"\0\0\0\n", 5), (VALID.decode().encode("utf-16-le"), 1), (VALID[:60] + b"\0" + VALID[60:], 2)],
)
def test_nul_bytes(path: Path, content: bytes, line: int) -> None:
    assert f"line {line}: holds a NUL byte: this is not a text file" in refusal(path, content)


def test_a_file_without_lines_is_not_taken_into_memory(path: Path) -> None:
    assert "line 1: is longer than 1000 bytes" in refusal(path, b"x" * 100_000)


def test_a_reader_that_is_given_up_closes_its_file(path: Path) -> None:
    path.write_bytes(gzip.compress(VALID))
    quotes = read_quotes(path)
    next(quotes)
    del quotes  # pytest turns a ResourceWarning into an error


def test_merge_is_by_time_and_stable(tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text(
        f"{HEADER}\n2014-05-08T00:00:01Z,A,1,2,,\n2014-05-08T00:00:03Z,B,1,2,,\n2014-05-08T00:00:03Z,C,1,2,,\n"
    )
    two.write_bytes(
        gzip.compress(f"{HEADER}\n2014-05-08T00:00:02Z,D,1,2,,\n2014-05-08T00:00:03Z,E,1,2,,\n".encode())
    )
    assert [q.symbol for q in merge_quotes([one, two])] == ["A", "D", "B", "C", "E"]
    assert [q.symbol for q in merge_quotes([two, one])] == ["A", "D", "E", "B", "C"]
    assert list(merge_quotes([])) == []


def test_merge_names_the_file_that_is_wrong(tmp_path: Path, path: Path) -> None:
    path.write_bytes(VALID)
    with pytest.raises(QuotesError, match=r"absent\.csv: no such file"):
        next(merge_quotes([path, tmp_path / "absent.csv"]))


@pytest.mark.slow
@NO_DATA
def test_a_recorded_day_of_eurusd_is_read_whole() -> None:
    quotes = list(read_quotes(EURUSD))
    assert len(quotes) == 167_466
    assert sum(q.bid > q.ask for q in quotes) == 18_285
    assert all(q.bid_size is None and q.ask_size is None for q in quotes)


@NO_DATA
def test_a_recorded_day_of_aig_has_sizes_and_never_crosses() -> None:
    quotes = list(read_quotes(AIG))
    assert len(quotes) == 15_297
    assert all(q.bid < q.ask and q.bid_size and q.ask_size for q in quotes)


@NO_DATA
def test_both_recorded_days_merge() -> None:
    times = [q.time for q in merge_quotes([EURUSD, AIG])]
    assert len(times) == 167_466 + 15_297
    assert times == sorted(times)


@given(st.data(), st.sampled_from([VALID, gzip.compress(VALID, mtime=0)]))
def test_any_mutation_is_read_or_refused_by_name(data: st.DataObject, content: bytes) -> None:
    mutated = bytearray(content)
    for index in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        mutated[index] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "quotes.csv")
        for candidate in (mutated, mutated[:cut], mutated[cut:]):
            path.write_bytes(candidate)
            try:
                quotes = list(read_quotes(path))
            except QuotesError as error:
                assert str(path) in str(error)  # noqa: PT017 - both ends are right, no other is
            else:
                assert all(q.bid > 0 and q.ask > 0 for q in quotes)
