"""A real `ordergate serve` on the database of a rig, asked over HTTP in the place of a worker."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import httpx2
from tests.acceptance.nodes.node import READY_WITHIN_S, ROOT, Gone, NotReady
from tests.acceptance.nodes.rig import Rig

_ERRORS = {"store_unavailable": "StoreError", "not_ready": "StoreError", "outcome_unknown": "OutcomeUnknown"}
_REFUSED = (404, 409, 412, 422)


class ServedNode:
    """A server process; does what `Node` does for those who trade."""

    def __init__(self, name: str, process: Process, url: str, log: Path) -> None:
        self.name, self.process, self.url, self._log = name, process, url, log
        self.expected_to_end = False
        self.client = httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False, verify=False)

    @classmethod
    async def start(cls, name: str, rig: Rig) -> "ServedNode":
        """Starts one on a free port, and waits until it serves."""
        log = rig.folder / f"{name}.log"
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_STATE_HOME": str(rig.folder)}
        environment.pop("ORDERGATE_DB", None)
        with log.open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ordergate", "serve", "--port", "0", "--db", rig.url),
                stdout=PIPE,
                stderr=said,
                env=environment,
                cwd=rig.folder,
            )
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                line = (await process.stdout.readline()).decode()
            if not line.startswith("ordergate serves http://"):
                raise NotReady(f"{line}{log.read_text()}")
        except BaseException:
            if process.returncode is None:
                process.kill()
            await process.wait()
            raise
        node = rig.nodes[name] = cls(name, process, line.split()[2], log)
        return node

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def up(self) -> bool:
        """Whether it is to be asked."""
        return self.process.returncode is None and not self.expected_to_end

    def said(self) -> str:
        """The end of what it wrote on standard error."""
        return self._log.read_text(errors="replace")[-4_000:]

    def send(self, do: str, **request: Any) -> asyncio.Future[dict[str, Any]]:
        """See `Node`."""
        return asyncio.ensure_future(self._do(do, request))

    async def ask(self, do: str, within_s: float = 30.0, **request: Any) -> dict[str, Any]:
        """See `Node`."""
        return await asyncio.wait_for(self._do(do, request), within_s)

    async def _do(self, do: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._request(do, **request)
        except httpx2.HTTPError as error:
            raise Gone(f"{self.name}: {type(error).__name__}") from None
        if answer.status_code in (200, 202):
            return {**answer.json(), "replayed": answer.status_code == 200}
        if answer.status_code in _REFUSED:
            return {"error": "Conflict", "detail": answer.text}
        code = answer.json().get("code")
        if code in _ERRORS and answer.headers.get("Retry-After") is None:
            return {"error": "no Retry-After", "detail": answer.text}
        return {"error": _ERRORS.get(code, code), "detail": answer.text}

    async def _request(self, do: str, **request: Any) -> httpx2.Response:
        if do == "submit":
            body = {"fund_id": "paper-momentum", "tif": "gtc", **request}
            body["idempotency_key"] = body.pop("key")
            return await self.client.post("/v1/orders", json=body)
        if do == "quote":
            return await self.client.put(f"/v1/paper/quotes/{request.pop('symbol')}", json=request)
        path = f"/v1/orders/{request.pop('order_id')}"
        if do == "cancel":
            return await self.client.post(f"{path}/cancel")
        return await self.client.patch(path, json=request, headers={"If-Match": "*"})

    def signal(self, number: int) -> None:
        """Sends its process a signal."""
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.expected_to_end = True
        self.process.send_signal(number)

    async def kill(self) -> None:
        """Kills it, and waits for that."""
        self.signal(signal.SIGKILL)
        await self.end()

    async def end(self) -> None:
        """Kills it if it still runs, and lets go of it."""
        self.expected_to_end = True
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self.client.aclose()
