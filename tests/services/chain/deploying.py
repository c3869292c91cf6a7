"""Deploys contracts, and calls them as anybody may."""

import itertools
import json
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from tests.services.chain.node import ChainNode, Refusal

OURS = Path(__file__).parent / "contracts"
EXECUTOR = Path(__file__).parents[3] / "src/ordergate/adapters/brokers/evm/contracts/executor.json"
_KEYS = itertools.count(1)
_FEE, _TIP = 50 * 10**9, 3 * 10**9


def new_account() -> LocalAccount:
    """One that nobody has used in this process."""
    account: LocalAccount = Account.from_key(f"0x{(0xC0FFEE << 64) + next(_KEYS):064x}")
    return account


def ours(name: str) -> dict[str, Any]:
    """A contract of this repository, compiled: Token, OldToken, StakedEther, WithdrawalQueue, Executor."""
    file = (
        EXECUTOR if name == "Executor" else OURS / ("token.json" if name.endswith("Token") else "lido.json")
    )
    made: dict[str, Any] = json.loads(file.read_text())["contracts"][name]
    return made


class Contract:
    """One on the chain; `account` is who calls it."""

    def __init__(self, deployer: "Deployer", address: str, abi: Any) -> None:
        self.deployer, self.address = deployer, str(Web3.to_checksum_address(address))
        self._made = Web3().eth.contract(address=Web3.to_checksum_address(address), abi=abi)

    def send(self, name: str, *arguments: Any, value: int = 0, gas: int = 5_000_000) -> dict[str, Any]:
        """A transaction, in a block; raises where it is taken back."""
        return self.deployer.send(self.address, self.data(name, *arguments), value, gas)

    def post(self, name: str, *arguments: Any, value: int = 0) -> None:
        """A transaction that waits for a block, and pays more than others."""
        raw = self.deployer.signed(self.address, self.data(name, *arguments), value, gas=1_000_000)
        self.deployer.chain.ask("eth_sendRawTransaction", [raw])

    def data(self, name: str, *arguments: Any) -> str:
        """The bytes of a call."""
        return str(self._made.encode_abi(name, args=list(arguments)))

    def read(self, name: str, *arguments: Any) -> Any:
        """What a call returns."""
        data = self._made.encode_abi(name, args=list(arguments))
        terms = {"from": self.deployer.account.address, "to": self.address, "data": data}
        said = self.deployer.chain.ask("eth_call", [terms, "latest"])
        function = self._made.get_function_by_name(name) if "(" not in name else None
        types = [one["type"] for one in function.abi["outputs"]] if function else []
        values = Web3().codec.decode(types, bytes.fromhex(said[2:]))
        return values[0] if len(values) == 1 else values


class Deployer:
    """An account with money that deploys; each transaction gets a block of its own."""

    def __init__(self, chain: ChainNode, account: LocalAccount | None = None) -> None:
        self.chain, self.account = chain, account or new_account()
        if account is None:
            chain.give(self.account.address, 10_000 * 10**18)

    def send(self, to: str | None, data: str, value: int = 0, gas: int = 12_000_000) -> dict[str, Any]:
        raw = self.signed(to, data, value, gas)
        name = self.chain.ask("eth_sendRawTransaction", [raw])
        receipt: dict[str, Any] | None = self.chain.ask("eth_getTransactionReceipt", [name])
        if receipt is None:
            self.chain.mine()
            receipt = self.chain.ask("eth_getTransactionReceipt", [name])
        assert receipt is not None
        if int(receipt["status"], 16) != 1:
            raise Refusal(f"a transaction to {to} was taken back")
        return receipt

    def signed(
        self, to: str | None, data: str, value: int = 0, gas: int = 12_000_000, nonce: int | None = None
    ) -> str:
        """A transaction's bytes, not sent."""
        if nonce is None:
            nonce = int(self.chain.ask("eth_getTransactionCount", [self.account.address, "latest"]), 16)
        terms = {
            "type": 2,
            "chainId": self.chain.chain_id,
            "nonce": nonce,
            "value": value,
            "data": data,
            "gas": gas,
            "maxFeePerGas": _FEE,
            "maxPriorityFeePerGas": _TIP,
        }
        if to is not None:
            terms["to"] = Web3.to_checksum_address(to)
        made = self.account.sign_transaction(terms)
        return f"0x{bytes(made.raw_transaction).hex()}"

    def deploy(
        self, artefact: dict[str, Any], *arguments: Any, libraries: dict[str, str] | None = None
    ) -> Contract:
        """A contract from what its compiler gave."""
        code = _linked(artefact, libraries or {})
        made = Web3().eth.contract(abi=artefact["abi"], bytecode=code)
        receipt = self.send(None, made.constructor(*arguments).data_in_transaction)
        return Contract(self, receipt["contractAddress"], artefact["abi"])

    def at(self, address: str, artefact: dict[str, Any]) -> Contract:
        return Contract(self, address, artefact["abi"])


def _linked(artefact: dict[str, Any], libraries: dict[str, str]) -> str:
    code: str = (
        artefact["bytecode"] if isinstance(artefact["bytecode"], str) else artefact["bytecode"]["object"]
    )
    for names in (artefact.get("linkReferences") or {}).values():
        for name, places in names.items():
            for place in places:
                at = 2 + 2 * place["start"]
                code = code[:at] + libraries[name][2:].lower() + code[at + 2 * place["length"] :]
    return code if code.startswith("0x") else f"0x{code}"
