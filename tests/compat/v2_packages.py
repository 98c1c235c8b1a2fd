"""Provider packages after the published interface of real ones: what they import, say and take.

A name is that of a row in ``docs/packages/providers.csv``, without the version.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["PACKAGES", "Package"]

_LLM = """
from typing import Any, Optional
from langchain_core.callbacks.manager import CallbackManagerForLLMRun
from langchain_core.language_models.llms import LLM

class TestLLM(LLM):
    model_id: str

    @property
    def _llm_type(self) -> str:
        return "custom"

    def _call(self, prompt: str, stop: Optional[list[str]] = None,
              run_manager: Optional[CallbackManagerForLLMRun] = None, **kwargs: Any) -> str:
        return f"I am {self.model_id}."
"""


@dataclass(frozen=True)
class Package:
    """``references`` are models that answer; ``fails`` are those that cannot, and why.

    ``broken`` are entry points that do not load, with words of the reason. ``URL`` in
    ``parameters`` and ``variables`` stands for an OpenAI server.
    """

    files: dict[str, str]
    entry_points: dict[str, str]
    references: tuple[str, ...] = ()
    fails: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, dict[str, object]] = field(default_factory=dict)
    other_groups: dict[str, dict[str, str]] = field(default_factory=dict)
    default: str | None = None


_SLASH = """
from jupyterlab_chat.ychat import YChat
from jupyter_ai.chat_handlers.base import BaseChatHandler, SlashCommandRoutingType

class TestSlashCommand(BaseChatHandler):
    id = "test"
    routing_type = SlashCommandRoutingType(slash_id="test")
"""

PACKAGES = {
    "output of the Jupyter AI v2.31.7 cookiecutter": Package(
        files={
            "llm.py": _LLM,
            "slash_command.py": _SLASH,
            "provider.py": """
from typing import ClassVar, List
from jupyter_ai import AuthStrategy, BaseProvider, Field
from .llm import TestLLM

class TestProvider(BaseProvider, TestLLM):
    id: ClassVar[str] = "test-provider"
    name: ClassVar[str] = "Test Provider"
    models: ClassVar[List[str]] = ["test-model-1"]
    help: ClassVar[str] = None
    model_id_key: ClassVar[str] = "model_id"
    model_id_label: ClassVar[str] = "Model ID"
    pypi_package_deps: ClassVar[List[str]] = []
    auth_strategy: ClassVar[AuthStrategy] = None
    registry: ClassVar[bool] = False
    fields: ClassVar[List[Field]] = []
""",
        },
        entry_points={"my-provider": "NAME.provider:TestProvider"},
        other_groups={
            "jupyter_ai.chat_handlers": {
                "custom-slash-command": "NAME.slash_command:TestSlashCommand"
            }
        },
        references=("test-provider:test-model-1",),
    ),
    "jupyter_ai_cborg": Package(
        files={
            "cborg.py": """
from langchain_openai import ChatOpenAI
from jupyter_ai_magics import BaseProvider
from jupyter_ai_magics.providers import EnvAuthStrategy, TextField

class CBorgProvider(BaseProvider, ChatOpenAI):
    id = "cborg"
    name = "CBorg"
    models = ["lbl/cborg-chat:latest"]
    model_id_key = "model_name"
    pypi_package_deps = ["langchain_openai"]
    auth_strategy = EnvAuthStrategy(name="CBORG_API_KEY")
    fields = [TextField(key="openai_api_base", label="Base URL (optional)", format="text")]

    def __init__(self, **kwargs):
        key = kwargs.pop("cborg_api_key", None)
        base = kwargs.pop("openai_api_base", "https://cborg.invalid")
        super().__init__(openai_api_key=key, openai_api_base=base, **kwargs)
"""
        },
        entry_points={"cborg": "NAME.cborg:CBorgProvider"},
        references=("cborg:lbl/cborg-chat:latest",),
        variables={"CBORG_API_KEY": "KEY"},
        parameters={"cborg": {"openai_api_base": "URL"}},
        default="cborg",
    ),
    "jupyter_ai_blablador": Package(
        files={
            "provider.py": """
from os import getenv
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from jupyter_ai import EnvAuthStrategy, Field
from jupyter_ai_magics import BaseProvider, BaseEmbeddingsProvider, Persona

