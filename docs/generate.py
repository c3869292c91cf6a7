"""Makes the pages of docs/reference that follow from the code. `just docs` runs it; a test compares.

Each function returns one page; `PAGES` names them.
"""

import inspect
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import typer

from ordergate.adapters.brokers.bus import wire
from ordergate.adapters.brokers.bus.settings import BusSettings
from ordergate.adapters.brokers.ccxt.known import KNOWN as KNOWN_EXCHANGES
from ordergate.adapters.brokers.ccxt.outcomes import TABLE as OUTCOMES
from ordergate.adapters.brokers.ccxt.settings import MARGIN_S
from ordergate.adapters.brokers.mt5.agent.port import ANSWERED, FAILED, Record
from ordergate.adapters.brokers.mt5.broker import SETTLE_S as MT5_SETTLE_S
from ordergate.adapters.brokers.mt5.looking import OVERLAP_S as MT5_OVERLAP_S
from ordergate.adapters.brokers.mt5.outcomes import ERRORS, RETCODES, answer_of
from ordergate.adapters.brokers.paper.capabilities import CAPABILITIES as OF_PAPER
from ordergate.adapters.brokers.plugin import BrokerParts, BrokerPlugin
from ordergate.adapters.brokers.sync import SyncSettings
from ordergate.adapters.brokers.sync.broker import _capabilities as of_class
from ordergate.adapters.journals.fresh import SCRIPT, script_of
from ordergate.adapters.journals.migrate import upgrade
from ordergate.adapters.outlets.clickhouse import columns as clickhouse_columns
from ordergate.adapters.outlets.clickhouse import store as clickhouse_store
from ordergate.adapters.outlets.clickhouse import tables as clickhouse_tables
from ordergate.adapters.outlets.nats import Dialect, dialects, messages, post
from ordergate.adapters.outlets.nats import schema as nats_schema
from ordergate.api.grpc.statuses import STATUS_OF_CODE, STATUS_OF_HTTP
from ordergate.api.problems import TITLES, DoorCode
from ordergate.api.rest.openapi import COMMON, document
from ordergate.api.rest.operation import Operation
from ordergate.api.rest.routes import OPERATIONS
from ordergate.application.archiving import schema as archive_schema
from ordergate.application.ports.brokers import Capabilities, Health
from ordergate.cli.app import app
from ordergate.config import schema
from ordergate.config.changing import class_of
from ordergate.domain.breaks import BreakKind
from ordergate.domain.errors import Code
from ordergate.domain.events import AnyEvent
from ordergate.domain.orders import reports
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.states import TERMINAL, State
from ordergate.domain.orders.transitions import EDGES, TABLE, ByQuantity, Move
from ordergate.domain.risk.checks import CHECKS
from ordergate.domain.risk.limits import ALL, ENVELOPE, LEVELS, PAPER, Level, Limits
from ordergate.sdk import config as sdk_config
from ordergate.sdk import default_gate, oms, paper, records, signals, trading, venues
from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault, OperationSample

FOLDER = Path(__file__).parent / "reference"
SDK_MODULES = (oms, trading, signals, venues, paper, records, sdk_config, default_gate)
SOURCE = Path(__file__).parents[1] / "src"
PROTOS = ("ordergate/oms/v1/oms.proto", "ordergate/gates/v1/gates.proto")
FIELDS = Capabilities.__struct_fields__
MADE = "<!-- Made from the code by docs/generate.py. -->\n"


