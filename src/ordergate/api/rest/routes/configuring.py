"""The configuration: how it stands, and reading it again."""

from typing import Final

from ordergate.api.problems import DoorCode
from ordergate.api.rest import config
from ordergate.api.rest import config_answers as a
from ordergate.api.rest.operation import Answer, Operation
from ordergate.api.rest.routes import shared as s
from ordergate.domain.errors import Code

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/config",
        id="getConfiguration",
        tag="service",
        title="How the configuration stands",
        meaning="What is in force, without secrets; the sources, with the age of what they said; what they say and "
        "does not count yet; and the last reload.",
        handler=config.show,
        answers=(
            Answer(status=200, meaning="As it stands.", model=a.Configuration, example=a.CONFIGURATION),
        ),
        problems={**s.EVERYWHERE, 404: (DoorCode.NO_SUCH_RESOURCE,)},
    ),
    Operation(
        method="POST",
        path="/v1/config/reload",
        id="reloadConfiguration",
        tag="service",
        title="Read the configuration again",
        meaning="Reads all sources and takes over what they say, whole or not at all. It is done by itself when one "
        "of them changes. Keys that need a restart are pending until then.",
        handler=config.reload,
        body=a.ReloadRequest,
        body_example={},
        body_required=False,
        answers=(
            Answer(status=200, meaning="How it stands then.", model=a.Configuration, example=a.CONFIGURATION),
        ),
        problems={
            **s.WITH_BODY,
            404: (DoorCode.NO_SUCH_RESOURCE,),
            409: (Code.CONFIGURATION,),
            422: (Code.UNKNOWN_FIELD, Code.WRONG_TYPE),
        },
    ),
)
