"""The OpenAPI document, made from the list of operations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ordergate import __version__
from ordergate.api.problems import MEDIA_TYPE, RETRY_AFTER_S, TITLES
from ordergate.api.rest import answers, examples
from ordergate.api.rest.operation import TAGS, Answer, Header, Operation, Parameter

_REF: Final = "#/components/schemas/{model}"
_ABOUT: Final = """Orders in, events out. What a command did is on disk before it is answered.

Decimals are text (JSON numbers are taken too, exactly as written), times are UTC in ISO 8601. Within /v1 things are
only added: ignore what you do not know. Errors are problems (RFC 9457) with a stable `code`; those about orders say in
`outcome` whether anything can have happened, and in `retry` whether to repeat the request.

There is no authentication yet: the service listens on the loopback address alone, and takes from the header
X-Ordergate-Principal who is asking."""
COMMON: Final = (
    Parameter(
        name="X-Ordergate-Principal",
        place="header",
        meaning="Who is asking; kept in the journal. Left out: local.",
        schema={"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$"},
        example="research",
    ),
    Parameter(
        name="X-Request-Id",
        place="header",
        meaning="Names this request in the journal and in the answer. Left out, one is made.",
        schema={"type": "string", "pattern": "^[!-~]{1,128}$"},
        example="req-7",
    ),
)
_REQUEST_ID: Final = Header(name="X-Request-Id", meaning="As given, or as made.", example="req-7")
_RETRY: Final = Header(name="Retry-After", meaning="Seconds.", example=str(RETRY_AFTER_S))


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document."""
    models = _models(operations)
    definitions = models_json_schema([(m, "serialization") for m in models], ref_template=_REF)[1]["$defs"]
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = operation.path.replace(":path}", "}")
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ordergate",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": paths,
        "components": {"schemas": definitions},
    }


def _models(operations: Iterable[Operation]) -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {answers.Problem: None, answers.OrderProblem: None}
    for operation in operations:
        found |= {m: None for m in (operation.body, *(a.model for a in operation.answers)) if m is not None}
    return list(found)


def _operation(operation: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.title,
        "description": operation.meaning,
        "parameters": [_parameter(p) for p in (*operation.parameters, *COMMON)],
        "responses": {str(a.status): _answer(a) for a in operation.answers},
    }
    if operation.body is not None:
        content = {"schema": _ref(operation.body), "examples": _examples(operation.body_example)}
        made["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": content},
        }
    for status, codes in sorted(operation.problems.items()):
        made["responses"][str(status)] = _problem(operation, status, codes)
    return made


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _examples(value: Any) -> dict[str, Any]:
    return {"example": {"value": value}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.meaning,
        "schema": dict(parameter.schema),
        "example": parameter.example,
    }
    return made


def _headers(headers: Iterable[Header]) -> dict[str, Any]:
    return {
        header.name: {
            "description": header.meaning,
            "required": header.required,
            "schema": {"type": "string"},
            "example": header.example,
        }
        for header in (*headers, _REQUEST_ID)
    }


def _answer(answer: Answer) -> dict[str, Any]:
    schema: Mapping[str, Any] = {"type": "string"}
    if answer.model is not None:
        schema = _ref(answer.model)
    elif answer.binary:
        schema = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {"schema": schema}
    if answer.example is not None:
        content["examples"] = _examples(answer.example)
    return {
        "description": answer.meaning,
        "headers": _headers(answer.headers),
        "content": {answer.media_type: content},
    }


def _problem(operation: Operation, status: int, codes: Sequence[str]) -> dict[str, Any]:
    model = answers.OrderProblem if operation.about_orders else answers.Problem
    listed = ", ".join(f"`{code}`" for code in codes)
    content = {"schema": _ref(model), "examples": _examples(_problem_example(operation, status, codes[0]))}
    return {
        "description": f"{TITLES[status]}: {listed}.",
        "headers": _headers((_RETRY,) if status == 503 else ()),
        "content": {MEDIA_TYPE.decode(): content},
    }


def _problem_example(operation: Operation, status: int, code: str) -> dict[str, Any]:
    made = {
        **examples.PROBLEM,
        "type": f"urn:ordergate:problem:{code.lower()}",
        "title": TITLES[status],
        "status": status,
        "detail": "what was wrong, and what would be right",
        "code": str(code),
        "instance": operation.path.replace(":path}", "}"),
        "errors": [],
        "outcome": "unknown" if status == 500 else "not_sent",
        "retry": "same_key" if status >= 500 else "never",
    }
    if not operation.about_orders:
        del made["outcome"], made["retry"]
    return made