WHEN = {
    Code.MISSING: "a field that is needed is not there",
    Code.UNKNOWN_FIELD: "there is no such field",
    Code.WRONG_TYPE: "text where a number should be, or the like",
    Code.BAD_VALUE: "none of the values that the field can have",
    Code.BAD_NUMBER: "no number, not finite, or more than 18 digits on a side of the point",
    Code.NOT_POSITIVE: "zero or below",
    Code.OFF_TICK: "a price between two ticks of the instrument",
    Code.OFF_LOT: "a quantity between two lot steps of the instrument",
    Code.BELOW_MINIMUM: "a quantity below the instrument's minimum",
    Code.PRICE_MISSING: "the order's type needs a limit or stop price",
    Code.PRICE_UNEXPECTED: "the order's type has no such price",
    Code.UNKNOWN_FUND: "no fund of that name is configured",
    Code.UNKNOWN_SYMBOL: "the symbol is neither built in nor configured",
    Code.UNKNOWN_BROKER: "no broker of that name is configured",
    Code.FUND_MOVED: "the fund has moved to another shard, which the text names",
    Code.FUND_EXPECTED: "the fund is on its way from another shard, or is not expected",
    Code.FUND_BUSY: "a fund cannot move while it has unfinished orders, or left something behind",
    Code.INSTRUMENT_IN_USE: "the configuration changes what a unit is of something that is held",
    Code.LOTS_AVERAGED: "a fund that holds something would stop averaging what its lots cost",
    Code.SIGNAL_NOT_APPROVED: "risk management did not approve the signal",
    Code.SIGNAL_EXPIRED: "the signal's time was over before it came",
    Code.SIGNAL_NO_ORDER: "the signal's action (hold) makes no order",
    Code.ORDER_NOT_FOUND: "there is no such order",
    Code.ORDER_ID_TAKEN: "the order id stands for another order",
    Code.ORDER_FINISHED: "the order has ended, or is not at the broker yet",
    Code.ORDER_VERSION: "the order has changed since the caller looked",
    Code.ORDER_MOVED: "the key made an order before its fund moved here; the text says which, and where it is read",
    Code.KEY_REUSED: "the key was used with other content",
    Code.BELOW_FILLED: "more than the new quantity is filled",
    Code.NOTHING_TO_CHANGE: "the new terms are those that the order has",
    Code.NOT_CHANGEABLE: "the order is worked in slices, or is a slice: it can only be canceled",
    Code.TOO_MANY_REQUESTS: "the order has had 999 requests",
    Code.INBOX_FULL: "too many requests wait: try again shortly",
    Code.CONFIGURATION: "the configuration cannot be taken over; the text names the key",
    Code.LIMITS_VERSION: "the limits have changed since the caller looked",
    Code.HALTED: "trading is halted, and what was asked would let more through, or stop less",
    Code.NOT_HALTED: "no halt of that scope holds",
    Code.SAME_PRINCIPAL: "who ordered a halt cannot lift it: another principal must",
    Code.UNKNOWN_STRATEGY: "no runs of that strategy are counted",
    Code.REPLACE_WAITS: "another change of the order waits for a gate or a person",
    Code.NOT_AWAITED: "the order does not wait for that gate, or for a person",
    Code.NOT_OVERRIDABLE: "no check refused the order, or one that nobody overrides",
    Code.BREAK_NOT_FOUND: "there is no such break",
    Code.BREAK_RESOLVED: "the break is over, and cannot be worked on",
    Code.NOT_ADJUSTABLE: "the break is about neither a position nor a balance",
    Code.NOT_COMPARED: "the broker tells nothing of the account, or another node has its session",
    Code.NOT_REFUSED: "the broker has refused no login of this node's, so there is nothing to try again",
    Code.NO_OVERRIDE: "nobody has asked for an override of the order",
    Code.OVERRIDE_TAKEN: "an override of the order was asked for, or granted, already",
    Code.OVERRIDE_OVER: "the override was answered, or its time is over",
    Code.NOT_WATCHED: "the strategy's limits do not say how long it may be silent",
}

DOOR_CODES = {
    DoorCode.NOT_JSON: "the body is no JSON, or has a name twice or a number that is none",
    DoorCode.NOT_PROTOBUF: "over gRPC: the message cannot be read as its kind",
    DoorCode.KEY_MISSING: "neither the body nor the header names the request",
    DoorCode.BAD_PARAMETER: "a parameter or header that there is not, or not like that",
    DoorCode.BAD_PAGE_TOKEN: "no token of ours, or one of a list with other filters",
    DoorCode.IF_MATCH_MISSING: "a change must name the version that it is about",
    DoorCode.BODY_TOO_LARGE: "more than 64 KiB (a batch: 1 MiB)",
    DoorCode.BODY_TOO_SLOW: "the body did not arrive within 10 seconds",
    DoorCode.FOREIGN_ORIGIN: "a web page from elsewhere asks",
    DoorCode.FOREIGN_HOST: "asked under a name that is not this machine's own",
    DoorCode.NO_SUCH_RESOURCE: "there is nothing at that path",
    DoorCode.METHOD_NOT_ALLOWED: "`Allow` says which methods there are",
    DoorCode.NOT_READY: "the service is closing, its journal has failed, or its database is gone",
    DoorCode.TOO_MANY_STREAMS: "over gRPC: as many streams are open as there may be",
    DoorCode.STORE_UNAVAILABLE: "the database cannot be used now; nothing happened",
    DoorCode.JOURNAL_DAMAGED: "an entry cannot be read: run `ordergate audit verify`",
    DoorCode.OUTCOME_UNKNOWN: "it may or may not have happened: repeat it with the same key",
    DoorCode.NO_QUOTE: "nobody has quoted that symbol yet",
    DoorCode.NO_LIMITS: "nobody has set limits there yet",
    DoorCode.INTERNAL_ERROR: "a mistake of ordergate's own; the log has it under the request id",
}
REST = document(OPERATIONS)

