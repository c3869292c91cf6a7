"""The tables of the configuration that describe a terminal's symbols, as TOML."""

from typing import Final

from ordergate.adapters.brokers.mt4.files import Disk, NotBegun, Overdue
from ordergate.adapters.brokers.mt4.folder import Folder
from ordergate.adapters.brokers.mt4.settings import Mt4Settings
from ordergate.adapters.brokers.mt4.wire import Symbol, Unreadable
from ordergate.domain.errors import StoreError
from ordergate.domain.instruments import AssetClass
from ordergate.domain.money import plain, text

_METALS: Final = ("XAU", "XAG", "XPT", "XPD")
_PATIENCE_S: Final = 3.0


async def tables_of(broker: str, settings: Mt4Settings) -> dict[str, str]:
    """The table of the configuration for each symbol, by our name. Writes nothing into the folder.

    Raises:
        StoreError: the folder cannot be read now, or the terminal does not tell of a symbol.
    """
    disk, folder, where = Disk(f"{broker}-tables"), Folder(settings.folder), f"brokers.{broker}"
    try:
        there = await disk.do(folder.symbols, _PATIENCE_S)
    except (OSError, Unreadable, NotBegun, Overdue) as error:
        raise StoreError(f"{where}: the folder {settings.folder} cannot be read: {error}") from error
    finally:
        disk.close()
    if not there:
        right = "put the expert on a chart, and write its folder into folder"
        raise StoreError(f"{where}: {settings.folder} tells of no symbols: {right}")
    missing = [theirs for theirs in settings.symbols.values() if theirs not in there]
    if missing:
        said = f"{where}: the terminal does not tell of {missing[0]}, but of {', '.join(sorted(there))}"
        raise StoreError(f"{said}: write one of those, or show it in its Market Watch")
    return {ours: section_of(ours, there[theirs]) for ours, theirs in settings.symbols.items()}


def section_of(ours: str, symbol: Symbol) -> str:
    """The table that describes a symbol. What the terminal does not say is left to be filled in."""
    base, currency = symbol.currency_base, symbol.currency_profit
    is_pair = base != currency and f"{base}{currency}" in symbol.symbol
    metal = is_pair and base in _METALS
    kind = AssetClass.METALS if metal else AssetClass.FX if is_pair else None
    pip = (symbol.point * 10 if symbol.digits in (3, 5) else symbol.point) if is_pair and not metal else None
    bare = all((one.isalnum() and one.isascii()) or one in "-_" for one in ours)
    lines = [
        f"[instruments.{ours}]" if bare else f'[instruments."{ours}"]',
        f'class = "{kind}"' if kind is not None else "# class = one of fx, metals, crypto, equities",
        'unit = "lots"',
        f'tick = "{text(plain(symbol.tick_size))}"',
        f'lot_step = "{text(plain(symbol.lot_step))}"',
        f'minimum = "{text(plain(symbol.lot_min))}"',
        f'contract_size = "{text(plain(symbol.lot_size))}"',
        f'base = "{base}"',
        f'currency = "{currency}"',
        "# pip_size = what your broker calls a pip, if anything"
        if pip is None
        else f'pip_size = "{text(plain(pip))}"',
    ]
    return "\n".join(lines)
