"""What goes wrong at the broker's server, in the terminal, and in the folder."""

from msgspec import Struct, field


class ServerFaults(Struct, kw_only=True):
    """At the server, and on the way there; each until it is set otherwise.

    Attributes:
        refuse: every call that trades is not done, and gives this code.
        lose: every call that trades is done, and gives this code.
        late: every call that trades gives this code, and is done after `late_s`.
        cut_comment: comments keep so many characters.
        comment_is: comments are this, whatever was asked.
        disconnected: the terminal has no connection: it shows what it knew, and each call gives 6.
        context_busy: another program trades.
        trade_off: the terminal lets no program trade.
        history_lag: this many of the tickets that closed last are in no list yet.
        history_since: the terminal's history begins there (server time); the user chose so.
        frozen: the terminal's lists stay as they are: it hears of nothing.
        raced: the list of orders changes while it is read.
    """

    refuse: int | None = None
    lose: int | None = None
    late: int | None = None
    late_s: float = 2.0
    cut_comment: int = 31
    comment_is: str | None = None
    disconnected: bool = False
    context_busy: bool = False
    trade_off: bool = False
    history_lag: int = 0
    history_since: int = 0
    frozen: bool = False
    raced: bool = False

    def comment(self, given: str) -> str:
        """What the server makes of a comment."""
        return self.comment_is if self.comment_is is not None else given[: self.cut_comment]


class FolderFaults(Struct, kw_only=True):
    """In the folder; counters count down, the rest stays until it is set otherwise.

    Attributes:
        half_reads: so many readings of the expert's give the first half of a file.
        hold_cycles: a file that is replaced is gone for so many cycles, then there.
        half_cycles: a file that is replaced has its first half for so many cycles.
        stale_lists: so many listings are those of the time before.
        locked: files whose names contain this cannot be opened, moved or deleted.
        full: nothing more can be written; half of what is appended still is.
        copies: a file that is moved out of `in/` stays there too; so many times.
    """

    half_reads: int = 0
    hold_cycles: int = 0
    half_cycles: int = 0
    stale_lists: int = 0
    locked: str | None = None
    full: bool = False
    copies: int = 0
    seen: dict[str, list[str]] = field(default_factory=dict)
