from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import (
    FakeListChatModel,
    GenericFakeChatModel,
)
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatResult

from jupyter_ai_personas import (
    AwsAuthStrategy,
    BaseProvider,
    EnvAuthStrategy,
    IntegerField,
    MultiEnvAuthStrategy,
    MultilineTextField,
    TextField,
)

FORMATS = ["code", "html", "image", "json", "markdown", "math", "md", "text"]


class Shouting(LLM):
    """A plain LLM of which only the blocking half is written."""

    model: str = ""

    @property
    def _llm_type(self) -> str:
        return "shouting"

    def _call(self, prompt: str, *args: Any, **kwargs: Any) -> str:
        self.__dict__["thread"] = threading.current_thread()
        return prompt.upper()


class ShoutingProvider(BaseProvider, Shouting):
    id = "shouting"
    name = "Shouting"
    models = ["loud", "louder"]
    model_id_key = "model"

    async def _acall(self, *args: Any, **kwargs: Any) -> str:
        return await self._call_in_executor(*args, **kwargs)


class ListProvider(BaseProvider, FakeListChatModel):
    id = "list"
    name = "List"
    models = ["one"]

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return await self._generate_in_executor(*args, **kwargs)


def make_list() -> ListProvider:
    return ListProvider(model_id="one", responses=["first"])


def test_importing_the_package_does_not_import_langchain() -> None:
    code = (
        "import sys, jupyter_ai_personas, jupyter_ai_personas.providers\n"
        "from jupyter_ai_personas.providers import Endpoint, ModelRegistry, ProviderSettings\n"
        "sys.exit('langchain_core' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_attributes_of_jupyter_ai_v2_have_its_defaults() -> None:
    attributes = {
        name: getattr(ListProvider, name)
        for name in (
            "help",
            "model_id_key",
            "model_id_label",
            "pypi_package_deps",
            "auth_strategy",
            "registry",
            "fields",
            "manages_history",
            "persona",
            "unsupported_slash_commands",
            "server_settings",
        )
    }
    assert attributes == {
        "help": None,
        "model_id_key": None,
        "model_id_label": None,
        "pypi_package_deps": [],
        "auth_strategy": None,
        "registry": False,
        "fields": [],
        "manages_history": False,
        "persona": None,
        "unsupported_slash_commands": set(),
        "server_settings": None,
    }
    assert ListProvider.chat_models() == ListProvider.completion_models() == ["one"]
    assert ListProvider.is_api_key_exc(ValueError("any")) is False


def test_the_model_id_is_passed_on_under_its_key() -> None:
    model = ShoutingProvider(model_id="louder")
    assert (model.model_id, model.model) == ("louder", "louder")


def test_a_subclass_may_pass_another_value_under_the_key() -> None:
    assert ShoutingProvider(model_id="loud", model="other").model == "other"


@pytest.mark.parametrize("arguments", [{}, {"model_id": ""}])
def test_without_a_model_id_it_says_what_is_missing(arguments: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="ShoutingProvider needs the keyword `model_id`"):
        ShoutingProvider(**arguments)


def test_chat_models_and_llms_are_told_apart() -> None:
    assert make_list().is_chat_provider
    assert not ShoutingProvider(model_id="loud").is_chat_provider


def test_streaming_is_supported_where_the_langchain_class_streams() -> None:
    assert make_list().supports_streaming
    assert not ShoutingProvider(model_id="loud").supports_streaming
    assert make_list().allows_concurrency


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_a_template_with_the_prompt(format: str) -> None:
    prompt = make_list().get_prompt_template(format).format(prompt="why {x}?")
    assert prompt.startswith("why {x}?")
    assert (prompt == "why {x}?") is (format == "text")


def test_an_unknown_format_gets_the_template_of_text() -> None:
    model = make_list()
    assert model.get_prompt_template("morse") is model.get_prompt_template("text")


def test_a_changed_template_is_that_instances_own() -> None:
    model = make_list()
    model.update_prompt_template("code", "{prompt} in Fortran")
    assert model.get_prompt_template("code").format(prompt="pi") == "pi in Fortran"
    assert "Fortran" not in make_list().get_prompt_template("code").template


def test_the_chat_template_of_a_chat_model_makes_messages() -> None:
    template = make_list().get_chat_prompt_template()
    history = [HumanMessage("hi"), AIMessage("hello")]
    messages = template.invoke({"history": history, "input": "and {this}?"}).to_messages()
    assert [message.type for message in messages] == ["system", "human", "ai", "human"]
    assert messages[-1].content == "and {this}?"
    assert "one" in messages[0].content


def test_the_chat_template_of_an_llm_makes_one_text_with_the_context() -> None:
    template = ShoutingProvider(model_id="loud").get_chat_prompt_template()
    text = template.invoke(
        {"history": "Human: hi\nAI: hello", "input": "and?", "context": "In short: "}
    ).to_string()
    assert text.endswith("In short: Human: hi\nAI: hello\nHuman: and?\nAI:")


async def test_blocking_calls_run_in_another_thread() -> None:
    model = ShoutingProvider(model_id="loud")
    assert await model.ainvoke("hi") == "HI"
    assert model.__dict__["thread"] is not threading.current_thread()
    assert (await make_list().ainvoke("hi")).content == "first"


def test_an_annotated_field_of_the_langchain_class_stays_a_field() -> None:
    class Generic(BaseProvider, GenericFakeChatModel):
        id = "generic"
        name = "Generic"
        models = ["g"]

    model = Generic(model_id="g", messages=iter(["a b"]))
    assert model.invoke("x").content == "a b"
    assert (Generic.name, model.name) == ("Generic", "Generic")


def test_strategies_and_fields_say_their_type() -> None:
    assert EnvAuthStrategy(name="A_KEY").keyword_param is None
    types = [
        EnvAuthStrategy("A_KEY", "api_key").type,
        MultiEnvAuthStrategy(names=["A", "B"]).type,
        AwsAuthStrategy().type,
        TextField(key="k", label="K", format="text").type,
        MultilineTextField(key="k", label="K", format="json").type,
        IntegerField(key="n", label="N").type,
    ]
    assert types == ["env", "multienv", "aws", "text", "text-multiline", "integer"]
