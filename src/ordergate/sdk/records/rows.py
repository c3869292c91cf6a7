"""Rows of a registry as values: made, read, changed and deleted through methods of their class.

Each call is one transaction at the process's database (`ordergate.sdk.records.database`), from any thread.
"""

import uuid
import warnings
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self

import sqlalchemy as sa
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    JsonValue,
    StringConstraints,
    TypeAdapter,
)
from sqlalchemy.orm import Session

from ordergate.sdk.records import statements
from ordergate.sdk.records.base import utc
from ordergate.sdk.records.database import create_schemas, engine, reading, start_engine, writing
from ordergate.sdk.records.models import IDENTIFIER_LENGTH, Registered

LIMIT = 500


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL character, which databases do not keep: leave it out")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
Identifier = Annotated[Text, StringConstraints(min_length=1, max_length=IDENTIFIER_LENGTH)]
Moment = Annotated[AwareDatetime, AfterValidator(utc)]
"""A time with a zone; in UTC once it is read."""
Document = dict[str, JsonValue]


class Payload(BaseModel):
    """What is written of a row; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class Row(BaseModel):
    """A row; a subclass names its table, its payloads and the columns by which it is upserted.

    Attributes:
        uid: given by the database.
        unique_identifier: 1 to 255 characters.
    """

    model_config = ConfigDict(frozen=True)

    table: ClassVar[type[Registered]]
    creates: ClassVar[type[Payload]]
    updates: ClassVar[type[Payload]]
    __upsert_keys__: ClassVar[tuple[str, ...]] = ("unique_identifier",)

    uid: uuid.UUID
    unique_identifier: Identifier

    @classmethod
    def create(cls, payload: Payload | Mapping[str, Any] | None = None, **values: Any) -> Self:
        """Makes a row.

        Raises:
            TypeError: both a payload and fields, or a payload that is neither model nor mapping.
            ValueError: a field is wrong or unknown, or the identifier is taken.
            StoreError: the database cannot be used.
        """
        supplied = _supplied(cls.creates, payload, values)
        try:
            with writing() as session:
                cls.prepare(session, supplied)
                return cls._one(session.execute(statements.insert(cls.table, supplied)))
        except sa.exc.IntegrityError as error:
            named = {key: supplied[key] for key in cls.__upsert_keys__}
            reason = (
                "exists already: upsert changes it"
                if cls.filter(**named)
                else f"cannot be made: {error.orig}"
            )
            raise ValueError(f"{cls.__name__} {named} {reason}") from error

    @classmethod
    def upsert(cls, payload: Payload | Mapping[str, Any] | None = None, **values: Any) -> Self:
        """Makes a row, or writes the supplied fields over that of the same identifier, whose uid stays.

        Raises:
            TypeError, ValueError, StoreError: as `create`, but that the identifier may be taken.
        """
        supplied = _supplied(cls.creates, payload, values)
        statement = statements.upsert(cls.table, supplied, cls.__upsert_keys__, engine().dialect.name)
        with writing() as session:
            cls.prepare(session, supplied)
            return cls._one(session.execute(statement))

    @classmethod
    def update(
        cls, uid: uuid.UUID | str, payload: Payload | Mapping[str, Any] | None = None, **values: Any
    ) -> Self:
        """Writes the supplied fields over those of a row; without any, it is read.

        Raises:
            TypeError, ValueError, StoreError: as `create`; also for a field that no update may change.
            LookupError: there is no such row.
        """
        key, supplied = _uid(uid), _supplied(cls.updates, payload, values)
        if supplied:
            with writing() as session:
                found = session.execute(statements.update(cls.table, key, supplied)).mappings().first()
        else:
            with reading() as session:
                found = session.execute(cls._select([cls.table.uid == key])).mappings().first()
        if found is None:
            raise LookupError(
                f"no {cls.__name__} has the uid {key}: get_by_unique_identifier finds one by name"
            )
        return cls.model_validate(dict(found))

    @classmethod
    def delete(cls, uid: uuid.UUID | str) -> bool:
        """Deletes a row, and with it what cannot be without it; whether there was one.

        Raises:
            ValueError: a row that stays refers to it.
            StoreError: the database cannot be used.
        """
        key = _uid(uid)
        try:
            with writing() as session:
                return session.execute(statements.delete(cls.table, key)).first() is not None
        except sa.exc.IntegrityError as error:
            raise ValueError(f"{cls.__name__} {key} is referred to by others: delete those first") from error

    @classmethod
    def get(cls, **filters: Any) -> Self:
        """The one row with those values.

        Raises:
            LookupError: none has them, or several.
            ValueError, StoreError: as `filter`.
        """
        found = cls.filter(limit=2, **filters)
        if len(found) != 1:
            count = "no" if not found else "more than one"
            raise LookupError(f"{count} {cls.__name__} has {filters}: filter gives all that have them")
        return found[0]

    @classmethod
    def get_by_uid(cls, uid: uuid.UUID | str) -> Self | None:
        """The row of a uid; None where there is none. Raises ValueError for what is no UUID."""
        return next(iter(cls.filter(limit=1, uid=uid)), None)

    @classmethod
    def get_by_unique_identifier(cls, unique_identifier: str) -> Self | None:
        """The row of an identifier; None where there is none."""
        return next(iter(cls.filter(limit=1, unique_identifier=unique_identifier)), None)

    @classmethod
    def get_many_by_unique_identifier(cls, unique_identifiers: Iterable[str]) -> list[Self]:
        """The rows of those identifiers that there are, by identifier."""
        if isinstance(unique_identifiers, str):
            raise TypeError(f"{unique_identifiers!r} is one identifier: give a list, or ask for one")
        listed = sorted(set(unique_identifiers))
        found: list[Self] = []
        for start in range(0, len(listed), LIMIT):  # databases bound how many values a statement may have
            chosen = cls.table.unique_identifier.in_(listed[start : start + LIMIT])
            found += cls._rows(cls._select([chosen]))
        return sorted(found, key=lambda row: row.unique_identifier)

    @classmethod
    def filter(cls, limit: int = LIMIT, **filters: Any) -> list[Self]:
        """Rows that have those values, by identifier; None is what was not said.

        Args:
            limit: at most so many, at least 1.

        Raises:
            ValueError: no such column, a value that the column cannot have, or a limit below 1.
            StoreError: the database cannot be used.
        """
        columns = statements.table_of(cls.table).c
        unknown = sorted(filters.keys() - set(columns.keys()))
        if unknown:
            raise ValueError(
                f"{cls.__name__} has no column {unknown[0]!r}; it has {', '.join(columns.keys())}"
            )
        conditions = [columns[name] == cls._coerced(name, value) for name, value in filters.items()]
        return cls._rows(cls._select(conditions, at_least_one(limit)))

    @classmethod
    def start_engine(cls, url: str | None = None) -> sa.Engine:
        """As `ordergate.sdk.records.start_engine`."""
        return start_engine(url)

    @classmethod
    def create_schemas(cls) -> None:
        """Deprecated: opening the database makes the tables."""
        warnings.warn(
            f"{cls.__name__}.create_schemas: opening the database makes the tables",
            DeprecationWarning,
            stacklevel=2,
        )
        create_schemas()

    @classmethod
    def prepare(cls, session: Session, supplied: Mapping[str, Any]) -> None:
        """What has to be there before the row; nothing, unless a subclass says so."""

    @classmethod
    def _one(cls, result: sa.Result[Any]) -> Self:
        return cls.model_validate(dict(result.mappings().one()))

    @classmethod
    def _select(
        cls, conditions: Iterable[sa.ColumnElement[bool]], limit: int | None = None
    ) -> sa.Select[Any]:
        return statements.select_rows(cls.table, conditions, limit)

    @classmethod
    def _rows(cls, statement: sa.Select[Any]) -> list[Self]:
        with reading() as session:
            return [cls.model_validate(dict(row)) for row in session.execute(statement).mappings()]

    @classmethod
    def _coerced(cls, name: str, value: Any) -> Any:
        if value is None:
            return None
        field = cls.model_fields[name]
        kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        return TypeAdapter(kind).validate_python(value)


def at_least_one(limit: int) -> int:
    """The limit; raises ValueError unless it is a whole number of at least 1."""
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit {limit!r} must be a whole number of at least 1")
    return limit


def _uid(value: uuid.UUID | str) -> uuid.UUID:
    return TypeAdapter(uuid.UUID).validate_python(value)


def _supplied(
    kind: type[Payload], payload: BaseModel | Mapping[str, Any] | None, values: Mapping[str, Any]
) -> dict[str, Any]:
    """What was said of a row, and no more: a field that was left out is not in it."""
    if payload is not None and values:
        raise TypeError(f"a payload and {', '.join(values)}: give the payload, or the fields by name")
    if isinstance(payload, BaseModel):
        payload = payload.model_dump(exclude_unset=True)
    elif payload is not None and not isinstance(payload, Mapping):
        raise TypeError(f"the payload is a {type(payload).__name__}: give a model or a mapping")
    said = kind.model_validate(dict(values if payload is None else payload))
    return said.model_dump(exclude_unset=True)
