"""A broker that refuses our login is a break: nothing is sent there, and a person has to do something about it."""

from ordergate.application.decide.context import Context, Decision, raise_break
from ordergate.domain.breaks import BreakKind
from ordergate.domain.logins import NoteRefusedLogin


def note_refused(ctx: Context, command: NoteRefusedLogin) -> Decision[None]:
    """Raises the break; each try that is refused has its own, for only people, new secrets and restarts try again."""
    yield from raise_break(ctx, BreakKind.LOGIN_REFUSED, command.broker, command.reason)
