"""What this process counts beside REST: plain numbers, which a door shows as figures."""

from collections import Counter
from typing import Final

messages: Final[Counter[tuple[str, str]]] = Counter()
"""Messages that were taken in, by what took them (signals, commands, ...) and what became of them."""
reloads: Final[Counter[tuple[str, str]]] = Counter()
"""Looks at the configuration, by source and what became of it."""
dead_letters: Final[Counter[tuple[str, str]]] = Counter()
"""Dead letters, by what wrote them and their code."""
secret_reads: Final[Counter[tuple[str, str]]] = Counter()
"""Reads of secrets, by how the setting names them (env, file, secret) and what came of it (read, changed, ...)."""
hub: Final[Counter[tuple[str, str]]] = Counter()
"""What a hub of configuration was asked or told (config, update, register, ...), and what came of it."""
