"""The wallet's key: what signs, and nothing else. It is kept in memory while a session is open."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from ordergate.adapters.brokers.evm.calls import Call
from ordergate.adapters.brokers.evm.gas import Fee
from ordergate.adapters.brokers.evm.libraries import Account, LocalAccount
from ordergate.adapters.brokers.evm.records import Signed
from ordergate.adapters.brokers.evm.settings import EvmSettings
from ordergate.application.ports.brokers import LoginRefused
from ordergate.application.ports.secrets import Secret

_FEES = 2


async def account_of(name: str, settings: EvmSettings, secret: Callable[[], Secret]) -> LocalAccount:
    """The account whose key a secret is, or whose keystore's password it is.

    Raises:
        LoginRefused: it is no key, does not open the keystore, or is another address's.
    """
    try:
        if settings.keystore is None:
            account: LocalAccount = Account.from_key(secret().reveal())
        else:  # deliberately slow
            account = await asyncio.to_thread(_open, Path(settings.keystore), secret)
    except OSError as error:
        raise LoginRefused(
            f"broker {name}: the keystore {settings.keystore} cannot be read: {error.strerror}"
        ) from None
    except Exception:  # what the library says may hold what it was given
        what = (
            "is no private key"
            if settings.keystore is None
            else f"does not open the keystore {settings.keystore}"
        )
        raise LoginRefused(f"broker {name}: the secret {what}") from None
    if account.address.lower() != settings.address.lower():
        raise LoginRefused(
            f"broker {name}: the key is of {account.address}, and the configured address is {settings.address}: name "
            "the key that belongs to it"
        )
    return account


def _open(path: Path, secret: Callable[[], Secret]) -> LocalAccount:
    opened: LocalAccount = Account.from_key(Account.decrypt(json.loads(path.read_text()), secret().reveal()))
    return opened


def sign(
    account: LocalAccount,
    chain_id: int,
    nonce: int,
    call: Call,
    fee: Fee,
    now: float,
    *,
    replaces: bool = False,
) -> Signed:
    """A signed transaction."""
    terms: dict[str, Any] = {
        "type": _FEES,
        "chainId": chain_id,
        "nonce": nonce,
        "to": to_checksum_address(call.to),
        "value": call.value,
        "data": f"0x{call.data.hex()}",
        "gas": fee.gas,
        "maxFeePerGas": fee.max_fee,
        "maxPriorityFeePerGas": fee.priority,
    }
    made: Any = account.sign_transaction(terms)
    return Signed(
        hash=f"0x{bytes(made.hash).hex()}",
        raw=f"0x{bytes(made.raw_transaction).hex()}",
        max_fee=fee.max_fee,
        priority=fee.priority,
        gas=fee.gas,
        signed_at=now,
        replaces=replaces,
    )
