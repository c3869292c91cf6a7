"""Secrets in use: read again, replaced, kept where they cannot be read, and told of."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from ordergate.application import secrets as module
from ordergate.application import tallying
from ordergate.application.ports.secrets import Found, Kind, Place, Secret, SecretAway, SecretError
from ordergate.application.secrets import Secrets

TOKEN = Place("nats.token_secret", Kind.NAME, "a#b")


class Store:
    """A reader whose values a test sets; an error in a value's place is raised."""

    def __init__(self, **values: str | SecretError) -> None:
        self.values: dict[str, str | SecretError] = {"a#b": "one", **values}
        self.reads, self.tended, self.due = 0, 0, None
        self.untended: SecretError | None = None

    def read(self, place: Place) -> Found:
        self.reads += 1
        value = self.values[place.text]
        if isinstance(value, Exception):
            raise value
        return Found(value=Secret(value), provider="vault", where="a", version=self.reads)

    def due_s(self) -> float | None:
        return self.due

    def tend(self) -> None:
        self.tended += 1
        if self.untended is not None:
            raise self.untended


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    tallying.secret_reads.clear()
    yield
    tallying.secret_reads.clear()


def run(main: Callable[[], object]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


def test_it_is_read_once_and_rotated_by_a_refresh() -> None:
    async def main() -> None:
        store, told = Store(), list[str]()
        secrets = Secrets(store)
        secrets.on_change(told.append)
        held = secrets.hold(TOKEN)
        assert secrets.hold(TOKEN) is held
        assert store.reads == 1
        await secrets.refresh()
        assert told == []
        store.values["a#b"] = "two"
        with capture_logs() as logs:
            await secrets.refresh()
        assert held().reveal() == "two"
        assert told == ["nats.token_secret"]
        assert [(line["event"], line["setting"]) for line in logs] == [
            ("a secret was rotated", TOKEN.setting)
        ]
        assert "two" not in str(logs)
        assert tallying.secret_reads["secret", "changed"] == 1

    run(main)


def test_what_cannot_be_read_stands_is_said_once_and_counted() -> None:
    async def main() -> None:
        store = Store()
        secrets = Secrets(store)
        held = secrets.hold(TOKEN)
        store.values["a#b"] = SecretAway("nats.token_secret: Vault is away")
        with capture_logs() as logs:
            for _ in range(3):
                await secrets.refresh()
            assert held().reveal() == "one"
            assert held.stale == "nats.token_secret: Vault is away"
            store.values["a#b"] = "one"
            await secrets.refresh()
        assert held.stale is None
        assert [line["event"] for line in logs] == [
            "a secret was not read again: the last value stands",
            "a secret is read again",
        ]
        assert tallying.secret_reads["secret", "away"] == 3

    run(main)


def test_a_mistake_of_the_reader_ends_nothing_and_shows_nothing() -> None:
    async def main() -> None:
        store = Store()
        secrets = Secrets(store)
        held = secrets.hold(TOKEN)
        store.values["a#b"] = KeyError("hunter2")  # type: ignore[assignment]
        await secrets.refresh()
        assert held().reveal() == "one"
        assert held.stale == "nats.token_secret: cannot be read (KeyError)"

    run(main)


def test_one_that_became_unusable_stands_too() -> None:
    async def main() -> None:
        store = Store(**{"a#b": "sixteen letters!"})
        secrets, place = Secrets(store), Place("alerts.secret", Kind.NAME, "a#b", 16)
        held = secrets.hold(place)
        store.values["a#b"] = "short"
        await secrets.refresh()
        assert held().reveal() == "sixteen letters!"
        assert "fewer than 16 characters" in str(held.stale)
        assert "short" not in str(held.stale)

    run(main)


def test_at_the_start_there_must_be_a_value() -> None:
    async def main() -> None:
        store = Store(**{"a#b": SecretAway("Vault is away")})
        secrets = Secrets(store)
        with pytest.raises(SecretAway, match="away"):
            await secrets.load([TOKEN])
        store.values["a#b"] = "short"
        with pytest.raises(SecretError, match=r"x\.y_secret: what is there has fewer than 9 characters"):
            await secrets.load([Place("x.y_secret", Kind.NAME, "a#b", 9)])
        await secrets.load([TOKEN, TOKEN])
        reads = store.reads
        secrets.hold(TOKEN)
        assert store.reads == reads

    run(main)


def test_the_value_before_a_rotation_counts_for_five_minutes() -> None:
    async def main() -> None:
        store = Store()
        secrets = Secrets(store)
        held = secrets.hold(TOKEN)
        store.values["a#b"] = "two"
        await secrets.refresh()
        assert [one.reveal() for one in held.accepted] == ["two", "one"]
        clock = asyncio.get_running_loop().time
        asyncio.get_running_loop().time = lambda: clock() + module.KEPT_S - 1  # type: ignore[method-assign]
        await secrets.refresh()
        assert len(held.accepted) == 2
        asyncio.get_running_loop().time = lambda: clock() + module.KEPT_S  # type: ignore[method-assign]
        await secrets.refresh()
        assert [one.reveal() for one in held.accepted] == ["two"]

    run(main)


def test_somebody_who_fails_hinders_nobody() -> None:
    async def main() -> None:
        store, told = Store(), list[str]()
        secrets = Secrets(store)
        secrets.hold(TOKEN)

        def fails(_setting: str) -> None:
            raise ValueError

        secrets.on_change(fails)
        secrets.on_change(told.append)
        store.values["a#b"] = "two"
        await secrets.refresh()
        assert told == [TOKEN.setting]

    run(main)


@pytest.mark.parametrize(
    ("due", "wanted"), [(None, [60, 66]), (5.0, [5, 5]), (0.0, [0.5, 0.5]), (900.0, [60, 66])]
)
def test_when_it_reads_again(due: float | None, wanted: list[float]) -> None:
    async def main() -> None:
        store, slept = Store(), list[float]()
        store.due = due
        secrets, jitters = Secrets(store), iter([1.0, 1.1, 1.0])
        secrets.hold(TOKEN)

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) > 2:
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await secrets.watch(60, lambda: next(jitters), sleep)
        assert slept[:2] == pytest.approx(wanted)
        assert store.tended == 2
        assert store.reads == 3

    run(main)


def test_an_access_that_is_not_renewed_is_said_once() -> None:
    async def main() -> None:
        store = Store()
        secrets = Secrets(store)
        store.untended = SecretAway("the token runs out")
        with capture_logs() as logs:
            await secrets.refresh()
            await secrets.refresh()
        assert [line["error"] for line in logs] == ["the token runs out"]

    run(main)
