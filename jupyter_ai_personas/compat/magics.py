"""The names of ``jupyter_ai_magics`` 2.31.7 that model providers use."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from ..providers.auth import AuthStrategy, AwsAuthStrategy, EnvAuthStrategy, MultiEnvAuthStrategy
from ..providers.base import BaseProvider
from ..providers.fields import Field, IntegerField, MultilineTextField, TextField
from ..providers.overrides import PlainOverrides

__all__ = [
    "CHAT_DEFAULT_TEMPLATE",
    "CHAT_SYSTEM_PROMPT",
    "COMPLETION_DEFAULT_TEMPLATE",
    "COMPLETION_SYSTEM_PROMPT",
    "HUMAN_MESSAGE_TEMPLATE",
    "JUPYTERNAUT_AVATAR_ROUTE",
    "AuthStrategy",
    "AwsAuthStrategy",
    "BaseEmbeddingsProvider",
    "BaseProvider",
    "EnvAuthStrategy",
    "Field",
    "IntegerField",
    "JupyternautPersona",
    "MultiEnvAuthStrategy",
    "MultilineTextField",
    "Persona",
    "TextField",
    "__version__",
]

__version__ = "2.31.7"

CHAT_SYSTEM_PROMPT = (
    "You are an assistant in JupyterLab, built on the model {local_model_id} of {provider_name}. "
    "Answer people's questions with specific details, in Markdown. Put code into fenced code "
    "blocks, and write mathematics in LaTeX. When you do not know an answer, say so."
)
"""For ``str.format`` with ``provider_name`` and ``local_model_id``."""

_CONTEXT = "{% if context %}Context:\n{{context}}\n\n{% endif %}"

HUMAN_MESSAGE_TEMPLATE = _CONTEXT + "{{input}}\n"
"""Jinja2, with ``input`` and, optionally, ``context``."""

CHAT_DEFAULT_TEMPLATE = _CONTEXT + "Current conversation:\n{{history}}\nHuman: {{input}}\nAI:"
"""Jinja2, with ``history``, ``input`` and, optionally, ``context``."""

COMPLETION_SYSTEM_PROMPT = (
    "You complete code. Answer with code only, in the language of the document, with few comments."
)

COMPLETION_DEFAULT_TEMPLATE = (
    "The document is named `{{filename}}` and written in {{language}}.\n"
    "{% if suffix %}This comes after the position to complete:\n\n{{suffix}}\n\n{% endif %}"
    "Complete this:\n\n{{prefix}}"
)
"""Jinja2, with ``filename``, ``language``, ``prefix`` and, optionally, ``suffix``."""

JUPYTERNAUT_AVATAR_ROUTE = "api/ai/static/jupyternaut.svg"


class Persona(BaseModel):
    """Name and avatar route of a provider's answers in Jupyter AI v2; accepted and not used."""

    name: str
    avatar_route: str


JupyternautPersona = Persona(name="Jupyternaut", avatar_route=JUPYTERNAUT_AVATAR_ROUTE)


class BaseEmbeddingsProvider(PlainOverrides):
    """Describes a provider of embeddings, as :class:`BaseProvider` does one of models.

    Nothing here uses embeddings: the class exists for modules that define such a provider beside
    one of models. Constructed with ``model_id=…``; raises ``TypeError`` without it.
    """

    model_config = ConfigDict(protected_namespaces=(), extra="allow")

    id: ClassVar[str]
    name: ClassVar[str]
    models: ClassVar[list[str]]
    help: ClassVar[str | None] = None
    model_id_key: ClassVar[str | None] = None
    model_id_label: ClassVar[str | None] = None
    persona: ClassVar[Persona | None] = None
    pypi_package_deps: ClassVar[list[str]] = []
    auth_strategy: ClassVar[AuthStrategy] = None
    registry: ClassVar[bool] = False
    fields: ClassVar[list[Field]] = []

    model_id: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not kwargs.get("model_id"):
            raise TypeError(f"{type(self).__name__} needs the keyword `model_id`, a model's id.")
        kwargs.setdefault(self.model_id_key or "model_id", kwargs["model_id"])
        super().__init__(*args, **kwargs)
