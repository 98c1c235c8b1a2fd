"""The class that makes a LangChain model a provider: the provider API of Jupyter AI v2.

A provider inherits :class:`BaseProvider` first and a LangChain ``LLM`` or ``BaseChatModel``
second::

    class MyProvider(BaseProvider, FakeListLLM):
        id = "my_provider"
        name = "My Provider"
        models = ["model_a", "model_b"]
        model_id_key = "model"

The class attributes describe it without an instance; an instance is one model of the provider.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import anyio.to_thread
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.llms import BaseLLM
from langchain_core.prompts import (
    BasePromptTemplate,
    ChatPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from pydantic import ConfigDict

from .auth import AuthStrategy
from .fields import Field
from .overrides import PlainOverrides

__all__ = ["BaseProvider"]

_ONLY = {
    "code": "Answer with source code only, without any text before or after it.",
    "html": "Answer in HTML only, without any markup before or after it.",
    "image": "Answer with an image only, without any text before or after it.",
    "json": "Answer in JSON only, without anything before or after it.",
    "markdown": "Answer in Markdown only.",
    "math": "Answer in LaTeX only, with $$ at the beginning and at the end.",
    "md": "Answer in Markdown only.",
}

_CHAT_SYSTEM_PROMPT = (
    "You are an assistant in JupyterLab, built on the model {model} of {provider}. Answer people's "
    "questions with specific details, in Markdown. Put code into fenced code blocks, write "
    "mathematics in LaTeX between LaTeX delimiters, and escape the sign of amounts in dollars as "
    "\\$. When you do not know an answer, say so."
)


class BaseProvider(PlainOverrides):
    """Describes a model provider by class attributes, and one of its models by an instance.

    Constructed with ``model_id`` and the arguments of the LangChain class; ``model_id`` is passed
    on to that class under ``model_id_key``. Raises ``TypeError`` without a ``model_id``, and what
    the LangChain class raises (``pydantic.ValidationError`` mostly).
    """

    # `model_id` would otherwise warn on the older pydantic that an older LangChain allows.
    model_config = ConfigDict(protected_namespaces=())

    id: ClassVar[str]
    """The part of a model reference before the colon."""
    if TYPE_CHECKING:
        # LangChain declares `name` for instances; type checkers refuse a class variable over it.
        name: str | None
    else:
        name: ClassVar[str]
    """The displayed name."""
    models: ClassVar[list[str]]
    """Ids of the models; ``["*"]`` when a registry provider lists none."""
    help: ClassVar[str | None] = None
    """Markdown that says how to find a model id, for registry providers."""
    model_id_key: ClassVar[str | None] = None
    """Keyword by which the LangChain class takes the model id; ``None`` means ``model_id``."""
    model_id_label: ClassVar[str | None] = None
    """The provider's term for a model id; ``None`` means "Model ID"."""
    pypi_package_deps: ClassVar[list[str]] = []
    """Names on PyPI of the packages that the provider needs."""
    auth_strategy: ClassVar[AuthStrategy] = None
    """The credentials it needs; ``None`` for none."""
    registry: ClassVar[bool] = False
    """Whether any model id is accepted, listed in ``models`` or not."""
    fields: ClassVar[list[Field]] = []
    """Further inputs, passed to the constructor by their ``key``."""
    manages_history: ClassVar[bool] = False
    """Whether the provider keeps the conversation itself, and gets the newest message only."""
    image_inputs: ClassVar[bool | None] = None
    """Whether its models take images, if LangChain's profile of a model does not say so."""
    persona: ClassVar[Any] = None
    """Name and avatar under which Jupyter AI v2 showed the provider's answers; kept, not used."""
    unsupported_slash_commands: ClassVar[set[str]] = set()
    """Commands of Jupyter AI v2's chat that made no sense with the provider; kept, not used."""
    server_settings: ClassVar[MappingProxyType[str, Any] | None] = None
    """The web application's settings, read-only, shared by all; ``None`` outside a server."""

    model_id: str
    """The id of this model."""
    prompt_templates: dict[str, PromptTemplate]
    """One template with the variable ``prompt`` for each output format."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not kwargs.get("model_id"):
            raise TypeError(f"{type(self).__name__} needs the keyword `model_id`, a model's id.")
        kwargs.setdefault(self.model_id_key or "model_id", kwargs["model_id"])
        kwargs.setdefault(
            "prompt_templates",
            {
                format: PromptTemplate.from_template("{prompt}\n\n" + only)
                for format, only in _ONLY.items()
            }
            | {"text": PromptTemplate.from_template("{prompt}")},
        )
        super().__init__(*args, **kwargs)

    @classmethod
    def chat_models(cls) -> list[str]:
        """Return the models to offer for chat: all, unless a provider says otherwise."""
        return cls.models

    @classmethod
    def completion_models(cls) -> list[str]:
        """Return the models to offer for completions: all, unless a provider says otherwise."""
        return cls.models

    @classmethod
    def is_api_key_exc(cls, exc: Exception, /) -> bool:
        """Return whether ``exc``, raised by a call, means that the credentials were refused."""
        return False

    @property
    def is_chat_provider(self) -> bool:
        """Whether this is a chat model; any other serves the magics only."""
        return isinstance(self, BaseChatModel)

    @property
    def allows_concurrency(self) -> bool:
        """Whether several calls may run at the same time on this instance."""
        return True

    @property
    def supports_streaming(self) -> bool:
        """Whether the LangChain class streams by itself, rather than in one piece."""
        plain: type = BaseChatModel if self.is_chat_provider else BaseLLM
        return any(
            getattr(type(self), method, None) is not getattr(plain, method)
            for method in ("_stream", "_astream")
        )

    def update_prompt_template(self, format: str, template: str) -> None:
        """Change this instance's template for ``format``; ``template`` contains ``{prompt}``."""
        self.prompt_templates[format] = PromptTemplate.from_template(template)

    def get_prompt_template(self, format: str) -> PromptTemplate:
        """Return the template for ``format``, or that of ``text`` when there is none."""
        return self.prompt_templates.get(format, self.prompt_templates["text"])

    def get_chat_prompt_template(self) -> BasePromptTemplate[Any]:
        """Return a template for a conversation.

        Its variables are ``input``, ``history`` (messages for a chat model, else text) and,
        optionally, ``context``.
        """
        system = _CHAT_SYSTEM_PROMPT.format(provider=self.name, model=self.model_id)
        if self.is_chat_provider:
            return ChatPromptTemplate(
                [
                    ("system", "{system}"),
                    MessagesPlaceholder("history"),
                    ("human", "{context}{input}"),
                ],
                partial_variables={"system": system, "context": ""},
            )
        return PromptTemplate.from_template(
            "{system}\n\n{context}{history}\nHuman: {input}\nAI:",
            partial_variables={"system": system, "context": ""},
        )

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        """Return what LangChain's tracers say of a call: with the model's id, as each call may
        name another one by ``model``.
        """
        # getattr: a method of the LangChain class that a provider also inherits.
        params = getattr(super(), "_get_ls_params")(stop=stop, **kwargs)  # noqa: B009
        called = kwargs.get("model")
        if isinstance(called, str):
            return {**params, "ls_model_name": called}
        return {"ls_model_name": self.model_id, **params}

    async def _call_in_executor(self, *args: Any, **kwargs: Any) -> str:
        """Run ``_call`` in a thread: for an ``_acall`` where the vendor only blocks."""
        return str(await self._in_thread("_call", *args, **kwargs))

    async def _generate_in_executor(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``_generate`` in a thread: for an ``_agenerate`` where the vendor only blocks."""
        return await self._in_thread("_generate", *args, **kwargs)

    async def _in_thread(self, method: str, *args: Any, **kwargs: Any) -> Any:
        # getattr: these methods belong to the LangChain class that a provider also inherits.
        call = getattr(self, method)
        return await anyio.to_thread.run_sync(lambda: call(*args, **kwargs), abandon_on_cancel=True)
