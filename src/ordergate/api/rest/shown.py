"""What every model of an answer is: models of answers describe them in the OpenAPI document, and check nothing."""

from pydantic import BaseModel, ConfigDict


class Shown(BaseModel):
    """A model that costs nothing until the document is asked for."""

    model_config = ConfigDict(defer_build=True)