RISK_WHEN = {
    RiskCode.LIMITS: "the fund has no limits, and is not `unlimited`",
    RiskCode.BROKER: "orders may not go to that broker",
    RiskCode.OPERATION: "the broker does not do that, or it is not allowed",
    RiskCode.ORDER_TYPE: "orders of that type are not allowed",
    RiskCode.ASSET_CLASS: "instruments of that class are not allowed",
    RiskCode.STRATEGY: "the strategy may not write into the fund",
    RiskCode.RESTRICTED: "the symbol is on a restricted list",
    RiskCode.NO_PRICE: "there is no reference price: no fresh quote, and the order names none",
    RiskCode.NO_RATE: "an amount cannot be converted to US dollars",
    RiskCode.ORDER_QTY: "the order is too large",
    RiskCode.ORDER_NOTIONAL: "the order is worth too much",
    RiskCode.PRICE_COLLAR: "its limit or stop price is too far from the market",
    RiskCode.SLIPPAGE: "it would cost more than its max_slippage, or there is no fresh quote to tell",
    RiskCode.MARGIN: "the fund's own money does not cover the margin",
    RiskCode.BROKER_MARGIN: "by the broker's own figure, margin is not covered",
    RiskCode.LEVERAGE: "gross exposure would be too large a multiple of what the fund is worth",
    RiskCode.POSITION: "the position would be too large, or worth too much",
    RiskCode.GROSS_EXPOSURE: "long and short together would be too much, of the fund or of the firm",
    RiskCode.NET_EXPOSURE: "long less short would be too much",
    RiskCode.CLASS_EXPOSURE: "too much in one asset class",
    RiskCode.SECTOR_EXPOSURE: "too much in one sector",
    RiskCode.COUNTRY_EXPOSURE: "too much in one country",
    RiskCode.DAILY_VOLUME: "too much of the symbol in one day",
    RiskCode.LOSS: "the fund has lost too much today, this week or this month",
    RiskCode.MESSAGE_RATE: "too many orders or messages within a second",
    RiskCode.DUPLICATE: "the same order was made a moment ago under another key",
    RiskCode.REPEATED: "the strategy has run as often as it may; a person enables it again",
    RiskCode.SHORTING: "the position could become short, which is not allowed",
    RiskCode.HALTED: "trading is halted",
    RiskCode.REDUCE_ONLY: "only what makes a position smaller is let through",
    RiskCode.GATE: "an external gate refused it, or did not answer in time",
    RiskCode.NOT_APPROVED: "a person did not approve it",
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


def order_states() -> str:
    theory = sys.modules[Move.__module__].__doc__.split("------\n", 1)[1].strip()
    arrows = sorted(f"    {before or '[*]'} --> {after}" for before, after in EDGES) + sorted(
        f"    {state} --> [*]" for state in TERMINAL
    )
    states = [None, *State]
    cells = [[move, *(_cell(move, state) for state in states)] for move in Move]
    return f"""# Order states

{theory}

```mermaid
stateDiagram-v2
{chr(10).join(arrows)}
```

A state without a way out is the end. Rows are what happens, columns the state in which it happens, cells the state
after it; an empty cell is illegal.

{table(["", *("(none)" if s is None else s for s in states)], cells)}"""


def _cell(move: Move, state: State | None) -> str:
    target = TABLE[move].get(state)
    if target is None:
        return ""
    return "by quantity" if isinstance(target, ByQuantity) else ("stays" if target is state else target)


def event_kinds() -> str:
    rows = [
        (
            f"`{kind.__struct_config__.tag}`",
            first_line(kind),
            ", ".join(f"`{f}`" for f in kind.__struct_fields__),
        )
        for kind in get_args(AnyEvent)
    ]
    said = [(f"`{kind.__name__}`", first_line(kind)) for kind in get_args(reports.AnyReport)]
    return f"""# Events and reports

An event is what happened; it is one entry of the journal, and the only thing that changes state. The number
behind the name is its version: how a version is read never changes.

{table(["event", "meaning", "fields"], rows)}
An entry is one line of JSON: `index`, `time`, `actor` (who acts), `principal` (as whom the door knows them), `source`
(the door), `event`, and where there are any `request`, `broker` and `cursor` (how far the broker's stream had come),
`raw` (the payload as it came) or `raw_sha256` (its hash, where it was too large).

A report is what a broker says. It is untrusted, and becomes an event only where the order's state takes it.

{table(["report", "meaning"], said)}"""


def errors() -> str:
    tree = sys.modules[Code.__module__].__doc__.split("\n\n")[1]
    codes = table(["code", "when"], [(f"`{code}`", WHEN[code]) for code in Code])
    risk = table(["code", "when"], [(f"`{code}`", RISK_WHEN[code]) for code in RiskCode])
    breaks = table(["break"], [(f"`{kind}`",) for kind in BreakKind])
    return f"""# Errors

```
{tree}
```

## Codes of refusals

A refused request has changed nothing. Beside the code stand the field and what would be right.

{codes}
## Codes of the risk gate

An order that the gate refuses is kept as REJECTED with the code; a refused change leaves its order as it is. The
order of the checks, and the limits that they measure against, are on the page of [limits](limits.md).

{risk}
## Breaks

What a broker said or did that does not fit the record. It is journalled, changes nothing, and waits for a person.

{breaks}
## Exit codes of the command line

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | an error; the message says which |
| 2 | the command line is wrong |
| 3 | there is no such thing |
| 5 | it contradicts what is there: a key used again, an order that has ended |
| 6 | refused by the risk gate |
| 7 | the outcome is unknown: the order may be working at the broker |
"""


def configuration() -> str:
    definitions = schema()["$defs"]
    rows: list[tuple[str, ...]] = []
    for section, value in definitions["Config"]["properties"].items():
        adapters = _adapters(value, definitions)
        if adapters:
            rows.append((f"`{section}.NAME.adapter`", ", ".join(adapters), '`"paper"`'))
        for adapter, name in adapters.items():
            keys = _keys(f"{section}.NAME", definitions, name)
            rows += [
                (key, f"{kind} (`{adapter}`)", d) for key, kind, d in keys if not key.endswith(".adapter`")
            ]
        name = None if adapters else _named(value)
        if name is not None:
            prefix = f"{section}.NAME" if "additionalProperties" in value else section
            rows += _keys(prefix, definitions, name)
    rows = [(*row, _class(row[0])) for row in rows]
    return f"""# Configuration

One TOML file, given with `--config`. Unknown keys are errors. There is a [JSON Schema](configuration.schema.json) for
editors (`ordergate config schema` prints it); `ordergate config show` says what it makes of a file.

A service reads its configuration again when it changes: [how](../howto/configure.md). The last column says when a
change of a key counts: `hot` at once, `next_session` when the session at the broker is opened next, `restart` when
the service is started next, `without_open_orders` at once, but refused while orders that it is about have not ended.

{table(["key", "values", "default", "a change counts"], rows)}
Funds, brokers and gates that are new are hot, `restart` and `restart`; a fund or broker that is taken out stays until a
restart, and a broker's orders must have ended before; an instrument that is taken out is `without_open_orders`.


The database is what `--db` says, else `ORDERGATE_DB`, else `database.url`. With [shards](../howto/shards.md) there is
none to name: each has its own. The key that signs the journal is
`ORDERGATE_AUDIT_KEY` (the base64 of 32 bytes), else the file `audit.key_file` or
the secret `audit.key_secret`, else one made beside the database.

```toml
[funds.pairs]
broker = "paper"
asset_classes = ["fx", "metals"]
dedupe_window = "24h"

[brokers.paper]
adapter = "paper"
latency_ms = 20
fee_bps = 0.2

[instruments."SOL/USDT"]
class = "crypto"
unit = "coins"
tick = 0.01
lot_step = 0.001
currency = "USDT"
```
"""


def _class(key: str) -> str:
    """When a change of a key of the page counts."""
    return f"`{class_of(tuple(key.strip('`').split('.')))}`"


def _adapters(value: dict[str, Any], definitions: dict[str, Any]) -> dict[str, str]:
    """The definitions among which `adapter` decides, by its value."""
    choices = value.get("additionalProperties", {})
    names = [choice["$ref"].rsplit("/", 1)[1] for choice in choices.get("anyOf", ()) if "$ref" in choice]
    tags = {name: definitions[name]["properties"].get("adapter", {}).get("enum") for name in names}
    return {tag[0]: name for name, tag in tags.items() if tag}


def _named(value: dict[str, Any]) -> str | None:
    inner = value.get("additionalProperties", value)
    inner = inner if "$ref" in inner else next(iter(inner.get("anyOf", inner.get("allOf", [{}]))), {})
    return inner["$ref"].rsplit("/", 1)[1] if "$ref" in inner else None


def _keys(prefix: str, definitions: dict[str, Any], name: str) -> list[tuple[str, str, str]]:
    rows = []
    for key, value in definitions[name]["properties"].items():
        inner = _named(value)
        if inner == "Limits":
            named = ".NAME" if "additionalProperties" in value else ""
            rows.append((f"`{prefix}.{key}{named}`", "a table of [limits](limits.md)", ""))
            continue
        choices = definitions[inner].get("enum") if inner else None
        if inner and choices is None and "properties" in definitions[inner]:
            rows += _keys(f"{prefix}.{key}", definitions, inner)
            continue
        kinds = choices or value.get("enum") or [_kind(value)]
        default = f"`{msgspec.json.encode(value['default']).decode()}`" if "default" in value else "(needed)"
        rows.append((f"`{prefix}.{key}`", ", ".join(map(str, kinds)), default))
    return rows


def _kind(value: dict[str, Any]) -> str:
    if "anyOf" in value:
        return " or ".join(_kind(one) for one in value["anyOf"] if one.get("type") != "null")
    if "enum" in value:
        return ", ".join(map(str, value["enum"]))
    return str(value.get("format") or value.get("type"))


def command_line() -> str:
    command = typer.main.get_command(app)
    parts = [
        "# Command line\n",
        "Options follow the command. Documents for programs (`--json`) go to standard output,",
    ]
    parts += ["everything else to standard error.\n"]
    parts += list(_commands(command, "ordergate"))
    return "\n".join(parts)


def rest() -> str:
    parts = [
        "# REST\n",
        f"{REST['info']['description']}\n",
        "The document for programs is [openapi.json](openapi.json).\n",
    ]
    parts += ["How to use it is told in [serve orders over HTTP](../howto/serve.md).\n"]
    parts.append("Every request may have the headers " + " and ".join(f"`{p.name}`" for p in COMMON) + ".\n")
    for tag in REST["tags"]:
        parts.append(f"## {tag['description'].rstrip('.')}\n")
        parts += [_operation(o) for o in OPERATIONS if o.tag == tag["name"]]
    parts.append(_door_codes())
    return "\n".join(parts)


def _operation(operation: Operation) -> str:
    path = operation.path.replace(":path}", "}")
    parts = [f"### `{operation.method} {path}`\n", f"{operation.title}. {operation.meaning}\n"]
    if operation.parameters:
        rows = [
            (f"`{p.name}`", p.place, p.meaning + (" Needed." if p.required else ""))
            for p in operation.parameters
        ]
        parts.append(table(["parameter", "in", "meaning"], rows))
    if operation.body is not None:
        fields = operation.body.model_fields.items()
        named = ", ".join(f"**{n}**" if f.is_required() else n for n, f in fields)
        example = json.dumps(operation.body_example, indent=2)
        parts.append(f"Body (what is needed is bold): {named}.\n\n```json\n{example}\n```\n")
    rows = [(str(a.status), a.meaning) for a in operation.answers]
    rows += [
        (str(status), ", ".join(f"`{code}`" for code in codes))
        for status, codes in sorted(operation.problems.items())
        if status not in (403, 421)
    ]
    parts.append(table(["status", "meaning or codes"], rows))
    return "\n".join(parts)


def _door_codes() -> str:
    rows = [(f"`{code}`", DOOR_CODES[code]) for code in DoorCode]
    return f"""## Codes of the door

Beside the [codes of refusals](errors.md), which are the same everywhere. Any request can have `foreign_host` (421) or
`foreign_origin` (403), and a method that a path does not have gets `method_not_allowed` (405).

{table(["code", "when"], rows)}"""


def grpc() -> str:
    statuses = [(f"`{STATUS_OF_HTTP[http].name}`", str(http), title) for http, title in TITLES.items()]
    codes = [
        (f"`{code}`", f"`{status.name}`")
        for code, status in STATUS_OF_CODE.items()
        if code not in [*RiskCode]
    ]
    protos = [f"## `{name}`\n\n```proto\n{(SOURCE / name).read_text('utf-8')}```\n" for name in PROTOS]
    return f"""# gRPC

How to use it is told in [call it over gRPC](../howto/grpc.md). The `.proto` files are in the package, each with its
stubs for Python beside it; the build makes them.

## Statuses

Every error has the [code](errors.md) that it has over [REST](rest.md#codes-of-the-door), as `reason` of
`google.rpc.ErrorInfo` with the domain `ordergate`. The status follows from the status that REST has for it,

{table(["status", "over REST", "meaning"], statuses)}
except for these, where it says more; a refusal by the risk gate (`RISK_...`) is `FAILED_PRECONDITION`.

{table(["code", "status"], codes)}
{chr(10).join(protos)}"""


def _commands(command: Any, path: str) -> Iterable[str]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _commands(inner, f"{path} {name}")
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([path, *(p.metavar or p.name.upper() for p in arguments)])
    yield f"## `{usage}`\n\n{(command.help or '').strip()}\n"
    rows = [(f"`{'`, `'.join(p.opts)}`", p.help or "") for p in options]
    yield table(["option", "meaning"], rows)


def sdk() -> str:
    parts = ["# SDK\n", "The doors inside the process; [how to use them](../howto/embed.md).\n"]
    for module in SDK_MODULES:
        parts.append(f"## `{module.__name__}`\n\n{inspect.getdoc(module)}\n")
        for name in sorted(getattr(module, "__all__", None) or _public(module)):
            parts.append(_described(name, getattr(module, name)))
    return "\n".join(parts)


def _public(module: Any) -> Iterable[str]:
    own = (n for n, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__)
    return [name for name in own if not name.startswith("_")]


def _described(name: str, thing: Any) -> str:
    text = f"### `{name}`\n\n{_block(thing)}\n"
    fields = getattr(thing, "model_fields", None)
    if fields:
        rows = [(f"`{field}`", _type(info.annotation), _default(info)) for field, info in fields.items()]
        return text + "\n" + table(["field", "type", "default"], rows)
    if inspect.isclass(thing) and issubclass(thing, Enum):
        return text + "\n" + ", ".join(f"`{member.value}`" for member in thing) + "\n"
    if not inspect.isclass(thing):
        return text
    rows = [
        (f"`{m}`", first_line(method))
        for m, method in vars(thing).items()
        if m[0] != "_" and callable(method) and not inspect.isclass(method)
    ]
    return text + ("\n" + table(["method", "does"], rows) if rows else "")


def _block(thing: Any) -> str:
    """The docstring, as plain text where it has sections."""
    text = inspect.getdoc(thing) or ""
    first, _, rest = text.partition("\n\n")
    return f"{first}\n\n```\n{rest}\n```" if rest else first


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin in (Union, UnionType):
        return " | ".join(_type(one) for one in inner)
    if inner:
        return f"{_type(origin)}[{', '.join('...' if one is Ellipsis else _type(one) for one in inner)}]"
    return "None" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))


