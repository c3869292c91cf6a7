"""How the other side of the folder is, from what it writes; nothing is given to it."""

from typing import Final

from ordergate.adapters.brokers.dwx.link import Link
from ordergate.adapters.brokers.dwx.reading import PENDING, Unreadable
from ordergate.adapters.brokers.dwx.settings import DwxSettings
from ordergate.application.ports.brokers import Health

_NOTES: Final = (
    "echo-only: no reply names its order, so what is not seen at the terminal stays unknown until a person settles it",
    "the expert advisor takes MaximumOrders orders (1) of MaximumLotSize lots (0.01), unless its inputs say more",
)


async def health_of(settings: DwxSettings, link: Link) -> Health:
    """Whether the expert advisor writes, and whether that can be read."""
    if not await link.exists():
        problem = f"there is no folder {settings.folder}: start the expert advisor once"
        return Health(reached=False, problems=(problem,), notes=_NOTES)
    try:
        orders = await link.fresh()
    except Unreadable as error:
        return Health(reached=False, problems=(str(error),), notes=_NOTES)
    waiting = sum(row.type in PENDING for row in orders.rows.values())
    return Health(
        reached=True,
        login=True,
        open_orders=waiting,
        statement=True,
        notes=(f"account {orders.account.number}", *_NOTES),
    )