class ChatBlabladorProvider(BaseProvider, ChatOpenAI):
    id = "blablador-chat"
    name = "Blablador"
    models = ["alias-code", "alias-fast"]
    model_id_key = "model_name"
    model_id_label = "Model ID"
    pypi_package_deps = ["langchain_openai"]
    auth_strategy = EnvAuthStrategy(name="BLABLADOR_API_KEY", keyword_param="openai_api_key")
    openai_api_base = getenv("BLABLADOR_API_BASE", "https://blablador.invalid/v1")
    openai_organization = "A federation"
    persona = Persona(name="Blablador", avatar_route="api/ai/static/jupyternaut.svg")

class BlabladorProvider(BaseProvider, OpenAI):
    id = "blablador"
    name = "Blablador"
    models = ["alias-code"]
    model_id_key = "model_name"
    auth_strategy = EnvAuthStrategy(name="BLABLADOR_API_KEY", keyword_param="openai_api_key")
    openai_api_base = getenv("BLABLADOR_API_BASE", "https://blablador.invalid/v1")

class BlabladorEmbeddingsProvider(BaseEmbeddingsProvider, OpenAIEmbeddings):
    id = "blablador-embeddings"
    name = "Blablador"
    models = ["alias-embeddings"]
    model_id_key = "model"
    model_id_label = "Model ID"
    auth_strategy = EnvAuthStrategy(name="BLABLADOR_API_KEY", keyword_param="openai_api_key")
    openai_api_base = getenv("BLABLADOR_API_BASE", "https://blablador.invalid/v1")
    persona = Persona(name="Blablador", avatar_route="api/ai/static/jupyternaut.svg")
"""
        },
        entry_points={
            "blablador": "NAME.provider:BlabladorProvider",
            "blablador-chat": "NAME.provider:ChatBlabladorProvider",
        },
        other_groups={
            "jupyter_ai.embeddings_model_providers": {
                "blablador-embeddings": "NAME.provider:BlabladorEmbeddingsProvider"
            }
        },
        references=("blablador-chat:alias-code",),
        variables={"BLABLADOR_API_KEY": "KEY", "BLABLADOR_API_BASE": "URL"},
        default="blablador-chat",
    ),
    "nebari_jupyter_ai": Package(
        files={
            "provider.py": """
from jupyter_ai_magics.models.persona import Persona
from jupyter_ai_magics.partner_providers.openai import (
    ChatOpenAIProvider, OpenAIEmbeddingsProvider,
)

class NebariChatProvider(ChatOpenAIProvider):
    id = "nebari"
    name = "Nebari"
    persona = Persona(name="Assistant", avatar_route="api/nebari_ai/static/logo.svg")

    def get_chat_prompt_template(self):
        from jupyter_ai_magics import providers  # imported late

        before = providers.CHAT_SYSTEM_PROMPT
        providers.CHAT_SYSTEM_PROMPT = "You are {local_model_id} of {provider_name}."
        try:
            return super().get_chat_prompt_template()
        finally:
            providers.CHAT_SYSTEM_PROMPT = before

class NebariEmbeddingsProvider(OpenAIEmbeddingsProvider):
    id = "nebari-embeddings"
    name = "Nebari Embeddings"
"""
        },
        entry_points={"nebari-chat": "NAME.provider:NebariChatProvider"},
        references=("nebari:gpt-4o",),
        variables={"OPENAI_API_KEY": "KEY"},
        parameters={"nebari": {"openai_api_base": "URL"}},
        default="openai",
    ),
    "rugllm_provider": Package(
        files={
            "__init__.py": "from .provider import RugLlmProvider\n",
            "provider.py": """
from os import getenv
from typing import ClassVar, List
from langchain_openai import ChatOpenAI, OpenAI
from jupyter_ai_magics import BaseProvider, Persona
from jupyter_ai_magics.providers import EnvAuthStrategy, Field, TextField

class RugLiteLlm(BaseProvider, OpenAI):
    id = "ruglitellm"
    name = "RugLiteLlm"
    models = ["mistral-nemo-instruct"]
    model_id_key = "model_name"
    auth_strategy = EnvAuthStrategy(name="RUGLITELLM_API_KEY", keyword_param="openai_api_key")
    openai_api_base: str = getenv("RUGLITELLM_API_BASE", "https://llm.invalid/")

