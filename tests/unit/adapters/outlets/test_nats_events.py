"""What is delivered, whatever fails and whoever delivers in between, is what the journal says."""

import asyncio
from random import Random

import pytest
from tests.journals.older import busy

from ordergate.adapters.nats import NatsError
from ordergate.adapters.outlets.nats import Dialect, NatsEvents, renderers
from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.adapters.outlets.nats.publishing import _AT_ONCE, _parts, _waves
from ordergate.application.entry import decode
from ordergate.application.naming import Naming
from ordergate.application.telling import Teller
from ordergate.domain.errors import StoreError

ALL = renderers(tuple(Dialect), fund_suffix=False)


class Stream:
    """Takes letters, or fails as the dice say."""

    def __init__(self, dice: Random) -> None:
        self.dice, self.came = dice, []

    async def publish(self, letters) -> None:
        if self.dice.random() < 0.3:
            self.came += letters[: self.dice.randint(0, len(letters))]
            raise NatsError("some of it")
        self.came += letters


class Torn:
    """A journal that cannot be read now and then."""

    def __init__(self, journal, dice: Random) -> None:
        self._journal, self._dice = journal, dice

    def __getattr__(self, name: str):
        if name == "indices" and self._dice.random() < 0.1:
            raise StoreError("gone")
        return getattr(self._journal, name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_two_nodes_in_turns_over_a_bad_line_say_the_same_as_one_over_a_good_one(seed: int) -> None:
    async def main() -> None:
        dice, journal = Random(seed), await busy(400)
        size = (await journal.head()).size
        entries = [decode(line.data, index) for index, line in enumerate(await journal.lines(0, size))]
        name = await Naming(journal, "log").name()
        wanted = [
            letter
            for one in await Teller(journal).tell(entries)
            for make in ALL
            for letter in make(one, name)
        ]
        stream = Stream(dice)
        nodes = [NatsEvents(stream, Torn(journal, dice), "log", ALL) for _ in range(2)]
        cursor, owner = 0, nodes[0]
        while cursor < size:
            if dice.random() < 0.2:
                owner = dice.choice(nodes)
            portion = entries[cursor : cursor + dice.randint(1, 40)]
            try:
                await owner.deliver(portion)
            except (NatsError, StoreError):
                continue
            cursor += len(portion) if dice.random() < 0.9 else 0  # the cursor was not moved: it comes again
        seen = {letter.id: letter for letter in stream.came}
        assert seen == {letter.id: letter for letter in wanted}
        assert all(letter == seen[letter.id] for letter in stream.came), "what comes again says the same"

    asyncio.run(main())


def test_no_letter_overtakes_another_of_its_chain() -> None:
    dice = Random(1)
    letters = [
        Letter("s", str(number), b"", "log", "01234567", number, None, ("mts", f"ord-{dice.randint(0, 40)}"))
        for number in range(500)
    ]
    gone: set[tuple[str, str]] = set()
    left = []
    for wave in _waves(letters):
        for part in _parts(wave):
            chains = [letter.chain for letter in part]
            assert len(set(chains)) == len(chains) <= _AT_ONCE, "one of a chain is under way at a time"
            left += part
            gone |= set(chains)
    assert sorted(letter.index for letter in left) == list(range(500))
    for chain in gone:
        indices = [letter.index for letter in left if letter.chain == chain]
        assert indices == sorted(indices)
