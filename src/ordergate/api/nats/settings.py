"""What comes in over NATS, and how it is taken."""

from typing import Annotated

from msgspec import Meta, Struct


class Inputs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the service takes from the server; nothing, as left out.

    Attributes:
        signals: takes `signals.approved.>`.
        commands: takes `mts.v1.oms.VERB`, and answers requests on `ordergate.v1.cmd.FUND.order.VERB`.
        max_age_s: a signal, or a submit of a stream, that is older when it is first looked at makes no order, and a
            replace of a stream changes none.
        signed_only: a signal without the risk service's signature makes no order; as left out, where there is a key.
        hmac_key_env, hmac_key_file, hmac_key_secret: where the secret is that the risk service signs with: a
            variable, a file, a name. After a rotation the one before it counts for five more minutes.
        ed25519_key: its public key, the base64 of 32 bytes, where it signs with a private one.
        signals_stream, commands_stream: of the streams that keep them, where others do not keep those subjects yet.
        kept_s: how long a stream that is made here keeps a message.
        max_deliver: how often a message is tried before it becomes a dead letter.
        ack_wait_s: after which the server gives a message that was not answered to another node.
    """

    signals: bool = False
    commands: bool = False
    max_age_s: Annotated[int, Meta(ge=1)] = 300
    signed_only: bool | None = None
    hmac_key_env: str | None = None
    hmac_key_file: str | None = None
    hmac_key_secret: str | None = None
    ed25519_key: str | None = None
    signals_stream: str = "ORDERGATE_SIGNALS"
    commands_stream: str = "ORDERGATE_COMMANDS"
    kept_s: Annotated[int, Meta(ge=60)] = 7 * 86_400
    max_deliver: Annotated[int, Meta(ge=1, le=1_000)] = 20
    ack_wait_s: Annotated[int, Meta(ge=1, le=3_600)] = 30

    @property
    def has_key(self) -> bool:
        """Whether signatures can be checked."""
        keys = (self.hmac_key_env, self.hmac_key_file, self.hmac_key_secret, self.ed25519_key)
        return any(key is not None for key in keys)

    @property
    def needs_signature(self) -> bool:
        """Whether an unsigned signal makes no order."""
        return self.has_key if self.signed_only is None else self.signed_only
