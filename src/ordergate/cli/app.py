"""The commands, put together."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer

from ordergate import __version__
from ordergate.cli import (
    administration,
    analytics,
    analytics_backfill,
    approvals,
    archive,
    audit,
    brokers,
    configuring,
    copying,
    demo,
    kill,
    nav,
    nodes,
    orders,
    overrides,
    reading,
    recon,
    records,
    risk,
    secrets,
    serve,
    shards,
)

app: Final = typer.Typer(
    name="ordergate",
    help="Owns every order from wish to end, and can prove it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.add_typer(orders.app, name="orders")
app.command("fills")(reading.fills)
app.command("positions")(reading.positions)
app.command("nav")(nav.nav)
app.command("events")(reading.events)
app.add_typer(risk.app, name="risk")
app.add_typer(kill.app, name="kill")
app.add_typer(approvals.app, name="approvals")
app.add_typer(overrides.app, name="overrides")
app.add_typer(recon.app, name="recon")
app.add_typer(audit.app, name="audit")
app.add_typer(archive.app, name="archive")
app.add_typer(records.app, name="records")
analytics.app.command("backfill")(analytics_backfill.backfill)
app.add_typer(analytics.app, name="analytics")
app.command("nodes")(nodes.nodes)
app.command("copy")(copying.copy)
app.add_typer(administration.quotes_app, name="quotes")
app.command("shards")(shards.shards)
app.add_typer(shards.funds_app, name="funds")
app.command("doctor")(administration.doctor)
app.add_typer(configuring.app, name="config")
app.add_typer(secrets.app, name="secrets")
app.add_typer(brokers.app, name="brokers")
app.add_typer(administration.migrate_app, name="migrate")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _without_alerts(_logger: Any, _method: str, event: Any) -> Any:
    if event["event"] == "alert":
        raise structlog.DropEvent
    return event


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Logs go to standard error, warnings and worse; tracebacks without values, for those may be secrets.

    Alerts are in the log of a service; who gives a single command is told by its answer.
    """
    plain = structlog.dev.ConsoleRenderer(
        colors=sys.stderr is not None and sys.stderr.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
    )
    structlog.reset_defaults()
    untold = [] if context.invoked_subcommand == "serve" else [_without_alerts]
    structlog.configure(
        processors=[*untold, *structlog.get_config()["processors"][:-1], plain],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_arguments: structlog.PrintLogger(sys.stderr),
    )


def main() -> None:
    """Runs the command line."""
    if sys.stdout is None:  # closed by whoever started this: nothing of it is read
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    app()
