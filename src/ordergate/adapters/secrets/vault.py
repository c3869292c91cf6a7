"""Vault (or OpenBao): secrets of its key-value engine, version 2.

Let in by a token or an AppRole. A token is renewed while it can be, and replaced by a new login before it runs out. No
redirect is followed and no proxy of the environment asked: the token goes where it was configured to go.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

import structlog
from msgspec import Struct

from ordergate.application.ports.secrets import Found, Place, Secret, SecretAway, SecretError

ANSWER_S: Final = 3.0
"""How long Vault may take to answer."""
_MISSING: Final = "Vault needs hvac: pip install 'ordergate[vault]'"
_log = structlog.get_logger("ordergate.secrets")
T = TypeVar("T")


class VaultTarget(Struct, frozen=True, kw_only=True):
    """Where Vault is and who we are there.

    Attributes:
        mount: of the key-value engine.
        role_id: of an AppRole at `role_mount`; None where a token is given.
    """

    address: str
    mount: str = "secret"
    namespace: str | None = None
    ca_file: str | None = None
    role_id: str | None = None
    role_mount: str = "approle"


class Vault:
    """Reads secrets there. It blocks, and may be called in any thread.

    Args:
        word: reads the token, or the AppRole's secret id, at each login; None for a role that needs none.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        target: VaultTarget,
        word: Callable[[], Secret] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target, self._word, self._clock = target, word, clock
        self._turn = threading.RLock()
        self._client: Any = None
        self._ttl_s, self._renewable = 0.0, False
        self._until: float | None = None

    def place_of(self, name: str) -> str:
        """Where a secret would be, for people."""
        path, _, key = name.partition("#")
        return f"the key {key} of {self._target.mount}/{path} in Vault at {self._target.address}"

    def read(self, place: Place) -> Found | None:
        """The newest version of a key; None where there is none.

        Raises:
            SecretAway: Vault cannot be asked now, or does not let us.
            SecretError: what is there is no text.
        """
        path, _, key = place.text.partition("#")
        with self._turn:
            answer = self._asked(place.setting, lambda client: self._version(client, path))
            if answer is None:
                return None
            try:
                data, metadata = answer["data"]["data"], answer["data"]["metadata"]
                version, since = int(metadata["version"]), datetime.fromisoformat(metadata["created_time"])
                value = data.get(key)
            except (KeyError, TypeError, ValueError, AttributeError):
                raise SecretAway(f"{place.setting}: {self._rubbish()}") from None
            if value is None:
                return None
            if not isinstance(value, str) or not value:
                raise SecretError(f"{place.setting}: {self.place_of(place.text)} is no text: put text there")
            return Found(
                value=Secret(value),
                provider="vault",
                where=f"{self._target.mount}/{path}",
                version=version,
                since=since,
                lease_s=self._left_s(),
            )

    def _version(self, client: Any, path: str) -> Any:
        import hvac.exceptions

        try:
            return client.secrets.kv.v2.read_secret_version(
                path, mount_point=self._target.mount, raise_on_deleted_version=True
            )
        except hvac.exceptions.InvalidPath:
            return None

    def _asked(self, setting: str, ask: Callable[[Any], T]) -> T:
        """The answer; where the token is refused, that of a new login, once."""
        fresh = self._client is None
        try:
            if fresh:
                self._login()
            return self._call(ask)
        except _Refused:
            try:
                if not fresh:
                    self._login()
                    return self._call(ask)
            except _Refused:
                pass
            except SecretAway as error:
                raise SecretAway(f"{setting}: {error}") from None
            raise SecretAway(
                f"{setting}: Vault at {self._target.address} refuses: is the token or role valid, and does its policy "
                f"allow to read {self._target.mount}/data/...?"
            ) from None
        except SecretAway as error:
            raise SecretAway(f"{setting}: {error}") from None

    def _call(self, ask: Callable[[Any], T]) -> T:
        """The answer of Vault. What its library raises has our token in it, and goes no further.

        Raises:
            _Refused: it does not let us.
            SecretAway: it does not answer, or not so.
        """
        import hvac.exceptions as said

        try:
            answer = ask(self._client)
        except SecretError:
            raise
        except (said.Forbidden, said.Unauthorized, said.InvalidRequest):
            raise _Refused from None
        except Exception as error:  # the library's, and where an answer is none of Vault's, any other
            raise SecretAway(f"Vault at {self._target.address} {_reason(error)}") from None
        if answer is not None and not isinstance(answer, dict):
            raise SecretAway(self._rubbish())
        return answer

    def _rubbish(self) -> str:
        return (
            f"Vault at {self._target.address} gave no answer of a key-value engine of version 2 at "
            f"{self._target.mount}: is that its mount, and the address that of the active server?"
        )

    def _login(self) -> None:
        """Raises _Refused or SecretAway where we are not let in, and SecretError where there is no word to say."""
        self._client = self._made()
        try:
            if self._target.role_id is None:
                self._look_up()
            else:
                self._enter()
        except BaseException:
            self._client = None
            raise

    def _made(self) -> Any:
        try:
            import hvac  # only here: most gates never need it
            import requests
        except ImportError as error:
            raise SecretError(_MISSING) from error
        target, word = self._target, None if self._target.role_id else self._word
        session = requests.Session()
        session.trust_env = False
        session.verify = target.ca_file or True  # what the session says goes before what its client is told
        return hvac.Client(
            url=target.address,
            token="" if word is None else word().reveal(),
            timeout=ANSWER_S,
            allow_redirects=False,
            session=session,
            namespace=target.namespace,
        )

    def _look_up(self) -> None:
        """What is known of a token that was given."""
        answer = self._call(lambda client: client.auth.token.lookup_self())
        try:
            told = answer["data"]
            self._lease(told["ttl"], told["creation_ttl"], renewable=bool(told.get("renewable")))
        except (KeyError, TypeError, ValueError):
            raise SecretAway(self._rubbish()) from None

    def _enter(self) -> None:
        """Gets a token by the AppRole."""
        target, word = self._target, self._word
        answer = self._call(
            lambda client: client.auth.approle.login(
                role_id=target.role_id,
                secret_id=None if word is None else word().reveal(),
                mount_point=target.role_mount,
                use_token=True,
            )
        )
        try:
            told = answer["auth"]
            whole_s = told["lease_duration"]
            self._lease(whole_s, whole_s, renewable=bool(told.get("renewable")))
        except (KeyError, TypeError, ValueError):
            raise SecretAway(self._rubbish()) from None

    def _lease(self, left_s: float, whole_s: float, *, renewable: bool) -> None:
        self._ttl_s, self._renewable = float(max(left_s, whole_s)), renewable
        self._until = self._clock() + float(left_s) if left_s > 0 else None  # 0 is a token for ever

    def _left_s(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - self._clock())

    def due_s(self) -> float | None:
        """In how many seconds half of the token's time is over, or to try again; None where it has no end."""
        left = self._left_s()
        return None if left is None else max(left - self._ttl_s / 2, self._ttl_s / 10)

    @property
    def _is_due(self) -> bool:
        left = self._left_s()
        return left is not None and left <= self._ttl_s / 2

    def tend(self) -> None:
        """Renews the token where half of its time is over; one that gets no more time is replaced by a new login.

        Raises:
            SecretAway: neither could be done now.
        """
        with self._turn:
            if self._client is None or not self._is_due:
                return
            if self._renewable and self._renewed():
                return
            try:
                self._login()
            except _Refused:
                raise SecretAway(
                    f"Vault at {self._target.address} lets us in no more: give it a valid token or role"
                ) from None
            if self._is_due:
                left = self._left_s() or 0.0
                raise SecretAway(
                    f"the token for Vault at {self._target.address} runs out in {left:.0f} s and cannot be renewed: "
                    "put another in its place, or use an AppRole"
                )

    def _renewed(self) -> bool:
        """Whether the token has got half of its time again, at least."""
        try:
            answer = self._call(lambda client: client.auth.token.renew_self())
            given_s = float(answer["auth"]["lease_duration"])
        except (_Refused, KeyError, TypeError, ValueError):
            return False
        self._until = self._clock() + given_s
        return given_s > self._ttl_s / 2


class _Refused(Exception):
    """Vault does not let us."""


def _reason(error: Exception) -> str:
    """What is wrong with Vault; nothing of what the library says, for that may hold what it was given."""
    import hvac.exceptions as said
    import requests.exceptions as failed

    reasons: tuple[tuple[type[Exception], str], ...] = (
        (said.RateLimitExceeded, "takes no more requests now (429)"),
        (said.VaultDown, "is sealed or not ready (503): unseal it"),
        (failed.SSLError, "has a certificate that is not trusted: write ca_file"),
        (failed.Timeout, f"does not answer within {ANSWER_S:.0f} s"),
        (failed.ConnectionError, "cannot be reached: is it there, and the address right?"),
    )
    named = (reason for kind, reason in reasons if isinstance(error, kind))
    return next(named, f"answers with an error ({type(error).__name__})")
