"""What the chain says, read strictly: whatever is not as it must be counts as no answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.brokers.evm.calls import Call, answered, call
from ordergate.adapters.brokers.evm.rpc import Away, Nodes, RpcError, is_none

LATEST, PENDING = "latest", "pending"
_BEHIND: Final = 32
"""Blocks that a node may lack of what was told before: some are slower, and a reorganisation takes a few away."""


class Head(Struct, frozen=True):
    """The last block. Attributes: base_fee in wei a unit of gas; time in seconds since 1970."""

    number: int
    hash: str
    base_fee: int
    time: int


class Log(Struct, frozen=True):
    """What a contract has said in a transaction; all in lower case."""

    address: str
    topics: tuple[str, ...]
    data: str
    hash: str


class Receipt(Struct, frozen=True):
    """A transaction in a block. Attributes: cost in wei, what it took beside its value."""

    hash: str
    block: int
    block_hash: str
    ok: bool
    gas: int
    cost: int
    logs: tuple[Log, ...]


class Chain:
    """Questions about one wallet; each raises Away where no node answers, and RpcError where they refuse."""

    def __init__(self, nodes: Nodes, wallet: str) -> None:
        self.nodes, self.wallet = nodes, wallet
        self._newest = 0

    async def head(self) -> Head:
        """The last block, of a node that is not far behind what was seen before."""
        head = await self.nodes.ask_for(self._head, "eth_getBlockByNumber", LATEST, False)
        self._newest = max(self._newest, head.number)
        return head

    def _head(self, said: Any) -> Head:
        block = _mapping(said, "block")
        if block.get("baseFeePerGas") is None:
            raise Away("the chain has no base fee: chains before EIP-1559 are not spoken with")
        number, time = count(block.get("number")), count(block.get("timestamp"))
        if number < self._newest - _BEHIND:
            raise Away(f"a node is at block {number}, and block {self._newest} was seen: it is behind")
        return Head(number, _text(block.get("hash")), count(block.get("baseFeePerGas")), time)

    async def block_hash(self, number: int) -> str | None:
        """Of the block at that height; None where there is none."""
        block = await self.nodes.ask("eth_getBlockByNumber", hex(number), False)
        return None if block is None else _text(_mapping(block, "block").get("hash"))

    async def block_time(self, number: int) -> int:
        """Seconds since 1970."""
        block = await self.nodes.ask("eth_getBlockByNumber", hex(number), False)
        return count(_mapping(block, "block").get("timestamp"))

    async def nonces(self, block: str = LATEST) -> int:
        """How many transactions of the wallet are in blocks up to that one; with `pending`, those that wait too."""
        return count(await self.nodes.ask("eth_getTransactionCount", self.wallet, block))

    async def waiting(self) -> int:
        """As `nonces`, with those that wait, of a node that tells; else 0."""
        try:
            return await self.nonces(PENDING)
        except RpcError:
            return 0

    async def waiting_anywhere(self) -> int:
        """As `waiting`, of the node that knows of most; one that is away says nothing. Raises Away where all are."""
        most, silent = -1, Away("there are no nodes")
        for said in await self.nodes.ask_all("eth_getTransactionCount", self.wallet, PENDING):
            try:
                most = max(most, 0 if isinstance(said, RpcError) else count(said))
            except Away as error:
                silent = said if isinstance(said, Away) else error
        if most < 0:
            raise silent
        return most

    async def receipt(self, name: str) -> Receipt | None:
        """Of a transaction that is in a block; None of others."""
        try:
            said = await self.nodes.ask("eth_getTransactionReceipt", name)
        except RpcError as error:
            if is_none(error):
                return None
            raise
        if said is None:
            return None
        receipt = _mapping(said, "receipt")
        if receipt.get("blockHash") is None:
            return None
        gas, price = count(receipt.get("gasUsed")), count(receipt.get("effectiveGasPrice"))
        first_layer = count(receipt.get("l1Fee") or "0x0")  # of rollups that charge for the chain below
        return Receipt(
            hash=_text(receipt.get("transactionHash")),
            block=count(receipt.get("blockNumber")),
            block_hash=_text(receipt.get("blockHash")),
            ok=count(receipt.get("status")) == 1,
            gas=gas,
            cost=gas * price + first_layer,
            logs=logs_of(receipt.get("logs")),
        )

    async def knows(self, name: str) -> bool:
        """Whether a node has a transaction, in a block or waiting."""
        try:
            return await self.nodes.ask("eth_getTransactionByHash", name) is not None
        except RpcError as error:
            if is_none(error):
                return False
            raise

    async def known_anywhere(self, name: str) -> bool:
        """Whether any of the nodes has a transaction.

        Raises:
            Away, RpcError: one does not say, and none of the others has it.
        """
        silent: BaseException | None = None
        for said in await self.nodes.ask_all("eth_getTransactionByHash", name):
            if isinstance(said, BaseException):
                silent = silent if is_none(said) else said
            elif said is not None:
                return True
        if silent is not None:
            raise silent
        return False

    async def balance(self, token: str | None, block: str = LATEST) -> int:
        """What the wallet has of a token, or, of None, of the native money."""
        if token is None:
            return count(await self.nodes.ask("eth_getBalance", self.wallet, block))
        asked = call(token, "balanceOf(address)", self.wallet)
        return int((await self.read(asked, ("uint256",), block))[0])

    async def read(self, asked: Call, types: Sequence[str], block: str = LATEST) -> tuple[Any, ...]:
        """What a contract says to whoever asks."""
        question = {"to": asked.to, "data": f"0x{asked.data.hex()}"}
        return self.answered(asked, types, _text(await self.nodes.ask("eth_call", question, block)))

    @staticmethod
    def answered(asked: Call, types: Sequence[str], said: str) -> tuple[Any, ...]:
        """What a contract has said, read."""
        try:
            return answered(types, said)
        except ValueError as error:
            raise Away(f"{asked.to} does not answer as its kind of contract does: {error}") from error

    async def tries(self, asked: Call, block: str = PENDING) -> str:
        """What a call would return; raises RpcError where it would be taken back."""
        return _text(await self._after_all("eth_call", asked, block))

    async def estimate(self, asked: Call) -> int:
        """The gas that a call needs."""
        return count(await self._after_all("eth_estimateGas", asked, PENDING))

    async def _after_all(self, method: str, asked: Call, block: str) -> Any:
        """Tried after what waits, where the node knows that; else after the last block."""
        try:
            return await self.nodes.ask(method, self.transaction(asked), block)
        except RpcError as error:
            if block != PENDING or PENDING not in error.message.lower():
                raise
        return await self.nodes.ask(method, self.transaction(asked), LATEST)

    async def tip(self, otherwise: int) -> int:
        """What a node proposes for the block's maker, in wei a unit of gas."""
        try:
            return count(await self.nodes.ask("eth_maxPriorityFeePerGas"))
        except RpcError:
            return otherwise

    async def logs(self, block_hash: str, topics: Sequence[str | None]) -> tuple[Log, ...]:
        """The logs of one block with those topics."""
        return logs_of(await self.nodes.ask("eth_getLogs", {"blockHash": block_hash, "topics": list(topics)}))

    async def has_code(self, address: str) -> bool:
        """Whether there is a contract."""
        return len(_text(await self.nodes.ask("eth_getCode", address, LATEST))) > len("0x")

    def transaction(self, asked: Call) -> dict[str, str]:
        """A call, for a node that is to try it."""
        return {
            "from": self.wallet,
            "to": asked.to,
            "value": hex(asked.value),
            "data": f"0x{asked.data.hex()}",
        }


def logs_of(said: Any) -> tuple[Log, ...]:
    """Logs as a node tells them."""
    if not isinstance(said, list):
        raise Away(f"{str(said)[:80]} is no list of logs")
    return tuple(_log(_mapping(one, "log")) for one in said)


def _log(said: Mapping[str, Any]) -> Log:
    topics = said.get("topics")
    if not isinstance(topics, list):
        raise Away(f"{str(topics)[:80]} are no topics")
    return Log(
        _text(said.get("address")).lower(),
        tuple(_text(topic).lower() for topic in topics),
        _text(said.get("data")),
        _text(said.get("transactionHash")).lower(),
    )


def count(said: Any) -> int:
    """A number as nodes write it."""
    try:
        return int(_text(said), 16)
    except ValueError:
        raise Away(f"{str(said)[:80]!r} is no number") from None


def _text(said: Any) -> str:
    if not isinstance(said, str) or not said.startswith("0x"):
        raise Away(f"{str(said)[:80]!r} is not what was asked for")
    return said


def _mapping(said: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise Away(f"{str(said)[:80]!r} is no {what}")
    return said
