"""Records as Parquet files, one a day: `orders/date=2026-05-26/part.parquet`, and so for events and trades.

The columns are those of the frames, documents as their JSON text, in which decimals are exact. A day is one of UTC, by
the time in the index. A file is written beside its place and then put there, so that no reader sees half of one.
"""

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from ordergate.adapters.files import FilesError
from ordergate.sdk.records.data_nodes import DataNode, OrderEvents, Orders, Trades
from ordergate.sdk.records.database import reading
from ordergate.sdk.records.execution import TimeIndexed

FOLDERS: Final[Mapping[str, type[DataNode]]] = {
    "orders": Orders,
    "order_events": OrderEvents,
    "trades": Trades,
}
_DAY: Final = dt.timedelta(days=1)


def export(directory: Path | str, since: dt.date | None = None) -> list[Path]:
    """Writes a file for each day that has rows, in place of one that is there; other files are left alone.

    Args:
        directory: made where there is none.
        since: the first day; None is the first that there is.

    Returns:
        The files.

    Raises:
        StoreError: the records, or polars, cannot be used.
        FilesError: a file cannot be written.
    """
    written = []
    for folder, node in FOLDERS.items():
        for day in _days(node.storage, since):
            place = Path(directory) / folder / f"date={day:%Y-%m-%d}" / "part.parquet"
            _write(node(), day, place)
            written.append(place)
    return written


def _days(storage: type[TimeIndexed], since: dt.date | None) -> Iterator[dt.date]:
    """The days that have rows, from one to the next."""
    time = storage.__table__.columns[storage.index_names[0]]
    begin = dt.datetime.min.replace(tzinfo=dt.UTC) if since is None else _midnight(since)
    while True:
        with reading() as session:
            found: dt.datetime | None = session.scalar(sa.select(sa.func.min(time)).where(time >= begin))
        if found is None:
            return
        yield found.date()
        begin = _midnight(found.date()) + _DAY


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def _write(node: DataNode, day: dt.date, place: Path) -> None:
    frame = node.frame("polars", since=_midnight(day), until=_midnight(day) + _DAY)
    beside = place.with_name(f".part.{os.getpid()}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            frame.write_parquet(beside)
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise FilesError(
            f"{place} cannot be written: {error.strerror or error}; name another folder"
        ) from error