def _default(info: Any) -> str:
    if info.is_required():
        return "(needed)"
    value = info.default
    return f"`{value.value if isinstance(value, Enum) else str(value) or repr(value)}`"


def broker_suite() -> str:
    cases = [
        (f"`{name}`", first_line(case))
        for part in BrokerConformance.__mro__
        for name, case in vars(part).items()
        if name.startswith("test_")
    ]
    declared = {
        "paper": OF_PAPER,
        "bus, unless configured otherwise": BusSettings().capabilities(),
        "sync, of a class that says nothing of itself": of_class(object(), SyncSettings()),
    }
    rows = [
        (field.replace("_", " "), *(_shown(getattr(can, field)) for can in declared.values()))
        for field in FIELDS
    ]
    return f"""# The broker suite

What every broker adapter is measured by: `ordergate.testing.conformance.broker.BrokerConformance`.
[Add a broker](../howto/add-a-broker.md) says how it is used, and [brokers](brokers.md) how ours do.

## Cases

What an adapter declares not to do, and what its counterpart cannot let go wrong, is skipped, and the reason is told.

{table(["case", "what it makes sure of"], cases)}
## `Fault`

{_block(Fault)}

{", ".join(f"`{fault}`" for fault in Fault)}

## `Ability`

{_block(Ability)}

{", ".join(f"`{ability}`" for ability in Ability)}

{_described("Counterpart", Counterpart)}
{_described("OperationSample", OperationSample)}
## What adapters declare

Declared, never guessed. `ordergate brokers show NAME` shows it of a broker as it is configured.

{table(["", *declared], rows)}
{_described("BrokerPlugin", BrokerPlugin)}
{_described("BrokerParts", BrokerParts)}
{_described("Health", Health)}"""