class ChatRugLiteLlm(BaseProvider, ChatOpenAI):
    id = "ruglitellm"
    name = "RugLiteLlm"
    models = ["mistral-nemo-instruct"]
    model_id_key = "model_name"
    model_id_label = "Model ID"
    pypi_package_deps = ["langchain_openai"]
    auth_strategy = EnvAuthStrategy(name="RUGLITELLM_API_KEY", keyword_param="openai_api_key")
    openai_api_base: str = getenv("RUGLITELLM_API_BASE", "https://llm.invalid/")
    openai_organization: str = "A university"
    fields: ClassVar[List[Field]] = [
        TextField(key="openai_api_base", label="OpenAI API Base", default="x", format="text")
    ]
    persona = Persona(name="RugLiteLlm", avatar_route="api/ai/static/jupyternaut.svg")
""",
        },
        entry_points={
            "another": "NAME.provider:RugLiteLlm",
            "ruglitellm": "NAME.provider:RugLiteLlm",
            "ruglitellm-chat": "NAME.provider:ChatRugLiteLlm",
        },
        broken={"another": "its module `NAME.provider` has no `RugLlmProvider`"},
        references=("ruglitellm:mistral-nemo-instruct",),
        variables={"RUGLITELLM_API_KEY": "KEY", "RUGLITELLM_API_BASE": "URL"},
        default="ruglitellm",
    ),
    "jupyter_climateclaw": Package(
        files={
            "provider.py": """
from typing import ClassVar, Dict, List
from jupyter_ai_magics import BaseProvider, Persona
from jupyter_ai_magics.base_provider import CHAT_SYSTEM_PROMPT, HUMAN_MESSAGE_TEMPLATE
from langchain.prompts import (
    ChatPromptTemplate, HumanMessagePromptTemplate, MessagesPlaceholder, PromptTemplate,
    SystemMessagePromptTemplate,
)
from langchain_core.language_models import FakeListChatModel

class ClimateClaw(FakeListChatModel):
    responses: List[str] = ["It is warm."]
    model_id: str

class ClimateClawProvider(BaseProvider, ClimateClaw):
    id: ClassVar[str] = "ClimateClaw"
    name: ClassVar[str] = "ClimateClaw Provider"
    models: ClassVar[List[str]] = ["gpt-4.1"]
    model_id_key: ClassVar[str] = "model_id"
    persona: ClassVar[Persona] = Persona(name="ClimateClaw", avatar_route="api/ai/static/c.svg")
    unsupported_slash_commands: ClassVar[set] = {"/learn", "/ask"}
    custom_prompt_templates: Dict[str, str] = {"code": "{prompt} Answer in code."}

    @property
    def allows_concurrency(self):
        return True

    def get_prompt_template(self, format) -> PromptTemplate:
        if format in self.custom_prompt_templates:
            super().update_prompt_template(format, self.custom_prompt_templates[format])
        return super().get_prompt_template(format)

    def get_chat_prompt_template(self):
        return ChatPromptTemplate.from_messages([
            SystemMessagePromptTemplate.from_template(CHAT_SYSTEM_PROMPT).format(
                provider_name=self.__class__.name, local_model_id=self.model_id
            ),
            MessagesPlaceholder(variable_name="history"),
            HumanMessagePromptTemplate.from_template(
                HUMAN_MESSAGE_TEMPLATE, template_format="jinja2"
            ),
        ])
"""
        },
        entry_points={"jupyter-climateclaw": "NAME.provider:ClimateClawProvider"},
        references=("ClimateClaw:gpt-4.1",),
    ),
    "dive_ai": Package(
        files={
            "provider.py": """
import os
from jupyter_ai_magics import BaseEmbeddingsProvider, BaseProvider
from jupyter_ai_magics.providers import EnvAuthStrategy, TextField
from langchain_openai import AzureChatOpenAI, ChatOpenAI, OpenAIEmbeddings

class DIVEChat(ChatOpenAI):
    def __init__(self, **kwargs):
        super().__init__(
            **kwargs,
            base_url=os.getenv("CHAT_BASE_URL", "http://localhost:8000/v1"),
            api_key=os.getenv("DIVE_API_KEY", "_"),
        )

