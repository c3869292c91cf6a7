"""Talking with the chain's nodes: web3.py's transport, its retries off; and what a node's refusal means.

What is asked goes to the first node that answers, and then to that one, until they are asked in their order again. One
that refuses for its own sake is passed over as one that is away. What is signed goes to all.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from eth_typing import URI

from ordergate.adapters.brokers.evm.libraries import AsyncHTTPProvider, RPCEndpoint

T = TypeVar("T")
_LARGEST: Final = 400
_REVERTED: Final = 3
_MISSING: Final = -32001
_NO_METHOD: Final = -32601
"""EIP-1474: resource not found; method not found."""
_KEY: Final = 8
"""Letters from which on a part of a URL may be a key."""
_TROUBLE: Final = re.compile("rate limit|too many requests|header not found|missing trie node", re.IGNORECASE)
"""Of a node that cannot do what it was asked now."""
_CHAIN: Final = re.compile(
    "revert|insufficient ?(funds|balance)|gas required exceeds|out ?of ?gas|opcode|bad instruction|jump"
    "|stack (under|over)flow|(vm|evm) (execution|exception|error)",
    re.IGNORECASE,
)
"""Of a node that has tried a call, in words of geth, nethermind, besu, anvil and hardhat."""
_HASH: Final = re.compile("0x[0-9a-fA-F]{64}")


class Away(Exception):
    """No node gave an answer that can be read; what became of what was asked is not known."""


class Stranger(Away):
    """A node is of another chain: nothing was asked of it, and nothing sent to it."""


class RpcError(Exception):
    """A node's refusal.

    Attributes:
        code: of JSON-RPC. data: of what reverted, as hexadecimal digits; None where there is none.
    """

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    @property
    def of_chain(self) -> bool:
        """Whether it is what the chain makes of a call, as any node would say; else it is this node's trouble."""
        return self.code == _REVERTED or self.data is not None or _CHAIN.search(self.message) is not None


class Said(StrEnum):
    """What a node says of signed bytes.

    TAKEN: it has them. USED: something with that nonce is in a block. UNDERPRICED: it has others of that nonce, which
    pay as much. REFUSED: it has not taken them, and will not. UNCLEAR: whether it has them is not known.
    """

    TAKEN = "taken"
    USED = "used"
    UNDERPRICED = "underpriced"
    REFUSED = "refused"
    UNCLEAR = "unclear"


_TABLE: Final = (
    # geth, erigon, nethermind | anvil | besu | py-evm
    (Said.TAKEN, r"already known|already imported|\bknown transaction|alreadyknown"),
    (Said.USED, r"nonce too low|nonce_too_low|oldnonce|nonce is too low|invalid transaction nonce"),
    (Said.UNDERPRICED, r"replacement transaction underpriced|replacement_underpriced|fee too low to replace"),
    (Said.REFUSED, r"insufficient funds|insufficient balance|insufficientfunds|does not have enough balance"),
    (Said.REFUSED, r"max fee per gas less than block base fee|fee ?cap ?less ?than|feecap too low|feetoolow"),
    (Said.REFUSED, r"intrinsic gas too low|exceeds block gas limit|gas limit too high|intrinsic_gas"),
    (Said.REFUSED, r"max priority fee per gas higher than|tip ?above ?fee ?cap"),
    (Said.REFUSED, r"invalid sender|invalid chain id|invalid_signature|oversized data|transaction type not supported"),
    (Said.REFUSED, r"^transaction underpriced"),
)  # fmt: skip
_NONE: Final = re.compile(
    r"\b(transaction|receipt)( with hash)?:?( 0x[0-9a-f]*)? (was )?not found", re.IGNORECASE
)
_MEANINGS: Final = tuple((said, re.compile(pattern, re.IGNORECASE)) for said, pattern in _TABLE)


def is_none(error: BaseException) -> bool:
    """Whether a node says in words that it has no such transaction, as others say with null."""
    if not isinstance(error, RpcError) or error.code == _NO_METHOD:
        return False
    missing = error.code == _MISSING and "not found" in error.message.lower()
    return missing or _NONE.search(error.message) is not None


def meaning(error: RpcError) -> Said:
    """What a refusal of signed bytes means; one that is not in the table is unclear."""
    found = (said for said, pattern in _MEANINGS if pattern.search(error.message))
    return next(found, Said.UNCLEAR)


