"""What is logged where the process has not said how."""

import sys

import structlog


def show_no_locals() -> None:
    """Tracebacks show no local variables, which may be secrets.

    A process that has configured structlog is left alone.
    """
    if structlog.is_configured():
        return
    plain = structlog.dev.ConsoleRenderer(
        colors=sys.stdout is not None and sys.stdout.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
