"""Why a transaction would be taken back, in words."""

from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from ordergate.adapters.brokers.evm.calls import selector
from ordergate.adapters.brokers.evm.rpc import RpcError

DENIED: Final = "the token answers false"
_ERROR: Final = selector("Error(string)")
_PANIC: Final = selector("Panic(uint256)")
_CALL_FAILED: Final = selector("CallFailed(uint256,bytes)")
_OURS: Final = {
    selector("NotOwner()"): "the executor is another's: only its owner may use it",
    selector("NotLender()"): "the executor was called back by none that it has asked for a loan",
    selector("NotSwept(address)"): "the executor could not hand on what was left",
}
_FALSE: Final = bytes(32)
_PANICS: Final = {
    0x01: "an assertion",
    0x11: "overflow",
    0x12: "division by zero",
    0x32: "index out of range",
}
_AAVE: Final = {
    "26": "invalid amount", "27": "reserve inactive", "28": "reserve frozen", "29": "reserve paused",
    "30": "borrowing not enabled", "32": "not enough available balance", "34": "collateral balance is zero",
    "35": "health factor would be too low", "36": "collateral cannot cover the new borrow",
    "39": "no debt of that kind",
    "43": "underlying balance is zero", "50": "borrow cap exceeded", "51": "supply cap exceeded",
}  # fmt: skip
"""Of Aave V3, `Errors.sol`."""


def reason_of(error: RpcError) -> str:
    """The reason that a node gives for a call that fails; of Aave's numbers, their meaning too."""
    data = _bytes(error.data)
    return decoded(data) if data else _aave(_bare(error.message))


def decoded(data: bytes) -> str:
    """What reverted, from what it returned."""
    if data == _FALSE:  # as the executor hands it on
        return DENIED
    kind, rest = data[:4], data[4:]
    try:
        if kind == _ERROR:
            return _aave(str(decode(["string"], rest)[0]))
        if kind == _PANIC:
            number = int(decode(["uint256"], rest)[0])
            return f"panic: {_PANICS.get(number, hex(number))}"
        if kind == _CALL_FAILED:
            at, inner = decode(["uint256", "bytes"], rest)
            where = "the repayment" if at >= 2**255 else f"call {at}"
            return f"{where}: {decoded(inner)}"
    except (DecodingError, OverflowError, ValueError):
        pass
    return _OURS.get(kind, f"reverted with 0x{data[:68].hex()}" if data else "reverted without a reason")


def _aave(text: str) -> str:
    return f"{text} ({_AAVE[text]})" if text in _AAVE else text


def _bare(message: str) -> str:
    return (
        message.partition("execution reverted: ")[2].strip().rstrip(",").removesuffix(', data: "0x"')
        or message
    )


def _bytes(data: str | None) -> bytes:
    try:
        return b"" if data is None else bytes.fromhex(data[2:])
    except ValueError:
        return b""
