"""py-evm behind the calls of JSON-RPC, with a pool of waiting transactions that behaves as geth's does."""

# ruff: noqa: N802
import threading
from typing import Any

import rlp
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import BlockNotFound, TransactionFailed, TransactionNotFound
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from tests.services.chain.node import Refusal

_BUMP = (11, 10)
"""geth's: a replacement pays a tenth more."""


class PyEvm:
    """A chain in this process."""

    def __init__(self) -> None:
        genesis = PyEVMBackend.generate_genesis_params(overrides={"gas_limit": 30_000_000})
        self.backend = PyEVMBackend(genesis_parameters=genesis)
        self.tester = EthereumTester(self.backend)
        self.chain_id = int(self.tester.backend.chain.chain_id)
        self.rich = self.tester.get_accounts()[0]
        self.automines = True
        self._one = threading.RLock()  # doors have threads of their own
        self._states: dict[int, Any] = {}
        self.pool: dict[tuple[str, int], tuple[str, dict[str, Any]]] = {}

    def ask(self, method: str, params: list[Any]) -> Any:
        answer = getattr(self, method, None)
        if not method.startswith("eth_") or answer is None:
            raise Refusal(f"the method {method} does not exist", -32601)
        with self._one:
            return answer(*params)

    def eth_chainId(self) -> str:
        return hex(self.chain_id)

    def eth_maxPriorityFeePerGas(self) -> str:
        return hex(10**9)

    def eth_getBlockByNumber(self, block: str, _full: bool) -> Any:
        try:
            said = self.tester.get_block_by_number(_block(block))
        except BlockNotFound:
            return None
        return {
            "number": hex(said["number"]),
            "hash": said["hash"],
            "timestamp": hex(said["timestamp"]),
            "baseFeePerGas": hex(said["base_fee_per_gas"]),
        }

    def eth_getTransactionCount(self, address: str, block: str) -> str:
        waiting = sum(sender == address.lower() for sender, _nonce in self.pool) if block == "pending" else 0
        at = "latest" if block == "pending" else _block(block)
        return hex(self.tester.get_nonce(address, at) + waiting)

    def eth_getBalance(self, address: str, block: str) -> str:
        return hex(self.tester.get_balance(address, _block(block)))

    def eth_getCode(self, address: str, block: str) -> str:
        return str(self.tester.get_code(address, _block(block)))

    def eth_call(self, terms: dict[str, str], block: str) -> str:
        return str(self._trying(lambda: self.tester.call(self._terms(terms), _block(block))))

    def eth_estimateGas(self, terms: dict[str, str], _block: str) -> str:
        return hex(self._trying(lambda: self.tester.estimate_gas(self._terms(terms))))

    def _trying(self, call: Any) -> Any:
        try:
            return call()
        except TransactionFailed as error:
            data = error.args[0] if error.args else b""
            if isinstance(data, bytes):
                raise Refusal("execution reverted", 3, f"0x{data.hex()}") from None
            raise Refusal(f"execution reverted: {data}", 3) from None
        except Exception as error:
            raise Refusal(str(error)) from None

    def eth_getTransactionReceipt(self, name: str) -> Any:
        try:
            said = self.tester.get_transaction_receipt(name)
        except TransactionNotFound:
            return None
        if said["block_number"] is None:
            return None
        return {
            "transactionHash": said["transaction_hash"],
            "blockNumber": hex(said["block_number"]),
            "blockHash": said["block_hash"],
            "status": hex(said["status"]),
            "gasUsed": hex(said["gas_used"]),
            "effectiveGasPrice": hex(said["effective_gas_price"]),
            "contractAddress": said["contract_address"],
            "logs": [_log(log) for log in said["logs"]],
        }

    def eth_getTransactionByHash(self, name: str) -> Any:
        waiting = [raw for raw, _terms in self.pool.values() if _hash(raw) == name]
        if waiting:
            return {"hash": name, "blockNumber": None}
        try:
            said = self.tester.get_transaction_by_hash(name)
        except TransactionNotFound:
            return None
        return {"hash": name, "blockNumber": hex(said["block_number"])}

    def eth_getLogs(self, wanted: dict[str, Any]) -> Any:
        block = next((n for n in range(self.height, -1, -1) if self._hash_at(n) == wanted["blockHash"]), None)
        if block is None:
            raise Refusal("unknown block")
        logs = self.tester.get_logs(from_block=block, to_block=block)
        return [_log(log) for log in logs if _fits(log["topics"], wanted["topics"])]

    def eth_sendRawTransaction(self, raw: str) -> str:
        sender, terms = _read(raw)
        nonce, key = terms["nonce"], (sender, terms["nonce"])
        waiting = self.pool.get(key)
        if waiting is not None and waiting[0] == raw:
            raise Refusal("already known")
        if terms["chainId"] != self.chain_id:
            raise Refusal(f"invalid chain id for signer: have {terms['chainId']} want {self.chain_id}")
        there = self.tester.get_nonce(sender)
        if nonce < there:
            raise Refusal(f"nonce too low: next nonce {there}, tx nonce {nonce}")
        cost = terms["value"] + terms["gas"] * terms["maxFeePerGas"]
        if self.tester.get_balance(sender) < cost:
            raise Refusal(f"insufficient funds for gas * price + value: address {sender}")
        if waiting is not None:
            fees = ("maxFeePerGas", "maxPriorityFeePerGas")
            if any(terms[fee] * _BUMP[1] < waiting[1][fee] * _BUMP[0] for fee in fees):
                raise Refusal("replacement transaction underpriced")
        self.pool[key] = raw, terms
        if self.automines:
            self.mine()
        return _hash(raw)

    def _terms(self, terms: dict[str, str]) -> dict[str, Any]:
        return {
            "from": terms.get("from", self.rich),
            "to": terms["to"],
            "value": int(terms.get("value", "0x0"), 16),
            "data": terms.get("data", "0x"),
            "gas": 10_000_000,
        }

    @property
    def height(self) -> int:
        return int(self.tester.get_block_by_number("latest")["number"])

    def _hash_at(self, number: int) -> str:
        return str(self.tester.get_block_by_number(number)["hash"])

    def mine(self, blocks: int = 1) -> None:
        with self._one:
            self._mine(blocks)

    def _mine(self, blocks: int) -> None:
        self._states[self.height] = self.tester.take_snapshot()
        while ready := [key for key in self.pool if key[1] == self.tester.get_nonce(key[0], "pending")]:
            key = max(ready, key=lambda one: self.pool[one][1]["maxPriorityFeePerGas"])
            raw, _terms = self.pool.pop(key)
            self.backend.send_raw_transaction(bytes(HexBytes(raw)))
        self.tester.mine_blocks(blocks)

    def reorganise(self, depth: int) -> None:
        """Goes back so many blocks, and makes as many empty ones, and one more; what was in them is forgotten."""
        with self._one:
            target = self.height - depth
            self.tester.revert_to_snapshot(self._states[target])
            self.backend.time_travel(int(self.tester.get_block_by_number("pending")["timestamp"]) + 7)
            self._mine(depth + 1)

    def snapshot(self) -> Any:
        return self.tester.take_snapshot(), dict(self.pool)

    def revert(self, snapshot: Any) -> None:
        name, self.pool = snapshot[0], dict(snapshot[1])
        with self._one:
            self.tester.revert_to_snapshot(name)

    def give(self, address: str, wei: int) -> None:
        with self._one:
            self.tester.send_transaction({"from": self.rich, "to": address, "value": wei, "gas": 21_000})


def _block(text: str) -> Any:
    return int(text, 16) if text.startswith("0x") else text


def _log(log: Any) -> dict[str, Any]:
    return {
        "address": log["address"],
        "topics": list(log["topics"]),
        "data": log["data"],
        "transactionHash": log["transaction_hash"],
    }


def _fits(topics: Any, wanted: list[str | None]) -> bool:
    return len(topics) >= len(wanted) and all(
        want is None or want == topic for topic, want in zip(topics, wanted, strict=False)
    )


def _hash(raw: str) -> str:
    return f"0x{keccak(HexBytes(raw)).hex()}"


def _read(raw: str) -> tuple[str, dict[str, Any]]:
    try:
        terms = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        return Account.recover_transaction(raw).lower(), terms
    except (rlp.DecodingError, ValueError, TypeError) as error:
        raise Refusal(f"the transaction cannot be read: {error}", -32602) from None