def _shown(value: Any) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def limits_page() -> str:
    meanings = _attributes(Limits)
    rows = []
    for name in ALL:
        levels = ", ".join(level for level in Level if name in LEVELS[level])
        stated = [_limit(getattr(envelope, name)) for envelope in (ENVELOPE, PAPER)]
        rows.append((f"`{name}`", levels, *stated, meanings[name]))
    checks = [(f"`{check.__name__}`", first_line(check)) for check in CHECKS]
    return f"""# Limits

Every order and every change passes the risk gate before it may leave. [How to set limits, halt and
approve](../howto/risk.md) is told elsewhere; this is what there is.

## The checks

They run in this order, and the first that refuses wins. Its [code](errors.md#codes-of-the-risk-gate), the numbers that
it compared, the versions of the limits and the reference price stand in the journal, in the entry of the order.

{table(["check", "passes where"], checks)}
The *reference price* is the last quote, if it is fresh: the ask for what buys, the bid for what sells. Without one it
is the order's own limit price, else its stop price, else the signal's entry price; a market order with none of them is
refused. What an order *may be worth* is its quantity at the reference price or its limit, whichever is more.

What works counts: an order binds margin and exposure from its acceptance to its end with all that can still be filled
of it, whether or not the broker has answered, and a replace on its way with the larger quantity. What makes an exposure
smaller passes though the exposure is above its limit.

## The limits

Of the firm, a fund, a strategy, a symbol and a broker, each as far as it means something there. An order must keep
those of all five. A fund's limits that the configuration leaves out have the default of a fund; `none` takes one away.
A fund for which nothing is written does not start, unless it says `unlimited = true`; both at once are refused.
`paper-momentum` is built in.

{table(["limit", "levels", "default of a fund", "`paper-momentum`", "meaning"], rows)}"""