class DIVEChatProvider(BaseProvider, DIVEChat):
    id = "dive"
    name = " DIVE"
    models = ["chat"]
    model_id_key = "model_name"
    pypi_package_deps = ["langchain_openai"]

class DIVEEmbeddings(OpenAIEmbeddings):
    def __init__(self, **kwargs):
        super().__init__(**kwargs, base_url="http://localhost:8000/v1", api_key="_")

class DIVEEmbeddingsProvider(BaseEmbeddingsProvider, DIVEEmbeddings):
    id = "dive"
    name = " DIVE"
    models = ["embed"]
    model_id_key = "model"
""",
            "ollama.py": "from langchain_community.chat_models import ChatOllama\n",
        },
        entry_points={
            "dive-chat-provider": "NAME.provider:DIVEChatProvider",
            "dive-ollama-chat-provider": "NAME.ollama:ChatOllama",
        },
        broken={
            "dive-ollama-chat-provider": "it needs `ChatOllama` of `langchain_community."
            "chat_models`, which the installed langchain-community "
        },
        references=("dive:chat",),
        variables={"CHAT_BASE_URL": "URL", "DIVE_API_KEY": "KEY"},
    ),
    "jupyter_ai_wekeo": Package(
        files={
            "provider.py": """
import uuid
from typing import Any, ClassVar, List, Optional
from jupyter_ai import BaseProvider
from jupyter_ai_magics.models.persona import JUPYTERNAUT_AVATAR_ROUTE, Persona
from langchain.llms.base import LLM
from langchain.prompts import PromptTemplate

class WekeoLLM(LLM):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.session_id = str(uuid.uuid4())

    @property
    def _llm_type(self) -> str:
        return "custom_llm"

    def _call(self, prompt: str, *args: Any, **kwargs: Any) -> str:
        return prompt

class WekeoProvider(BaseProvider, WekeoLLM):
    id: ClassVar[str] = "wekeo-provider"
    name: ClassVar[str] = "Wekeo Provider"
    models: ClassVar[List[str]] = ["server"]
    model_id_key: ClassVar[str] = "model_id_key"
    model_id_label: ClassVar[str] = "model_id_label"
    unsupported_slash_commands: ClassVar[set] = {"/learn", "/ask"}
    persona: ClassVar[Optional[Persona]] = Persona(
        name="Assistant", avatar_route=JUPYTERNAUT_AVATAR_ROUTE
    )
"""
        },
        entry_points={"my-provider": "NAME.provider:WekeoProvider"},
        fails={"wekeo-provider:server": 'object has no field "session_id"'},
    ),
    "jupyter_ai_tabby": Package(
        files={
            "provider.py": """
from typing import Any, ClassVar, List, Optional
from jupyter_ai_magics import BaseProvider
from jupyter_ai_magics.providers import (
    EnvAuthStrategy, Field, IntegerField, MultilineTextField, TextField,
)
from jupyter_ydoc import YNotebook
from langchain_core.language_models.llms import LLM

class TabbyLLM(LLM):
    model_id: str
    url: str
    api_key: Optional[str] = None
    prefix_context_length: int

    @property
    def _llm_type(self) -> str:
        return "custom"

    def _call(self, prefix: str, suffix: str, *args: Any, **kwargs: Any) -> str:
        return prefix + suffix

class TabbyProvider(BaseProvider, TabbyLLM):
    id: ClassVar[str] = "Tabby_Local"
    name: ClassVar[str] = "Tabby"
    models: ClassVar[List[str]] = ["Tabby_default"]
    model_id_key: ClassVar[str] = "model_id"
    auth_strategy = EnvAuthStrategy(name="TABBY_API_KEY", keyword_param="api_key")
    fields: ClassVar[List[Field]] = [
        TextField(key="url", label="URL", required=True, format="text"),
        IntegerField(key="prefix_context_length", label="Prefix Context Length", default=500),
    ]
"""
        },
        entry_points={"tabby-provider": "NAME.provider:TabbyProvider"},
        variables={"TABBY_API_KEY": "KEY"},
        fails={"Tabby_Local:Tabby_default": '"prefix_context_length": …}}`.'},
    ),
}