class Node:
    """One node; asked first, and after each time that it was away, which chain it is of."""

    def __init__(self, url: str, timeout_s: float, chain_id: int) -> None:
        self._url, self._timeout_s, self._chain_id = url, timeout_s, chain_id
        self._known = False
        self.shown = urlsplit(url).hostname or "a node"
        """Without what may be a key."""
        self._provider = AsyncHTTPProvider(URI(url), exception_retry_configuration=None)

    async def ask(self, method: str, *params: Any) -> Any:
        """The result of a call.

        Raises:
            RpcError: the node refuses.
            Away: it gives no answer that can be read. Stranger: it is of another chain.
        """
        if not self._known:
            await self._know()
        return await self.ask_anyhow(method, *params)

    async def _know(self) -> None:
        found = await self.ask_anyhow("eth_chainId")
        try:
            chain = int(found, 16)
        except (TypeError, ValueError):
            raise Away(f"{self.shown}: {str(found)[:20]!r} is no chain") from None
        if chain != self._chain_id:
            raise Stranger(f"{self.shown}: it is of chain {chain}, and chain_id is {self._chain_id}")
        self._known = True

    async def ask_anyhow(self, method: str, *params: Any) -> Any:
        """As `ask`, of a node of whatever chain."""
        try:
            return await self._ask(method, *params)
        except Away:
            self._known = False
            raise

    async def _ask(self, method: str, *params: Any) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s):
                answer: Any = await self._provider.make_request(cast(RPCEndpoint, method), params)
        except Exception as error:  # of the transport, or of what reads the answer: each says nothing
            raise Away(f"{self.shown}: {method}: {self._told(error)}") from None
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise Away(f"{self.shown}: {method}: the answer is none of JSON-RPC")
        refusal = answer.get("error")
        if refusal is None:
            return answer.get("result")
        if not isinstance(refusal, dict) or not isinstance(refusal.get("message"), str):
            raise Away(f"{self.shown}: {method}: the refusal is none of JSON-RPC")
        code = refusal.get("code")
        message = self._clean(refusal["message"])[:_LARGEST]
        if code == -32005 or (
            _TROUBLE.search(message) and "revert" not in message
        ):  # of the node, not of the chain
            raise Away(f"{self.shown}: {method}: {message}")
        number = code if isinstance(code, int) else 0
        raise RpcError(number, message, _data(refusal.get("data")))

    def _told(self, error: BaseException) -> str:
        """What the transport says; never the URL, which may hold a key."""
        status = getattr(error, "status", None)
        if isinstance(status, int):
            return f"HTTP {status}"
        text = str(error)
        if not text or "://" in text:
            return type(error).__name__
        return f"{type(error).__name__}: {self._clean(text)}"[:_LARGEST]

    def _clean(self, text: str) -> str:
        parts = urlsplit(self._url)
        keys = (
            self._url,
            parts.path.strip("/"),
            parts.path.rpartition("/")[2],
            parts.query,
            parts.password or "",
        )
        for key in keys:
            text = text.replace(key, "...") if len(key) >= _KEY else text
        return text

    async def close(self) -> None:
        """Ends its connections."""
        await self._provider.disconnect()


class Nodes:
    """All nodes of a wallet."""

    def __init__(self, urls: Sequence[str], timeout_s: float, chain_id: int) -> None:
        self.all = tuple(Node(url, timeout_s, chain_id) for url in urls)
        self._first = 0

    def begin_again(self) -> None:
        """From now on they are asked in their order again: who stood in for the first may be behind."""
        self._first = 0

    async def ask(self, method: str, *params: Any) -> Any:
        """The result of a call that changes nothing, of the first node that gives one.

        Raises:
            RpcError: the chain refuses, or none gives a result, and one has refused.
            Away: none answers.
        """
        return await self.ask_for(lambda answer: answer, method, *params)

    async def ask_for(self, read: Callable[[Any], T], method: str, *params: Any) -> T:
        """As `ask`, read; one whose answer `read` raises Away for is passed over as if it gave none."""
        why, first = "there are no nodes", self._first  # another question may change it meanwhile
        refusal: RpcError | None = None
        for turn in range(len(self.all)):
            place = (first + turn) % len(self.all)
            try:
                answer = read(await self.all[place].ask(method, *params))
            except Away as error:
                why = str(error)
            except RpcError as error:
                if error.of_chain:
                    self._first = place
                    raise
                refusal = error
            else:
                self._first = place
                return answer
        raise refusal or Away(why)

    async def ask_all(self, method: str, *params: Any) -> list[Any]:
        """What each of the nodes answers; of one that gives no result, what `Node.ask` raises."""
        return await asyncio.gather(*(node.ask(method, *params) for node in self.all), return_exceptions=True)

    async def send(self, raw: str) -> tuple[Said, str]:
        """Sends signed bytes to all nodes: the best that one of them says, and its words."""
        answers = await asyncio.gather(*(self._send(node, raw) for node in self.all))
        order = (Said.TAKEN, Said.USED, Said.UNDERPRICED, Said.UNCLEAR, Said.REFUSED)
        return min(answers, key=lambda answer: order.index(answer[0]))

    async def _send(self, node: Node, raw: str) -> tuple[Said, str]:
        try:
            said = await node.ask("eth_sendRawTransaction", raw)
        except RpcError as error:
            return meaning(error), f"{node.shown}: {error.message}"
        except Stranger as error:
            return Said.REFUSED, str(error)
        except Away as error:
            return Said.UNCLEAR, str(error)
        if not isinstance(said, str) or not _HASH.fullmatch(said):
            return Said.UNCLEAR, f"{node.shown}: {str(said)[:80]!r} is no hash"
        return Said.TAKEN, said

    async def close(self) -> None:
        """Ends all connections."""
        for node in self.all:
            await node.close()


def _data(said: Any) -> str | None:
    if isinstance(said, dict):  # anvil, hardhat
        said = said.get("data") or said.get("result")
    return said if isinstance(said, str) and said.startswith("0x") else None
