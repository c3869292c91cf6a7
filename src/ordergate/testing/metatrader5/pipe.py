"""The pipe of the fake package: a blocking socket to the terminal, without any deadline once it is connected."""

import contextlib
import os
import socket
import time
from typing import Any, Final

import msgspec

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5 import wire
from ordergate.testing.metatrader5.functions import value
from ordergate.testing.metatrader5.terminal import Answer
from ordergate.testing.metatrader5.texts import Failed

VARIABLE: Final = "ORDERGATE_MT5_TERMINAL"


class Socket:
    """To the port that the environment names."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Raises Failed where there is no terminal. One that is there and does not answer makes it wait for ever."""
        self.close()
        port = os.environ.get(VARIABLE, "")
        if not port.isdigit():
            raise Failed(mt5.RES_E_INTERNAL_FAIL_INIT)
        try:
            self._socket = socket.create_connection(("127.0.0.1", int(port)))
            self.call("version", {})
        except OSError:
            raise Failed(mt5.RES_E_INTERNAL_FAIL_INIT) from None

    def call(self, name: str, given: dict[str, Any]) -> Any:
        """Blocks until there is an answer, for ever if need be. A broken pipe is closed. Raises Failed."""
        if self._socket is None:
            raise Failed(mt5.RES_E_INTERNAL_FAIL_CONNECT)
        try:
            wire.send(self._socket, {"call": name, "args": given})
        except OSError:
            self.close()
            raise Failed(mt5.RES_E_INTERNAL_FAIL_SEND) from None
        try:
            answer = msgspec.convert(wire.receive(self._socket), Answer)
        except (wire.Garbled, msgspec.ValidationError):
            raise Failed(mt5.RES_E_INTERNAL_FAIL) from None
        except (OSError, wire.Broken):
            self.close()
            raise Failed(mt5.RES_E_INTERNAL_FAIL_RECEIVE) from None
        return value(answer)

    def pause(self, seconds: float) -> None:
        """Sleeps."""
        time.sleep(seconds)

    def close(self) -> None:
        """Disconnects."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None