def _attributes(kind: Any) -> dict[str, str]:
    """What the docstring says of each attribute."""
    lines = (kind.__doc__ or "").split("Attributes:\n", 1)[1].splitlines()
    return {
        name: meaning.strip()
        for name, _, meaning in (line.strip().partition(": ") for line in lines)
        if meaning
    }


def _limit(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{key} {times}" for key, times in value.items())
    if isinstance(value, tuple):
        return ", ".join(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def bus_schema() -> dict[str, Any]:
    """What goes between ordergate and a connector: each message by its name in docs/reference/bus.md."""
    kinds = [
        kind
        for kind in vars(wire).values()
        if isinstance(kind, type) and kind.__module__ == wire.__name__ and kind is not wire.Said
    ]
    _refs, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": definitions}


def nats() -> str:
    states = [
        (
            f"`{state}`",
            f"`{dialects.VERBS[state]}` ({messages.MTS[state]})",
            f"`{messages.ORDERS[state].lower()}`",
            messages.UPDATES[state],
        )
        for state in State
    ]
    fills = [(kind, f"`mts.v1.oms.fills.{verb}`") for kind, verb in dialects.FILL_VERBS.items()]
    published = [
        (f"`{subject}`", f"`{kind.__name__}`", first_line(kind)) for subject, kind in nats_schema.PUBLISHED
    ]
    rules = [(f"`{dialect}`", first_line(getattr(dialects, dialect))) for dialect in Dialect]
    return f"""# NATS

What goes out; [how to switch it on](../howto/nats-out.md) is told elsewhere. The
[JSON Schema](nats.schema.json) has a definition of each; decimals are text, times are RFC 3339 in UTC.

{table(["subject or key", "definition", "meaning"], published)}
## Dialects

{table(["dialect", "publishes"], rules)}
Where an order passes several states by one entry, each has a message, with its own time. A state that a dialect has no
word for comes under the nearest one, with ordergate's own word in `order_state`; `mts` and `orders` say nothing where
that is the word that they said before, and `updates` says it again. Every state in every dialect:

{table(["state", "`mts.v1.oms.orders.` (`status`)", "`orders.` and `status`", "`ORDER_UPDATE` (`status`)"], states)}
`updates` also tells of changes that bring no state: an acknowledgement, a change of terms, a request. `orders` also
tells of a fill after the end, under the status that stays. In `mts` every execution has a message, and a correction or
a bust one of its own verb, so that who adds up what was created counts nothing twice:

{table(["execution", "subject"], fills)}
## Names in subjects

Letters, digits, `-` and `_` stand for themselves; every other byte of the name, as UTF-8, is `=` and two hexadecimal
digits: `BTC/USDT` is `BTC=2FUSDT`, `BRK.B` is `BRK=2EB`. The empty name is `=`. In `ordergate.v1.evt`, `_` stands for
entries of no fund. The message has the name itself.

## Headers

| header | meaning |
| --- | --- |
| `Nats-Msg-Id` | the id: log, journal, index of the entry, and (but for `events`) dialect and number within the entry |
| `{post.LOG}` | the journal's origin |
| `{post.JOURNAL}` | which journal of that origin: eight hexadecimal digits of its first entry's hash |
| `{post.INDEX}` | the entry |
| `{post.TIME}` | when it happened |
| `{post.TOO_LARGE}` | the message was larger than the server takes: it came without its body, of so many bytes |
"""


def clickhouse() -> str:
    parts = []
    for one in clickhouse_tables.TABLES:
        columns = [
            (f"`{c.name}`", f"`{c.type}`", c.meaning) for c in (*one.columns, *clickhouse_columns.STAMPED)
        ]
        parts.append(f"""## `{one.name}`

{one.meaning}

{table(["column", "type", "meaning"], columns)}
```sql
{";".join(one.made("default")).replace(";", ";" + chr(10) * 2)};
```
""")
    states = [(f"`{messages.ORDERS[state]}`", f"`{state}`") for state in State]
    return f"""# ClickHouse

The tables; [how to switch them on](../howto/clickhouse.md) is told elsewhere. Ask `orders`, `executions` and
`positions`: views that show of each key the row of the highest `journal_index`, however often it was written. Under
each lies a table of versions, as the statements say that make both where there are none.

Numbers are exact; one that is too large for its column is NULL, one with more digits behind the point is rounded half
to even. Times are UTC; one before 1900 or behind 2299 stands at that end.

{table(["`state`", "ordergate's own (`order_state`)"], states)}
{chr(10).join(parts)}
## `{clickhouse_store.MARKS}`

How far each journal's rows are: `done` is the entry that all of them are not older than, `begun` the one that none is
newer than.

```sql
{clickhouse_store.MAKE_MARKS.format(place=f"`default`.`{clickhouse_store.MARKS}`")};
```
"""


def exchanges() -> str:
    rows = [(f"`{name}`", f"`{outcome}`") for name, outcome in OUTCOMES.items()]
    known = [
        (
            f"`{name}`",
            f"`{row.client_ids.pattern}`" if row.client_ids is not None else "letters and digits, at most 32",
            "while the order works" if row.deduplicates else "no",
            ", ".join(f"`{said}`" for said in sorted(row.duplicate, key=str)),
            ", ".join(f"`{code}`" for code in sorted(row.not_taken)),
            f"`{row.absent_code}`" if row.absent_code is not None else "no",
        )
        for name, row in KNOWN_EXCHANGES.items()
    ]
    return f"""# Exchanges

[How to use one](../howto/exchanges.md) is told elsewhere; this is what ordergate makes of what an exchange says.

## What became of an order

By the class of the error that ccxt raises, the most special one first; a class that is not here is `unknown`. A row
other than `unknown` counts only with proof: the exchange itself has said so, in an answer of HTTP 200 or 4xx that is
JSON, and ccxt's own table of that exchange knew it. An answer of 5xx, one that cannot be read and one that does not
come are `unknown`, whatever ccxt calls them. What never left this machine, for there was no connection, is
`not_sent`.

{table(("error of ccxt", "outcome"), rows)}
## What is known of an exchange

From its own documents; each row was tried against a counterpart. Of an exchange without a row nothing of it is
claimed: no client id is deduplicated, no absence is ever proven, and a request without an answer that is not found
waits for a person.

{table(("exchange", "client ids", "deduplicates", "duplicate", "not taken: sent again", "no such order"), known)}
A request carries its time, and Binance takes none that is older than `receive_window_ms`: on spot it looks on arrival,
and again before the order book. So a spot order that was not answered is proven absent once the exchange's clock is
{MARGIN_S:g} s past that window, and it then says `-2013` of the order's symbol. Of perpetuals its documents have the
look on arrival alone, and no bound to how long an order that was taken may wait for the book: there `-2013` proves
nothing, and an order without an answer that is not found waits for a person.

## What was tested

The real ccxt against a fake Binance over HTTP and WebSocket, written from Binance's documents, on spot and on
USD-margined perpetuals: the suite of brokers, and every fault of the counterpart. Not against Binance itself: how
soon its queries tell of an order, its real limits of rates, and its sandbox only an account there can show. Of
OKX and Bitget only that the streams open, on a server that takes every login; of Bybit and Gate what ccxt makes of a
market buy, and of an order that Bybit has canceled after a part. Nothing else was tried of other exchanges.
"""


def metatrader() -> str:
    codes = [
        (f"`{code}`", said, _became(Record("x", 1, {}, 0.0, ANSWERED, {"retcode": code}, None)))
        for code, (_verdict, said) in RETCODES.items()
    ]
    errors = [
        (f"`{code}`", said, _became(Record("x", 1, {}, 0.0, FAILED, None, (code, ""))))
        for code, (_verdict, said) in ERRORS.items()
    ]
    return f"""# MetaTrader 5

What the adapter `mt5` sends to a terminal, and what it makes of what the terminal says.

## What became of an order

Before an order is sent the terminal is asked for its own check (`order_check`: margin above all). A refusal there is
`rejected`, and nothing was sent. Then the command is written into the journal at the terminal, and only then given to
it, once and never again. By the return code of `order_send`, for an order:

{table(("return code", "what it says", "outcome"), codes)}
A code that is not here, a result that refuses and names a deal, and a call that does not come back are `unknown`. Of a
change 10025 is a change that is done. Where `order_send` returns nothing, by `last_error`:

{table(("error", "what it says", "outcome"), errors)}
An order without a clear answer is looked for: in the journal, then in what works and in the history. One that the
journal does not know is absent where the terminal lists nothing of it from the last seven days either; then it is
sealed, so that it can never be sent any more. What was sent before the journal was made, or longer ago than it
remembers, is for a person where it does not show. One that was given to the
terminal, and that is listed nowhere, is absent where the call came back and {MT5_SETTLE_S:.0f} s have passed since,
during all of which the terminal had a connection and got prices, and where its lists are as long as it says that they
are. Where the call did not come back (the process died in
it, or it took too long) nothing proves that it had no effect: a person must say.

## Names

A client id becomes `magic`, the first 62 bits of its SHA-256, and a comment of at most 29 characters: of an id that
ordergate made its 26 characters, `.` and the request's number in base 32; of another `#` and the magic in base 32. An
order is ours where the journal knows its magic, or where comment and magic agree. Comments may be cut, overwritten or
blanked. Nothing of others is touched, or told as ours: other orders, positions and deals, what is closed by hand, and
what comes from a telephone or the web.

## Orders

- A quantity is `quantity * contract_size / trade_contract_size` lots. Off the symbol's step or outside of its bounds it
  is rejected, as are prices off the tick or too near to the market. Nothing is rounded.
- Where the instrument is not the symbol (base, currency, contract size of a lot, tick) its orders are rejected, with
  both numbers. `ordergate brokers check NAME` tells the same, and `ordergate brokers instruments NAME` prints the
  tables to be written.
- A market order is FOK where the symbol takes that, else IOC; on an exchange what is not filled goes on working. `ioc`
  and `fok` are sent as such, or rejected where the symbol does not take them. Where the server executes at the price
  asked for (request and instant execution) MetaTrader knows FOK alone: `ioc` is sent as that, all or nothing.
- A limit order that ends at once (`ioc`, `fok`; also what a bound on slippage makes of a market order) is sent to an
  exchange as one, and is a market order with that much deviation where the server executes at the price asked for.
  Where it executes at the market, at any price, such an order is rejected. So is, on a hedging account at an exchange,
  a `sell` or `cover` of that kind while there are positions that it would close: no such order can name them.
- A limit order that would trade at once is a limit order on an exchange alone; elsewhere it is rejected.
- Stop loss and take profit are attached to what opens (`buy`, `short`), where the order has them. What the server
  closes by them, or for want of margin, is told with the order that had opened it: of several that have opened into one
  position with the newest, so that it is booked in that one's fund. A netting account has one position of a symbol and
  one pair of levels of it, whoever opened it: give each fund that uses levels there an account of its own.
- On a hedging account `buy` and `short` open a position each. `sell` and `cover`, at the market, close positions that
  orders of ours have opened, the oldest first, in as many requests as there are positions, and open what is left. If
  one of them is refused, the order ends with what was done. An order that rests always opens. The positions are those
  of all funds: where two funds trade a symbol in one account, the one may close the position of the other with the
  levels that stand at it, so give each its own account there, too.
- A replace changes prices; a quantity cannot be changed.

## What is told

Fills are deals of the history, and nothing else; their id is the deal's ticket. Fees are commission, swap and fee, in
the account's currency. Deals of money (types 2 to 12, 15 and on) are no fills. The terminal tells no news: for those
it is asked every `poll_ms`; lists are read from {MT5_OVERLAP_S // 60} minutes before the last deal, and each deal is
told once. Times of the terminal are the server's wall clock: how far that is ahead is measured at fresh prices, to the
quarter of an hour. A terminal that has just got its connection catches up with prices of any time before: one that
comes within {MT5_SETTLE_S:.0f} s is not fresh. Until a fresh price has come after the start, no `gtd` order is sent (it
waits), and the newest price that there is is taken for one of now: times of fills told then (on a weekend, say) may be
off by hours. A time from before the
server's clock was changed for summer or winter is reckoned with what holds now.

Of an order that has ended, deals from before the lists are told again where a session before this one had told them. A
closing by the server that is ours in part alone has that part of the deal's fee.

A deal that the broker cancels (types 13 and 14: the deal has another type from then on, and its profit is booked back
by a deal of money) is taken back, by an execution `TICKET/canceled` with the deal's time: within 10 s where it is in
the lists, else by a comparison of the account.

A symbol stays in `symbols` until its orders have ended: a fill in one that is not there any more is an error in the
log, and its order stays open. Where the broker has taken a symbol off, its deals cannot be told, and are an error in
the log, too: all others go on, and lists are read from before the first of those deals, until the symbol is there again
or you take it out of `symbols`.

## What was tested

The suite of brokers on [a simulated terminal](mt5-counterpart.md), netting and hedging, and through a real agent with
its worker process; every return code and error; ends of the process at each step. No live terminal was used: what a
broker's server really says, how late its history is, and which of its rules the simulation lacks, only an account there
can show.
"""


def _became(record: Record) -> str:
    return f"`{answer_of(record).outcome}`{' (and waits)' if answer_of(record).retry_after_s else ''}"


PAGES: dict[str, Callable[[], str]] = {
    "order-states.md": order_states,
    "events.md": event_kinds,
    "errors.md": errors,
    "limits.md": limits_page,
    "configuration.md": configuration,
    "cli.md": command_line,
    "sdk.md": sdk,
    "broker-suite.md": broker_suite,
    "rest.md": rest,
    "grpc.md": grpc,
    "nats.md": nats,
    "clickhouse.md": clickhouse,
    "exchanges.md": exchanges,
    "mt5.md": metatrader,
}


def fresh_schema() -> str:
    """What the migrations make of an empty database file."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        upgrade(connection)
        return "-- Made from the migrations by docs/generate.py.\n" + script_of(connection)


def pages() -> dict[Path, str]:
    """Every page as it should be."""
    made = {FOLDER / name: MADE + make().rstrip() + "\n" for name, make in PAGES.items()}
    documents = {
        "configuration.schema.json": schema(),
        "openapi.json": REST,
        "archive.schema.json": archive_schema(),
        "bus.schema.json": bus_schema(),
        "nats.schema.json": nats_schema.document(),
    }
    return (
        made
        | {FOLDER / name: json.dumps(document, indent=2) + "\n" for name, document in documents.items()}
        | {SCRIPT: fresh_schema()}
    )


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
