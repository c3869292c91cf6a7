"""What a key may do, where the exchange tells: of Binance `apiRestrictions`; of others nothing is claimed."""

from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.brokers.ccxt.outcomes import reason_of
from ordergate.adapters.brokers.ccxt.settings import CcxtSettings, Wallet

_TRADES: Final = {Wallet.SPOT: "enableSpotAndMarginTrading", Wallet.LINEAR: "enableFutures"}


class Permissions(Struct, frozen=True, kw_only=True):
    """See `Health`."""

    names: tuple[str, ...] | None = None
    may_trade: bool | None = None
    may_withdraw: bool | None = None
    notes: tuple[str, ...] = ()


async def permissions_of(exchange: Any, settings: CcxtSettings) -> Permissions:
    """What the exchange says of the key; nothing where it says nothing."""
    ask = getattr(exchange, "sapi_get_account_apirestrictions", None)
    if ask is None or settings.sandbox:
        return Permissions(notes=("what the key may do is not told here: look at the exchange's own page",))
    try:
        said = await ask()
    except Exception as error:
        return Permissions(notes=(f"what the key may do was not told: {reason_of(error)}",))
    given = {name for name, value in said.items() if value is True}
    withdraws = {"enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer"} & given
    unbound = (
        () if "ipRestrict" in given else ("the key works from every address: bind it to this machine's",)
    )
    return Permissions(
        names=tuple(sorted(given - {"ipRestrict"})),
        may_trade=_TRADES[settings.market] in given,
        may_withdraw=bool(withdraws),
        notes=unbound,
    )
