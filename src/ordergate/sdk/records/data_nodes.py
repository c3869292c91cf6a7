"""What observed facts are published through: frames come in whole or not at all, and can be read back.

A further shape is a table (`execution.TimeIndexed`) and a subclass of `DataNode` that names it.
"""

import datetime as dt
import itertools
from typing import Any, ClassVar, Self

from ordergate.sdk.records.database import reading, writing
from ordergate.sdk.records.execution import OrderEventsTS, OrdersTS, TimeIndexed, TradesTS
from ordergate.sdk.records.frames import Columns, Library, columns_of, frame_from, library_of
from ordergate.sdk.records.storing import Row, kinds_of, select, upsert
from ordergate.sdk.records.values import normalised


class DataNode:
    """Publishes frames into one table, its `storage`, and reads it.

    Frames are of pandas or of polars. The columns are those of the storage, all of them; more are left out. The index
    has the storage's `index_names`, or these are columns.
    """

    storage: ClassVar[type[TimeIndexed]]

    def __init__(self) -> None:
        self._frame: Any = None

    def set_frame(self, frame: Any) -> Self:
        """Takes a frame for the next `update`; None takes it away.

        Raises:
            TypeError: it is no frame of pandas or polars.
        """
        if frame is not None:
            library_of(frame)
        self._frame = frame
        return self

    def update(self) -> Any:
        """Stores the frame in one transaction; rows of an index that is there already are replaced whole.

        Returns:
            The frame as `validate_frame` gives it.

        Raises:
            ValueError: no frame was set; or as `validate_frame`; or it names an account, an asset or a manager that is
                not registered. Nothing was written.
            StoreError: the database cannot be written; nothing was.
        """
        if self._frame is None:
            raise ValueError(
                f"{type(self).__name__} requires a real execution frame: give one with set_frame first"
            )
        columns = self._validated(self._frame)
        done = frame_from(columns, kinds_of(self.storage), self.storage.index_names, library_of(self._frame))
        with writing() as session:
            upsert(session, self.storage, _rows(columns))
        return done

    def validate_frame(self, frame: Any) -> Any:
        """The frame as it would be stored: the storage's columns, normalised, indexed and sorted, of the same library.

        Raises:
            ValueError: it is not indexed as it should be, lacks columns, names a row twice, or has a value that its
                column cannot hold.
            TypeError: it is no frame.
        """
        columns = self._validated(frame)
        return frame_from(columns, kinds_of(self.storage), self.storage.index_names, library_of(frame))

    def frame(
        self,
        engine: Library = "pandas",
        *,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        **where: Any,
    ) -> Any:
        """What is stored, in the order of the index.

        Args:
            engine: whose frame it shall be, `pandas` or `polars`.
            since, until: of the index's time, the first inclusive, the second not; with a zone.
            where: values that columns must have, such as `order_identifier="ord-1"`.

        Raises:
            ValueError: there is no such engine or column.
            StoreError: the library or the database cannot be used.
        """
        kinds = kinds_of(self.storage)
        with reading() as session:
            rows = [tuple(row) for row in select(session, self.storage, since, until, where)]
        columns = {
            name: normalised(name, kind, [row[place] for row in rows])
            for place, (name, kind) in enumerate(kinds.items())
        }
        return frame_from(columns, kinds, self.storage.index_names, engine)

    def _validated(self, frame: Any) -> Columns:
        kinds, index = kinds_of(self.storage), self.storage.index_names
        given = columns_of(frame, kinds, index)
        columns = {name: normalised(name, kind, given[name]) for name, kind in kinds.items()}
        return _sorted(columns, index)


def _sorted(columns: Columns, index_names: tuple[str, ...]) -> Columns:
    """The columns in the order of the index.

    Raises:
        ValueError: a row has no time, or two rows have the same index.
    """
    keys = list(zip(*(columns[name] for name in index_names), strict=True))
    for row, key in enumerate(keys):
        if key[0] is None:
            raise ValueError(
                f"the execution frame has no {index_names[0]} in row {row}: a row needs its time"
            )
    order = sorted(range(len(keys)), key=keys.__getitem__)
    for before, after in itertools.pairwise(order):
        if keys[before] == keys[after]:
            raise ValueError(
                f"the execution frame has a duplicate index: {', '.join(map(str, keys[after]))} in rows {before} and "
                f"{after}; times count to the microsecond"
            )
    return {name: [values[row] for row in order] for name, values in columns.items()}


def _rows(columns: Columns) -> list[Row]:
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


class Orders(DataNode):
    """Orders as they were last seen. A `limit_price` of 0.0 means that there is none."""

    storage = OrdersTS


class OrderEvents(DataNode):
    """What happened to orders."""

    storage = OrderEventsTS


class Trades(DataNode):
    """Trades."""

    storage = TradesTS
