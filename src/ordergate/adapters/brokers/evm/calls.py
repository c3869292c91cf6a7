"""What is called on chain: bytes of calls, and amounts as contracts count them."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal, localcontext
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from msgspec import Struct

from ordergate.domain.money import plain

_DIGITS: Final = 120
LARGEST: Final = 2**256 - 1


class Call(Struct, frozen=True):
    """A call of a contract, or a plain payment: to whom, how much of the native money (wei), and the bytes."""

    to: str
    value: int = 0
    data: bytes = b""


@cache
def selector(signature: str) -> bytes:
    """The first four bytes of a call of `name(types)`."""
    return keccak(text=signature)[:4]


_MOVES: Final = (
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "approve(address,uint256)",
)
_WORD: Final = 64


def denied(asked: Call, said: str) -> bool:
    """Whether a token answers false, as some do where others revert; those that answer nothing have done it."""
    word = said[2 : 2 + _WORD]
    moves = asked.data[:4] in {selector(signature) for signature in _MOVES}
    return moves and len(word) == _WORD and not word.strip("0")


@cache
def topic(signature: str) -> str:
    """The name of an event in logs."""
    return f"0x{keccak(text=signature).hex()}"


def call(to: str, signature: str, *arguments: Any, value: int = 0) -> Call:
    """A call of `name(types)`; types must not nest more than a tuple or list."""
    types = _types(signature[signature.index("(") + 1 : -1])
    return Call(to, value, selector(signature) + encode(types, arguments))


def answered(types: Sequence[str], said: str) -> tuple[Any, ...]:
    """The values that a call returned. Raises ValueError where they are none of those types."""
    try:
        values: tuple[Any, ...] = decode(types, bytes.fromhex(said[2:]))
    except Exception as error:
        raise ValueError(f"{said[:80]!r} is not {', '.join(types)}") from error
    return values


def _types(text: str) -> list[str]:
    found, depth, part = list[str](), 0, ""
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append(part)
            part = ""
        else:
            part += letter
    return [*found, part] if part else found


def units(amount: Decimal, decimals: int) -> int:
    """An amount as a contract counts it.

    Raises:
        ValueError: it has more digits than the token, or is above what contracts count to.
    """
    with localcontext() as context:
        context.prec = _DIGITS
        scaled = amount.scaleb(decimals)
        whole = scaled.to_integral_value(ROUND_DOWN)
        if whole != scaled:
            raise ValueError(f"{amount} has more than {decimals} digits behind the point")
        if not 0 <= whole <= LARGEST:
            raise ValueError(f"{amount} is out of range")
        return int(whole)


def amount(count: int, decimals: int) -> Decimal:
    """A contract's count as an amount, exactly."""
    with localcontext() as context:
        context.prec = _DIGITS
        return plain(Decimal(count).scaleb(-decimals))
