"""Where a broker's own file is."""

from pathlib import Path


def beside(place: Path | None, name: str) -> Path | None:
    """The file of a broker of that name."""
    return None if place is None else place.with_name(f"{place.name}.{name}")
